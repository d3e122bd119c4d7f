"""The breast mask on pictures whose breast is known."""

import numpy as np
import pytest
from made_files import half_disc

from mammo_steps.core.breast import breast_mask, breast_place, chest_wall_side, side_balance


def picture(shape: tuple[int, int] = (300, 240)) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """An 8-bit half disc at the left edge on zeros."""
    return (half_disc(shape) // 16).astype(np.uint8)


def overlap(found: np.ndarray[tuple[int, int], np.dtype[np.bool_]], wanted: np.ndarray) -> float:
    return float((found & wanted).sum() / (found | wanted).sum())


def test_a_clean_breast_is_found_on_either_side() -> None:
    grey = picture()
    mask = breast_mask(grey)
    assert overlap(mask, grey > 0) > 0.95
    assert chest_wall_side(mask) == "left"
    mirrored = breast_mask(np.ascontiguousarray(grey[:, ::-1]))
    assert chest_wall_side(mirrored) == "right"
    assert overlap(mirrored[:, ::-1], mask) > 0.99


def test_a_burned_in_label_is_left_out() -> None:
    grey = picture()
    labelled = grey.copy()
    labelled[10:40, 190:230] = 255
    mask = breast_mask(labelled)
    assert not mask[10:40, 190:230].any()
    assert overlap(mask, grey > 0) > 0.95


def test_the_noisy_background_of_a_film_is_left_out() -> None:
    grey = picture()
    film = grey + np.random.default_rng(1).integers(8, 16, grey.shape).astype(np.uint8)
    assert overlap(breast_mask(film), grey > 0) > 0.9


def test_zeros_beside_a_film_do_not_hide_the_chest_wall() -> None:
    grey = np.pad(picture(), ((0, 0), (40, 0)))
    mask = breast_mask(grey)
    assert overlap(mask, grey > 0) > 0.95
    assert chest_wall_side(mask) == "left"


def test_sixteen_bits_give_the_same_mask_as_eight() -> None:
    grey = picture()
    assert overlap(breast_mask(grey.astype(np.uint16) * 257), breast_mask(grey)) > 0.99


@pytest.mark.parametrize(
    "grey",
    [np.zeros((300, 240), np.uint8), np.pad(np.full((6, 6), 255, np.uint8), 100)],
    ids=["black", "speck"],
)
def test_an_image_without_a_breast_has_an_empty_mask(grey: np.ndarray) -> None:
    assert not breast_mask(grey).any()


def test_the_balance_of_a_picture_is_signed_and_bounded() -> None:
    triangle = np.tri(40, dtype=np.uint8)[::-1]  # widest in the left column
    assert side_balance(triangle) == pytest.approx(-side_balance(triangle[:, ::-1]))
    assert 0 < side_balance(triangle) <= 1
    assert side_balance(np.ones((5, 7), bool)) == pytest.approx(0, abs=1e-12)
    assert side_balance(np.zeros((5, 7), bool)) == 0
    assert side_balance(np.pad(triangle, ((0, 0), (90, 3)))) == side_balance(triangle)


def test_area_and_centre_are_those_of_the_stored_matrix() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:4, 5:9] = True  # rows 2 and 3, columns 5 to 8
    same = breast_place(mask, (10, 10))
    assert (same.area_px, same.row, same.col) == (8, 2.5, 6.5)
    # each mask pixel covers 4 x 3 stored ones: rows 8 to 15, columns 15 to 26
    larger = breast_place(mask, (40, 30))
    assert (larger.area_px, larger.row, larger.col) == (96, 11.5, 20.5)
