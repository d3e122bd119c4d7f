"""Tensors of a weight file: whether they are those of a network, and putting them there."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

_NAMED = 3  # tensors named in a message; the others are counted


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put a file's tensors into a network; ValueError unless they are its own by name, type and shape, and finite."""
    state = network.state_dict()
    check_fit(tensors, {name: kind_of(tensor) for name, tensor in state.items()}, path)
    check_finite(tensors, path)
    with torch.no_grad():
        # (not load_state_dict: some torchvision networks want a version there that no safetensors file has)
        for name, tensor in state.items():
            tensor.copy_(tensors[name])


def with_counters(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors and, where they have none, the network's counters of batches.

    Files from before PyTorch 0.4.1 have none, and with a fixed momentum nothing depends on them.
    """
    counters = {k: v for k, v in network.state_dict().items() if k.endswith(".num_batches_tracked")}
    return {**counters, **tensors}


def kind_of(tensor: Tensor) -> str:
    """Type and shape in words, such as `float32 (64, 1, 7, 7)`."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def check_fit(tensors: Mapping[str, Tensor], wanted: Mapping[str, str], path: Path) -> None:
    """ValueError that names the first tensors that are missing, too many, or not as `wanted` (name -> kind)."""
    other = [
        f"{name} is {kind_of(tensors[name])}, wanted {kind}"
        for name, kind in wanted.items()
        if name in tensors and kind_of(tensors[name]) != kind
    ]
    found = {
        "missing": [name for name in wanted if name not in tensors],
        "unknown": [name for name in tensors if name not in wanted],
        "of another kind": other,
    }
    told = [f"{what}: {_first(names)}" for what, names in found.items() if names]
    if told:
        raise ValueError(f"{path} holds the weights of another network. Tensors {'; '.join(told)}")


def check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """ValueError that names the first tensors with NaN or infinite values."""
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise ValueError(f"{path}: values that are not finite in {_first(broken)}; the file is of no use")


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """sha256 of the tensors' names, kinds and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {kind_of(tensor)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
