"""A finished tiny study that several test files look at."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from running import snakemake


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run; tests leave its results as they are.

    pytest-xdist's workers run it once between them, and each has a copy.
    """
    base = tmp_path_factory.getbasetemp()
    first = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished_study"
    with FileLock(first.with_suffix(".lock")):
        if not first.is_dir():
            running = first.with_suffix(".running")
            shutil.rmtree(running, ignore_errors=True)
            running.mkdir()
            result = snakemake(running, "all")
            assert result.returncode == 0, result.stdout + result.stderr
            running.rename(first)
    folder = tmp_path_factory.mktemp("run") / "study"
    shutil.copytree(first, folder)
    return folder


@pytest.fixture
def own_study(finished_study: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, with all times of change, for a test of its own."""
    folder = tmp_path / "own"
    shutil.copytree(finished_study, folder)
    return folder
