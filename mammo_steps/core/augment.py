"""Random changes of a training image, all of them in one warp."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mammo_steps.core.image_store import Place


@dataclass(frozen=True)
class AugmentSettings:
    """Random changes of a training image; each is drawn evenly between its limits.

    flips              of "horizontal" (left-right) and "vertical"; each done with probability one half
    rotation_degrees   rotation by at most this, either way
    pad_px             zeros added on every side before the random crop
    max_shift          largest distance of the random crop from the scored square, as a share of its side;
                       null = anywhere in the (padded) picture
    """

    flips: Sequence[str]
    rotation_degrees: float
    pad_px: int
    max_shift: float | None

    def __post_init__(self) -> None:
        if unknown := set(self.flips) - {"horizontal", "vertical"}:
            raise ValueError(f"flips holds {sorted(unknown)}, wanted horizontal and vertical")


def crop_centre(
    shape: tuple[int, int], place: Place, side_px: int, augment: AugmentSettings, rng: np.random.Generator
) -> tuple[float, float]:
    """Centre (row, col) of a random crop, in pixel edges of the canvas (a pixel's centre is at +0.5)."""
    centre = []
    for length, first in zip(shape, (place.top_px, place.left_px), strict=True):
        low = float(min(0, length - side_px) - augment.pad_px)
        high = float(max(0, length - side_px) + augment.pad_px)
        if augment.max_shift is not None:
            reach = augment.max_shift * side_px
            low, high = max(low, first - reach), min(high, first + reach)
        centre.append(rng.uniform(low, high) + side_px / 2)
    return centre[0], centre[1]


def warp_matrix(
    shape: tuple[int, int], place: Place, side_px: int, augment: AugmentSettings, rng: np.random.Generator
) -> np.ndarray:
    """(2, 3) matrix from output offsets (col, row, 1), in pixels from the centre, to canvas (col, row) edges."""
    row, col = crop_centre(shape, place, side_px, augment, rng)
    angle = math.radians(rng.uniform(-augment.rotation_degrees, augment.rotation_degrees))
    flip_col = -1.0 if "horizontal" in augment.flips and rng.random() < 0.5 else 1.0
    flip_row = -1.0 if "vertical" in augment.flips and rng.random() < 0.5 else 1.0
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[flip_col * cos, -flip_row * sin, col], [flip_col * sin, flip_row * cos, row]])


def warped(canvases: Tensor, matrices: np.ndarray, side_px: int) -> Tensor:
    """Rotate, flip and crop in one bilinear step.

    canvases  (B, H, W) in [0, 1], each picture at the top left, zeros elsewhere
    matrices  (B, 2, 3) of `warp_matrix`
    Returns (B, side, side); what lies outside a picture is 0, the background.
    """
    height, width = canvases.shape[1:]
    to_unit = np.array([2.0 / width, 2.0 / height])[:, None]  # canvas edges -> [-1, 1] of grid_sample
    theta = matrices * to_unit
    theta[:, :, :2] *= side_px / 2  # affine_grid's output coordinates span [-1, 1]
    theta[:, :, 2] -= 1.0
    grid = F.affine_grid(
        torch.from_numpy(theta).to(canvases.device, torch.float32),
        [len(canvases), 1, side_px, side_px],
        align_corners=False,
    )
    return F.grid_sample(canvases.unsqueeze(1), grid, align_corners=False).squeeze(1)
