"""What a network of Wu et al. 2019 sees of a crop: a standardised window of fixed size, with noise if wanted."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mammo_steps.core.wu_crop import WINDOWS

_SHIFT_PX, _RESIZE_PX, _PADDING_PX = 100, 100, 200  # of the noise

Planes = NDArray[np.float32]  # (C, H, W): the image, then its heatmaps


@dataclass(frozen=True)
class Window:
    """Borders in the padded planes, ends exclusive."""

    top: int
    bottom: int
    left: int
    right: int


def padded(planes: Planes, view: str, centre: tuple[int, int], room_px: int) -> tuple[Planes, Window]:
    """The planes with zeros where a window would reach out, and the window around a centre.

    view     CC or MLO
    room_px  that noise needs around a window
    """
    height, width = WINDOWS[view]
    n_rows, n_cols = planes.shape[1:]
    top, left = centre[0] - height // 2, centre[1] - width // 2
    above = below = beside = 0
    if view == "CC" and n_rows < height + 2 * room_px:
        lacking = height - n_rows + 2 * room_px
        above, below, top = lacking // 2, lacking - lacking // 2, room_px
    if view == "MLO" and n_rows < height + room_px:
        below, top = height - n_rows + room_px, 0
    if n_cols < width + room_px:
        beside, left = width - n_cols + room_px, 0
    planes = np.pad(planes, ((0, 0), (above, below), (0, beside)))
    top = min(max(0, top), planes.shape[1] - height)
    left = min(max(0, left), planes.shape[2] - width)
    return planes, Window(top, top + height, left, left + width)


def noisy(window: Window, shape: tuple[int, int], rng: np.random.RandomState) -> Window:
    """The window shifted and resized at random inside an image of (H, W) `shape`; six draws."""
    height, width = window.bottom - window.top, window.right - window.left
    down, along = rng.uniform(-1, 1, 2)
    rows = _shift(down, window.top, shape[0] - window.bottom)
    cols = _shift(along, window.left, shape[1] - window.right)
    top, bottom = window.top + rows, window.bottom + rows
    left, right = window.left + cols, window.right + cols
    most = min(_RESIZE_PX, top, shape[0] - bottom, left, shape[1] - right)
    across = round(most * width / height)
    moves = [
        round(limit * u) for limit, u in zip((most, most, across, across), rng.uniform(-1, 1, 4), strict=True)
    ]
    return Window(top + moves[0], bottom + moves[1], left + moves[2], right + moves[3])


def _shift(u: float, before: int, after: int) -> int:
    """By how much a window moves that has so much room before and after it; away from an edge that it touches."""
    if before == 0:
        u = abs(u)
    elif after == 0:
        u = -abs(u)
    return round(min(_SHIFT_PX, before if u < 0 else after) * u)


def seen(planes: Planes, window: Window, view: str) -> Planes:
    """(C, h, w): the window's part, resized where noise changed its size; the image standardised, heatmaps not."""
    part = planes[:, window.top : window.bottom, window.left : window.right]
    height, width = WINDOWS[view]
    if part.shape[1:] != (height, width):
        part = np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_CUBIC) for plane in part])
    image = part[:1]
    spread = max(float(image.std()), 1e-5)
    return np.concatenate([(image - image.mean()) / np.float32(spread), part[1:]]).astype(np.float32)


def network_input(
    planes: Planes, view: str, centre: tuple[int, int], rng: np.random.RandomState | None = None
) -> NDArray[Any]:
    """(C, h, w) of a crop facing right; with noise where a generator is given."""
    whole, window = padded(planes, view, centre, _PADDING_PX if rng is not None else 0)
    if rng is not None:
        rng.randint(0, 1)  # the published code chooses one of the view's images: there is one
        window = noisy(window, (whole.shape[1], whole.shape[2]), rng)
    return seen(whole, window, view)
