"""The process that answers exams: what its failures are called."""

import errno
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_node_worker import Answer, DiskFullError, Worker, WorkerError
from mammo_steps.core.study import StudyError


def fail(error: Exception, files: Sequence[Path]) -> list[Dataset]:
    try:
        raise error
    except OSError as first:
        if files:  # (a library's own error around it)
            raise RuntimeError("writing failed") from first
        raise


def make(error: Exception) -> Answer:
    return partial(fail, error)


def make_nothing(error: Exception) -> Answer:
    raise error


@pytest.fixture
def worker() -> Iterator[Callable[..., Worker]]:
    made: list[Worker] = []

    def start(error: Exception, maker: Callable[[Exception], Answer] = make) -> Worker:
        made.append(Worker(partial(maker, error), 60))
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no room"),
        OSError(errno.EDQUOT, "quota"),
        OSError("100 requested and 40 written"),
    ],
)
def test_a_full_disk_is_not_the_exams_fault(
    worker: Callable[..., Worker], tmp_path: Path, error: Exception
) -> None:
    ours = worker(error)
    for files in ([], [Path("a.dcm")]):
        with pytest.raises(DiskFullError, match="Error in test_dicom_node_worker.py, line"):
            ours.answer(files, tmp_path)


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "broken"), OSError("image file is truncated"), ValueError("x")]
)
def test_other_errors_are(worker: Callable[..., Worker], tmp_path: Path, error: Exception) -> None:
    with pytest.raises(WorkerError, match="Error in test_dicom_node_worker.py, line"):
        worker(error).answer([], tmp_path)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("the bundle is not whole"), "^the bundle is not whole"),
        (StudyError("the bundle is not whole"), "^the bundle is not whole"),
        (RuntimeError("out of memory"), "^RuntimeError: out of memory"),
    ],
)
def test_why_nothing_can_be_answered_is_told_without_a_class_where_the_words_are_ours(
    worker: Callable[..., Worker], error: Exception, text: str
) -> None:
    with pytest.raises(WorkerError, match=text):
        worker(error, make_nothing).start()
