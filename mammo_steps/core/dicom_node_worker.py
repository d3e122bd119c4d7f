"""The process in which a DICOM node's exams are answered, so that receiving never waits for it and survives it."""

import contextlib
import ctypes
import errno
import logging
import multiprocessing
import os
import re
import signal
import tempfile
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_node_queue import MadeObject
from mammo_steps.core.study import StudyError

Answer = Callable[[Sequence[Path]], list[Dataset]]
MakeAnswer = Callable[[], Answer]  # called once in the worker's process; has to be picklable

ANSWER = "answer"
_WELL, _FAILED, _DISK = "well", "failed", "disk"
_SHORT_WRITE = r"\d+ requested and \d+ written"
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux' prctl
_START_S = 600.0  # networks may lie on a slow disk


class WorkerError(Exception):
    """There is no answer, and why: never anything of the exam's headers."""


class DiskFullError(OSError):
    """The process that answers could not write: not the exam's fault."""


class Worker:
    """A process that answers one exam after the other; after a WorkerError it begins anew with the next."""

    def __init__(self, make_answer: MakeAnswer, timeout_s: float) -> None:
        self.make_answer, self.timeout_s = make_answer, timeout_s
        self._process: Any = None
        self._pipe: Connection | None = None

    def start(self) -> None:
        """WorkerError if what answers cannot be made: then the text says why."""
        context = multiprocessing.get_context("spawn")  # (a fork would copy locks that threads hold)
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self.make_answer, os.getpid()), daemon=True
        )
        self._process.start()
        theirs.close()
        self._receive(_START_S)

    def answer(self, files: Sequence[Path], folder: Path) -> list[MadeObject]:
        """The answer's objects, written into `folder`/`ANSWER`; what is temporary lies in `folder` as well.

        WorkerError if there is no answer; DiskFullError if it could not be written.
        """
        if self._process is None:
            self.start()
        assert self._pipe is not None
        with contextlib.suppress(OSError):  # (its end is seen below)
            self._pipe.send((list(files), folder))
        return [MadeObject(uid, name) for uid, name in self._receive(self.timeout_s)]

    def _receive(self, timeout_s: float) -> Any:
        assert self._pipe is not None
        try:
            if not self._pipe.poll(timeout_s):
                self.stop()
                raise WorkerError(f"it took more than {timeout_s:g} s")
            outcome, told = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(10)
            ending = _ending(self._process.exitcode)
            self.stop()
            raise WorkerError(f"the scoring process was ended ({ending})") from error
        if outcome == _DISK:
            raise DiskFullError(told)
        if outcome == _FAILED:
            raise WorkerError(told)
        return told

    def kill(self) -> None:
        """End the process, from any thread; whoever waits for an answer gets a WorkerError."""
        if (process := self._process) is not None:
            process.kill()

    def stop(self) -> None:
        """End the process, from the thread that asks it."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"{name}: perhaps out of memory" if name == "SIGKILL" else name
    return f"exit code {code}"


def _work(pipe: Connection, make_answer: MakeAnswer, parent: int) -> None:
    """The process itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the node's own; it ends us
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        return
    with contextlib.suppress(
        OSError
    ):  # where memory runs out, this process is to go, not the one that receives
        Path("/proc/self/oom_score_adj").write_text("500")
    quiet_pydicom()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)  # what others log may quote a header
    try:
        answer = make_answer()
    except Exception as error:  # (no exam has been seen yet: the text is about the bundle)
        own = isinstance(error, ValueError | FileNotFoundError | StudyError)
        pipe.send((_FAILED, str(error) if own else f"{type(error).__name__}: {error}"))
        return
    pipe.send((_WELL, None))
    while True:
        try:
            files, folder = pipe.recv()
        except EOFError:  # the node has ended
            return
        try:
            tempfile.tempdir = str(folder)  # pixels stay in the queue, and go with its scratch folder
            pipe.send((_WELL, _written(answer(files), folder / ANSWER)))
        except Exception as error:
            pipe.send((_DISK if _is_full_disk(error) else _FAILED, _place(error)))


def _written(answer: list[Dataset], folder: Path) -> list[tuple[str, str]]:
    """(SOPInstanceUID, file name) of each object."""
    folder.mkdir(mode=0o700)
    made = []
    for number, dataset in enumerate(answer):
        name = f"{number:03d}.dcm"
        dataset.save_as(folder / name, enforce_file_format=True)
        made.append((str(dataset.SOPInstanceUID), name))
    return made


def _is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is that of a disk without room; numpy's has no number."""
    while error is not None:
        is_full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full or (isinstance(error, OSError) and re.fullmatch(_SHORT_WRITE, str(error))):
            return True
        error = error.__cause__ or error.__context__
    return False


def _place(error: Exception) -> str:
    """Kind of an error and where it arose; its text may quote a header."""
    frames = traceback.extract_tb(error.__traceback__)[1:] or traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "mammo_steps" in frame.filename] or frames
    return f"{type(error).__name__} in {Path(own[-1].filename).name}, line {own[-1].lineno}"
