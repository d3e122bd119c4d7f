"""Cohorts that lack what most have: the whole workflow runs, and the report says what cannot be told."""

import re
from pathlib import Path

import pandas as pd
import pytest
from drawn_archive import make_archive, write_labels
from running import TINY, snakemake

pytestmark = pytest.mark.long

READERS = ["reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right"]
OWN_MODELS = ["holistic", "attention", "ensemble"]


def run(folder: Path, *arguments: str):
    (folder / "own.yaml").write_text(
        f"make_demo_cohort: null\narchive: {folder}/archive\nlabels: {folder}/labels.csv\nlesions: null\n"
    )
    return snakemake(folder, *arguments, configs=(*TINY, str(folder / "own.yaml")))


def words_of(folder: Path) -> str:
    """What the report's page says, its scripts and tags left out."""
    page = (folder / "results/demo/report/report.html").read_text(encoding="utf-8")
    page = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_without_readers_lesions_and_interval_cancers_the_models_stand_alone(tmp_path: Path) -> None:
    _, labels = make_archive(tmp_path, {"normal": 10, "benign": 3, "screen_detected": 9, "interval": 0})
    write_labels(
        tmp_path, [{name: "" if name in READERS else value for name, value in row.items()} for row in labels]
    )
    result = run(tmp_path, "all")
    assert result.returncode == 0, result.stdout + result.stderr
    auc = pd.read_csv(tmp_path / "results/demo/report/auc.csv")
    readers = auc[auc.model.isin(["reader_1", "reader_2", "one_reader", "two_readers"])]
    assert len(readers) and readers.auc.isna().all()
    assert pd.read_csv(tmp_path / "results/demo/report/localisation.csv").empty
    auc = auc.set_index("endpoint")
    assert auc.loc["interval", "auc"].isna().all() and (auc.loc["interval", "n_positive"] == 0).all()
    ours = auc[auc.model.isin(OWN_MODELS) & (auc.pooling == "pooled")]
    assert ours.loc[["screen_detected", "screen_detected_or_interval"], "auc"].notna().all()
    words = words_of(tmp_path)
    assert "no exam of the cohort that reader 1 read" in words and "No lesions are known" in words
    assert "not estimable" in words


def test_one_positive_cannot_be_divided_and_is_told_before_any_training(tmp_path: Path) -> None:
    make_archive(tmp_path, {"normal": 10, "benign": 3, "screen_detected": 1, "interval": 0})
    result = run(tmp_path, "all")
    said = result.stdout + result.stderr
    assert result.returncode and "folds are too many for 1 women with a screen-detected" in " ".join(
        said.split()
    ), said
    assert not (tmp_path / "results/demo/holistic").exists()
