"""CSAW-CC: the case-control part of the Swedish Cohort of Screen-Aged Women (Karolinska, Strand et al.).

source      Swedish National Data Service, 2021-204-1 (doi 10.5878/45vm-t798); the cohort is described in
            Dembrower et al., J Digit Imaging 33 (2020) 408. On request
licence     CC BY 4.0 with the curators' request to be offered co-authorship: read the terms that come with it
size        98,788 images of 24,694 exams of 8,723 women: 873 with a cancer and all 7,850 controls of the part
            that is given out (about 30 % is held back); all Hologic. Cases are enriched tenfold
archive     the folder above the batches of DICOM files `<woman, 5 digits>_20990909_<L|R>_<CC|MLO>_<n>.dcm`;
            n counts the woman's exams, the date is the same in every name
labels      CSAW-CC_breast_cancer_screening_data.csv, or anon_dataset_nonhidden_211125.csv, its older name: one
            row per image. A broken copy is refused as a whole
metadata    the same file: it has the year of the exam
exams       woman and n, `00002_1`. Three women-years have eight images
outcome     of an exam of a case (x_case 1) by rad_timing: 1 = diagnosed less than 60 days after the exam is
            screen_detected, 2 = 60 to 729 days is interval, 3 = 730 days and more is prior. Whether she was
            recalled is not asked. Controls are normal; a benign finding is not told
windows     follow from these classes and cannot be chosen: 59, 729 and null
undefined   dates_missing: a case's exam without rad_timing. events_contradict: a control's exam with one
side        x_cancer_laterality, of the woman's cancer; empty = not known
readers     rad_r1, rad_r2: 0 or 1 for the exam, not for a breast. Each is written for both breasts, so that
            the reader's score is the flag and that of two readers the sum of their flags, but no sum per
            breast, unlike the paper's. Empty = not read; never filled with 0
follow-up   not stated
dates       the exam's year is taken as 1 July of it: order and differences are right to a year
not there   ages (two classes only). Density, recall by side and the masks of lesions are not read
beware      ids lose their leading zeros in spreadsheets and data frames; the file name's are used, and a row
            with another woman than its file name is a fault. What starts with x_, and rad_timing, is known
            only afterwards: nothing of it may be given to a network. Every tenth woman has a cancer, in
                screening one of 150
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason, Undefined
from mammo_steps.datasets.image_tables import need_metadata
from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    checked,
    code,
    one_of,
    read_rows,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FORM = TableFormat(
    required=(
        *("anon_patientid", "anon_filename", "exam_year"),
        *("x_case", "x_cancer_laterality", "rad_timing", "rad_r1", "rad_r2"),
    ),
    missing=frozenset({"NaN", "nan", "NA"}),
)
WINDOWS = Windows(screen_detected_days=59, interval_days=729, prior_days=None)
TIMING = {1: Outcome.SCREEN_DETECTED, 2: Outcome.INTERVAL, 3: Outcome.PRIOR}
SIDES = {"left": "L", "right": "R", "bilateral": "both"}

_NAME = re.compile(r"(\d{5})_20990909_([LR])_(CC|MLO)_(\d+)(?:\.dcm)?", re.IGNORECASE)


class _Name(NamedTuple):
    """What a file name says."""

    image_id: str
    patient_id: str
    exam_id: str
    laterality: str
    view: str


def _parsed(name: str) -> _Name | None:
    found = _NAME.fullmatch(PurePosixPath(name).name)
    if not found:
        return None
    woman, laterality, view, n = found.groups()
    laterality, view, exam = laterality.upper(), view.upper(), int(n)
    image_id = f"{woman}_{laterality}_{view}_{exam}"
    return _Name(image_id, woman, f"{woman}_{exam}", laterality, view)


def _woman(exam_id: str) -> str:
    return exam_id.partition("_")[0]


def _exams(path: Path, faults: Faults) -> dict[str, list[Row]]:
    """Rows by exam; a row whose file name is none, or another woman's, gets a fault and is left out."""
    exams: dict[str, list[Row]] = {}
    for row in read_rows(path, FORM, faults):
        name = _parsed(row["anon_filename"])
        if name is None:
            wanted = "<5 digits>_20990909_<L|R>_<CC|MLO>_<number>.dcm"
            faults.add(row.line, "anon_filename", "another name", wanted)
        elif row["anon_patientid"].removesuffix(".0").zfill(5) != name.patient_id:
            faults.add(row.line, "anon_patientid", "another woman than in anon_filename", "the same")
        else:
            exams.setdefault(name.exam_id, []).append(row)
    return exams


