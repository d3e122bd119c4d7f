"""own_archive: a label table is read to the letter, or refused with line and column and no id."""

import subprocess
import sys
from pathlib import Path

import pytest

from mammo_steps.core.labels import ExamLabel, Windows
from mammo_steps.core.terms import Outcome, Undefined
from mammo_steps.datasets.own_archive import REQUIRED, read_labels

WINDOWS = Windows(180, 730, None)

HEADER = ",".join(REQUIRED)


def table(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def refused(path: Path) -> str:
    """The message with which the table is refused."""
    with pytest.raises(ValueError, match=path.name) as error:
        read_labels(path, WINDOWS)
    return str(error.value)


def test_a_table_is_read_with_leading_zeros_and_line_numbers(tmp_path: Path) -> None:
    path = table(tmp_path, "007,1.2.3,screen_detected,L,3,1,2,1", "", "007,1.2.4,normal,,,,0.5,0")
    assert read_labels(path, WINDOWS) == [
        ExamLabel("007", "1.2.3", Outcome.SCREEN_DETECTED, "L", 3.0, 1.0, 2.0, 1.0, None, 2),
        ExamLabel("007", "1.2.4", Outcome.NORMAL, None, None, None, 0.5, 0.0, None, 4),
    ]


def test_columns_may_stand_in_any_order_and_follow_up_is_optional(tmp_path: Path) -> None:
    header = "outcome,follow_up_months,exam_id,patient_id,cancer_laterality," + ",".join(REQUIRED[4:])
    [label] = read_labels(table(tmp_path, "normal,24,e,p,,,,,", header=header), WINDOWS)
    assert (label.patient_id, label.exam_id, label.follow_up_months) == ("p", "e", 24.0)


def test_a_byte_order_mark_and_blanks_around_cells_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(f"\ufeff{HEADER}\r\n p , e ,interval, both ,,,,\r\n".encode())
    [label] = read_labels(path, WINDOWS)
    assert (label.patient_id, label.exam_id, label.cancer_laterality) == ("p", "e", "both")


@pytest.mark.parametrize("outcome", ["screen_detected", "interval", "prior"])
@pytest.mark.parametrize("side", ["L", "R", "both", ""])
def test_every_cancer_may_have_a_side_or_none(tmp_path: Path, outcome: str, side: str) -> None:
    [label] = read_labels(table(tmp_path, f"p,e,{outcome},{side},,,,"), WINDOWS)
    assert (label.outcome, label.cancer_laterality) == (outcome, side or None)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            "p,e,Screen-detected,L,,,,",
            "line 2, outcome: found another word, wanted one of normal, ",
        ),
        ("p,e,,,,,,", "line 2, outcome: found nothing, wanted one of"),
        ("p,e,interval,left,,,,", "line 2, cancer_laterality: found another word, wanted L, R, both"),
        ("p,e,interval,l,,,,", "line 2, cancer_laterality: found another word"),
        ("p,e,normal,L,,,,", "line 2, cancer_laterality: found L with outcome normal, wanted nothing"),
        ("p,e,benign,both,,,,", "line 2, cancer_laterality: found both with outcome benign"),
        ("p,e,unknown,R,,,,", "line 2, cancer_laterality: found R with outcome unknown"),
        ("p,e,normal,,high,1,,", "line 2, reader_1_left: found no number"),
        ("p,e,normal,,nan,1,,", "line 2, reader_1_left: found no number"),
        ('p,e,normal,,,,1,"1,5"', "line 2, reader_2_right: found a decimal comma"),
        ("p,e,normal,,,1,,", "line 2, reader_1_left, reader_1_right: found one of the two, wanted both"),
        (",e,normal,,,,,", "line 2, patient_id: found nothing"),
        ("p,  ,normal,,,,,", "line 2, exam_id: found nothing"),
        ("p,e,normal", "line 2, whole line: found 3 cells, wanted 8"),
        ("p,e,normal,,,,,,", "line 2, whole line: found 9 cells, wanted 8"),
    ],
)
def test_a_faulty_row_is_named_by_line_and_column(tmp_path: Path, line: str, wanted: str) -> None:
    assert wanted in refused(table(tmp_path, line))


