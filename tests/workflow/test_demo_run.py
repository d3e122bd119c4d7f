"""The whole workflow on a tiny SYNTHETIC cohort: results, and what runs again when something changes."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from running import snakemake

MODELS = ["holistic", "attention", "ensemble", "wu2019", "wu2019_adapted"]
MODELS += ["reader_1", "reader_2", "one_reader", "two_readers"]


@pytest.fixture
def run(finished_study: Path) -> Path:
    return finished_study


@pytest.fixture
def results(run: Path) -> Path:
    return run / "results/demo"


def test_the_table_has_every_model_and_end_point(results: Path) -> None:
    auc = pd.read_csv(results / "report/auc.csv")
    assert auc.columns.tolist() == [
        *("model", "endpoint", "unit", "protocol", "pooling", "auc", "ci_low", "ci_high", "ci_method"),
        *("n_positive", "n_negative"),
    ]
    assert sorted(auc.model.unique()) == sorted(MODELS) and auc.endpoint.nunique() == 3
    main = auc[(auc.protocol == "all") & (auc.pooling == "pooled")].set_index(["endpoint", "model"])
    assert main.loc[("screen_detected", "holistic"), ["n_positive", "n_negative"]].tolist() == [9, 17]
    assert main.loc[("screen_detected_or_interval", "holistic"), "n_positive"] == 13
    assert main.loc[("interval", "holistic"), ["n_positive", "n_negative"]].tolist() == [4, 13]
    without_weights = auc[auc.ci_method == "not_run"]
    assert set(without_weights.model) == {"wu2019", "wu2019_adapted"} and without_weights.auc.isna().all()


def test_every_exam_is_scored_once_by_networks_that_never_saw_the_woman(results: Path) -> None:
    scores = pd.read_parquet(results / "scores/exams.parquet")
    exams = pd.read_parquet(results / "cohort/exams.parquet")
    roles = pd.read_parquet(results / "cohort/roles.parquet")
    assert scores.exam_id.is_unique and set(scores.exam_id) == set(exams.exam_id)
    merged = scores.merge(roles, on=["patient_id", "fold"])
    assert len(merged) == len(scores) and (merged.role == "test").all()


def test_the_report_is_one_file_and_says_synthetic(results: Path) -> None:
    page = (results / "report/report.html").read_text()
    assert (
        "synthetic" in page.lower()
        and "<script src" not in page
        and "http://" not in page.replace("http://www.w3.org", "")
    )


def test_no_raw_id_is_below_results_but_in_the_demo_archives_own_tables(results: Path) -> None:
    labels = pd.read_csv(results / "demo/labels.csv", dtype=str)
    raw = [value.encode() for value in {*labels.patient_id, *labels.exam_id}]
    for path in results.rglob("*"):
        if path.is_file() and results / "demo" not in path.parents:
            content = path.read_bytes()
            assert not any(value in content for value in raw), path
            assert b"SYNTHETIC^DEMO" not in content, path


@pytest.mark.long
def test_the_same_seed_gives_the_same_tables_to_the_byte(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    result = snakemake(again, "results/demo/report/auc.csv")
    assert result.returncode == 0, result.stderr
    for name in (
        "report/auc.csv", "report/table1.md", "report/localisation.csv", "cohort/exams.parquet",
        "scores/exams.parquet", "holistic/fold0/model.safetensors", "attention/fold2/model.safetensors",
        "attention/fold1/rois/demo-000.parquet", "shards/demo-001/tiles.parquet",
    ):  # fmt: skip
        first, second = (folder / "results/demo" / name for folder in (run, again))
        assert first.read_bytes() == second.read_bytes(), name
    shutil.rmtree(again)
