"""Wu et al. 2019: what the golden values do not reach."""

import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from mammo_steps.core.wu_crop import VIEWS, best_centre, find_breast, points_right
from mammo_steps.core.wu_exam import crops_of
from mammo_steps.core.wu_networks import FourViews, patch_classifier
from mammo_steps.core.wu_patch_forward import FastPatches
from mammo_steps.core.wu_patches import PATCH_PX, PatchGrid, distinct, heatmap, patch_probabilities, strides
from mammo_steps.core.wu_weights import fill_published, read_weights


def disc(
    shape: tuple[int, int] = (900, 700), centre: tuple[int, int] = (450, 0), radius: int = 300
) -> np.ndarray:
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (((rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 < radius**2) * 1000).astype(np.uint16)


def test_a_mirrored_breast_gives_the_mirrored_crop() -> None:
    image = disc()
    right, left = find_breast(image, True), find_breast(image[:, ::-1], False)
    np.testing.assert_array_equal(right.cut(image), left.cut(image[:, ::-1]))
    assert right.rightmost + 1 == left.rightmost  # the published code's own asymmetry
    assert right.window[:2] == left.window[:2] and right.bottommost == left.bottommost


def test_thin_things_are_no_breast() -> None:
    image = disc()
    image[:150, 500:690] = 9000  # a label, 190 pixels wide
    assert find_breast(image, True).window == find_breast(disc(), True).window
    with pytest.raises(ValueError, match="nothing in the image is 200 pixels wide"):
        find_breast(np.pad(np.ones((150, 150), np.uint16), 50), True)


def test_sides_point_as_the_exam_is_stored() -> None:
    assert points_right("L", False) and points_right("R", True)
    assert not points_right("R", False) and not points_right("L", True)


def test_an_exam_lacking_a_view_or_a_breast_says_which() -> None:
    images = {view: disc() if view[0] == "L" else disc()[:, ::-1] for view in VIEWS}
    assert set(crops_of(images, mirrored=False)) == set(VIEWS)
    with pytest.raises(ValueError, match=r"wanted one each of L-CC, R-CC, L-MLO, R-MLO"):
        crops_of({view: images[view] for view in VIEWS[:3]}, mirrored=False)
    with pytest.raises(ValueError, match="R-MLO: no breast"):
        crops_of(images | {"R-MLO": np.zeros((900, 700), np.uint16)}, mirrored=False)


def test_a_large_breast_is_centred_where_the_window_holds_most_of_it() -> None:
    image = disc((4200, 2600), (2600, 0), 1500)
    where = find_breast(image, True)
    crop = where.cut(image)
    row, _ = best_centre(crop, where, "CC")
    assert abs(row - (2600 - where.window[0])) <= 1


@pytest.mark.parametrize("length", [256, 257, 300, 326, 1000, 2049])
def test_patches_cover_an_axis_to_its_end(length: int) -> None:
    steps = strides(length, random.Random(3))
    assert sum(steps) == length - PATCH_PX and all(0 < step <= 70 for step in steps)


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no patch of 256"):
        strides(255, random.Random(0))


def test_a_heatmap_is_the_mean_of_the_patches_over_a_pixel() -> None:
    shape = (300, 330)
    grid = PatchGrid.drawn(shape, random.Random(0))
    values = np.random.default_rng(0).random(len(grid.places)).astype(np.float32)
    total, n = np.zeros(shape), np.zeros(shape)
    for (row, col), value in zip(grid.places, values, strict=True):
        total[row : row + PATCH_PX, col : col + PATCH_PX] += value
        n[row : row + PATCH_PX, col : col + PATCH_PX] += 1
    np.testing.assert_allclose(heatmap(values, grid, shape), total / n, rtol=1e-6)


def saved(path: Path, content: object) -> str:
    torch.save(content, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_published_files_are_read_and_their_copies_of_a_column_agree(tmp_path: Path) -> None:
    state = FourViews(1).state_dict()
    copies = {
        key.replace("resnet.cc.", f"resnet.{side}_cc.").replace("resnet.mlo.", f"resnet.{side}_mlo."): value
        for side in ("l", "r")
        for key, value in state.items()
    }
    digest = saved(tmp_path / "w.p", {"model": copies | state})
    network = read_weights(tmp_path / "w.p", digest, "the_key", FourViews(1))
    assert not network.training
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


class Harmful:
    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("this was run",))


def test_a_pickle_is_never_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = saved(tmp_path / "w.p", {"model": Harmful()})
    with pytest.raises(ValueError, match="could run code"):
        read_weights(tmp_path / "w.p", digest, "the_key", FourViews(1))
    assert "this was run" not in capsys.readouterr().out


def test_a_file_that_is_missing_or_another_says_where_the_weights_come_from(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file .*AGPL"):
        read_weights(tmp_path / "w.p", "0" * 64, "the_key", FourViews(1))
    saved(tmp_path / "w.p", {})
    with pytest.raises(ValueError, match=r"sha256 is .*, the_key says 0000"):
        read_weights(tmp_path / "w.p", "0" * 64, "the_key", FourViews(1))


def test_weights_of_another_network_are_refused() -> None:
    state, path = FourViews(1).state_dict(), Path("w.p")
    wanted = r"first_conv.weight is float32 \(16, 1, 7, 7\), wanted float32 \(16, 3, 7, 7\)"
    with pytest.raises(ValueError, match=wanted):
        fill_published(FourViews(3), state, path)
    with pytest.raises(ValueError, match=r"missing: features.conv0.weight.* unknown: four_view_resnet"):
        fill_published(patch_classifier(), state, path)
    with pytest.raises(ValueError, match="not finite in fc1_cc.bias"):
        fill_published(FourViews(1), state | {"fc1_cc.bias": torch.full((512,), torch.nan)}, path)
    with pytest.raises(ValueError, match="other things than tensors by name"):
        fill_published(FourViews(1), [1, 2], path)
    with pytest.raises(ValueError, match=r"w\.p holds other things than tensors by name"):
        fill_published(FourViews(1), {"model": {1: torch.zeros(3)}}, path)


def test_files_from_before_batches_were_counted_are_read_and_nothing_else_may_be_missing() -> None:
    torch.manual_seed(0)
    wanted = FourViews(1).state_dict()
    old = {key: value for key, value in wanted.items() if not key.endswith(".num_batches_tracked")}
    assert len(old) < len(wanted)
    found = fill_published(FourViews(1), {"model": old}, Path("w.p")).state_dict()
    assert all(torch.equal(found[key], value) for key, value in old.items())
    name = next(key for key in old if key.endswith("running_mean"))
    with pytest.raises(ValueError, match=f"missing: {name}"):
        fill_published(FourViews(1), {k: v for k, v in old.items() if k != name}, Path("w.p"))


@pytest.fixture(scope="module")
def classifier() -> torch.nn.Module:
    torch.manual_seed(1)
    return patch_classifier().eval()


class TestPatches:
    """The patch classifier in the form that is run, on a crop of which a part is empty."""

    @staticmethod
    def crop() -> np.ndarray:
        picture = np.random.default_rng(0).integers(500, 900, (400, 700)).astype(np.uint16)
        picture[:, 330:] = 0
        return picture

    def test_patches_of_one_value_are_looked_at_once_and_all_are_told(
        self, classifier: torch.nn.Module
    ) -> None:
        crop = self.crop()
        grid = PatchGrid.drawn((400, 700), random.Random(0))
        places, number = distinct(crop, grid)
        empty = sum(col >= 330 for _, col in grid.places)
        assert empty > 3 and len(places) == len(grid.places) - empty + 1 and len(number) == len(grid.places)
        cpu = torch.device("cpu")
        found = [patch_probabilities(FastPatches(classifier), crop, grid, n, cpu) for n in (1, 4)]
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
        plain = patch_probabilities(classifier, crop, grid, 5, cpu)
        np.testing.assert_allclose(found[0], plain, atol=1e-6)

    def test_the_number_of_threads_does_not_matter(self, classifier: torch.nn.Module) -> None:
        grid = PatchGrid([0, 100], [0, 50, 300])
        found, before = [], torch.get_num_threads()
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(
                patch_probabilities(FastPatches(classifier), self.crop(), grid, 2, torch.device("cpu"))
            )
            assert torch.get_num_threads() == n
        torch.set_num_threads(before)
        np.testing.assert_array_equal(*found)

    def test_reduced_precision_is_near(self, classifier: torch.nn.Module) -> None:
        patches = torch.randn(2, 1, 256, 256)
        fast = FastPatches(classifier)
        exact = fast(patches)
        with torch.autocast("cpu", torch.bfloat16):
            near = fast(patches)
        assert 0 < (near.float() - exact).abs().max() < 0.05

    def test_a_longer_stride_leaves_fewer_patches_that_cover_all(self) -> None:
        grid = PatchGrid.drawn((1000, 700), random.Random(0), 128)
        assert grid.rows[-1] == 1000 - PATCH_PX and grid.cols[-1] == 700 - PATCH_PX
        assert max(np.diff(grid.rows)) <= 128 and len(grid.places) < len(
            PatchGrid.drawn((1000, 700), random.Random(0)).places
        )
