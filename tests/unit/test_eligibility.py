"""eligibility: which exams stay, and the one reason of each that does not."""

from typing import Any

import pandas as pd
import pytest

from mammo_steps.core.eligibility import ORDER, Rules, best_first, exam_reasons
from mammo_steps.core.flow import STEPS, check_sums

ANY = Rules(age_range=None, follow_up_months=None, n_images=4)
FOLLOWED = Rules(age_range=None, follow_up_months=24, n_images=4)
GOOD: dict[str, Any] = {
    "patient_id": "w",
    "label_patient_id": "w",
    "n_women": 1,
    "outcome": "normal",
    "cancer_laterality": None,
    "has_L": True,
    "has_R": True,
    "exam_day": 100.0,
    "exam_year": 2010.0,
    "age_years": 60.0,
    "follow_up_months": None,
    "missing": "",
    "n_images": 4,
}


def reasons(rules: Rules, **exams: dict[str, Any]) -> dict[str, str | None]:
    """The reason of each exam; each is given by what differs from GOOD."""
    frame = pd.DataFrame([GOOD | changes for changes in exams.values()], index=list(exams))
    frame["follow_up_months"] = frame["follow_up_months"].astype("float64")
    found = exam_reasons(frame, rules)
    return {exam: None if pd.isna(found[exam]) else str(found[exam]) for exam in exams}


def test_exams_after_a_diagnosis_are_out_and_earlier_ones_stay() -> None:
    found = reasons(
        ANY,
        before={"exam_day": 1},
        cancer={"exam_day": 2, "outcome": "screen_detected"},
        same_day={"exam_day": 2},
        second_cancer={"exam_day": 3, "outcome": "interval"},
        other_woman={"exam_day": 3, "patient_id": "v", "label_patient_id": "v"},
    )
    assert found == {
        "before": None,
        "cancer": None,
        "same_day": None,
        "second_cancer": "after_cancer",
        "other_woman": None,
    }


def test_a_prior_is_followed_by_its_cancer_and_does_not_put_it_out() -> None:
    found = reasons(
        ANY,
        prior={"exam_day": 1, "outcome": "prior"},
        cancer={"exam_day": 2, "outcome": "screen_detected"},
    )
    assert found == {"prior": None, "cancer": None}


def test_exams_are_ordered_by_year_where_a_day_is_not_known() -> None:
    found = reasons(
        ANY,
        before={"exam_day": None, "exam_year": 2009},
        cancer={"exam_day": 5, "exam_year": 2010, "outcome": "interval"},
        same_year={"exam_day": None, "exam_year": 2010},
        after={"exam_day": None, "exam_year": 2011},
        undated={"exam_day": None, "exam_year": None},
    )
    assert [exam for exam, reason in found.items() if reason] == ["after"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"follow_up_months": 24}, None),
        ({"follow_up_months": 23}, "short_follow_up"),
        ({}, "short_follow_up"),
        ({"outcome": "benign"}, None),
        ({"outcome": "interval", "follow_up_months": 3}, None),
    ],
)
def test_only_normal_needs_follow_up(changes: dict[str, Any], reason: str | None) -> None:
    assert reasons(FOLLOWED, exam=changes) == {"exam": reason}


def test_a_later_cancer_free_exam_is_follow_up() -> None:
    found = reasons(
        FOLLOWED,
        first={"exam_day": 1},
        second={"exam_day": 2, "outcome": "benign"},
        last={"exam_day": 3},
    )
    assert found == {"first": None, "second": None, "last": "short_follow_up"}


def test_neither_a_later_cancer_nor_an_exam_after_it_is_follow_up() -> None:
    found = reasons(
        FOLLOWED,
        first={"exam_day": 1},
        cancer={"exam_day": 2, "outcome": "screen_detected"},
        after={"exam_day": 3},
    )
    assert found == {"first": "short_follow_up", "cancer": None, "after": "after_cancer"}


