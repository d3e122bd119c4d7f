"""config/datasets: every data set's overlay can be laid over config.yaml and run once paths are given."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config, validate

from mammo_steps.core.cohort_settings import CohortSettings
from mammo_steps.core.dicom_headers import HeaderSettings
from mammo_steps.core.labels import Windows
from mammo_steps.core.study import study_of

REPO = Path(__file__).resolve().parents[2]
OVERLAYS = sorted((REPO / "config/datasets").glob("*.yaml"))
PATHS = {"archive", "intakes", "labels", "metadata", "lesions", "private_dir"}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(params=OVERLAYS, ids=lambda path: path.stem)
def overlay(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def merged(overlay: Path) -> dict[str, Any]:
    """The config as the Snakefile merges it, with paths as local.yaml would give them."""
    config = read(REPO / "config/config.yaml")
    local = {
        "archive": "/a",
        "labels": "/l.csv",
        "intakes": [{"name": "a", "archive": None, "chunks": 1, "shards": 1}],
    }
    update_config(config, local)
    update_config(config, read(overlay))
    return config


def test_there_are_overlays() -> None:
    assert {"csaw_cc", "rsna", "vindr_mammo", "inbreast", "own_archive_breasts"} <= {p.stem for p in OVERLAYS}


def test_an_overlay_passes_the_schema_and_describes_a_study(overlay: Path) -> None:
    config = merged(overlay)
    validate(config, str(REPO / "workflow/schemas/config.schema.yaml"))
    study_of(config, REPO)
    Windows(**config["outcome_windows"])
    HeaderSettings(**config["read_headers"]["settings"])
    CohortSettings(**config["list_images"])


def test_an_overlay_is_named_as_its_data_set_and_the_adapter_exists(overlay: Path) -> None:
    assert read(overlay)["dataset"] == overlay.stem
    assert callable(importlib.import_module(f"mammo_steps.datasets.{overlay.stem}").read_labels)


def test_an_overlay_has_no_paths_and_says_with_which_command_it_is_run(overlay: Path) -> None:
    assert not PATHS & set(read(overlay))
    first_lines = overlay.read_text(encoding="utf-8").splitlines()[:6]
    assert f"#   snakemake all --cores all --configfile config/datasets/{overlay.name}" in first_lines
    assert any("config/local.yaml" in line for line in first_lines)
