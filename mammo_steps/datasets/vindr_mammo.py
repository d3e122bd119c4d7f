"""VinDr-Mammo: digital mammograms of two hospitals in Hanoi with BI-RADS categories (Nguyen et al. 2023).

NO PATHOLOGY: what is called screen_detected here is BI-RADS 5, a suspicion. An AUC on this data set says how
well a model agrees with radiologists, not how well it finds cancer

source      physionet.org/content/vindr-mammo 1.0.0 (doi 10.13026/br2v-7517); Sci Data 10 (2023) 277
licence     PhysioNet Restricted Health Data License 1.5.0: credentials and an agreement are needed; not to be
            passed on
size        20,000 images of 5,000 exams, four views each; double reading, disagreement arbitrated
archive     images: `<study_id>/<image_id>.dicom`
labels      breast-level_annotations.csv: one row per image, with the category of its breast
metadata    the same file: laterality and view of each image
exams       study_id. Women are not told apart: each exam counts as one woman, and where a woman has two exams
            they may come into different folds
outcome     by breast from breast_birads, see `birads`: 1 normal, 2 benign, 5 screen_detected; the exam is the
            worse breast
undefined   no_pathology: 3 or 4 (or 0) in a breast, and 5 in none
side        breasts with category 5
not there   interval cancers, readers' scores, follow-up, dates; ages are in metadata.csv and not read
beware      screening and diagnostic exams are mixed. `split` (training, test) is not used: folds are our own.
            `finding_annotations.csv` (boxes of findings from BI-RADS 3) is not read
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts, Windows
from mammo_steps.datasets.birads import BIRADS
from mammo_steps.datasets.breast_outcomes import BreastOutcome
from mammo_steps.datasets.image_tables import facts_by_stem, need_metadata, unread_label
from mammo_steps.datasets.label_tables import (
    Faults,
    Row,
    TableFormat,
    agreed,
    by_key,
    checked,
    need_ids,
    one_of,
    read_rows,
)

FORM = TableFormat(required=("study_id", "image_id", "laterality", "view_position", "breast_birads"))
SIDES = {"l": "L", "r": "R"}
VIEWS = {"cc": "CC", "mlo": "MLO"}
CATEGORIES = {f"bi-rads {category}": outcome for category, outcome in BIRADS.items()}


def _breasts(rows: Sequence[Row], faults: Faults) -> Iterator[BreastOutcome]:
    for breast in by_key(rows, "laterality").values():
        laterality = one_of(breast[0], "laterality", SIDES, faults)
        category = agreed(breast, "breast_birads", faults, "breast")
        if laterality is None or category is None:
            missing = "breast_birads" if laterality else "laterality"
            faults.add(breast[0].line, missing, "nothing to go by", "an entry, as in the published table")
            continue
        outcome = one_of(category, "breast_birads", CATEGORIES, faults)
        if outcome is not None:
            yield BreastOutcome(laterality, *outcome)


def read_labels(path: Path, windows: Windows) -> list[ExamLabel]:
    """One label per exam; ValueError names every fault's line and column. The windows have no part in it."""
    faults = Faults(path)
    labels = []
    for (study_id,), rows in by_key(read_rows(path, FORM, faults), "study_id").items():
        need_ids(rows[0], ("study_id",), faults)
        breasts = list(_breasts(rows, faults))
        if not breasts:
            continue
        labels.append(unread_label(study_id, study_id, rows[0].line, breasts))
    return checked(labels, faults, "image")


def _facts(row: Row, faults: Faults) -> ImageFacts:
    need_ids(row, ("study_id", "image_id"), faults)
    return ImageFacts(
        patient_id=row["study_id"],
        exam_id=row["study_id"],
        image_id=row["image_id"],
        laterality=one_of(row, "laterality", SIDES, faults),
        view=one_of(row, "view_position", VIEWS, faults),
    )


def image_facts(metadata: Path | None) -> FactsOf:
    """What the table says of each image; a file without a row is left out."""
    table = need_metadata(metadata, "vindr_mammo", "breast-level_annotations.csv")
    faults = Faults(table)
    return facts_by_stem(read_rows(table, FORM, faults), "image_id", _facts, faults)
