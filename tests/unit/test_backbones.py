"""Every network to choose from: one grey channel in, two nodes out, and a gradient that points somewhere."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from bright import CPU, SETTINGS
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models

from mammo_steps.core.backbones import BACKBONES, UNSUITABLE, build_network, first_convolution, head
from mammo_steps.core.network import NetworkSettings, start_network
from mammo_steps.core.ranks import ALONE
from mammo_steps.core.saliency import attend, saliency_maps
from mammo_steps.core.step import Part, Stepper

pytestmark = pytest.mark.usefixtures("one_thread")

# regnets compute with tensors while they are made, so these would take long
LARGE = ("_8gf", "16gf", "32gf", "128gf")
REPO = Path(__file__).resolve().parents[2]
FAMILIES = [
    *("resnet10", "resnext50_32x4d", "wide_resnet50_2", "densenet121", "efficientnet_b0"),
    *("efficientnet_v2_s", "convnext_tiny", "regnet_x_400mf", "regnet_y_400mf", "mobilenet_v2"),
    *("mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5", "vgg11", "vgg11_bn"),
]


def test_each_torchvision_classifier_is_offered_or_refused_with_a_reason() -> None:
    known = list_models(module=torchvision.models)
    assert set(BACKBONES) - {"resnet10"} <= set(known)
    refused = [name for name in known if name not in BACKBONES]
    assert all(name.startswith(tuple(UNSUITABLE)) for name in refused)
    assert not any(name.startswith(tuple(UNSUITABLE)) for name in BACKBONES)


def test_the_config_schema_offers_the_same_names() -> None:
    schema = yaml.safe_load((REPO / "workflow/schemas/config.schema.yaml").read_text())
    network = schema["properties"]["train_holistic"]["properties"]["network"]["properties"]
    assert tuple(network["backbone"]["enum"]) == BACKBONES


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("vgg", "; wanted one of resnet10, resnet18,"),
        ("vit_b_16", ", which takes images of one size only; wanted one of resnet10,"),
        ("swin_v2_t", ", which attends in windows, laid out for images of one size; wanted"),
        ("inception_v3", ", which trains with an auxiliary head; wanted"),
        ("squeezenet1_0", ", which cuts its outputs off at 0, where an image has no gradient; wanted"),
        ("deeplabv3_resnet50", "; wanted one of"),
        ("fasterrcnn_resnet50_fpn", "; wanted one of"),
        ("r3d_18", "; wanted one of"),
    ],
)
def test_an_unknown_or_unsuitable_backbone_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"backbone is '{name}'{why}")):
        build_network(name)


@pytest.mark.parametrize("name", [name for name in BACKBONES if not name.endswith(LARGE)])
def test_only_first_convolution_and_head_differ_from_torchvisions_network(name: str) -> None:
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # meta: shapes without numbers
        ours = build_network(name)
        theirs = ours if name == "resnet10" else get_model(name, weights=None)
    first, last = f"{first_convolution(ours)}.weight", head(ours)
    shapes = {key: tuple(tensor.shape) for key, tensor in ours.state_dict().items()}
    colour = {key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()}
    assert list(shapes) == list(colour)
    assert shapes[first][1] == 1 and shapes[f"{last}.bias"] == (2,)
    if name != "resnet10":
        assert colour[first] == (shapes[first][0], 3, *shapes[first][2:])
        differing = {key for key in shapes if shapes[key] != colour[key]}
        assert differing == {first, f"{last}.weight", f"{last}.bias"}
        assert get_model_weights(name).DEFAULT  # what the message on missing weights tells the user to get


# sha256 of names and bytes of the state, taken of the ResNets before there were other backbones
@pytest.mark.parametrize(
    ("name", "seed", "wanted"),
    [
        ("resnet10", 1, "f5493b47f9991974"),
        ("resnet18", 1, "4e4a457e3dfbedc1"),
        ("resnet50", 7, "1ac7f57f66668a78"),
        ("resnet101", 1, "e316298868335abf"),
    ],
)
def test_resnets_start_from_the_same_numbers_as_ever(name: str, seed: int, wanted: str) -> None:
    digest = hashlib.sha256()
    for key, tensor in start_network(NetworkSettings(name), seed).state_dict().items():
        digest.update(key.encode() + tensor.contiguous().numpy().tobytes())
    assert digest.hexdigest()[:16] == wanted


def test_resnet101_has_the_papers_size() -> None:
    assert round(sum(p.numel() for p in build_network("resnet101").parameters()) / 1e6, 2) == 42.50


@pytest.mark.parametrize("name", FAMILIES)
def test_one_network_of_each_family_has_a_gradient_that_points_somewhere(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name).eval().requires_grad_(False)
    grey = torch.rand(2, 64, 64)
    margin, saliency = saliency_maps(network, grey)
    assert margin.shape == (2,) and saliency.shape == (2, 64, 64)
    assert torch.isfinite(saliency).all() and (saliency > 0).float().mean() > 0.95
    assert not torch.equal(saliency[0], saliency[1])  # it depends on the image
    assert attend(saliency, [(0, 64, 0, 64)] * 2, 0.01).top.sum().item() == 2 * 41


@pytest.mark.parametrize("px", [32, 97])
@pytest.mark.parametrize("name", FAMILIES)
def test_one_network_of_each_family_takes_squares_of_odd_sizes(name: str, px: int) -> None:
    with torch.inference_mode():
        assert build_network(name).eval()(torch.zeros(1, 1, px, px)).shape == (1, 2)


@pytest.mark.parametrize("name", ["convnext_tiny", "mobilenet_v3_small"])
def test_networks_without_batch_norm_or_with_dropout_learn(name: str) -> None:
    torch.manual_seed(0)
    target = torch.tensor([0, 1, 0, 1])
    grey = torch.rand(4, 32, 32) * 0.2 + 0.8 * target[:, None, None]  # bright is positive
    network = build_network(name).train()
    has_batch_norm = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert has_batch_norm is (name != "convnext_tiny")
    settings = replace(SETTINGS, ema_decay=0.9)
    stepper = Stepper(network, settings, replace(CPU, micro_batch=2), ALONE)
    losses = [stepper.step(Part(grey, target, 4), 1e-3).mean().item() for _ in range(15)]
    assert losses[-1] < 0.3 * losses[0]
    assert stepper.scored.state_dict().keys() == network.state_dict().keys()
