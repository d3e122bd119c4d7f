"""From scores to probabilities of cancer, cross-fitted over folds, and how well they agree with what was found.

Fold k's scores are turned into probabilities by calibrators that were fitted to the other folds' out-of-fold scores.
Two kinds: logistic (Platt 1999, with his smoothed targets, which keep it finite where scores separate the classes)
and isotonic. Probabilities are at the cohort's prevalence; `shifted` brings them to another.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from mammo_steps.core.auc import Bools, Floats, Ints
from mammo_steps.core.shares import wilson

KINDS = ("logistic", "isotonic")
_LEAST = 1e-9  # no probability is closer to 0 or 1, where a score beyond all that were fitted would put it
# bins of the reliability table, as shares of exams from the lowest probability: finer where the cancers are
BIN_EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1.0)


def logistic_fit(x: Floats, target: Floats, slope: float | None = None) -> tuple[float, float]:
    """(slope, intercept) of the likeliest logistic curve through targets in [0, 1]; a given slope is kept.

    Newton's method with halved steps where a whole one would not better the likelihood. A slope without end (x
    separates the targets) is stopped at what 50 steps reach.
    """
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    z = (x - centre) / spread
    design = np.stack([z, np.ones_like(z)])[0 if slope is None else 1 :]
    offset = 0.0 if slope is None else slope * x
    share = float(np.clip(target.mean(), 1e-9, 1 - 1e-9))
    beta = np.zeros(len(design))
    beta[-1] = logit(share) - (0.0 if slope is None else float(np.mean(slope * x)))

    def loss(at: Floats) -> float:
        eta = at @ design + offset
        return float((np.logaddexp(0, eta) - target * eta).sum())

    now = loss(beta)
    for _ in range(50):
        p = expit(beta @ design + offset)
        hessian = (design * (p * (1 - p))) @ design.T
        step = np.linalg.lstsq(hessian, design @ (target - p), rcond=None)[0]
        while (then := loss(beta + step)) > now and np.abs(step).max() > 1e-12:
            step /= 2
        if not then < now - 1e-10 * (1 + abs(now)):
            break
        beta, now = beta + step, then
    if slope is not None:
        return slope, float(beta[0])
    return float(beta[0] / spread), float(beta[1] - beta[0] * centre / spread)


@dataclass(frozen=True)
class Calibrator:
    """Both kinds, as they stand in JSON.

    slope, intercept  probability = 1 / (1 + exp(-(slope x score + intercept)))
    scores, levels    the isotonic curve's corners; between them it is interpolated, beyond them level
    n_positive, n_negative  exams it was fitted to
    """

    slope: float
    intercept: float
    scores: list[float]
    levels: list[float]
    n_positive: int
    n_negative: int

    def probabilities(self, scores: Floats, kind: str) -> Floats:
        """(n,) at the prevalence of the exams it was fitted to; never 0 or 1."""
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}, wanted one of {KINDS}")
        if kind == "isotonic":
            return np.interp(scores, self.scores, self.levels)
        return np.asarray(expit(self.slope * scores + self.intercept).clip(_LEAST, 1 - _LEAST))


def calibrator(scores: Floats, positive: Bools) -> Calibrator:
    """Fitted to all these exams; an isotonic level stays half an exam away from 0 and 1."""
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        raise ValueError(f"a calibrator needs both classes: {m} positive, {n} negative")
    slope, intercept = logistic_fit(scores, np.where(positive, (m + 1) / (m + 2), 1 / (n + 2)))
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    shares = np.bincount(place, weights=positive) / counts
    levels = isotonic_regression(shares, weights=counts).x.clip(0.5 / (m + n), 1 - 0.5 / (m + n))
    turns = np.flatnonzero(np.diff(levels))  # last of each run of equal levels
    corners = np.unique(np.concatenate([[0], turns, turns + 1, [values.size - 1]]))
    return Calibrator(slope, intercept, values[corners].tolist(), levels[corners].tolist(), m, n)


def cross_fitted(
    scores: Floats, positive: Bools, fold: Ints
) -> tuple[dict[str, Floats], dict[int, Calibrator]]:
    """Kind -> (n,) probabilities, and the calibrator of each fold.

    Scores must be finite. ValueError if the folds other than one lack a class.
    """
    fitted = {int(k): calibrator(scores[fold != k], positive[fold != k]) for k in np.unique(fold)}
    found = {kind: np.empty(scores.size) for kind in KINDS}
    for number, one in fitted.items():
        for kind in KINDS:
            found[kind][fold == number] = one.probabilities(scores[fold == number], kind)
    return found, fitted


def shifted(probabilities: Floats, prevalence: float, target: float) -> Floats:
    """Probabilities at another prevalence of positives, the scores of either class being distributed as they are."""
    return np.asarray(expit(logit(probabilities) + logit(target) - logit(prevalence)))


def reliability(probabilities: Floats, positive: Bools) -> list[dict[str, Any]]:
    """Per bin of exams of like probability: mean predicted and observed share with its interval (Wilson)."""
    edges = np.unique(np.quantile(probabilities, BIN_EDGES[1:-1], method="higher"))
    place = np.searchsorted(edges, probabilities, side="right")
    rows = []
    for number in np.unique(place):
        inside = place == number
        n, m = int(inside.sum()), int(positive[inside].sum())
        low, high = wilson(m, n)
        rows.append(
            {
                "n": n,
                "n_positive": m,
                "mean_predicted": float(probabilities[inside].mean()),
                "observed": m / n,
                "low": low,
                "high": high,
            }
        )
    return rows


def agreement(probabilities: Floats, positive: Bools) -> dict[str, float]:
    """Brier score, and that of the cohort's share for all; slope (1: right spread) and intercept (0: right level).

    Source of slope and intercept: Cox 1958, doi 10.1093/biomet/45.3-4.562; the intercept is taken at slope 1.
    """
    target = positive.astype(np.float64)
    on_scale = logit(probabilities)
    return {
        "brier": float(((probabilities - target) ** 2).mean()),
        "brier_of_prevalence": float(target.var()),
        "slope": logistic_fit(on_scale, target)[0],
        "intercept": logistic_fit(on_scale, target, slope=1.0)[1],
    }
