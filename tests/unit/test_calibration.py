import json
from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from mammo_steps.core.calibration import (
    Calibrator,
    agreement,
    calibrator,
    cross_fitted,
    logistic_fit,
    reliability,
    shifted,
)


def drawn(n=20_000, slope=1.5, intercept=-3.0, seed=0):
    generator = np.random.default_rng(seed)
    scores = generator.standard_normal(n)
    return scores, generator.random(n) < expit(slope * scores + intercept)


def test_logistic_fit_agrees_with_scikit_learn():
    scores, positive = drawn(3000)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(scores[:, None], positive)
    wanted = float(model.coef_[0, 0]), float(model.intercept_[0])
    assert logistic_fit(scores, positive.astype(float)) == pytest.approx(wanted, abs=1e-4)
    far = logistic_fit(1000 + 50 * scores, positive.astype(float))  # another unit, the same curve
    assert far[0] * 50 == pytest.approx(wanted[0], abs=1e-4)


def test_platts_targets_keep_a_perfect_score_finite():
    scores = np.arange(20.0)
    one = calibrator(scores, scores >= 15)
    assert 0 < one.slope < 20
    assert 0 < one.probabilities(np.array([-100.0]), "isotonic")[0] == 0.5 / 20


def test_isotonic_levels_are_means_of_pooled_neighbours():
    scores = np.array([1.0, 2, 3, 4, 4, 5])
    one = calibrator(scores, np.array([False, True, False, True, False, True]))
    # 1 | 2, 3 and both at 4 pooled: 1/2 | 5
    found = one.probabilities(np.array([1.0, 2, 3, 4, 5, 9]), "isotonic")
    assert found.tolist() == pytest.approx([0.5 / 6, 0.5, 0.5, 0.5, 1 - 0.5 / 6, 1 - 0.5 / 6])
    assert Calibrator(**json.loads(json.dumps(asdict(one)))) == one


def test_a_folds_own_labels_do_not_move_its_probabilities():
    scores, positive = drawn(2000)
    fold = np.arange(2000) % 4
    before, _ = cross_fitted(scores, positive, fold)
    other = positive.copy()
    other[fold == 2] = ~other[fold == 2]
    after, _ = cross_fitted(scores, other, fold)
    for kind in before:
        assert np.array_equal(before[kind][fold == 2], after[kind][fold == 2])
        assert not np.array_equal(before[kind][fold != 2], after[kind][fold != 2])


def test_cross_fitted_probabilities_agree_with_what_is_observed():
    scores, positive = drawn()
    for probabilities in cross_fitted(scores, positive, np.arange(scores.size) % 5)[0].values():
        found = agreement(probabilities, positive)
        assert found["slope"] == pytest.approx(1, abs=0.1)
        assert found["intercept"] == pytest.approx(0, abs=0.1)
        assert found["brier"] < found["brier_of_prevalence"]
        rows = reliability(probabilities, positive)
        assert sum(row["n"] for row in rows) == scores.size
        assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)
        assert rows[-1]["mean_predicted"] == pytest.approx(rows[-1]["observed"], abs=0.15)


def test_slope_and_intercept_tell_what_is_wrong():
    scores, positive = drawn(200_000)
    right = 1.5 * scores - 3
    too_wide = agreement(expit(2 * right), positive)
    assert too_wide["slope"] == pytest.approx(0.5, abs=0.02)
    too_high = agreement(expit(right + 1), positive)
    assert (too_high["slope"], too_high["intercept"]) == pytest.approx((1, -1), abs=0.04)


def test_another_prevalence_shifts_the_logit():
    moved = shifted(np.array([0.1, 0.5]), 0.1, 0.01)
    assert moved[0] == pytest.approx(0.01)
    assert logit(moved[1]) == pytest.approx(logit(0.01) - logit(0.1))


def test_constant_scores_give_the_share_and_one_class_is_refused():
    one = calibrator(np.zeros(10), np.arange(10) < 2)
    assert one.probabilities(np.zeros(1), "isotonic")[0] == pytest.approx(0.2)
    assert reliability(np.full(10, 0.2), np.arange(10) < 2)[0]["n"] == 10
    with pytest.raises(ValueError, match="2 positive, 0 negative"):
        calibrator(np.zeros(2), np.ones(2, bool))
    with pytest.raises(ValueError, match="kind is 'beta'"):
        one.probabilities(np.zeros(1), "beta")


def test_scores_beyond_all_that_were_fitted_keep_their_probabilities_off_0_and_1():
    scores, positive = drawn(300)
    scores[:3], fold = (
        [-1e6, 1e6, -1e6],
        np.arange(300) % 3,
    )  # one fold each; the others know nothing of such scores
    scores[0::3] *= 1000
    found, _ = cross_fitted(scores, positive, fold)
    for p in found.values():
        assert p.min() > 0 and p.max() < 1
        assert np.isfinite(list(agreement(p, positive).values())).all()
