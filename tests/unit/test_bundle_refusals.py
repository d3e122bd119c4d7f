"""A bundle that someone has changed, new checksums and all, is refused as far as its networks can tell."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from made_bundle import sign
from tiny_study import ROIS

from mammo_steps.core.bundle import open_bundle
from mammo_steps.core.bundle_about import without_rules
from mammo_steps.core.bundle_names import sums_of
from mammo_steps.core.bundle_settings import bundle_sections, recipe_of_settings, take_settings_of
from mammo_steps.core.geometry import RoiSize
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.study import StudyError, read_config

REPO = Path(__file__).resolve().parents[2]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def change(folder: Path, name: str, how: Change) -> None:
    found = json.loads((folder / name).read_text())
    how(found)
    (folder / name).write_text(json.dumps(found))
    sign(folder)


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:
        open_bundle(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "said"),
    [
        ("crop_rois", "side_px", 48, "`crop_rois.side_px`: 48 and 32"),
        ("crop_rois", "mm_per_px", 0.1, "`crop_rois.mm_per_px`: 0.1 and not there"),
        ("locate_coa", "test_time_flip", True, "`locate_coa.test_time_flip`: true and false"),
        ("locate_coa", "coas_per_image", 3, "`locate_coa.coas_per_image`: 3 and not there"),
        ("make_shards", "holistic_bits", 16, "`make_shards.settings.holistic_bits`: 16 and 8"),
        ("read_headers", "presentation_intent", "FOR PROCESSING", '`list_images.intent`: "processing" and "pres'),
        ("train_holistic", "input_px", 64, "holistic.safetensors: `input_px` is 32 in its header, bundle.json says 64"),
        ("train_holistic", "crop", "pad_to_fit", "`crop` is 'centre' in its header, bundle.json says 'pad_to_fit'"),
        ("train_holistic", "mm_per_px", 0.3, "`mm_per_px` is None in its header, bundle.json says 0.3"),
        ("train_attention", "input_px", 64, "attention.safetensors: `input_px` is 32 in its header, bundle.json says"),
    ],
)  # fmt: skip
def test_a_setting_that_the_networks_contradict_is_refused_with_both_values(
    copy: Path, section: str, key: str, value: object, said: str
) -> None:
    change(copy, "bundle.json", lambda about: about["settings"][section].update({key: value}))
    assert said in (text := refusal(copy)) and "make_bundle`" in text and str(copy) in text


def other_recipe(about: dict[str, Any]) -> None:
    about["recipe_parts"][4][1]["side_px"] = 48
    parts = Recipe(tuple((step, own) for step, own in about["recipe_parts"]))
    about["recipe"] = parts.hash


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (other_recipe, "`crop_rois.side_px`: 48 and 32. bundle.json was changed since"),
        (lambda a: a.update(recipe="0" * 12), "bundle.json bears the recipe 000000000000, its parts give"),
        (lambda a: a.update(recipe_parts=[1]), "`recipe_parts` is [1], wanted pairs of a step and its settings"),
        (lambda a: a.update(members=[]), "bundle.json: `members` is [], wanted the names of networks"),
        (lambda a: a.update(members=["fold0", "fold0"]), "`members` is fold0, fold0, the bundle's networks are net"),
        (lambda a: a.update(members=["fold7"]), "`members` is fold7, the bundle's networks are networks/fold0/att"),
        (lambda a: a.update(synthetic="no"), "bundle.json: `synthetic` is 'no', wanted a bool"),
        (lambda a: a.pop("study"), "bundle.json: `study` is None, wanted a str"),
        (lambda a: a["settings"].pop("compute"), "bundle.json: `settings.compute` is None, wanted a section"),
        (lambda a: a["settings"]["crop_rois"].clear(), "bundle.json: `settings` lacks 'side_px'"),
        (lambda a: a["settings"]["locate_coa"].clear(), "bundle.json: `settings` lacks 'coas_per_image'"),
    ],
)  # fmt: skip
def test_a_bundle_json_that_does_not_say_what_it_has_to_is_refused(
    copy: Path, how: Change, said: str
) -> None:
    change(copy, "bundle.json", how)
    assert said in refusal(copy)


def test_networks_in_each_other_s_folders_are_refused(copy: Path) -> None:
    (copy / "networks/fold0").rename(copy / "networks/fold1")
    change(copy, "bundle.json", lambda about: about.update(members=["fold1"]))
    assert "its header says fold 0, its folder is fold1: they were swapped" in refusal(copy)


@pytest.mark.parametrize("name", ["bundle.json", "reference.json", "calibration.json", "cohort.json"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds a JSON list, wanted an object"),
        ('{"a": ', "cannot be read as JSON (Expecting value"),
        ('{"a": NaN}', "cannot be read as JSON (NaN in it, wanted finite numbers"),
        ("[" * 100_000, "cannot be read as JSON (maximum recursion depth"),
    ],
)
def test_a_file_that_is_no_json_object_is_named(copy: Path, name: str, text: str, said: str) -> None:
    (copy / name).write_text(text)
    sign(copy)
    assert f"{copy / name} {said}" in refusal(copy)


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        ("reference.json", lambda r: r["at"].pop(), "`at` is a list of 1,000, wanted 0 to 1 in 1001"),
        ("reference.json", lambda r: r["quantiles"]["exam"]["ensemble"].pop(),
         "`quantiles.exam.ensemble` is a list of 1,000, wanted 1,001 finite numbers that do not fall"),
        ("reference.json", lambda r: r["quantiles"]["image"]["holistic"].reverse(),
         "`quantiles.image.holistic` is a list of 1,001, wanted 1,001 finite numbers that do not fall"),
        ("reference.json", lambda r: r.pop("quantiles"), "`quantiles.exam.holistic` is None, wanted 1,001 finite"),
        ("cohort.json", lambda c: c.clear(), "`words` is None, wanted an object"),
        ("cohort.json", lambda c: c.update(machines=[1]), "`numbers` is None, wanted an object"),
        ("cohort.json", lambda c: c["words"].update(vendor=3), "`words.vendor` is 3, wanted words with their counts"),
        ("cohort.json", lambda c: c["numbers"]["breast_share"]["quantiles"].pop(),
         "`numbers.breast_share.quantiles` is a list of 100, wanted 101 finite numbers"),
        ("calibration.json", lambda c: c.clear(), "`probability_of`, entry 0, is None, wanted a network"),
        ("calibration.json", lambda c: c["probability_of"][1].update(prevalence=1.5), "`probability_of`, entry 1"),
        ("calibration.json", lambda c: c["probability_of"][0]["calibrator"].pop("slope"), "`probability_of`, entry 0"),
        ("calibration.json", lambda c: c["probability_of"][0].update(logit_shift=10**400), "`probability_of`, entry 0"),
        ("calibration.json", lambda c: c["probability_of"][0].update(network=[]), "`probability_of`, entry 0"),
        ("calibration.json", lambda c: c["thresholds"].append({"network": 1}), "is {'network': 1}"),
    ],
)  # fmt: skip
def test_a_reference_that_would_silently_mislead_is_refused(
    copy: Path, name: str, how: Change, said: str
) -> None:
    change(copy, name, how)
    text = refusal(copy)
    assert said in text and f"{copy / name}: " in text


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda text: text + b"garbage\n", "SHA256SUMS, line 9: 'garbage', wanted 64 hex digits, two spaces"),
        (lambda text: text.replace(b"  ", b" *"), "SHA256SUMS, line 1: "),
        (lambda text: text.replace(b"\n", b"\r\n"), "SHA256SUMS, line 1: "),
        (lambda text: text + text[:80], "SHA256SUMS, line 9: "),
        (lambda text: text[:-1], "SHA256SUMS, line 8: "),
        (lambda text: b"\n" + text, "SHA256SUMS, line 1: ''"),
        (lambda text: b"\xff" + text, "SHA256SUMS, line 1: "),
    ],
)  # fmt: skip
def test_checksums_in_any_other_text_are_refused_with_the_line(
    copy: Path, how: Callable[[bytes], bytes], said: str
) -> None:
    sums = copy / "SHA256SUMS"
    assert len(sums_of(copy)) == 8
    sums.write_bytes(how(sums.read_bytes()))
    assert said in refusal(copy)


def test_links_and_hidden_files_are_refused_but_for_our_own(copy: Path, tmp_path: Path) -> None:
    (copy / ".snakemake_timestamp").touch()
    (copy / ".bundle.json.manifest.json").touch()
    open_bundle(copy)
    (copy / "more").symlink_to(tmp_path, target_is_directory=True)
    assert "more, a link or a device, wanted plain files" in refusal(copy)
    (copy / "more").unlink()
    (copy / ".hidden").touch()
    assert "has beside its own .hidden" in refusal(copy)


def test_a_file_without_a_checksum_and_without_itself_is_missed(copy: Path) -> None:
    (copy / "cohort.json").unlink()
    sign(copy)
    assert "has no checksum in SHA256SUMS of cohort.json" in refusal(copy)


def test_the_recipe_of_settings_is_that_of_the_steps_for_several_rois_at_one_scale_too() -> None:
    # (that of the paper's settings is held against the tiny study's networks by every test that opens a bundle)
    from mammo_steps import crop_rois

    sections = bundle_sections(read_config(REPO / "config"))
    sections["crop_rois"] = {**json.loads(ROIS), "mm_per_px": 0.1}
    sections["locate_coa"] = {**sections["locate_coa"], "coas_per_image": 3}
    sections["train_holistic"]["mm_per_px"] = 0.3
    parts = dict(recipe_of_settings(sections).parts)
    assert parts["train_holistic"]["mm_per_px"] == 0.3
    assert parts["locate_coa"] == {
        "top_fraction": sections["locate_coa"]["top_fraction"],
        "test_time_flip": sections["locate_coa"]["test_time_flip"],
        "coas_per_image": 3,
        "roi": asdict(RoiSize(32, 0.1)),
    }
    assert parts["crop_rois"] == asdict(crop_rois.RoiSettings(**sections["crop_rois"]))
    assert without_rules(recipe_of_settings(sections)) == recipe_of_settings(sections)


@pytest.mark.parametrize("text", ["[]", '{"settings": {}}', '{"settings": []}', "{"])
def test_a_workflow_is_told_of_a_bundle_json_without_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "bundle.json").write_text(text)
    config = read_config(REPO / "config")
    config["predict"]["bundle"] = str(tmp_path)
    with pytest.raises(StudyError, match=r"`predict.bundle`: .*bundle.json cannot be read"):
        take_settings_of(config)
