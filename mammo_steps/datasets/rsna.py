"""RSNA: the training set of the RSNA Screening Mammography Breast Cancer Detection challenge (2022).

source      kaggle.com/competitions/rsna-breast-cancer-detection; wiki of RSNA/AI-Challenge-Data
licence     non-commercial use, academic research and education among it; no attempt to identify anyone
size        54,706 images of 11,913 women, one exam each, of two sites; 486 women with a cancer
archive     train_images: `<patient_id>/<image_id>.dcm`, JPEG 2000 and JPEG lossless
labels      train.csv: one row per image. (test.csv has no outcomes)
metadata    train.csv again: laterality, view, age and implants of each image. The headers have no view
exams       exam = woman: both ids are patient_id
outcome     cancer 1 is screen_detected, by breast. Without a cancer a biopsy (1) makes the exam benign: a
            finding was worked up. Everything else is normal, difficult_negative_case and BIRADS 0 too: they
            say that the reading was hard or that she was recalled, not what was found
side        breasts with cancer 1
undefined   nothing: a row without `cancer` is a fault
not there   interval cancers, so that only one of the three end points can be estimated; follow-up (normal is
            taken at its word); dates; readers' scores (BIRADS is empty for half of the rows)
views       CC and MLO; ML, LM, LMO, AT and others are left out as other views, and count as extra images:
            with `extra_images: exclude` every exam with one is out
beware      many exams have more than four images, exams with a cancer more often. One site has MONOCHROME1.
            `implant` is by woman at site 1, by breast at site 2. Ids are whole numbers and stay text
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason
from mammo_steps.datasets.breast_outcomes import BreastOutcome
from mammo_steps.datasets.image_tables import facts_by_stem, need_metadata, unread_label
from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    by_key,
    checked,
    code,
    need_ids,
    number,
    one_of,
    read_rows,
)

FORM = TableFormat(
    required=("patient_id", "image_id", "laterality", "view", "age", "cancer", "biopsy", "implant"),
    missing=frozenset({"NaN", "nan"}),
)
SIDES = {"l": "L", "r": "R"}
VIEWS = ("CC", "MLO")
YES_NO = {0: False, 1: True}


def _breasts(rows: Sequence[Row], faults: Faults) -> Iterator[BreastOutcome]:
    """The woman's breasts; rows of a breast that differ are faults."""
    for breast in by_key(rows, "laterality").values():
        laterality = one_of(breast[0], "laterality", SIDES, faults)
        cancer, biopsy = (agreed(breast, column, faults, "breast") for column in ("cancer", "biopsy"))
        if laterality is None or cancer is None:
            missing = "cancer" if laterality else "laterality"
            faults.add(breast[0].line, missing, "nothing to go by", "an entry, as in the published train.csv")
            continue
        has_cancer = code(cancer, "cancer", YES_NO, faults)
        had_biopsy = biopsy is not None and code(biopsy, "biopsy", YES_NO, faults)
        without = Outcome.BENIGN if had_biopsy else Outcome.NORMAL
        yield BreastOutcome(laterality, Outcome.SCREEN_DETECTED if has_cancer else without)


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per woman; ValueError names every fault's line and column. The windows have no part in it."""
    faults = Faults(path)
    labels = []
    for (patient_id,), rows in by_key(read_rows(path, FORM, faults), "patient_id").items():
        need_ids(rows[0], ("patient_id",), faults)
        breasts = list(_breasts(rows, faults))
        if not breasts:
            continue
        labels.append(unread_label(patient_id, patient_id, rows[0].line, breasts))
    return checked(labels, faults, "image")


def _facts(row: Row, faults: Faults) -> ImageFacts:
    need_ids(row, ("patient_id", "image_id"), faults)
    age = number(row, "age", faults, "years")
    implant = code(row, "implant", YES_NO, faults)
    view = row["view"].upper()
    return ImageFacts(
        patient_id=row["patient_id"],
        exam_id=row["patient_id"],
        image_id=row["image_id"],
        laterality=one_of(row, "laterality", SIDES, faults),
        view=view if view in VIEWS else None,
        age_years=None if age is None else int(age),
        implant=implant,
        reason=None if view in VIEWS else Reason.OTHER_VIEW,
    )


def image_facts(metadata: Path | None) -> FactsOf:
    """What the table says of each image; a file without a row is left out."""
    table = need_metadata(metadata, "rsna", "train.csv")
    faults = Faults(table)
    return facts_by_stem(read_rows(table, FORM, faults), "image_id", _facts, faults)
