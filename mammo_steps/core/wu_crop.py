"""Where the breast lies in an image, and where the networks of Wu et al. 2019 (arXiv 1903.08297) look at it.

All points are (row, col), 0-based. `stored` is the image as it lies in the file; `facing right` is the frame in which
the chest wall is on the left: images that point left are mirrored. Sizes and constants are those that the published
weights were trained with: another value gives other scores.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

VIEWS = ("L-CC", "R-CC", "L-MLO", "R-MLO")  # their order everywhere
WINDOWS = {"CC": (2677, 1942), "MLO": (2974, 1748)}  # (H, W) that a network sees

_EROSION_PX = 100  # what is thinner than twice that is no breast
_BUFFER_PX = 50
_SKIPPED_SHARE = 3  # the upper third is not searched for the nipple: the arm and the muscle lie there

Pixels = np.ndarray[tuple[int, int], np.dtype[Any]]
Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]


class NoBreastError(ValueError):
    """Nothing in an image is large enough for a breast."""


@dataclass(frozen=True)
class BreastCrop:
    """A breast's part of an image.

    window       (top, bottom, left, right) in the stored image, ends exclusive
    points_right the breast's side away from the chest wall is the right one, as stored
    rightmost    column of the nipple's end of the breast, in the crop facing right
    bottommost   last row of the breast, in the crop
    """

    window: tuple[int, int, int, int]
    points_right: bool
    rightmost: int
    bottommost: int

    def cut(self, image: Pixels) -> Pixels:
        """The crop of the stored image, facing right."""
        top, bottom, left, right = self.window
        part = image[top:bottom, left:right]
        return part if self.points_right else part[:, ::-1]


def points_right(laterality: str, mirrored: bool) -> bool:
    """Which way a breast points in the stored image; `mirrored`: the whole exam is stored the other way round."""
    return (laterality == "L") != mirrored


def find_breast(image: Pixels, right: bool) -> BreastCrop:
    """The crop around the largest thing in an image whose background is exactly 0.

    right  the breast points right, see `points_right`
    Raises NoBreastError where nothing is left after the erosion.
    """
    breast = _largest(image > 0)
    rows, cols = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    top, bottom, left, end = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    last_row = bottom - 1
    top, bottom = max(0, top - _BUFFER_PX), min(image.shape[0], bottom + _BUFFER_PX)
    if right:
        end = min(image.shape[1], end + _BUFFER_PX)
    else:
        left = max(0, left - _BUFFER_PX)
    inside = breast[top:bottom, left:end]
    there = np.flatnonzero(inside[int(inside.shape[0] / _SKIPPED_SHARE) :].any(axis=0))
    # the published code counts from the other end for left-pointing breasts, one pixel apart from the mirror image
    rightmost = int(there[-1]) if right else inside.shape[1] - int(there[0])
    return BreastCrop((top, bottom, left, end), right, rightmost, last_row - top)


def _largest(mask: Mask) -> Mask:
    """The largest 4-connected part of a mask, opened by the city-block ball of `_EROSION_PX`."""
    padded = np.pad(mask.view(np.uint8), 1)  # what lies outside counts as background
    eroded = cv2.distanceTransform(padded, cv2.DIST_L1, 3, dstType=cv2.CV_32F)[1:-1, 1:-1] > _EROSION_PX
    n, labels, found, _ = cv2.connectedComponentsWithStats(eroded.view(np.uint8), connectivity=4)
    if n == 1:
        raise NoBreastError(f"no breast: nothing in the image is {2 * _EROSION_PX} pixels wide")
    areas = found[1:, cv2.CC_STAT_AREA]
    largest = 1 + np.flatnonzero(areas == areas.max())
    first = (
        min(largest, key=lambda label: int((labels == label).argmax())) if len(largest) > 1 else largest[0]
    )
    around = np.asarray(labels != first).view(np.uint8)
    near: Mask = cv2.distanceTransform(around, cv2.DIST_L1, 3, dstType=cv2.CV_32F) <= _EROSION_PX
    return near


def best_centre(crop: Pixels, where: BreastCrop, view: str) -> tuple[int, int]:
    """(row, col) of the centre of the network's window; the column may be negative for a narrow breast.

    crop  the crop facing right
    view  CC or MLO
    """
    height, width = WINDOWS[view]
    col = where.rightmost - width // 2 - 1
    if view == "MLO":
        filled = np.flatnonzero((crop[:, -width:] > 0).any(axis=1))
        return min(where.bottommost, int(filled[-1])) - height // 2 - 1, col
    return _fullest_row(crop > 0, height, width, col), col


def _fullest_row(breast: Mask, height: int, width: int, col: int) -> int:
    """Of all rows at which a window fits, the one whose window holds most of the breast; of equals the most central."""
    n_rows, n_cols = breast.shape
    middle = n_rows // 2
    first, last = height // 2, n_rows - (height - height // 2)
    if first >= last:
        return middle
    left = max(0, col - width // 2)
    right = min(n_cols, col + (width - width // 2) + max(0, width // 2 - col))
    below = np.concatenate([[0], breast[:, left:right].sum(axis=1).cumsum()])
    rows = np.arange(first, last + 1)
    held = below[rows + (height - height // 2)] - below[rows - height // 2]
    fullest = rows[held == held.max()]
    return int(fullest[np.abs(fullest - middle).argmin()])
