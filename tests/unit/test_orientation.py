"""The chest wall is expected where the header's table has it, and contradictions are named."""

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_writing import ORIENTATION
from mammo_steps.core.orientation import chest_wall, expected_side, header_conflict


def header(orientation: Any) -> Dataset:
    ds = Dataset()
    if orientation is not None:
        ds.PatientOrientation = orientation
    return ds


@pytest.mark.parametrize(
    ("orientation", "side"),
    [(["P", "L"], "right"), (["P", "FL"], "right"), (["A", "R"], "left"), (["A", "FR"], "left")],
)
def test_the_four_standard_views_have_their_chest_wall_where_the_table_says(
    orientation: list[str], side: str
) -> None:
    assert orientation in ORIENTATION.values()
    for laterality in "LR":  # the orientation goes before the laterality
        assert expected_side(header(orientation), laterality) == side
    assert header_conflict(header(orientation)) == ""


@pytest.mark.parametrize("orientation", [None, "", ["CC"], ["MLO", ""], "P", ["", ""], ["X", "Y"]])
def test_without_directions_the_laterality_tells(orientation: Any) -> None:
    assert expected_side(header(orientation), "L") == "left"
    assert expected_side(header(orientation), "R") == "right"
    assert header_conflict(header(orientation)) == ""


@pytest.mark.parametrize("columns", ["H", "HL", "HR"])
def test_columns_that_run_to_the_head_stand_upside_down(columns: str) -> None:
    assert header_conflict(header(["P", columns])) == "columns run to the head: the image is upside down"


@pytest.mark.parametrize("rows", ["H", "F", "L", "RF"])
def test_rows_that_run_to_neither_front_nor_back_are_a_conflict(rows: str) -> None:
    assert header_conflict(header([rows, "P"])) == "rows run neither to the front nor to the back"


def test_the_pixels_are_believed_where_they_are_clear() -> None:
    left = np.tri(40, 30, dtype=bool)  # column c is filled from row c on
    assert chest_wall(left, "left") == ("left", "")
    assert chest_wall(left, "right") == ("left", "the chest wall is on the left")
    assert chest_wall(left[:, ::-1], "left") == ("right", "the chest wall is on the right")
    square = np.ones((40, 30), dtype=bool)  # tells nothing
    assert chest_wall(square, "right") == ("right", "")