def test_negative_follow_up_is_refused(tmp_path: Path) -> None:
    path = table(tmp_path, "p,e,normal,,,,,,-1", header=f"{HEADER},follow_up_months")
    assert "line 2, follow_up_months: found a number below 0" in refused(path)


DATED = f"{HEADER},days_to_diagnosis,recalled"


@pytest.mark.parametrize(
    ("days", "recalled", "outcome", "undefined"),
    [
        ("180", "1", Outcome.SCREEN_DETECTED, None),
        ("180", "0", Outcome.INTERVAL, None),
        ("181", "1", Outcome.INTERVAL, None),
        ("730", "0", Outcome.INTERVAL, None),
        ("731", "0", Outcome.PRIOR, None),
        ("1001", "0", Outcome.UNKNOWN, Undefined.OUTSIDE_WINDOWS),
        ("-1", "1", Outcome.UNKNOWN, Undefined.DATES_CONTRADICT),
    ],
)
def test_an_empty_outcome_follows_from_the_days_to_the_diagnosis(
    tmp_path: Path, days: str, recalled: str, outcome: Outcome, undefined: Undefined | None
) -> None:
    path = table(tmp_path, f"p,e,,L,,,,,{days},{recalled}", header=DATED)
    [label] = read_labels(path, Windows(180, 730, 1000))
    side = None if outcome == Outcome.UNKNOWN else "L"
    assert (label.outcome, label.undefined, label.cancer_laterality) == (outcome, undefined, side)


def test_a_cancer_after_the_next_screening_is_no_interval_cancer_of_the_exam_before(tmp_path: Path) -> None:
    lines = ("p,e1,,L,,,,,700,0", "p,e2,,L,,,,,20,1", "q,f1,,L,,,,,700,0", "q,f2,,L,,,,,-30,0")
    assert [x.outcome for x in read_labels(table(tmp_path, *lines, header=DATED), WINDOWS)] == [
        Outcome.PRIOR,
        Outcome.SCREEN_DETECTED,
        Outcome.INTERVAL,
        Outcome.UNKNOWN,
    ]


def test_women_without_a_cancer_keep_their_outcome_beside_dated_ones(tmp_path: Path) -> None:
    path = table(tmp_path, "p,e,normal,,,,,,,0", "q,f,benign,,,,,,,1", "r,g,unknown,,,,,,,", header=DATED)
    assert [(x.outcome, x.undefined) for x in read_labels(path, WINDOWS)] == [
        (Outcome.NORMAL, None),
        (Outcome.BENIGN, None),
        (Outcome.UNKNOWN, None),
    ]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("p,e,interval,L,,,,,100,0", "line 2, outcome, days_to_diagnosis: found both, wanted one of them"),
        ("p,e,,L,,,,,100,", "line 2, recalled: found nothing, wanted 0 or 1 beside days_to_diagnosis"),
        ("p,e,,L,,,,,100,2", "line 2, recalled: found another number, wanted one of 0, 1"),
        ("p,e,,L,,,,,soon,1", "line 2, days_to_diagnosis: found no number, wanted days from the exam"),
        ("p,e,,,,,,,,1", "line 2, outcome: found nothing, wanted one of normal"),
    ],
)
def test_days_and_recall_are_checked(tmp_path: Path, line: str, wanted: str) -> None:
    assert wanted in refused(table(tmp_path, line, header=DATED))


def test_an_outcome_that_may_be_an_id_is_not_shown(tmp_path: Path) -> None:
    message = refused(table(tmp_path, "p,e,1.2.840.9,,,,,"))
    assert "found another word" in message and "1.2.840" not in message


def test_an_exam_twice_and_an_exam_of_two_women_are_told_apart(tmp_path: Path) -> None:
    lines = ("p,e,normal,,,,,", "p,e,normal,,,,,", "q,e,normal,,,,,")
    message = refused(table(tmp_path, *lines))
    assert "line 3, exam_id: found the exam of line 2 again" in message
    assert "line 4, patient_id: found another woman than line 2 has" in message


