"""Input-gradient saliency and the centre of attention (COA).

Source: Simonyan et al. 2014 (arXiv 1312.6034) for the map; Dahl et al. 2022 for the COA, the centroid of the
1 % of pixels with the highest gradient magnitude.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mammo_steps.core.network import margins, normalised

# How a COA is found: a part of the recipe of what is cut around it. A changed rule gets a new version.
COA_RULES = {"version": 1, "map": "gradient magnitude of the margin", "centre": "unweighted centroid"}


@dataclass(frozen=True)
class Attention:
    """Where one saliency map points, in pixels of the map (0-based pixel centres).

    row, col       the COA; NaN if the map is empty
    rows, cols     (k,) the top pixels
    """

    row: float
    col: float
    rows: np.ndarray
    cols: np.ndarray

    @property
    def is_empty(self) -> bool:
        return self.rows.size == 0


def saliency_maps(network: nn.Module, grey: Tensor) -> tuple[Tensor, Tensor]:
    """Margins (B,) and gradient magnitudes (B, s, s) of the margin, one backward pass for the batch.

    The margin is the target for every image, whatever its label: the gradient of either class's
    cross-entropy is this one times a scalar per image, and this one cannot underflow. The network must be in
    eval mode, so that images of a batch do not touch each other; its parameters should be frozen.
    """
    if network.training:
        raise ValueError("saliency of a network in training mode mixes the images of a batch")
    grey = grey.requires_grad_()
    with torch.enable_grad():
        found = margins(network(normalised(grey)))
        (gradient,) = torch.autograd.grad(found.sum(), grey)
    return found.detach(), gradient.abs()


def attention_of(
    saliency: np.ndarray, valid_box: tuple[int, int, int, int], top_fraction: float
) -> Attention:
    """The COA of one map.

    saliency      (s, s) float >= 0
    valid_box     (first row, end row, first col, end col): pixels of the image; the rest is padding
    top_fraction  k = round(top_fraction x valid pixels), exactly; of equal values the first in reading
                  order counts

    An all-zero or non-finite map has no COA: `is_empty`.
    """
    first_row, end_row, first_col, end_col = valid_box
    inside = saliency[first_row:end_row, first_col:end_col]
    if inside.size == 0 or not np.isfinite(inside).all() or inside.max() <= 0:
        nothing = np.empty(0, np.int64)
        return Attention(np.nan, np.nan, nothing, nothing)
    flat = inside.ravel()
    k = max(1, round(top_fraction * flat.size))
    threshold = np.partition(flat, flat.size - k)[flat.size - k]  # the k-th highest value
    above = np.flatnonzero(flat > threshold)
    ties = np.flatnonzero(flat == threshold)[: k - above.size]
    rows, cols = np.divmod(np.concatenate([above, ties]), inside.shape[1])
    rows, cols = rows + first_row, cols + first_col
    return Attention(float(rows.mean()), float(cols.mean()), rows, cols)
