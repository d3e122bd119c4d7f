"""Area under the ROC curve of scores, its variance and paired tests; `core.auc_interval` has the intervals.

Every AUC is empirical (Mann-Whitney, ties count one half). All cost is O(n log n) in the number of exams.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm, rankdata

from mammo_steps.core.shares import Z95

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Weights = NDArray[np.float32]  # whole numbers: exact up to 2^24

_BLOCK_CELLS = 4_000_000  # exams x draws at once: 16 MB


@dataclass(frozen=True)
class Difference:
    """AUC of a first score minus that of a second on the same exams; z and p are NaN where se is 0."""

    delta: float
    se: float
    z: float
    p: float
    low: float
    high: float


def placements(scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Share of negatives below each positive (m,), and of positives above each negative (n,).

    Mid-rank algorithm of Sun and Xu 2014, doi 10.1109/LSP.2014.2337313: the mean of either is the AUC, their
    variances are DeLong's.
    """
    if scores.shape != positive.shape:
        raise ValueError(f"scores have shape {scores.shape}, positive has {positive.shape}: they must agree")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite")
    above, below = scores[positive], scores[~positive]
    if not above.size or not below.size:
        raise ValueError(f"an AUC needs both classes: {above.size} positive, {below.size} negative")
    ranks = rankdata(scores)  # mid-ranks of all exams, from 1
    of_positives = (ranks[positive] - rankdata(above)) / below.size
    of_negatives = 1.0 - (ranks[~positive] - rankdata(below)) / above.size
    return of_positives, of_negatives


def auc(scores: Floats, positive: Bools) -> float:
    """P(positive scores above negative) + P(tie) / 2."""
    return float(placements(scores, positive)[0].mean())


