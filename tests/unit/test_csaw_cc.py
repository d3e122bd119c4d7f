"""csaw_cc: the published table with its traps, and file names."""

from datetime import date
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from mammo_steps.core.labels import ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason, Undefined
from mammo_steps.datasets.csaw_cc import WINDOWS, image_facts, read_labels

HEADER = (
    "anon_patientid,exam_year,x_case,x_age,x_cancer_laterality,x_type,x_lymphnode_met,rad_timing,rad_r1,rad_r2,"
    "rad_recall,rad_recall_type_right,rad_recall_type_left,imagelaterality,viewposition,libra_breastarea,"
    "libra_densearea,libra_percentdensity,anon_filename"
)
CASE = ("1", "Left", "1.0", "1.0", "0.0")
CONTROL = ("0", "", "", "0.0", "0.0")


def rows(woman: str, n: int, exam: tuple[str, str, str, str, str] = CASE, year: str = "2012") -> list[str]:
    """Four rows of an exam; `exam` is x_case, x_cancer_laterality, rad_timing, rad_r1, rad_r2."""
    case, side, timing, reader_1, reader_2 = exam
    return [
        f"{int(woman)},{year},{case},1,{side},2,0,{timing},{reader_1},{reader_2},1.0,,2.0,{word},{view},"
        f"121.5,20.1,16.5,{woman}_20990909_{word[0]}_{view}_{n}.dcm"
        for word in ("Left", "Right")
        for view in ("CC", "MLO")
    ]


