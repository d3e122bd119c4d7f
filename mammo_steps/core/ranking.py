"""Loss and AUC as numbers alone, for watching a training; `core.auc` has intervals and tests."""

import math

import numpy as np
from scipy.stats import rankdata


def auc_of(targets: np.ndarray, scores: np.ndarray) -> float | None:
    """Share of (positive, negative) pairs in the right order, ties counting half; None without both classes."""
    positive = targets == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return None
    rank_sum = rankdata(scores)[positive].sum()  # mid-ranks
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def loss_and_auc(
    targets: np.ndarray, margin: np.ndarray, negatives_per_positive: float
) -> tuple[float, float | None]:
    """Mean cross-entropy and AUC of (n,) margins; infinite and none if a margin is not finite; no AUC of one class.

    In the loss negatives weigh so many times as much as positives, however many there are of either.
    """
    if not np.isfinite(margin).all():  # (a positive at infinity would lose nothing)
        return math.inf, None
    # cross-entropy of two nodes = log(1 + exp(-margin)) for a positive, of +margin for a negative
    losses = np.logaddexp(0, np.where(targets == 1, -margin, margin))
    shares = {1: 1.0, 0: negatives_per_positive}
    means = {target: losses[targets == target].mean() for target in shares if (targets == target).any()}
    weights = [shares[target] for target in means]
    loss = float(np.average(list(means.values()), weights=weights))
    return loss, auc_of(targets, margin)
