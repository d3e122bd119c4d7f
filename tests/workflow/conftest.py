"""A finished tiny study that several test files look at."""

import shutil
from pathlib import Path

import pytest
from running import snakemake


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole run; tests leave its results as they are."""
    folder = tmp_path_factory.mktemp("run")
    result = snakemake(folder, "all")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def own_study(finished_study: Path, tmp_path: Path) -> Path:
    """A copy of the finished study, with all times of change, for a test of its own."""
    folder = tmp_path / "own"
    shutil.copytree(finished_study, folder)
    return folder
