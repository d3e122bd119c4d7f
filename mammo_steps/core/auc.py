"""Area under the ROC curve of scores, its variance and paired tests; `core.auc_interval` has the intervals.

Every AUC is empirical (Mann-Whitney, ties count one half). All cost is O(n log n) in the number of exams.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from mammo_steps.core.shares import Z95

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Weights = NDArray[np.float32]  # whole numbers: exact up to 2^24

_BLOCK_CELLS = 2_000_000  # women x draws at once: 8 MB


@dataclass(frozen=True)
class Difference:
    """AUC of a first score minus that of a second on the same exams; all but delta and se are NaN where se is 0."""

    delta: float
    se: float
    z: float
    p: float
    low: float
    high: float


def mid_ranks(values: Floats) -> Floats:
    """Ranks (n,) from 1, ties sharing the mean of theirs; several times as fast as scipy's on scores without ties."""
    order = np.argsort(values)
    ordered = values[order]
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # of each run of ties
    size = np.diff(first, append=values.size)
    ranks: Floats = np.empty(values.size)
    ranks[order] = np.repeat(first + (size + 1) / 2, size)
    return ranks


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
    ranks = mid_ranks(scores)
    of_positives = (ranks[positive] - mid_ranks(above)) / below.size
    of_negatives = 1.0 - (ranks[~positive] - mid_ranks(below)) / above.size
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


def _placed(scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """Placements of k scores (k, m + n): of positives (k, m), of negatives (k, n)."""
    pairs = [placements(row, positive) for row in scores]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])


def delong(scores: Floats, positive: Bools) -> tuple[Floats, Floats]:
    """AUCs (k,) of k scores (k, n) of the same exams, and DeLong's covariance of them (k, k).

    The covariance is NaN where a class has one exam only.
    """
    return _delong(*_placed(scores, positive))


def _delong(of_positives: Floats, of_negatives: Floats) -> tuple[Floats, Floats]:
    k, m, n = *of_positives.shape, of_negatives.shape[1]
    if min(m, n) < 2:
        return of_positives.mean(axis=1), np.full((k, k), np.nan)
    covariance = np.cov(of_positives) / m + np.cov(of_negatives) / n
    return of_positives.mean(axis=1), np.asarray(covariance).reshape(k, k)


def clustered(scores: Floats, positive: Bools, cluster: Ints) -> tuple[Floats, Floats]:
    """As `delong`, with the exams of one cluster (a woman: an integer 0..I-1 per exam) not independent.

    Source: Obuchowski 1997, Biometrics 53:567, from the same placements summed within each cluster.
    """
    return _clustered(_placed(scores, positive), positive, cluster)


def _clustered(placed: tuple[Floats, Floats], positive: Bools, cluster: Ints) -> tuple[Floats, Floats]:
    of_positives, of_negatives = placed
    aucs = of_positives.mean(axis=1)
    k, m, n, n_clusters = *of_positives.shape, of_negatives.shape[1], int(cluster.max()) + 1
    ways = []  # per way of being compared: (k, I) sums of (placement - AUC) within each cluster
    for part, members in ((of_positives, cluster[positive]), (of_negatives, cluster[~positive])):
        centred = part - aucs[:, None]
        ways.append(np.stack([np.bincount(members, weights=row, minlength=n_clusters) for row in centred]))
    n_with = [int((np.bincount(cluster[members]) > 0).sum()) for members in (positive, ~positive)]
    if min(*n_with, n_clusters) < 2:
        return aucs, np.full((k, k), np.nan)
    up, down = ways
    covariance = up @ up.T * n_with[0] / (n_with[0] - 1) / m**2
    covariance += down @ down.T * n_with[1] / (n_with[1] - 1) / n**2
    covariance += (up @ down.T + down @ up.T) * n_clusters / (n_clusters - 1) / (m * n)
    return aucs, covariance


def both_differences(pair: Floats, positive: Bools, cluster: Ints) -> tuple[Difference, Difference]:
    """The first of a pair of scores (2, n) less the second, by `delong` and by `clustered`."""
    found = _placed(pair, positive)
    return difference(*_delong(*found)), difference(*_clustered(found, positive, cluster))


