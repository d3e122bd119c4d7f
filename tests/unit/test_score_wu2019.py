"""score_wu2019: a made shard through the published model's networks with random weights."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from cohort_rows import SLOTS, image_row
from made_files import half_disc
from made_shard import Shard

from mammo_steps.by_hand.score_wu2019_exam import main as by_hand
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.tables import read_table, recipe_of, write_rows
from mammo_steps.core.windowing import Voi, grey_table
from mammo_steps.core.wu_exam import How, Patches, score_exam
from mammo_steps.core.wu_networks import FourViews, patch_classifier
from mammo_steps.core.wu_patches import PatchGrid
from mammo_steps.core.wu_reading import value_table
from mammo_steps.core.wu_weights import HOW_TO_GET, read_models
from mammo_steps.score_wu2019 import main

pytestmark = pytest.mark.usefixtures("one_thread")

COMPUTE = {"device": "cpu", "torch_threads": 1, "precision": "fp32", "micro_batch": 4}
COMPUTE |= {"compile": "never", "sync_batch_norm": False}
JOB = {"gpus": 1, "loader_threads": 2, "checkpoint_minutes": 10}
SHAPE = (640, 420)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Files as they are published, with random weights, and their checksums."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    networks = {"patches": patch_classifier(), "image": FourViews(1), "image_and_heatmaps": FourViews(3)}
    found = {}
    for name, network in networks.items():
        state = network.state_dict()
        path = folder / f"{name}.p"
        torch.save(state if name == "patches" else {"model": state}, path)
        found[name] = {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return found


class Site:
    """A shard of three exams: one as usual, one lacking a view, one whose L-CC shows too little breast."""

    def __init__(self, folder: Path, weights: dict[str, dict[str, str]]) -> None:
        self.folder, self.weights = folder, weights
        (folder / "s").mkdir()
        self.shard = Shard(folder / "s")
        self.pictures: dict[str, Any] = {}
        rows = []
        for number, exam in enumerate(("e1", "e2", "e3")):
            for place, (laterality, view) in enumerate(SLOTS[: 3 if exam == "e2" else 4]):
                side = "left" if laterality == "L" else "right"
                shape = (240, 180) if exam == "e3" and place == 0 else SHAPE
                picture = half_disc(shape, side, seed=10 * number + place)
                row = image_row(exam, (laterality, view))
                self.shard.add(row["image_id"], laterality, grey=picture)
                self.pictures[row["image_id"]] = picture
                rows.append(row)
        stored = {row["image_id"]: row for row in self.shard.make(tile_side_px=256)}
        self.cohort = [row | {"flipped": stored[row["image_id"]]["flipped"]} for row in rows]

    def score(self, name: str = "out", **settings: Any) -> dict[str, dict[str, Any]]:
        shard = self.folder / "s"
        recipe = recipe_of(shard / "images.parquet").recipe.then("list_images", {})
        write_rows(self.folder / "cohort.parquet", "images", self.cohort, recipe)
        given = {"weights": self.weights, "values": "stored", "noisy_passes": 0, "patches_at_once": 8}
        given |= {"patch_stride_px": 70}
        given |= {"precision": "fp32"} | settings
        out = self.folder / name
        main(
            [
                *("--images", str(self.folder / "cohort.parquet")),
                *("--shard-images", str(shard / "images.parquet"), "--tiles", str(shard / "tiles.parquet")),
                *(
                    "--settings",
                    json.dumps(given),
                    "--compute",
                    json.dumps(COMPUTE),
                    "--job",
                    json.dumps(JOB),
                ),
                *("--exams", str(out / "exams.parquet"), "--patches", str(out / "patches.parquet")),
            ]
        )
        rows = read_table(out / "exams.parquet", "wu2019_scores").to_pylist()
        return {row["exam_id"]: row for row in rows}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, weights: dict[str, dict[str, str]]) -> Site:
    return Site(tmp_path_factory.mktemp("site"), weights)


@pytest.fixture(scope="module")
def scores(site: Site) -> dict[str, dict[str, Any]]:
    torch.set_num_threads(1)
    return site.score()


def test_an_exam_is_scored_as_its_four_images_are(site: Site, scores: dict[str, dict[str, Any]]) -> None:
    images = {
        row["image_id"][3:]: site.pictures[row["image_id"]] for row in site.cohort if row["exam_id"] == "e1"
    }
    models = read_models(site.weights, torch.device("cpu"))
    wanted = score_exam(images, models, mirrored=False, how=How(0, 8), device=torch.device("cpu"))
    row = scores["e1"]
    for label, value in wanted.image_and_heatmaps.probabilities.items():
        assert row[label] == pytest.approx(value, abs=1e-6) and 0 < value < 1
        assert row[f"image_{label}"] == pytest.approx(wanted.image.probabilities[label], abs=1e-6)
    np.testing.assert_allclose(row["features"], wanted.image_and_heatmaps.features, rtol=1e-5)
    assert len(row["features"]) == 1024 and row["reason"] is None
    recipe: Recipe = recipe_of(site.folder / "out/exams.parquet").recipe
    assert recipe.parts[-1][1]["weights"]["image"] == site.weights["image"]["sha256"]
    assert "path" not in recipe.text


def test_exams_that_cannot_be_scored_keep_their_rows_with_a_reason(scores: dict[str, dict[str, Any]]) -> None:
    assert list(scores) == ["e1", "e2", "e3"]
    assert (scores["e2"]["reason"], scores["e2"]["left_malignant"], scores["e2"]["features"]) == (
        "views",
        None,
        [],
    )
    assert scores["e2"]["detail"].startswith("has L-CC, L-MLO, R-CC, wanted one each of")
    assert (scores["e3"]["reason"], scores["e3"]["patient_id"]) == ("no_breast", "we3")
    assert "L-CC" in scores["e3"]["detail"]


def test_heatmaps_can_be_drawn_from_the_patches(site: Site, scores: dict[str, dict[str, Any]]) -> None:
    rows = read_table(site.folder / "out/patches.parquet", "wu2019_patches").to_pylist()
    assert [row["image_id"] for row in rows] == sorted(f"e1-{a}-{b}" for a, b in SLOTS)
    for row in rows:
        shape = (row["height_px"], row["width_px"])
        told = [np.array(row[name], np.float32) for name in ("benign", "malignant")]
        heat = Patches(shape, PatchGrid(row["patch_rows"], row["patch_cols"]), *told).heatmaps()
        assert heat.shape == (2, *shape) and 0 < heat.min() < heat.max() < 1
        stored = site.pictures[row["image_id"]]
        top, left = row["top_px"], row["left_px"]
        assert (stored[top : top + shape[0], left : left + shape[1]] > 0).sum() == (stored > 0).sum()
        assert row["mirrored"] == ("-R-" in row["image_id"])


def test_an_exam_stored_the_other_way_round_has_the_same_score(
    site: Site, scores: dict[str, dict[str, Any]]
) -> None:
    shard = site.folder / "s"
    kept = {path: path.read_bytes() for path in shard.glob("*.parquet")}
    before = site.cohort
    for row in site.cohort:
        picture = np.ascontiguousarray(site.pictures[row["image_id"]][:, ::-1])
        if row["exam_id"] == "e1":
            site.shard.listed = [entry for entry in site.shard.listed if entry[0] != row["image_id"]]
            site.shard.add(row["image_id"], row["laterality"], grey=picture)
    stored = {row["image_id"]: row for row in site.shard.make(tile_side_px=256, orientation_conflict="keep")}
    site.cohort = [
        row | {"flipped": stored[row["image_id"]]["flipped"]} for row in before if row["exam_id"] == "e1"
    ]
    turned = site.score("turned")
    for label in ("left_malignant", "right_benign"):
        assert turned["e1"][label] == pytest.approx(scores["e1"][label], abs=1e-6)
    site.cohort = before
    for path, content in kept.items():
        path.write_bytes(content)


def test_wrong_weight_files_are_refused_by_key(site: Site, weights: dict[str, dict[str, str]]) -> None:
    def scored_with(**other: dict[str, str]) -> None:
        site.score("never", weights=weights | other)

    with pytest.raises(ValueError, match=r"score_wu2019\.weights\.image\.sha256 says 000"):
        scored_with(image=weights["image"] | {"sha256": "0" * 64})
    with pytest.raises(ValueError, match=r"holds the weights of another network"):
        scored_with(image=weights["image_and_heatmaps"])
    with pytest.raises(FileNotFoundError, match="AGPL-3.0"):
        scored_with(patches={"path": "nowhere.p", "sha256": "0" * 64})
    assert "github.com/nyukat" in HOW_TO_GET
    assert not (site.folder / "never").exists()


def test_values_are_as_stored_with_a_black_background() -> None:
    window = Voi("linear_exact", center=600, width=1000)  # black below 100
    table = value_table(window.to_json(), 12, "stored")
    assert table[[0, 100, 101, 700, 4000]].tolist() == [0, 0, 101, 700, 4000]
    turned = value_table(Voi("linear_exact", center=2047.5, width=4095, invert=True).to_json(), 12, "stored")
    assert turned[[4095, 4094, 1000, 0]].tolist() == [0, 1, 3095, 4095]
    np.testing.assert_array_equal(value_table(window.to_json(), 12, "displayed"), grey_table(window, 16))
    padded = Voi("linear_exact", center=2047.5, width=4095, padding=(4000, 4000))
    assert value_table(padded.to_json(), 12, "stored")[[3999, 4000]].tolist() == [3999, 0]
    raw = Voi("raw_log", center=7, width=3, invert=True)
    np.testing.assert_array_equal(value_table(raw.to_json(), 12, "stored"), grey_table(raw, 16))
    with pytest.raises(ValueError, match="values is 'grey', wanted one of"):
        value_table(window.to_json(), 12, "grey")


def test_the_command_for_four_pictures_tells_the_same(
    site: Site, scores: dict[str, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    views = []
    for laterality, view in SLOTS:
        file = tmp_path / f"{laterality}{view}.png"
        cv2.imwrite(str(file), site.pictures[f"e1-{laterality}-{view}"])
        views.append(f"{laterality}-{view}={file}")
    flags = [f"--{name.replace('_', '-')}={own['path']}" for name, own in site.weights.items()]
    command = [*flags, "--device", "cpu", "--threads", "1"]
    by_hand([*command, *views])
    told = json.loads(capsys.readouterr().out)
    assert told["image_and_heatmaps"]["right_malignant"] == pytest.approx(
        scores["e1"]["right_malignant"], abs=1e-6
    )
    assert told["image"]["left_benign"] == pytest.approx(scores["e1"]["image_left_benign"], abs=1e-6)
    with pytest.raises(SystemExit):
        by_hand([*command, *views[:3], "L-CC=twice.png"])
    assert "wanted one VIEW=FILE each of" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no picture that can be read"):
        by_hand([*command, *views[:3], "R-MLO=nowhere.png"])
