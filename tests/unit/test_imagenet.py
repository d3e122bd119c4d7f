"""ImageNet weights from a file: made grey-scale for every family, and every wrong file refused with what is wrong."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.models import get_model

from mammo_steps.core.backbones import head
from mammo_steps.core.network import NetworkSettings, start_network

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = [
    *("resnet18", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "regnet_x_400mf"),
    *("regnet_y_400mf", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"),
]


def colour_network(name: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = get_model(name, weights=None).eval()
    return network


def settings_of(name: str, path: Path) -> NetworkSettings:
    return NetworkSettings(name, str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def start_from(found: Any, path: Path, name: str = "resnet18") -> nn.Module:
    torch.save(found, path)
    return start_network(settings_of(name, path), 1).eval()


@pytest.mark.parametrize("name", SMALL)
def test_a_grey_image_gives_what_it_gives_in_three_equal_channels(name: str, tmp_path: Path) -> None:
    colour = colour_network(name)
    grey = start_from(colour.state_dict(), tmp_path / "w.pth", name)
    colour.set_submodule(head(colour), grey.get_submodule(head(grey)))  # the head is new
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        ours, theirs = grey(image), colour(image.expand(1, 3, 64, 64))
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_the_filters_are_summed_and_the_head_is_that_of_the_random_start(tmp_path: Path) -> None:
    colour = colour_network("resnet18").state_dict()
    grey = start_from(colour, tmp_path / "w.pth").state_dict()
    plain = start_network(NetworkSettings("resnet18"), 1).state_dict()
    assert torch.equal(grey["conv1.weight"][:, 0], colour["conv1.weight"].sum(dim=1))
    assert torch.equal(grey["fc.weight"], plain["fc.weight"]) and grey["fc.weight"].shape == (2, 512)
    assert torch.equal(grey["layer4.1.conv2.weight"], colour["layer4.1.conv2.weight"])


def test_a_safetensors_file_gives_the_same(tmp_path: Path) -> None:
    colour = colour_network("mnasnet0_5").state_dict()
    wanted = start_from(colour, tmp_path / "w.pth", "mnasnet0_5").state_dict()
    safetensors.torch.save_file(colour, tmp_path / "w.safetensors")
    found = start_network(settings_of("mnasnet0_5", tmp_path / "w.safetensors"), 1).state_dict()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_files_of_older_torchvisions_are_read(tmp_path: Path) -> None:
    def older(name: str) -> str:
        for word in ("norm1", "norm2", "conv1", "conv2"):
            name = name.replace(f".{word}.", f".{word[:-1]}.{word[-1]}.")
        return name

    colour = colour_network("densenet121").state_dict()
    old = {older(key): value for key, value in colour.items() if not key.endswith("num_batches_tracked")}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    found = start_from(old, tmp_path / "w.pth", "densenet121").state_dict()
    name = "features.denseblock1.denselayer1.conv2.weight"
    assert torch.equal(found[name], colour[name])


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"get_model\('convnext_tiny', weights='DEFAULT'\)"):
        start_network(NetworkSettings("convnext_tiny", str(tmp_path / "none.pth"), "0" * 64), 1)


def test_resnet10_has_no_imagenet_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are no ImageNet weights of resnet10: choose another"):
        start_network(NetworkSettings("resnet10", str(tmp_path / "none.pth"), "0" * 64), 1)


@pytest.mark.parametrize("wanted", ["0" * 64, None])
def test_a_wrong_checksum_is_refused(tmp_path: Path, wanted: str | None) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    found = hashlib.sha256(b"weights").hexdigest()
    with pytest.raises(ValueError, match=f"sha256 is {found}, imagenet_sha256 says {wanted}. If the file"):
        start_network(NetworkSettings("resnet18", str(tmp_path / "w.pth"), wanted), 1)


def test_the_file_of_another_backbone_is_refused_by_the_names_of_tensors(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"w.pth holds the weights of another network. Tensors missing: layer1.0.conv3.weight, .* and \d+ more; "
        r"of another kind: layer1.0.conv1.weight is float32 \(64, 64, 3, 3\), wanted float32 \(64, 64, 1, 1\)",
    ):
        start_from(colour_network("resnet18").state_dict(), tmp_path / "w.pth", "resnet50")
    with pytest.raises(ValueError, match=r"unknown: layer1.0.conv3.weight, layer1.0.bn3"):
        start_from(colour_network("resnet50").state_dict(), tmp_path / "w.pth", "resnet18")


def test_a_first_convolution_that_is_grey_already_is_refused(tmp_path: Path) -> None:
    state = colour_network("resnet18").state_dict()
    state["conv1.weight"] = state["conv1.weight"][:, :1]
    with pytest.raises(
        ValueError, match=r"conv1.weight is float32 \(64, 1, 7, 7\), wanted float32 \(64, 3, 7, 7\)"
    ):
        start_from(state, tmp_path / "w.pth")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    state = colour_network("resnet18").state_dict()
    state["bn1.bias"][3] = torch.nan
    with pytest.raises(ValueError, match=r"w.pth: values that are not finite in bn1.bias; the file"):
        start_from(state, tmp_path / "w.pth")


def nested(state: dict[str, Tensor]) -> object:
    return {"state_dict": state, "epoch": 3}


def listed(state: dict[str, Tensor]) -> object:
    return list(state.values())


@pytest.mark.parametrize("content", [nested, listed])
def test_a_file_of_other_things_than_tensors_by_name_is_refused(
    tmp_path: Path, content: Callable[[dict[str, Tensor]], object]
) -> None:
    with pytest.raises(ValueError, match="holds other things than tensors by name: save network.state_dict"):
        start_from(content(colour_network("shufflenet_v2_x0_5").state_dict()), tmp_path / "w.pth")


def test_a_pickle_in_the_file_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "ran",)

    with pytest.raises(
        ValueError, match=r"w.pth cannot be read as weights \(UnpicklingError\): .* could run code"
    ):
        start_from({"conv1.weight": Bomb()}, tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


def test_a_whole_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds more than plain tensors"):
        start_from(nn.Linear(1, 1), tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04 torn"])
def test_a_file_without_weights_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read as weights"):
        start_network(settings_of("resnet18", tmp_path / name), 1)
