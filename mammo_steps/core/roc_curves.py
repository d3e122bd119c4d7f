"""ROC curves of exam scores with pointwise bands.

A band is of sensitivities at given false positive rates: percentiles over draws of women (`core.auc.resampled`), each
with a curve of its own. It holds 95 % at each rate by itself, not along the whole curve.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mammo_steps.core.auc import Binned, Bools, Floats, Ints, Weights, resampled
from mammo_steps.core.exam_aucs import Comparison
from mammo_steps.core.randomness import stream

BAND_DRAWS = 500  # at most: percentiles for the eye
# false positive rates: fine where screening lives
BAND_AT = np.unique(np.concatenate([np.linspace(0, 0.1, 41), np.linspace(0.1, 1, 46)]))


def sensitivities(false_positive: Floats, true_positive: Floats, at: Floats) -> Floats:
    """Highest true positive rates of an ROC curve (v,) at false positive rates `at`; NaN for a curve of NaN."""
    if np.isnan(false_positive[-1] + true_positive[-1]):
        return np.full(at.size, np.nan)
    left = np.searchsorted(false_positive, at, side="right") - 1
    right = np.minimum(left + 1, false_positive.size - 1)
    width = false_positive[right] - false_positive[left]
    step = np.divide(at - false_positive[left], width, out=np.zeros(at.size), where=width > 0)
    found: Floats = true_positive[left] + step * (true_positive[right] - true_positive[left])
    return found


def bands(
    scores: Mapping[str, Floats], positive: Bools, woman: Ints, blocks: Iterable[Weights]
) -> dict[str, tuple[Floats, Floats]]:
    """Model -> (lower, upper) limits of the sensitivity at `BAND_AT`.

    scores  (n,) each, NaN where an exam does not count; woman (n,) whose exam it is; blocks: draws of women (W, B)
    """
    binned = {model: Binned(values, positive, woman) for model, values in scores.items()}
    drawn: dict[str, list[Floats]] = {model: [] for model in scores}
    for weights in blocks:
        for model, one in binned.items():
            false_positive, true_positive = one.curves(weights)
            drawn[model] += [
                sensitivities(*curve, BAND_AT)
                for curve in zip(false_positive.T, true_positive.T, strict=True)
            ]
    limits = {model: np.nanpercentile(np.stack(found), [2.5, 97.5], axis=0) for model, found in drawn.items()}
    return {model: (found[0], found[1]) for model, found in limits.items()}


def curves(comparison: Comparison, endpoint: str) -> list[dict[str, Any]]:
    """A row per model and reader with exams of both classes; `band` is null for readers and where draws say nothing."""
    exams, positive = comparison.exams, comparison.positive
    usable = [name for name in exams.scores if min(comparison.counts(comparison.used(name)))]
    readers = {model.key for model in exams.models if model.kind == "reader"}
    banded = {
        name: np.where(comparison.used(name), exams.scores[name], np.nan)
        for name in usable
        if name not in readers and comparison.varies(comparison.used(name))
    }
    draws = min(BAND_DRAWS, comparison.rules.bootstrap_samples), stream("bootstrap", *comparison.seed_key)
    found = bands(banded, positive, exams.woman, resampled(exams.stratum, draws)) if banded else {}
    rows = []
    for name in usable:
        false_positive, true_positive = comparison.roc(name)
        row: dict[str, Any] = {"model": name, "endpoint": endpoint}
        row |= {"fpr": false_positive, "tpr": true_positive, "band": None}
        if name in found:
            low, high = (limit.tolist() for limit in found[name])
            row["band"] = {"fpr": BAND_AT.tolist(), "low": low, "high": high}
        rows.append(row)
    return rows
