"""Input-gradient saliency and the centre of attention (COA).

Source: Simonyan et al. 2014 (arXiv 1312.6034) for the map; Dahl et al. 2022 for the COA, the centroid of the
1 % of pixels with the highest gradient magnitude.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mammo_steps.core.geometry import InputFrame, roi_corner
from mammo_steps.core.network import margins, normalised

# How a COA is found: a part of the recipe of what is cut around it. A changed rule gets a new version.
COA_RULES = {"version": 1, "map": "gradient magnitude of the margin", "centre": "unweighted centroid"}

Box = tuple[int, int, int, int]  # (first row, end row, first col, end col)


@dataclass(frozen=True)
class Attention:
    """Where saliency maps point, in pixels of the map (0-based pixel centres), on the maps' device.

    row, col  (B,) float64: the COAs; NaN where a map is empty
    top       (B, s, s) bool: the top pixels
    spread    (B,) root mean square distance of the top pixels from the COA; NaN where a map is empty
    """

    row: Tensor
    col: Tensor
    top: Tensor
    spread: Tensor

    def outside(self, mask: Tensor) -> Tensor:
        """(B,) share of the top pixels that are not in (B, s, s) `mask`; NaN where a map is empty."""
        n_top = self.top.sum(dim=(1, 2), dtype=torch.float64)
        return (self.top & ~mask).sum(dim=(1, 2), dtype=torch.float64) / n_top


def saliency_maps(
    network: nn.Module, grey: Tensor, autocast: AbstractContextManager[None] | None = None
) -> tuple[Tensor, Tensor]:
    """Margins (B,) and gradient magnitudes (B, s, s) of the margin, one backward pass for the batch.

    autocast  precision of the network's layers; None = fp32

    The margin is the target for every image, whatever its label: the gradient of either class's
    cross-entropy is this one times a scalar per image, and this one cannot underflow. The network must be in
    eval mode, so that images of a batch do not touch each other; its parameters should be frozen.
    """
    if network.training:
        raise ValueError("saliency of a network in training mode mixes the images of a batch")
    grey = grey.requires_grad_()
    with torch.enable_grad():
        with autocast or nullcontext():
            logits = network(normalised(grey))
        found = margins(logits.float())
        (gradient,) = torch.autograd.grad(found.sum(), grey)
    return found.detach(), gradient.abs()


def attend(saliency: Tensor, boxes: Sequence[Box], top_fraction: float) -> Attention:
    """The COA of each map.

    saliency      (B, s, s) float >= 0
    boxes         of each map: pixels of the image; the rest is padding
    top_fraction  k = round(top_fraction x valid pixels), exactly; of equal values the first in reading
                  order counts

    An all-zero or non-finite map has no COA and no top pixels.
    """
    valid = _inside(boxes, saliency)
    values = torch.where(valid, saliency, -1.0).flatten(1)  # (B, s x s)
    sound = values.isfinite().all(dim=1) & (values.amax(dim=1) > 0)
    sizes = [max(1, round(top_fraction * (r1 - r0) * (c1 - c0))) for r0, r1, c0, c1 in boxes]
    k = torch.tensor(sizes, device=values.device)[:, None]
    highest = values.nan_to_num().topk(max(sizes), dim=1).values
    threshold = highest.gather(1, k - 1)  # the k-th highest value of each map
    above, ties = values > threshold, values == threshold
    room = k - above.sum(dim=1, keepdim=True)
    top = (above | (ties & (ties.cumsum(dim=1, dtype=torch.int32) <= room))) & sound[:, None]
    return _pointing(top.view_as(saliency))


def _inside(boxes: Sequence[Box], like: Tensor) -> Tensor:
    """(B, s, s) bool: the pixels of the boxes."""
    limits = torch.tensor(boxes, device=like.device)[:, :, None]  # (B, 4, 1)
    place = torch.arange(like.shape[1], device=like.device)
    rows = (place >= limits[:, 0]) & (place < limits[:, 1])
    cols = (place >= limits[:, 2]) & (place < limits[:, 3])
    return rows[:, :, None] & cols[:, None, :]


def _pointing(top: Tensor) -> Attention:
    """Centroid and spread of the (B, s, s) top pixels."""
    place = torch.arange(top.shape[1], device=top.device, dtype=torch.float64)
    by_row, by_col = (top.float().sum(dim=axis).double() for axis in (2, 1))  # (B, s), whole numbers
    n_top = by_row.sum(dim=1)  # 0 gives NaN
    row, col = (by_row @ place) / n_top, (by_col @ place) / n_top
    squares = (by_row * (place - row[:, None]) ** 2 + by_col * (place - col[:, None]) ** 2).sum(dim=1)
    return Attention(row, col, top, (squares / n_top).sqrt())


def further_coas(
    top: Tensor, frame: InputFrame, first: tuple[float, float], n: int, side_px: int
) -> list[tuple[float, float]]:
    """Up to `n` COAs beside the first, in stored pixels; fewer where no top pixel is left.

    Not of the paper, which has one ROI per image. Top pixels in the ROI of a COA are done with; the next COA is the
    centroid of those in the square that holds most of the rest.

    top      (s, s) bool: the map's top pixels
    first    the first COA, in stored pixels
    side_px  side of the ROIs in stored pixels
    """
    left = top.clone()
    _clear_roi(left, frame, first, side_px)
    side = min(top.shape[0], max(1, round(side_px * frame.canvas_px[0] / frame.stored_px[0])))
    found: list[tuple[float, float]] = []
    while len(found) < n and left.any():
        row, col = densest_square(left, side)
        held = left[row : row + side, col : col + side]
        inner_row, inner_col = held.nonzero().double().mean(dim=0).tolist()
        held.fill_(False)
        found.append(frame.to_stored(row + inner_row, col + inner_col))
        _clear_roi(left, frame, found[-1], side_px)
    return found


def densest_square(top: Tensor, side: int) -> tuple[int, int]:
    """First (row, col) of the square inside (s, s) bool `top` that holds most of it; of equals the first."""
    sums = F.pad(top.int().cumsum(dim=0, dtype=torch.int32).cumsum(dim=1, dtype=torch.int32), (1, 0, 1, 0))
    held = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, col = divmod(int(held.argmax()), held.shape[1])
    return row, col


def _clear_roi(top: Tensor, frame: InputFrame, point: tuple[float, float], side_px: int) -> None:
    """Take the pixels out of (s, s) `top` that lie in the ROI around a stored point."""
    corner = roi_corner(*point, frame.stored_px, side_px)
    first_row, first_col, end_row, end_col = (
        max(0, math.ceil(edge)) for edge in frame.square_in_input(*corner, side_px)
    )
    top[first_row:end_row, first_col:end_col] = False
