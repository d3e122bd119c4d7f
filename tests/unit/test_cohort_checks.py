"""The verdict on outcomes, selective losses, and the flow chart from headers alone."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from made_index import cohort_settings, exam_rows, files_of, labels_of

from mammo_steps.core.cohort_checks import Labelled, check_labelled, exam_properties
from mammo_steps.core.header_cohort import HeaderCohort, exclusion_table, flow_boxes, header_cohort
from mammo_steps.core.selective_loss import exact_tests, exclusion_tests, group_tests
from mammo_steps.core.verdict import Finding, Level

RULES = cohort_settings(follow_up_months=24)


def study(outcomes: dict[str, str], rows: dict[str, list[Any]] | None = None, **labels: Any) -> Labelled:
    """Exams with these outcomes; `rows` replaces the index rows of some of them."""
    files = files_of(*((rows or {}).get(exam, exam_rows(exam)) for exam in outcomes))
    frame = labels_of(outcomes, **labels)
    cohort = header_cohort(files, frame, RULES)
    return Labelled(cohort.exams.join(exam_properties(files)), frame, cohort.excluded, 2, 24)


def verdict(labelled: Labelled) -> dict[str, Finding]:
    return {finding.title: finding for finding in check_labelled(labelled)}


def many(**numbers: int) -> dict[str, str]:
    """normal=100 -> 100 exams normal0 ... with this outcome."""
    return {f"{outcome}{n}": outcome for outcome, count in numbers.items() for n in range(count)}


PLAIN = many(normal=100, benign=5, screen_detected=20, interval=30)


def test_a_plain_cohort_is_fine_in_every_check() -> None:
    assert {finding.level for finding in verdict(study(PLAIN)).values()} == {Level.FINE}


def test_a_label_table_with_other_ids_stops() -> None:
    files, labels = files_of(exam_rows("a"), exam_rows("b")), labels_of({"x": "normal", "y": "normal"})
    cohort = header_cohort(files, labels, RULES)
    found = verdict(Labelled(cohort.exams.join(exam_properties(files)), labels, cohort.excluded, 2, 24))
    stops = {title for title, finding in found.items() if finding.level == Level.STOP}
    assert {"Exams that the label table does not have", "Labels whose exam is not in the archive"} <= stops
    assert "Exams that are in the cohort" in stops


def test_unknown_outcomes_are_told_apart_by_why_they_are_unknown() -> None:
    outcomes = PLAIN | many(unknown=15)
    labelled = study(outcomes)
    labelled.labels.loc[["eunknown0", "eunknown1"], "undefined"] = "no_pathology"
    found = verdict(labelled)["Labels without a known outcome"]
    assert found.level == Level.LOOK and found.found.startswith("15 of 170 labels")
    assert "13 the label table itself says unknown; 2 suspicious, and no tissue result" in found.found


def test_a_label_of_another_woman_is_a_contradiction() -> None:
    found = verdict(study(PLAIN, label_patient_id="someone"))["Labels that contradict the headers"]
    assert found.level == Level.STOP and found.found.startswith("155 of 155 exams")


def test_cancers_of_unknown_side_cannot_be_trained_on() -> None:
    assert (
        verdict(study(PLAIN, cancer_laterality=None))["Screen-detected cancers of unknown side"].level
        == Level.STOP
    )


@pytest.mark.parametrize(
    ("months", "level"), [(30.0, Level.FINE), (float("nan"), Level.LOOK), (12.0, Level.STOP)]
)
def test_follow_up_is_wanted_of_normal_exams(months: float, level: Level) -> None:
    assert verdict(study(PLAIN, follow_up_months=months))["Follow-up of normal exams"].level == level


@pytest.mark.parametrize(("cancers", "level"), [(3, Level.STOP), (4, Level.LOOK), (20, Level.FINE)])
def test_two_women_with_cancer_are_the_least_a_fold_can_have(cancers: int, level: Level) -> None:
    found = verdict(study(many(normal=100, screen_detected=cancers)))["Cancers per fold"]
    assert found.level == level and f"the largest possible number of folds is {cancers // 2}" in found.found


@pytest.mark.parametrize(
    ("cancers", "words", "do"),
    [
        (1, "1 woman with a screen-detected", "Get more labelled exams with cancer: fewer folds than 2"),
        (4, "4 women with a screen-detected", "Get more labelled exams with cancer: fewer folds than 2"),
        (6, "6 women with a screen-detected", "Set split_folds.folds lower"),
    ],
)
def test_fewer_folds_are_advised_only_where_they_would_help(cancers: int, words: str, do: str) -> None:
    labelled = replace(study(many(normal=100, screen_detected=cancers)), folds=3 if cancers == 6 else 2)
    found = verdict(labelled)["Cancers per fold"]
    assert found.level != Level.FINE and found.found.startswith(words) and found.do.startswith(do)


def test_where_two_folds_cannot_be_the_cancers_that_they_need_are_named() -> None:
    few = verdict(study(many(normal=1, screen_detected=1, interval=1)))
    assert few["Cancers per fold"].do.endswith(
        "they need 4 women with a screen-detected cancer and 2 with an interval cancer."
    )
    assert few["Interval cancers"].found == few["Exams without cancer"].found == "1 exam"


def test_no_interval_cancers_means_that_their_end_point_is_not_estimable() -> None:
    found = verdict(study(many(normal=100, screen_detected=20)))["Interval cancers"]
    assert found.level == Level.LOOK and "not estimable" in found.found


def test_a_cohort_without_cancer_free_exams_stops() -> None:
    assert verdict(study(many(screen_detected=20)))["Exams without cancer"].level == Level.STOP


def test_extra_views_that_take_cancers_away_are_noticed() -> None:
    extra = ("L-CC", "L-MLO", "R-CC", "R-MLO", "L-CC")
    rows = {f"screen_detected{n}": exam_rows(f"screen_detected{n}", extra) for n in range(10)}
    found = verdict(study(PLAIN, rows))["Exclusions that hit cancers more often"]
    assert found.level == Level.LOOK
    assert found.found.startswith("extra images: 20\N{NARROW NO-BREAK SPACE}% of 50 cancers, 0")


def test_one_machine_that_holds_all_cancers_stops() -> None:
    rows = {f"normal{n}": exam_rows(f"normal{n}", model="old") for n in range(50)}
    found = verdict(study(PLAIN, rows))["Cancers and machines, years, encodings"]
    assert found.level == Level.STOP and "siemens inspiration: 100" in found.found


def test_a_year_with_more_of_the_cancers_is_noticed() -> None:
    rows = {f"normal{n}": exam_rows(f"normal{n}", exam_year=2005) for n in range(40)}
    rows |= {"interval0": exam_rows("interval0", exam_year=2005)}
    found = verdict(study(PLAIN, rows))["Cancers and machines, years, encodings"]
    assert found.level == Level.LOOK and "year 2005: 2\N{NARROW NO-BREAK SPACE}% of 50 cancers" in found.found


def test_fishers_lady_tasting_tea() -> None:
    """3 of 4 against 1 of 4: odds ratio 6.4 (conditional), two-sided p 0.486 (Fisher 1935)."""
    (one,) = exact_tests([("tea", 3, 4, 1, 4)])
    assert (one.p, one.ratio) == (pytest.approx(34 / 70), pytest.approx(6.408, abs=1e-3))
    assert one.low < 1 < one.high and (one.share_of_cancers, one.share_of_free) == (0.75, 0.25)


def test_p_values_are_corrected_after_holm_and_empty_classes_not_tested() -> None:
    alone = exact_tests([("tea", 3, 4, 1, 4)])[0].p
    first, second = exact_tests([("tea", 3, 4, 1, 4), ("nothing", 0, 0, 1, 4), ("clear", 20, 20, 0, 20)])
    assert (first.name, first.p) == ("tea", pytest.approx(alone))  # the larger p is multiplied by 1
    assert second.p == pytest.approx(2 * 2 / math.comb(40, 20))  # the smaller one by 2


def test_losses_by_design_are_not_tested() -> None:
    labelled = study(PLAIN, follow_up_months=12.0)
    assert exclusion_tests(labelled.excluded, labelled.kept) == []


def test_a_property_with_one_value_is_not_tested() -> None:
    assert group_tests(study(PLAIN).kept, "machine") == []


def cohort_of(labels: pd.DataFrame | None, rows: list[list[Any]]) -> HeaderCohort:
    return header_cohort(files_of(*rows), labels, RULES)


def test_the_flow_chart_shows_the_steps_that_lose_exams_and_names_the_others() -> None:
    rows = [
        exam_rows("a"),
        exam_rows("b", ("L-CC",)),
        exam_rows("c"),
        exam_rows("d", ("L-CC",), reason="not_dicom"),
    ]
    labels = labels_of({"a": "normal", "b": "screen_detected", "z": "interval"})
    boxes = flow_boxes(cohort_of(labels, rows))
    assert [box["step"] for box in boxes] == [
        "files in the archive",
        "mammograms of the standard views",
        "with a label",
        "with every view of both breasts",
    ]
    assert (boxes[1]["unit"], boxes[1]["lost"]) == (
        "file",
        [{"reason": "not_dicom", "n": 1, "outcomes": {}}],
    )
    assert boxes[3]["lost"] == [{"reason": "incomplete_exam", "n": 1, "outcomes": {"screen_detected": 1}}]
    assert (boxes[3]["images"], boxes[3]["exams"], boxes[3]["women"]) == (4, 1, 1)
    assert "without extra images" in boxes[3]["all_fulfil"] and boxes[0]["all_fulfil"] == []


def test_exclusions_are_counted_by_level_reason_and_outcome() -> None:
    rows = [exam_rows("a"), exam_rows("b", ("L-CC",)), exam_rows("c")]
    outcomes, table = exclusion_table(
        cohort_of(labels_of({"a": "normal", "b": "benign", "z": "interval"}), rows).excluded
    )
    assert outcomes == ["benign", "interval", "unlabelled"]
    exams = {row["reason"]: row for row in table if row["level"] == "exam"}
    assert exams["incomplete_exam"]["benign"] == 1 and exams["no_label"]["unlabelled"] == 1
    assert [row["interval"] for row in table if row["level"] == "label"] == [1]
    assert not [row for row in table if row["level"] == "image"]  # their exams are out


def test_without_labels_only_headers_exclude_and_no_outcome_is_told() -> None:
    rows = [exam_rows("a"), exam_rows("b", ("L-CC",)), exam_rows("c", reason="not_mammography")]
    cohort = cohort_of(None, rows)
    assert cohort.exams["reason"].fillna("").to_dict() == {"ea": "", "eb": "incomplete_exam"}
    assert cohort.exams["outcome"].isna().all() and cohort.excluded["outcome"].isna().all()
    boxes = flow_boxes(cohort)
    assert [box["step"] for box in boxes][-1] == "with every view of both breasts"
    assert "of one woman" in boxes[-1]["all_fulfil"] and "with a label" not in boxes[-1]["all_fulfil"]


def test_without_labels_an_exam_of_two_women_is_out() -> None:
    mixed = exam_rows("a", ("L-CC", "L-MLO", "R-CC")) + exam_rows(
        "a", ("R-MLO",), patient_id="px", image_id="other"
    )
    boxes = flow_boxes(cohort_of(None, [mixed]))
    assert boxes[-1]["step"] == "of one woman" and boxes[-1]["exams"] == 0


def test_the_flow_chart_keeps_the_best_image_of_a_view_where_the_study_does_so() -> None:
    extra = exam_rows("a", ("L-CC", "L-MLO", "R-CC", "R-MLO", "L-CC"))
    files, labels = files_of(extra), labels_of({"a": "normal"})
    best = header_cohort(files, labels, cohort_settings(extra_images="best"))
    assert flow_boxes(best)[-1]["images"] == 4 and best.exams["reason"].isna().all()
    assert best.excluded[["level", "reason"]].values.tolist() == [["image", "extra_images"]]
    assert header_cohort(files, labels, RULES).exams["reason"].tolist() == ["extra_images"]
