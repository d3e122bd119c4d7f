"""The networks of Wu et al. 2019 (arXiv 1903.08297), with the names of the published weights.

Written from a description of the architecture; no published code was used. `patch_classifier` is a DenseNet-121 whose
first convolution and pooling pad as TensorFlow does. `FourViews` is two ResNet-22 columns, one for both CC views and
one for both MLO views, with a head each.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import densenet121

_WIDTHS = (16, 32, 64, 128, 256)
_STRIDES = (1, 2, 2, 2, 2)
_HIDDEN = 512
DENSE_LAYERS = (6, 12, 24, 16)  # of DenseNet-121's blocks
LABELS = ("left_benign", "right_benign", "left_malignant", "right_malignant")
COLUMNS = ("cc", "mlo")


class _PatchClassifier(nn.Module):
    """(B, 1, 256, 256) grey patches, or three channels -> (B, 4) logits; `core.wu_patch_forward` is faster."""

    def __init__(self) -> None:
        super().__init__()
        whole = densenet121(weights=None, num_classes=4)
        self.features, self.classifier = whole.features, whole.classifier
        self.features.conv0.padding = (0, 0)
        self.features.pool0.padding = 0

    def forward(self, patches: Tensor) -> Tensor:
        stem, *rest = self.features.children()
        norm, relu, pool, *blocks = rest
        maps = norm(stem(F.pad(patches.expand(-1, 3, -1, -1), (2, 3, 2, 3))))
        maps = pool(F.pad(relu(maps), (0, 1, 0, 1)))
        for block in blocks:
            maps = block(maps)
        logits: Tensor = self.classifier(F.relu(maps).mean(dim=(2, 3)))
        return logits


def patch_classifier() -> nn.Module:
    """The patch network, with random weights; its state has the published keys."""
    return _PatchClassifier()


class _Block(nn.Module):
    """Two 3 x 3 convolutions after their batch norms; in the first block of a stage a 1 x 1 convolution beside them."""

    def __init__(self, n_in: int, n_out: int, stride: int, first: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.downsample = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False)) if first else None

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.bn1(maps))
        beside = maps if self.downsample is None else self.downsample(active)
        inner = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return torch.add(inner, beside)


class Column(nn.Module):
    """ResNet-22: (B, C, H, W) -> (B, 256), the mean of its last maps."""

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.first_conv = nn.Conv2d(n_channels, _WIDTHS[0], 7, 2, 0, bias=False)
        self.first_pool = nn.MaxPool2d(3, 2, 0)
        stages, n_in = [], _WIDTHS[0]
        for width, stride in zip(_WIDTHS, _STRIDES, strict=True):
            stages.append(nn.ModuleList([_Block(n_in, width, stride, True), _Block(width, width, 1, False)]))
            n_in = width
        self.layer_list = nn.ModuleList(stages)
        self.final_bn = nn.BatchNorm2d(n_in)

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.first_pool(self.first_conv(pictures))
        for stage in self.layer_list:
            for block in stage:  # type: ignore[attr-defined]
                maps = block(maps)
        return F.relu(self.final_bn(maps)).mean(dim=(2, 3))


class FourViews(nn.Module):
    """The four views of an exam -> probabilities of each breast.

    n_channels  1: the image; 3: the image, its benign and its malignant heatmap
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.four_view_resnet = nn.ModuleDict({name: Column(n_channels) for name in COLUMNS})
        for name in COLUMNS:
            self.add_module(f"fc1_{name}", nn.Linear(2 * _WIDTHS[-1], _HIDDEN))
            head = nn.ModuleDict({"fc_layer": nn.Linear(_HIDDEN, 2 * len(LABELS))})
            self.add_module(f"output_layer_{name}", head)

    def features(self, pictures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """View, such as L-CC -> (B, C, H, W) pictures; gives column -> (B, 512): left breast, right breast."""
        found = {}
        for name in COLUMNS:
            column, sides = self.four_view_resnet[name], (f"L-{name.upper()}", f"R-{name.upper()}")
            found[name] = torch.cat([column(pictures[view]) for view in sides], dim=1)
        return found

    def hidden(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Column -> (B, 512) of both breasts together, before the last layer."""
        return {name: F.relu(self.get_submodule(f"fc1_{name}")(features[name])) for name in COLUMNS}

    def log_probabilities(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Column -> (B, 4, 2): of each of `LABELS` the logarithm of (absent, present)."""
        hidden = self.hidden(features)
        return {
            name: self.get_submodule(f"output_layer_{name}.fc_layer")(hidden[name])
            .view(-1, len(LABELS), 2)
            .log_softmax(dim=-1)
            for name in COLUMNS
        }

    def probabilities(self, features: Mapping[str, Tensor]) -> Tensor:
        """(B, 4) in the order of `LABELS`: the mean of what CC and MLO say."""
        found = self.log_probabilities(features)
        return torch.stack([found[name][..., 1].exp() for name in COLUMNS]).mean(dim=0)

    def forward(self, pictures: Mapping[str, Tensor]) -> Tensor:
        """(B, 4) probabilities in the order of `LABELS`."""
        return self.probabilities(self.features(pictures))