def average_precision(scores: Floats, positive: Bools) -> float:
    """Area under the precision-recall curve as steps: the mean over positives of the precision at their score.

    Hangs on the share of positives: of use only beside figures of the same exams.
    """
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)  # of each run of ties
    found = np.cumsum(positive[order])[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def delong(scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """AUCs (k,) of k scores (k, n) of the same exams, and DeLong's covariance of them (k, k).

    The covariance is NaN where a class has one exam only.
    """
    pairs = [placements(row, positive) for row in scores]
    of_positives = np.stack([pair[0] for pair in pairs])
    of_negatives = np.stack([pair[1] for pair in pairs])
    m, n = of_positives.shape[1], of_negatives.shape[1]
    if min(m, n) < 2:
        return of_positives.mean(axis=1), np.full((len(scores), len(scores)), np.nan)
    covariance = np.cov(of_positives) / m + np.cov(of_negatives) / n
    return of_positives.mean(axis=1), np.asarray(covariance).reshape(len(scores), len(scores))


def clustered(scores: Floats, positive: Bools, cluster: Ints) -> tuple[Floats, Floats]:
    """As `delong`, with the exams of one cluster (a woman: an integer 0..I-1 per exam) not independent.

    Source: Obuchowski 1997, Biometrics 53:567, from the same placements summed within each cluster.
    """
    of_positives, of_negatives = (
        np.stack(part) for part in zip(*(placements(row, positive) for row in scores), strict=True)
    )
    aucs = of_positives.mean(axis=1)
    m, n, n_clusters = of_positives.shape[1], of_negatives.shape[1], int(cluster.max()) + 1
    ways = []  # per way of being compared: (k, I) sums of (placement - AUC) within each cluster
    for part, members in ((of_positives, cluster[positive]), (of_negatives, cluster[~positive])):
        centred = part - aucs[:, None]
        ways.append(np.stack([np.bincount(members, weights=row, minlength=n_clusters) for row in centred]))
    n_with = [np.unique(cluster[positive]).size, np.unique(cluster[~positive]).size]
    if min(*n_with, n_clusters) < 2:
        return aucs, np.full((len(scores), len(scores)), np.nan)
    up, down = ways
    covariance = up @ up.T * n_with[0] / (n_with[0] - 1) / m**2
    covariance += down @ down.T * n_with[1] / (n_with[1] - 1) / n**2
    covariance += (up @ down.T + down @ up.T) * n_clusters / (n_clusters - 1) / (m * n)
    return aucs, covariance


def difference(aucs: Floats, covariance: Floats) -> Difference:
    """Paired comparison of the first with the second score (two-sided, normal)."""
    delta = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    se = float(np.sqrt(max(variance, 0.0)))
    z = delta / se if se > 0 else float("nan")
    p = float(2 * norm.sf(abs(z)))
    width = Z95 * se if se > 0 else float("nan")  # a variance of 0 is one that nothing is known of
    return Difference(delta, se, z, p, delta - width, delta + width)


class Binned:
    """One score prepared so that its ROC curve under many weightings costs one sparse product.

    Negatives are counted between the positives: bin 2 k holds those below the k-th distinct value of a positive
    (and above the one before), bin 2 k + 1 those tied with it. Exams whose score is not finite are left out.
    """

    def __init__(self, scores: Floats, positive: Bools) -> None:
        read = np.isfinite(scores)
        self._positives, negatives = np.flatnonzero(read & positive), np.flatnonzero(read & ~positive)
        values, self._place = np.unique(scores[self._positives], return_inverse=True)
        below = np.searchsorted(values, scores[negatives], side="left")
        bins = below + np.searchsorted(values, scores[negatives], side="right")
        self._count = counter(bins, negatives, (2 * values.size + 1, scores.size))
        self._count_up = counter(2 * self._place + 1, self._positives, (2 * values.size + 1, scores.size))

    def aucs(self, weights: Weights) -> Floats:
        """(B,) AUCs with exam i counted weights[i, b] times, weights (n, B); NaN if a class has no weight."""
        up = weights[self._positives].astype(np.float64)
        counts = (self._count @ weights).astype(np.float64)
        below = np.cumsum(counts, axis=0)[2 * self._place] + 0.5 * counts[2 * self._place + 1]
        total = up.sum(axis=0) * counts.sum(axis=0)
        won = (up * below).sum(axis=0)
        aucs: Floats = np.divide(won, total, out=np.full(won.shape, np.nan), where=total > 0)
        return aucs

    def curves(self, weights: Weights) -> tuple[Floats, Floats]:
        """False and true positive rates (v, B) along each ROC curve, from (0, 0) to (1, 1); NaN as `aucs`."""
        rates = []
        for count in (self._count, self._count_up):
            above = np.cumsum((count @ weights).astype(np.float64)[::-1], axis=0)
            total = np.where(above[-1] > 0, above[-1], np.nan)
            rates.append(np.vstack([np.zeros(above.shape[1]), above / total]))
        return rates[0], rates[1]


def counter(bins: Ints, exams: Ints, shape: tuple[int, int]) -> csr_array:
    """(bins, n) sparse: times weights (n, B) it gives the weight in each bin."""
    return csr_array((np.ones(exams.size, np.float32), (bins, exams)), shape=shape)


def resampled(woman: Ints, stratum: Ints, draws: tuple[int, np.random.Generator]) -> Iterator[Weights]:
    """Blocks (n, B) of how often each exam counts when women are drawn with replacement, one column per draw.

    woman    (n,) 0..W-1, whose exam it is; all exams of a drawn woman come along
    stratum  (W,) each woman's stratum (her worst outcome): as many are drawn from it as it has
    draws    (number of draws, generator)
    """
    n_draws, generator = draws
    strata = [np.flatnonzero(stratum == value) for value in np.unique(stratum)]
    block = max(1, min(64, _BLOCK_CELLS // max(woman.size, 1)))
    for first in range(0, n_draws, block):
        times = np.zeros((stratum.size, min(block, n_draws - first)), np.float32)
        for column in times.T:
            for women in strata:
                drawn = generator.integers(0, women.size, women.size)
                column[women] = np.bincount(drawn, minlength=women.size)
        yield times[woman]


def bootstrap_aucs(
    scores: Floats, positive: Bools, woman: Ints, stratum: Ints, draws: tuple[int, np.random.Generator]
) -> Floats:
    """(n_draws, k) AUCs of k scores (k, n; NaN = exam not read) under the draws of women of `resampled`."""
    binned = [Binned(row, positive) for row in scores]
    blocks = [np.stack([one.aucs(weights) for one in binned]) for weights in resampled(woman, stratum, draws)]
    return np.concatenate(blocks, axis=1).T
