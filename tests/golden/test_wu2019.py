"""Wu et al. 2019 with seeded weights, against what the published code computed with them.

Probabilities and heatmaps to 1e-5, places exactly. The data's README says how it was made.
"""

import csv
import importlib.util
import json
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mammo_steps.core import wu_networks
from mammo_steps.core.wu_crop import VIEWS, best_centre, find_breast, points_right
from mammo_steps.core.wu_exam import How, WuModels, crops_of, look, score_exam
from mammo_steps.core.wu_networks import LABELS, FourViews, patch_classifier
from mammo_steps.core.wu_patch_forward import FastPatches
from mammo_steps.core.wu_patches import BENIGN, MALIGNANT, PatchGrid, heatmap, patch_probabilities, strides
from mammo_steps.core.wu_weights import fill_published
from mammo_steps.core.wu_windows import network_input, noisy, padded

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
CLOSE = 1e-5
KINDS = {"image": 1, "imageheatmaps": 3}
EXAM = {"L-CC": "2_L_CC", "R-CC": "2_R_CC", "L-MLO": "1_L_CC", "R-MLO": "1_R_CC"}


@pytest.fixture(scope="module")
def folder(test_data: Path) -> Path:
    return test_data / "golden/wu2019"


@pytest.fixture(scope="module")
def golden(folder: Path) -> Any:
    return json.loads((folder / "golden.json").read_text())


@pytest.fixture(scope="module")
def arrays(folder: Path) -> Any:
    return np.load(folder / "golden.npz")


def seeded_state(folder: Path, keys: str) -> dict[str, torch.Tensor]:
    """The state that the seeded rule gives for a table of keys, copies of the columns included."""
    spec = importlib.util.spec_from_file_location("seeded_state", folder / "seeded_state.py")
    assert spec and spec.loader
    seeded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeded)
    with (folder / keys).open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    shapes = [
        (r["key"], () if r["shape"] == "scalar" else tuple(map(int, r["shape"].split("x")))) for r in rows
    ]
    return {key: torch.from_numpy(value) for key, value in seeded.seeded_state_dict(shapes).items()}


@pytest.fixture(scope="module")
def models(folder: Path) -> WuModels:
    def four_views(kind: str) -> FourViews:
        network = FourViews(KINDS[kind])
        fill_published(network, {"model": seeded_state(folder, f"keys_viewwise_{kind}.tsv")}, folder)
        return network

    patches = fill_published(patch_classifier(), seeded_state(folder, "keys_densenet_patch.tsv"), folder)
    return WuModels(FastPatches(patches), four_views("image"), four_views("imageheatmaps"))


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def picture(folder: Path, name: str) -> NDArray[np.uint16]:
    return cv2.imread(str(folder / "images" / f"{name}.png"), cv2.IMREAD_UNCHANGED)


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_heads(kind: str, golden: Any, models: WuModels) -> None:
    network = models.image if kind == "image" else models.image_and_heatmaps
    wanted = golden["components"][f"resnet22_cc_{kind}"]["gap"]
    found = network.four_view_resnet["cc"](normal(1234, 2, KINDS[kind], 203, 161))
    np.testing.assert_allclose(found.numpy(), wanted, atol=CLOSE)
    pictures = {view: normal(2000 + i, 2, KINDS[kind], 203, 161) for i, view in enumerate(VIEWS)}
    told = network.log_probabilities(network.features(pictures))
    for name in wu_networks.COLUMNS:
        wanted = golden["components"][f"viewwise_{kind}"]["log_softmax"][name.upper()]
        np.testing.assert_allclose(told[name].numpy(), wanted, atol=CLOSE)


@torch.inference_mode()
def test_the_patch_classifier_as_described_and_as_it_is_run(folder: Path, golden: Any) -> None:
    network = fill_published(patch_classifier(), seeded_state(folder, "keys_densenet_patch.tsv"), folder)
    wanted = {name: golden["components"][name]["logits"] for name in ("densenet_256", "densenet_256_gray")}
    np.testing.assert_allclose(network(normal(1235, 2, 3, 256, 256)), wanted["densenet_256"], atol=CLOSE)
    grey = normal(1236, 2, 1, 256, 256)
    for run in (network, FastPatches(network)):
        np.testing.assert_allclose(run(grey), wanted["densenet_256_gray"], atol=CLOSE)


def test_strides(golden: Any) -> None:
    for length, wanted in golden["components"]["stride_lists"].items():
        assert strides(int(length), random.Random(0)) == wanted


def test_a_small_heatmap(golden: Any, models: WuModels) -> None:
    wanted = golden["components"]["tiny_heatmap"]
    crop = np.random.RandomState(7).randint(0, 4096, (400, 330)).astype(np.float32)
    crop[:, 250:] = 0
    grid = PatchGrid.drawn((400, 330), random.Random(0))
    assert np.diff(grid.rows).tolist() == wanted["row_strides"]
    assert np.diff(grid.cols).tolist() == wanted["col_strides"]
    told = patch_probabilities(models.patches, crop, grid, 5, CPU)
    np.testing.assert_allclose(told, wanted["probs"], atol=CLOSE)
    for name, kind in (("benign", BENIGN), ("malignant", MALIGNANT)):
        found = heatmap(told[:, kind], grid, (400, 330))
        assert found.mean() == pytest.approx(wanted[name]["mean"], abs=CLOSE)
        for row, col, value in wanted.get(f"{name}_samples", ()):
            assert found[row, col] == pytest.approx(value, abs=CLOSE)


