"""What is refused before the first job, and with which words."""

import json
import os
import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
import yaml
from running import REPO, TINY, planned, snakemake


def refused(tmp_path: Path, changes: str, **more: tuple[str, ...]) -> str:
    """What the workflow says to a config file with these changes; no job may have run."""
    (tmp_path / "changes.yaml").write_text(changes)
    configs = more.get("configs", TINY)
    result = snakemake(tmp_path, "all", configs=(*configs, str(tmp_path / "changes.yaml")))
    assert result.returncode != 0
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").rglob("*.parquet"))
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("name", ["config/demo.yaml", "config/mini_mias.yaml"])
def test_the_whole_study_is_planned_without_running_anything(
    name: str, tmp_path: Path, test_data: Path
) -> None:
    jobs = planned(snakemake(tmp_path, "all", "-n", configs=(name,)))
    folds = yaml.safe_load((REPO / name).read_text())["split_folds"]["folds"]
    assert jobs["train_holistic"] == jobs["train_attention"] == folds


def test_more_members_train_more_networks_and_nothing_else(tmp_path: Path) -> None:
    one = planned(snakemake(tmp_path, "all", "-n", configs=TINY))
    two = planned(snakemake(tmp_path, "all", "-n", configs=TINY, config=("members=2",)))
    per_member = {"train_holistic", "locate_coa", "crop_rois", "train_attention", "score_attention"}
    assert {rule: two[rule] / one[rule] for rule in one if rule != "all"} == {
        rule: 2 if rule in per_member else 1 for rule in one if rule != "all"
    } | ({"total": two["total"] / one["total"]} if "total" in one else {})


@pytest.mark.parametrize("hardware", ["cpu", "gpu_11gb", "gpu_24gb", "gpu_80gb"])
def test_presets_fit_over_a_study_and_under_a_larger_batch(tmp_path: Path, hardware: str) -> None:
    preset = f"config/presets/{hardware}.yaml"
    configs = (*TINY, preset, "config/presets/large_batch.yaml")
    jobs = planned(snakemake(tmp_path, "all", "-n", configs=configs))
    assert jobs["train_holistic"] == 3
    given = yaml.safe_load((REPO / preset).read_text())
    assert set(given) <= {"compute", "job", "plan", "locate_coa", "score_attention"}
    assert set(given.get("plan", {})) <= {"gpu"}  # of the plan no more than the kind of card


def test_the_bare_command_says_that_there_is_no_archive(tmp_path: Path) -> None:
    result = snakemake(tmp_path, "all", configs=())
    assert result.returncode != 0
    assert "config key `labels` is empty" in result.stderr or "config key `intakes` is empty" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_misspelt_key_is_refused(tmp_path: Path) -> None:
    said = refused(tmp_path, "train_holistic: {fit: {learning_rat: 0.1}}\narchiv: x")
    assert "`train_holistic.fit.learning_rat` (meant: learning_rate?)" in said
    assert "`archiv` (meant: archive?)" in said and len(said.splitlines()) < 40


def test_a_value_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    assert "config key `split_folds.folds`: 'many' is not of type 'integer'" in refused(
        tmp_path, "split_folds: {folds: many}"
    )


@pytest.mark.parametrize("changes", ["crop_rois: {side_px: 48}", "train_holistic: {fit: {input_px: 48}}"])
def test_a_network_that_would_see_a_part_of_its_image_is_refused(changes: str, tmp_path: Path) -> None:
    assert "they have to be equal" in refused(tmp_path, changes)


@pytest.mark.parametrize("section", ["train_holistic", "crop_rois"])
def test_mm_per_px_needs_the_spacing_of_every_image(section: str, tmp_path: Path) -> None:
    said = refused(tmp_path, f"{section}: {{mm_per_px: 0.2}}")
    assert f"`{section}.mm_per_px`" in said and "require_pixel_spacing: true" in said


@pytest.mark.parametrize("folder", ["results/private", "results"])
def test_a_private_folder_among_the_results_is_refused(folder: str, tmp_path: Path) -> None:
    said = refused(tmp_path, f"private_dir: {folder}")
    assert "`private_dir`" in said and "lies in results" in said


def own(tmp_path: Path, labels: str) -> str:
    (tmp_path / "archive").mkdir()
    (tmp_path / "labels.csv").write_text(labels)
    return (
        f"archive: {tmp_path}/archive\nlabels: {tmp_path}/labels.csv\n"
        "intakes: [{name: first, archive: null, chunks: 1, shards: 1}]\n"
    )


HEADER = (
    "patient_id,exam_id,outcome,cancer_laterality,reader_1_left,reader_1_right,reader_2_left,reader_2_right\n"
)


def test_an_unknown_outcome_word_is_refused_with_its_row(tmp_path: Path) -> None:
    said = refused(tmp_path, own(tmp_path, HEADER + "SECRETNAME,SECRETEXAM,cancer,L,,,,\n"), configs=())
    assert "labels.csv" in said and "screen_detected" in said
    assert "line 2, outcome: found another word" in said  # which one is not shown: columns may have moved
    assert "SECRET" not in said


