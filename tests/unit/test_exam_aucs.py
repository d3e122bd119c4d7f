"""AUCs and paired tests where there is too little to say how far they spread."""

import numpy as np
import pytest

from mammo_steps.core.exam_aucs import Comparison, Rules
from mammo_steps.core.exam_models import table_models
from mammo_steps.core.exam_scores import Exams

MODELS = table_models([], published_ran=False)


def comparison(positive, ci_method="delong_binormal_score", second_reads=None):
    """Two models and two readers on exams of as many women; reader 2 reads where `second_reads`."""
    n, generator = positive.size, np.random.default_rng(0)
    scores = {name: generator.standard_normal(n) + positive for name in ("holistic", "attention", "ensemble")}
    reader = np.clip(np.round(generator.standard_normal(n) + 2 + positive), 1, 5)
    scores["reader_1"] = reader
    scores["reader_2"] = np.where(np.zeros(n, bool) if second_reads is None else second_reads, reader, np.nan)
    scores["two_readers"] = scores["reader_1"] + scores["reader_2"]
    none = np.full(n, np.nan)
    scores |= {"wu2019": none, "wu2019_adapted": none}
    outcome = ["screen_detected" if one else "normal" for one in positive]
    fold, woman = np.zeros(n, np.int64), np.arange(n)
    exams = Exams(
        [f"e{i}" for i in range(n)], outcome, fold, woman, positive.astype(np.int64), scores, MODELS
    )
    return Comparison(exams, positive.astype(np.int64), Rules(ci_method, 200, 5000, "negative"), ("test",))


def test_positives_of_one_woman_give_no_p_value_by_any_method() -> None:
    found = comparison(np.arange(200) == 3).test("attention", "holistic")
    assert found is not None and found["n_positive"] == 1
    for method in ("delong", "delong_clustered", "clustered_bootstrap"):
        assert np.isnan([found[method][key] for key in ("se", "p", "low", "high")]).all(), method


def test_positives_of_a_few_women_give_one() -> None:
    found = comparison(np.arange(200) % 20 == 3).test("attention", "holistic")
    assert found is not None and 0 < found["clustered_bootstrap"]["p"] < 1


@pytest.mark.parametrize("ci_method", ["delong", "delong_logit", "delong_binormal_score"])
def test_one_reader_of_one_cancer_has_the_interval_of_that_reader(ci_method: str) -> None:
    one = comparison(np.arange(200) == 3, ci_method)
    rows = {model.key: one.row(model, "screen_detected", "all", "pooled") for model in MODELS}
    alone, mean = rows["reader_1"], rows["one_reader"]
    assert (mean.auc, mean.ci_low, mean.ci_high) == (alone.auc, alone.ci_low, alone.ci_high)


def test_exams_of_a_reader_who_saw_one_class_only_do_not_count() -> None:
    positive = np.arange(200) % 10 == 3
    one = comparison(positive, second_reads=~positive & (np.arange(200) >= 100))
    one.exams.scores["reader_1"][150:] = np.nan
    row = one.row(
        next(model for model in MODELS if model.key == "one_reader"), "screen_detected", "all", "pooled"
    )
    assert (row.n_positive, row.n_negative) == (15, 135)
