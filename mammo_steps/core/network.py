"""The classifier: grey levels in, two logits out; what it starts from, and its weight files."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from mammo_steps.core.artefacts import artefact, reading
from mammo_steps.core.backbones import build_network
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.imagenet import load_imagenet
from mammo_steps.core.recipe import Marked
from mammo_steps.core.tensors import digest_of, fill
from mammo_steps.core.terms import CLASSES

# Grey level of the background is 0 before normalisation. The constants are the means of those of ImageNet's three
# channels (core/imagenet.py says how they go with pretrained filters), never estimated on the cohort.
MEAN, STD = 0.449, 0.226

# How grey levels become the network's input: a part of a weight file's recipe. A changed rule gets a new version.
INPUT_RULES = {"version": 1, "range": "black 0, white 1", "mean": MEAN, "std": STD}

_ANEW = "make it again with the step that writes it (train_holistic or train_attention)"
_OWN_DIGEST = "facts_sha256"
_UNREADABLE = f"is no whole safetensors file; {_ANEW}"


@dataclass(frozen=True)
class NetworkSettings:
    """backbone: one of `core.backbones.BACKBONES`.

    imagenet_weights  file of torchvision's ImageNet weights for the backbone (state dict, or safetensors), null =
                      random start
    imagenet_sha256   its checksum
    """

    backbone: str
    imagenet_weights: str | None = None
    imagenet_sha256: str | None = None


def start_network(settings: NetworkSettings, seed: int) -> nn.Module:
    """The network a training starts from: seeded random, or ImageNet's weights made grey-scale."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(settings.backbone)
    if settings.imagenet_weights is not None:
        path = Path(settings.imagenet_weights)
        load_imagenet(network, settings.backbone, path, settings.imagenet_sha256)
    return network


def save_network(network: nn.Module, facts: dict[str, Any], path: Path) -> None:
    """Write weights and `facts` (how they came about) as safetensors."""
    # (save_file would make a file that its owner alone can read)
    with artefact(path) as scratch:
        scratch.write_bytes(network_bytes(network, facts))


def network_bytes(network: nn.Module, facts: dict[str, Any]) -> bytes:
    """A weight file's content, the same bytes for the same weights and facts."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    facts = sealed({"classes": list(CLASSES), **facts, "tensors_sha256": digest_of(state)})
    # One metadata key: several would be written in an order that changes from run to run.
    return safetensors.torch.save(state, {"mammo_steps": json.dumps(facts, sort_keys=True)})


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with their own checksum."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return {**facts, _OWN_DIGEST: digest}


def read_facts(path: Path) -> dict[str, Any]:
    """What `save_network` was told about the weights in `path`; ValueError if it wrote no such file."""
    return header_facts(reading(path))


def header_facts(path: Path) -> dict[str, Any]:
    """`read_facts` of a file of which no more than that is used: it is not noted as an input."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} {_UNREADABLE} ({error})") from None
    if "mammo_steps" not in metadata:
        raise ValueError(f"{path}: no facts about the weights in its header; not a file of this project")
    with suppress(json.JSONDecodeError):
        facts = json.loads(metadata["mammo_steps"])
        if isinstance(facts, dict):
            digest = facts.pop(_OWN_DIGEST, None)
            if digest != sealed(facts)[_OWN_DIGEST]:
                raise ValueError(f"{path}: the facts in its header are not those that were written: {_ANEW}")
            return facts
    raise ValueError(f"{path}: the facts in its header are no JSON object: {_ANEW}")


def weights_recipe(path: Path) -> Marked:
    """The recipe of what the weights in `path` were trained on; ValueError if the file bears none."""
    facts = read_facts(path)
    return Marked.from_metadata(path, {key: value for key, value in facts.items() if isinstance(value, str)})


def load_network(path: Path) -> nn.Module:
    """The network in `path`, in eval mode on the CPU.

    ValueError, with the file and what is wrong, unless it is a whole weight file of a network that we can build, and
    says what images the network takes.
    """
    facts = read_facts(path)
    _check_facts(facts, path)
    try:
        network = build_network(facts["backbone"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        tensors = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} {_UNREADABLE} ({error})") from None
    fill(network, tensors, path)
    if digest_of(tensors) != facts["tensors_sha256"]:
        raise ValueError(f"{path}: its tensors are not those that were written: {_ANEW}")
    return network.eval()


def cut_of(facts: Mapping[str, Any]) -> InputCut:
    """How the square that a holistic network takes is cut, from its weights' header."""
    return InputCut(facts["input_px"], facts["crop"], facts["mm_per_px"])


def _check_facts(facts: dict[str, Any], path: Path) -> None:
    wanted = ["classes", "backbone", "input_px", "tensors_sha256"]
    if facts.get("model") == "holistic":
        wanted += ["crop", "mm_per_px"]
    missing = [name for name in wanted if name not in facts]
    if missing:
        raise ValueError(f"{path}: its header does not say {', '.join(missing)}: {_ANEW}")
    if facts["classes"] != list(CLASSES):
        raise ValueError(f"{path}: class order is {facts['classes']}, wanted {list(CLASSES)}: {_ANEW}")


def margins(logits: Tensor) -> Tensor:
    """(B, 2) logits -> (B,) margins: positive minus negative."""
    return logits[:, 1] - logits[:, 0]


def normalised(grey: Tensor) -> Tensor:
    """(B, s, s) grey levels in [0, 1] -> (B, 1, s, s) network input."""
    return ((grey - MEAN) / STD).unsqueeze(1)
