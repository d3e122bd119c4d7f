"""Training that starts from a bundle, on a tiny study: where it starts, what it must not look at, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from made_bundle import made_bundle, sign
from test_train_holistic import with_other_test_pixels, with_permuted_test_labels
from tiny_study import ATTENTION, COMPUTE, HOLISTIC, JOB, KEY, TinyStudy

from mammo_steps import train_attention, train_holistic
from mammo_steps.core.bundle_names import bundle_id, weights_name
from mammo_steps.core.bundle_start import BundleNetworks, BundleStart, StartSettings
from mammo_steps.core.ids import key_tag
from mammo_steps.core.network import load_network, read_facts, save_network, start_network, weights_recipe
from mammo_steps.core.training import set_to_train

OTHER_STUDY = {"women": "0123456789abcdef"}


@pytest.fixture(scope="module")
def bundle(fold_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two members: fold 0 of the tiny study, as if other women had been behind it, and the same with other weights."""
    results = tmp_path_factory.mktemp("other")
    for model in ("holistic", "attention"):
        made = fold_0 / model / "fold0/model.safetensors"
        facts = read_facts(made) | OTHER_STUDY
        network = load_network(made)
        save_network(network, facts, results / model / "fold0/model.safetensors")
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(0.5)
        save_network(network, facts, results / model / "fold1/model.safetensors")
    return made_bundle(tmp_path_factory.mktemp("bundle"), results, ["fold0", "fold1"])


def start_flags(folder: Path, number: int = 0, /, *, key: str = KEY, **more: Any) -> list[str]:
    start = {
        "bundle": bundle_id(folder),
        "number": number,
        "layers": "all",
        "overlap": "none",
        "key_tag": key_tag(key),
    }
    return ["--bundle", str(folder), "--start", json.dumps(start | more)]


def train(study: TinyStudy, out: Path, start: list[str], settings: str = HOLISTIC, **paths: Path) -> Path:
    train_holistic.main(
        ["--images", str(paths.get("images", study.cohort("images.parquet")))]
        + ["--roles", str(study.cohort("roles.parquet")), "--shards", str(paths.get("shards", study.shards))]
        + ["--fold", "0", "--seed", "1", "--settings", settings, "--compute", COMPUTE, "--job", JOB, *start]
        + ["--model", str(out / "model.safetensors"), "--history", str(out / "history.csv")]
        + ["--record", str(out / "run.json")]
    )
    return out / "model.safetensors"


def attend(study: TinyStudy, fold_0: Path, out: Path, start: list[str]) -> Path:
    train_attention.main(
        [*study.cohort_flags(), "--rois", str(fold_0 / "attention/fold0/rois"), "--fold", "0", "--seed", "1"]
        + ["--begin-with", str(fold_0 / "holistic/fold0/model.safetensors"), "--settings", ATTENTION]
        + ["--compute", COMPUTE, "--job", JOB, *start, "--model", str(out / "model.safetensors")]
        + ["--history", str(out / "history.csv"), "--record", str(out / "run.json")]
    )
    return out / "model.safetensors"


@pytest.fixture(scope="module")
def adapted(tiny_study: TinyStudy, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tiny_study, tmp_path_factory.mktemp("adapted"), start_flags(bundle))


def start_of(bundle: Path, number: int, layers: str = "all") -> BundleStart:
    settings = StartSettings(bundle_id(bundle), number, layers, "none", key_tag(KEY))
    return BundleStart(BundleNetworks(bundle), settings, [])


@pytest.mark.parametrize(("number", "member"), [(0, "fold0"), (1, "fold1"), (2, "fold0"), (9, "fold1")])
def test_network_k_starts_from_member_k_mod_n_to_the_bit(bundle: Path, number: int, member: str) -> None:
    for model in ("holistic", "attention"):
        path = bundle / weights_name(member, model)
        started = (
            start_of(bundle, number).network(model, "resnet10", weights_recipe(path).recipe).state_dict()
        )
        wanted = safetensors.torch.load_file(path)
        assert started.keys() == wanted.keys()
        assert all(torch.equal(started[name], wanted[name]) for name in wanted)


def test_holistic_goes_on_from_holistic_and_attention_from_attention(bundle: Path) -> None:
    one, other = (
        safetensors.torch.load_file(bundle / weights_name("fold0", m)) for m in ("holistic", "attention")
    )
    assert not torch.equal(one["conv1.weight"], other["conv1.weight"])


