import csv
import json
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mammo_steps.core.auc import (
    Binned,
    auc,
    average_precision,
    bootstrap_aucs,
    clustered,
    delong,
    difference,
    draws_vary,
    mid_ranks,
    placements,
    resampled,
)
from mammo_steps.core.auc_interval import Estimate, interval


def reader_study(folder: Path):
    study = folder / "golden" / "reader_study"
    reference = json.loads((study / "reference.json").read_text())
    with (study / "reader_study.csv").open() as file:
        rows = list(csv.DictReader(file))
    positive = np.array([row["label"] == "1" for row in rows])
    exam = np.unique([row["case_ID"] for row in rows], return_inverse=True)[1]
    scores = {name: np.array([float(row[name]) for row in rows]) for name in reference["models"]}
    return reference, positive, exam, scores


def test_auc_counts_pairs_and_gives_ties_one_half():
    # positives 3, 1; negatives 1, 0, 2: pairs won 3 + 1, tied 1, of 6
    scores = np.array([3.0, 1.0, 1.0, 0.0, 2.0])
    positive = np.array([True, True, False, False, False])
    assert auc(scores, positive) == pytest.approx(4.5 / 6)
    of_positives, of_negatives = placements(scores, positive)
    assert of_positives.tolist() == pytest.approx([1.0, 0.5])
    assert of_negatives.tolist() == pytest.approx([0.75, 1.0, 0.5])


@pytest.mark.parametrize("levels", [3, 10, 10_000])
def test_auc_agrees_with_scikit_learn(levels):
    generator = np.random.default_rng(levels)
    for _ in range(20):
        positive = generator.random(200) < 0.2
        positive[:2] = [True, False]
        scores = generator.integers(0, levels, 200).astype(float) + positive
        assert auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


@pytest.mark.parametrize("levels", [0, 5])
def test_average_precision_agrees_with_scikit_learn(levels):
    generator = np.random.default_rng(levels)
    positive = generator.random(300) < 0.1
    scores = generator.standard_normal(300) + positive
    scores = np.round(scores) if levels else scores
    assert average_precision(scores, positive) == pytest.approx(
        average_precision_score(positive, scores), abs=1e-12
    )


def test_delong_equals_the_reference_of_eight_rows_with_ties(test_data):
    tiny = reader_study(test_data)[0]["tiny"]
    scores, positive = np.array([tiny["s1"], tiny["s2"]]), np.array(tiny["y"]) == 1
    aucs, covariance = delong(scores, positive)
    assert aucs == pytest.approx(tiny["auc"], abs=1e-6)
    assert covariance == pytest.approx(np.array(tiny["cov"]), abs=1e-6)
    test = difference(aucs, covariance)
    assert (test.z, test.p) == pytest.approx((tiny["z"], tiny["p"]), abs=1e-6)


def test_delong_and_clustered_variance_equal_the_reader_study(test_data):
    reference, positive, exam, scores = reader_study(test_data)
    for name, wanted in reference["models"].items():
        aucs, covariance = delong(scores[name][None], positive)
        estimate = Estimate(aucs[0], covariance[0, 0], positive.sum(), (~positive).sum())
        assert aucs[0] == pytest.approx(wanted["auc"], abs=1e-6)
        assert covariance[0, 0] == pytest.approx(wanted["delong_var"], abs=1e-6)
        assert average_precision(scores[name], positive) == pytest.approx(
            wanted["auprc_sklearn_ap"], abs=1e-6
        )
        plain, logit = interval(estimate, ""), interval(estimate, "_logit")
        assert (plain.low, plain.high) == pytest.approx(wanted["delong_ci95"], abs=1e-6)
        assert (logit.low, logit.high) == pytest.approx(wanted["delong_logit_ci95"], abs=1e-6)
        by_exam = clustered(scores[name][None], positive, exam)[1]
        assert by_exam[0, 0] ** 0.5 == pytest.approx(wanted["clustered_se"], abs=1e-6)


