"""Fixtures that several test files share."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from bundled_study import bundle_of
from tiny_study import TinyStudy, make_tiny_study, run_fold_0

from mammo_steps.core import artefacts

REPO = Path(__file__).resolve().parents[1]

# what a script starts with `&`, as .ci/run does with some of these tests, ignores Ctrl-C, and so do its children
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, so that all workers end at about the same time."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)


@pytest.fixture(autouse=True)
def no_step_has_begun() -> Iterator[None]:
    """A process is one step; here many tests share one, and what a test writes by itself is no step's."""
    artefacts.forget()
    yield
    artefacts.forget()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of reference data (real mammograms, golden outputs); a clone has none, and these tests skip."""
    folder = Path(os.environ.get("MAMMO_TEST_DATA", REPO.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no reference data in {folder}: set MAMMO_TEST_DATA")
    return folder


@pytest.fixture(
    params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)],
)
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each test runs on the CPU and, where there is one, on a CUDA device."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """For many small networks: two threads wait for each other longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> TinyStudy:
    """A tiny study up to the folds; tests write elsewhere."""
    return make_tiny_study(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def fold_0(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of the tiny study in which fold 0 is done."""
    return run_fold_0(tiny_study, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="session")
def tiny_bundle(tiny_study: TinyStudy, fold_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of fold 0's networks; tests copy it before they change it."""
    return bundle_of(tiny_study, fold_0, tmp_path_factory.mktemp("bundled"))
