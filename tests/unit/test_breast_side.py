"""Where the breast lies in an image: the chest wall comes to the left, and headers that say otherwise are conflicts."""

from pathlib import Path

import numpy as np
import pytest
from made_files import edit, half_disc
from made_shard import Shard
from pydicom.dataset import Dataset

from mammo_steps.core.breast import breast_mask, breast_place


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    return Shard(tmp_path)


def test_the_chest_wall_of_both_breasts_comes_to_the_left(shard: Shard) -> None:
    shard.add("i1", "L")
    shard.add("i2", "R")  # its half disc is the mirror image, but for the noise
    left, right = shard.make()
    assert (left["flipped"], right["flipped"]) == (False, True)
    np.testing.assert_array_equal(shard.matrix(right), half_disc(side="right"))
    assert left["breast_col"] < 60 < right["breast_col"]
    assert right["breast_col"] == pytest.approx(119 - left["breast_col"], abs=1)
    assert shard.holistic(right)[32, 0] > 0 == shard.holistic(right)[32, -1]


def test_the_breast_is_described_in_pixels_of_the_stored_matrix(shard: Shard) -> None:
    shard.add("i1")
    (row,) = shard.make()
    place = breast_place(breast_mask(shard.holistic(row)), (160, 120))
    assert row["breast_area_px"] == place.area_px == pytest.approx((half_disc() > 0).sum(), rel=0.1)
    assert (row["breast_row"], row["breast_col"]) == (place.row, place.col)
    assert row["breast_row"] == pytest.approx(79.5, abs=1.5)


def test_a_chest_wall_on_the_wrong_side_may_be_kept_and_is_flagged(shard: Shard) -> None:
    shard.add("i1", grey=half_disc(side="right"))
    (row,) = shard.make(orientation_conflict="keep")
    assert (row["reason"], row["orientation_conflict"], row["flipped"]) == (None, True, True)


def test_patient_orientation_says_where_the_chest_wall_is(shard: Shard) -> None:
    path = shard.add("i1", grey=half_disc(side="right"))  # a left breast, exported as its mirror image
    edit(path, lambda ds: setattr(ds, "PatientOrientation", ["P", "R"]))
    (row,) = shard.make()
    assert (row["reason"], row["orientation_conflict"], row["flipped"]) == (None, False, True)


def test_an_image_that_its_header_calls_upside_down_is_a_conflict(shard: Shard) -> None:
    path = shard.add("i1")
    edit(path, lambda ds: setattr(ds, "PatientOrientation", ["A", "HR"]))
    (row,) = shard.make()
    assert (row["reason"], row["detail"]) == (
        "orientation_conflict",
        "columns run to the head: the image is upside down",
    )
    (row,) = shard.make(orientation_conflict="keep")
    assert (row["reason"], row["orientation_conflict"], row["flipped"]) == (None, True, False)


def test_a_raw_image_is_shown_dense_is_white(shard: Shard) -> None:
    tissue = half_disc()
    path = shard.add("i1", grey=np.where(tissue > 0, 4000 - 2 * tissue, 4095).astype(np.uint16))

    def as_raw(ds: Dataset) -> None:
        ds.PresentationIntentType = "FOR PROCESSING"
        ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LIN", 1

    edit(path, as_raw)
    shard.add("i2")
    raw, shown = shard.make()
    assert (raw["intensity"], shown["intensity"]) == ("raw", "window")
    assert raw["recipe"] == shown["recipe"]
    assert raw["breast_area_px"] == pytest.approx(shown["breast_area_px"], rel=0.05)
    assert not shard.holistic(raw)[:, -5:].any()
    levels = shard.holistic(raw)[32, :20], shard.holistic(shown)[32, :20]
    assert np.corrcoef(*levels)[0, 1] > 0.9


def test_a_breast_that_fills_the_frame_is_oriented_by_its_header(shard: Shard) -> None:
    full = np.random.default_rng(0).integers(1000, 2000, (160, 120)).astype(np.uint16)
    shard.add("i1", "R", grey=full)
    (row,) = shard.make()
    assert (row["orientation_conflict"], row["flipped"]) == (False, True)