def test_clustered_variance_is_delongs_where_every_woman_has_one_exam():
    generator = np.random.default_rng(5)
    scores = generator.integers(0, 9, (3, 80)).astype(float)
    positive = np.arange(80) < 11
    aucs, covariance = delong(scores, positive)
    same_aucs, same_covariance = clustered(scores, positive, generator.permutation(80))
    assert same_aucs == pytest.approx(aucs, abs=1e-14)
    assert same_covariance == pytest.approx(covariance, rel=1e-12)


def test_paired_tests_equal_the_reader_study(test_data):
    reference, positive, exam, scores = reader_study(test_data)
    for pair, wanted in reference["pairs"].items():
        both = np.stack([scores[name] for name in pair.split("|")])
        test = difference(*delong(both, positive))
        assert (test.delta, test.z, test.p) == pytest.approx(
            (wanted["delta"], wanted["delong_z"], wanted["delong_p"]), abs=1e-6
        )
        assert (test.low, test.high) == pytest.approx(wanted["delta_ci95"], abs=1e-6)
        by_exam = difference(*clustered(both, positive, exam))
        assert (by_exam.z, by_exam.p) == pytest.approx(
            (wanted["clustered_z"], wanted["clustered_p"]), abs=1e-6
        )


def test_every_bootstrap_of_the_reader_study_is_within_half_a_percent(test_data):
    reference, positive, exam, scores = reader_study(test_data)
    names = list(reference["models"])
    values = np.stack([scores[name] for name in names])
    breast = np.arange(exam.size)
    one_stratum = np.zeros(exam.size, dtype=int)
    drawn = {
        kind: bootstrap_aucs(values, positive, cluster, stratum, (4000, np.random.default_rng(0)))
        for kind, cluster, stratum in (
            ("breast", breast, one_stratum),
            ("stratified", breast, positive.astype(int)),
            ("exam", exam, one_stratum[: exam.max() + 1]),
        )
    }
    for place, name in enumerate(names):
        for kind, wanted in reference["models"][name]["bootstrap_2000"].items():
            found = drawn[kind][:, place]
            assert found.std(ddof=1) == pytest.approx(wanted["se"], abs=0.005)
            assert np.percentile(found, [2.5, 97.5]) == pytest.approx(wanted["pct_ci95"], abs=0.005)
    for pair, wanted in reference["pairs"].items():
        first, second = (drawn["exam"][:, names.index(name)] for name in pair.split("|"))
        limits = np.percentile(first - second, [2.5, 97.5])
        assert limits == pytest.approx(wanted["exam_bootstrap_delta_ci95"], abs=0.005)


