"""What a label table says about one exam, whatever its source, and what a dataset adapter offers.

An adapter is a module `mammo_steps.datasets.<name>` whose docstring is the data card. It offers
`read_labels(path) -> list[ExamLabel]`, and where its files are not common DICOM files also `read_header`
and `read_pixels`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mammo_steps.core.terms import Outcome

CANCERS = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL, Outcome.PRIOR)
CANCER_SIDES = ("L", "R", "both")


@dataclass(frozen=True)
class ExamLabel:
    """One exam of a label table, with the archive's own ids: never write it to a file or a log.

    outcome             each adapter states how it was decided
    cancer_laterality   `L`, `R` or `both`; None = no cancer, or a cancer of unknown side
    reader_1_left ...   a reader's score of one breast, higher = more suspicious; None = not read
    follow_up_months    time without cancer that is known after the exam; None = not known
    row                 line of the source, for messages
    """

    patient_id: str
    exam_id: str
    outcome: Outcome
    cancer_laterality: str | None
    reader_1_left: float | None
    reader_1_right: float | None
    reader_2_left: float | None
    reader_2_right: float | None
    follow_up_months: float | None
    row: int


class LabelReader(Protocol):
    """The part of an adapter that every dataset has."""

    def read_labels(self, path: Path) -> list[ExamLabel]: ...
