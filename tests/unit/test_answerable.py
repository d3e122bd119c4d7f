"""What a cohort could answer."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from mammo_steps.core.answerable import answers, expected_interval, reader_table, women_by_worst_outcome
from mammo_steps.core.fold_count import most_folds, per_fold
from mammo_steps.core.terms import Endpoint, Outcome


def kept(*exams: tuple[str, str], **columns: list[float]) -> pd.DataFrame:
    return pd.DataFrame(exams, columns=["patient_id", "outcome"]).assign(**columns)


COHORT = kept(
    *((f"n{n}", "normal") for n in range(50)),
    *((f"c{n}", "screen_detected") for n in range(4)),
    ("c0", "normal"),
    ("p", "prior"),
)


def test_the_expected_interval_is_that_of_the_binormal_score_test() -> None:
    """At both ends (0.9 - theta)^2 = 1.96^2 V(theta); V from the binormal integral, by quadrature."""
    m, n = 60, 1440
    found = expected_interval(0.9, m, n)
    assert found is not None
    x = np.linspace(-8, 8, 4001)
    for theta in (found.low, found.high):
        above = norm.cdf(np.sqrt(2) * norm.ppf(theta) - x)  # P(a positive lies above a negative at x)
        both = float(np.trapezoid(above**2 * norm.pdf(x), x))
        variance = (theta * (1 - theta) + (m + n - 2) * (both - theta**2)) / (m * n)
        assert (0.9 - theta) ** 2 == pytest.approx(1.959964**2 * variance, rel=1e-4)
    assert 0.04 < 0.9 - found.low < 0.07  # Hanley and McNeil 1982: se 0.025 at 0.9 with 60 positives


def test_more_cancers_narrow_the_interval() -> None:
    few, more = expected_interval(0.9, 20, 5000), expected_interval(0.9, 200, 5000)
    assert few is not None and more is not None and few.high - few.low > 2 * (more.high - more.low)


def test_each_end_point_has_its_exams_and_women() -> None:
    found = {answer.endpoint: answer for answer in answers(COHORT, "negative", 5000)}
    first = found[Endpoint.SCREEN_DETECTED]
    assert (first.n_positive, first.n_negative, first.women_positive, first.sampled) == (4, 52, 4, False)
    assert answers(COHORT, "leave_out", 5000)[0].n_negative == 51


def test_an_end_point_without_positives_is_not_estimable() -> None:
    answer = next(a for a in answers(COHORT, "negative", 5000) if a.endpoint == Endpoint.INTERVAL)
    assert (answer.why, answer.intervals, expected_interval(0.9, 0, 9)) == ("no positive exam", {}, None)


def test_the_sampled_protocol_is_shown_where_it_takes_fewer() -> None:
    rows = [
        answer for answer in answers(COHORT, "negative", 10) if answer.endpoint == Endpoint.SCREEN_DETECTED
    ]
    assert [(row.n_negative, row.sampled) for row in rows] == [(52, False), (10, True)]


def test_a_woman_counts_once_with_her_worst_outcome() -> None:
    women = women_by_worst_outcome(COHORT)
    assert women == {Outcome.NORMAL: 50, Outcome.SCREEN_DETECTED: 4, Outcome.PRIOR: 1}


def test_folds_are_bounded_by_two_women_of_the_first_kind_and_one_of_the_second() -> None:
    assert most_folds({Outcome.SCREEN_DETECTED: 21}) == 10
    assert most_folds({Outcome.SCREEN_DETECTED: 21, Outcome.INTERVAL: 3}) == 3
    assert (per_fold(21, 10), per_fold(20, 10), per_fold(0, 3)) == ((2, 3), (2, 2), (0, 0))


def test_readers_are_counted_alone_and_together() -> None:
    nan = float("nan")
    scores = {
        "reader_1_left": [1.0, 2.0, nan],
        "reader_1_right": [1.0, 1.0, nan],
        "reader_2_left": [nan, 3.0, 1.0],
        "reader_2_right": [nan, 1.0, 1.0],
    }
    table = reader_table(kept(("a", "normal"), ("b", "interval"), ("c", "normal"), **scores), ["interval"])
    assert [tuple(row.values()) for row in table] == [
        ("reader_1", 2, 1, 2),
        ("reader_2", 2, 1, 2),
        ("both", 1, 1, 3),
    ]