def test_bootstrap_draws_whole_women_and_keeps_each_stratum_size():
    # two women with cancer and two without, two exams each with equal scores: a draw repeats whole women,
    # so the AUC of any draw is a mean of four comparisons of women: 0, 1/4, .., 1
    scores = np.array([[4.0, 4, 2, 2, 3, 3, 1, 1]])
    positive = np.array([True] * 4 + [False] * 4)
    woman = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    stratum = np.array([1, 1, 0, 0])
    draws = bootstrap_aucs(scores, positive, woman, stratum, (200, np.random.default_rng(1)))
    assert set(np.unique(draws)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert len(np.unique(draws)) > 2


def test_bootstrap_without_resampling_noise_is_the_auc_and_leaves_unread_exams_out():
    scores = np.array([[3.0, 1.0, 1.0, 0.0, 2.0], [3.0, np.nan, 1.0, 0.0, np.nan]])
    positive = np.array([True, True, False, False, False])
    each_its_own = np.arange(5)
    draws = bootstrap_aucs(scores, positive, each_its_own, each_its_own, (1, np.random.default_rng(0)))
    assert draws[0].tolist() == pytest.approx([4.5 / 6, 1.0])


def test_curves_of_weighted_exams_are_those_of_repeated_exams():
    scores = np.array([3.0, 1.0, 1.0, 0.0, 2.0, np.nan])
    positive = np.array([True, True, False, False, False, True])
    times = np.array([[1, 2], [1, 0], [1, 1], [1, 0], [1, 3], [1, 1]], np.float32)
    one = Binned(scores, positive, np.arange(6))
    false_positive, true_positive = one.curves(times)
    # first draw: 3 | 2 | 1 tied | 0; second: the positive at 3 alone, above all four negatives
    assert false_positive[:, 0].tolist() == pytest.approx([0, 0, 0, 1 / 3, 2 / 3, 1])
    assert true_positive[:, 0].tolist() == pytest.approx([0, 0, 0.5, 0.5, 1, 1])
    assert true_positive[:, 1].tolist() == [0, 0, 1, 1, 1, 1]
    assert one.aucs(times).tolist() == pytest.approx([4.5 / 6, 1.0])
    # the exams 1 and 2 are one woman's: drawn once in the first draw, not at all in the second
    woman, drawn = (
        np.array([0, 1, 1, 2, 3, 4]),
        np.array([[1, 2], [1, 0], [1, 0], [1, 3], [1, 1]], np.float32),
    )
    of_women = Binned(scores, positive, woman)
    assert of_women.aucs(drawn).tolist() == pytest.approx([4.5 / 6, 1.0])


def test_tied_scores_share_their_mean_rank():
    assert mid_ranks(np.array([2.0, 1.0, 2.0, 5.0])).tolist() == [2.5, 1.0, 2.5, 4.0]
    assert mid_ranks(np.array([])).tolist() == []


def test_women_are_drawn_as_often_as_their_stratum_has_any_and_the_same_for_any_number_of_draws():
    stratum = np.array([1, 0, 1, 0, 0, 2])
    (times,) = resampled(stratum, (5, np.random.default_rng(3)))
    assert times.shape == (6, 5) and times.dtype == np.float32
    for value, n_women in ((0, 3), (1, 2), (2, 1)):
        assert times[stratum == value].sum(axis=0).tolist() == [n_women] * 5
    by_hand = np.random.default_rng(3)  # the first draw: stratum 0, then 1, then 2
    drawn = [by_hand.integers(0, n, n) for n in (3, 2, 1)]
    assert times[[1, 3, 4], 0].tolist() == np.bincount(drawn[0], minlength=3).tolist()
    assert times[[0, 2], 0].tolist() == np.bincount(drawn[1], minlength=2).tolist()
    (fewer,) = resampled(stratum, (2, np.random.default_rng(3)))
    assert np.array_equal(fewer, times[:, :2])


def test_a_missing_class_a_nan_and_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="3 positive, 0 negative"):
        auc(np.arange(3.0), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        auc(np.array([1.0, np.nan, 2.0]), np.array([True, False, False]))
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        auc(np.arange(3.0), np.ones(2, dtype=bool))


def test_a_difference_without_spread_has_no_p_value():
    test = difference(np.array([1.0, 1.0]), np.zeros((2, 2)))
    assert test.delta == 0.0
    assert np.isnan([test.z, test.p, test.low, test.high]).all()


def test_draws_of_women_show_how_exams_vary_from_two_women_of_a_stratum_on():
    woman, positive = np.array([0, 0, 1, 2, 3]), np.array([True, True, True, False, False])
    assert draws_vary(woman, positive, np.array([0, 0, 1, 1]))
    assert not draws_vary(woman[1:] * (woman[1:] > 1), positive[1:], np.array([0, 0, 1, 1]))  # one woman
    assert not draws_vary(woman, positive, np.array([0, 1, 2, 2]))  # each positive alone in her stratum
    assert not draws_vary(woman, positive, np.array([0, 0, 1, 2]))
    assert not draws_vary(woman[:3], positive[:3], np.array([0, 0]))


def test_one_hundred_fifty_thousand_exams_take_about_a_second():
    generator = np.random.default_rng(0)
    positive = np.arange(150_000) < 1000
    scores = generator.standard_normal((3, positive.size)) + positive
    start = time.perf_counter()
    delong(scores, positive)
    assert time.perf_counter() - start < 5
