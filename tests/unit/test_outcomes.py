import pytest

from mammo_steps.core.labels import Windows
from mammo_steps.core.outcomes import outcome_of_cancer

WINDOWS = Windows(screen_detected_days=180, interval_days=730, prior_days=1000)


@pytest.mark.parametrize(
    ("days", "recalled", "outcome", "why"),
    [
        (0, True, "screen_detected", None),
        (180, True, "screen_detected", None),
        (181, True, "interval", None),
        (30, False, "interval", None),
        (730, False, "interval", None),
        (731, False, "prior", None),
        (1000, True, "prior", None),
        (1001, False, "unknown", "outside_windows"),
        (-1, True, "unknown", "dates_contradict"),
        (None, True, "unknown", "dates_missing"),
    ],
)
def test_days_and_recall_decide_the_outcome(
    days: float | None, recalled: bool, outcome: str, why: str | None
) -> None:
    assert outcome_of_cancer(days, recalled, WINDOWS) == (outcome, why)


def test_priors_have_no_limit_where_none_is_set() -> None:
    assert outcome_of_cancer(9999, False, Windows(60, 730, None)) == ("prior", None)


def test_a_cancer_after_the_next_screening_exam_is_not_an_interval_cancer_of_this_one() -> None:
    assert outcome_of_cancer(340, False, WINDOWS, screened_again=True) == ("prior", None)
    assert outcome_of_cancer(150, True, WINDOWS, screened_again=True) == ("screen_detected", None)
    assert outcome_of_cancer(1001, False, WINDOWS, screened_again=True) == ("unknown", "outside_windows")


@pytest.mark.parametrize("days", [(800, 730, None), (60, 730, 700), (-1, 730, None)])
def test_windows_out_of_order_are_refused(days: tuple[int, int, int | None]) -> None:
    with pytest.raises(ValueError, match="at least as long as the one before"):
        Windows(*days)
