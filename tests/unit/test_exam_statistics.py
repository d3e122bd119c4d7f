import json

import numpy as np
import pytest
from scored_study import SETTINGS, exam_rows, run, write_study

from mammo_steps.core.calibration import Calibrator, calibrator
from mammo_steps.core.exam_facts import read_exam_facts, view_scores
from mammo_steps.core.localisation import Lesion
from mammo_steps.core.tables import read_table, write_rows


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    exams = exam_rows(240)
    for number in range(0, 240, 2):  # an outside model that scored half, without one of the folds' cancers
        exams[number]["wu2019"] = float(number % 7)
    write_study(folder, exams)
    run(folder, folder / "report", {**SETTINGS, "published_ran": True})
    return exams, json.loads((folder / "report" / "evaluation.json").read_text())


def test_operating_points_are_of_every_model_and_reader_on_the_exams_both_have(evaluated):
    exams, found = evaluated
    rows = [row for row in found["operating_points"] if row["endpoint"] == "screen_detected"]
    assert {row["model"] for row in rows} == {"holistic", "attention", "ensemble", "wu2019"}
    assert {row["scale"] for row in rows} == {"raw", "standardised_per_fold"}
    by = {(row["model"], row["reader"]): row for row in rows if row["scale"] == "raw"}
    known = [exam for exam in exams if exam["outcome"] != "unknown"]
    first, both = by["holistic", "reader_1"], by["holistic", "either"]
    assert first["n_positive"] + first["n_negative"] == len(known)
    assert both["n_positive"] + both["n_negative"] == sum(e["reader_2"] is not None for e in known)
    half = by["wu2019", "reader_1"]
    assert half["n_positive"] + half["n_negative"] == sum(e["wu2019"] is not None for e in known)
    cancers = [exam for exam in known if exam["outcome"] == "screen_detected"]
    assert first["of_reader"]["sensitivity"] == pytest.approx(
        np.mean([exam["reader_1"] >= 1 for exam in cancers])
    )
    assert first["prevalence"] == 0.005


def test_calibrators_can_be_read_back_and_a_target_prevalence_is_a_shift(evaluated):
    _, found = evaluated
    row = next(
        r for r in found["calibration"] if (r["model"], r["endpoint"]) == ("ensemble", "screen_detected")
    )
    assert [one["fold"] for one in row["calibrators"]] == [0, 1]
    one = Calibrator(**row["calibrator_of_all_folds"])
    low, high = one.probabilities(np.array([-3.0, 3.0]), "logistic")
    assert 0 < low < row["prevalence"] < high < 1
    assert row["prevalence"] == pytest.approx(30 / 210)
    assert row["logit_shift"] == pytest.approx(np.log(0.005 / 0.995) - np.log(30 / 180), abs=1e-4)
    for kind in row["kinds"]:
        assert sum(bin["n"] for bin in kind["reliability"]) == row["n_positive"] + row["n_negative"]
    assert {r["endpoint"] for r in found["calibration"]} == {
        "screen_detected",
        "screen_detected_or_interval",
    }


def test_triage_has_a_table_for_each_model(evaluated):
    _, found = evaluated
    assert [row["model"] for row in found["triage"]] == ["holistic", "attention", "ensemble", "wu2019"]
    table = found["triage"][0]["table"]
    assert table["share_below"][0] == 0 and table["share_below"][-1] == 1
    assert table["screen_detected_below"][-1] == 30
    assert max(map(len, table.values())) <= 101


def test_a_limit_of_the_triage_parts_the_exams_as_the_counts_beside_it_say(evaluated):
    exams, found = evaluated
    known = [exam for exam in exams if exam["outcome"] != "unknown"]
    scores = np.array([exam["holistic"] for exam in known])
    table = found["triage"][0]["table"]
    assert [None if limit is None else int((scores < limit).sum()) for limit in table["limit"][:-1]] == table[
        "n_below"
    ][:-1]
    assert table["limit"][-1] is None


def test_a_calibrator_is_stored_as_it_was_fitted(evaluated):
    exams, found = evaluated
    row = found["calibration"][0]
    known = [exam for exam in exams if exam["outcome"] != "unknown"]
    scores = np.array([exam["holistic"] for exam in known])
    positive = np.array([exam["outcome"] == "screen_detected" for exam in known])
    assert Calibrator(**row["calibrator_of_all_folds"]) == calibrator(scores, positive)
    fold = np.array([exam["fold"] for exam in known])
    stored = {one.pop("fold"): one for one in map(dict, row["calibrators"])}
    assert Calibrator(**stored[0]) == calibrator(scores[fold != 0], positive[fold != 0])


