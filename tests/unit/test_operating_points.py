import numpy as np
import pytest
from scipy.stats import binomtest

from mammo_steps.core.auc import resampled
from mammo_steps.core.operating_points import (
    mcnemar,
    operating_points,
    pairs_of,
    reader_recalls,
    recalled_at,
    sensitivity_at,
    specificity_at,
)


def test_readers_recall_from_the_limit_on_and_only_what_they_read():
    one, two = np.array([1.0, 2, 3, np.nan]), np.array([3.0, 1, np.nan, 1])
    found = {name: values.tolist() for name, values in reader_recalls(one, two, 2).items()}
    assert found["reader_1"][:3] == [0, 1, 1] and np.isnan(found["reader_1"][3])
    assert found["either"][:2] == [1, 1] and found["both"][:2] == [0, 0]
    assert np.isnan(found["either"][2:]).all() and np.isnan(found["both"][2:]).all()


def test_the_threshold_goes_as_low_as_a_specificity_and_as_high_as_a_sensitivity_allows():
    scores = np.array([9.0, 7, 5, 8, 6, 4, 2])
    positive = np.array([True] * 3 + [False] * 4)
    # one of four negatives recalled (8): positives 9 and 7, which lies above the next negative
    assert recalled_at(scores, ~positive, 0.25, generous=True).tolist() == [1, 1, 0, 1, 0, 0, 0]
    # two of three positives recalled: down to 7
    assert recalled_at(scores, positive, 2 / 3, generous=False).tolist() == [1, 1, 0, 1, 0, 0, 0]
    assert recalled_at(scores, ~positive, 1, generous=True).tolist() == [1] * 7
    assert recalled_at(scores, positive, 0, generous=False).tolist() == [0] * 7


def test_tied_exams_are_recalled_by_a_fraction():
    scores = np.array([5.0, 2, 2, 2, 2, 1])
    positive = np.array([True, True, False, False, False, False])
    # 3/8 of four negatives is 1.5 of the three that are tied at 2
    assert recalled_at(scores, ~positive, 3 / 8, generous=True).tolist() == [1, 0.5, 0.5, 0.5, 0.5, 0]
    only_model, only_reader, p = mcnemar(np.array([1, 0.5, 0.5, 1]), np.array([0.0, 1, 0, 0]))
    assert (only_model, only_reader) == (2.5, 0.5)
    assert p == binomtest(2, 2).pvalue
    assert mcnemar(np.ones(2), np.ones(2))[2] is None


def test_points_along_a_curve_are_those_of_the_exams():
    curve = np.array([0, 0, 0.25, 0.25, 1.0]), np.array([0, 1 / 3, 1 / 3, 2 / 3, 1.0])
    assert sensitivity_at(*curve, 0.25) == pytest.approx(2 / 3)
    assert sensitivity_at(*curve, 0.1) == pytest.approx(1 / 3)
    assert (sensitivity_at(*curve, 0.0), sensitivity_at(*curve, 1.0)) == (pytest.approx(1 / 3), 1.0)
    assert specificity_at(*curve, 1 / 3) == 1.0
    assert specificity_at(*curve, 0.5) == pytest.approx(0.75)
    assert (specificity_at(*curve, 0.0), specificity_at(*curve, 1.0)) == (1.0, 0.0)


WOMAN = np.arange(600) // 2


def study(n=600, half_read=False):
    generator = np.random.default_rng(0)
    positive = np.arange(n) % 10 == 0
    model = generator.standard_normal(n) + 2.0 * positive
    reader = np.clip(np.round(generator.standard_normal(n) + 1 + 1.5 * positive), 1, 5)
    if half_read:
        reader[::2] = np.nan
        reader[:20:10] = 3
    woman = np.arange(n) // 2
    stratum = np.zeros(n // 2, int)
    stratum[woman[positive]] = 1
    blocks = resampled(woman, stratum, (100, np.random.default_rng(1)))
    return positive, model, reader, blocks


def test_a_model_that_is_the_reader_stands_at_the_readers_point_in_every_draw():
    positive, _, reader, blocks = study()
    pairs = pairs_of(
        {"m": reader}, {"r": (reader >= 2) * 1.0}, positive, np.ones(positive.size, bool), np.arange(600) // 2
    )
    (row,) = operating_points(pairs, blocks, None)
    for name in ("sensitivity_at_its_specificity", "specificity_at_its_sensitivity"):
        assert [row[name][key] for key in ("difference", "low", "high")] == pytest.approx([0, 0, 0])
        assert row[name]["mcnemar_p"] is None


def test_rows_hold_the_matched_points_with_intervals_and_rates_at_the_prevalence():
    positive, model, reader, blocks = study()
    recalls = reader_recalls(reader, np.full(reader.size, np.nan), 2)
    pairs = pairs_of({"m": model}, recalls, positive, np.ones(600, bool), WOMAN)
    (row,) = operating_points(pairs, blocks, 0.01)  # the second reader read nothing: no row of hers
    assert (row["reader"], row["n_positive"], row["n_negative"]) == ("reader_1", 60, 540)
    at = row["sensitivity_at_its_specificity"]
    recalled = reader >= 2
    limit = np.sort(model[~positive])[::-1][int(recalled[~positive].sum())]  # the first that is not recalled
    assert at["model"] == pytest.approx((model[positive] > limit).mean())
    assert at["low"] < at["difference"] < at["high"]
    found, alarm = 0.01 * at["model"], 0.99 * (1 - row["of_reader"]["specificity"])
    assert (at["recall_rate"], at["ppv"]) == pytest.approx((found + alarm, found / (found + alarm)))


def test_a_reader_who_read_half_is_compared_on_her_half():
    positive, model, reader, blocks = study(half_read=True)
    model[1] = np.nan
    recalls = {"r": np.where(np.isfinite(reader), reader >= 2, np.nan)}
    pairs = pairs_of({"m": model}, recalls, positive, np.ones(600, bool), WOMAN)
    (row,) = operating_points(pairs, blocks, None)
    assert (row["n_positive"], row["n_negative"]) == (2, 299)
    assert np.isfinite([row["specificity_at_its_sensitivity"][key] for key in ("low", "high")]).all()
    assert operating_points([], blocks, None) == []


def test_the_positives_of_one_woman_say_nothing_of_the_spread():
    positive, model, reader, blocks = study()
    within = ~positive | (np.arange(600) < 10)  # one positive exam is left
    pairs = pairs_of({"m": model}, {"r": (reader >= 2) * 1.0}, positive, within, WOMAN)
    (row,) = operating_points(pairs, blocks, None)
    assert row["n_positive"] == 1
    for name in ("sensitivity_at_its_specificity", "specificity_at_its_sensitivity"):
        assert np.isnan([row[name][key] for key in ("low", "high")]).all()
