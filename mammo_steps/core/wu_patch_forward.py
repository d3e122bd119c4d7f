"""The patch classifier of Wu et al. 2019 arranged for speed: the same sums, fewer passes over memory.

A DenseNet is bound by memory as much as by arithmetic: every layer normalises all maps before it. Here channels come
last, so that a 1 x 1 convolution is one matrix product; each second batch norm is part of the convolution before it;
a block's maps lie in one buffer that layers write their own into, so that nothing is concatenated; and few patches go
through at once, so that they stay in the cache. Equal to the network itself up to rounding (1e-6 in the logits).
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mammo_steps.core.wu_networks import DENSE_LAYERS

_EPS = 1e-5  # of the batch norms

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class _Affine:
    """A batch norm in eval mode: maps x scale + shift."""

    scale: Tensor
    shift: Tensor

    @classmethod
    def of(cls, state: State, name: str) -> "_Affine":
        mean, variance, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        scale = weight / torch.sqrt(variance + _EPS)
        return cls(scale, bias - mean * scale)

    def active(self, maps: Tensor, out: Tensor) -> Tensor:
        """ReLU after the norm, (n, C)."""
        return torch.addcmul(self.shift, maps, self.scale, out=out).relu_()


class _Layer:
    """norm, ReLU, 1 x 1 convolution with the second norm in it, ReLU, 3 x 3 convolution."""

    def __init__(self, state: State, name: str) -> None:
        second = _Affine.of(state, f"{name}.norm2")
        self.norm = _Affine.of(state, f"{name}.norm1")
        self.inner = _matrix(state[f"{name}.conv1.weight"]) * second.scale  # (C, 128)
        self.inner_shift = second.shift
        self.outer = _channels_last(state[f"{name}.conv2.weight"])  # (32, 128, 3, 3)


class _Block:
    """Dense layers, and after them the transition: norm, ReLU, 1 x 1 convolution, 2 x 2 mean. None after the last."""

    def __init__(self, state: State, number: int) -> None:
        n_layers = DENSE_LAYERS[number - 1]
        names = [f"features.denseblock{number}.denselayer{layer}" for layer in range(1, n_layers + 1)]
        self.layers = [_Layer(state, name) for name in names]
        last = number == len(DENSE_LAYERS)
        self.norm = _Affine.of(state, "features.norm5" if last else f"features.transition{number}.norm")
        self.transition = None if last else _matrix(state[f"features.transition{number}.conv.weight"])


class FastPatches:
    """`core.wu_networks.patch_classifier` with its weights as they are now: (B, 1, 256, 256) -> (B, 4) logits.

    May be called from several threads at once.
    """

    @torch.inference_mode()
    def __init__(self, network: nn.Module) -> None:
        state = network.state_dict()
        stem = _Affine.of(state, "features.norm0")
        # the published network takes the grey patch three times: the same as its filters' sum once
        filters = state["features.conv0.weight"].sum(dim=1, keepdim=True) * stem.scale[:, None, None, None]
        self._stem = _channels_last(filters), stem.shift
        self._blocks = [_Block(state, number) for number in range(1, len(DENSE_LAYERS) + 1)]
        self._head = state["classifier.weight"].clone(), state["classifier.bias"].clone()
        self._own = threading.local()

    @torch.inference_mode()
    def __call__(self, patches: Tensor) -> Tensor:
        maps = F.conv2d(_channels_last(F.pad(patches, (2, 3, 2, 3))), *self._stem, stride=2).relu_()
        maps = _pooled(maps.permute(0, 2, 3, 1))
        for block in self._blocks:
            maps = self._through(block, maps)
        return F.linear(maps.flatten(1, 2).mean(dim=1), *self._head)

    def _through(self, block: _Block, maps: Tensor) -> Tensor:
        """(n, h, w, C) maps through a block."""
        n, h, w, n_maps = maps.shape
        total = n_maps + sum(layer.outer.shape[0] for layer in block.layers)
        everything = self._buffer("maps", (n, h, w, total), maps.device)
        flat = everything.view(n * h * w, total)
        everything[..., :n_maps] = maps
        for layer in block.layers:
            active = self._buffer("active", (n * h * w, n_maps), maps.device)
            inner = torch.addmm(layer.inner_shift, layer.norm.active(flat[:, :n_maps], active), layer.inner)
            new = F.conv2d(inner.relu_().view(n, h, w, -1).permute(0, 3, 1, 2), layer.outer, padding=1)
            everything[..., n_maps : n_maps + new.shape[1]] = new.permute(0, 2, 3, 1)
            n_maps += new.shape[1]
        active = block.norm.active(flat, self._buffer("active", (n * h * w, total), maps.device))
        if block.transition is None:
            return active.view(n, h, w, total)
        # the mean before the 1 x 1 convolution: both are linear, and a quarter of the work is left
        pooled = F.avg_pool2d(active.view(n, h, w, total).permute(0, 3, 1, 2), 2)
        return pooled.permute(0, 2, 3, 1) @ block.transition

    def _buffer(self, name: str, shape: tuple[int, ...], device: torch.device) -> Tensor:
        """Memory of this thread's own, used again by every layer and every pass."""
        if not hasattr(self._own, "buffers"):
            self._own.buffers = {}
        buffers: dict[str, Tensor] = self._own.buffers
        wanted = math.prod(shape)
        if name not in buffers or len(buffers[name]) < wanted:
            buffers[name] = torch.empty(wanted, device=device)
        return buffers[name][:wanted].view(shape)


def _pooled(maps: Tensor) -> Tensor:
    """(n, h, w, C) -> (n, h / 2, w / 2, C): the highest of 3 x 3, at every other place.

    Outside lie zeros in the published network, which after a ReLU is the same as nothing.
    """
    rows = torch.maximum(maps[:, 0::2], maps[:, 1::2])
    rows[:, :-1] = torch.maximum(rows[:, :-1], maps[:, 2::2])
    both = torch.maximum(rows[:, :, 0::2], rows[:, :, 1::2])
    both[:, :, :-1] = torch.maximum(both[:, :, :-1], rows[:, :, 2::2])
    return both


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)


def _matrix(filters: Tensor) -> Tensor:
    """(C_in, C_out) of the filters of a 1 x 1 convolution."""
    return filters[:, :, 0, 0].t().contiguous()
