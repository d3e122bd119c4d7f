import numpy as np
import pytest

from mammo_steps.core.auc import auc
from mammo_steps.core.auc_interval import SCORE
from mammo_steps.core.subgroups import (
    Truth,
    age_bands,
    groups_of,
    groups_of_positives,
    subgroup_row,
    subgroups,
)


def truth_of(positive):
    return Truth(np.ones(positive.size, bool), positive, np.arange(positive.size), SCORE)


def test_the_band_of_the_oldest_has_no_upper_end():
    assert age_bands([89, 90], 5) == ["85-89", "90+"]
    assert age_bands([83, 84, 90], 7) == ["77-83", "84+", "84+"]


def test_ages_fall_into_bands():
    assert age_bands([50, 54, 55, None, 49], 5) == ["50-54", "50-54", "55-59", "unknown", "45-49"]


def test_each_group_has_the_auc_of_its_exams_and_small_ones_are_marked():
    generator = np.random.default_rng(0)
    positive = np.arange(200) % 5 == 0
    vendor = ["ge" if i < 170 else "siemens" for i in range(200)]
    scores = generator.standard_normal(200) + positive
    scores[3] = np.nan
    large, small = subgroups({"m": scores}, truth_of(positive), groups_of("vendor", vendor), 10)
    inside = (np.arange(200) < 170) & np.isfinite(scores)
    assert (large["group"], large["n_positive"], large["n_negative"], large["small"]) == (
        "ge",
        34,
        135,
        False,
    )
    assert large["auc"] == auc(scores[inside], positive[inside])
    assert (small["n_positive"], small["small"]) == (6, True)
    assert small["ci_low"] < small["auc"] < small["ci_high"]
    assert groups_of("vendor", ["ge"] * 3) == []


def test_one_cancer_gives_a_wide_interval_and_none_is_not_estimable():
    positive = np.array([True] + [False] * 30)
    with_it, without = groups_of("year", ["2001"] * 30 + ["2002"])
    row = subgroup_row(np.arange(31.0)[::-1], truth_of(positive), with_it, 10)
    assert (row["auc"], row["small"], row["ci_method"]) == (1.0, True, "binormal_score")
    assert row["ci_high"] - row["ci_low"] > 0.5
    none = subgroup_row(np.arange(31.0), truth_of(positive), without, 10)
    assert (none["auc"], none["ci_method"], none["n_negative"]) == (None, "not_estimable", 1)


def test_kinds_of_cancer_are_each_set_against_all_negatives():
    positive = np.array([True, True, False, False])
    found = groups_of_positives("outcome", ["interval", "screen_detected", "", ""], positive)
    assert [(group.value, group.members.tolist()) for group in found] == [
        ("interval", [True, False, True, True]),
        ("screen_detected", [False, True, True, True]),
    ]
    row = subgroup_row(np.array([1.0, 3, 2, 0]), truth_of(positive), found[0], 10)
    assert (row["auc"], row["n_positive"], row["n_negative"]) == (pytest.approx(0.5), 1, 2)
