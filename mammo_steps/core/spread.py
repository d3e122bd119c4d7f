"""The spread of a column's values, in the few numbers that fit a line."""

from typing import Any

import numpy as np

QUANTILES = {"min": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "max": 1.0}
FREQUENT = 5  # values that are named


def quantiles(values: np.ndarray[Any, Any]) -> list[int | float | None]:
    """Least, 5 %, median, 95 % and greatest of the finite values (linear between two); whole ones as int."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return [None] * len(QUANTILES)
    found = np.quantile(finite.astype(np.float64), list(QUANTILES.values()))
    return [int(value) if value.is_integer() else float(value) for value in found]


def most_frequent(counts: dict[str, int]) -> str:
    """`normal 80, benign 55 and 3 more`, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{word} {n:,}" for word, n in ranked[:FREQUENT])
    return named + (f" and {len(ranked) - FREQUENT} more" if len(ranked) > FREQUENT else "")
