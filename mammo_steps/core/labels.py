"""What a label table says about one exam, whatever its source, and what a dataset adapter offers.

An adapter is a module `mammo_steps.datasets.<name>` whose docstring is the data card. It offers

    read_labels(path, windows) -> list[ExamLabel]     always
    image_facts(metadata) -> FactsOf                  where headers lack what file names or a table say
    read_header(path, settings), read_pixels(path)    where the files are not DICOM
    write_lesions(labels, archive, lesions)           where it knows the places of lesions
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mammo_steps.core.terms import Outcome, Reason, Undefined

if TYPE_CHECKING:  # the Snakefile reads labels without loading pydicom
    from pydicom.dataset import Dataset

CANCERS = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL, Outcome.PRIOR)
CANCER_SIDES = ("L", "R", "both")
DENSITIES = ("A", "B", "C", "D")  # BI-RADS: from almost entirely fatty to extremely dense
CANCER_TYPES = ("invasive", "in_situ", "other")


@dataclass(frozen=True)
class Windows:
    """How the time from exam to diagnosis decides the outcome; see `core.outcomes.outcome_of`.

    screen_detected_days  a recalled woman's cancer diagnosed within so many days was found by this exam
    interval_days         any other cancer within so many days is an interval cancer
    prior_days            a later one makes the exam a prior, up to so many days; None = without limit
    """

    screen_detected_days: int
    interval_days: int
    prior_days: int | None

    def __post_init__(self) -> None:
        days = [self.screen_detected_days, self.interval_days]
        if self.prior_days is not None:
            days.append(self.prior_days)
        if days != sorted(days) or days[0] < 0:
            raise ValueError(
                f"outcome_windows are {days} days, wanted each at least as long as the one before"
            )


@dataclass(frozen=True)
class ExamLabel:
    """One exam of a label table, with the archive's own ids: never write it to a file or a log.

    outcome             each adapter states how it was decided
    cancer_laterality   `L`, `R` or `both`; None = no cancer, or a cancer of unknown side
    reader_1_left ...   a reader's score of one breast, higher = more suspicious; None = not read
    follow_up_months    time without cancer that is known after the exam; None = not known
    row                 line of the source, for messages
    undefined           why the outcome is `unknown`; None = the source itself says `unknown`
    density             of the breasts, one of `DENSITIES`; None = not known. For subgroups alone
    cancer_type         one of `CANCER_TYPES`; None = no cancer or not known. For subgroups alone
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
    undefined: Undefined | None = None
    density: str | None = None
    cancer_type: str | None = None


def side_of(breasts: Iterable[str]) -> str | None:
    """The cancer_laterality of cancers in these breasts (`L`, `R`); None for none."""
    sides = sorted(set(breasts))
    return "both" if len(sides) > 1 else sides[0] if sides else None


@dataclass(frozen=True)
class ImageFacts:
    """What a data set's file names or tables say of one image; None = nothing. Ids as in the label table.

    Ids, date and age stand in for those of the header. Laterality and view that contradict the header's coded
    ones are a conflict. `reason` leaves the file out.
    """

    patient_id: str | None = None
    exam_id: str | None = None
    image_id: str | None = None
    laterality: str | None = None
    view: str | None = None
    exam_date: date | None = None
    age_years: int | None = None
    synthetic: bool | None = None
    implant: bool | None = None
    reason: Reason | None = None
    detail: str = ""


# of a file's path below the archive (posix), and those elements of its header that core.dicom_fields reads
FactsOf = Callable[[str, "Dataset"], ImageFacts]


class LabelReader(Protocol):
    """The part of an adapter that every dataset has."""

    def read_labels(self, path: Path, windows: Windows) -> list[ExamLabel]: ...
