"""One finished study for all who only ask what would run again."""

from pathlib import Path

import pytest
from running import snakemake


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny study, run to its end; tests plan with it and change nothing in it."""
    folder = tmp_path_factory.mktemp("run")
    result = snakemake(folder, "all")
    assert result.returncode == 0, result.stdout + result.stderr
    return folder
