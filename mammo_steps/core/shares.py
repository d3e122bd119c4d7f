"""Intervals of shares: n of N."""

import numpy as np
from scipy.stats import norm

Z95 = float(norm.ppf(0.975))


def wilson(n_hit: float, n: int) -> tuple[float, float]:
    """95 % interval of a share n_hit / n; n_hit may be an expected number."""
    share, z2 = n_hit / n, Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * float(np.sqrt(max(0.0, share * (1 - share)) / n + z2 / (4 * n * n)))
    return max(0.0, centre - half), min(1.0, centre + half)
