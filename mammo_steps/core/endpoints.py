"""Which exams are positive and negative in each end point, and the sampled protocol."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mammo_steps.core.randomness import ordered
from mammo_steps.core.terms import WORST_FIRST, Endpoint, Outcome

Ints = NDArray[np.int64]

PRIORS = ("negative", "leave_out")
_POSITIVE = {
    Endpoint.SCREEN_DETECTED: {Outcome.SCREEN_DETECTED},
    Endpoint.SCREEN_DETECTED_OR_INTERVAL: {Outcome.SCREEN_DETECTED, Outcome.INTERVAL},
    Endpoint.INTERVAL: {Outcome.INTERVAL},
}


def truths(outcomes: Sequence[str], endpoint: Endpoint, prior: str) -> Ints:
    """(n,) 1 positive, 0 negative, -1 left out.

    Interval cancers are negative where screen-detected ones alone are sought; screen-detected cancers are
    left out where interval cancers alone are. `prior`: what a prior is. An unknown outcome is always left
    out.
    """
    if prior not in PRIORS:
        raise ValueError(f"prior is {prior!r}, wanted one of {PRIORS}")
    out = {Outcome.UNKNOWN}
    if prior == "leave_out":
        out.add(Outcome.PRIOR)
    if endpoint == Endpoint.INTERVAL:
        out.add(Outcome.SCREEN_DETECTED)
    value = {outcome: -1 if outcome in out else int(outcome in _POSITIVE[endpoint]) for outcome in Outcome}
    return np.array([value[Outcome(outcome)] for outcome in outcomes], dtype=np.int64)


def sampled(exam_ids: Sequence[str], truth: Ints, n_negative: int, key: tuple[str | int, ...]) -> Ints:
    """`truth` with all but `n_negative` of its negatives left out; the draw depends on ids and key alone."""
    negatives = [exam_ids[int(i)] for i in np.flatnonzero(truth == 0)]
    if len(negatives) <= n_negative:
        return truth
    drawn = set(ordered(negatives, *key)[:n_negative])
    kept = np.array([exam_id in drawn for exam_id in exam_ids])
    return np.where((truth == 0) & ~kept, -1, truth)


def worst_outcomes(women: Ints, outcomes: Sequence[str]) -> Ints:
    """(W,) each woman's worst outcome as its place in WORST_FIRST; women (n,) are 0..W-1."""
    place = {outcome: rank for rank, outcome in enumerate(WORST_FIRST)}
    worst = np.full(int(women.max(initial=-1)) + 1, len(WORST_FIRST), dtype=np.int64)
    np.minimum.at(worst, women, np.array([place[Outcome(outcome)] for outcome in outcomes], dtype=np.int64))
    return worst
