"""What else is known of exams, for subgroups: machine, year, age, density, kinds of cancer, scores of one view."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from mammo_steps.core.auc import Floats
from mammo_steps.core.localisation import Lesion
from mammo_steps.core.subgroups import UNKNOWN, age_bands
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Role


@dataclass(frozen=True)
class ExamFacts:
    """One entry per exam, in the order of the exam scores.

    groups        by name: the group of each exam
    cancer_types  "" where there is no cancer, or its type is not known
    lesion_types  malignant lesions' types, joined by `+`; "" where none is known
    of_one_view   view -> holistic exam scores of its images alone (max over breasts of the sum), NaN where none
    """

    groups: Mapping[str, Sequence[str]]
    cancer_types: Sequence[str]
    lesion_types: Sequence[str]
    of_one_view: Mapping[str, Floats]


def read_exam_facts(
    images: Path,
    holistic: Iterable[Path],
    exam_ids: Sequence[str],
    lesions: Mapping[str, Sequence[Lesion]],
    age_band_years: int,
) -> ExamFacts:
    """From cohort/images.parquet, holistic/{fold}/images.parquet and known lesions by image_id."""
    names = ["image_id", "exam_id", "vendor", "exam_year", "age_years", "density", "cancer_type"]
    rows = read_table(images, "images", names).select(names).to_pylist()
    of_exam = {row["exam_id"]: row for row in sorted(rows, key=lambda row: str(row["image_id"]))}
    own = [of_exam.get(exam_id, {}) for exam_id in exam_ids]
    types: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        types[row["exam_id"]] |= {
            one.lesion_type for one in lesions.get(row["image_id"], ()) if one.malignant
        }
    return ExamFacts(
        {
            "vendor": [str(row.get("vendor") or UNKNOWN) for row in own],
            "exam_year": [str(row.get("exam_year") or UNKNOWN) for row in own],
            "age_years": age_bands([row.get("age_years") for row in own], age_band_years),
            "density": [str(row.get("density") or UNKNOWN) for row in own],
        },
        [str(row.get("cancer_type") or "") for row in own],
        ["+".join(sorted(types[exam_id])) for exam_id in exam_ids],
        view_scores(holistic, exam_ids),
    )


def view_scores(files: Iterable[Path], exam_ids: Sequence[str]) -> dict[str, Floats]:
    """View -> (n,) of test images: max over breasts of the sum over the breast's images of this view."""
    place = {exam_id: number for number, exam_id in enumerate(exam_ids)}
    sums: dict[tuple[str, str, str], float] = defaultdict(float)
    names = ["exam_id", "laterality", "view", "role", "margin"]
    for file in sorted(files):
        table = read_table(file, "holistic_scores", names)
        for row in table.filter(pc.equal(table["role"], Role.TEST)).to_pylist():
            sums[row["view"], row["exam_id"], row["laterality"]] += row["margin"]
    found: dict[str, Floats] = {}
    for (view, exam_id, _), total in sums.items():
        scores = found.setdefault(view, np.full(len(exam_ids), np.nan))
        if exam_id in place:
            scores[place[exam_id]] = np.fmax(scores[place[exam_id]], total)
    return dict(sorted(found.items()))
