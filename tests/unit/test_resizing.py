"""The mean over areas is OpenCV's, to the bit, whichever way the picture is cut into channels."""

from typing import Any

import cv2
import numpy as np
import pytest

from mammo_steps.core.resizing import area_mean

SIZES = {
    "four columns of blocks": ((333, 256), (127, 96)),
    "two by two": ((306, 238), (124, 98)),
    "four rows": ((308, 239), (124, 97)),
    "two columns": ((305, 238), (123, 98)),
    "two rows": ((306, 239), (124, 97)),
    "whole": ((305, 239), (123, 97)),
    "nothing to do": ((64, 64), (64, 64)),
}


@pytest.mark.parametrize(("shape", "wanted"), SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_mean_over_areas_is_opencvs(shape: tuple[int, int], wanted: tuple[int, int], kind: Any) -> None:
    picture = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, shape).astype(kind)
    small = area_mean(picture, wanted)
    assert small.dtype == kind
    expected = cv2.resize(picture, wanted[::-1], interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(small, expected)


def test_a_pixel_is_the_mean_of_what_lies_below_it() -> None:
    # 8 columns to 4
    picture = np.repeat(np.array([[0, 100, 40, 60, 7, 9, 255, 255]], dtype=np.uint8), 4, axis=0)
    assert area_mean(picture, (2, 4)).tolist() == [[50, 50, 8, 255]] * 2
