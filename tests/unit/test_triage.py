import json

import numpy as np
import pytest

from mammo_steps.core.number_text import exact, json_text
from mammo_steps.core.triage import STEPS, Readings, triage


def readings(n, **given):
    nothing = np.zeros(n, bool)
    empty = {"screen_detected": nothing, "interval": nothing, "weight": np.ones(n)}
    return Readings(**{**empty, "first": np.zeros(n), "either": np.zeros(n), **given})


def row(table, share):
    place = int(np.flatnonzero(np.isclose(table["share_below"], share))[0])
    return {name: values[place] for name, values in table.items()}


def test_cancers_below_the_limit_are_counted_by_kind_and_by_strategy():
    # ten exams in the order of their scores; screen-detected cancers at 2 (seen by reader 2 alone), 3 and 9,
    # an interval cancer at 5, a false alarm of both at 4
    scores = np.arange(10.0)
    screen_detected, interval = np.isin(scores, [2, 3, 9]), scores == 5
    first, either = np.isin(scores, [3, 4, 9]) * 1.0, np.isin(scores, [2, 3, 4, 9]) * 1.0
    table = triage(
        scores, readings(10, screen_detected=screen_detected, interval=interval, first=first, either=either)
    )
    half = row(table, 0.5)
    assert (half["limit"], half["n_below"]) == (5.0, 5)
    assert (half["screen_detected_below"], half["interval_below"], half["interval_above"]) == (2, 0, 1)
    assert (half["unread.readings_saved"], half["single.readings_saved"]) == (0.5, 0.25)
    assert (half["unread.recall_rate"], half["single.recall_rate"]) == pytest.approx((0.1, 0.3))
    assert (half["unread.screen_detected_missed"], half["single.screen_detected_missed"]) == (2, 1)
    assert row(table, 0.0)["unread.recall_rate"] == pytest.approx(0.4)
    assert len(table["limit"]) == 11


def test_a_row_per_percent_at_most_and_ties_stay_together():
    generator = np.random.default_rng(0)
    table = triage(generator.standard_normal(5000), readings(5000))
    assert len(table["limit"]) == STEPS
    assert np.allclose(table["share_below"], np.linspace(0, 1, STEPS))
    assert triage(np.repeat([1.0, 2.0], 50), readings(100))["share_below"] == [0.0, 0.5, 1.0]


def test_weights_turn_shares_into_those_of_a_screening_population():
    scores, cancer = np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])
    table = triage(scores, readings(4, screen_detected=cancer, weight=np.where(cancer, 1.0, 4.0)))
    assert table["share_below"] == pytest.approx([0, 0.4, 0.5, 0.9, 1.0])


def test_without_readers_there_are_no_columns_of_theirs():
    table = triage(np.arange(3.0), readings(3, first=np.full(3, np.nan), either=np.full(3, np.nan)))
    assert "unread.recall_rate" not in table and table["n_below"] == [0, 1, 2, 3]


def test_a_limit_written_down_gives_the_counts_beside_it():
    scores = np.random.default_rng(3).standard_normal(500)
    table = triage(scores, readings(500))
    table["limit"] = exact(table["limit"])
    read = json.loads(json_text(table))
    assert [int((scores < limit).sum()) for limit in read["limit"][:-1]] == read["n_below"][:-1]