def _year(rows: Sequence[Row], faults: Faults) -> int:
    """The exam's year; 0 with a fault."""
    row = agreed(rows, "exam_year", faults)
    text = row["exam_year"].removesuffix(".0") if row else ""
    if re.fullmatch(r"(19|20)\d\d", text):
        return int(text)
    faults.add((row or rows[0]).line, "exam_year", "no year", "four digits")
    return 0


def _outcome(rows: Sequence[Row], screened_again: bool, faults: Faults) -> tuple[Outcome, Undefined | None]:
    case, timing = agreed(rows, "x_case", faults), agreed(rows, "rad_timing", faults)
    if case is None:
        faults.add(rows[0].line, "x_case", "nothing in any row of the exam", "0 or 1")
        return Outcome.UNKNOWN, None
    is_case = code(case, "x_case", {0: False, 1: True}, faults)
    outcome = None if timing is None else code(timing, "rad_timing", TIMING, faults)
    if is_case and outcome is None:
        return Outcome.UNKNOWN, Undefined.DATES_MISSING
    if not is_case and outcome is not None:
        return Outcome.UNKNOWN, Undefined.EVENTS_CONTRADICT
    if outcome == Outcome.INTERVAL and screened_again:
        return Outcome.PRIOR, None
    return outcome or Outcome.NORMAL, None


def _flag(rows: Sequence[Row], column: str, faults: Faults) -> float | None:
    row = agreed(rows, column, faults)
    return None if row is None else code(row, column, {0: 0.0, 1: 1.0}, faults)


def _label(exam_id: str, rows: Sequence[Row], screened_again: bool, faults: Faults) -> ExamLabel:
    outcome, undefined = _outcome(rows, screened_again, faults)
    side = agreed(rows, "x_cancer_laterality", faults)
    known_side = None if side is None else one_of(side, "x_cancer_laterality", SIDES, faults)
    reader_1, reader_2 = _flag(rows, "rad_r1", faults), _flag(rows, "rad_r2", faults)
    return ExamLabel(
        patient_id=_woman(exam_id),
        exam_id=exam_id,
        outcome=outcome,
        cancer_laterality=known_side if outcome in TIMING.values() else None,
        reader_1_left=reader_1,
        reader_1_right=reader_1,
        reader_2_left=reader_2,
        reader_2_right=reader_2,
        follow_up_months=None,
        row=rows[0].line,
        undefined=undefined,
    )


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per exam; ValueError for other windows than the table's own, and for every fault."""
    if windows != WINDOWS:
        raise ValueError(
            f"config key `outcome_windows` is {windows.screen_detected_days}, {windows.interval_days} and "
            f"{windows.prior_days} days; the classes of CSAW-CC (rad_timing) are fixed: wanted "
            f"{WINDOWS.screen_detected_days}, {WINDOWS.interval_days} and null, as in config/datasets/csaw_cc.yaml"
        )
    faults = Faults(path)
    exams = _exams(path, faults)
    years = {exam_id: _year(rows, faults) for exam_id, rows in exams.items()}
    last: dict[str, int] = {}  # year of each woman's last exam
    for exam_id, year in years.items():
        last[_woman(exam_id)] = max(year, last.get(_woman(exam_id), 0))
    labels = [
        _label(exam_id, rows, years[exam_id] < last[_woman(exam_id)], faults)
        for exam_id, rows in exams.items()
    ]
    return checked(labels, faults, "image")


def image_facts(metadata: Path | None) -> FactsOf:
    """Facts by file name, and the exam's year from the table; a file with another name is left out."""
    table = need_metadata(metadata, "csaw_cc", "its label table")
    faults = Faults(table)
    years = {exam_id: _year(rows, faults) for exam_id, rows in _exams(table, faults).items()}
    faults.refuse()

    def facts(path: str, header: Dataset) -> ImageFacts:
        name = _parsed(path)
        if name is None:
            return ImageFacts(reason=Reason.MISSING_ID, detail="the file's name is none of CSAW-CC's")
        year = years.get(name.exam_id)
        return ImageFacts(
            patient_id=name.patient_id,
            exam_id=name.exam_id,
            image_id=name.image_id,
            laterality=name.laterality,
            view=name.view,
            exam_date=date(year, 7, 1) if year else None,
        )

    return facts
