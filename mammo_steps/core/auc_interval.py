"""95 % intervals of an AUC, and the binormal model that the default one leans on.

Plain and logit DeLong intervals cover too little where the AUC is high and positives are few: a variance estimated
from three misplaced positives is worth little, and small just when the AUC came out too high. The default is
therefore a score interval: all AUCs theta from which the estimate is no further than some standard errors *of theta*,
these being the binormal model's, scaled by the estimated variance. `make bench-coverage` measures all three.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, owens_t  # of single numbers much faster than scipy.stats.norm
from scipy.stats import t

from mammo_steps.core.auc import Bools, Floats, Ints, clustered
from mammo_steps.core.shares import Z95

SCORE = "_binormal_score"
FORMS = ("", "_logit", SCORE)
_MOST_LEVELS = 50  # distinct scores; with more of them ties change the variance by less than it is known
_TRUST_IN_LESS = 0.5  # in an estimated variance below the model's; one above it is believed


@dataclass(frozen=True)
class Interval:
    """A 95 % interval inside [0, 1], and the name of how it was made."""

    low: float
    high: float
    method: str


@dataclass(frozen=True)
class Estimate:
    """An AUC with its variance.

    source   where the variance is from: delong, bootstrap, ...
    n_women  women with positive exams, or with negative ones where these are fewer; None = as many as exams
    levels   variance under the binormal model with these tied levels over that without ties (`level_factor`)
    quantile of the plain and the logit interval, in standard errors
    """

    value: float
    variance: float
    n_positive: int
    n_negative: int
    source: str = "delong"
    n_women: int | None = None
    levels: float = 1.0
    quantile: float = Z95


def binormal_variance(theta: float, m: int, n: int) -> float:
    """Variance of the AUC of m positives and n negatives, normal scores of equal spread, true AUC theta.

    The probability that two positives both lie above one negative (and the like with the classes swapped) is
    Phi2(a, a; 1/2) with a = Phi^-1(theta), which is theta - 2 T(a, 1 / sqrt 3) with Owen's T.
    Source: the variance of Mann and Whitney's U (e.g. Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747)
    with this model in place of theirs; Owen 1956, doi 10.1214/aoms/1177728074.
    """
    both = theta - 2 * float(owens_t(ndtri(theta), 1 / np.sqrt(3)))
    return (theta * (1 - theta) + (m + n - 2) * (both - theta**2)) / (m * n)


def _levelled_variance(theta: float, shares: Floats, m: int, n: int) -> float:
    """`binormal_variance` of scores that were cut into levels; shares (L,) of negatives in each, none of them 0.

    The model's shift of the positives is the one at which the AUC of the levels is theta.
    """
    cuts = ndtri(np.cumsum(shares)[:-1])
    below = (
        np.cumsum(shares) - shares / 2
    )  # (L,) share of negatives below a positive of this level, ties half

    def of_positives(shift: float) -> Floats:
        return np.diff(ndtr(cuts - shift), prepend=0.0, append=1.0)

    def excess(shift: float) -> float:
        return float(of_positives(shift) @ below) - theta

    reach = 15.0  # beyond it all positives are in the top level, or in the lowest
    shift = reach if excess(reach) <= 0 else -reach if excess(-reach) >= 0 else brentq(excess, -reach, reach)
    up = of_positives(shift)
    above = 1 - np.cumsum(up) + up / 2
    ties = float(up @ shares)
    of_one_pair = theta - ties / 4 - theta**2
    spread = (n - 1) * (up @ below**2 - theta**2) + (m - 1) * (shares @ above**2 - theta**2)
    return float(of_one_pair + spread) / (m * n)


def level_factor(scores: Floats, positive: Bools) -> float:
    """How ties change the variance under the binormal model: 1 without them, mostly 0.8 to 1 with five levels.

    Kept within 0.5 and 1.25: near an AUC of 1 it would hang on one exam.
    """
    levels, place = np.unique(scores, return_inverse=True)
    m, n = int(positive.sum()), int((~positive).sum())
    if not 1 < levels.size <= _MOST_LEVELS or not m or not n:
        return 1.0
    counts = np.bincount(place[~positive], minlength=levels.size)
    inner = np.cumsum(counts)[:-1] / n
    # half a negative is thought into the lowest and the highest level where there are none
    ends = np.clip(inner, 0.5 / (n + 0.5), n / (n + 0.5))
    shares = np.diff(ends, prepend=0.0, append=1.0)
    up = np.bincount(place[positive], minlength=levels.size) / m
    theta = float(up @ (np.cumsum(counts) - counts / 2)) / n
    if not 0 < theta < 1:
        return 1.0
    factor = _levelled_variance(theta, shares, m, n) / binormal_variance(theta, m, n)
    return float(np.clip(factor, 0.5, 1.25))


def estimated(scores: Floats, positive: Bools, woman: Ints) -> Estimate:
    """The AUC of these exams (n,), with all that its interval is made from; woman (n,) says whose exam it is."""
    of = np.unique(woman, return_inverse=True)[1].astype(np.int64)
    aucs, covariance = clustered(scores[None], positive, of)
    return Estimate(
        value=float(aucs[0]),
        variance=float(covariance[0, 0]),
        n_positive=int(positive.sum()),
        n_negative=int((~positive).sum()),
        n_women=fewest_women(woman, positive),
        levels=level_factor(scores, positive),
    )


def fewest_women(woman: Ints, positive: Bools) -> int:
    """Women with positive exams, or with negative ones where these are fewer."""
    return min(np.unique(woman[positive]).size, np.unique(woman[~positive]).size)


def _score_interval(estimate: Estimate) -> tuple[float, float]:
    """All theta with (value - theta)^2 <= quantile^2 x scale x binormal_variance(theta).

    The scale makes the model's variance at the estimated AUC the estimated one where that is larger, and goes
    half way to it where it is smaller: it is smaller mostly by chance. The quantile is Student's t with twice
    as many degrees of freedom as there are women less one. Half and twice were chosen by measured coverage.
    """
    value, m, n = estimate.value, estimate.n_positive, estimate.n_negative
    scale, quantile = 1.0, Z95
    if _is_known(estimate):
        ratio = estimate.variance / (estimate.levels * binormal_variance(value, m, n))
        scale = estimate.levels * (ratio if ratio > 1 else 1 + _TRUST_IN_LESS * (ratio - 1))
        n_women = min(m, n) if estimate.n_women is None else estimate.n_women
        quantile = float(t.ppf(0.975, 2 * max(n_women - 1, 1)))

    def excess(theta: float) -> float:
        return (value - theta) ** 2 - quantile**2 * scale * binormal_variance(theta, m, n)

    edge = 1e-9  # the variance is 0 at 0 and 1: look for the ends of the interval between them
    inside = min(max(value, edge), 1 - edge)
    low = brentq(excess, edge, inside) if excess(edge) > 0 else 0.0
    high = brentq(excess, inside, 1 - edge) if excess(1 - edge) > 0 else 1.0
    return float(low), float(high)


def _is_known(estimate: Estimate) -> bool:
    return bool(estimate.variance > 0) and 0 < estimate.value < 1


def interval(estimate: Estimate, form: str) -> Interval:
    """95 % interval of an AUC; never leaves [0, 1] and never has zero width.

    form  "" value +- quantile x se, cut at 0 and 1; "_logit" the same on the logit scale; "_binormal_score"
          see `_score_interval` (the only one of the three that covers about 95 % at high AUC)

    A variance that is zero or unknown (AUC 0 or 1, constant scores, one woman in a class) says nothing about
    the spread: whatever the form, the interval is then the score interval of the model alone, named
    `binormal_score`.
    """
    if form not in FORMS:
        raise ValueError(f"interval form is {form!r}, wanted one of {FORMS}")
    if not _is_known(estimate):
        return Interval(*_score_interval(estimate), SCORE.lstrip("_"))
    value = estimate.value
    width = estimate.quantile * float(np.sqrt(estimate.variance))
    if form == SCORE:
        low, high = _score_interval(estimate)
    elif form == "_logit":
        logit, width = np.log(value / (1 - value)), width / (value * (1 - value))
        low, high = float(1 / (1 + np.exp(width - logit))), float(1 / (1 + np.exp(-width - logit)))
    else:
        low, high = max(0.0, value - width), min(1.0, value + width)
    return Interval(low, high, estimate.source + form)
