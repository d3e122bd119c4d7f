"""CBIS-DDSM: digitised films of lesions from the DDSM, curated (Lee et al. 2017, doi 10.1038/sdata.2017.177).

source      The Cancer Imaging Archive, doi 10.7937/K9/TCIA.2016.7O02S9CY; 163 GB
terms       CC BY 3.0
size        1,566 women, 10,239 DICOM files: about 3,100 whole films, the rest are crops and masks of lesions
archive     the download's folder
labels      folder of the four tables `mass_case_description_train_set.csv`, `..._test_set.csv`,
            `calc_case_description_train_set.csv`, `..._test_set.csv`; all four, since one woman may be in
            several of them. Their split in training and test is not used: folds are by woman
metadata    none: PatientID, or else a folder's name, says `Mass-Training_P_00001_LEFT_CC`
exam        all films of one woman are one exam; there is one visit of each woman
outcome     screen_detected where any lesion of hers is MALIGNANT, else benign (BENIGN, and
            BENIGN_WITHOUT_CALLBACK: not biopsied). Proven by pathology. The collection does not say how a
            cancer was found nor when: every one is called screen-detected, none interval
side        of the malignant lesions, by row
undefined   nothing
not there   WOMEN WITHOUT A LESION: there are no normal exams, so an AUC of this collection is one of
            malignant against benign lesions. No dates (those in the headers are of the conversion), ages,
            readers or follow-up
incomplete  most women have films of one breast only, and are left out where exams of four images are asked
            for, as by default
faults      line breaks inside the path columns; `breast_density` is `breast density` in the tables of
            calcifications; paths in the tables are not those on disk; a woman may be in mass and calc, in
            training and test, and her film then exists twice under different UIDs (it is kept once); crops
            and masks have the same class and modality as whole films, and some of the tables' columns of
            crop and mask are exchanged. Headers are those of a Secondary Capture: no ViewPosition, no
            window, the view stands in PatientOrientation
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.core.terms import Outcome, Reason
from mammo_steps.datasets.breast_outcomes import BreastOutcome
from mammo_steps.datasets.image_tables import unread_label
from mammo_steps.datasets.label_tables import Faults, Row, TableFormat, need_ids, one_of, read_rows

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

TABLES = tuple(
    f"{kind}_case_description_{part}_set.csv" for kind in ("mass", "calc") for part in ("train", "test")
)
FORM = TableFormat(required=("patient_id", "left or right breast", "pathology"))
BREASTS = {"left": "L", "right": "R"}
OUTCOMES = {
    "malignant": Outcome.SCREEN_DETECTED,
    "benign": Outcome.BENIGN,
    "benign_without_callback": Outcome.BENIGN,
}

_NAME = re.compile(
    r"(?:Mass|Calc)-(?:Training|Test)_(?P<woman>P_\d{5})_(?P<breast>LEFT|RIGHT)_(?P<view>CC|MLO)(?P<lesion>_\d+)?"
)


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per woman of the four tables in the folder; `row` is her first line in the first that has her."""
    if not path.is_dir():
        raise ValueError(f"{path}: no folder; `labels` has to name the folder of {', '.join(TABLES)}")
    missing = [name for name in TABLES if not (path / name).is_file()]
    if missing:
        raise ValueError(f"{path}: the folder has no {', '.join(missing)}; put all four tables there")
    lesions: dict[str, list[BreastOutcome]] = {}
    lines: dict[str, int] = {}
    for name in TABLES:
        faults = Faults(path / name)
        for row in read_rows(path / name, FORM, faults):
            lines.setdefault(row["patient_id"], row.line)
            lesions.setdefault(row["patient_id"], []).append(_lesion(row, faults))
        faults.refuse()
    if not lesions:
        raise ValueError(f"{path}: no row below line 1 of any table; wanted one per lesion and film")
    return [unread_label(woman, woman, lines[woman], hers) for woman, hers in lesions.items()]


def _lesion(row: Row, faults: Faults) -> BreastOutcome:
    need_ids(row, ["patient_id"], faults)
    for column in ("left or right breast", "pathology"):
        if not row[column]:
            faults.add(row.line, column, "nothing", "a word")
    breast = one_of(row, "left or right breast", BREASTS, faults)
    outcome = one_of(row, "pathology", OUTCOMES, faults)
    return BreastOutcome(
        breast or "L", outcome or Outcome.UNKNOWN
    )  # the table is refused where one is not told


def image_facts(metadata: Path | None) -> FactsOf:
    """Ids, side and view by the name in PatientID, or else in a folder's name; crops and masks are left out."""
    if metadata is not None:
        raise ValueError(f"metadata is {metadata}, wanted null: cbis_ddsm reads its facts from the headers")
    return _facts


def _facts(relative: str, ds: Dataset) -> ImageFacts:
    names = [str(ds.get("PatientID", "")).strip(), *reversed(relative.split("/")[:-1])]
    found = next((match for match in map(_NAME.fullmatch, names) if match), None)
    if not found:
        wanted = "neither PatientID nor a folder is called as `Mass-Training_P_00001_LEFT_CC`"
        return ImageFacts(reason=Reason.MISSING_ID, detail=wanted)
    if found["lesion"]:
        return ImageFacts(reason=Reason.NOT_MAMMOGRAPHY, detail="crop or mask of a lesion, no whole film")
    breast = BREASTS[found["breast"].lower()]
    return ImageFacts(
        patient_id=found["woman"],
        exam_id=found["woman"],
        image_id=f"{found['woman']}_{found['breast']}_{found['view']}",
        laterality=breast,
        view=found["view"],
    )
