"""Bands around ROC curves."""

import numpy as np
import pytest
from scored_study import exam_rows

from mammo_steps.core.auc import resampled
from mammo_steps.core.exam_aucs import Rules, comparisons
from mammo_steps.core.exam_models import table_models
from mammo_steps.core.exam_scores import read_exams
from mammo_steps.core.operating_points import sensitivity_at
from mammo_steps.core.roc_curves import BAND_AT, bands, curves, sensitivities
from mammo_steps.core.tables import write_rows

MODELS = table_models([], published_ran=False)


def test_sensitivities_are_the_highest_of_the_curve_at_each_rate():
    fpr, tpr = np.array([0, 0, 0.5, 0.5, 1.0]), np.array([0, 0.2, 0.6, 0.8, 1.0])
    at = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    assert sensitivities(fpr, tpr, at) == pytest.approx([0.2, 0.4, 0.8, 0.9, 1.0])
    many = [np.repeat(rate[:, None], at.size, axis=1) for rate in (fpr, tpr)]
    assert sensitivity_at(*many, at) == pytest.approx(sensitivities(fpr, tpr, at))
    assert np.isnan(sensitivities(np.full(3, np.nan), tpr[:3], at)).all()


def test_a_band_holds_the_curve_and_is_wide_where_positives_are_few():
    generator = np.random.default_rng(0)
    widths = []
    for n_positive in (20, 200):
        positive = np.arange(1000) < n_positive
        scores = generator.normal(size=1000) + 1.5 * positive
        woman = np.arange(1000)
        blocks = resampled(positive.astype(np.int64), (200, np.random.default_rng(1)))
        low, high = bands({"m": scores}, positive, woman, blocks)["m"]
        negatives, positives = np.sort(scores[~positive]), scores[positive]
        place = int(np.flatnonzero(np.isclose(BAND_AT, 0.1))[0])
        own = float((positives > negatives[-90]).mean())  # a tenth of the 900 or so negatives lie above
        assert low[place] <= own + 0.02 and own - 0.02 <= high[place]
        assert (low <= high + 1e-12).all() and (np.diff(low) >= -1e-12).all()
        widths.append(high[place] - low[place])
    assert widths[0] > 2 * widths[1]


def test_networks_have_a_band_and_readers_none(tmp_path):
    write_rows(tmp_path / "exams.parquet", "exam_scores", exam_rows())
    rules = Rules("delong_logit", 50, 5000, "negative")
    found = comparisons(read_exams(tmp_path / "exams.parquet", MODELS), rules, 1)["screen_detected", "all"]
    rows = {row["model"]: row for row in curves(found, "screen_detected")}
    assert len(rows["ensemble"]["band"]["low"]) == len(rows["ensemble"]["band"]["fpr"]) == BAND_AT.size
    assert rows["reader_1"]["band"] is None


def test_one_positive_woman_has_a_curve_without_a_band(tmp_path):
    exams = exam_rows()
    for number, exam in enumerate(exams):
        exam["outcome"] = "screen_detected" if number == 0 else "normal"
    write_rows(tmp_path / "exams.parquet", "exam_scores", exams)
    rules = Rules("delong_logit", 50, 5000, "negative")
    found = comparisons(read_exams(tmp_path / "exams.parquet", MODELS), rules, 1)["screen_detected", "all"]
    assert {row["band"] for row in curves(found, "screen_detected")} == {None}
