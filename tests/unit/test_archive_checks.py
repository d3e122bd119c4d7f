"""The verdict on headers and on the decoded sample."""

from typing import Any

import pandas as pd
import pytest
from made_index import cohort_settings, exam_rows, files_of

from mammo_steps.core.archive_checks import CHECKS, Headers, check_headers
from mammo_steps.core.header_cohort import header_cohort
from mammo_steps.core.pixel_checks import check_pixels, decode_table, grey_table
from mammo_steps.core.verdict import Finding, Level, graded, headline, part, rule_text, worst_first

RULES = cohort_settings(follow_up_months=None)


def verdict(*rows: list[dict[str, Any]], age_range: tuple[int, int] | None = None) -> dict[str, Finding]:
    files = files_of(*rows)
    cohort = header_cohort(files, None, RULES)
    return {f.title: f for f in check_headers(Headers(files, cohort.exams, age_range, 976))}


def level_of(title: str, *rows: list[dict[str, Any]], **more: Any) -> Level:
    found = [finding for name, finding in verdict(*rows, **more).items() if name.startswith(title)]
    assert len(found) == 1, title
    return found[0].level


def test_a_plain_archive_is_fine_in_every_check() -> None:
    found = verdict(exam_rows("a"), exam_rows("b"))
    assert len(found) == len(CHECKS)
    assert {finding.level for finding in found.values()} == {Level.FINE}


def test_an_archive_without_a_single_image_stops_and_says_no_more() -> None:
    found = verdict(exam_rows("a", reason="not_mammography"))
    assert next(iter(found)) == "Files left out by their headers" and len(found) == 2
    assert found["Files left out by their headers"].level == Level.STOP
    assert found["Files left out by their headers"].found == "4 of 4 files (100\N{NARROW NO-BREAK SPACE}%)"


@pytest.mark.parametrize(
    ("title", "changes", "level"),
    [
        ("Files left out by their headers", {"reason": "special_view"}, Level.LOOK),
        ("Files that could not be opened", {"reason": "file_gone"}, Level.STOP),
        ("Images that are there more than once", {"reason": "duplicate_instance"}, Level.LOOK),
        ("Different images with one id", {"reason": "duplicate_conflict"}, Level.LOOK),
        ("Images for presentation and raw", {"intent": "processing"}, Level.STOP),
        ("Images for presentation and raw", {"intent": None}, Level.LOOK),
        ("Images for presentation and raw", {"reason": "for_processing"}, Level.FINE),
        ("Tomosynthesis", {"reason": "multi_frame"}, Level.LOOK),
        ("Tomosynthesis", {"synthetic": True}, Level.LOOK),
        ("Headers without a window", {"window": "none"}, Level.LOOK),
        ("Images without pixel spacing", {"pixel_spacing_mm": None}, Level.LOOK),
        ("Several pixel spacings", {"pixel_spacing_mm": 0.07}, Level.LOOK),
        ("Images narrower than 976", {"width_px": 940}, Level.LOOK),
        ("Images with 8 bits", {"bits_stored": 8}, Level.LOOK),
        ("Images encoded in a way", {"transfer_syntax": "1.2.840.10008.1.2.4.50"}, Level.LOOK),
        ("Text burned into", {"burned_in": True}, Level.LOOK),
        ("Breasts with an implant", {"implant": True}, Level.LOOK),
    ],
)
def test_one_exam_of_two_that_differs_is_noticed(title: str, changes: dict[str, Any], level: Level) -> None:
    assert level_of(title, exam_rows("a"), exam_rows("b", **changes)) == level


def test_one_spacing_per_machine_and_matrix_is_fine() -> None:
    other = exam_rows("b", model="other", pixel_spacing_mm=0.07)
    assert level_of("Several pixel spacings", exam_rows("a"), other) == Level.FINE


def test_an_exam_of_two_women_is_noticed() -> None:
    mixed = exam_rows("b", ("L-CC", "L-MLO")) + exam_rows(
        "b", ("R-CC", "R-MLO"), patient_id="px", image_id=None
    )
    for place, row in enumerate(mixed):
        row["image_id"] = f"ib{place}"
    assert (
        level_of("Exams with several patient ids", *(exam_rows(str(n)) for n in range(30)), mixed)
        == Level.LOOK
    )
    assert level_of("Exams with several patient ids", exam_rows("a"), mixed) == Level.STOP


def test_missing_views_are_named_with_their_number() -> None:
    found = verdict(exam_rows("a"), exam_rows("b", ("L-CC", "R-CC")))["Exams that lack an expected view"]
    assert found.level == Level.LOOK and "lacking: L-MLO 1, R-MLO 1" in found.found


def test_missing_ages_matter_only_where_an_age_range_is_set() -> None:
    rows = (exam_rows("a", age_years=None), exam_rows("b", age_years=None))
    assert level_of("Exams without the woman's age", *rows) == Level.FINE
    assert level_of("Exams without the woman's age", *rows, age_range=(50, 69)) == Level.STOP


