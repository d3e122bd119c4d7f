"""The running statistics of batch normalisation where a batch is made of several micro-batches."""

import torch
from torch import nn


class RunningStatistics:
    """Lets every micro-batch of a step begin with the same statistics, and averages what they end with.

    So the order of the micro-batches does not matter, and several ranks with one micro-batch each, whose statistics
    are averaged, arrive at the same. The counts of batches count steps.
    """

    def __init__(self, network: nn.Module) -> None:
        self._now = [b for b in network.buffers() if b.is_floating_point()]
        self._counts = [b for b in network.buffers() if not b.is_floating_point()]
        self._kept, self._kept_counts = _copies(self._now), _copies(self._counts)
        self._sums = _copies(self._now)

    def keep(self) -> None:
        """Note what the step begins with."""
        _set(self._kept, self._now)
        _set(self._kept_counts, self._counts)

    def begin(self, number: int) -> None:
        """Before micro-batch `number` of a step, from 0."""
        if number == 1:
            _set(self._sums, self._now)
        elif number > 1 and self._now:
            torch._foreach_add_(self._sums, self._now)
        _set(self._now, self._kept)
        _set(self._counts, self._kept_counts)

    def average(self, n: int) -> None:
        """After the last of n micro-batches."""
        if n > 1 and self._now:
            torch._foreach_add_(self._sums, self._now)
            torch._foreach_div_(self._sums, n)
            _set(self._now, self._sums)


def _copies(tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in tensors]


def _set(to: list[torch.Tensor], values: list[torch.Tensor]) -> None:
    if to:
        torch._foreach_copy_(to, values)
