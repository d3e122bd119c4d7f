"""The weight files of Wu et al. 2019: PyTorch pickles of plain tensors, read without running any code in them."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

# the published files hold each column three times: for both sides, and for each
_COPIES = ("four_view_resnet.l_", "four_view_resnet.r_")

HOW_TO_GET = (
    "The weights come with the published code of Wu et al. 2019 (github.com/nyukat/breast_cancer_classifier, folder "
    "models; licence AGPL-3.0, look whether it fits your use). Copy the files, and put their paths and what sha256sum "
    "says of them into the config"
)


def read_weights(path: Path, sha256: str, network: nn.Module) -> nn.Module:
    """The network with the weights in a file, in eval mode on the CPU.

    ValueError, with the file and what is wrong, unless its checksum is that one and its tensors are the network's.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}. {HOW_TO_GET}")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise ValueError(f"{path}: its sha256 is {found}, the config says {sha256}. {HOW_TO_GET}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is no file of plain tensors: {str(error).splitlines()[0]}") from None
    return fill_published(network, content, path)


def fill_published(network: nn.Module, content: Any, name: Path | str) -> nn.Module:
    """The network with a published state, in eval mode; ValueError, with `name`, unless every tensor fits.

    content  a state dict, or a dict that has one under `model`
    """
    state = content.get("model", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{name} holds no state dict: wanted tensors by name, or those under `model`")
    own = {_own_key(key): value for key, value in state.items()}  # the last of the copies, as published
    wanted = network.state_dict()
    missing, unknown = sorted(set(wanted) - set(own)), sorted(set(own) - set(wanted))
    shapes = [
        f"{key} is {tuple(own[key].shape)}, wanted {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in own and own[key].shape != value.shape
    ]
    bad = [key for key, value in own.items() if not torch.isfinite(value).all()]
    faults = {"missing": missing, "unknown": unknown, "of another shape": shapes, "not finite": bad}
    told = [f"{len(keys)} tensors {what}, such as {keys[0]}" for what, keys in faults.items() if keys]
    if told:
        raise ValueError(f"{name} is of another network: {'; '.join(told)}")
    network.load_state_dict(own)
    return network.eval()


def _own_key(key: str) -> str:
    for copies in _COPIES:
        key = key.replace(copies, "four_view_resnet.")
    return key
