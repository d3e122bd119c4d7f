"""Training on a tiny study: what it must not look at, and that it repeats itself to the byte."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_study import COMPUTE, HOLISTIC, JOB, TinyStudy

from mammo_steps import train_holistic
from mammo_steps.core.cohort import fold_images, pool_of, targets_of, validation_of
from mammo_steps.core.network import read_facts
from mammo_steps.core.tables import RowGroupWriter, read_table, recipe_of, write_table


def train(study: TinyStudy, out: Path, *, images: Path | None = None, shards: Path | None = None) -> bytes:
    train_holistic.main(
        ["--images", str(images or study.cohort("images.parquet"))]
        + ["--roles", str(study.cohort("roles.parquet")), "--shards", str(shards or study.shards)]
        + ["--fold", "0", "--seed", "1", "--settings", HOLISTIC, "--compute", COMPUTE, "--job", JOB]
        + ["--model", str(out / "model.safetensors"), "--history", str(out / "history.csv")]
        + ["--record", str(out / "run.json")]
    )
    return (out / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def trained(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    train(tiny_study, out)
    return out


def test_same_seed_same_bytes(tiny_study: TinyStudy, trained: Path, tmp_path: Path) -> None:
    assert train(tiny_study, tmp_path) == (trained / "model.safetensors").read_bytes()
    assert (tmp_path / "history.csv").read_bytes() == (trained / "history.csv").read_bytes()


def test_history_has_a_line_per_epoch_and_one_is_kept(trained: Path) -> None:
    history = pd.read_csv(trained / "history.csv")
    assert history.epoch.tolist() == [1, 2] and history.kept.sum() == 1
    kept = history[history.kept == 1].iloc[0]
    assert kept.validation_auc == history.validation_auc.max()
    assert (history.n_positive > 0).all() and (history.n_negative > 0).all()


def test_weights_say_how_they_came_about_and_the_run_what_it_cost(trained: Path) -> None:
    facts = read_facts(trained / "model.safetensors")
    assert (facts["model"], facts["backbone"], facts["fold"], facts["input_px"]) == (
        "holistic",
        "resnet10",
        0,
        32,
    )
    run = json.loads((trained / "run.json").read_text())
    assert run["wall_s"] > 0 and run["peak_memory_mb"] > 0 and run["torch"]


def test_no_test_woman_is_in_any_part_of_the_training(tiny_study: TinyStudy) -> None:
    rows = fold_images(
        tiny_study.cohort("images.parquet"),
        tiny_study.cohort("roles.parquet"),
        0,
        ["exam_id", "target", "shard"],
    )
    test = {row["image_id"] for row in rows if row["role"] == "test"}
    pool, validation = pool_of(rows).image_ids, set(validation_of(rows))
    assert test and pool and validation
    assert not test & pool and not test & validation and not pool & validation
    assert not test & set(targets_of(rows))


def with_permuted_test_labels(study: TinyStudy, path: Path) -> None:
    images = read_table(study.cohort("images.parquet"), "images").to_pandas()
    roles = read_table(study.cohort("roles.parquet"), "roles").to_pandas()
    test = images.patient_id.isin(roles[(roles.fold == 0) & (roles.role == "test")].patient_id)
    flipped = images.loc[test, "target"].map({0: 1, 1: 0})
    assert flipped.notna().any()
    images.loc[test, "target"] = flipped
    images.loc[test, "outcome"] = images.loc[test, "outcome"].to_numpy()[::-1]
    recipe = recipe_of(study.cohort("images.parquet")).recipe
    write_table(path, "images", {name: images[name] for name in images}, recipe)


def test_permuting_the_test_folds_labels_changes_no_weight(
    tiny_study: TinyStudy, trained: Path, tmp_path: Path
) -> None:
    with_permuted_test_labels(tiny_study, tmp_path / "images.parquet")
    found = train(tiny_study, tmp_path, images=tmp_path / "images.parquet")
    assert found == (trained / "model.safetensors").read_bytes()


def with_other_test_pixels(study: TinyStudy, shards: Path) -> int:
    """Copy the shards with noise in place of every test image; returns how many were replaced."""
    rows = fold_images(study.cohort("images.parquet"), study.cohort("roles.parquet"), 0, [])
    test = {row["image_id"] for row in rows if row["role"] == "test"}
    replaced = 0
    for folder in study.shards.iterdir():
        (shards / folder.name).mkdir(parents=True)
        shutil.copy(folder / "images.parquet", shards / folder.name)
        recipe = recipe_of(folder / "holistic.parquet").recipe
        with RowGroupWriter(shards / folder.name / "holistic.parquet", "holistic", "lz4", recipe) as writer:
            for row in pq.read_table(folder / "holistic.parquet").to_pylist():
                if row["image_id"] in test:
                    replaced += 1
                    row["pixels"] = np.random.default_rng(0).bytes(len(row["pixels"]))
                writer.append(row)
    return replaced


def test_replacing_the_test_folds_pixels_changes_no_weight(
    tiny_study: TinyStudy, trained: Path, tmp_path: Path
) -> None:
    assert with_other_test_pixels(tiny_study, tmp_path / "shards") >= 20
    found = train(tiny_study, tmp_path, shards=tmp_path / "shards")
    assert found == (trained / "model.safetensors").read_bytes()


def test_a_fold_without_positives_is_refused(tiny_study: TinyStudy, tmp_path: Path) -> None:
    images = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    images["target"] = images["target"].replace({1: 0})
    recipe = recipe_of(tiny_study.cohort("images.parquet")).recipe
    write_table(tmp_path / "images.parquet", "images", {name: images[name] for name in images}, recipe)
    with pytest.raises(ValueError, match="fold 0: 0 positive images"):
        train(tiny_study, tmp_path, images=tmp_path / "images.parquet")
    assert not (tmp_path / "model.safetensors").exists()
