"""Synthetic breasts: texture, outline, lesions at full and at a quarter of the resolution."""

import itertools

import cv2
import numpy as np
import pytest

from mammo_steps.core import phantom
from mammo_steps.core.randomness import stream

SHAPE = (640, 512)


def outlines(view: str, n: int, shape: tuple[int, int] = SHAPE) -> list[phantom.Outline]:
    found = []
    for number in range(n):
        rng = stream("outline", view, number)
        found.append(phantom.draw_outline(rng, shape, view, phantom.draw_build(rng)))
    return found


def quartered(image: phantom.Image) -> phantom.Image:
    return np.asarray(
        cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), dtype=np.float32
    )


def spectrum_slope(field: phantom.Image) -> float:
    """Slope of log power over log frequency, between 4 and 100 cycles per width."""
    power = np.abs(np.fft.fft2(field)) ** 2
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) * n for n in field.shape), indexing="ij"))
    rings = np.unique(np.geomspace(4, 100, 15).astype(int))
    middles, levels = [], []
    for low, high in itertools.pairwise(rings.tolist()):
        inside = (frequency >= low) & (frequency < high)
        middles.append(np.log(frequency[inside].mean()))
        levels.append(np.log(power[inside].mean()))
    return float(np.polyfit(middles, levels, 1)[0])


def test_the_texture_has_the_power_spectrum_of_mammograms() -> None:
    fields = [phantom.power_law_field(stream("texture", n), (256, 256)) for n in range(8)]
    assert np.mean([spectrum_slope(field) for field in fields]) == pytest.approx(-3.0, abs=0.15)


def test_the_textures_power_is_the_same_along_rows_and_columns() -> None:
    power = np.mean(
        [np.abs(np.fft.fft2(phantom.power_law_field(stream("axes", n), (256, 256)))) ** 2 for n in range(40)],
        axis=0,
    )
    along_rows, along_cols = power[0, 4:100], power[4:100, 0]
    assert np.mean(along_rows / along_cols) == pytest.approx(1, abs=0.15)


def test_the_texture_has_mean_0_and_standard_deviation_about_1_at_any_matrix_size() -> None:
    for shape in ((160, 128), (256, 256)):
        fields = np.stack([phantom.power_law_field(stream("scale", n), shape) for n in range(60)])
        assert fields.shape[1:] == shape and fields.dtype == np.float32
        assert fields.mean() == pytest.approx(0, abs=0.1)
        assert np.square(fields).mean() ** 0.5 == pytest.approx(1, abs=0.15)


def test_a_breast_fills_a_little_under_half_of_the_matrix() -> None:
    shares = [o.mask().mean() for view in ("CC", "MLO") for o in outlines(view, 60)]
    assert 0.43 <= np.median(shares) <= 0.51
    assert np.std(shares) > 0.04


def test_the_breast_lies_at_the_chest_wall_and_leaves_the_far_side_free() -> None:
    for view in ("CC", "MLO"):
        for outline in outlines(view, 20):
            mask = outline.mask()
            assert mask[round(outline.nipple_row), 0] and not mask[:, -1].any()


def test_only_the_oblique_view_shows_pectoral_muscle_in_its_upper_corner() -> None:
    for outline in outlines("CC", 5):
        assert not outline.muscle_col(np.arange(SHAPE[0])).any()
    for outline in outlines("MLO", 5):
        muscle = outline.muscle_col(np.arange(SHAPE[0]))
        assert muscle[0] > 0.2 * SHAPE[1] and muscle[SHAPE[0] * 2 // 3] == 0


@pytest.mark.parametrize("shape", [(640, 512), (160, 128), (64, 64)])
@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_a_lesion_lies_within_the_breast_and_in_front_of_the_muscle(
    shape: tuple[int, int], view: str
) -> None:
    for outline in outlines(view, 30, shape):
        radius_px = 0.05 * shape[1]
        for depth in (0.2, 0.45, 0.65):
            for offset in (-0.6, 0.0, 0.6):
                row, col = outline.place(depth, offset, radius_px)
                assert outline.mask()[round(row), round(col)]
                assert col >= outline.muscle_col(row)


def test_outside_the_breast_is_0_and_inside_is_not() -> None:
    outline = outlines("MLO", 1, (160, 128))[0]
    rng = stream("digitise")
    background = phantom.tissue(rng, outline, 0.5)
    phantom.add_innocent(rng, background, outline)
    grey = phantom.digitise(rng, background, background, outline.mask())
    assert grey.dtype == np.uint16
    assert np.array_equal(grey > 0, outline.mask())
    assert 500 < np.median(grey[grey > 0]) < 2000 and grey.max() < phantom.MAX_GREY


def test_tissue_thins_towards_the_skin() -> None:
    outline = outlines("CC", 1)[0]
    image = phantom.tissue(stream("skin"), outline, 0.5)
    row = round(outline.nipple_row)
    skin = int(outline.skin_col(row))
    assert image[row, skin - 3 : skin].mean() < 0.7 * image[row, skin - 80 : skin - 60].mean()


def test_a_mass_has_its_full_contrast_at_its_centre_and_ends_within_twice_its_radius() -> None:
    for irregular in (False, True):
        image = np.zeros((128, 128), np.float32)
        phantom.add_mass(stream("mass"), image, (60.0, 70.0), 12.0, 100.0, irregular)
        distance = np.hypot(np.arange(128)[:, None] - 60, np.arange(128)[None, :] - 70)
        assert image[60, 70] == pytest.approx(100)
        assert not image[distance > 30].any()
        assert image[distance < 4].min() > 95


def test_a_quarter_of_the_resolution_keeps_a_mass_and_loses_specks_and_spicules() -> None:
    left: dict[str, float] = {}
    for name in ("mass", "specks", "spicules"):
        image = np.zeros((128, 128), np.float32)
        if name == "mass":
            phantom.add_mass(stream(name), image, (64.0, 64.0), 20.0, 100.0, True)
        elif name == "specks":
            phantom.add_specks(stream(name), image, (64.0, 64.0), 20.0, 15, 100.0)
        else:
            phantom.add_spicules(stream(name), image, (64.0, 64.0), 20.0, 100.0)
        left[name] = float(quartered(image).max() / image.max())
    assert left["mass"] > 0.95
    assert left["specks"] < 0.45 and left["spicules"] < 0.6


def test_a_speck_is_one_or_two_pixels_wide_and_grows_with_large_matrices() -> None:
    widths = []
    for side in (512, 2560):
        image = np.zeros((side, side), np.float32)
        phantom.add_specks(stream("speck"), image, (100.0, 100.0), 0.0, 1, 100.0)
        widths.append(int((image[100] > image.max() / 2).sum()))
    assert widths[0] in (1, 2) and widths[1] in (5, 6, 7)


def test_what_is_added_beyond_the_edge_is_cut_off() -> None:
    image = np.zeros((64, 64), np.float32)
    phantom.add_specks(stream("edge"), image, (-40.0, 90.0), 0.0, 1, 100.0)
    phantom.add_mass(stream("edge"), image, (0.0, 63.0), 8.0, 100.0)
    assert image.shape == (64, 64) and image[0, 63] == pytest.approx(100)
    assert not image[30:].any()
