"""One training on several processes (*ranks*), each with its own GPU: who takes which images, and what is added up.

`torchrun` starts the ranks and tells each its number. Every rank holds the whole network and takes its part of each
batch; gradients are summed over the ranks before the optimiser's step, so that all go on with the same weights.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mammo_steps.core.compute import Compute

T = TypeVar("T")

_PATIENCE = timedelta(minutes=30)  # for the slowest rank: the first one compiles, or reads a cold archive


@dataclass(frozen=True)
class Ranks:
    """rank: 0 .. size - 1; rank 0 logs and writes."""

    rank: int
    size: int

    def part(self, ids: Sequence[T]) -> Sequence[T]:
        """This rank's images of a batch."""
        return parts(ids, self.size)[self.rank]

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each rank's tensors by their sums over the ranks; one message for all of them."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        dist.all_reduce(flat)
        for tensor, total in zip(tensors, torch.split(flat, [t.numel() for t in tensors]), strict=True):
            tensor.detach().copy_(total.view_as(tensor))

    def average_buffers(self, network: nn.Module) -> None:
        """Replace running statistics by their mean over the ranks."""
        statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self.add_up(statistics)
        if self.size > 1:
            torch._foreach_div_(statistics, self.size)

    def any_of(self, flag: bool, device: torch.device) -> bool:
        """Whether the flag is set on any rank."""
        if self.size == 1:
            return flag
        told = torch.tensor([float(flag)], device=device)
        dist.all_reduce(told)
        return told.item() > 0


ALONE = Ranks(0, 1)


def parts(ids: Sequence[T], n: int) -> list[Sequence[T]]:
    """The ids cut into n runs whose lengths differ by one at most; the longer ones come first."""
    length, longer = divmod(len(ids), n)
    starts = [i * length + min(i, longer) for i in range(n + 1)]
    return [ids[a:b] for a, b in pairwise(starts)]


@contextmanager
def joined_ranks(compute: Compute) -> Iterator[Ranks]:
    """The ranks that torchrun started this process among; alone where it was started by itself."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    on_gpu = compute.torch_device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
