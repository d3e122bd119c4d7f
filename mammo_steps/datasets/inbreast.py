"""INbreast: digital mammograms of the Breast Centre in CHSJ, Porto (Moreira et al., Acad Radiol 19 (2012) 236).

NO PATHOLOGY in the table: what is called screen_detected here is BI-RADS 5 or 6. Women were chosen for their
findings, of screening, diagnostic and follow-up exams: the figures say nothing about screening

source      on request from the authors (Breast Research Group, INESC Porto); copies circulate
licence     research only, with the authors' consent; cite the article
size        410 images of 115 exams of 108 women: 90 exams of four images, 25 of two (after a mastectomy); Siemens
archive     AllDICOMs: `<File Name>_<woman>_MG_<L|R>_<CC|ML>_ANON.dcm`, the woman as 16 hex digits
labels      INbreast.csv, left in the release's folder beside AllDICOMs: one row per image, separated by `;`.
            The table has no woman (`removed`), only the file names do, so both are read
metadata    INbreast.csv again: it has the month of the exam
exams       woman and month of acquisition, `6c613a14b80a8591_200805`
outcome     by breast from Bi-Rads, see `birads`: 1 normal, 2 benign, 5 and 6 screen_detected; the worst image
            of a breast counts, and the exam is its worse breast
undefined   no_pathology: 3, 4a, 4b or 4c in a breast, and 5 or 6 in none
side        breasts with 5 or 6
views       file names say ML where the view is MLO; other views are left out
dates       the first of the month
not there   ages, interval cancers, readers' scores, follow-up
beware      the 25 exams of one breast are incomplete for this workflow and are left out. Some women have two
            exams. ACR (density) is blank in places. Outlines in AllXML are not read
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.core.terms import Reason
from mammo_steps.datasets.birads import BIRADS
from mammo_steps.datasets.breast_outcomes import BreastOutcome
from mammo_steps.datasets.image_tables import NO_ROW, need_metadata, unread_label
from mammo_steps.datasets.label_tables import Faults, Row, TableFormat, checked, one_of, read_rows

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FORM = TableFormat(
    required=("Laterality", "View", "Acquisition date", "File Name", "Bi-Rads"),
    separator=";",
)
SIDES = {"l": "L", "r": "R", "left": "L", "right": "R"}
VIEWS = {"CC": "CC", "ML": "MLO", "MLO": "MLO"}

_NAME = re.compile(r"(\d+)_([0-9a-f]+)_MG_([LR])_([A-Z]+)_ANON\.dcm", re.IGNORECASE)
_MONTH = re.compile(r"(\d{4})(0[1-9]|1[0-2])")


class _Name(NamedTuple):
    """What a file name says; `number` is the table's File Name."""

    number: str
    woman: str
    laterality: str
    view: str


def _parsed(name: str) -> _Name | None:
    found = _NAME.fullmatch(PurePosixPath(name).name)
    return _Name(found[1], found[2].lower(), found[3].upper(), found[4].upper()) if found else None


def _month(row: Row, faults: Faults) -> date | None:
    found = _MONTH.fullmatch(row["Acquisition date"])
    if not found:
        faults.add(row.line, "Acquisition date", "no month", "year and month, such as 200805")
        return None
    return date(int(found[1]), int(found[2]), 1)


def _exam_id(woman: str, month: date) -> str:
    return f"{woman}_{month:%Y%m}"


def _women(labels: Path) -> dict[str, str]:
    """Woman by the number of her file, from the names in AllDICOMs beside the table."""
    folder = labels.parent / "AllDICOMs"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder}: there is no such folder; leave INbreast.csv in the release's folder, beside AllDICOMs: "
            "only the names of the image files tell which woman they show"
        )
    names = (_parsed(file.name) for file in folder.iterdir())
    return {name.number: name.woman for name in names if name}


def _images(path: Path, faults: Faults) -> dict[str, tuple[Row, date]]:
    """(row, month) by the number of the file; rows without a month, or of a file again, get a fault."""
    images: dict[str, tuple[Row, date]] = {}
    for row in read_rows(path, FORM, faults):
        month, number = _month(row, faults), row["File Name"]
        if number in images:
            faults.add(
                row.line, "File Name", f"the file of line {images[number][0].line} again", "one row per file"
            )
        elif month is not None:
            images[number] = (row, month)
    return images


def _exams(path: Path, faults: Faults) -> dict[tuple[str, str], list[Row]]:
    """Rows by (woman, exam)."""
    women = _women(path)
    exams: dict[tuple[str, str], list[Row]] = {}
    for number, (row, month) in _images(path, faults).items():
        if number in women:
            woman = women[number]
            exams.setdefault((woman, _exam_id(woman, month)), []).append(row)
        else:
            faults.add(row.line, "File Name", "a number of no file", "one of a file in AllDICOMs")
    return exams


def _breasts(rows: Sequence[Row], faults: Faults) -> Iterator[BreastOutcome]:
    for row in rows:
        for column in ("Laterality", "Bi-Rads"):
            if not row[column]:
                faults.add(row.line, column, "nothing", "an entry, as in the published table")
        laterality = one_of(row, "Laterality", SIDES, faults)
        outcome = one_of(row, "Bi-Rads", BIRADS, faults)
        if laterality is not None and outcome is not None:
            yield BreastOutcome(laterality, *outcome)


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per exam; ValueError names every fault's line and column. The windows have no part in it."""
    faults = Faults(path)
    labels = []
    for (woman, exam_id), rows in _exams(path, faults).items():
        breasts = list(_breasts(rows, faults))
        if not breasts:
            continue
        labels.append(unread_label(woman, exam_id, rows[0].line, breasts))
    return checked(labels, faults, "image")


def image_facts(metadata: Path | None) -> FactsOf:
    """Facts by file name and the exam's month from the table; a file without a row is left out."""
    table = need_metadata(metadata, "inbreast", "INbreast.csv")
    faults = Faults(table)
    images = _images(table, faults)
    faults.refuse()

    def facts(path: str, header: Dataset) -> ImageFacts:
        name = _parsed(path)
        if name is None:
            return ImageFacts(reason=Reason.MISSING_ID, detail="the file's name is none of INbreast's")
        if name.number not in images:
            return NO_ROW
        month = images[name.number][1]
        return ImageFacts(
            patient_id=name.woman,
            exam_id=_exam_id(name.woman, month),
            image_id=name.number,
            laterality=name.laterality,
            view=VIEWS.get(name.view),
            exam_date=month,
            reason=None if name.view in VIEWS else Reason.OTHER_VIEW,
        )

    return facts
