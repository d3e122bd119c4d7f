"""ImageNet weights made grey-scale, from a local file that torchvision wrote.

The three input filters of the first convolution are summed (the paper: "made grey-scale"). So a grey image gives what
the colour network gives for the same *normalised* grey level in all three channels.

torchvision normalises red, green and blue each with constants of their own, (0.485, 0.229), (0.456, 0.224) and (0.406,
0.225); ours are their means, 0.449 and 0.226. A grey level g in all three channels, normalised by theirs, would not be
grey: the colour network would see a tint, by channel up to 1.3 % steeper or flatter, and shifted by -0.16, -0.03 and
+0.19 standard deviations. Steepness could be folded into the filters before the sum (each times 0.226 / its channel's);
the shift has no exact form, since convolutions pad with zeros after normalisation. Grey without tint is as good a
meaning of "grey image" as the tint, and training goes on from here: we keep the plain sum.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from mammo_steps.core.backbones import first_convolution, head
from mammo_steps.core.tensors import check_finite, check_fit, fill, kind_of, with_counters
from mammo_steps.core.weight_files import read_weight_file, tensors_of


def load_imagenet(network: nn.Module, backbone: str, path: Path, sha256: str | None) -> None:
    """Fill a network of `build_network` from a file of its backbone's ImageNet weights; its head stays as it is.

    sha256  of the file; ValueError if it is another one
    """
    if backbone == "resnet10":
        raise ValueError(
            "there are no ImageNet weights of resnet10: choose another backbone, or set imagenet_weights to null"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"ImageNet weights {path} are missing. On a machine with network access run:\n"
            '  python -c "import torch, torchvision; torch.save(torchvision.models.get_model('
            f"'{backbone}', weights='DEFAULT').state_dict(), '{backbone}.pth')\"\n"
            f"copy the file to that place and set imagenet_sha256 to what `sha256sum {backbone}.pth` "
            "prints; or set imagenet_weights to null to start from random weights"
        )
    content = read_weight_file(path, sha256, "imagenet_sha256")
    fill(network, _grey(network, _named_as_here(tensors_of(content, path)), path), path)


def _named_as_here(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Densenet's published files bear names of an older torchvision: norm.1 for norm1."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key): value
        for key, value in tensors.items()
    }


def _grey(network: nn.Module, colour: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The file's tensors with the first filters summed, and with the network's own head."""
    state = network.state_dict()
    first, last = (
        f"{first_convolution(network)}.weight",
        f"{head(network)}.",
    )  # the head has 1,000 classes there
    own = {name: tensor for name, tensor in colour.items() if not name.startswith(last)}
    found = with_counters(own, network)
    wanted = {name: kind_of(tensor) for name, tensor in state.items() if not name.startswith(last)}
    wanted[first] = kind_of(state[first].expand(-1, 3, -1, -1))
    check_fit(found, wanted, path)
    check_finite(found, path)
    found[first] = found[first].sum(dim=1, keepdim=True)  # (n, 3, k, k) -> (n, 1, k, k)
    return found | {name: tensor for name, tensor in state.items() if name.startswith(last)}
