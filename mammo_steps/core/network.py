"""The classifier: a torchvision ResNet with one grey channel in and two nodes out; its weight files."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import resnet
from torchvision.models.resnet import BasicBlock, ResNet

from mammo_steps.core.files import replacing
from mammo_steps.core.recipe import Marked
from mammo_steps.core.terms import CLASSES

# Grey level of the background is 0 before normalisation. The constants are the means of ImageNet's three
# channels (what the pretrained filters expect), never estimated on the cohort.
MEAN, STD = 0.449, 0.226

# How grey levels become the network's input: a part of a weight file's recipe. A changed rule gets a new version.
INPUT_RULES = {"version": 1, "range": "black 0, white 1", "mean": MEAN, "std": STD}


@dataclass(frozen=True)
class NetworkSettings:
    """backbone: a torchvision ResNet, or resnet10 = one basic block per stage.

    imagenet_weights  file of torchvision's ImageNet weights for the backbone, null = random start
    imagenet_sha256   its checksum
    """

    backbone: str
    imagenet_weights: str | None = None
    imagenet_sha256: str | None = None


def build_network(backbone: str) -> ResNet:
    """A random network: (B, 1, s, s) normalised grey levels -> (B, 2) logits in the order of CLASSES."""
    if backbone == "resnet10":
        network = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=len(CLASSES))
    elif backbone in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"):
        network = getattr(resnet, backbone)(weights=None, num_classes=len(CLASSES))
    else:
        raise ValueError(f"backbone is {backbone!r}, wanted resnet10, 18, 34, 50, 101 or 152")
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    # channels last: the memory order in which convolutions are fastest, on CPU and GPU
    return cast(ResNet, network.to(memory_format=torch.channels_last))


def start_network(settings: NetworkSettings, seed: int) -> ResNet:
    """The network a training starts from: seeded random, or ImageNet's weights made grey-scale."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(settings.backbone)
    if settings.imagenet_weights is not None:
        _load_imagenet(network, Path(settings.imagenet_weights), settings)
    return network


def _load_imagenet(network: ResNet, path: Path, settings: NetworkSettings) -> None:
    """Grey-scale = sum over the three input filters: what a grey image in all three channels would give."""
    if not path.is_file():
        raise FileNotFoundError(
            f"ImageNet weights {path} are missing. On a machine with network access run:\n"
            '  python -c "import torch, torchvision; torch.save(torchvision.models.'
            f"{settings.backbone}(weights='DEFAULT').state_dict(), '{settings.backbone}.pth')\"\n"
            f"copy the file to that place and set imagenet_sha256 to what `sha256sum {settings.backbone}.pth` "
            "prints; or set imagenet_weights to null to start from random weights"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != settings.imagenet_sha256:
        raise ValueError(f"{path}: sha256 is {found}, imagenet_sha256 says {settings.imagenet_sha256}")
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    state["conv1.weight"] = state["conv1.weight"].sum(dim=1, keepdim=True)  # (64, 3, 7, 7) -> (64, 1, 7, 7)
    for name in ("fc.weight", "fc.bias"):  # 1,000 classes there, two here: the random head stays
        state[name] = network.state_dict()[name]
    network.load_state_dict(state)


def save_network(network: nn.Module, facts: dict[str, Any], path: Path) -> None:
    """Write weights and `facts` (how they came about) as safetensors, the same bytes for the same content."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    facts = {"classes": list(CLASSES), **facts}
    # One metadata key: several would be written in an order that changes from run to run.
    with replacing(path) as scratch:
        # (save_file would make a file that its owner alone can read)
        scratch.write_bytes(safetensors.torch.save(state, {"mammo_steps": json.dumps(facts, sort_keys=True)}))


def read_facts(path: Path) -> dict[str, Any]:
    """What `save_network` was told about the weights in `path`."""
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    if "mammo_steps" not in metadata:
        raise ValueError(f"{path}: no facts about the weights in its header; not a file of this project")
    facts: dict[str, Any] = json.loads(metadata["mammo_steps"])
    return facts


def weights_recipe(path: Path) -> Marked:
    """The recipe of what the weights in `path` were trained on; ValueError if the file bears none."""
    facts = read_facts(path)
    return Marked.from_metadata(path, {key: value for key, value in facts.items() if isinstance(value, str)})


def load_network(path: Path) -> ResNet:
    """The network in `path`, in eval mode on the CPU."""
    facts = read_facts(path)
    if facts["classes"] != list(CLASSES):
        raise ValueError(f"{path}: class order is {facts['classes']}, wanted {list(CLASSES)}")
    network = build_network(facts["backbone"])
    network.load_state_dict(safetensors.torch.load_file(path))
    return network.eval()


def margins(logits: Tensor) -> Tensor:
    """(B, 2) logits -> (B,) margins: positive minus negative."""
    return logits[:, 1] - logits[:, 0]


def normalised(grey: Tensor) -> Tensor:
    """(B, s, s) grey levels in [0, 1] -> (B, 1, s, s) network input."""
    return ((grey - MEAN) / STD).unsqueeze(1)
