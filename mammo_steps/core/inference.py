"""Margins of many images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from mammo_steps.core.batches import Loader
from mammo_steps.core.compute import Compute
from mammo_steps.core.network import margins, normalised


@dataclass(frozen=True)
class Scoring:
    """How images are scored: side of the square input, and how many at once."""

    input_px: int
    batch_size: int


@torch.inference_mode()
def score_images(
    network: nn.Module, loader: Loader, image_ids: Sequence[str], how: Scoring, compute: Compute
) -> dict[str, float]:
    """image id -> margin, by a network in eval mode on the device of `compute`."""
    found: dict[str, float] = {}
    for ids, grey in loader.scoring(image_ids, how.input_px, how.batch_size):
        with compute.autocast():
            logits = network(normalised(grey))
        values = margins(logits.double()).cpu().tolist()
        found.update(zip(ids, values, strict=False))  # the rest of the last batch is filling
    return found
