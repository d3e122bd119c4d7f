"""breast_outcomes: two breasts make one exam."""

import pytest

from mammo_steps.core.terms import Outcome, Undefined
from mammo_steps.datasets.breast_outcomes import BreastOutcome, exam_outcome

SCREEN, INTERVAL, PRIOR = Outcome.SCREEN_DETECTED, Outcome.INTERVAL, Outcome.PRIOR
BENIGN, NORMAL, UNKNOWN = Outcome.BENIGN, Outcome.NORMAL, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("left", "right", "outcome", "side"),
    [
        (SCREEN, NORMAL, SCREEN, "L"),
        (BENIGN, INTERVAL, INTERVAL, "R"),
        (SCREEN, SCREEN, SCREEN, "both"),
        (INTERVAL, SCREEN, SCREEN, "R"),
        (PRIOR, INTERVAL, INTERVAL, "R"),
        (SCREEN, UNKNOWN, SCREEN, "L"),
        (NORMAL, BENIGN, BENIGN, None),
        (NORMAL, NORMAL, NORMAL, None),
        (NORMAL, UNKNOWN, UNKNOWN, None),
        (UNKNOWN, BENIGN, UNKNOWN, None),
    ],
)
def test_an_exam_is_its_worse_breast_and_no_cancer_needs_both_known(
    left: Outcome, right: Outcome, outcome: Outcome, side: str | None
) -> None:
    exam = exam_outcome([BreastOutcome("L", left), BreastOutcome("R", right)])
    assert (exam.outcome, exam.cancer_laterality) == (outcome, side)


def test_the_reason_of_the_unknown_breast_is_kept() -> None:
    breasts = [BreastOutcome("L", NORMAL), BreastOutcome("R", UNKNOWN, Undefined.NO_PATHOLOGY)]
    assert exam_outcome(breasts).undefined == Undefined.NO_PATHOLOGY
    assert exam_outcome([*breasts, BreastOutcome("L", SCREEN)]).undefined is None


def test_one_breast_alone_decides() -> None:
    assert exam_outcome([BreastOutcome("R", NORMAL)]) == (NORMAL, None, None)
