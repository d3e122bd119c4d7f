"""CMMD, the Chinese Mammography Database: women who had a biopsy (Cui et al. 2021, doi 10.7937/tcia.eqde-4b16).

NOT SCREENING. Every woman came with a lesion that was then biopsied, and none is without one.
`screen_detected` here means no more than biopsy-proven malignant. An AUC of this collection is one of
malignant against benign lesions, and says nothing about screening.

source      The Cancer Imaging Archive; 23 GB
terms       CC BY 4.0
size        1,775 women, 5,202 DICOM files, full-field digital, CC and MLO; about half of the women have both
            breasts, the others the affected one only, and are left out where exams of four images are asked for
archive     the download's folder
labels      `CMMD_clinicaldata_revision.xlsx` as published, or a CSV (commas, UTF-8) saved from it: one row
            per breast with ID1, LeftRight, Age, number, abnormality, classification, subtype
metadata    none: the header's PatientID is ID1
exam        all images of one woman: there is one visit of each, and ID1 is the exam's id, too
outcome     screen_detected where a breast of hers is Malignant, else benign (Benign). Proven by biopsy
side        of the malignant breasts, by row. Of a breast without a row nothing is said
undefined   nothing
not there   normal exams, dates (those in the headers are made up), readers, follow-up, interval cancers
faults      laterality and view of an image stand in its header only, and not in its file's name; a woman
            may be benign on one side and malignant on the other. D1-... and D2-... are two parts: all of D2
            is malignant with a molecular subtype, so whatever tells the parts apart tells the outcome:
            do not train on both without a look at that
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from mammo_steps.core.artefacts import reading
from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.core.terms import Outcome
from mammo_steps.datasets.breast_outcomes import BreastOutcome
from mammo_steps.datasets.image_tables import unread_label
from mammo_steps.datasets.label_tables import (
    Faults,
    Record,
    Row,
    TableFormat,
    by_key,
    checked,
    need_ids,
    one_of,
    read_rows,
    rows_of,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FORM = TableFormat(required=("ID1", "LeftRight", "classification"))
BREASTS = {"l": "L", "r": "R"}
OUTCOMES = {"malignant": Outcome.SCREEN_DETECTED, "benign": Outcome.BENIGN}


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per woman; `row` is her first row in the sheet."""
    faults = Faults(path)
    workbook = path.suffix.lower() == ".xlsx"
    rows = list(rows_of(path, _records(path), FORM, faults) if workbook else read_rows(path, FORM, faults))
    breasts = {row.line: _breast(row, faults) for row in rows}
    labels = [
        unread_label(woman, woman, hers[0].line, [breasts[row.line] for row in hers])
        for (woman,), hers in by_key(rows, "ID1").items()
    ]
    return checked(labels, faults, "breast")


def _records(path: Path) -> Iterator[Record]:
    """The rows of the workbook's first sheet as text, without empty ones."""
    from openpyxl import load_workbook  # only this data set and its kind need it
    from openpyxl.utils.exceptions import InvalidFileException

    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such label table; name it in the config")
    try:
        book = load_workbook(reading(path), read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise ValueError(f"{path}: no workbook that can be read ({type(error).__name__})") from None
    n_columns = 0
    try:
        for line, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), start=1):
            texts = ["" if cell is None else str(cell).strip() for cell in cells]
            n_columns = n_columns or len(texts)
            if any(texts):  # a row may be stored without its empty last cells
                yield line, texts + [""] * (n_columns - len(texts))
    finally:
        book.close()


def _breast(row: Row, faults: Faults) -> BreastOutcome:
    need_ids(row, ["ID1"], faults)
    for column in ("LeftRight", "classification"):
        if not row[column]:
            faults.add(row.line, column, "nothing", "a word")
    breast = one_of(row, "LeftRight", BREASTS, faults)
    outcome = one_of(row, "classification", OUTCOMES, faults)
    return BreastOutcome(
        breast or "L", outcome or Outcome.UNKNOWN
    )  # the table is refused where one is not told


def image_facts(metadata: Path | None) -> FactsOf:
    """ID1 as the id of woman and exam."""
    if metadata is not None:
        raise ValueError(f"metadata is {metadata}, wanted null: cmmd reads its facts from the headers")
    return _facts


def _facts(relative: str, ds: Dataset) -> ImageFacts:
    woman = str(ds.get("PatientID", "")).strip() or None
    return ImageFacts(patient_id=woman, exam_id=woman)