def table(folder: Path, lines: list[str], name: str = "CSAW-CC_breast_cancer_screening_data.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=path.name) as error:
        read_labels(path, WINDOWS)
    return str(error.value)


@pytest.mark.parametrize(
    "name", ["CSAW-CC_breast_cancer_screening_data.csv", "anon_dataset_nonhidden_211125.csv"]
)
def test_exams_are_told_apart_by_the_number_in_the_file_name_and_ids_keep_their_zeros(
    tmp_path: Path, name: str
) -> None:
    lines = (
        rows("00002", 1, ("1", "Left", "3.0", "0.0", "0.0"), "2010")
        + rows("00002", 2)
        + rows("00104", 1, CONTROL)
    )
    labels = read_labels(table(tmp_path, lines, name), WINDOWS)
    assert [(x.patient_id, x.exam_id, x.outcome, x.cancer_laterality, x.row) for x in labels] == [
        ("00002", "00002_1", Outcome.PRIOR, "L", 2),
        ("00002", "00002_2", Outcome.SCREEN_DETECTED, "L", 6),
        ("00104", "00104_1", Outcome.NORMAL, None, 10),
    ]


@pytest.mark.parametrize(
    ("exam", "outcome", "side", "undefined"),
    [
        (("1", "Right", "1.0", "", ""), Outcome.SCREEN_DETECTED, "R", None),
        (("1", "Right", "2", "", ""), Outcome.INTERVAL, "R", None),
        (("1", "", "3.0", "", ""), Outcome.PRIOR, None, None),
        (("1", "Left", "NaN", "", ""), Outcome.UNKNOWN, None, Undefined.DATES_MISSING),
        (("0", "", "2.0", "", ""), Outcome.UNKNOWN, None, Undefined.EVENTS_CONTRADICT),
        (("0", "NaN", "", "", ""), Outcome.NORMAL, None, None),
    ],
)
def test_the_outcome_follows_from_case_and_timing(
    tmp_path: Path,
    exam: tuple[str, str, str, str, str],
    outcome: Outcome,
    side: str | None,
    undefined: Undefined | None,
) -> None:
    [label] = read_labels(table(tmp_path, rows("00007", 1, exam)), WINDOWS)
    assert (label.outcome, label.cancer_laterality, label.undefined) == (outcome, side, undefined)


def test_an_interval_cancer_is_that_of_the_last_exam_before_it(tmp_path: Path) -> None:
    case = ("1", "Left", "2.0", "", "")
    lines = rows("00007", 1, case, "2010") + rows("00007", 2, case, "2011") + rows("00007", 3, case, "2011")
    outcomes = [label.outcome for label in read_labels(table(tmp_path, lines), WINDOWS)]
    assert outcomes == [
        Outcome.PRIOR,
        Outcome.INTERVAL,
        Outcome.INTERVAL,
    ]  # a repeat in the year is no next screening


def test_flags_of_the_exam_stand_for_both_breasts_and_missing_ones_stay_missing(tmp_path: Path) -> None:
    [label] = read_labels(table(tmp_path, rows("00007", 1, ("1", "Left", "1.0", "1.0", "NaN"))), WINDOWS)
    assert (label.reader_1_left, label.reader_1_right) == (1.0, 1.0)
    assert (label.reader_2_left, label.reader_2_right) == (None, None)


def test_rows_of_an_exam_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    lines = rows("00007", 1)
    lines[2] = lines[2].replace(",1.0,0.0,1.0,", ",0.0,0.0,1.0,")
    lines[3] = lines[3].replace(",2012,", ",2013,")
    message = refused(table(tmp_path, lines))
    assert "line 4, rad_r1: found something else than line 2 has for the same exam" in message
    assert "line 5, exam_year: found something else than line 2" in message


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("7,2012", "8,2012", "line 2, anon_patientid: found another woman than in anon_filename"),
        ("00007_2099", "7_2099", "line 2, anon_filename: found another name, wanted <5 digits>_20990909_"),
        (
            "Left,2,0",
            "Links,2,0",
            "line 2, x_cancer_laterality: found another word, wanted left, right, bilateral",
        ),
        ("7,2012,1", "7,2012,", "line 2, x_case: found nothing in any row of the exam, wanted 0 or 1"),
        ("7,2012,1", "7,2012,2", "line 2, x_case: found another number, wanted one of 0, 1"),
        ("7,2012", "7,12", "line 2, exam_year: found no year, wanted four digits"),
        ("7,2012", "7,NaN", "line 2, exam_year: found no year"),
        ("0,1.0,1.0,0.0", "0,4,1.0,0.0", "line 2, rad_timing: found another number, wanted one of 1, 2, 3"),
        ("0,1.0,1.0,0.0", "0,1.0,2,0.0", "line 2, rad_r1: found another number, wanted one of 0, 1"),
    ],
)
def test_a_broken_copy_is_refused_by_line_and_column(tmp_path: Path, old: str, new: str, wanted: str) -> None:
    line = rows("00007", 1)[0]
    assert old in line
    message = refused(table(tmp_path, [line.replace(old, new)]))
    assert wanted in message and "00007" not in message


def test_a_table_without_rows_and_one_of_another_data_set_are_refused(tmp_path: Path) -> None:
    assert "no image below line 1" in refused(table(tmp_path, []))
    other = tmp_path / "other.csv"
    other.write_text("patient,x_case\n1,1\n")
    assert "column anon_patientid is missing" in refused(other)


def test_other_windows_than_the_tables_own_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path, rows("00007", 1))
    with pytest.raises(
        ValueError, match="is 180, 730 and None days.*wanted 59, 729 and null, as in config/datasets"
    ):
        read_labels(path, Windows(180, 730, None))


def test_file_names_say_what_the_headers_lack_and_the_table_the_year(tmp_path: Path) -> None:
    facts = image_facts(table(tmp_path, rows("00007", 2)))
    assert facts("batch_1/00007_20990909_R_MLO_2.dcm", Dataset()) == ImageFacts(
        patient_id="00007",
        exam_id="00007_2",
        image_id="00007_R_MLO_2",
        laterality="R",
        view="MLO",
        exam_date=date(2012, 7, 1),
    )
    assert facts("batch_1/00008_20990909_L_CC_1.DCM", Dataset()).exam_date is None
    assert facts("batch_1/notes.dcm", Dataset()).reason == Reason.MISSING_ID


def test_the_metadata_table_is_wanted() -> None:
    with pytest.raises(
        ValueError, match="config key `metadata` is empty: csaw_cc wants its label table there"
    ):
        image_facts(None)
