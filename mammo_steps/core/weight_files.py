"""Other people's weight files: a checked checksum, and no code of the file is run."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mammo_steps.core.artefacts import reading
from mammo_steps.core.manifest import sha256_of

# what reading a file that is no state dict can raise
_UNREADABLE = (
    RuntimeError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    safetensors.SafetensorError,
)


def read_weight_file(path: Path, sha256: str | None, key: str) -> Any:
    """What a safetensors file or one of torch holds; ValueError if it is another file, or cannot be read.

    key  of the config, where sha256 stands
    """
    found = sha256_of(reading(path))
    if found != sha256:
        raise ValueError(
            f"{path}: sha256 is {found}, {key} says {sha256}. If the file is the one you want, write its "
            "sha256 there; else get it again"
        )
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise ValueError(
            f"{path} cannot be read as weights ({type(error).__name__}): it is damaged, or holds more than plain "
            "tensors, which is refused because reading it could run code. Wanted is what "
            "torch.save(network.state_dict(), ...) writes, or a safetensors file"
        ) from None


def tensors_of(content: Any, path: Path) -> dict[str, Tensor]:
    """The content as tensors by name; ValueError if it is something else."""
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise ValueError(f"{path} holds other things than tensors by name: save network.state_dict() alone")
    return content
