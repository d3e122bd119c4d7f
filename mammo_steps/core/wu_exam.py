"""One exam through the models of Wu et al. 2019 (arXiv 1903.08297): four images to probabilities of each breast.

four images -> crops -> patch classifier -> heatmaps of benign and malignant
crops                 -> image-only network          -> `image`
crops and heatmaps    -> image-and-heatmaps network  -> `image_and_heatmaps`, the published main model
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mammo_steps.core.wu_crop import VIEWS, BreastCrop, Pixels, best_centre, find_breast, points_right
from mammo_steps.core.wu_networks import LABELS, FourViews
from mammo_steps.core.wu_patches import BENIGN, MALIGNANT, PatchGrid, heatmap, patch_probabilities
from mammo_steps.core.wu_windows import network_input

PATCHES_AT_ONCE = 16


@dataclass(frozen=True)
class WuModels:
    """The networks, in eval mode on one device."""

    patches: nn.Module
    image: FourViews
    image_and_heatmaps: FourViews


@dataclass(frozen=True)
class Crop:
    """One view of an exam.

    pixels   (H, W) facing right
    centre   (row, col) of the network's window
    """

    pixels: Pixels
    where: BreastCrop
    centre: tuple[int, int]


def crops_of(images: Mapping[str, Pixels], mirrored: bool) -> dict[str, Crop]:
    """View -> crop; ValueError if a view is missing, or there is no breast in one.

    images    view, such as L-CC -> (H, W) whole numbers >= 0 as stored, background exactly 0
    mirrored  right breasts point right: the exam is stored the other way round than is usual
    """
    if set(images) != set(VIEWS):
        raise ValueError(f"views {sorted(images)}, wanted one each of {', '.join(VIEWS)}")
    found = {}
    for view in VIEWS:
        try:
            where = find_breast(images[view], points_right(view[0], mirrored))
        except ValueError as error:
            raise ValueError(f"{view}: {error}") from None
        pixels = where.cut(images[view])
        found[view] = Crop(pixels, where, best_centre(pixels, where, view[2:]))
    return found


def heatmaps_of(
    crops: Mapping[str, Crop], patches: nn.Module, rng: random.Random, device: torch.device
) -> dict[str, NDArray[np.float32]]:
    """View -> (2, H, W) heatmaps of a crop: benign, malignant. `rng` places the patches."""
    found = {}
    for view in VIEWS:
        pixels = crops[view].pixels
        grid = PatchGrid.drawn((pixels.shape[0], pixels.shape[1]), rng)
        told = patch_probabilities(patches, pixels, grid, PATCHES_AT_ONCE, device)
        shape = (pixels.shape[0], pixels.shape[1])
        found[view] = np.stack([heatmap(told[:, kind], grid, shape) for kind in (BENIGN, MALIGNANT)])
    return found


@torch.inference_mode()
def probabilities(
    network: FourViews,
    planes: Mapping[str, NDArray[np.float32]],
    centres: Mapping[str, tuple[int, int]],
    n_noisy: int,
    device: torch.device,
) -> dict[str, float]:
    """Label -> probability.

    planes   view -> (C, H, W): the crop, and its heatmaps for a network that takes them
    n_noisy  mean over so many passes with noise, as published (10); 0 = one pass without
    """
    rng = np.random.RandomState(0) if n_noisy else None
    passes = []
    for _ in range(max(1, n_noisy)):
        pictures = {
            view: torch.from_numpy(network_input(planes[view], view[2:], centres[view], rng))[None].to(device)
            for view in VIEWS
        }
        passes.append(network(pictures)[0].double().cpu().numpy())
    return dict(zip(LABELS, np.mean(passes, axis=0).tolist(), strict=True))


def score_exam(
    images: Mapping[str, Pixels], models: WuModels, mirrored: bool, n_noisy: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """Model (`image`, `image_and_heatmaps`) -> label -> probability, of one exam; see `crops_of`.

    The patches lie where the published code puts those of the first exam of a run (seed 0).
    """
    crops = crops_of(images, mirrored)
    heat = heatmaps_of(crops, models.patches, random.Random(0), device)
    centres = {view: crop.centre for view, crop in crops.items()}
    grey = {view: crop.pixels[None].astype(np.float32) for view, crop in crops.items()}
    both = {view: np.concatenate([grey[view], heat[view]]) for view in VIEWS}
    return {
        "image": probabilities(models.image, grey, centres, n_noisy, device),
        "image_and_heatmaps": probabilities(models.image_and_heatmaps, both, centres, n_noisy, device),
    }
