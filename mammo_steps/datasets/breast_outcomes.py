"""From the outcomes of two breasts to that of their exam: one rule for every source that has one row per breast.

a cancer in either breast       the worse of the breasts' outcomes; its side is that of the breasts that have it
no cancer, a breast unknown     unknown, for that breast's reason
no cancer, both known           benign with a benign breast, else normal
one breast stated only          the exam is what that breast is
"""

from collections.abc import Iterable
from typing import NamedTuple

from mammo_steps.core.labels import CANCERS
from mammo_steps.core.terms import WORST_FIRST, Outcome, Undefined


class BreastOutcome(NamedTuple):
    """Laterality is `L` or `R`; `undefined` says why the outcome is unknown, None = the source says so."""

    laterality: str
    outcome: Outcome
    undefined: Undefined | None = None


class ExamOutcome(NamedTuple):
    """`cancer_laterality` as in `core.labels.ExamLabel`."""

    outcome: Outcome
    cancer_laterality: str | None
    undefined: Undefined | None


def exam_outcome(breasts: Iterable[BreastOutcome]) -> ExamOutcome:
    """The exam's outcome; an entry may stand for a breast's image: the worst one of a breast counts."""
    entries = list(breasts)
    worst = min((entry.outcome for entry in entries), key=WORST_FIRST.index)
    if worst in CANCERS:
        sides = {entry.laterality for entry in entries if entry.outcome == worst}
        return ExamOutcome(worst, "both" if len(sides) == 2 else sides.pop(), None)
    for entry in entries:
        if entry.outcome == Outcome.UNKNOWN:
            return ExamOutcome(Outcome.UNKNOWN, None, entry.undefined)
    return ExamOutcome(worst, None, None)
