"""Where the breast is in an image: mask, chest-wall side, area and centroid."""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

Grey = np.ndarray[tuple[int, int], np.dtype[Any]]  # (h, w) uint8 or uint16, 0 = background
Mask = np.ndarray[tuple[int, int], np.dtype[np.bool_]]
Binary = np.ndarray[tuple[int, int], np.dtype[np.uint8]]  # (h, w), 0 or 1
Side = Literal["left", "right"]

_WORK_PX = 256  # the mask is found on an image of about this many columns
_DISC_SHARE = 0.035  # diameter of the opening's disc over the columns of the image
_MIN_SHARE = 0.02  # a breast covers more of the image than this
_EDGE_SHARE = 0.04  # a part touches the chest-wall edge if it comes as close as this share of the columns


def side_balance(picture: Mask | Binary) -> float:
    """-1..1: > 0 if the chest wall is on the left. 0 for a symmetric or empty picture.

    A breast is widest at the chest wall, so between its first and last column more of it lies on that side:
    sum over columns of mass x offset from the middle, over the sum of mass x |offset|.
    """
    columns = _column_sums(picture).astype(np.float64)
    filled = np.flatnonzero(columns)
    if filled.size == 0:
        return 0.0
    columns = columns[filled[0] : filled[-1] + 1]
    offset = np.linspace(1, -1, columns.size) if columns.size > 1 else np.zeros(1)
    total = float((columns * np.abs(offset)).sum())
    return float((columns * offset).sum()) / total if total else 0.0


def _column_sums(picture: Mask | Binary) -> np.ndarray[Any, np.dtype[np.integer[Any]]]:
    """Sums of the columns (w,); OpenCV takes a tenth of NumPy's time."""
    return np.asarray(cv2.reduce(picture.view(np.uint8), 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S), int).ravel()


def _row_sums(picture: Mask | Binary) -> np.ndarray[Any, np.dtype[np.integer[Any]]]:
    return np.asarray(cv2.reduce(picture.view(np.uint8), 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S), int).ravel()


def chest_wall_side(picture: Mask | Binary) -> Side:
    """The side of the image on which the breast is attached; left if the picture does not tell."""
    return "left" if side_balance(picture) >= 0 else "right"


def breast_mask(grey: Grey) -> Mask:
    """True inside the breast (pectoral muscle included), (h, w); all False if there is none.

    Threshold between background and skin, opening (cuts labels off), the largest component that touches the
    chest-wall edge, holes filled. Columns of zeros beside a film are not part of the picture.
    """
    h, w = grey.shape
    scale = min(1.0, _WORK_PX / w)
    small = cv2.resize(
        grey, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA
    )
    root = np.sqrt(small.astype(np.float32) / max(float(small.max()), 1.0))  # lifts the dim skin line
    work = cv2.GaussianBlur(np.rint(255 * root).astype(np.uint8), (5, 5), 0)
    bright = (work > _skin_threshold(work)).astype(np.uint8)
    opened = cv2.morphologyEx(bright, cv2.MORPH_OPEN, _disc(work))
    part = _chest_wall_part(np.asarray(opened, np.uint8))
    if part.mean() < _MIN_SHARE:
        return np.zeros((h, w), dtype=bool)
    return np.asarray(cv2.resize(_filled(part), (w, h), interpolation=cv2.INTER_NEAREST) > 0)


def _disc(work: Binary) -> Binary:
    """A disc of 3.5 % of the columns: wider than strokes of a label, narrower than a breast."""
    side = 2 * round(_DISC_SHARE / 2 * work.shape[1]) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _skin_threshold(work: Binary) -> float:
    """Otsu twice: tissue against the rest, then, within the rest, dim skin against background."""
    tissue, _ = cv2.threshold(work, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    film = cv2.erode((work > 0).astype(np.uint8), _disc(work)) > 0  # no zeros nearby
    rest = work[film & (work <= tissue)]
    if rest.size < 0.02 * work.size:
        return float(tissue)
    skin, _ = cv2.threshold(rest.reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return float(skin)


def _chest_wall_part(opened: Binary) -> Binary:
    n, labels, stats, _ = cv2.connectedComponentsWithStats(opened, connectivity=4)
    if n < 2 or opened.mean() < _MIN_SHARE:
        return np.zeros_like(opened)
    content = np.flatnonzero(opened.mean(axis=0) > _MIN_SHARE)
    margin = round(_EDGE_SHARE * opened.shape[1])
    if chest_wall_side(opened) == "left":
        edge = labels[:, content[0] : content[0] + margin + 1]
    else:
        edge = labels[:, content[-1] - margin : content[-1] + 1]
    touching = set(np.flatnonzero(np.bincount(edge.ravel())).tolist()) - {0}
    if not touching:
        return np.zeros_like(opened)
    largest = max(touching, key=lambda label: int(stats[label, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest, np.uint8)


def _filled(part: Binary) -> Binary:
    contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(np.zeros_like(part), contours, -1, 1, thickness=cv2.FILLED), np.uint8)


@dataclass(frozen=True)
class BreastPlace:
    """Size and centre of a breast mask in the stored matrix (0-based pixel centres)."""

    area_px: int
    row: float
    col: float


def breast_place(mask: Mask, stored_px: tuple[int, int]) -> BreastPlace:
    """Area and centroid of a mask (h, w), not empty, that spans a stored matrix of (H, W) pixels.

    full = (r + 0.5) x H/h - 0.5
    """
    (h, w), (H, W) = mask.shape, stored_px
    rows, cols = _row_sums(mask), _column_sums(mask)
    n = int(rows.sum())
    row = float(rows @ np.arange(h)) / n
    col = float(cols @ np.arange(w)) / n
    area = round(n * (H / h) * (W / w))
    return BreastPlace(area, (row + 0.5) * H / h - 0.5, (col + 0.5) * W / w - 0.5)