def test_a_data_set_that_wants_metadata_says_so(tmp_path: Path) -> None:
    changes = own(tmp_path, HEADER + "p1,e1,normal,,,,,\n") + "dataset: rsna\n"
    said = refused(tmp_path, changes, configs=())
    assert "config key `metadata` is empty: rsna wants train.csv there" in said


def test_a_label_table_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    changes = own(tmp_path, HEADER)
    (tmp_path / "labels.csv").unlink()
    (tmp_path / "labels.csv").mkdir()
    said = refused(tmp_path, changes, configs=())
    assert "labels.csv" in said and "Traceback" not in said


def test_an_input_from_the_future_is_refused_with_what_to_do(tmp_path: Path) -> None:
    changes = own(tmp_path, HEADER + "p1,e1,normal,,,,,\n")
    tomorrow = time.time() + 86400
    os.utime(tmp_path / "labels.csv", (tomorrow, tomorrow))
    said = refused(tmp_path, changes, configs=())
    assert "labels.csv was last changed in the future" in said
    assert f"touch {tmp_path / 'labels.csv'}" in said


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("labels", "labels: {}/labels{{2}}.csv"),
        ("archive", "archive: {}/archive{{2}}"),
        ("private_dir", "private_dir: {}/private{{2}}"),
    ],
)
def test_braces_in_a_path_are_refused_before_snakemake_takes_them_for_wildcards(
    key: str, line: str, tmp_path: Path
) -> None:
    changes = yaml.safe_load(own(tmp_path, HEADER + "p1,e1,normal,,,,,\n"))
    said = refused(tmp_path, yaml.safe_dump(changes | yaml.safe_load(line.format(tmp_path))), configs=())
    assert f"config key `{key}`" in said and "Wanted is a path without" in said
    assert not (tmp_path / "private{2}").exists()  # no key in it either


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    changes = own(tmp_path, HEADER + "p1,e1,normal,,,,,\n")
    shutil.rmtree(tmp_path / "archive")
    assert "intake `first`: its archive" in refused(tmp_path, changes, configs=())


def test_a_lost_key_beside_results_is_an_error_and_no_new_one_is_made(tmp_path: Path) -> None:
    changes = own(tmp_path, HEADER + "p1,e1,normal,,,,,\n")
    (tmp_path / "results/paper/intakes").mkdir(parents=True)
    assert "Put the key back from your backup" in refused(tmp_path, changes, configs=())
    assert not (tmp_path / "private").exists()


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "changes.yaml").write_text(own(tmp_path, HEADER + "p1,e1,normal,,,,,\n"))
    configs = (str(tmp_path / "changes.yaml"),)
    planned(snakemake(tmp_path, "all", "-n", configs=configs))
    key = (tmp_path / "private/id_key").read_text()
    planned(snakemake(tmp_path, "all", "-n", configs=configs))
    assert (tmp_path / "private/id_key").read_text() == key and len(key.strip()) == 64
    assert (tmp_path / "private/id_key").stat().st_mode & 0o777 == 0o600


def test_results_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    assert "results/demo cannot be made" in refused(tmp_path, "seed: 2")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_results_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    said = refused(tmp_path, "seed: 2")
    assert "results/demo cannot be made" in said and "not writable" in said


def test_a_demo_of_another_name_reads_the_cohort_that_it_draws(tmp_path: Path) -> None:
    result = snakemake(tmp_path, "all", "-n", config=("study=other",))
    assert planned(result)["make_demo_cohort"] == 1
    assert "--archive results/other/demo/archive" in result.stdout and "results/demo" not in result.stdout


def test_quotes_in_folders_and_braces_in_texts_reach_the_steps_as_they_stand(tmp_path: Path) -> None:
    # what Snakemake would take for wildcards, and a shell for the beginning of a quotation
    (tmp_path / "rival's.csv").touch()
    table = {"name": "rival", "title": "{shard}", "file": "rival's.csv", "rows": "exams"}
    outside = {"tables": [table | {"trained_on": "{x}, {wildcards} and {{y}}", "overlap": "none"}]}
    changes = {"private_dir": "o'brien priv", "public_id_key": None, "outside_models": outside}
    (tmp_path / "changes.yaml").write_text(yaml.safe_dump(changes))
    result = snakemake(tmp_path, "all", "-n", "-p", configs=(*TINY, str(tmp_path / "changes.yaml")))
    assert result.returncode == 0, result.stdout + result.stderr
    commands = re.findall(r"^ +\S+ -m mammo_steps\.(\w+) (.*?)&>", result.stdout, re.MULTILINE | re.DOTALL)
    words = {step: shlex.split(text.replace("\\\n", " ")) for step, text in commands}
    for step in ("list_images", "evaluate", "outside_models"):
        assert words[step][words[step].index("--key-file") + 1] == "o'brien priv/id_key", step
    for step, key in (("outside_models", "tables"), ("evaluate", "outside")):
        settings = json.loads(words[step][words[step].index("--settings") + 1])
        assert settings[key] == outside["tables"], step
