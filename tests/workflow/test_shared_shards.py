"""Another study's shards (`shards_from`), and as many shards as an intake may have."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from running import REPO, planned, snakemake

from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import write_rows
from mammo_steps.core.windowing import RECIPE, shard_recipe

HEADER = (
    "patient_id,exam_id,outcome,cancer_laterality,reader_1_left,reader_1_right,reader_2_left,reader_2_right\n"
)
CONFIG = yaml.safe_load((REPO / "config/config.yaml").read_text())
SETTINGS: dict[str, Any] = CONFIG["make_shards"]["settings"]


def config_of(folder: Path, n_shards: int, **more: Any) -> str:
    """A config file of one intake, with its archive (empty) and its label table."""
    (folder / "archive").mkdir()
    (folder / "labels.csv").write_text(HEADER + "p1,e1,normal,,,,,\n")
    config = {"archive": f"{folder}/archive", "labels": f"{folder}/labels.csv"}
    intake = {"name": "first", "archive": None, "chunks": 1, "shards": n_shards}
    (folder / "own.yaml").write_text(yaml.safe_dump(config | {"intakes": [intake]} | more))
    return str(folder / "own.yaml")


def second_study(folder: Path, recipe: Recipe | None, **more: Any) -> str:
    """A config that uses the one shard of a study `first`, whose tables bear this recipe."""
    shard = folder / "results/first/shards/first-000"
    write_rows(shard / "images.parquet", "shard_images", [], recipe)
    for made in (shard / "tiles.parquet", shard / "holistic.parquet"):
        made.touch()
    index = folder / "results/first/intakes/first/index.parquet"
    write_rows(index, "index", [])
    return config_of(
        folder, 1, study="second", shards_from="results/first", public_id_key="a public key for tests", **more
    )


def refused(folder: Path, config: str) -> str:
    result = snakemake(folder, "all", configs=(config,))
    assert result.returncode != 0 and "Traceback" not in result.stderr
    assert not (folder / "results/second").exists()
    return result.stderr


def test_shards_of_the_same_settings_are_used_and_nothing_is_decoded(tmp_path: Path) -> None:
    config = second_study(tmp_path, shard_recipe(SETTINGS))
    jobs = planned(snakemake(tmp_path, "all", "-n", configs=(config,)))
    assert jobs["list_images"] == 1 and not {"read_headers", "index_archive", "make_shards"} & set(jobs)


def test_shards_of_other_settings_are_refused_with_the_key_before_the_first_job(tmp_path: Path) -> None:
    said = refused(tmp_path, second_study(tmp_path, shard_recipe(SETTINGS | {"holistic_bits": 16})))
    assert "config key `shards_from`: different intensity recipes" in said
    assert "results/first/shards/first-000/images.parquet" in said
    assert (
        "They differ in `make_shards.settings.holistic_bits`: 16 and 8. Shards are used as they are" in said
    )
    assert shard_recipe(SETTINGS).hash in said


def test_shards_of_older_rules_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPE, "version", 0)
    said = refused(tmp_path, second_study(tmp_path, shard_recipe(SETTINGS)))
    assert "`make_shards.rules.version`: 0 and " in said and "run that study again first" in said


def test_shards_without_a_recipe_are_refused(tmp_path: Path) -> None:
    assert "bears no intensity recipe: an older version wrote it" in refused(
        tmp_path, second_study(tmp_path, None)
    )


def test_a_study_without_these_shards_is_named(tmp_path: Path) -> None:
    config = second_study(tmp_path, shard_recipe(SETTINGS))
    (tmp_path / "results/first/shards/first-000/images.parquet").unlink()
    assert "there is no results/first/shards/first-000/images.parquet" in refused(tmp_path, config)


def test_a_study_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = config_of(tmp_path, 1, study="second", shards_from="results/first")
    assert "`shards_from`: results/first is not a folder" in refused(tmp_path, config)


@pytest.mark.long
def test_the_largest_number_of_shards_is_planned_and_no_command_holds_their_names(tmp_path: Path) -> None:
    config = config_of(tmp_path, 9999)
    result = snakemake(tmp_path, "results/paper/cohort/flow.json", "-n", "-p", configs=(config,))
    assert planned(result)["make_shards"] == 9999
    commands = [line for line in result.stdout.splitlines() if "--" in line]
    assert len(commands) > 9999
    assert max(map(len, commands)) < 10_000  # the kernel takes 131,072 bytes of one argument


def test_variables_in_the_path_of_imagenet_weights_are_filled_in_for_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIGHTS_HERE", str(tmp_path))
    (tmp_path / "w.pth").write_bytes(b"weights")
    network = {"imagenet_weights": "${WEIGHTS_HERE}/w.pth", "imagenet_sha256": "0" * 64}
    config = second_study(tmp_path, shard_recipe(SETTINGS), train_holistic={"network": network})
    result = snakemake(tmp_path, "all", "-n", "-p", configs=(config,))
    assert planned(result)["train_holistic"] == 10
    assert f'"imagenet_weights": "{tmp_path}/w.pth"' in result.stdout
    assert "WEIGHTS_HERE" not in result.stdout


def test_a_checksum_that_yaml_took_for_a_number_is_refused(tmp_path: Path) -> None:
    config = second_study(
        tmp_path, shard_recipe(SETTINGS), train_holistic={"network": {"imagenet_sha256": int("1" * 64)}}
    )
    assert "imagenet_sha256` was read as a number" in refused(tmp_path, config)
