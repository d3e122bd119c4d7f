"""A model at the readers' operating points: its sensitivity at a reader's specificity, and the reverse.

Both are taken on the exams that the reader read and the model scored. The model's threshold is set on these exams
so that its specificity (or sensitivity) equals the reader's exactly: where the threshold falls among tied exams, a
fraction of them counts as recalled, which is interpolation along the ROC curve. Intervals are percentiles of a
bootstrap of women in which the reader's point and the model's threshold are found anew in each draw; NaN where the
draws do not show how the exams vary, or all give the same. McNemar's exact test takes the threshold as given and the
exams as independent; tied exams go into its counts by their fraction, and the counts are rounded.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

from mammo_steps.core.auc import Binned, Bools, Floats, Ints, Weights, counter
from mammo_steps.core.prevalence import rates
from mammo_steps.core.shares import wilson

_ROUNDING = 1e-12  # draws that differ by less do not differ
RECALLS = ("reader_1", "reader_2", "either", "both")


def reader_recalls(reader_1: Floats, reader_2: Floats, recall_from: float) -> dict[str, Floats]:
    """Per reader (n,) 1 recalled, 0 not, NaN not read; `either` and `both` where both have read."""
    one, two = (
        np.where(np.isfinite(scores), scores >= recall_from, np.nan) for scores in (reader_1, reader_2)
    )
    return dict(zip(RECALLS, (one, two, np.maximum(one, two), np.minimum(one, two)), strict=True))


def recalled_at(scores: Floats, reference: Bools, share: float, generous: bool) -> Floats:
    """(n,) how far each exam is recalled, 0 to 1, where `share` of the `reference` exams are.

    generous  of all thresholds that do so the lowest (a specificity is given: reference are the negatives),
              else the highest (a sensitivity is given: reference are the positives)
    """
    values = np.sort(scores[reference])[::-1]
    wanted = share * values.size
    place = int(np.floor(wanted + 1e-9)) if generous else int(np.ceil(wanted - 1e-9)) - 1
    if place >= values.size:
        return np.ones(scores.size)
    if place < 0:
        return np.zeros(scores.size)
    threshold = values[place]
    among = float((wanted - (values > threshold).sum()) / (values == threshold).sum())
    return np.where(scores > threshold, 1.0, np.where(scores == threshold, among, 0.0))


def mcnemar(model: Floats, reader: Floats) -> tuple[float, float, float | None]:
    """Exams that only the model recalls, that only the reader does, and the exact two-sided p of their difference."""
    only_model = float((model * (1 - reader)).sum())
    only_reader = float(((1 - model) * reader).sum())
    counts = round(only_model), round(only_reader)
    p = float(binomtest(counts[0], sum(counts)).pvalue) if sum(counts) else None
    return only_model, only_reader, p


def sensitivity_at(false_positive: Floats, true_positive: Floats, at: Floats) -> Floats:
    """(B,) highest true positive rates of B ROC curves (v, B) at false positive rates `at` (B,); NaN at NaN."""
    last = len(false_positive) - 1
    left = ((false_positive <= at).sum(axis=0) - 1).clip(0)
    (x, y), (dx, dy) = _steps(false_positive, true_positive, left)
    step = np.divide(at - x, dx, out=np.zeros(at.size), where=dx > 0)
    return np.where(np.isnan(at), np.nan, np.where(left == last, 1.0, y + step * dy))


def specificity_at(false_positive: Floats, true_positive: Floats, at: Floats) -> Floats:
    """(B,) highest specificities of B ROC curves (v, B) at true positive rates `at` (B,); NaN at NaN."""
    right = (true_positive < at).sum(axis=0)
    (x, y), (dx, dy) = _steps(true_positive, false_positive, (right - 1).clip(0))
    step = np.divide(at - x, dx, out=np.zeros(at.size), where=dx > 0)
    return np.where(np.isnan(at), np.nan, np.where(right == 0, 1.0, 1 - y - step * dy))


def _steps(across: Floats, along: Floats, place: Ints) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Of B curves (v, B): the points (across, along) at place (B,), and how far it is from each to the next one."""
    draws, then = np.arange(place.size), np.minimum(place + 1, len(across) - 1)
    x, y = across[place, draws], along[place, draws]
    return (x, y), (across[then, draws] - x, along[then, draws] - y)


@dataclass(frozen=True)
class Pair:
    """A model and a reader: scores (n,), recalled (n,) 1 or 0, positive (n,); used (n,) the exams that count.

    woman  (n,) 0..W-1, whose exam it is
    """

    model: str
    reader: str
    scores: Floats
    recalled: Floats
    positive: Bools
    used: Bools
    woman: Ints

    def counts(self) -> tuple[int, int]:
        """(positive, negative) exams that count."""
        return int((self.used & self.positive).sum()), int((self.used & ~self.positive).sum())


