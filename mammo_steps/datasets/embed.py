"""EMBED, the Emory Breast Imaging Dataset: screening and diagnostic exams with pathology (Jeong et al. 2023).

source      github.com/Emory-HITI/EMBED_Open_Data, files on AWS Open Data after registration
terms       EMBED research use agreement: research without commerce, no redistribution, and NO RELEASE OF
            TRAINED WEIGHTS without written permission
size        22,382 women, 76,373 exams (72 % screening), 480,323 files; Hologic 92 %, GE 6 %, Fuji 2 %
archive     the folder of `images` (cohort_1, cohort_2); other folders are possible: a file is known by its
            name, which is unique
labels      `tables/EMBED_OpenData_clinical.csv`, one row per finding
metadata    `tables/EMBED_OpenData_metadata.csv`, one row per file: ids, side, view, kind of image, implant.
            Tables of the same names with `_reduced` do as well where they have the columns
exam        one acc_anon. It is a screening exam where `desc` has the word screen
recalled    a finding with BI-RADS 0 (asses A), 4 or 5; and an exam with a tissue result in a row of its own,
            whatever its assessment: its authors say that such exams were amended to BI-RADS 0 later
outcome     cancer is path_severity 0 or 1 in any row of the woman, of this exam or another, diagnosed on
            procdate_anon. Days from the exam to the first diagnosis after it, recall, and whether she was
            screened again in between decide by `core.outcomes`. Without a cancer: recalled and
            path_severity 2 to 4 at work-up is benign; recalled and a later exam that is not a screening
            exam with BI-RADS 1 to 3 only is normal; not recalled is normal. Work-up is what happens within
            `screen_detected_days`
follow-up   months to the woman's last exam with BI-RADS 1 to 3 only; none = no such exam after this one
side        bside, or else side where it is L or R; a finding of both breasts does not tell the cancer's
undefined   not_screening: diagnostic exams and ultrasound. not_recorded: no description, or no BI-RADS
            category from 0 to 5. no_pathology: recalled without tissue result and without harmless work-up;
            or BI-RADS 4 to 6 at an exam within the windows without a tissue result; or path_severity 5 or
            6, which the table's documents explain in two ways (normal tissue, or a cancer of another kind).
            no_follow_up: recalled, and nothing later is known. dates_missing: a cancer without
            procdate_anon. dates_contradict: a tissue result of this exam from before it. after_surgery: a
            cancer of the woman is older than the exam. events_contradict: rows of one exam with two dates
            or two kinds, or a screening exam with BI-RADS 6. outside_windows: see `outcome_windows`
faults      pathology is entered by hand, often at the diagnostic exam and not at the screening exam from
            which it came: hence all rows of the woman are read. Findings are per breast: tables must not be
            joined by acc_anon alone. Ids may be written as 123.0. study_date_anon is the day of the report
            in the clinical table, of the exam in the other one. Dates are shifted by woman
not there   tomosynthesis, readers' scores. US screening is yearly from 40: see config/datasets/embed.yaml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path, PurePosixPath

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows, side_of
from mammo_steps.core.outcomes import outcome_of_cancer
from mammo_steps.core.terms import OLDEST_YEARS, Outcome, Reason, Undefined
from mammo_steps.datasets.embed_exams import (
    BENIGN,
    CANCER,
    HARMLESS,
    MISSING,
    RECALL,
    SUSPICIOUS,
    Exam,
    Tissue,
    day_of,
    read_exams,
    whole_id,
)
from mammo_steps.datasets.image_tables import facts_by_stem, need_metadata
from mammo_steps.datasets.label_tables import NOT_READ, Faults, Row, TableFormat, need_ids, read_rows

DAYS_PER_MONTH = 365.25 / 12

METADATA = TableFormat(
    required=("empi_anon", "acc_anon", "anon_dicom_path", "FinalImageType", "ImageLateralityFinal",
              "ViewPosition", "spot_mag"),
    optional=("study_date_anon", "PatientAge", "BreastImplantPresent"),
    missing=MISSING,
)  # fmt: skip

Decided = tuple[Outcome, Undefined | None]


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per exam of the clinical table, in its order; `row` is the exam's first line."""
    exams = read_exams(path)
    by_woman: dict[str, list[Exam]] = {}
    for exam in exams:
        by_woman.setdefault(exam.patient_id, []).append(exam)
    for hers in by_woman.values():
        hers.sort(key=lambda exam: exam.day)
    return [_label(exam, by_woman[exam.patient_id], windows) for exam in exams]


def _label(exam: Exam, hers: Sequence[Exam], windows: Windows) -> ExamLabel:
    why = _unusable(exam)
    if why:
        outcome, breasts = Outcome.UNKNOWN, ""
    else:
        (outcome, why), breasts = _with_cancer(exam, hers, windows)
    if not why and outcome is Outcome.NORMAL:  # as yet: no cancer is known
        outcome, why = _without_cancer(exam, hers, windows)
    return ExamLabel(
        patient_id=exam.patient_id,
        exam_id=exam.exam_id,
        outcome=outcome,
        cancer_laterality=side_of(breasts),
        follow_up_months=_follow_up_months(exam, hers),
        row=exam.row,
        undefined=why,
        **NOT_READ,
    )


def _unusable(exam: Exam) -> Undefined | None:
    if not exam.agrees:
        return Undefined.EVENTS_CONTRADICT
    if not exam.described:
        return Undefined.NOT_RECORDED
    if not exam.screening:
        return Undefined.NOT_SCREENING
    if "K" in exam.assessments:
        return Undefined.EVENTS_CONTRADICT
    if not exam.assessments & (RECALL | HARMLESS):
        return Undefined.NOT_RECORDED
    return None


