"""What is said where one class is of one woman: no spread can be measured, and none may be made up."""

import numpy as np
from scored_study import exam_rows

from mammo_steps.core.exam_aucs import Comparison, Rules, comparisons
from mammo_steps.core.exam_models import table_models
from mammo_steps.core.exam_scores import read_exams
from mammo_steps.core.exam_statistics import StatisticsSettings, _points
from mammo_steps.core.tables import write_rows
from mammo_steps.core.terms import Endpoint

MODELS = table_models([], published_ran=False)
RULES = Rules("delong_binormal_score", 200, 5000, "negative")
LIMITS = ("low", "high")


def compared(folder, change, rules=RULES) -> Comparison:
    """Screen-detected cancers against the rest, of 80 exams that `change` (number, exam) changed."""
    exams = exam_rows()
    for number, exam in enumerate(exams):
        change(number, exam)
    write_rows(folder / "exams.parquet", "exam_scores", exams)
    return comparisons(read_exams(folder / "exams.parquet", MODELS), rules, 1)["screen_detected", "all"]


def one_positive(number, exam):
    exam["outcome"] = "screen_detected" if number == 0 else "normal"
    exam["reader_2"] = exam["reader_1"]
    exam["two_readers"] = 2 * exam["reader_1"]


def two_of_one_woman(number, exam):
    one_positive(number, exam)
    exam["outcome"] = "screen_detected" if number in (0, 40) else "normal"


def one_negative(number, exam):
    exam["outcome"] = "normal" if number == 4 else "screen_detected"


def test_a_paired_test_gives_no_limits_and_no_p(tmp_path):
    for change, delong_known in ((one_positive, False), (two_of_one_woman, True), (one_negative, False)):
        test = compared(tmp_path, change).test("ensemble", "holistic")
        for name in ("delong_clustered", "clustered_bootstrap"):
            assert np.isnan([test[name][key] for key in ("z", "p", *LIMITS)]).all(), (change, name)
        assert np.isfinite(test["delong"]["p"]) == delong_known
        assert np.isfinite(test["delta"])


def test_with_two_women_there_are_limits(tmp_path):
    def two(number, exam):
        exam["outcome"] = "screen_detected" if number in (0, 1) else "normal"

    test = compared(tmp_path, two).test("ensemble", "holistic")
    assert test["clustered_bootstrap"]["low"] < test["delta"] < test["clustered_bootstrap"]["high"]


def test_the_mean_of_the_readers_has_the_wide_interval_of_one_positive(tmp_path):
    row = compared(tmp_path, one_positive).row(MODELS[-2], "screen_detected", "all", "pooled")
    assert (row.model, row.n_positive, row.ci_method) == ("one_reader", 1, "binormal_score")
    assert row.ci_high - row.ci_low > 0.5


def test_operating_points_have_no_limits(tmp_path):
    settings = StatisticsSettings(1, {Endpoint.SCREEN_DETECTED: None}, 5, 10)
    rows = _points(compared(tmp_path, one_positive), Endpoint.SCREEN_DETECTED, settings, 1)
    assert rows and {row["n_positive"] for row in rows} == {1}
    for row in rows:
        for name in ("sensitivity_at_its_specificity", "specificity_at_its_sensitivity"):
            assert np.isnan([row[name][key] for key in LIMITS]).all()


def test_one_reader_counts_the_exams_of_the_readers_that_its_auc_is_of(tmp_path):
    def second_read_negatives_only(number, exam):
        if exam["outcome"] in ("screen_detected", "interval") or number % 3 == 0:
            exam |= {"reader_2": None, "two_readers": None}
        else:
            exam |= {"reader_1": None, "reader_2": 1.0, "two_readers": None}

    found = compared(tmp_path, second_read_negatives_only)
    assert found.members("one_reader") == ["reader_1"]
    rows = {m.key: found.row(m, "screen_detected", "all", "pooled") for m in MODELS[-4:]}
    one, first = rows["one_reader"], rows["reader_1"]
    assert (one.auc, one.n_positive, one.n_negative) == (first.auc, first.n_positive, first.n_negative)


def test_without_a_reader_who_read_both_classes_all_that_were_read_are_counted(tmp_path):
    def one_class_each(number, exam):
        positive = exam["outcome"] == "screen_detected"
        exam |= {"reader_1": 1.0 if positive else None, "reader_2": None if positive else 1.0}
        exam["two_readers"] = None

    row = compared(tmp_path, one_class_each).row(MODELS[-2], "screen_detected", "all", "pooled")
    assert (row.auc, row.n_positive, row.n_negative) == (None, 10, 60)
    assert row.why == "no reader read exams of both classes"
