"""The weight files of Wu et al. 2019: PyTorch pickles of plain tensors, read without running any code in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from mammo_steps.core.tensors import fill, with_counters
from mammo_steps.core.weight_files import read_weight_file, tensors_of
from mammo_steps.core.wu_exam import WuModels
from mammo_steps.core.wu_networks import FourViews, patch_classifier
from mammo_steps.core.wu_patch_forward import FastPatches

WEIGHTS = ("patches", "image", "image_and_heatmaps")  # names in the config, and fields of WuModels
Network = TypeVar("Network", bound=nn.Module)

# the published files hold each column three times: for both sides, and for each
_COPIES = ("four_view_resnet.l_", "four_view_resnet.r_")

HOW_TO_GET = (
    "The weights come with the published code of Wu et al. 2019 (github.com/nyukat/breast_cancer_classifier, folder "
    "models; licence AGPL-3.0, look whether it fits your use). Copy the files, and put their paths and what sha256sum "
    "says of them into the config"
)


def read_weights(path: Path, sha256: str, key: str, network: Network) -> Network:
    """The network with the weights in a file, in eval mode on the CPU.

    key  of the config, where sha256 stands
    FileNotFoundError or ValueError, with the file and what is wrong, unless its checksum is that one and its tensors
    are the network's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}. {HOW_TO_GET}")
    return fill_published(network, read_weight_file(path, sha256, key), path)


def fill_published(network: Network, content: Any, path: Path) -> Network:
    """The network with a published state, in eval mode; ValueError, with the file, unless every tensor fits.

    content  a state dict, or a dict that has one under `model`
    """
    state = content["model"] if isinstance(content, dict) and "model" in content else content
    # the last of a column's copies counts, as where they were published
    own = {_own_key(key): value for key, value in tensors_of(state, path).items()}
    fill(network, with_counters(own, network), path)
    return network.eval()


def _own_key(key: str) -> str:
    for copies in _COPIES:
        key = key.replace(copies, "four_view_resnet.")
    return key


def read_models(weights: Mapping[str, Mapping[str, str]], device: torch.device) -> WuModels:
    """The three networks on a device. weights: name of `WEIGHTS` -> {path, sha256}; see `read_weights`."""

    def read(name: str, network: Network) -> Network:
        path, sha256 = Path(weights[name]["path"]), weights[name]["sha256"]
        return read_weights(path, sha256, f"score_wu2019.weights.{name}.sha256", network).to(device)

    return WuModels(
        patches=FastPatches(read("patches", patch_classifier())),
        image=read("image", FourViews(1)),
        image_and_heatmaps=read("image_and_heatmaps", FourViews(3)),
    )