def test_undated_exams_matter_where_a_woman_has_several() -> None:
    assert level_of("Undated exams", exam_rows("a", exam_year=None)) == Level.FINE
    second = exam_rows("b", patient_id="pa", exam_year=None)
    assert level_of("Undated exams", exam_rows("a"), second) == Level.LOOK


def test_grades_say_their_thresholds() -> None:
    assert [graded(value, 0.1, 0.5) for value in (0.1, 0.2, 0.6)] == [Level.FINE, Level.LOOK, Level.STOP]
    assert rule_text(0).startswith("look if any") and "stop above 50" in rule_text(0.1, 0.5)
    assert part(1, 8, "files").startswith("1 of 8 files (12.5") and part(0, 0, "files") == "0 of 0 files"


def test_the_headline_is_that_of_the_worst_finding() -> None:
    fine, look, stop = (
        Finding(level, "t", "f", "r", "w", "d") for level in (Level.FINE, Level.LOOK, Level.STOP)
    )
    assert headline([fine]) == "All 1 checks are fine."
    assert headline([fine, look]).startswith("Nothing stops the study; 1 of 2 checks needs a look")
    assert headline([fine, look, stop]).startswith("Do not start yet: 1 of 3 checks says stop")
    assert [finding.level for finding in worst_first([fine, look, stop])] == [
        Level.STOP,
        Level.LOOK,
        Level.FINE,
    ]


def sample(n: int, **changes: Any) -> pd.DataFrame:
    row = {
        "vendor": "ge", "model": "m", "syntax": "RLE", "height_px": 1000, "width_px": 500, "reason": None,
        "intensity": "window", "orientation_conflict": False, "mean_grey": 100.0, "decode_s": 0.01, "total_s": 0.05,
    }  # fmt: skip
    return pd.DataFrame([row | changes] * n)


def pixel_level(title: str, frame: pd.DataFrame) -> Level:
    found = [finding for finding in check_pixels(frame, 1000, 2) if finding.title.startswith(title)]
    return found[0].level


@pytest.mark.parametrize(
    ("title", "changes", "few", "many"),
    [
        ("Sampled images whose pixels", {"reason": "undecodable"}, Level.LOOK, Level.STOP),
        ("Sampled images without a usable", {"intensity": "fallback"}, Level.LOOK, Level.LOOK),
        ("Sampled images whose breast", {"orientation_conflict": True}, Level.LOOK, Level.STOP),
    ],
)
def test_what_the_sample_shows_is_graded_by_its_share(
    title: str, changes: dict[str, Any], few: Level, many: Level
) -> None:
    assert pixel_level(title, sample(20)) == Level.FINE
    assert pixel_level(title, pd.concat([sample(19), sample(1, **changes)])) == few
    assert pixel_level(title, pd.concat([sample(10), sample(10, **changes)])) == many


def test_the_greys_with_and_without_a_window_are_told_side_by_side() -> None:
    mixed = pd.concat([sample(9), sample(1, intensity="fallback", mean_grey=140.0)])
    found = next(
        f for f in check_pixels(mixed, 10, 1) if f.title.startswith("Sampled images without a usable")
    )
    assert found.found.endswith("; their median grey is 140, the others' 100")


def test_machines_whose_breasts_are_darker_are_noticed_if_enough_were_sampled() -> None:
    assert (
        pixel_level("Grey levels", pd.concat([sample(5), sample(5, model="b", mean_grey=60.0)])) == Level.LOOK
    )
    assert (
        pixel_level("Grey levels", pd.concat([sample(5), sample(4, model="b", mean_grey=60.0)])) == Level.FINE
    )


def test_grey_quartiles_and_decoding_rates_can_be_checked_by_hand() -> None:
    frame = pd.concat([sample(1, mean_grey=grey, model=None) for grey in (10.0, 20.0, 30.0, 40.0, 50.0)])
    (row,) = grey_table(frame)
    assert (row["model"], row["n"], row["q1"], row["median"], row["q3"]) == ("not said", 5, 20.0, 30.0, 40.0)
    assert row["dots"][0] == (10.0, False)
    (rate,) = decode_table(frame)
    assert (rate["n"], rate["median_ms"], rate["megapixels_per_s"]) == (
        5,
        pytest.approx(10),
        pytest.approx(50),
    )


def test_the_time_for_all_images_is_the_mean_times_their_number() -> None:
    found = check_pixels(sample(3), 144_000, 2)[-1]  # 144,000 x 0.05 s / 2 = 3,600 s
    assert "about 1.0 h for 144,000 images with 2 processes" in found.found


def test_without_a_sample_nothing_is_said_of_pixels() -> None:
    assert check_pixels(sample(0), 0, 1) == []
