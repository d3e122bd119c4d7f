"""What EMBED's clinical table says of each exam: assessments, tissue results, dates; see `datasets.embed`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    code,
    need_ids,
    one_of,
    read_rows,
)

MISSING = frozenset({"NaN", "nan", "NaT", "None"})
CLINICAL = TableFormat(
    required=("empi_anon", "acc_anon", "study_date_anon", "desc", "asses", "side", "bside", "path_severity",
              "procdate_anon"),
    missing=MISSING,
)  # fmt: skip
SEVERITIES = {number: number for number in range(7)}
CANCER = (0, 1)  # invasive, in situ
BENIGN = (2, 3, 4)  # high risk, borderline, benign
RECALL = {"A", "S", "M"}  # BI-RADS 0, 4, 5
SUSPICIOUS = {"S", "M", "K"}  # BI-RADS 4, 5, 6
HARMLESS = {"N", "B", "P"}  # BI-RADS 1, 2, 3
BREASTS = {"l": "L", "r": "R", "b": "LR"}


@dataclass(frozen=True)
class Tissue:
    """One tissue result. `day` is of the biopsy or operation; `breasts` is empty where the side is not told."""

    severity: int
    day: date | None
    breasts: str


@dataclass(frozen=True)
class Exam:
    """One accession: all its rows, each of which is one finding.

    agrees  its rows tell one day and one kind of exam
    """

    exam_id: str
    patient_id: str
    day: date
    described: bool
    screening: bool
    assessments: frozenset[str]
    tissue: tuple[Tissue, ...]
    agrees: bool
    row: int

    @property
    def recalled(self) -> bool:
        """Also an exam with a tissue result of its own: BI-RADS 1 and 2 with one were amended to 0 later."""
        return bool(self.assessments & RECALL or self.tissue)


def whole_id(row: Row, column: str, faults: Faults) -> str:
    """An id, without the `.0` that it has where the column was once taken for numbers."""
    text = re.sub(r"\.0+$", "", row[column])
    if re.fullmatch(r"[\d.]+[eE]\+?\d+", text):
        faults.add(row.line, column, "a number with an exponent", "the id in full: take the published file")
    return text


def day_of(row: Row, column: str, faults: Faults) -> date | None:
    """The day in a cell such as 2015-03-02 or 2015-03-02 00:00:00; None for nothing, or else with a fault."""
    if not row[column]:
        return None
    try:
        return date.fromisoformat(row[column][:10])
    except ValueError:
        faults.add(row.line, column, "no date", "a date such as 2015-03-02, or nothing")
        return None


def _tissue(row: Row, faults: Faults) -> Tissue | None:
    severity = code(row, "path_severity", SEVERITIES, faults)
    day = day_of(row, "procdate_anon", faults)
    finding = one_of(row, "side", BREASTS, faults) or ""
    breasts = one_of(row, "bside", BREASTS, faults)
    if severity is None:
        return None
    return Tissue(severity, day, breasts or (finding if finding != "LR" else ""))


def _exam(exam_id: str, rows: Sequence[Row], faults: Faults) -> Exam:
    agreed(rows, "empi_anon", faults)
    days = [day_of(row, "study_date_anon", faults) for row in rows]
    for row in rows:
        if not row["study_date_anon"]:
            faults.add(row.line, "study_date_anon", "nothing", "a date such as 2015-03-02")
    known = {day for day in days if day}
    screening = {"screen" in row["desc"].lower() for row in rows if row["desc"]}
    tissue = [_tissue(row, faults) for row in rows]
    return Exam(
        exam_id=exam_id,
        patient_id=whole_id(rows[0], "empi_anon", faults),
        day=min(known, default=date.min),
        described=bool(screening),
        screening=screening == {True},
        assessments=frozenset(row["asses"].upper() for row in rows if row["asses"]),
        tissue=tuple(result for result in tissue if result),
        agrees=len(known) == 1 and len(screening) <= 1,
        row=rows[0].line,
    )


def read_exams(path: Path) -> list[Exam]:
    """All exams of the table, in its order; ValueError with every fault."""
    faults = Faults(path)
    rows = []
    for row in read_rows(path, CLINICAL, faults):
        need_ids(row, ["empi_anon", "acc_anon"], faults)
        rows.append(row)
    by_accession: dict[str, list[Row]] = {}
    for row in rows:
        by_accession.setdefault(whole_id(row, "acc_anon", faults), []).append(row)
    exams = [_exam(exam_id, of_exam, faults) for exam_id, of_exam in by_accession.items()]
    faults.refuse()
    if not exams:
        raise ValueError(f"{path}: no row below line 1; wanted one per finding")
    return exams
