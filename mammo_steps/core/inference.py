"""Margins of many images."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mammo_steps.core.batches import Loader
from mammo_steps.core.compute import Compute
from mammo_steps.core.network import margins, normalised

_FETCHED_AT_ONCE = 64  # batches whose margins wait on the device


@dataclass(frozen=True)
class Scoring:
    """How images are scored.

    input_px        side of the square input
    batch_size      how many at once
    test_time_flip  an image's margin is the mean of its own and its mirror image's
    """

    input_px: int
    batch_size: int
    test_time_flip: bool = False


class FlipAveraged(nn.Module):
    """A network whose logits are the mean over an image and its left-right mirror image.

    The margin is linear in the logits, so that this is the mean margin too, and a gradient through it is that of the
    mean margin. Two passes: with gradients twice the activations of one, without them the same memory.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.train(network.training)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 1, s, s) normalised grey levels -> (B, 2) logits, double (a mean in bf16 would be rounded)."""
        mirrored = pictures.flip(-1)
        both: Tensor = self.network(pictures).double() + self.network(mirrored).double()
        return both / 2


def flip_averaged(network: nn.Module) -> nn.Module:
    """The network with its logits averaged over each image and its mirror image; in the mode the network is in."""
    return FlipAveraged(network)


@torch.inference_mode()
def score_images(
    network: nn.Module, loader: Loader, image_ids: Sequence[str], how: Scoring, compute: Compute
) -> dict[str, float]:
    """image id -> margin, by a network in eval mode on the device of `compute`."""
    if how.test_time_flip:
        network = flip_averaged(network)
    scored: list[str] = []
    found: list[float] = []
    # (B,) margins that stay on the device for a while: to fetch those of each batch would stop it every time
    waiting: list[Tensor] = []
    for ids, grey in loader.scoring(image_ids, how.input_px, how.batch_size):
        with compute.autocast():
            logits = network(normalised(grey))
        waiting.append(margins(logits.double())[: len(ids)])  # the rest of the last batch is filling
        scored += ids
        if len(waiting) == _FETCHED_AT_ONCE:
            found += torch.cat(waiting).tolist()
            waiting = []
    if waiting:
        found += torch.cat(waiting).tolist()
    return dict(zip(scored, found, strict=True))