def test_with_the_head_alone_the_rest_stays_as_it_came(
    tiny_study: TinyStudy, fold_0: Path, bundle: Path, tmp_path: Path
) -> None:
    flags = start_flags(bundle, layers="head")
    made = {
        "holistic": train(tiny_study, tmp_path / "h", flags),
        "attention": attend(tiny_study, fold_0, tmp_path / "a", flags),
    }
    for model, path in made.items():
        found = safetensors.torch.load_file(path)
        start = safetensors.torch.load_file(bundle / weights_name("fold0", model))
        changed = {name for name in found if not torch.equal(found[name], start[name])}
        assert changed == {"fc.weight", "fc.bias"}  # running statistics neither


def test_all_layers_learn_otherwise(bundle: Path, adapted: Path) -> None:
    found = safetensors.torch.load_file(adapted)
    start = safetensors.torch.load_file(bundle / weights_name("fold0", "holistic"))
    assert not any(torch.equal(found[name], start[name]) for name in found if name.endswith("weight"))


def test_weights_say_from_which_bundle_they_started_and_whom_it_had_learned_from(
    bundle: Path, adapted: Path, tiny_study: TinyStudy
) -> None:
    facts = read_facts(adapted)
    assert facts["start"] == {
        "bundle": bundle_id(bundle),
        "member": "fold0",
        "layers": "all",
        "overlap": "none",
        "learned_from": [
            {
                "study": "first",
                "bundle": bundle_id(bundle),
                "synthetic": True,
                "key_tag": key_tag("the key of another site"),
                "women": [OTHER_STUDY["women"]],
                "n_women": 20,
            }
        ],
    }
    # whom the fold itself learned from is said as ever
    assert facts["women"] != OTHER_STUDY["women"]
    assert json.loads((adapted.parent / "run.json").read_text())["start"] == facts["start"]


def test_permuting_the_test_folds_labels_changes_no_weight(
    tiny_study: TinyStudy, bundle: Path, adapted: Path, tmp_path: Path
) -> None:
    with_permuted_test_labels(tiny_study, tmp_path / "images.parquet")
    found = train(tiny_study, tmp_path, start_flags(bundle), images=tmp_path / "images.parquet")
    assert found.read_bytes() == adapted.read_bytes()


def test_replacing_the_test_folds_pixels_changes_no_weight(
    tiny_study: TinyStudy, bundle: Path, adapted: Path, tmp_path: Path
) -> None:
    assert with_other_test_pixels(tiny_study, tmp_path / "shards") >= 20
    found = train(tiny_study, tmp_path, start_flags(bundle), shards=tmp_path / "shards")
    assert found.read_bytes() == adapted.read_bytes()


def refused(study: TinyStudy, out: Path, flags: list[str], settings: str = HOLISTIC) -> str:
    with pytest.raises(ValueError) as caught:
        train(study, out, flags, settings)
    assert not list(out.glob("*.safetensors"))
    return str(caught.value)


def test_a_bundle_under_the_studys_own_key_is_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    own = made_bundle(tmp_path / "own", fold_0, ["fold0"], KEY)
    said = refused(tiny_study, tmp_path, start_flags(own))
    assert "20 women of study first" in said and "would not be out of fold" in said


def test_even_with_its_table_of_roles_the_same_women_are_refused(
    tiny_study: TinyStudy, fold_0: Path, tmp_path: Path
) -> None:
    own = made_bundle(tmp_path / "own", fold_0, ["fold0"], KEY)
    roles = str(tiny_study.cohort("roles.parquet"))
    said = refused(tiny_study, tmp_path, [*start_flags(own), "--bundle-women", roles])
    assert "women are among those that the bundle has learned from: run list_images" in said


def test_a_bundle_that_started_from_one_of_the_studys_own_is_refused(
    tiny_study: TinyStudy, adapted: Path, fold_0: Path, tmp_path: Path
) -> None:
    # the tiny study adapts the other site's bundle, and makes one of its own; the other site adapts that
    for model, made in (("holistic", adapted), ("attention", fold_0 / "attention/fold0/model.safetensors")):
        to = tmp_path / "results" / model / "fold0/model.safetensors"
        to.parent.mkdir(parents=True)
        to.write_bytes(made.read_bytes())
    second = made_bundle(
        tmp_path / "second", tmp_path / "results", ["fold0"], "a third key, of nobody", study="second"
    )
    assert [one.study for one in BundleNetworks(second).lineage] == ["second", "first"]
    said = refused(tiny_study, tmp_path, start_flags(second, key="the key of another site"))
    assert "women of study first" in said


