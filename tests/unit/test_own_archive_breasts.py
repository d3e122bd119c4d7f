"""own_archive_breasts: two rows make one exam, or are refused with line and column and no id."""

import re
from pathlib import Path

import pytest

from mammo_steps.core.labels import ExamLabel, Windows
from mammo_steps.core.terms import Outcome, Undefined
from mammo_steps.datasets import own_archive
from mammo_steps.datasets.own_archive_breasts import REQUIRED, read_labels

WINDOWS = Windows(180, 730, None)
HEADER = ",".join(REQUIRED)


def table(folder: Path, *lines: str, more: str = "") -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([HEADER + more, *lines]) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match=path.name) as error:
        read_labels(path, WINDOWS)
    return str(error.value)


def test_two_breasts_make_one_exam_with_the_scores_where_they_belong(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "007,e1,R,normal,1,2,",
        "008,e2,L,normal,1,,24",
        "007,e1,L,screen_detected,4,3,",
        "008,e2,R,benign,2,,24",
        more=",follow_up_months",
    )
    assert read_labels(path, WINDOWS) == [
        ExamLabel("007", "e1", Outcome.SCREEN_DETECTED, "L", 4.0, 1.0, 3.0, 2.0, None, 2),
        ExamLabel("008", "e2", Outcome.BENIGN, None, 1.0, 2.0, None, None, 24.0, 3),
    ]


def test_one_breast_may_be_missing_and_has_no_score(tmp_path: Path) -> None:
    [label] = read_labels(table(tmp_path, "p,e,R,interval,3,"), WINDOWS)
    assert (label.outcome, label.cancer_laterality) == (Outcome.INTERVAL, "R")
    assert (label.reader_1_left, label.reader_1_right) == (None, 3.0)


def test_the_days_to_a_diagnosis_are_those_of_the_breast(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "p,e,L,,,,100,1",
        "p,e,R,normal,,,,1",
        "q,f,L,,,,-5,0",
        "q,f,R,normal,,,,0",
        more=",days_to_diagnosis,recalled",
    )
    first, second = read_labels(path, WINDOWS)
    assert (first.outcome, first.cancer_laterality) == (Outcome.SCREEN_DETECTED, "L")
    assert (second.outcome, second.undefined) == (Outcome.UNKNOWN, Undefined.DATES_CONTRADICT)


def test_both_breasts_of_an_exam_are_one_screening_and_another_exam_is_the_next(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        *("p,e1,L,,,,700,0", "p,e1,R,,,,600,0"),
        *("q,f1,L,,,,700,0", "q,f1,R,normal,,,,", "q,f2,L,,,,10,1", "q,f2,R,normal,,,,"),
        more=",days_to_diagnosis,recalled",
    )
    assert [(x.outcome, x.cancer_laterality) for x in read_labels(path, WINDOWS)] == [
        (Outcome.INTERVAL, "both"),
        (Outcome.PRIOR, "L"),
        (Outcome.SCREEN_DETECTED, "L"),
    ]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (
            ("p,e,L,normal,,", "p,e,L,benign,,"),
            "line 3, laterality: found the breast of line 2 again, wanted one row",
        ),
        (("p,e,L,normal,,", "q,e,R,normal,,"), "line 3, patient_id: found something else than line 2"),
        (("p,e,L,normal,1,", "p,e,R,normal,,"), "line 3, reader_1: found one of two breasts (from line 2)"),
        (("p,e,left,normal,,",), "line 2, laterality: found another word, wanted L or R"),
        (("p,e,,normal,,",), "line 2, laterality: found nothing"),
        (("p,e,L,cancer,,",), "line 2, outcome: found another word"),
        (("p,e,L,normal,high,",), "line 2, reader_1: found no number"),
        ((",e,L,normal,,",), "line 2, patient_id: found nothing"),
        (("p,,L,normal,,",), "line 2, exam_id: found nothing"),
        ((), "no breast below line 1; wanted one row per breast"),
    ],
)
def test_faults_are_named_by_line_and_column(tmp_path: Path, lines: tuple[str, ...], wanted: str) -> None:
    assert wanted in refused(table(tmp_path, *lines))


def test_follow_up_has_to_be_the_same_for_both_breasts(tmp_path: Path) -> None:
    lines = ("p,e,L,normal,,,24", "p,e,R,normal,,,12")
    assert "line 3, follow_up_months: found something else than line 2" in refused(
        table(tmp_path, *lines, more=",follow_up_months")
    )


def test_a_column_beside_the_known_ones_is_refused_and_no_message_holds_an_id(tmp_path: Path) -> None:
    message = refused(table(tmp_path, "SECRET,SECRET,SECRET,1SECRET,x,y,z", more=",SECRET"))
    assert "unknown columns, counted from the left: number 7" in message and "SECRET" not in message
    message = refused(table(tmp_path, "SECRET,SECRET,SECRET,1SECRET,SECRET,SECRET"))
    assert "SECRET" not in message


def test_the_examples_of_the_documentation_are_read(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "config/README.md").read_text(encoding="utf-8")
    exams, breasts = re.findall(r"```\n(patient_id,.*?)```", text, flags=re.DOTALL)
    path = tmp_path / "labels.csv"
    path.write_text(exams, encoding="utf-8")
    assert [x.outcome for x in own_archive.read_labels(path, WINDOWS)][1:3] == ["screen_detected", "interval"]
    path.write_text(breasts, encoding="utf-8")
    [label] = read_labels(path, WINDOWS)
    assert (label.outcome, label.cancer_laterality) == (Outcome.SCREEN_DETECTED, "L")


def test_an_exams_cancer_is_of_the_worse_kind_of_its_breasts(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    lines = [
        "p,e,L,screen_detected,,,C,in_situ",
        "p,e,R,screen_detected,,,,invasive",
        "p,f,L,normal,,,A,",
        "p,f,R,normal,,,B,",
    ]
    header = "patient_id,exam_id,laterality,outcome,reader_1,reader_2,density,cancer_type"
    path.write_text("\n".join([header, *lines[:2]]) + "\n")
    [label] = read_labels(path, WINDOWS)
    assert (label.density, label.cancer_type) == ("C", "invasive")
    path.write_text("\n".join([header, *lines]) + "\n")
    with pytest.raises(ValueError, match="line 5, density: found something else than line 4"):
        read_labels(path, WINDOWS)
