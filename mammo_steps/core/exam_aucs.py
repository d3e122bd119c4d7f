"""AUCs of models and readers over exams: per end point, protocol and pooling; paired tests and ROC curves."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import t

from mammo_steps.core.auc import (
    Bools,
    Difference,
    Floats,
    Ints,
    auc,
    bootstrap_aucs,
    both_differences,
    difference,
    draws_vary,
)
from mammo_steps.core.auc_interval import SCORE, Estimate, estimated, fewest_women, interval
from mammo_steps.core.endpoints import sampled, truths
from mammo_steps.core.exam_models import READERS, Model, pairs
from mammo_steps.core.exam_scores import Exams
from mammo_steps.core.randomness import stream
from mammo_steps.core.terms import Endpoint

PROTOCOLS = ("all", "sampled")
POOLINGS = ("pooled", "fold_mean")
_FORM = {"delong": "", "delong_logit": "_logit", "delong_binormal_score": SCORE}
_ROC_POINTS = 400
_Drawn = tuple[str, tuple[str, ...]]  # a score, and the scores that an exam has to have as well
NOT_RUN = "not_run"  # in place of a ci_method


@dataclass(frozen=True)
class Rules:
    """How AUCs are made of exam scores.

    ci_method          form of intervals, but for means over folds (plain): `delong` (plain, cut at 0 and 1),
                       `delong_logit` or `delong_binormal_score` (`core.auc_interval`)
    bootstrap_samples  draws of women
    sampled_negatives  negatives of the sampled protocol (the paper: 5000)
    prior              `negative` or `leave_out`: exams before the one at which a cancer was found
    """

    ci_method: str
    bootstrap_samples: int
    sampled_negatives: int
    prior: str

    def __post_init__(self) -> None:
        if self.ci_method not in _FORM:
            raise ValueError(f"ci_method is {self.ci_method!r}, wanted one of {sorted(_FORM)}")
        if self.bootstrap_samples < 2 or self.sampled_negatives < 1:
            raise ValueError(
                f"bootstrap_samples is {self.bootstrap_samples}, sampled_negatives {self.sampled_negatives}: "
                "wanted at least 2 and 1"
            )

    @property
    def form(self) -> str:
        return _FORM[self.ci_method]


@dataclass(frozen=True)
class AucRow:
    """One line of auc.csv; `why` says why it is not estimable (auc, ci_low and ci_high are then None)."""

    model: str
    endpoint: str
    unit: str
    protocol: str
    pooling: str
    auc: float | None
    ci_low: float | None
    ci_high: float | None
    ci_method: str
    n_positive: int
    n_negative: int
    why: str = ""


class Comparison:
    """The exams of one end point under one protocol.

    truth  (n,) 1, 0 or -1 = left out, one per exam of `exams`
    """

    def __init__(self, exams: Exams, truth: Ints, rules: Rules, seed_key: tuple[str | int, ...]) -> None:
        self.exams, self.truth, self.rules, self.seed_key = exams, truth, rules, seed_key
        self.positive: Bools = truth == 1
        self._draws: dict[_Drawn, Floats] | None = None

    def used(self, *names: str) -> Bools:
        """(n,) exams of the end point that have all of these scores."""
        mask: Bools = self.truth >= 0
        for name in names:
            mask = mask & np.isfinite(self.exams.scores[name])
        return mask

    def counts(self, mask: Bools) -> tuple[int, int]:
        """(positive, negative) exams in the mask."""
        return int((mask & self.positive).sum()), int((mask & ~self.positive).sum())

    def readers(self) -> list[str]:
        """The readers who read exams of both classes."""
        return [name for name in READERS if min(self.counts(self.used(name)))]

    def members(self, model: str) -> list[str]:
        """Scores whose AUCs are averaged into the model's: the readers for `one_reader`, else itself."""
        return self.readers() if model == "one_reader" else [model]

    def exams_of(self, model: str) -> Bools:
        """(n,) the exams that count for a model: those that any of its members scored (without members, any reader)."""
        mask: Bools = np.any([self.used(name) for name in self.members(model) or READERS], axis=0)
        return mask

    def varies(self, mask: Bools) -> bool:
        """Whether draws of women show how the exams in the mask (n,) vary."""
        return draws_vary(self.exams.woman[mask], self.positive[mask], self.exams.stratum)

    def auc_of(self, model: str, within: Bools) -> float | None:
        """AUC over the exams in `within` (n,); None unless every member has both classes there."""
        values = []
        for name in self.members(model):
            mask = within & self.used(name)
            if not min(self.counts(mask)):
                return None
            values.append(auc(self.exams.scores[name][mask], self.positive[mask]))
        return float(np.mean(values)) if values else None

    def fold_aucs(self, model: str) -> dict[int, float | None]:
        """AUC within each fold."""
        folds = np.unique(self.exams.fold)
        return {int(fold): self.auc_of(model, self.exams.fold == fold) for fold in folds}

    def estimate(self, model: str, pooling: str) -> Estimate | str:
        """The AUC with its variance, or why there is none."""
        n_positive, n_negative = self.counts(self.exams_of(model))
        if not n_positive or not n_negative:
            return f"{n_positive} positive and {n_negative} negative exams"
        if pooling == "fold_mean":
            return self._fold_mean(model, n_positive, n_negative)
        value = self.auc_of(model, self.truth >= 0)
        if value is None:
            return "no reader read exams of both classes"
        mask = self.exams_of(model)
        positive, woman = self.positive[mask], self.exams.woman[mask]
        if model != "one_reader":
            return estimated(self.exams.scores[model][mask], positive, woman)
        n_women = fewest_women(woman, positive)
        if not all(self.varies(self.used(name)) for name in self.members(model)):
            return Estimate(value, float("nan"), n_positive, n_negative, "bootstrap", n_women)
        drawn = self.draws(*self.members(model))
        variance = float(np.nanvar(drawn.mean(axis=0), ddof=1))
        alone = float(np.nanvar(drawn, axis=1, ddof=1).mean())
        factor = variance / alone if alone > 0 else 1.0  # the mean of two readers varies less than one
        return Estimate(value, variance, n_positive, n_negative, "bootstrap", n_women, factor)

    def _fold_mean(self, model: str, n_positive: int, n_negative: int) -> Estimate | str:
        values = self.fold_aucs(model)
        empty = [fold for fold, value in values.items() if value is None]
        if empty:
            return f"one class only in fold {', '.join(map(str, empty))}"
        aucs = np.array(list(values.values()), dtype=np.float64)
        k = aucs.size
        if k < 2:
            return Estimate(float(aucs.mean()), float("nan"), n_positive, n_negative)
        variance, quantile = float(aucs.var(ddof=1)) / k, float(t.ppf(0.975, k - 1))
        return Estimate(
            float(aucs.mean()), variance, n_positive, n_negative, "t_over_folds", quantile=quantile
        )

    def row(self, of: Model, endpoint: str, protocol: str, pooling: str) -> AucRow:
        model = of.key
        if of.not_run:
            return AucRow(
                model, endpoint, "exam", protocol, pooling, None, None, None, NOT_RUN, 0, 0, of.not_run
            )
        found = self.estimate(model, pooling)
        counts = self.counts(self.exams_of(model))
        if isinstance(found, str):
            return AucRow(
                model, endpoint, "exam", protocol, pooling, None, None, None, "not_estimable", *counts, found
            )
        # with few folds t is large: on another scale than the AUC's own it would blow the interval up
        ci = interval(found, "" if pooling == "fold_mean" else self.rules.form)
        return AucRow(
            model, endpoint, "exam", protocol, pooling, found.value, ci.low, ci.high, ci.method, *counts
        )

    def draws(self, *names: str, all_of: tuple[str, ...] = ()) -> Floats:
        """(len(names), n_draws) AUCs under the clustered bootstrap, over the exams that have `all_of` these scores too.

        All scores of the end point are drawn together, so that differences are of the same women.
        """
        if self._draws is None:
            self._draws = self._draw()
        return np.stack([self._draws[name, all_of] for name in names])

    def _draw(self) -> dict[_Drawn, Floats]:
        masks: dict[_Drawn, Bools] = {(name, ()): self.used(name) for name in self.exams.scores}
        for pair in pairs(self.exams.models):
            masks |= {(name, pair): self.used(*pair) for name in pair}
        keys: dict[tuple[str, bytes], list[_Drawn]] = {}
        for key, mask in masks.items():  # a mask that leaves nothing out need not be drawn twice
            if min(self.counts(mask)):
                keys.setdefault((key[0], mask.tobytes()), []).append(key)
        rows = [np.where(masks[same[0]], self.exams.scores[same[0][0]], np.nan) for same in keys.values()]
        generator = stream("bootstrap", *self.seed_key)
        found = bootstrap_aucs(
            np.stack(rows),
            self.positive,
            self.exams.woman,
            self.exams.stratum,
            (self.rules.bootstrap_samples, generator),
        )
        return {key: found[:, i] for i, same in enumerate(keys.values()) for key in same}

    def _by_draws(self, first: str, second: str, delta: float) -> Difference:
        """The difference by draws of women; NaN beside delta where these do not show how the exams vary."""
        point = np.array([delta, 0.0])
        if not self.varies(self.used(first, second)):
            return difference(point, np.full((2, 2), np.nan))
        drawn = self.draws(first, second, all_of=(first, second))
        drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
        found = difference(point, np.cov(drawn))
        if not found.se > 0:
            return found
        low, high = np.percentile(drawn[0] - drawn[1], [2.5, 97.5])
        return replace(found, low=float(low), high=float(high))

    def test(self, first: str, second: str) -> dict[str, Any] | None:
        """First against second on the exams both scored; None if these are of one class.

        Limits, z and p are NaN where the spread is not known: one woman in a class (`delong`: one exam), or none.
        """
        mask = self.used(first, second)
        n_positive, n_negative = self.counts(mask)
        if not n_positive or not n_negative:
            return None
        pair = np.stack([self.exams.scores[name][mask] for name in (first, second)])
        women = np.unique(self.exams.woman[mask], return_inverse=True)[1].astype(np.int64)
        by_delong, by_woman = both_differences(pair, self.positive[mask], women)
        return {
            "first": first,
            "second": second,
            "n_positive": n_positive,
            "n_negative": n_negative,
            "delta": by_delong.delta,
            **{
                name: {"se": one.se, "z": one.z, "p": one.p, "low": one.low, "high": one.high}
                for name, one in (
                    ("delong", by_delong),
                    ("delong_clustered", by_woman),
                    ("clustered_bootstrap", self._by_draws(first, second, by_delong.delta)),
                )
            },
        }

    def roc(self, model: str) -> tuple[list[float], list[float]]:
        """False and true positive rate of each threshold from (0, 0) to (1, 1), at most 400 of them."""
        mask = self.used(model)
        scores, positive = self.exams.scores[model][mask], self.positive[mask]
        order = np.argsort(-scores, kind="stable")
        last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)  # of each run of ties
        rates = []
        for hits in (~positive[order], positive[order]):
            rates.append(np.append(0.0, np.cumsum(hits)[last] / hits.sum()))
        way = rates[0] + rates[1]  # rises from 0 to 2 along the curve
        kept = np.unique(np.searchsorted(way, np.linspace(0, 2, _ROC_POINTS)).clip(max=way.size - 1))
        return rates[0][kept].tolist(), rates[1][kept].tolist()


def comparisons(exams: Exams, rules: Rules, seed: int) -> dict[tuple[str, str], Comparison]:
    """(end point, protocol) -> its exams; one object where sampling leaves nothing out."""
    found: dict[tuple[str, str], Comparison] = {}
    for endpoint in Endpoint:
        truth = truths(exams.outcome, endpoint, rules.prior)
        everyone = Comparison(exams, truth, rules, (seed, str(endpoint), "all"))
        found[endpoint, "all"] = found[endpoint, "sampled"] = everyone
        drawn = sampled(exams.exam_id, truth, rules.sampled_negatives, ("sampled", seed, str(endpoint)))
        if not np.array_equal(drawn, truth):
            found[endpoint, "sampled"] = Comparison(exams, drawn, rules, (seed, str(endpoint), "sampled"))
    return found
