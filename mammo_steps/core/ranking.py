"""The AUC as a number alone, for watching a training; `core.auc` has intervals and tests."""

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