def test_the_first_ten_faults_are_shown_in_order_with_the_total(tmp_path: Path) -> None:
    message = refused(table(tmp_path, *[f"p,e{n},sick,,,,," for n in range(14)]))
    assert "14 fault(s)" in message
    assert [f"line {n}, outcome" in message for n in range(2, 16)] == [True] * 10 + [False] * 4
    assert message.endswith("and 4 more")


def test_no_message_holds_an_id_or_a_header_that_may_be_data(tmp_path: Path) -> None:
    lines = ("SECRET1,SECRET2,sick,SECRET3,SECRET4,,,", "SECRET1,SECRET2,normal,,,,,", "SECRET1,x")
    assert "SECRET" not in refused(table(tmp_path, *lines))
    assert "SECRET" not in refused(table(tmp_path, header="SECRET1,SECRET2,normal,,,,,"))


def test_missing_repeated_and_unknown_columns_are_named(tmp_path: Path) -> None:
    header = HEADER.replace("outcome", "result") + ",exam_id"
    message = refused(table(tmp_path, header=header))
    assert "line 1: column outcome is missing" in message
    assert "column exam_id stands there twice" in message
    assert "unknown columns, counted from the left: number 3" in message
    assert "Wanted: patient_id, exam_id, outcome" in message


@pytest.mark.parametrize("mark", [";", "\t"])
def test_another_separator_is_named(tmp_path: Path, mark: str) -> None:
    assert "separate the columns by commas" in refused(table(tmp_path, header=HEADER.replace(",", mark)))


def test_a_table_in_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(f"{HEADER}\n".encode() + "Åse,e,normal,,,,,\n".encode("latin-1"))
    assert "line 2: a character that is not UTF-8: save the table as `CSV UTF-8`" in refused(path)


def test_an_open_quotation_mark_is_refused(tmp_path: Path) -> None:
    assert "not a CSV line" in refused(table(tmp_path, 'p,"e,normal,,,,,'))


def test_empty_tables_are_refused(tmp_path: Path) -> None:
    assert "no exam below line 1" in refused(table(tmp_path))
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    assert "column patient_id is missing" in refused(empty)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such label table; name it in the config"):
        read_labels(tmp_path / "labels.csv", WINDOWS)


def test_checking_labels_imports_nothing_heavy() -> None:
    code = (
        "import sys, mammo_steps.datasets.own_archive; print({'numpy', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


DAYS = HEADER + ",days_to_diagnosis,recalled"


def test_days_in_some_exams_of_a_woman_only_are_a_fault(tmp_path: Path) -> None:
    lines = ["p,a,,L,,,,,708,0", "p,b,screen_detected,L,,,,,,", "q,c,normal,,,,,,,"]
    said = refused(table(tmp_path, *lines, header=DAYS))
    assert "line 3, days_to_diagnosis: found nothing" in said and "line 4" not in said


@pytest.mark.parametrize("number", ["1_5", "\u0661", "\uff11", "0x1", "inf", "nan"])
def test_a_score_is_a_number_as_a_person_writes_it(tmp_path: Path, number: str) -> None:
    assert "reader_1_left: found no number" in refused(table(tmp_path, f"p,e,normal,,{number},1,,"))


def test_density_and_kind_of_cancer_are_optional_words(tmp_path: Path) -> None:
    header = f"{HEADER},density,cancer_type"
    lines = ["p,e1,screen_detected,L,,,,,b,in_situ", "p,e2,normal,,,,,,D,", "p,e3,interval,,,,,,,"]
    labels = read_labels(table(tmp_path, *lines, header=header), WINDOWS)
    assert [(x.density, x.cancer_type) for x in labels] == [("B", "in_situ"), ("D", None), (None, None)]
    wrong = ["p,e1,normal,,,,,,5,", "p,e2,benign,,,,,,,invasive", "p,e3,interval,,,,,,,DCIS"]
    message = refused(table(tmp_path, *wrong, header=header))
    assert "line 2, density: found another word, wanted a, b, c, d, or nothing" in message
    assert "line 3, cancer_type: found invasive with outcome benign" in message
    assert "line 4, cancer_type: found another word, wanted invasive, in_situ, other" in message
