import json
from pathlib import Path

import numpy as np
import pytest
from tiny_study import COMPUTE, JOB, LOCATE, TinyStudy
from torch import nn

from mammo_steps import locate_coa
from mammo_steps.core.cohort import women_learned_from
from mammo_steps.core.network import NetworkSettings, save_network, start_network
from mammo_steps.core.tables import read_table, recipe_of, write_table


def save_as_trained(
    network: nn.Module, study: TinyStudy, path: Path, fold: int = 0, model: str = "holistic"
) -> None:
    """As if train_holistic had made it from the study's images."""
    recipe = recipe_of(study.cohort("images.parquet")).recipe.then("train_holistic", {"crop": "centre"})
    women = women_learned_from(study.cohort("roles.parquet"), fold)
    facts = {
        "model": model,
        "backbone": "resnet10",
        "input_px": 32,
        "crop": "centre",
        "mm_per_px": None,
        "women": women,
    }
    save_network(network, {**facts, **recipe.metadata()}, path)


@pytest.fixture(scope="module")
def model(tiny_study: TinyStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_as_trained(start_network(NetworkSettings("resnet10"), 1), tiny_study, path)
    return path


def locate(
    study: TinyStudy, model: Path, out: Path, *more: str, images: Path | None = None, settings: str = LOCATE
):  # type: ignore[no-untyped-def]
    locate_coa.main(
        [
            "--images",
            str(images or study.cohort("images.parquet")),
            "--roles",
            str(study.cohort("roles.parquet")),
        ]
        + ["--shards", str(study.shards), "--model", str(model), "--fold", "0", "--seed", "1"]
        + ["--settings", settings, "--compute", COMPUTE, "--job", JOB, "--coas", str(out), *more]
    )
    return read_table(out, "holistic_scores").to_pandas()


def test_every_test_image_and_no_untrainable_training_image_is_scored(
    tiny_study: TinyStudy, model: Path, tmp_path: Path
) -> None:
    found = locate(tiny_study, model, tmp_path / "coas.parquet")
    images = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    roles = read_table(tiny_study.cohort("roles.parquet"), "roles").to_pandas()
    images = images.merge(roles[roles.fold == 0], on="patient_id")
    wanted = images[(images.role == "test") | images.target.notna()]
    assert found.image_id.tolist() == sorted(wanted.image_id)
    assert np.isfinite(found.margin).all()


def test_coas_lie_in_the_image(tiny_study: TinyStudy, model: Path, tmp_path: Path) -> None:
    found = locate(tiny_study, model, tmp_path / "coas.parquet")
    images = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    both = found.merge(images, on="image_id")
    assert ((both.coa_row > -0.5) & (both.coa_row < both.height_px - 0.5)).all()
    assert ((both.coa_col > -0.5) & (both.coa_col < both.width_px - 0.5)).all()
    assert both.top_outside_breast.between(0, 1).all() and not both.coa_fallback.any()


def test_swapped_labels_give_identical_coas(tiny_study: TinyStudy, model: Path, tmp_path: Path) -> None:
    found = locate(tiny_study, model, tmp_path / "coas.parquet")
    images = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    images["target"] = images["target"].map({0: 1, 1: 0})
    images["outcome"] = (
        images["outcome"].map({"normal": "screen_detected", "screen_detected": "normal"}).fillna("benign")
    )
    recipe = recipe_of(tiny_study.cohort("images.parquet")).recipe
    write_table(tmp_path / "images.parquet", "images", {name: images[name] for name in images}, recipe)
    swapped = locate(tiny_study, model, tmp_path / "swapped.parquet", images=tmp_path / "images.parquet")
    assert found.equals(swapped)


def test_a_score_does_not_depend_on_the_other_images(
    tiny_study: TinyStudy, model: Path, tmp_path: Path
) -> None:
    everything = locate(tiny_study, model, tmp_path / "all.parquet")
    few = LOCATE.replace("null", "2")
    some = locate(tiny_study, model, tmp_path / "some.parquet", settings=few)
    assert len(some) < len(everything)
    both = some.merge(everything, on="image_id", suffixes=("", "_all"))
    np.testing.assert_array_equal(both.margin, both.margin_all)
    np.testing.assert_array_equal(both.coa_row, both.coa_row_all)


def test_with_test_time_flips_margins_and_recipe_are_others(
    tiny_study: TinyStudy, model: Path, tmp_path: Path
) -> None:
    flips = json.dumps({**json.loads(LOCATE), "test_time_flip": True})
    plain = locate(tiny_study, model, tmp_path / "plain.parquet")
    found = locate(tiny_study, model, tmp_path / "flips.parquet", settings=flips)
    assert found.image_id.tolist() == plain.image_id.tolist() and (found.margin != plain.margin).all()
    told = [dict(recipe_of(tmp_path / f"{name}.parquet").recipe.parts) for name in ("plain", "flips")]
    assert [parts["locate_coa"]["test_time_flip"] for parts in told] == [False, True]


def test_an_untrained_network_looks_at_test_images_only(
    tiny_study: TinyStudy, model: Path, tmp_path: Path
) -> None:
    found = locate(tiny_study, model, tmp_path / "coas.parquet", "--untrained")
    trained = locate(tiny_study, model, tmp_path / "trained.parquet")
    assert found.image_id.tolist() == trained[trained.role == "test"].image_id.tolist()


def test_a_network_without_gradients_gives_the_breasts_centroid(
    tiny_study: TinyStudy, tmp_path: Path
) -> None:
    network = start_network(NetworkSettings("resnet10"), 1)
    network.fc.weight.data.zero_()
    save_as_trained(network, tiny_study, tmp_path / "m.safetensors")
    found = locate(tiny_study, tmp_path / "m.safetensors", tmp_path / "coas.parquet")
    images = read_table(tiny_study.cohort("images.parquet"), "images").to_pandas()
    both = found.merge(images, on="image_id")
    assert both.coa_fallback.all()
    np.testing.assert_array_equal(both.coa_row, both.breast_row)


def test_weights_that_may_have_seen_the_test_women_are_refused(tiny_study: TinyStudy, tmp_path: Path) -> None:
    network = start_network(NetworkSettings("resnet10"), 1)
    save_as_trained(network, tiny_study, tmp_path / "m.safetensors", fold=1)
    with pytest.raises(ValueError, match="learned from other women .* rerun train_holistic for this fold"):
        locate(tiny_study, tmp_path / "m.safetensors", tmp_path / "coas.parquet")
    save_as_trained(network, tiny_study, tmp_path / "m.safetensors", model="attention")
    with pytest.raises(ValueError, match="weights of the attention model, wanted the holistic one"):
        locate(tiny_study, tmp_path / "m.safetensors", tmp_path / "coas.parquet")
    assert not (tmp_path / "coas.parquet").exists()
