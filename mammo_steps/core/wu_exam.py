"""One exam through the models of Wu et al. 2019 (arXiv 1903.08297): four images to probabilities of each breast.

four images -> crops -> patch classifier -> heatmaps of benign and malignant
crops                 -> image-only network          -> `image`
crops and heatmaps    -> image-and-heatmaps network  -> `image_and_heatmaps`, the published main model

`score_exam` does all of it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mammo_steps.core.wu_crop import (
    VIEWS,
    BreastCrop,
    NoBreastError,
    Pixels,
    best_centre,
    find_breast,
    points_right,
)
from mammo_steps.core.wu_networks import COLUMNS, LABELS, FourViews
from mammo_steps.core.wu_patches import (
    BENIGN,
    MALIGNANT,
    STRIDE_PX,
    PatchGrid,
    PatchNetwork,
    TooSmallError,
    heatmap,
    patch_probabilities,
)
from mammo_steps.core.wu_windows import network_input


@dataclass(frozen=True)
class WuModels:
    """The networks, in eval mode on one device; the patch classifier best as `core.wu_patch_forward.FastPatches`."""

    patches: PatchNetwork
    image: FourViews
    image_and_heatmaps: FourViews


@dataclass(frozen=True)
class How:
    """How an exam is scored.

    noisy_passes     mean over so many passes with windows that are moved and resized at random, as published (10);
                     0 = one pass without
    patches_at_once  patches per pass of the patch classifier
    stride_px        between patches; published: 70
    """

    noisy_passes: int
    patches_at_once: int
    stride_px: int = STRIDE_PX


@dataclass(frozen=True)
class Crop:
    """One view of an exam.

    pixels   (H, W) facing right
    centre   (row, col) of the network's window
    """

    pixels: Pixels
    where: BreastCrop
    centre: tuple[int, int]


@dataclass(frozen=True)
class Patches:
    """What the patch classifier says of a crop of (H, W) `shape`: (n_patches,) probabilities each."""

    shape: tuple[int, int]
    grid: PatchGrid
    benign: NDArray[np.float32]
    malignant: NDArray[np.float32]

    def heatmaps(self) -> NDArray[np.float32]:
        """(2, H, W): benign, malignant."""
        return np.stack([heatmap(told, self.grid, self.shape) for told in (self.benign, self.malignant)])


@dataclass(frozen=True)
class Look:
    """What a four-view network says of an exam.

    probabilities  by label, such as left_malignant
    features       (1024,) the means of the last maps: 256 per view, in the order of `VIEWS`
    """

    probabilities: dict[str, float]
    features: NDArray[np.float64]


@dataclass(frozen=True)
class ExamScores:
    """An exam's patches by view, and what the two networks say of it."""

    patches: dict[str, Patches]
    image: Look
    image_and_heatmaps: Look


def crops_of(images: Mapping[str, Pixels], mirrored: bool) -> dict[str, Crop]:
    """View -> crop; ValueError if a view is missing, NoBreastError if there is no breast in one.

    images    view, such as L-CC -> (H, W) whole numbers >= 0, background exactly 0
    mirrored  right breasts point right: the exam is stored the other way round than is usual
    """
    if set(images) != set(VIEWS):
        raise ValueError(f"views {sorted(images)}, wanted one each of {', '.join(VIEWS)}")
    found = {}
    for view in VIEWS:
        try:
            where = find_breast(images[view], points_right(view[0], mirrored))
        except NoBreastError as error:
            raise NoBreastError(f"{view}: {error}") from None
        pixels = np.ascontiguousarray(where.cut(images[view]))  # of its own: the image can go
        found[view] = Crop(pixels, where, best_centre(pixels, where, view[2:]))
    return found


def patches_of(
    crops: Mapping[str, Crop], network: PatchNetwork, how: How, device: torch.device
) -> dict[str, Patches]:
    """View -> its patches; TooSmallError if a crop is smaller than a patch.

    They lie where the published code puts those of the first exam of a run (seed 0).
    """
    rng = random.Random(0)
    found = {}
    for view in VIEWS:
        pixels = crops[view].pixels
        shape = (pixels.shape[0], pixels.shape[1])
        try:
            grid = PatchGrid.drawn(shape, rng, how.stride_px)
        except TooSmallError as error:
            raise TooSmallError(f"{view}: {error}") from None
        told = patch_probabilities(network, pixels, grid, how.patches_at_once, device)
        found[view] = Patches(shape, grid, told[:, BENIGN], told[:, MALIGNANT])
    return found


@torch.inference_mode()
def look(
    network: FourViews,
    planes: Mapping[str, NDArray[np.float32]],
    centres: Mapping[str, tuple[int, int]],
    noisy_passes: int,
    device: torch.device,
) -> Look:
    """What a network says of an exam.

    planes  view -> (C, H, W): the crop, and its heatmaps for a network that takes them
    """
    rng = np.random.RandomState(0) if noisy_passes else None
    told, features = [], []
    for _ in range(max(1, noisy_passes)):
        pictures = {
            view: torch.from_numpy(network_input(planes[view], view[2:], centres[view], rng))[None].to(device)
            for view in VIEWS
        }
        seen = network.features(pictures)
        told.append(_numbers(network.probabilities(seen)))
        features.append(_numbers(torch.cat([seen[name] for name in COLUMNS], dim=1)))
    chances = np.mean(told, axis=0).tolist()
    return Look(dict(zip(LABELS, chances, strict=True)), np.mean(features, axis=0))


def _numbers(one_row: Tensor) -> NDArray[np.float64]:
    return np.asarray(one_row[0].double().cpu().numpy())


def score_crops(crops: Mapping[str, Crop], models: WuModels, how: How, device: torch.device) -> ExamScores:
    """Heatmaps and both networks, from the crops of `crops_of` on."""
    patches = patches_of(crops, models.patches, how, device)
    centres = {view: crop.centre for view, crop in crops.items()}
    grey = {view: crop.pixels[None].astype(np.float32) for view, crop in crops.items()}
    both = {view: np.concatenate([grey[view], patches[view].heatmaps()]) for view in VIEWS}
    return ExamScores(
        patches,
        image=look(models.image, grey, centres, how.noisy_passes, device),
        image_and_heatmaps=look(models.image_and_heatmaps, both, centres, how.noisy_passes, device),
    )


def score_exam(
    images: Mapping[str, Pixels], models: WuModels, mirrored: bool, how: How, device: torch.device
) -> ExamScores:
    """Score the four images of an exam; see `crops_of` for what they are."""
    return score_crops(crops_of(images, mirrored), models, how, device)