def test_subgroups_are_by_timing_view_and_machine_with_their_numbers(evaluated):
    _, found = evaluated
    rows = [row for row in found["subgroups"] if row["endpoint"] == "screen_detected_or_interval"]
    by = {(row["model"], row["by"], row["group"]): row for row in rows}
    interval = by["attention", "outcome", "interval"]
    assert (interval["n_positive"], interval["n_negative"], interval["small"]) == (30, 150, False)
    assert interval["auc"] < by["attention", "outcome", "screen_detected"]["auc"]
    assert by["holistic", "view", "CC"]["auc"] == 0.5  # the made margins are all 0
    assert ("holistic", "lesion_type", "mass") in by
    assert not any(row["by"] == "vendor" for row in rows)  # one maker only


def test_without_readers_and_with_one_fold_the_parts_say_so(tmp_path):
    exams = [
        {**exam, "reader_1": None, "reader_2": None, "two_readers": None, "fold": 0} for exam in exam_rows()
    ]
    write_study(tmp_path, exams)
    run(tmp_path, tmp_path / "report")
    found = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert found["operating_points"] == []
    assert all("classes" in row["why"] for row in found["calibration"])
    assert "unread.recall_rate" not in found["triage"][0]["table"]


def test_an_exams_view_score_is_the_larger_breasts_sum_over_its_images(tmp_path):
    rows = [
        ("L", "CC", "test", 1.0),
        ("L", "CC", "test", 1.5),
        ("R", "CC", "test", 2.0),
        ("L", "MLO", "test", -1.0),
        ("R", "MLO", "train", 9.0),
    ]
    write_rows(
        tmp_path / "h.parquet",
        "holistic_scores",
        [
            {
                **{"image_id": f"i{number}", "patient_id": "p", "exam_id": "e", "fold": 0},
                **{"laterality": side, "view": view, "role": role, "margin": margin},
                **{"coa_row": 0.0, "coa_col": 0.0, "coa_fallback": False, "top_outside_breast": 0.0},
                **{"further_coa_rows": [], "further_coa_cols": [], "top_spread_px": 0.0},
            }
            for number, (side, view, role, margin) in enumerate(rows)
        ],
    )
    found = view_scores([tmp_path / "h.parquet"], ["e", "other"])
    assert found["CC"][0] == 2.5 and found["MLO"][0] == -1.0
    assert np.isnan([found["CC"][1], found["MLO"][1]]).all()


def test_facts_come_in_the_order_of_the_exams_and_unknown_is_a_group(tmp_path):
    write_study(tmp_path, exam_rows(16))
    images = tmp_path / "images.parquet"
    facts = read_exam_facts(images, [], ["e003", "none"], {}, 5)
    assert facts.groups["vendor"] == ["other", "unknown"]
    assert facts.groups["age_years"] == facts.groups["exam_year"] == ["unknown", "unknown"]
    assert facts.lesion_types == ["", ""] and facts.of_one_view == {}
    image_id = read_image_of(images, "e003")
    lesions = {image_id: [Lesion("mass", True, 1, 1), Lesion("cyst", False, 1, 1)]}
    assert read_exam_facts(images, [], ["e003"], lesions, 5).lesion_types == ["mass"]


def test_density_and_kind_of_cancer_make_groups(tmp_path):
    exams = exam_rows(16)
    write_study(tmp_path, exams)
    rows = read_table(tmp_path / "images.parquet", "images").to_pylist()
    cancer = next(exam["exam_id"] for exam in exams if exam["outcome"] == "screen_detected")
    for row in rows:
        row |= {"density": "C", "cancer_type": "in_situ" if row["exam_id"] == cancer else None}
    write_rows(tmp_path / "more.parquet", "images", rows)
    facts = read_exam_facts(tmp_path / "more.parquet", [], [cancer, "e003", "none"], {}, 5)
    assert facts.groups["density"] == ["C", "C", "unknown"]
    assert facts.cancer_types == ["in_situ", "", ""]


def read_image_of(images, exam_id):
    table = read_table(images, "images", ["image_id", "exam_id"]).to_pylist()
    return next(row["image_id"] for row in table if row["exam_id"] == exam_id)
