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
    false_positive, true_positive = np.array([0, 0, 0.25, 0.25, 1.0]), np.array([0, 1 / 3, 1 / 3, 2 / 3, 1.0])

    def along(find, *at):
        """The same curve for every `at`."""
        curves = [np.repeat(rate[:, None], len(at), axis=1) for rate in (false_positive, true_positive)]
        return find(*curves, np.array(at)).tolist()

    assert along(sensitivity_at, 0.25, 0.1, 0.0, 1.0) == pytest.approx([2 / 3, 1 / 3, 1 / 3, 1.0])
    assert along(specificity_at, 1 / 3, 0.5, 0.0, 1.0) == pytest.approx([1.0, 0.75, 1.0, 0.0])
    assert np.isnan([*along(sensitivity_at, np.nan), *along(specificity_at, np.nan)]).all()


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
    blocks = resampled(stratum, (100, np.random.default_rng(1)))
    return positive, model, reader, blocks


def everyone(positive):
    """Positive, used, and whose exam it is, of `study`."""
    return positive, np.ones(positive.size, bool), np.arange(positive.size) // 2


def vary(used):
    return True


def test_a_model_that_is_the_reader_stands_at_the_readers_point_in_every_draw():
    positive, _, reader, blocks = study()
    pairs = pairs_of({"m": reader}, {"r": (reader >= 2) * 1.0}, everyone(positive))
    (row,) = operating_points(pairs, blocks, None, vary)
    for name in ("sensitivity_at_its_specificity", "specificity_at_its_sensitivity"):
        assert row[name]["difference"] == pytest.approx(0)
        assert np.isnan([row[name]["low"], row[name]["high"]]).all()  # no spread, so no interval
        assert row[name]["mcnemar_p"] is None


def test_rows_hold_the_matched_points_with_intervals_and_rates_at_the_prevalence():
    positive, model, reader, blocks = study()
    recalls = reader_recalls(reader, np.full(reader.size, np.nan), 2)
    pairs = pairs_of({"m": model}, recalls, everyone(positive))
    (row,) = operating_points(pairs, blocks, 0.01, vary)  # the second reader read nothing: no row of hers
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
    pairs = pairs_of({"m": model}, recalls, everyone(positive))
    (row,) = operating_points(pairs, blocks, None, vary)
    assert (row["n_positive"], row["n_negative"]) == (2, 299)
    assert np.isfinite([row["specificity_at_its_sensitivity"][key] for key in ("low", "high")]).all()
    assert operating_points([], blocks, None, vary) == []


def test_draws_that_do_not_show_how_the_exams_vary_give_no_limits():
    positive, model, reader, blocks = study()
    recalls = {"some": (reader >= 2) * 1.0, "all": np.ones(reader.size)}
    pairs = pairs_of({"m": model}, recalls, everyone(positive))
    asked = []
    rows = operating_points(pairs, blocks, None, lambda used: asked.append(int(used.sum())))  # None: no
    for row in rows:
        for name in ("sensitivity_at_its_specificity", "specificity_at_its_sensitivity"):
            assert np.isnan([row[name]["low"], row[name]["high"]]).all()
    assert asked == [600, 600]
