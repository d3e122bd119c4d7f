"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest
import torch

REPO = Path(__file__).resolve().parents[1]


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