def test_crops_and_centres_of_real_images(folder: Path, golden: Any) -> None:
    entries = {name: entry for name, entry in golden["crop_bcc"].items() if name.startswith("bcc/")}
    assert len(entries) == 5
    for name, wanted in entries.items():
        image, mirrored = picture(folder, name[4:10]), "YES" in name
        image = image[:, ::-1] if mirrored else image
        where = find_breast(image, points_right(wanted["view"][0], mirrored))
        crop = where.cut(image)
        assert list(where.window) == wanted["window_location"], name
        assert where.rightmost == wanted["rightmost_points"][1], name
        assert where.bottommost == wanted["bottommost_points"][0], name
        assert list(best_centre(crop, where, "CC")) == wanted["best_center"], name
        as_mlo = wanted[f"best_center_if_treated_as_{wanted['view'][0]}-MLO"]
        assert list(best_centre(crop, where, "MLO")) == as_mlo, name


def test_windows_with_and_without_noise(golden: Any) -> None:
    for wanted in golden["components"]["window"]:
        planes = np.zeros((1, *wanted["image_shape"]), np.float32)
        room = 200 if wanted["noise"] else 0
        whole, window = padded(planes, wanted["view"][2:], tuple(wanted["best_center"]), room)
        shape = (whole.shape[1], whole.shape[2])
        if wanted["noise"]:
            window = noisy(window, shape, np.random.RandomState(0))
        found = [window.top, window.bottom, window.left, window.right]
        assert found == wanted["borders_top_bottom_left_right"] and list(shape) == wanted["padded_shape"]


@pytest.fixture(scope="module")
def planes(
    folder: Path, golden: Any, arrays: Any
) -> tuple[dict[str, NDArray[np.float32]], dict[str, tuple[int, int]]]:
    """The exam's crops with their heatmaps, these from the published patch probabilities; and the centres."""
    crops = crops_of({view: picture(folder, name) for view, name in EXAM.items()}, mirrored=False)
    told, rng = golden["exams"]["bcc_cc"], random.Random(0)
    found = {}
    for view, crop in crops.items():
        assert list(crop.centre) == told["metadata"]["best_center"][view]
        shape = (crop.pixels.shape[0], crop.pixels.shape[1])
        grid, wanted = PatchGrid.drawn(shape, rng), told["heatmap"][view]
        assert np.diff(grid.rows).tolist() == wanted["row_strides"]
        assert np.diff(grid.cols).tolist() == wanted["col_strides"]
        patches = arrays[f"bcc_cc/patch_softmax_{view}"]
        heat = [heatmap(patches[:, kind], grid, shape) for kind in (BENIGN, MALIGNANT)]
        rows, cols = (((np.arange(64) + 0.5) * n / 64).astype(int) for n in shape)
        for name, sampled in zip(("benign", "malignant"), heat, strict=True):
            wanted_samples = arrays[f"bcc_cc/hm64_{name}_{view}"]
            np.testing.assert_allclose(sampled[np.ix_(rows, cols)], wanted_samples, atol=CLOSE)
        found[view] = np.stack([crop.pixels.astype(np.float32), *heat])
    return found, {view: crop.centre for view, crop in crops.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_exam_from_its_heatmaps_on(
    kind: str,
    planes: tuple[dict[str, NDArray[np.float32]], dict[str, tuple[int, int]]],
    golden: Any,
    arrays: Any,
    models: WuModels,
) -> None:
    network = models.image if kind == "image" else models.image_and_heatmaps
    wanted = golden["exams"]["bcc_cc"]["classifier"][kind]
    own = {view: whole[: KINDS[kind]] for view, whole in planes[0].items()}
    for view in VIEWS:
        seen = network_input(own[view], view[2:], planes[1][view])
        np.testing.assert_allclose(seen[0, ::32, ::32], arrays[f"bcc_cc/{kind}_in_{view}"], atol=CLOSE)
    plain = look(network, own, planes[1], 0, CPU)
    assert plain.probabilities == pytest.approx(
        {label: wanted["pred_noaug"][label] for label in LABELS}, abs=CLOSE
    )
    means = [arrays[f"bcc_cc/{kind}_gap_{name}"].ravel() for name in wu_networks.COLUMNS]
    np.testing.assert_allclose(plain.features, np.concatenate(means), atol=CLOSE)
    with_noise = look(network, own, planes[1], 3, CPU)
    assert with_noise.probabilities == pytest.approx(
        {label: wanted["pred_aug"][label] for label in LABELS}, abs=CLOSE
    )


def test_a_few_patches_of_a_real_image(folder: Path, golden: Any, arrays: Any, models: WuModels) -> None:
    crop = crops_of({view: picture(folder, name) for view, name in EXAM.items()}, mirrored=False)["L-CC"]
    grid = PatchGrid.drawn((crop.pixels.shape[0], crop.pixels.shape[1]), random.Random(0))
    few = PatchGrid(grid.rows[:3], grid.cols[:1])
    found = patch_probabilities(models.patches, crop.pixels, few, 3, CPU)
    np.testing.assert_allclose(found, arrays["bcc_cc/patch_softmax_L-CC"][:3], atol=CLOSE)


@pytest.mark.long
def test_the_whole_chain(folder: Path, golden: Any, models: WuModels) -> None:
    images = {view: picture(folder, name) for view, name in EXAM.items()}
    found = score_exam(images, models, mirrored=False, how=How(0, 16), device=CPU)
    told = golden["exams"]["bcc_cc"]["classifier"]
    for kind, ours in (("image", found.image), ("imageheatmaps", found.image_and_heatmaps)):
        wanted = {label: told[kind]["pred_noaug"][label] for label in LABELS}
        assert ours.probabilities == pytest.approx(wanted, abs=CLOSE)
