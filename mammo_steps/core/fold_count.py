"""Into how many folds a cohort can be divided."""

from collections.abc import Mapping

from mammo_steps.core.terms import Outcome

MIN_FOLDS = 2
MIN_POSITIVES = 2  # women with a screen-detected cancer in each fold, and so in each test set


def most_folds(women: Mapping[Outcome, int]) -> int:
    """The largest number of folds in which each test set holds every kind of cancer that the cohort has.

    women  by worst outcome; two with a screen-detected cancer are wanted in each fold, and one with an interval
           cancer if there are any
    """
    most = women.get(Outcome.SCREEN_DETECTED, 0) // MIN_POSITIVES
    n_interval = women.get(Outcome.INTERVAL, 0)
    return min(most, n_interval) if n_interval else most


def per_fold(n_women: int, folds: int) -> tuple[int, int]:
    """(fewest, most) of n women of one stratum in a fold, as they are dealt."""
    return n_women // folds, -(-n_women // folds)
