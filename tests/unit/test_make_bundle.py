"""A bundle: what is in it, what is not, and that nobody can change it unseen."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import bundled_study
import numpy as np
import pandas as pd
import pytest
from bundled_study import bundle_of
from scored_study import SETTINGS, exam_rows, run, write_study
from tiny_study import KEY

from mammo_steps.core.bundle import check_rules, open_bundle
from mammo_steps.core.bundle_names import bundle_id
from mammo_steps.core.damage import DamagedError
from mammo_steps.core.ids import key_tag
from mammo_steps.core.network import load_network
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.reference import (
    Reference,
    calibration_of,
    reference_of,
    thresholds_of,
    without_probability,
)
from mammo_steps.core.todays_recipe import todays_recipe
from mammo_steps.make_bundle import without_paths


@pytest.fixture
def copy(tiny_bundle, tmp_path):
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def sign(folder: Path) -> None:
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    lines = [
        f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names if n != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def test_a_bundle_holds_weights_settings_reference_and_cards_and_sha256sum_finds_it_whole(tiny_bundle):
    names = {p.relative_to(tiny_bundle).as_posix() for p in tiny_bundle.rglob("*") if p.is_file()}
    assert names == {
        "bundle.json", "cohort.json", "reference.json", "calibration.json", "model_card.md", "data_card.md",
        "SHA256SUMS",
        "networks/fold0/holistic.safetensors", "networks/fold0/attention.safetensors",
    }  # fmt: skip
    told = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tiny_bundle, capture_output=True, check=True)
    assert told.stdout.count(b": OK") == 8


def test_a_cohort_that_changes_after_opening_changes_nothing_under_the_same_id(copy):
    bundle = open_bundle(copy)
    wanted = json.loads((copy / "cohort.json").read_text())
    (copy / "cohort.json").write_text("{}")
    assert bundle.cohort == wanted


def test_its_networks_are_those_of_the_study(tiny_bundle, fold_0):
    bundle = open_bundle(tiny_bundle)
    for model in ("holistic", "attention"):
        one = load_network(bundle.weights("fold0", model)).state_dict()
        other = load_network(fold_0 / model / "fold0/model.safetensors").state_dict()
        assert all((one[name] == other[name]).all() for name in other)


def test_no_pseudonym_path_or_host_stands_in_it(tiny_bundle, tiny_study):
    women = pd.read_parquet(tiny_study.cohort("exams.parquet"))
    words = [*women["patient_id"], *women["exam_id"], str(tiny_study.root), "/tmp/", KEY]
    for path in tiny_bundle.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in words if word.encode() in content], path.name


def test_it_tells_whose_key_made_its_pseudonyms_and_no_more_of_it(tiny_bundle):
    about = json.loads((tiny_bundle / "bundle.json").read_text())
    assert about["key_tag"] == key_tag(KEY) != key_tag(KEY + "x") and len(about["key_tag"]) == 16


def test_the_same_study_gives_the_same_bundle(tiny_study, fold_0, tiny_bundle, tmp_path):
    assert bundle_id(bundle_of(tiny_study, fold_0, tmp_path)) == bundle_id(tiny_bundle)


def test_an_evaluation_that_lacks_something_is_named(tiny_study, fold_0, tmp_path, monkeypatch):
    whole = bundled_study.calibration("ensemble")
    row = {key: value for key, value in whole.items() if key != "prevalence"}
    monkeypatch.setattr(bundled_study, "calibration", lambda network: row)
    with pytest.raises(DamagedError, match=r"evaluation.json.*it holds no 'prevalence'"):
        bundle_of(tiny_study, fold_0, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "bundle.json",
        "reference.json",
        "calibration.json",
        "model_card.md",
        "networks/fold0/holistic.safetensors",
    ],
)
def test_a_changed_byte_anywhere_is_refused_by_the_file_s_name(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(
        ValueError, match=rf"{name} was changed: its sha256 is .* SHA256SUMS says .*copy the bundle"
    ):
        open_bundle(copy)


def test_a_missing_file_and_one_too_many_are_refused(copy):
    (copy / "extra.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match="has beside its own extra.bin"):
        open_bundle(copy)
    (copy / "extra.bin").unlink()
    (copy / "reference.json").unlink()
    with pytest.raises(ValueError, match="lacks reference.json"):
        open_bundle(copy)
    (copy / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match="is no bundle, or not a whole one: it has no SHA256SUMS"):
        open_bundle(copy)


def test_checksums_of_files_elsewhere_are_refused(copy):
    with (copy / "SHA256SUMS").open("a") as file:
        file.write("0" * 64 + "  ../../etc/passwd\n")
    with pytest.raises(ValueError, match="names files outside the bundle"):
        open_bundle(copy)


def test_another_version_is_refused(copy):
    about = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(about | {"version": 2}))
    sign(copy)
    with pytest.raises(ValueError, match="is a bundle of version 2, this code reads version 1"):
        open_bundle(copy)


def test_a_swapped_class_order_is_refused(copy):
    about = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(about | {"classes": about["classes"][::-1]}))
    sign(copy)
    with pytest.raises(ValueError, match="class order is .'positive', 'negative'., wanted"):
        open_bundle(copy)


def test_rules_of_another_version_of_the_code_are_refused_with_the_rule(tiny_bundle):
    bundle = open_bundle(tiny_bundle)
    check_rules(bundle, todays_recipe(bundle.recipe))
    parts = [(step, {**own, "rules": {**own["rules"], "version": 99}} if step == "crop_rois" else own)
             for step, own in bundle.recipe.parts]  # fmt: skip
    with pytest.raises(
        ValueError, match=r"`crop_rois.rules.version`: 99 and 1. The networks would see other pixels"
    ):
        check_rules(bundle, Recipe(tuple(parts)))


def test_members_that_it_does_not_have_are_refused(tiny_bundle):
    with pytest.raises(ValueError, match="has no networks fold7: it has fold0"):
        open_bundle(tiny_bundle, ["fold7"])


def test_the_folder_of_imagenet_s_weights_stays_at_home():
    facts = {"settings": {"network": {"imagenet_weights": "/home/jane/weights/resnet.pth"}}}
    assert without_paths(facts)["settings"]["network"]["imagenet_weights"] == "resnet.pth"


def image_table(scores, outcome="normal"):
    """Exams of two breasts with two images each; an exam's score is the larger breast's sum."""
    rows = []
    for number, score in enumerate(scores):
        for side, share in (("L", 0.5), ("R", 0.0)):
            for view in ("a", "b"):
                own = dict.fromkeys(("holistic", "attention", "ensemble"), score * share)
                rows.append(
                    {
                        "image_id": f"{number:04d}{side}{view}",
                        "exam_id": f"e{number:04d}",
                        "laterality": side,
                        **own,
                    }
                    | {"outcome": outcome}
                )
    return pd.DataFrame(rows)


def test_a_percentile_is_the_share_of_exams_without_cancer_that_score_lower():
    table = pd.concat(
        [image_table(range(101)), image_table([1000] * 5, "screen_detected")], ignore_index=True
    )
    found = Reference(reference_of(table), {})
    assert found.scores["n_exams"] == 101
    assert [found.percentile("exam", "ensemble", score) for score in (-5, 0, 25, 100, 500)] == [
        0,
        0,
        25,
        100,
        100,
    ]
    assert found.percentile("image", "holistic", 50) == 100


def test_limits_of_scores_have_the_specificity_that_they_tell():
    scores = pd.DataFrame({"outcome": ["normal"] * 100 + ["screen_detected"] * 10})
    for network in ("holistic", "attention", "ensemble"):
        scores[network] = [*range(100), *range(80, 180, 10)]
    row = next(
        r for r in thresholds_of(scores, "negative") if r["network"] == "ensemble" and r["specificity"] == 0.9
    )
    # 10 of 100 at 90 or above; of the ten cancers 80, 90, ..., 170 nine
    assert (row["score"], row["sensitivity"], row["n_positive"], row["n_negative"]) == (90, 0.9, 10, 100)


@pytest.mark.parametrize(("prior", "n_negative"), [("negative", 60), ("leave_out", 50)])
def test_limits_of_scores_count_the_exams_that_the_reports_aucs_count(tmp_path, prior, n_negative):
    write_study(tmp_path, exam_rows())  # 80 exams: 10 screen-detected, 10 priors, 10 unknown
    run(tmp_path, tmp_path / "report", SETTINGS | {"prior": prior})
    evaluation = json.loads((tmp_path / "report/evaluation.json").read_text())
    scores = pd.read_parquet(tmp_path / "exams.parquet")
    aucs = pd.read_csv(tmp_path / "report/auc.csv").query("protocol == 'all' and pooling == 'pooled'")
    wanted = {(row.model, row.endpoint): (row.n_positive, row.n_negative) for row in aucs.itertuples()}
    found = calibration_of(evaluation, scores)["thresholds"]
    assert {row["endpoint"] for row in found} == {"screen_detected", "screen_detected_or_interval"}
    for row in found:
        assert (row["n_positive"], row["n_negative"]) == wanted[row["network"], row["endpoint"]]
    assert found[0]["n_negative"] == n_negative


@pytest.mark.parametrize(("slope", "n_told"), [(0.4, 1), (0.0, 0), (-0.1, 0)])
def test_a_probability_that_would_fall_as_the_score_rises_is_none(slope, n_told):
    row = {"model": "holistic", "endpoint": "screen_detected", "n_positive": 3, "n_negative": 5}
    row |= {"prevalence": 0.4, "logit_shift": 0.0, "calibrator_of_all_folds": {"slope": slope}}
    evaluation = {"calibration": [row], "prior": "negative"}
    scores = pd.DataFrame({"outcome": ["normal"], "holistic": [0.0], "attention": [0.0], "ensemble": [0.0]})
    found = calibration_of(evaluation, scores)
    assert len(found["probability_of"]) == n_told
    wanted = [] if n_told else [("holistic", "screen_detected")]
    assert without_probability(evaluation, found) == wanted


def test_a_probability_is_at_the_stated_prevalence(tiny_bundle):
    reference = open_bundle(tiny_bundle).reference
    one = "screen_detected_or_interval"
    assert reference.probability("ensemble", 0.0, one) == pytest.approx(0.5)
    assert reference.prevalence("ensemble", one) == pytest.approx(0.5)
    assert reference.probability("ensemble", 0.0, "screen_detected") is None
    rows = [dict(row) for row in reference.calibration["probability_of"]]
    for row in rows:
        row["logit_shift"] = float(np.log(0.01 / 0.99))
    rare = Reference(reference.scores, {"probability_of": rows})
    assert rare.prevalence("ensemble", one) == pytest.approx(0.01)
    assert rare.probability("ensemble", 0.0, one) == pytest.approx(0.01)
