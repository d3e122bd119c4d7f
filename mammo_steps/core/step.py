"""One step of training: a batch through the network in micro-batches, gradients, optimiser, averages."""

import logging
import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mammo_steps.core.compute import Compute
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.network import normalised
from mammo_steps.core.ranks import Ranks, parts
from mammo_steps.core.running_statistics import RunningStatistics

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What one rank has of a batch.

    grey    (n, s, s) grey levels in [0, 1]
    target  (n,) 0 or 1
    n_all   images of the batch on all ranks
    """

    grey: Tensor
    target: Tensor
    n_all: int


class Stepper:
    """A network with all that a step changes: weights, optimiser, loss scale, moving average.

    micro_batch  most images at once; halved when the device's memory does not suffice
    """

    def __init__(self, network: nn.Module, settings: FitSettings, compute: Compute, ranks: Ranks) -> None:
        device = compute.torch_device
        network = network.to(device)
        if compute.sync_batch_norm and ranks.size > 1 and device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        self.network, self.settings, self.compute, self.ranks = network, settings, compute, ranks
        self.forward = torch.compile(network, dynamic=False) if compute.compiles else network
        self.micro_batch = compute.micro_batch
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.scaler = GradScaler(device.type, enabled=compute.autocast_type == torch.float16)
        self.statistics = RunningStatistics(network)
        self.average = None if settings.ema_decay is None else _average(network, settings.ema_decay)

    @property
    def scored(self) -> nn.Module:
        """The network that is validated and kept."""
        return self.network if self.average is None else self.average.module

    def step(self, part: Part, rate: float) -> Tensor:
        """Learn from one batch; (n,) losses of this rank's images, on the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        losses = self._gradients(part)
        self.ranks.add_up(p.grad for p in self.network.parameters() if p.grad is not None)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return losses

    def _gradients(self, part: Part) -> Tensor:
        """Losses of the part's images; the gradient of their sum over `n_all` is in the parameters."""
        self.statistics.keep()
        while True:
            try:
                return self._gathered(part)
            except torch.OutOfMemoryError:
                n = min(self.micro_batch, len(part.grey))
            self._halve(n, part)

    def _halve(self, n: int, part: Part) -> None:
        if n == 1:
            raise ValueError(
                f"one image of {tuple(part.grey.shape[1:])} pixels does not fit into the memory of "
                f"{self.compute.torch_device}: choose a smaller input_px or backbone, or a larger device"
            )
        self.micro_batch = (n + 1) // 2
        self.optimiser.zero_grad(set_to_none=True)
        if self.compute.torch_device.type == "cuda":
            torch.cuda.empty_cache()
        log.warning(
            "out of memory with %d images at once: from here on %d. The batch of %d stays; batch normalisation now "
            "sees %d images, so results differ a little from a run with compute.micro_batch %d",
            *(n, self.micro_batch, part.n_all, self.micro_batch, self.compute.micro_batch),
        )

    def _gathered(self, part: Part) -> Tensor:
        """One pass per micro-batch, all of them from the same running statistics, whose results are averaged."""
        self.optimiser.zero_grad(set_to_none=True)
        cuts = parts(range(len(part.grey)), math.ceil(len(part.grey) / self.micro_batch))
        losses = []
        for number, cut in enumerate(cuts):
            self.statistics.begin(number)
            losses.append(
                self._pass(part.grey[cut[0] : cut[-1] + 1], part.target[cut[0] : cut[-1] + 1], part.n_all)
            )
        self.statistics.average(len(cuts))
        return torch.cat(losses)

    def _pass(self, grey: Tensor, target: Tensor, n_all: int) -> Tensor:
        # (a compiled network is compiled for one size: odd rests go through the plain one)
        network = self.forward if len(grey) == self.micro_batch else self.network
        with self.compute.autocast():
            logits = network(normalised(grey))
        losses = F.cross_entropy(
            logits.float(), target, reduction="none", label_smoothing=self.settings.label_smoothing
        )
        self.scaler.scale(losses.sum() / n_all).backward()  # type: ignore[no-untyped-call]
        return losses.detach()

    def state(self) -> dict[str, Any]:
        """All that a step changes, for `restore`."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "micro_batch": self.micro_batch,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.micro_batch = state["micro_batch"]


def _average(network: nn.Module, decay: float) -> AveragedModel:
    """Of the parameters over steps; running statistics are the network's own."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
