"""What adapters share whose tables have one row per image: facts by file name, labels without readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mammo_steps.core.labels import ExamLabel, FactsOf, ImageFacts
from mammo_steps.core.terms import Reason
from mammo_steps.datasets.breast_outcomes import BreastOutcome, exam_outcome
from mammo_steps.datasets.label_tables import NOT_READ, Faults, Row

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NO_ROW = ImageFacts(reason=Reason.MISSING_ID, detail="the metadata table has no row for this file")


def need_metadata(metadata: Path | None, dataset: str, table: str) -> Path:
    """The metadata table; ValueError says which one to name in the config."""
    if metadata is None:
        raise ValueError(f"config key `metadata` is empty: {dataset} wants {table} there")
    return metadata


def facts_by_stem(
    rows: Iterable[Row], column: str, facts_of_row: Callable[[Row, Faults], ImageFacts], faults: Faults
) -> FactsOf:
    """Looks files up by their name without its ending; a file without a row is left out with a reason.

    column  holds that name. A name again with the same facts is passed over, with others it is a fault
    Raises ValueError for all faults so far.
    """
    known: dict[str, tuple[int, ImageFacts]] = {}
    for row in rows:
        found = facts_of_row(row, faults)
        line, first = known.setdefault(row[column], (row.line, found))
        if found != first:
            faults.add(row.line, column, f"the image of line {line} with other facts", "one row per image")
    faults.refuse()

    def facts(path: str, header: Dataset) -> ImageFacts:
        stem = PurePosixPath(path).stem
        return known[stem][1] if stem in known else NO_ROW

    return facts


def unread_label(patient_id: str, exam_id: str, line: int, breasts: Iterable[BreastOutcome]) -> ExamLabel:
    """Label of an exam that is what its breasts are, without readers' scores and follow-up."""
    outcome, side, undefined = exam_outcome(breasts)
    return ExamLabel(
        patient_id=patient_id,
        exam_id=exam_id,
        outcome=outcome,
        cancer_laterality=side,
        follow_up_months=None,
        row=line,
        undefined=undefined,
        **NOT_READ,
    )