def _with_cancer(exam: Exam, hers: Sequence[Exam], windows: Windows) -> tuple[Decided, str]:
    """Outcome by the woman's cancers, and their breasts; NORMAL if she has none.

    hers  all her exams, in the order of their days
    """
    cancers = [(other, result) for other in hers for result in other.tissue if result.severity in CANCER]
    if not cancers:
        return (Outcome.NORMAL, None), ""
    for other, result in cancers:
        if other is not exam and (result.day or other.day) < exam.day:
            return (Outcome.UNKNOWN, Undefined.AFTER_SURGERY), ""
    dated = [((result.day - exam.day).days, result) for _, result in cancers if result.day]
    # one without a date came after its own exam, and matters where it may have been the first
    undated = [(other.day - exam.day).days for other, result in cancers if not result.day]
    first_day = min((n_days for n_days, _ in dated), default=None)
    if first_day is None or any(n_days < first_day for n_days in undated):
        return outcome_of_cancer(None, exam.recalled, windows), ""

    def decide(n_days: int) -> Decided:
        again = any(e.screening and 0 < (e.day - exam.day).days <= n_days for e in hers)
        return outcome_of_cancer(n_days, exam.recalled, windows, again)

    first = decide(first_day)
    if first[0] is Outcome.UNKNOWN:
        return first, ""
    same = [result for n_days, result in dated if decide(n_days) == first]
    return first, "".join(result.breasts for result in same)


def _without_cancer(exam: Exam, hers: Sequence[Exam], windows: Windows) -> Decided:
    later = [other for other in hers if other.day >= exam.day and other is not exam]
    days = windows.screen_detected_days if exam.recalled else windows.interval_days
    soon = [other for other in later if (other.day - exam.day).days <= days]
    results = _work_up(exam, hers, windows)
    if exam.recalled and any(result.severity in BENIGN for result in results):
        return Outcome.BENIGN, None
    suspicious = any(other.assessments & SUSPICIOUS and not other.tissue for other in soon)
    if suspicious or (exam.recalled and results):
        return Outcome.UNKNOWN, Undefined.NO_PATHOLOGY
    if not exam.recalled or any(_harmless(other) and not other.screening for other in soon):
        return Outcome.NORMAL, None
    return Outcome.UNKNOWN, Undefined.NO_PATHOLOGY if later else Undefined.NO_FOLLOW_UP


def _work_up(exam: Exam, hers: Sequence[Exam], windows: Windows) -> list[Tissue]:
    """Tissue results of the exam itself, and those of others from the time of its work-up."""

    def in_time(day: date | None) -> bool:
        return day is not None and 0 <= (day - exam.day).days <= windows.screen_detected_days

    others = [result for other in hers if other is not exam for result in other.tissue]
    return [*exam.tissue, *(result for result in others if in_time(result.day))]


def _harmless(exam: Exam) -> bool:
    return bool(exam.assessments) and exam.assessments <= HARMLESS


def _follow_up_months(exam: Exam, hers: Sequence[Exam]) -> float | None:
    last = max((other.day for other in hers if other.day > exam.day and _harmless(other)), default=None)
    return None if last is None else (last - exam.day).days / DAYS_PER_MONTH


def image_facts(metadata: Path | None) -> FactsOf:
    """Facts by the name of the file, from the metadata table; a file that is not in it is left out."""
    table = need_metadata(metadata, "embed", "EMBED_OpenData_metadata.csv")
    faults = Faults(table)
    return facts_by_stem(_by_name(table, faults), "anon_dicom_path", _facts_of_row, faults)


def _by_name(table: Path, faults: Faults) -> Iterator[Row]:
    """The table's rows, with the file's name without its ending in place of its path."""
    for row in read_rows(table, METADATA, faults):
        need_ids(row, ["empi_anon", "acc_anon", "anon_dicom_path"], faults)
        yield Row(row.line, row.cells | {"anon_dicom_path": PurePosixPath(row["anon_dicom_path"]).stem})


def _facts_of_row(row: Row, faults: Faults) -> ImageFacts:
    reason, detail = _reason(row)
    age = row["PatientAge"].upper().removesuffix("Y")
    return ImageFacts(
        patient_id=sys.intern(whole_id(row, "empi_anon", faults)) or None,
        exam_id=sys.intern(whole_id(row, "acc_anon", faults)) or None,
        laterality={"L": "L", "R": "R"}.get(row["ImageLateralityFinal"]),
        view={"CC": "CC", "MLO": "MLO"}.get(row["ViewPosition"]),
        exam_date=day_of(row, "study_date_anon", faults),
        age_years=min(int(age), OLDEST_YEARS) if age.isdigit() else None,
        synthetic=_kind(row) == "CVIEW",
        implant={"YES": True, "NO": False}.get(row["BreastImplantPresent"].upper()),
        reason=reason,
        detail=detail,
    )


def _kind(row: Row) -> str:
    return row["FinalImageType"].upper().replace("-", "")


def _reason(row: Row) -> tuple[Reason | None, str]:
    if _kind(row) == "3D":
        return Reason.MULTI_FRAME, ""
    if _kind(row) not in ("2D", "CVIEW"):
        return Reason.NOT_MAMMOGRAPHY, "FinalImageType is neither 2D nor C-view"
    if row["spot_mag"] in ("1", "1.0"):
        return Reason.SPECIAL_VIEW, "spot_mag is 1"
    return None, ""
