"""The start of a network, and our own weight files: what they hold, and every broken one refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mammo_steps.core.fingerprint import code_fingerprint
from mammo_steps.core.network import (
    NetworkSettings,
    load_network,
    margins,
    read_facts,
    save_network,
    sealed,
    start_network,
    weights_recipe,
)
from mammo_steps.core.terms import CLASSES

pytestmark = pytest.mark.usefixtures("one_thread")

FACTS = {"backbone": "resnet10", "model": "holistic", "input_px": 32, "crop": "centre", "mm_per_px": 0.25}


def test_margin_is_positive_minus_negative() -> None:
    assert margins(torch.tensor([[1.0, 3.0], [2.0, -1.0]])).tolist() == [2.0, -3.0]


@pytest.mark.parametrize("backbone", ["resnet10", "convnext_tiny", "mnasnet0_5"])
def test_the_start_depends_on_the_seed_alone(backbone: str) -> None:
    torch.manual_seed(5)
    a = start_network(NetworkSettings(backbone), 1).state_dict()
    torch.manual_seed(6)
    b = start_network(NetworkSettings(backbone), 1).state_dict()
    c = start_network(NetworkSettings(backbone), 2).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not all(torch.equal(a[k], c[k]) for k in a)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    save_network(start_network(NetworkSettings("resnet10"), 1), FACTS, path)
    return path


def rewritten(source: Path, target: Path, facts: dict[str, Any], **tensors: torch.Tensor | None) -> Path:
    """A copy with other facts, and with tensors changed or (None) left out; `__` stands for a dot in names."""
    state = safetensors.torch.load_file(source)
    for name, tensor in tensors.items():
        key = name.replace("__", ".")
        if tensor is None:
            del state[key]
        else:
            state[key] = tensor
    header = {key: value for key, value in {**read_facts(source), **facts}.items() if value is not None}
    target.write_bytes(safetensors.torch.save(state, {"mammo_steps": json.dumps(sealed(header))}))
    return target


def test_saved_weights_come_back_and_are_the_same_bytes_twice(written: Path, tmp_path: Path) -> None:
    network = start_network(NetworkSettings("resnet10"), 1).eval()
    save_network(network, FACTS, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == written.read_bytes()
    told = read_facts(written)
    assert len(told.pop("tensors_sha256")) == 64
    assert told == {"classes": ["negative", "positive"], **FACTS}
    grey, loaded = torch.rand(1, 1, 64, 64), load_network(written)
    assert not loaded.training and torch.equal(loaded(grey), network(grey))


def test_a_changed_byte_among_the_facts_is_found(written: Path, tmp_path: Path) -> None:
    changed = tmp_path / "m.safetensors"
    changed.write_bytes(written.read_bytes().replace(b'input_px\\": 32', b'input_px\\": 30', 1))
    assert changed.read_bytes() != written.read_bytes()
    with pytest.raises(ValueError, match="the facts in its header are not those that were written"):
        load_network(changed)


@pytest.mark.parametrize("backbone", ["mnasnet0_5", "convnext_tiny", "densenet121", "shufflenet_v2_x0_5"])
def test_weights_of_other_backbones_come_back(backbone: str, tmp_path: Path) -> None:
    network = start_network(NetworkSettings(backbone), 1).eval()
    save_network(network, {**FACTS, "backbone": backbone}, tmp_path / "m.safetensors")
    found, wanted = load_network(tmp_path / "m.safetensors").state_dict(), network.state_dict()
    assert list(found) == list(wanted) and all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_trained_weights_bear_settings_recipe_class_order_and_code(fold_0: Path) -> None:
    for model in ("holistic", "attention"):
        path = fold_0 / model / "fold0/model.safetensors"
        facts = read_facts(path)
        assert facts["settings"]["fit"]["batch_size"] == 8 and facts["classes"] == list(CLASSES)
        assert facts["code"] == code_fingerprint(f"train_{model}")
        assert weights_recipe(path).recipe.parts[-1][0] == f"train_{model}"
        assert weights_recipe(path).recipe.hash == facts["recipe"]
        assert not {"commit", "host", "started_utc"} & facts.keys()  # those stand in run.json
        load_network(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"classes": ["positive", "negative"]},
            r"class order is \['positive', 'negative'\], wanted \['negative', ",
        ),
        ({"classes": None}, "its header does not say classes: make it again with the step that"),
        ({"backbone": None}, "does not say backbone"),
        ({"input_px": None, "crop": None}, "does not say input_px, crop"),
        ({"tensors_sha256": None}, "does not say tensors_sha256"),
        (
            {"backbone": "vit_b_16"},
            "m.safetensors: backbone is 'vit_b_16', which takes images of one size only",
        ),
        (
            {"backbone": "resnet18"},
            r"another network. Tensors missing: layer1.1.conv1.weight, .*, .* and \d+ more$",
        ),
        ({"tensors_sha256": "0" * 64}, "its tensors are not those that were written: make it again"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    written: Path, tmp_path: Path, facts: dict[str, Any], message: str
) -> None:
    path = rewritten(written, tmp_path / "m.safetensors", facts)
    with pytest.raises(ValueError, match=message) as refused:
        load_network(path)
    assert str(refused.value).startswith(str(path))


def test_an_attention_model_needs_no_crop(written: Path, tmp_path: Path) -> None:
    load_network(rewritten(written, tmp_path / "m.safetensors", {"model": "attention", "crop": None}))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"fc__bias": None}, "Tensors missing: fc.bias$"),
        ({"extra": torch.zeros(1)}, "Tensors unknown: extra$"),
        ({"fc__bias": torch.zeros(3)}, r"another kind: fc.bias is float32 \(3,\), wanted float32 \(2,\)$"),
        ({"fc__bias": torch.zeros(2).half()}, r"fc.bias is float16 \(2,\), wanted float32 \(2,\)$"),
        ({"fc__bias": torch.tensor([0.0, torch.inf])}, "values that are not finite in fc.bias; the file"),
        ({"fc__bias": torch.ones(2)}, "its tensors are not those that were written"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    written: Path, tmp_path: Path, tensors: dict[str, torch.Tensor | None], message: str
) -> None:
    path = rewritten(written, tmp_path / "m.safetensors", {}, **tensors)
    with pytest.raises(ValueError, match=message) as refused:
        load_network(path)
    assert str(refused.value).startswith(str(path))


def test_a_flipped_byte_in_the_weights_is_found(written: Path, tmp_path: Path) -> None:
    content = bytearray(written.read_bytes())
    content[-1000] ^= 1
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="its tensors are not those that were written"):
        load_network(tmp_path / "m.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 100, 5000, -1])
def test_a_torn_file_is_refused(written: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "torn.safetensors"
    path.write_bytes(written.read_bytes()[:kept])
    for read in (load_network, read_facts, weights_recipe):
        with pytest.raises(
            ValueError, match=re.escape(f"{path} is no whole safetensors file; make it again")
        ):
            read(path)


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(b"{" * 4096)
    with pytest.raises(ValueError, match=re.escape(f"{path} is no whole safetensors file")):
        load_network(path)


@pytest.mark.parametrize("metadata", [None, {"other": "1"}])
def test_weights_of_another_project_are_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors.torch.save({"fc.bias": torch.zeros(2)}, metadata))
    with pytest.raises(ValueError, match="no facts about the weights in its header; not a file of this"):
        load_network(path)


@pytest.mark.parametrize("header", ["{torn", "[1, 2]"])
def test_facts_that_are_no_json_object_are_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(1)}, {"mammo_steps": header}))
    with pytest.raises(ValueError, match=re.escape(f"{path}: the facts in its header are no JSON object")):
        load_network(path)


def test_weights_with_a_recipe_changed_by_hand_are_refused(fold_0: Path, tmp_path: Path) -> None:
    source = fold_0 / "holistic/fold0/model.safetensors"
    path = rewritten(source, tmp_path / "m.safetensors", {"recipe": "0" * 12})
    with pytest.raises(ValueError, match="bears the recipe 000000000000, its parts give"):
        weights_recipe(path)
    path = rewritten(source, tmp_path / "m.safetensors", {"recipe": None})
    with pytest.raises(ValueError, match="bears no intensity recipe"):
        weights_recipe(path)
