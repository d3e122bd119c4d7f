import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from mammo_steps.core.auc import delong
from mammo_steps.core.auc_interval import (
    FORMS,
    SCORE,
    Estimate,
    binormal_variance,
    interval,
    level_factor,
)

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture
def coverage(monkeypatch):
    """bench/coverage.py: the simulation whose table docs/benchmarks.md shows."""
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("bench_coverage", BENCH / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench_coverage", module)
    spec.loader.exec_module(module)
    return module


def test_binormal_variance_is_that_of_the_integral():
    x = np.linspace(-8, 8, 4001)
    for theta in (0.2, 0.5, 0.75, 0.987):
        above = norm.cdf(np.sqrt(2) * norm.ppf(theta) - x)  # P(a positive lies above a negative at x)
        both = np.trapezoid(above**2 * norm.pdf(x), x)
        wanted = (theta * (1 - theta) + (60 + 1440 - 2) * (both - theta**2)) / (60 * 1440)
        assert binormal_variance(theta, 60, 1440) == pytest.approx(wanted, rel=1e-6)
    # chance: Mann and Whitney's (m + n + 1) / (12 m n)
    assert binormal_variance(0.5, 7, 5) == pytest.approx(13 / (12 * 35))


def test_many_levels_are_as_none_and_few_at_chance_are_mann_and_whitneys_with_ties():
    generator = np.random.default_rng(0)
    positive = np.arange(4000) < 1000
    assert level_factor(generator.standard_normal(4000), positive) == 1.0
    levels = np.floor(generator.uniform(0, 40, 4000))
    assert level_factor(levels, positive) == pytest.approx(1.0, abs=0.01)
    # Two equal halves in both classes: of one pair 1/8, of two with one in common 1/16 (U's variance with
    # ties); without ties 1/4 and 1/12, as m + n is large: 3/4
    halves = np.tile([0.0, 1.0], 2000)
    assert level_factor(halves, positive) == pytest.approx(0.75, abs=1e-3)


def test_levels_without_negatives_and_perfect_levels_have_a_factor():
    positive = np.array([True] * 3 + [False] * 9)
    top = np.array([5.0, 5, 1, *[1] * 5, *[2] * 4])
    assert 0.5 <= level_factor(top, positive) <= 1.25
    assert level_factor(positive.astype(float), positive) == 1.0  # AUC 1
    assert level_factor(np.ones(12), positive) == 1.0  # constant
    assert level_factor(np.ones(3), np.ones(3, bool)) == 1.0  # no negatives


@pytest.mark.parametrize("form", FORMS)
def test_interval_stays_within_zero_and_one_and_contains_the_auc(form):
    for value in (0.001, 0.3, 0.5, 0.987, 0.999):
        for m, n in ((2, 3), (60, 1440)):
            found = interval(Estimate(value, 0.5 * value * (1 - value) / m, m, n), form)
            assert 0 <= found.low < value < found.high <= 1
            assert found.method == "delong" + form


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_perfect_auc_gets_an_interval_of_some_width_and_says_how(form, value):
    scores, positive = np.arange(10.0) * (2 * value - 1), np.arange(10) >= 6
    aucs, covariance = delong(scores[None], positive)
    found = interval(Estimate(aucs[0], covariance[0, 0], 4, 6), form)
    assert found.method == "binormal_score"
    far, near = (found.low, found.high) if value else (1 - found.high, 1 - found.low)
    assert near == 1.0
    assert 0.4 < far < 0.9


def test_constant_scores_and_single_positives_get_a_named_fallback():
    positive = np.array([True, False, False])
    aucs, covariance = delong(np.zeros((1, 3)), positive)
    assert aucs[0] == 0.5
    found = interval(Estimate(aucs[0], covariance[0, 0], 1, 2), "_logit")
    assert found.method == "binormal_score"
    assert 0 <= found.low < 0.5 < found.high <= 1


def test_score_interval_of_one_against_one_is_wilson_of_one_trial():
    # with one exam each the model's variance is theta (1 - theta), Wilson's with n = 1
    z2 = 1.959963984540054**2
    found = interval(Estimate(1.0, float("nan"), 1, 1), SCORE)
    assert found.low == pytest.approx(1 / (1 + z2))
    assert found.high == 1.0


def test_fewer_women_and_more_variance_widen_the_score_interval():
    variance = binormal_variance(0.9, 40, 400)
    usual = interval(Estimate(0.9, variance, 40, 400), SCORE)
    few = interval(Estimate(0.9, variance, 40, 400, n_women=5), SCORE)
    twice = interval(Estimate(0.9, 2 * variance, 40, 400), SCORE)
    half = interval(Estimate(0.9, variance / 2, 40, 400), SCORE)
    width = usual.high - usual.low
    assert few.high - few.low > width
    assert twice.high - twice.low == pytest.approx(width * 2**0.5, rel=0.05)
    assert half.high - half.low == pytest.approx(width * 0.75**0.5, rel=0.03)  # half way


def test_an_unknown_form_is_refused():
    with pytest.raises(ValueError, match="interval form is 'wald'"):
        interval(Estimate(0.5, 0.1, 2, 2), "wald")


def test_the_simulated_scores_have_the_auc_that_they_say(coverage):
    for kind in ("continuous", "levels", "reader", "wide"):
        cell = coverage.Cell(0.94, kind, "20_in_150")
        generator = np.random.default_rng(1)
        draws = np.stack([coverage.scores_of(cell, generator) for _ in range(2000)])
        positives, negatives = draws[:, :20].ravel(), draws[:, 20:].ravel()
        pairs = generator.choice(positives, 400_000), generator.choice(negatives, 400_000)
        assert np.mean((np.sign(pairs[0] - pairs[1]) + 1) / 2) == pytest.approx(0.94, abs=0.004)
        assert (len(np.unique(draws)) == 5) == (kind in ("levels", "reader"))


def test_the_default_covers_where_delong_and_its_logit_do_not(coverage):
    missed = coverage.misses(coverage.Cell(0.987, "continuous", "60_in_1500"), 400)
    covers = {form: 1 - sum(both) for form, both in missed.items()}
    assert covers[""] < 0.90 and covers["_logit"] < 0.925 < 0.94 < covers[SCORE]


@pytest.mark.long
def test_the_default_covers_93_to_97_percent_in_every_cell(coverage):
    for cell in coverage.cells():
        if not cell.is_extra:
            covers = 1 - sum(coverage.misses(cell, 4000, (SCORE,))[SCORE])
            assert 0.93 <= covers <= 0.97, (cell, covers)
