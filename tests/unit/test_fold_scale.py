import numpy as np
import pytest

from mammo_steps.core.fold_scale import halves, standardised


def test_scores_of_folds_on_other_scales_come_onto_one():
    generator = np.random.default_rng(0)
    fold = np.arange(8000) % 2
    scores = np.where(fold == 0, generator.normal(0, 1, 8000), generator.normal(30, 5, 8000))
    half = halves(8000, 1)
    found = standardised(scores, np.ones(8000, bool), fold, half)
    for number in (0, 1):
        assert found[fold == number].mean() == pytest.approx(0, abs=0.05)
        assert found[fold == number].std() == pytest.approx(1, abs=0.05)


def test_an_exams_own_half_does_not_move_its_scale():
    scores = np.array([1.0, 3.0, 10.0, 14.0, 7.0])
    negative, half = np.array([True, True, True, True, False]), np.array([0, 0, 1, 1, 1])
    found = standardised(scores, negative, np.zeros(5, int), half)
    # the second half by 1 and 3: mean 2, sd sqrt 2
    assert found[[2, 4]].tolist() == pytest.approx([8 / 2**0.5, 5 / 2**0.5])
    assert found[0] == pytest.approx((1 - 12) / 8**0.5)


def test_too_few_negatives_and_missing_scores_give_no_number():
    scores = np.array([1.0, np.nan, 2.0, 5.0])
    found = standardised(scores, np.array([True, True, True, True]), np.zeros(4, int), np.array([0, 0, 1, 1]))
    assert found[0] == pytest.approx((1 - 3.5) / 4.5**0.5)
    assert np.isnan(found[1:]).all()
