"""One's own archive: a CSV table with one row per exam, written by the people who know the outcomes.

Columns, in any order:

    patient_id          PatientID of the DICOM headers
    exam_id             the exam's id in the headers, by default StudyInstanceUID
    outcome             normal, benign, screen_detected, interval, prior or unknown
    cancer_laterality   L, R or both; empty = no cancer, or its side is not known
    reader_1_left, reader_1_right, reader_2_left, reader_2_right
                        numbers, higher = more suspicious; empty = not read
    follow_up_months    optional: months without cancer that are known after the exam; empty = not known
    days_to_diagnosis   optional: days from the exam to the diagnosis of a cancer, in place of `outcome`
    recalled            optional: 1 where this exam led to further work-up, else 0; needed beside the days
    density             optional: BI-RADS density A, B, C or D, for subgroups; empty = not known
    cancer_type         optional: invasive, in_situ or other, for subgroups; empty = no cancer or not known

The file is UTF-8 with commas. Ids are text: leading zeros count. Outcomes are taken as given:

    screen_detected     cancer found through recall from this exam
    interval            cancer found after this negative exam, before the next one was due
    prior               no cancer now, cancer found later than that
    benign, normal      no cancer, with and without a benign finding at work-up
    unknown             left out and counted

Where `outcome` is empty and `days_to_diagnosis` is not, the outcome follows from the days, `recalled` and the
config's `outcome_windows`, see `core.outcomes`: unknown are cancers diagnosed before the exam and cancers later
than the last window. Where another exam of the woman in the table lies nearer to the diagnosis, she was screened
again before it, and the cancer is no interval cancer of this exam. A row has an outcome or days, never both, and the
exams of one woman all have days (below 0 after the diagnosis) or none has.

A table with any fault is refused as a whole, with the line and the column of each. To look at one alone:
`python -m mammo_steps.datasets.check_labels --dataset own_archive --labels labels.csv`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mammo_steps.core.labels import CANCER_SIDES, CANCER_TYPES, CANCERS, DENSITIES, ExamLabel, Windows
from mammo_steps.core.outcomes import outcome_of_cancer
from mammo_steps.core.terms import Outcome, Undefined
from mammo_steps.datasets.label_tables import (
    SCORES,
    Faults,
    Row,
    TableFormat,
    by_key,
    checked,
    code,
    need_ids,
    number,
    one_of,
    read_rows,
)

READERS = ("reader_1", "reader_2")
REQUIRED = ("patient_id", "exam_id", "outcome", "cancer_laterality", *SCORES)
OPTIONAL = ("follow_up_months", "days_to_diagnosis", "recalled", "density", "cancer_type")


def lines_before_another_exam(rows: Sequence[Row]) -> set[int]:
    """Lines of exams after which the woman was screened again before the diagnosis.

    That is, another of her exams has fewer days to the diagnosis, and not below 0.
    """
    found: set[int] = set()
    for of_woman in by_key(rows, "patient_id").values():
        unread = Faults(Path())  # a cell that is no number is told where the row is read
        dated = [(number(row, "days_to_diagnosis", unread), row) for row in of_woman]
        for days, row in dated:
            others = [other for other, of in dated if other is not None and of["exam_id"] != row["exam_id"]]
            if days is not None and any(0 <= other < days for other in others):
                found.add(row.line)
    return found


def add_undated(rows: Sequence[Row], faults: Faults) -> None:
    """A fault for each exam without days to the diagnosis of a woman who has exams with them.

    Which of her exams came in between could not be told, so neither could the outcomes of the others.
    """
    for of_woman in by_key(rows, "patient_id").values():
        dated = {row["exam_id"] for row in of_woman if row["days_to_diagnosis"]}
        for row in of_woman:
            if dated and row["exam_id"] not in dated:
                wanted = "the days, as in other rows of this woman (below 0 after the diagnosis), or no days in any"
                faults.add(row.line, "days_to_diagnosis", "nothing", wanted)


def outcome_of_row(
    row: Row, windows: Windows, faults: Faults, screened_again: bool
) -> tuple[Outcome | None, Undefined | None]:
    """(outcome, why it is unknown) as stated or from the days to the diagnosis; None with a fault."""
    word = row["outcome"]
    days = number(row, "days_to_diagnosis", faults, "days from the exam to the diagnosis")
    recalled = code(row, "recalled", {0: False, 1: True}, faults)
    if row["days_to_diagnosis"]:
        if word:
            faults.add(row.line, "outcome, days_to_diagnosis", "both", "one of them")
        elif not row["recalled"]:
            faults.add(row.line, "recalled", "nothing", "0 or 1 beside days_to_diagnosis")
        elif days is not None and recalled is not None:
            return outcome_of_cancer(days, recalled, windows, screened_again)
        return None, None
    if word in tuple(Outcome):
        return Outcome(word), None
    wanted = f"one of {', '.join(Outcome)}, or nothing beside days_to_diagnosis"
    faults.add(row.line, "outcome", "another word" if word else "nothing", wanted)
    return None, None


def follow_up(row: Row, faults: Faults) -> float | None:
    months = number(row, "follow_up_months", faults, "months")
    if months is not None and months < 0:
        faults.add(row.line, "follow_up_months", "a number below 0", "months, or nothing")
    return months


def _scores(row: Row, faults: Faults) -> dict[str, float | None]:
    for reader in READERS:
        if bool(row[f"{reader}_left"]) != bool(row[f"{reader}_right"]):
            wanted = "both where this reader read the exam, neither where not"
            faults.add(row.line, f"{reader}_left, {reader}_right", "one of the two", wanted)
    return {column: number(row, column, faults) for column in SCORES}


def _cancer_laterality(row: Row, outcome: Outcome | None, faults: Faults) -> str | None:
    side = row["cancer_laterality"]
    if side and side not in CANCER_SIDES:
        faults.add(row.line, "cancer_laterality", "another word", "L, R, both (so written), or nothing")
    elif side and row["outcome"] and outcome is not None and outcome not in CANCERS:
        found = f"{side} with outcome {outcome}"
        faults.add(row.line, "cancer_laterality", found, f"nothing: only {', '.join(CANCERS)} have a side")
    return side if outcome in CANCERS and side else None


def density_of(row: Row, faults: Faults) -> str | None:
    return one_of(row, "density", {letter.lower(): letter for letter in DENSITIES}, faults)


def cancer_type_of(row: Row, outcome: Outcome | None, faults: Faults) -> str | None:
    kind = one_of(row, "cancer_type", {word: word for word in CANCER_TYPES}, faults)
    if kind and row["outcome"] and outcome is not None and outcome not in CANCERS:
        found = f"{kind} with outcome {outcome}"
        faults.add(row.line, "cancer_type", found, f"nothing: only {', '.join(CANCERS)} have a type")
    return kind if outcome in CANCERS else None


def _label(row: Row, windows: Windows, faults: Faults, screened_again: bool) -> ExamLabel:
    """One row as a label; its faults are added to `faults`."""
    need_ids(row, ("patient_id", "exam_id"), faults)
    outcome, undefined = outcome_of_row(row, windows, faults, screened_again)
    return ExamLabel(
        patient_id=row["patient_id"],
        exam_id=row["exam_id"],
        outcome=outcome or Outcome.UNKNOWN,
        cancer_laterality=_cancer_laterality(row, outcome, faults),
        follow_up_months=follow_up(row, faults),
        row=row.line,
        undefined=undefined,
        density=density_of(row, faults),
        cancer_type=cancer_type_of(row, outcome, faults),
        **_scores(row, faults),
    )


def _repeats(labels: list[ExamLabel]) -> Iterator[tuple[int, str, str, str]]:
    """(line, column, found, wanted) of each label whose exam an earlier line has."""
    first: dict[str, ExamLabel] = {}
    for label in labels:
        earlier = first.setdefault(label.exam_id, label)
        if earlier is label or not label.exam_id:
            continue
        if earlier.patient_id != label.patient_id:
            found = f"another woman than line {earlier.row} has for this exam"
            yield label.row, "patient_id", found, "one woman per exam"
        else:
            yield label.row, "exam_id", f"the exam of line {earlier.row} again", "one row per exam"


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """Read the table; ValueError names every fault's line and column, never an id."""
    faults = Faults(path)
    form = TableFormat(REQUIRED, OPTIONAL, more_columns=False)
    rows = list(read_rows(path, form, faults))
    add_undated(rows, faults)
    again = lines_before_another_exam(rows)
    labels = [_label(row, windows, faults, row.line in again) for row in rows]
    for fault in _repeats(labels):
        faults.add(*fault)
    return checked(labels, faults, "exam")
