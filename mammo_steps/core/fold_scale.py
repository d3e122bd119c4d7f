"""Scores of different folds' networks brought to one scale."""

import numpy as np

from mammo_steps.core.auc import Bools, Floats, Ints
from mammo_steps.core.randomness import stream


def halves(n_women: int, seed: int) -> Ints:
    """(W,) 0 or 1: which half of her fold a woman is in."""
    return stream("fold_scale", seed).integers(0, 2, n_women)


def standardised(scores: Floats, negative: Bools, fold: Ints, half: Ints) -> Floats:
    """Scores (n,) less the mean, over the standard deviation, of negatives that the same networks scored.

    Cross-fitted: an exam is standardised by the negatives of the other half of its fold's women, so that neither
    its own score nor its woman's goes into the scale. Only negatives of the same fold can say how its networks
    score. NaN where that half has fewer than two negatives, or all with the same score.

    negative, fold, half  (n,) per exam
    """
    result = np.full(scores.shape, np.nan)
    known = negative & np.isfinite(scores)
    for number in np.unique(fold):
        for part in (0, 1):
            reference = scores[known & (fold == number) & (half != part)]
            own = (fold == number) & (half == part)
            spread = float(reference.std(ddof=1)) if reference.size > 1 else 0.0
            if spread > 0:
                result[own] = (scores[own] - reference.mean()) / spread
    return result
