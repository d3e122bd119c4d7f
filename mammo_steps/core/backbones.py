"""The networks to choose from: torchvision's classifiers with one grey channel in and two nodes out.

Any of them takes a square of any size from 32 pixels on. All have batch normalisation but convnext, and vgg without
`_bn`; efficientnet, convnext, mobilenet, mnasnet and vgg train with dropout or stochastic depth, others with neither.
On a GPU the gradient of vgg's pooling is summed in an order that changes from run to run. As long as they are random,
efficientnet, mobilenet and mnasnet have input gradients of 1e-14 to 1e-7 (at 64 pixels): too small for fp16.
"""

from typing import cast

import torch
from torch import nn
from torchvision.models import get_model
from torchvision.models.resnet import BasicBlock, ResNet

from mammo_steps.core.terms import CLASSES

# resnet10 = one basic block per stage, ours; all others are torchvision's names
BACKBONES = (
    *("resnet10", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *(f"efficientnet_b{number}" for number in range(8)),
    *("efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"),
    *("convnext_tiny", "convnext_small", "convnext_base", "convnext_large"),
    *(f"regnet_x_{flops}" for flops in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf")),
    *(f"regnet_y_{flops}" for flops in ("400mf", "800mf", "1_6gf", "3_2gf", "8gf", "16gf", "32gf", "128gf")),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"),
    *("mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"),
    *("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
)

# begin of a torchvision classifier's name -> why it is not among them
UNSUITABLE = {
    "vit": "takes images of one size only",
    "maxvit": "takes images of one size only",
    "swin": "attends in windows, laid out for images of one size",
    "inception": "trains with an auxiliary head",
    "googlenet": "trains with auxiliary heads",
    "alexnet": "takes no image under 63 pixels",
    "squeezenet": "cuts its outputs off at 0, where an image has no gradient",
}


def build_network(backbone: str) -> nn.Module:
    """A random network: (B, 1, s, s) normalised grey levels -> (B, 2) logits in the order of CLASSES."""
    if backbone not in BACKBONES:
        why = next((f", which {why}" for name, why in UNSUITABLE.items() if backbone.startswith(name)), "")
        raise ValueError(f"backbone is {backbone!r}{why}; wanted one of {', '.join(BACKBONES)}")
    if backbone == "resnet10":
        network: nn.Module = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=len(CLASSES))
    else:
        network = get_model(backbone, weights=None, num_classes=len(CLASSES))
    name = first_convolution(network)
    network.set_submodule(name, _grey(cast(nn.Conv2d, network.get_submodule(name))))
    # channels last: the memory order in which convolutions are fastest, on CPU and GPU
    return cast(nn.Module, network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def first_convolution(network: nn.Module) -> str:
    """Name of the module that sees the image."""
    return _names(network, nn.Conv2d)[0]


def head(network: nn.Module) -> str:
    """Name of the module that gives the logits."""
    return _names(network, nn.Linear)[-1]


def _names(network: nn.Module, kind: type[nn.Module]) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, kind)]


def _grey(colour: nn.Conv2d) -> nn.Conv2d:
    """A random convolution like this one, but with one input channel (He et al. 2015, by outputs)."""
    grey = nn.Conv2d(
        1,
        colour.out_channels,
        cast(tuple[int, int], colour.kernel_size),
        cast(tuple[int, int], colour.stride),
        cast(tuple[int, int], colour.padding),
        bias=colour.bias is not None,
    )
    nn.init.kaiming_normal_(grey.weight, mode="fan_out", nonlinearity="relu")
    if grey.bias is not None:
        nn.init.zeros_(grey.bias)
    return grey
