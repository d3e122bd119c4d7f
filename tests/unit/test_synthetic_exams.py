"""Who is in a synthetic cohort, and how its readers read."""

import numpy as np
from sklearn.metrics import roc_auc_score

from mammo_steps.core.synthetic_exams import draw_day_and_age, draw_lesion, draw_reading, plan_exams
from mammo_steps.core.terms import Outcome


def test_readers_find_screen_detected_cancers_and_miss_interval_cancers() -> None:
    exams = plan_exams({"normal": 1500, "benign": 200, "screen_detected": 300, "interval": 150}, 0.2, 1)
    readings = [draw_reading(exam, draw_lesion(exam)) for exam in exams]
    outcomes = np.array([exam.outcome for exam in exams])
    one = np.array([max(r["reader_1_left"], r["reader_1_right"]) for r in readings])  # type: ignore[type-var]
    missing = np.array([r["reader_2_left"] == "" for r in readings])
    two = np.array(
        [
            max(int(r[f"reader_1_{s}"]) + int(r[f"reader_2_{s}"] or 0) for s in ("left", "right"))
            for r in readings
        ]
    )  # type: ignore[call-overload]
    detected = outcomes == Outcome.SCREEN_DETECTED
    assert 0.87 < roc_auc_score(detected, one) < 0.94
    assert roc_auc_score(detected[~missing], two[~missing]) > roc_auc_score(detected, one) + 0.02
    rest = np.isin(outcomes, [Outcome.INTERVAL, Outcome.NORMAL])
    assert 0.45 < roc_auc_score(outcomes[rest] == Outcome.INTERVAL, one[rest]) < 0.62
    assert 0.01 < missing.mean() < 0.05 and abs(missing[detected].mean() - missing.mean()) < 0.02


def test_a_womans_exams_are_about_two_years_apart_and_share_her_id() -> None:
    exams = plan_exams({"normal": 20, "benign": 0, "screen_detected": 5, "interval": 5}, 1.0, 1)
    assert len(exams) == 30
    for first, second in zip(exams[::2], exams[1::2], strict=True):
        assert first.patient_id == second.patient_id and first.uid() != second.uid()
        gap_days = (draw_day_and_age(second)[0] - draw_day_and_age(first)[0]).days
        assert 690 <= gap_days < 800
