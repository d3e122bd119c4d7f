"""One's own archive: a CSV table with one row per exam, written by the people who know the outcomes.

Columns, in any order:

    patient_id          PatientID of the DICOM headers
    exam_id             the exam's id in the headers, by default StudyInstanceUID
    outcome             normal, benign, screen_detected, interval, prior or unknown
    cancer_laterality   L, R or both; empty = no cancer, or its side is not known
    reader_1_left, reader_1_right, reader_2_left, reader_2_right
                        numbers, higher = more suspicious; empty = not read
    follow_up_months    optional: months without cancer that are known after the exam; empty = not known

The file is UTF-8 with commas. Ids are text: leading zeros count. Outcomes are taken as given:

    screen_detected     cancer found through recall from this exam
    interval            cancer found after this negative exam, before the next one was due
    prior               no cancer now, cancer found later than that
    benign, normal      no cancer, with and without a benign finding at work-up
    unknown             left out and counted

A table with any fault is refused as a whole, with the line and the column of each.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mammo_steps.core.labels import CANCER_SIDES, CANCERS, ExamLabel, Windows
from mammo_steps.core.terms import Outcome

READERS = ("reader_1", "reader_2")
SCORES = tuple(f"{reader}_{breast}" for reader in READERS for breast in ("left", "right"))
REQUIRED = ("patient_id", "exam_id", "outcome", "cancer_laterality", *SCORES)
OPTIONAL = ("follow_up_months",)
SHOWN = 10  # problems that a message lists

Faults = list[tuple[str, str]]  # of one row: column; what was found and what was wanted


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, stripped cells) of each line that is not blank, the header first."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such label table; name it in the config")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path}: after line {reader.line_num} there is a character that is not UTF-8: "
                "save the table as `CSV UTF-8`"
            ) from error
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num}: not a CSV line ({error})") from error


def _check_header(path: Path, names: list[str]) -> None:
    """ValueError unless the columns are the wanted ones, once each. A name is never shown: it may be data."""
    known = REQUIRED + OPTIONAL
    if len(names) == 1 and re.search(r"[;\t]", names[0]):
        raise ValueError(f"{path}: line 1: one column with `;` or tab inside; separate the columns by commas")
    problems = [f"column {name} is missing" for name in REQUIRED if name not in names]
    problems += [f"column {name} stands there twice" for name in known if names.count(name) > 1]
    unknown = [f"number {place}" for place, name in enumerate(names, 1) if name not in known]
    if unknown:
        problems.append(f"unknown columns, counted from the left: {', '.join(unknown[:SHOWN])}")
    if problems:
        wanted = f"Wanted: {', '.join(REQUIRED)}, and optionally {', '.join(OPTIONAL)}"
        raise ValueError(f"{path}: line 1: {'; '.join(problems)}. {wanted}")


def _number(text: str) -> float | None:
    """The finite number in a cell, None if it holds anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _numbers(row: Mapping[str, str], faults: Faults) -> dict[str, float | None]:
    """The row's scores and follow-up; None where a cell is empty."""
    values: dict[str, float | None] = {}
    for column in (*SCORES, *OPTIONAL):
        text = row.get(column, "")
        values[column] = _number(text)
        if text and values[column] is None:
            found = "a decimal comma" if re.fullmatch(r"-?\d+,\d+", text) else "no number"
            faults.append((column, f"found {found}, wanted a number such as 2 or 0.5, or nothing"))
    follow_up = values["follow_up_months"]
    if follow_up is not None and follow_up < 0:
        faults.append(("follow_up_months", "found a number below 0, wanted months, or nothing"))
    for reader in READERS:
        if bool(row[f"{reader}_left"]) != bool(row[f"{reader}_right"]):
            wanted = "both where this reader read the exam, neither where not"
            faults.append((f"{reader}_left, {reader}_right", f"found one of the two, wanted {wanted}"))
    return values


def _outcome(row: Mapping[str, str], faults: Faults) -> Outcome | None:
    word = row["outcome"]
    if word in tuple(Outcome):
        return Outcome(word)
    found = f"the word {word[:40]!r}" if word else "nothing"
    faults.append(("outcome", f"found {found}, wanted one of {', '.join(Outcome)}"))
    return None


def _cancer_laterality(row: Mapping[str, str], outcome: Outcome | None, faults: Faults) -> str | None:
    side = row["cancer_laterality"]
    if side and side not in CANCER_SIDES:
        faults.append(("cancer_laterality", "found another word, wanted L, R, both (so written), or nothing"))
    elif side and outcome is not None and outcome not in CANCERS:
        only = f"only {', '.join(CANCERS)} have a side"
        faults.append(("cancer_laterality", f"found {side} with outcome {outcome}, wanted nothing: {only}"))
    return side or None


def _label(line: int, row: Mapping[str, str], faults: Faults) -> ExamLabel:
    """One row as a label; its faults are added to `faults`."""
    for column in ("patient_id", "exam_id"):
        if not row[column]:
            faults.append((column, "found nothing, wanted the id that stands in the DICOM headers"))
    outcome = _outcome(row, faults)
    side = _cancer_laterality(row, outcome, faults)
    return ExamLabel(
        patient_id=row["patient_id"],
        exam_id=row["exam_id"],
        outcome=outcome or Outcome.UNKNOWN,
        cancer_laterality=side,
        row=line,
        undefined=None,
        **_numbers(row, faults),
    )


def _repeats(labels: list[ExamLabel]) -> Iterator[tuple[int, str, str]]:
    """(line, column, fault) of each label whose exam an earlier line has."""
    first: dict[str, ExamLabel] = {}
    for label in labels:
        earlier = first.setdefault(label.exam_id, label)
        if earlier is label or not label.exam_id:
            continue
        if earlier.patient_id != label.patient_id:
            found = f"found another woman than line {earlier.row} has for this exam"
            yield label.row, "patient_id", f"{found}, wanted one woman per exam"
        else:
            yield label.row, "exam_id", f"found the exam of line {earlier.row} again, wanted one row per exam"


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """Read the table; ValueError names every fault's line and column, never an id."""
    lines = _cells(path)
    _, names = next(lines, (1, []))
    _check_header(path, names)
    labels = []
    faults: list[tuple[int, str, str]] = []
    for line, cells in lines:
        of_row: Faults = []
        if len(cells) == len(names):
            labels.append(_label(line, dict(zip(names, cells, strict=True)), of_row))
        else:
            of_row.append(("whole line", f"found {len(cells)} cells, wanted {len(names)}, as in line 1"))
        faults += [(line, *fault) for fault in of_row]
    faults += _repeats(labels)
    if faults:
        faults.sort(key=lambda fault: fault[0])
        shown = [f"  line {line}, {column}: {fault}" for line, column, fault in faults[:SHOWN]]
        if len(faults) > SHOWN:
            shown.append(f"  and {len(faults) - SHOWN} more")
        found = f"{path}: {len(faults)} fault(s) in the label table; correct it and start again:"
        raise ValueError("\n".join([found, *shown]))
    if not labels:
        raise ValueError(f"{path}: no exam below line 1; wanted one row per exam")
    return labels