def test_the_age_range_holds_its_limits_and_an_unknown_age_is_out() -> None:
    rules = Rules(age_range=(50, 69), follow_up_months=None, n_images=4)
    found = reasons(rules, **{f"a{age}": {"age_years": age} for age in (49, 50, 69, 70, None)})
    assert found == {
        "a49": "outside_age_range",
        "a50": None,
        "a69": None,
        "a70": "outside_age_range",
        "aNone": "age_unknown",
    }


def test_a_cancer_needs_a_file_of_its_breast() -> None:
    right = {"outcome": "screen_detected", "cancer_laterality": "R"}
    found = reasons(
        ANY,
        right=right | {"has_L": False},
        wrong=right | {"has_R": False},
        both=right | {"has_L": False, "cancer_laterality": "both"},
        unknown=right | {"has_L": False, "cancer_laterality": None},
    )
    assert [exam for exam, reason in found.items() if reason == "laterality_contradicts_label"] == [
        "wrong",
        "both",
    ]


def test_an_exam_leaves_for_the_first_reason_of_the_order() -> None:
    bad = {"missing": " L-CC", "n_images": 5, "outcome": "unknown", "n_women": 2}
    assert reasons(ANY, exam=bad) == {"exam": "patient_contradicts_label"}
    assert reasons(ANY, exam=bad | {"n_women": 1}) == {"exam": "outcome_unknown"}
    assert reasons(ANY, exam={"missing": " L-CC", "n_images": 5}) == {"exam": "incomplete_exam"}
    assert reasons(ANY, exam={"n_images": 5}) == {"exam": "extra_images"}


def test_every_reason_of_the_order_is_a_step_of_the_flow_chart() -> None:
    assert set(ORDER) == set(STEPS)


def test_a_file_that_is_neither_in_nor_out_stops_the_run() -> None:
    files = pd.DataFrame({"file_id": ["f1", "f2"]})
    exams = pd.DataFrame({"reason": [None], "outcome": ["normal"]}, index=["e1"])
    images = pd.DataFrame({"exam_id": ["e1"]})
    excluded = pd.DataFrame({"level": []})
    with pytest.raises(RuntimeError, match="2 files, but 1 in the cohort and 0 excluded"):
        check_sums(files, exams, exams, images, excluded)


BEST = {"implant_displaced": False, "partial": False, "synthetic": False, "height_px": 300, "width_px": 200}
BEST |= {"acquired_s": 9.0, "image_id": "i1"}


@pytest.mark.parametrize(
    (
        "worse",
        "better",
    ),  # each pair differs in what decides; whatever comes after it speaks for the worse one
    [
        ({"implant_displaced": True}, {"partial": True}),
        ({"partial": True}, {"synthetic": True}),
        ({"synthetic": True, "height_px": 400}, {"height_px": 100}),
        ({"width_px": 199}, {"acquired_s": 1.0}),
        ({"acquired_s": 8.0, "image_id": "i0"}, {"image_id": "i2"}),
        ({"acquired_s": None, "image_id": "i0"}, {"acquired_s": 0.0}),
        ({"image_id": "i2"}, {}),
    ],
)
def test_of_two_images_of_a_view_the_first_difference_of_the_order_decides(
    worse: dict[str, Any], better: dict[str, Any]
) -> None:
    for rows in ([worse, better], [better, worse]):
        ranked = best_first(pd.DataFrame([BEST | row for row in rows]))
        assert rows[ranked.index[0]] is better


def test_a_flag_that_no_header_sets_is_taken_as_the_usual_case() -> None:
    rows = [
        BEST | {"image_id": name, "synthetic": flag}
        for name, flag in (("c", True), ("b", None), ("a", False))
    ]
    assert best_first(pd.DataFrame(rows))["image_id"].tolist() == ["a", "b", "c"]
    silent = pd.DataFrame([BEST | {"synthetic": None, "image_id": name} for name in "ba"])
    assert best_first(silent)["image_id"].tolist() == ["a", "b"]