def difference(aucs: Floats, covariance: Floats) -> Difference:
    """Paired comparison of the first with the second score (two-sided, normal)."""
    delta = float(aucs[0] - aucs[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    se = float(np.sqrt(max(variance, 0.0)))
    if not se > 0:  # a variance of 0 is one that nothing is known of
        return Difference(delta, se, *[float("nan")] * 4)
    z = delta / se
    p = float(2 * norm.sf(abs(z)))
    return Difference(delta, se, z, p, delta - Z95 * se, delta + Z95 * se)


class Binned:
    """One score prepared so that its ROC curve under many draws of women costs one sparse product.

    Negatives are counted between the positives: bin 2 k holds those below the k-th distinct value of a positive
    (and above the one before), bin 2 k + 1 those tied with it. Exams whose score is not finite are left out.

    woman  (n,) 0..W-1, whose exam it is
    """

    def __init__(self, scores: Floats, positive: Bools, woman: Ints) -> None:
        read = np.isfinite(scores)
        positives, negatives = np.flatnonzero(read & positive), np.flatnonzero(read & ~positive)
        self._women = woman[positives]
        values, self._place = np.unique(scores[positives], return_inverse=True)
        below = np.searchsorted(values, scores[negatives], side="left")
        bins = below + np.searchsorted(values, scores[negatives], side="right")
        shape = (2 * values.size + 1, int(woman.max(initial=-1)) + 1)
        self._count = counter(bins, woman[negatives], shape)
        self._count_up = counter(2 * self._place + 1, self._women, shape)

    def aucs(self, weights: Weights) -> Floats:
        """(B,) AUCs with woman i counted weights[i, b] times, weights (W, B); NaN if a class has no weight."""
        up = weights[self._women].astype(np.float64)
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


def counter(bins: Ints, women: Ints, shape: tuple[int, int]) -> csr_array:
    """(bins, W) sparse: times weights of women (W, B) it gives the weight of their exams in each bin.

    bins, women  (n,) one per exam
    """
    return csr_array((np.ones(women.size, np.float32), (bins, women)), shape=shape)


def resampled(stratum: Ints, draws: tuple[int, np.random.Generator]) -> Iterator[Weights]:
    """Blocks (W, B) of how often each woman, with all her exams, is drawn with replacement, one column per draw.

    stratum  (W,) each woman's stratum (her worst outcome): as many are drawn from it as it has
    draws    (number of draws, generator)
    """
    n_draws, generator = draws
    order = np.argsort(stratum, kind="stable")  # stratum by stratum
    place = np.argsort(order)
    sizes = np.unique(stratum, return_counts=True)[1].tolist()
    block = max(1, min(64, _BLOCK_CELLS // max(stratum.size, 1)))
    for first in range(0, n_draws, block):
        times = np.empty((min(block, n_draws - first), stratum.size), np.float32)
        for row in times:
            start = 0
            for size in sizes:
                drawn = generator.integers(0, size, size)
                row[start : start + size] = np.bincount(drawn, minlength=size)
                start += size
        yield times.T[place]


def draws_vary(woman: Ints, positive: Bools, stratum: Ints) -> bool:
    """Whether draws of women (`resampled`) show how these exams (n,) vary: both classes have two women of one stratum.

    A woman alone in her stratum is drawn once in every draw: as if she were known without error.
    """
    for members in (positive, ~positive):
        among = np.zeros(stratum.size, np.bool_)
        among[woman[members]] = True
        if np.unique(stratum[among], return_counts=True)[1].max(initial=0) < 2:
            return False
    return True


def bootstrap_aucs(
    scores: Floats, positive: Bools, woman: Ints, stratum: Ints, draws: tuple[int, np.random.Generator]
) -> Floats:
    """(n_draws, k) AUCs of k scores (k, n; NaN = exam not read) under the draws of women of `resampled`."""
    binned = [Binned(row, positive, woman) for row in scores]
    blocks = [np.stack([one.aucs(weights) for one in binned]) for weights in resampled(stratum, draws)]
    return np.concatenate(blocks, axis=1).T
