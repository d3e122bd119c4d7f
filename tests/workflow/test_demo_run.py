"""The whole workflow on a tiny SYNTHETIC cohort: results, and what runs again when something changes."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from running import planned, snakemake

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


def test_a_second_run_does_nothing(run: Path) -> None:
    assert planned(snakemake(run, "all", "-n")) == {}


def test_a_new_learning_rate_of_the_attention_model_reruns_nothing_before_it(
    run: Path, tmp_path: Path
) -> None:
    (tmp_path / "rate.yaml").write_text("train_attention: {fit: {learning_rate: 0.002}}")
    result = snakemake(
        run,
        "all",
        "-n",
        configs=("config/demo.yaml", "tests/workflow/tiny.yaml", str(tmp_path / "rate.yaml")),
    )
    jobs = planned(result)
    assert jobs["train_attention"] == 3 and jobs["score_attention"] == 3
    assert not {"make_shards", "train_holistic", "locate_coa", "crop_rois"} & set(jobs)
    assert "Params have changed since last execution" in result.stdout


def test_one_fold_can_be_rerun_alone(run: Path) -> None:
    target = "results/demo/holistic/fold2/model.safetensors"
    jobs = planned(snakemake(run, target, "-R", "train_holistic", "-n"))
    assert jobs == {"train_holistic": 1}


def test_a_touched_input_of_the_same_content_reruns_nothing(own_study: Path) -> None:
    (own_study / "results/demo/cohort/roles.parquet").touch()
    assert planned(snakemake(own_study, "all", "-n")) == {}


def test_a_corrected_label_decodes_no_image_again(own_study: Path) -> None:
    labels = own_study / "results/demo/demo/labels.csv"
    corrected = labels.read_text().replace(",benign,", ",normal,", 1)
    assert corrected != labels.read_text()
    labels.write_text(corrected)
    jobs = planned(snakemake(own_study, "all", "-n"))
    assert {"list_images", "train_holistic", "evaluate"} <= jobs.keys()
    assert not {"make_demo_cohort", "read_headers", "index_archive", "make_shards"} & jobs.keys()


def test_another_study_uses_the_shards_of_the_first(run: Path, tmp_path: Path) -> None:
    (tmp_path / "second.yaml").write_text(
        "study: second\nshards_from: results/demo\nmake_demo_cohort: null\nsplit_folds: {folds: 2}\n"
    )
    jobs = planned(
        snakemake(
            run,
            "all",
            "-n",
            configs=("config/demo.yaml", "tests/workflow/tiny.yaml", str(tmp_path / "second.yaml")),
        )
    )
    assert not {"read_headers", "index_archive", "make_shards"} & set(jobs) and jobs["train_holistic"] == 2


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
