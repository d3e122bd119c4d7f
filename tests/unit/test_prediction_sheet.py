"""The picture of a new exam."""

import numpy as np

from mammo_steps.core.exam_sheet import View, exam_sheet
from mammo_steps.core.prediction_sheet import _with_missing


def view(title: str) -> View:
    plain = np.full((8, 8), 90, np.uint8)
    return View(title, plain, np.zeros((8, 8), np.uint8), plain, None, (1.0, 1.0, 6.0, 6.0))


def test_a_missing_view_keeps_its_place() -> None:
    places = [("CC", "R"), ("CC", "L"), ("MLO", "L")]
    slots = _with_missing([view(f"{side}-{name}") for name, side in places], places, ["CC", "MLO"])
    titles = [slot if isinstance(slot, str) else slot.title for slot in slots]
    assert titles == ["R-CC", "L-CC", "R-MLO  missing", "L-MLO"]
    sheet = exam_sheet(["a line"], slots)
    step = 328
    filled = [(sheet[-100:-40, 8 + step * n : step * (n + 1)] == 90).all() for n in range(4)]
    assert filled == [True, True, False, True]


def test_an_exam_without_scores_has_no_places() -> None:
    assert _with_missing([], [], ["CC", "MLO"]) == []
