"""Work in several processes whose results come back in the order of the tasks, a bounded number ahead.

A thread of this process serves each worker process and gives it one task at a time: a worker that dies takes
no other task with it, and results are received while the caller writes.
"""

import multiprocessing
import os
import pickle
import resource
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar, overload

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2  # tasks per worker that are begun or done before their turn
_ATTEMPTS = (
    2  # a task is Lost when it ends a fresh worker too: the first may have been killed for its neighbours
)
_OUT_OF_MEMORY = 90  # exit status of a worker whose task met MemoryError
_EXIT_S = 10  # a worker whose line has ended is gone within this time, or killed
_CONTEXT = multiprocessing.get_context("spawn")  # a fork would copy the locks of this process's threads
_CHANGING = threading.Lock()  # held while a process is begun or reaped, which touches a list of all processes


@dataclass(frozen=True)
class Limits:
    """What one task may take; a task that takes more is Lost.

    seconds    from the task's start until its result is received
    memory_mb  private memory beyond what the worker holds once it has started
    """

    seconds: float
    memory_mb: int


@dataclass(frozen=True)
class Lost:
    """Stands for the result of a task that ended its worker; `why` never holds text of the task."""

    why: str


class _DeadWorkerError(Exception):
    """The worker process ended; the message says why."""


@overload
def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int, start: Callable[[], None]
) -> Generator[Result, None, None]: ...
@overload
def in_order(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    start: Callable[[], None],
    limits: Limits,
) -> Generator[Result | Lost, None, None]: ...
def in_order(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    workers: int,
    start: Callable[[], None],
    limits: Limits | None = None,
) -> Generator[Result | Lost, None, None]:
    """work(task) for each task, in order; `start` runs first in every worker.

    Without limits one worker is this process, and a worker that dies is a RuntimeError. With limits the work
    always runs in other processes, and a task that ends its worker, or asks for more than the limits, is Lost.
    An error that the work raises is raised here; a worker that cannot start is a RuntimeError.
    """
    if workers == 1 and limits is None:
        start()
        yield from map(work, tasks)
        return
    crew = [_Worker(work, start, limits) for _ in range(workers)]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for worker in crew:
        idle.put(worker)
    pool = ThreadPoolExecutor(workers)
    try:
        pending = iter(tasks)
        begun: deque[Future[Any]] = deque(
            pool.submit(_serve, idle, task) for task in islice(pending, _AHEAD * workers)
        )
        while begun:
            result = begun.popleft().result()
            begun.extend(pool.submit(_serve, idle, task) for task in islice(pending, 1))
            yield result
    finally:
        for worker in crew:
            worker.dismiss()
        pool.shutdown(cancel_futures=True)


def _serve(idle: "SimpleQueue[_Worker]", task: Any) -> Any:
    """Have one of the idle workers do the task; there are as many threads as workers."""
    worker = idle.get()
    try:
        return worker.do(task)
    finally:
        idle.put(worker)


class _Worker:
    """One worker process at a time, begun when there is a task and replaced when it has died."""

    def __init__(self, work: Callable[[Any], Any], start: Callable[[], None], limits: Limits | None) -> None:
        self._job = (work, start, limits)
        self._limits = limits
        self._process: Any = None
        self._dismissed = False

    def do(self, task: Any) -> Any:
        """The result, or Lost. Raises what the work raises."""
        for _ in range(_ATTEMPTS):
            if self._process is None:
                self._begin()
            try:
                self._line.send(task)
                done, result = self._line.recv()
            except (EOFError, OSError):
                why = self._reap()
            else:
                if not done:
                    raise result
                return result
            if self._limits is None:
                raise RuntimeError(
                    f"a worker process {why}, most likely for lack of memory: give the job more, or fewer workers"
                )
        return Lost(why)

    def _begin(self) -> None:
        with _CHANGING:
            if self._dismissed:
                raise RuntimeError("this pool is closed")
            self._line, theirs = _CONTEXT.Pipe()
            self._process = _CONTEXT.Process(target=_work_on, args=(theirs, *self._job), daemon=True)
            self._process.start()
            theirs.close()  # so that the line ends with the process
        try:
            self._line.recv()
        except (EOFError, OSError):
            raise RuntimeError(
                f"a worker process cannot start ({self._reap()}): its error, if it had one, is above"
            ) from None

    def _reap(self) -> str:
        """Why the process ended, which it has or is about to."""
        with _CHANGING:
            self._line.close()
            self._process.join(_EXIT_S)
            self._process.kill()
            self._process.join()
            status, self._process = self._process.exitcode, None
        if status == -signal.SIGALRM and self._limits is not None:
            return f"took longer than {self._limits.seconds:g} s"
        if status == _OUT_OF_MEMORY and self._limits is not None:
            return f"needed more than {self._limits.memory_mb} MB"
        return f"crashed ({signal.Signals(-status).name if status < 0 else f'exit status {status}'})"

    def dismiss(self) -> None:
        """End the process, whatever it does, for good."""
        with _CHANGING:
            self._dismissed = True
            if self._process is not None:
                self._process.kill()
                self._process.join()


def _work_on(
    line: Connection, work: Callable[[Any], Any], start: Callable[[], None], limits: Limits | None
) -> None:
    """A worker process: one task after the other until the line closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's, who ends the workers
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, even in the middle of a C function
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold pixels and headers
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    start()
    if limits is not None:
        _limit_memory(limits.memory_mb)
    line.send("ready")
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        signal.setitimer(signal.ITIMER_REAL, limits.seconds if limits else 0)
        line.send_bytes(_answer(work, task))
        signal.setitimer(signal.ITIMER_REAL, 0)


def _answer(work: Callable[[Any], Any], task: Any) -> bytes:
    """Pickled (whether it was done, the result or the error)."""
    try:
        return pickle.dumps((True, work(task)), pickle.HIGHEST_PROTOCOL)
    except MemoryError:
        os._exit(_OUT_OF_MEMORY)
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return pickle.dumps((False, error))


def _limit_memory(memory_mb: int) -> None:
    """Bound private writable memory. RLIMIT_AS would also count what libraries and threads only reserve."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])  # data + stack, man 5 proc
    most = pages * resource.getpagesize() + memory_mb * 1024**2
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _end_with_the_caller() -> None:
    """A caller that was killed cannot end its workers."""
    caller = multiprocessing.parent_process()
    assert caller is not None
    caller.join()
    os._exit(1)