def changed(**more: Any) -> str:
    return json.dumps(json.loads(HOLISTIC) | more)


def test_a_bundle_of_another_recipe_is_refused_with_the_key(
    tiny_study: TinyStudy, bundle: Path, tmp_path: Path
) -> None:
    said = refused(tiny_study, tmp_path, start_flags(bundle), changed(crop="pad_to_fit"))
    assert "in this study" in said and "networks/fold0/holistic.safetensors" in said
    assert '`train_holistic.crop`: "pad_to_fit" and "centre"' in said


def test_a_bundle_of_another_network_is_refused(tiny_study: TinyStudy, bundle: Path, tmp_path: Path) -> None:
    network = {"backbone": "resnet18", "imagenet_weights": None, "imagenet_sha256": None}
    said = refused(tiny_study, tmp_path, start_flags(bundle), changed(network=network))
    assert "weights of a resnet10, holistic model, wanted resnet18, holistic" in said


def tampered(folder: Path) -> None:
    path = folder / weights_name("fold0", "holistic")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def swapped(folder: Path) -> None:
    one, other = (folder / weights_name("fold0", model) for model in ("holistic", "attention"))
    one.write_bytes(other.read_bytes())
    sign(folder)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (tampered, "the file was changed, or damaged on its way. Copy the bundle anew"),
        (swapped, "weights of a resnet10, attention model, wanted resnet10, holistic"),
        (lambda folder: (folder / "bundle.json").unlink(), "bundle.json is missing"),
    ],
)
def test_a_spoilt_bundle_is_refused(
    tiny_study: TinyStudy, bundle: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    copy = made_bundle(
        tmp_path / "copy",
        _as_results(bundle, tmp_path / "results"),
        ["fold0", "fold1"],
    )
    spoil(copy)
    assert said in refused(tiny_study, tmp_path, start_flags(copy))


def _as_results(bundle: Path, results: Path) -> Path:
    for path in bundle.rglob("*.safetensors"):
        to = results / path.stem / path.parent.name / "model.safetensors"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(path.read_bytes())
    return results


def test_a_bundle_that_was_made_anew_since_the_run_began_is_refused(
    tiny_study: TinyStudy, bundle: Path, tmp_path: Path
) -> None:
    said = refused(tiny_study, tmp_path, start_flags(bundle, bundle="000000000000"))
    assert "wanted 000000000000: it was made anew since this run began" in said


def test_other_words_for_layers_are_refused(tiny_study: TinyStudy, bundle: Path, tmp_path: Path) -> None:
    said = refused(tiny_study, tmp_path, start_flags(bundle, layers="two"))
    assert "start_from.layers is 'two', wanted one of all, head" in said


def test_the_attention_model_of_an_adapted_holistic_one_says_so_without_a_bundle_of_its_own(
    tiny_study: TinyStudy, fold_0: Path, bundle: Path, tmp_path: Path
) -> None:
    holistic = fold_0 / "holistic/fold0/model.safetensors"
    start = {"bundle": "b1", "learned_from": []}
    save_network(load_network(holistic), read_facts(holistic) | {"start": start}, tmp_path / "h.safetensors")
    train_attention.main(
        [
            *tiny_study.cohort_flags(),
            "--rois",
            str(fold_0 / "attention/fold0/rois"),
            "--fold",
            "0",
            "--seed",
            "1",
        ]
        + ["--begin-with", str(tmp_path / "h.safetensors"), "--settings", ATTENTION]
        + ["--compute", COMPUTE, "--job", JOB, "--model", str(tmp_path / "m.safetensors")]
        + ["--history", str(tmp_path / "h.csv"), "--record", str(tmp_path / "r.json")]
    )
    assert read_facts(tmp_path / "m.safetensors")["start"] == start


def test_parts_of_which_nothing_learns_stay_in_eval_mode() -> None:
    network = start_network(train_holistic.NetworkSettings("efficientnet_b0"), 1)
    network.requires_grad_(False)
    network.classifier[1].requires_grad_(True)  # type: ignore[index]
    set_to_train(network)
    assert not any(module.training for module in network.features.modules())  # type: ignore[union-attr]
    assert network.classifier[0].training  # type: ignore[index]  # dropout before the layer that learns
    network.requires_grad_(True)
    set_to_train(network)
    assert all(module.training for module in network.modules())
