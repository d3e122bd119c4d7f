"""Results come in the order of the tasks, and tasks are not taken far ahead."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mammo_steps.core.ordered_pool import Limits, Lost, in_order

LIMITS = Limits(seconds=60, memory_mb=500)


def nothing() -> None:
    pass


def square(task: int) -> int:
    return task * task


def slow_first(task: int) -> int:
    time.sleep(0.2 if task == 0 else 0)
    return task * task


def die(_: int) -> None:
    os._exit(1)


def fail(task: int) -> int:
    if task == 3:
        raise ValueError("task 3")
    return task


def misbehave(task: str) -> str:
    """Do what the task says: die in a C library, sleep, loop, ask for MB, or give its own name."""
    what, _, amount = task.partition(" ")
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "exit":
        os._exit(int(amount))
    elif what == "sleep":
        time.sleep(float(amount))
    elif what == "loop":
        while True:
            pass
    elif what == "ask":
        np.ones(int(amount) << 20, np.uint8)
    return task


def die_once(task: int, folder: Path) -> int:
    """The first attempt at task 2 is killed, as for lack of memory of the whole job."""
    mark = folder / "tried"
    if task == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def no_start() -> None:
    raise FileNotFoundError("no such library")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("limits", [None, LIMITS])
def test_results_keep_the_order_of_the_tasks(workers: int, limits: Limits | None) -> None:
    assert list(in_order(slow_first, range(9), workers, nothing, limits)) == [n * n for n in range(9)]


def test_tasks_are_taken_a_bounded_number_ahead() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    results = in_order(slow_first, tasks(), 2, nothing)
    next(results)
    assert len(taken) <= 5  # two per worker, and the one that replaced the first
    results.close()


@pytest.mark.parametrize("limits", [None, LIMITS])
def test_an_error_in_a_task_reaches_the_caller_with_its_place(limits: Limits | None) -> None:
    with pytest.raises(ValueError, match="task 3") as raised:
        list(in_order(fail, range(9), 2, nothing, limits))
    assert "in fail" in raised.value.__notes__[0]


def test_without_limits_a_dead_worker_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        RuntimeError, match="a worker process crashed .exit status 1., most likely for lack of"
    ):
        list(in_order(die, range(3), 2, nothing))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("guilty", "why"),
    [
        ("segfault", "crashed (SIGSEGV)"),
        ("exit 0", "crashed (exit status 0)"),
        ("sleep 100", "took longer than 1 s"),
        ("loop", "took longer than 1 s"),
        ("ask 600", "needed more than 500 MB"),
    ],
)
def test_only_the_guilty_task_is_lost(workers: int, guilty: str, why: str) -> None:
    tasks = ["a", "b", guilty, "c", "d"]
    wanted = ["a", "b", Lost(why), "c", "d"]
    assert list(in_order(misbehave, tasks, workers, nothing, Limits(1, 500))) == wanted


def test_a_task_within_its_limits_is_not_lost() -> None:
    tasks = ["ask 400"] * 3 + ["sleep 0.5"] * 4  # the limits are per task, not summed over tasks
    assert list(in_order(misbehave, tasks, 1, nothing, Limits(1.6, 500))) == tasks


def test_a_task_whose_worker_was_killed_for_another_reason_is_done_again(tmp_path: Path) -> None:
    work = partial(die_once, folder=tmp_path)
    assert list(in_order(work, range(4), 1, nothing, LIMITS)) == [0, 1, 2, 3]
    assert (tmp_path / "tried").exists()


@pytest.mark.parametrize("limits", [None, LIMITS])
def test_workers_that_cannot_start_lose_no_task_but_stop_the_run(limits: Limits | None) -> None:
    with pytest.raises(RuntimeError, match="a worker process cannot start"):
        list(in_order(square, range(4), 2, no_start, limits))


def begin(task: int, folder: Path) -> int:
    (folder / str(task)).touch()
    return task


def test_workers_go_on_while_the_caller_writes(tmp_path: Path) -> None:
    for task in in_order(partial(begin, folder=tmp_path), range(9), 1, nothing, LIMITS):
        next_one = tmp_path / str(min(task + 1, 8))
        _wait(next_one.exists)


CALLER = """
import os, sys, time
from pathlib import Path
from mammo_steps.core.ordered_pool import Limits, in_order

def work(task):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(300)

if __name__ == "__main__":
    list(in_order(work, range(4), 2, int, Limits(600, 500)))
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_caller_leaves_no_process_behind(tmp_path: Path, stop: signal.Signals) -> None:
    script, started = tmp_path / "caller.py", tmp_path / "started"
    script.write_text(CALLER)
    started.mkdir()
    with subprocess.Popen(
        [sys.executable, str(script), str(started)], stderr=subprocess.PIPE, text=True
    ) as caller:
        _wait(lambda: len(list(started.iterdir())) == 2)
        caller.send_signal(stop)
        assert caller.wait(timeout=120) != 0
        workers = [int(path.name) for path in started.iterdir()]
        _wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def _wait(ready, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
