"""What runs again when something changes, as a dry run says of a finished study."""

from pathlib import Path

import pytest
from running import TINY, planned, snakemake

SHARDS = {"read_headers", "index_archive", "make_shards"}


@pytest.fixture
def run(finished_study: Path) -> Path:
    return finished_study


def plan(run: Path, folder: Path, overlay: str, *arguments: str) -> dict[str, int]:
    """With these lines over the study's config."""
    (folder / "over.yaml").write_text(overlay)
    return planned(snakemake(run, "all", "-n", *arguments, configs=(*TINY, str(folder / "over.yaml"))))


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


def test_one_stage_of_all_folds(run: Path) -> None:
    jobs = planned(snakemake(run, "all", "-n", "-R", "train_attention"))
    assert jobs["train_attention"] == 3
    assert not {*SHARDS, "list_images", "train_holistic", "locate_coa", "crop_rois"} & set(jobs)


def test_one_shard(run: Path) -> None:
    """The other shard stays; networks are trained on both."""
    jobs = planned(snakemake(run, "results/demo/shards/demo-001/images.parquet", "-n", "-R", "make_shards"))
    assert jobs == {"make_shards": 1}


def test_another_number_of_folds_decodes_nothing(run: Path, tmp_path: Path) -> None:
    jobs = plan(run, tmp_path, "split_folds: {folds: 2}")
    assert (jobs["split_folds"], jobs["train_holistic"], jobs["train_attention"]) == (1, 2, 2)
    assert not {*SHARDS, "list_images"} & set(jobs)


def test_another_augmentation_of_the_holistic_model(run: Path, tmp_path: Path) -> None:
    jobs = plan(run, tmp_path, "train_holistic: {fit: {augment: {rotation_degrees: 5}}}")
    assert (jobs["train_holistic"], jobs["train_attention"], jobs["evaluate"]) == (3, 3, 1)
    assert not {*SHARDS, "list_images", "split_folds"} & set(jobs)


def test_new_exams_leave_the_old_shards_alone(run: Path, tmp_path: Path) -> None:
    old = "{name: demo, archive: null, chunks: 1, shards: 2}"
    new = f"{{name: later, archive: {tmp_path}, chunks: 1, shards: 1}}"
    jobs = plan(run, tmp_path, f"intakes: [{old}, {new}]")
    assert {rule: jobs[rule] for rule in SHARDS} == {"read_headers": 1, "index_archive": 1, "make_shards": 1}
    assert (jobs["list_images"], jobs["train_holistic"]) == (1, 3)


def test_a_corrected_label_decodes_no_image_again(own_study: Path) -> None:
    labels = own_study / "results/demo/demo/labels.csv"
    corrected = labels.read_text().replace(",benign,", ",normal,", 1)
    assert corrected != labels.read_text()
    labels.write_text(corrected)
    jobs = planned(snakemake(own_study, "all", "-n"))
    assert {"list_images", "train_holistic", "evaluate"} <= jobs.keys()
    assert not {"make_demo_cohort", "read_headers", "index_archive", "make_shards"} & jobs.keys()
