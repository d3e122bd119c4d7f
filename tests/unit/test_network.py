import hashlib
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from mammo_steps.core.network import (
    NetworkSettings,
    build_network,
    load_network,
    margins,
    read_facts,
    save_network,
    start_network,
)


def test_margin_is_positive_minus_negative() -> None:
    assert margins(torch.tensor([[1.0, 3.0], [2.0, -1.0]])).tolist() == [2.0, -3.0]


@pytest.mark.parametrize("backbone", ["resnet10", "resnet18", "resnet101"])
def test_one_channel_in_two_nodes_out(backbone: str) -> None:
    network = build_network(backbone).eval()
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 2)


def test_resnet101_has_the_papers_size() -> None:
    assert round(sum(p.numel() for p in build_network("resnet101").parameters()) / 1e6, 2) == 42.50


def test_an_unknown_backbone_is_refused() -> None:
    with pytest.raises(ValueError, match="backbone is 'vgg', wanted resnet10"):
        build_network("vgg")


def test_the_start_depends_on_the_seed_alone() -> None:
    torch.manual_seed(5)
    a = start_network(NetworkSettings("resnet10"), 1).state_dict()
    torch.manual_seed(6)
    b = start_network(NetworkSettings("resnet10"), 1).state_dict()
    c = start_network(NetworkSettings("resnet10"), 2).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["fc.weight"], c["fc.weight"])


def imagenet_file(path: Path) -> NetworkSettings:
    torch.manual_seed(0)
    torch.save(resnet18(weights=None).state_dict(), path)
    return NetworkSettings("resnet18", str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def test_imagenet_weights_become_grey_scale(tmp_path: Path) -> None:
    settings = imagenet_file(tmp_path / "resnet18.pth")
    network = start_network(settings, 1).eval()
    coloured = torch.load(tmp_path / "resnet18.pth", weights_only=True)
    original = resnet18(weights=None).eval()
    original.load_state_dict(coloured)
    original.fc = network.fc  # the head is new
    grey = torch.rand(1, 1, 64, 64)
    # a grey image in all three channels through the original = the grey image through ours
    torch.testing.assert_close(network(grey), original(grey.expand(1, 3, 64, 64)), atol=1e-4, rtol=1e-4)


def test_a_wrong_checksum_is_refused(tmp_path: Path) -> None:
    settings = imagenet_file(tmp_path / "resnet18.pth")
    with pytest.raises(ValueError, match="imagenet_sha256 says 0000"):
        start_network(NetworkSettings("resnet18", settings.imagenet_weights, "0" * 64), 1)


def test_missing_weights_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"weights='DEFAULT'"):
        start_network(NetworkSettings("resnet18", str(tmp_path / "none.pth"), "0" * 64), 1)


def test_a_pickle_in_the_weight_file_is_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    path = tmp_path / "bomb.pth"
    torch.save({"conv1.weight": Bomb()}, path)
    with pytest.raises(Exception, match="(?i)weights.only|unsupported"):
        start_network(
            NetworkSettings("resnet18", str(path), hashlib.sha256(path.read_bytes()).hexdigest()), 1
        )
    assert not (tmp_path / "ran").exists()


def test_saved_weights_come_back_and_are_the_same_bytes_twice(tmp_path: Path) -> None:
    network = start_network(NetworkSettings("resnet10"), 1).eval()
    facts = {"backbone": "resnet10", "fold": 3, "settings": {"b": 1, "a": [2]}}
    save_network(network, facts, tmp_path / "a.safetensors")
    save_network(network, facts, tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert read_facts(tmp_path / "a.safetensors") == {"classes": ["negative", "positive"], **facts}
    loaded = load_network(tmp_path / "a.safetensors")
    grey = torch.rand(1, 1, 64, 64)
    assert torch.equal(loaded(grey), network(grey))


def test_another_class_order_is_refused(tmp_path: Path) -> None:
    network = build_network("resnet10")
    save_network(
        network, {"backbone": "resnet10", "classes": ["positive", "negative"]}, tmp_path / "m.safetensors"
    )
    with pytest.raises(ValueError, match="class order is"):
        load_network(tmp_path / "m.safetensors")
