"""How far a training has come."""

import resource
from dataclasses import dataclass, field
from typing import Any

import torch

from mammo_steps.core.history import EpochCost


@dataclass
class Progress:
    """How far a training has come; a part of its checkpoint.

    epoch       number of the epoch under way
    n_in_epoch  its batches that are done
    n_done      batches that are done in all
    loss_sum    of this rank's images of the epoch so far
    train_s     in the epoch so far
    wait_s      of it: waiting for pictures
    n_images    trained on in the epoch so far, by all ranks
    n_resumed   times it was interrupted and went on
    wall_s      of the process up to this checkpoint, and of those before it
    """

    epoch: int = 0
    n_in_epoch: int = 0
    n_done: int = 0
    n_images: int = 0
    loss_sum: float = 0.0
    train_s: float = 0.0
    wait_s: float = 0.0
    n_resumed: int = 0
    wall_s: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    costs: list[dict[str, Any]] = field(default_factory=list)

    def turn(self) -> None:
        """To the next epoch."""
        self.epoch += 1
        self.n_in_epoch = self.n_images = 0
        self.loss_sum = self.train_s = self.wait_s = 0.0

    @property
    def images_per_s(self) -> float:
        """Of the epoch so far."""
        return self.n_images / max(1e-9, self.train_s)

    def cost(self, validation_s: float, device: torch.device) -> EpochCost:
        """Of the epoch under way, at its end."""
        if device.type == "cuda":
            peak_mb = torch.cuda.max_memory_allocated(device) / 2**20
            torch.cuda.reset_peak_memory_stats(device)
        else:
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return EpochCost(
            train_s=round(self.train_s, 3),
            validation_s=round(validation_s, 3),
            images_per_s=round(self.images_per_s, 2),
            peak_memory_mb=round(peak_mb),
            loader_wait_share=round(self.wait_s / max(1e-9, self.train_s), 4),
        )
