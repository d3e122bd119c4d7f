"""Heatmaps of Wu et al. 2019: what the patch classifier says, as the mean over all patches that cover a pixel."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PATCH_PX = 256
_STRIDE_PX = 70
MALIGNANT, BENIGN = 0, 1  # of the classifier's four classes; the others have no lesion

Pixels = np.ndarray[tuple[int, int], np.dtype[Any]]


class TooSmallError(ValueError):
    """A crop is smaller than a patch."""


def strides(length: int, rng: random.Random) -> list[int]:
    """Steps between the patches along an axis: about 70 pixels, the last patch ends at the edge.

    Where 70 does not divide the way, all steps are shortened alike, and some, drawn at random, by one more.
    """
    if length < PATCH_PX:
        raise TooSmallError(f"a crop of {length} pixels holds no patch of {PATCH_PX}")
    n, rest = divmod(length - PATCH_PX, _STRIDE_PX)
    if rest == 0:
        return [_STRIDE_PX] * n
    n += 1
    overlap = _STRIDE_PX - rest
    steps = [_STRIDE_PX - overlap // n] * n
    for place in rng.sample(range(n), overlap % n):
        steps[place] -= 1
    return steps


@dataclass(frozen=True)
class PatchGrid:
    """First rows and first columns of the patches; every pair is a patch. Columns are the outer loop."""

    rows: Sequence[int]
    cols: Sequence[int]

    @classmethod
    def drawn(cls, shape: tuple[int, int], rng: random.Random) -> "PatchGrid":
        """Of an image of (H, W) `shape`; rows are drawn first."""
        rows, cols = (np.cumsum([0, *strides(length, rng)]).tolist() for length in shape)
        return cls(rows, cols)

    @property
    def places(self) -> list[tuple[int, int]]:
        return [(row, col) for col in self.cols for row in self.rows]


def standardised(crop: Pixels) -> NDArray[np.float32]:
    """The crop less its mean over its standard deviation, background included."""
    values = crop.astype(np.float64)
    found: NDArray[np.float32] = ((values - values.mean()) / max(float(values.std()), 1e-5)).astype(
        np.float32
    )
    return found


@torch.inference_mode()
def patch_probabilities(
    network: nn.Module, crop: Pixels, grid: PatchGrid, batch_size: int, device: torch.device
) -> NDArray[np.float32]:
    """(n_patches, 4) probabilities, in the order of `PatchGrid.places`.

    network  of `core.wu_networks.patch_classifier`, in eval mode on the device
    crop     facing right
    """
    picture = torch.from_numpy(standardised(crop)).to(device)
    places = grid.places
    found: list[Tensor] = []
    for start in range(0, len(places), batch_size):
        patches = [
            picture[row : row + PATCH_PX, col : col + PATCH_PX]
            for row, col in places[start : start + batch_size]
        ]
        found.append(network(torch.stack(patches).unsqueeze(1)).float().softmax(dim=1))
    return np.asarray(torch.cat(found).cpu().numpy())


def heatmap(
    probabilities: NDArray[np.float32], grid: PatchGrid, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """(H, W) mean, over the patches that cover a pixel, of one class's (n_patches,) probabilities."""
    table = probabilities.reshape(len(grid.cols), len(grid.rows)).T.astype(np.float64)
    over_rows, over_cols = (
        _covers(firsts, length) for firsts, length in zip((grid.rows, grid.cols), shape, strict=True)
    )
    total = over_rows.T @ table @ over_cols
    n_patches = np.outer(over_rows.sum(axis=0), over_cols.sum(axis=0))
    return np.asarray(total / n_patches, dtype=np.float32)


def _covers(firsts: Sequence[int], length: int) -> NDArray[np.float64]:
    """(n, length): 1 where a patch that begins at a place covers a pixel of the axis."""
    place = np.arange(length)
    first = np.asarray(firsts)[:, None]
    return ((place >= first) & (place < first + PATCH_PX)).astype(np.float64)