class _Reader:
    """A reader's false and true positive rate under many draws of women."""

    def __init__(self, pair: Pair) -> None:
        group = 2 * pair.positive[pair.used] + (pair.recalled[pair.used] == 1)
        self._count = counter(group, pair.woman[pair.used], (4, int(pair.woman.max(initial=-1)) + 1))

    def rates(self, weights: Weights) -> tuple[Floats, Floats]:
        """Two (B,) for weights (W, B); NaN where a class has no weight."""
        quiet, alarm, missed, found = (self._count @ weights).astype(np.float64)
        negative, positive = quiet + alarm, missed + found
        return (
            alarm / np.where(negative > 0, negative, np.nan),
            found / np.where(positive > 0, positive, np.nan),
        )


def pairs_of(
    models: Mapping[str, Floats], readers: Mapping[str, Floats], exams: tuple[Bools, Bools, Ints]
) -> list[Pair]:
    """Every model with every reader that have exams of both classes in common.

    exams  (n,) each: positive, within the end point, whose it is
    """
    positive, within, woman = exams
    found = []
    for name, scores in models.items():
        for reader, recalled in readers.items():
            used = within & np.isfinite(scores) & np.isfinite(recalled)
            pair = Pair(name, reader, scores, recalled, positive, used, woman)
            if min(pair.counts()):
                found.append(pair)
    return found


def _differences(pairs: list[Pair], blocks: Iterable[Weights]) -> Floats:
    """(n_draws, pairs, 2) model less reader: sensitivity at the reader's specificity, and the reverse."""
    keys = [(pair.model, pair.reader, pair.used.tobytes()) for pair in pairs]
    binned: dict[tuple[str, bytes], Binned] = {}
    readers: dict[tuple[str, bytes], _Reader] = {}
    for pair, (model, reader, used) in zip(pairs, keys, strict=True):
        if (model, used) not in binned:
            binned[model, used] = Binned(np.where(pair.used, pair.scores, np.nan), pair.positive, pair.woman)
        if (reader, used) not in readers:
            readers[reader, used] = _Reader(pair)
    drawn = []
    for weights in blocks:
        curves = {key: one.curves(weights) for key, one in binned.items()}
        points = {key: one.rates(weights) for key, one in readers.items()}
        found = np.full((weights.shape[1], len(pairs), 2), np.nan)
        for number, (model, reader, used) in enumerate(keys):
            fpr, tpr = points[reader, used]  # (B,) each
            found[:, number, 0] = sensitivity_at(*curves[model, used], fpr) - tpr
            found[:, number, 1] = specificity_at(*curves[model, used], tpr) - (1 - fpr)
        drawn.append(found)
    return np.concatenate(drawn)


def _matched(
    value: float, of_reader: float, drawn: Floats, test: tuple[float, float, float | None]
) -> dict[str, Any]:
    drawn = drawn[np.isfinite(drawn)]
    varied = drawn.size > 0 and float(np.ptp(drawn)) > _ROUNDING
    low, high = np.percentile(drawn, [2.5, 97.5]) if varied else (np.nan, np.nan)
    names = ("only_model", "only_reader", "mcnemar_p")
    return {
        "model": value,
        "difference": value - of_reader,
        "low": float(low),
        "high": float(high),
        **dict(zip(names, test, strict=True)),
    }


def _row(pair: Pair, drawn: Floats, prevalence: float | None) -> dict[str, Any]:
    scores, recalled, positive = pair.scores[pair.used], pair.recalled[pair.used], pair.positive[pair.used]
    m, n = pair.counts()
    tpr, fpr = float(recalled[positive].mean()), float(recalled[~positive].mean())
    found = recalled_at(scores, ~positive, fpr, generous=True)[positive]
    alarms = recalled_at(scores, positive, tpr, generous=False)[~positive]
    sensitivity, specificity = float(found.mean()), float(1 - alarms.mean())
    share = m / (m + n) if prevalence is None else prevalence
    return {
        "model": pair.model,
        "reader": pair.reader,
        "n_positive": m,
        "n_negative": n,
        "prevalence": share,
        "of_reader": {
            "sensitivity": tpr,
            "sensitivity_ci": list(wilson(tpr * m, m)),
            "specificity": 1 - fpr,
            "specificity_ci": list(wilson((1 - fpr) * n, n)),
            **rates(tpr, 1 - fpr, share),
        },
        "sensitivity_at_its_specificity": {
            **_matched(sensitivity, tpr, drawn[:, 0], mcnemar(found, recalled[positive])),
            **rates(sensitivity, 1 - fpr, share),
        },
        "specificity_at_its_sensitivity": {
            **_matched(specificity, 1 - fpr, drawn[:, 1], mcnemar(alarms, recalled[~positive])),
            **rates(tpr, specificity, share),
        },
    }


def operating_points(
    pairs: list[Pair], blocks: Iterable[Weights], prevalence: float | None, varies: Callable[[Bools], bool]
) -> list[dict[str, Any]]:
    """One row per pair: the reader's point, the model at its specificity and at its sensitivity.

    blocks      weights (W, B) of women under draws of them (`core.auc.resampled`)
    prevalence  share of positive exams that recall rate, PPV and NPV are given for; None = the cohort's
    varies      whether draws of women show how these exams (n,) vary; where not there are no limits
    """
    if not pairs:
        return []
    drawn = _differences(pairs, blocks)
    drawn[:, [not varies(pair.used) for pair in pairs]] = np.nan
    return [_row(pair, drawn[:, number], prevalence) for number, pair in enumerate(pairs)]
