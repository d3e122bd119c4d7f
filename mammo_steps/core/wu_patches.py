"""Heatmaps of Wu et al. 2019: what the patch classifier says, as the mean over all patches that cover a pixel."""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PATCH_PX = 256
STRIDE_PX = 70  # as published
MALIGNANT, BENIGN = 0, 1  # of the classifier's four classes; the others have no lesion

PatchNetwork = Callable[[Tensor], Tensor]  # (B, 1, 256, 256) -> (B, 4) logits
Pixels = np.ndarray[tuple[int, int], np.dtype[Any]]


class TooSmallError(ValueError):
    """A crop is smaller than a patch."""


def strides(length: int, rng: random.Random, stride_px: int = STRIDE_PX) -> list[int]:
    """Steps between the patches along an axis: about `stride_px`, the last patch ends at the edge.

    Where they do not divide the way, all steps are shortened alike, and some, drawn at random, by one more.
    """
    if length < PATCH_PX:
        raise TooSmallError(f"a crop of {length} pixels holds no patch of {PATCH_PX}")
    n, rest = divmod(length - PATCH_PX, stride_px)
    if rest == 0:
        return [stride_px] * n
    n += 1
    overlap = stride_px - rest
    steps = [stride_px - overlap // n] * n
    for place in rng.sample(range(n), overlap % n):
        steps[place] -= 1
    return steps


@dataclass(frozen=True)
class PatchGrid:
    """First rows and first columns of the patches; every pair is a patch. Columns are the outer loop."""

    rows: Sequence[int]
    cols: Sequence[int]

    @classmethod
    def drawn(cls, shape: tuple[int, int], rng: random.Random, stride_px: int = STRIDE_PX) -> "PatchGrid":
        """Of an image of (H, W) `shape`; rows are drawn first."""
        rows, cols = (np.cumsum([0, *strides(length, rng, stride_px)]).tolist() for length in shape)
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


def patch_probabilities(
    network: PatchNetwork, crop: Pixels, grid: PatchGrid, at_once: int, device: torch.device
) -> NDArray[np.float32]:
    """(n_patches, 4) probabilities, in the order of `PatchGrid.places`.

    network  of `core.wu_networks.patch_classifier` or `core.wu_patch_forward`, on the device
    crop     facing right
    at_once  patches per pass
    Patches of one value, such as those beside the breast, are all alike: one of each value is looked at. On a CPU every
    thread of torch takes patches of its own, so that results do not depend on how many there are.
    """
    picture = torch.from_numpy(standardised(crop)).to(device)
    places, number = distinct(crop, grid)
    # of the caller: threads begin without
    dtype, enabled = torch.get_autocast_dtype(device.type), torch.is_autocast_enabled(device.type)

    def look(first: int) -> Tensor:
        some = places[first : first + at_once]
        patches = [picture[row : row + PATCH_PX, col : col + PATCH_PX] for row, col in some]
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=enabled):
            return network(torch.stack(patches).unsqueeze(1)).float().softmax(dim=1)

    firsts = range(0, len(places), at_once)
    if device.type == "cpu":
        with _threads() as pool:
            found = list(pool.map(look, firsts))
    else:
        found = [look(first) for first in firsts]
    return np.asarray(torch.cat(found).cpu().numpy())[number]


def distinct(crop: Pixels, grid: PatchGrid) -> tuple[list[tuple[int, int]], list[int]]:
    """Places of patches that differ, and of every patch of the grid the number of the one that it is like."""
    seen: dict[Any, int] = {}  # a patch's one value, or its place
    places: list[tuple[int, int]] = []
    number = []
    for row, col in grid.places:
        patch = crop[row : row + PATCH_PX, col : col + PATCH_PX]
        key: Any = int(patch[0, 0]) if (patch == patch[0, 0]).all() else (row, col)
        if key not in seen:
            seen[key] = len(places)
            places.append((row, col))
        number.append(seen[key])
    return places, number


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch has, each of which computes alone."""
    n = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(n, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(n)


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
