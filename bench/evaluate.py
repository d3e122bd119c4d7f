"""How long does the evaluation of 100,000 exams take? Ten models, all pairs tested, 2,000 bootstrap draws.

`make bench-evaluate` makes scores (SYNTHETIC, two exams per woman, 0.7 % cancers, readers on five levels, one model
with half the exams), prints a table and writes bench/evaluate.json. The rule: one end point with all 45 paired tests
takes less than 60 s. Beside it the whole of what the step evaluate does with exam scores, three end points, both
protocols; memory is the process's peak.
"""

import resource
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from common import about_this_run, print_table

from mammo_steps.core.auc import bootstrap_aucs, clustered, delong, difference
from mammo_steps.core.endpoints import worst_outcomes
from mammo_steps.core.exam_aucs import Rules, comparisons
from mammo_steps.core.exam_facts import ExamFacts
from mammo_steps.core.exam_models import table_models
from mammo_steps.core.exam_scores import Exams
from mammo_steps.core.exam_statistics import StatisticsSettings, model_scores, statistics_part
from mammo_steps.core.files import write_json
from mammo_steps.evaluate import auc_rows, exam_part

REPO = Path(__file__).resolve().parents[1]
N_EXAMS, N_DRAWS, SEED = 100_000, 2000, 1
RULES = Rules("delong_binormal_score", N_DRAWS, 5000, "negative")
SETTINGS = StatisticsSettings(
    2, dict.fromkeys(("screen_detected", "screen_detected_or_interval", "interval")), 5, 10
)
T = TypeVar("T")


def made_exams(n_exams: int) -> Exams:
    """Two exams per woman."""
    generator = np.random.default_rng(SEED)
    outside = [
        {"name": f"outside_{n}", "title": f"Outside {n}", "trained_on": "made", "overlap": "none"}
        for n in range(5)
    ]
    models = table_models(outside, published_ran=True)
    outcome = generator.choice(
        ["screen_detected", "interval", "benign", "normal"], n_exams, p=[0.005, 0.002, 0.03, 0.963]
    )
    lift = np.select([outcome == "screen_detected", outcome == "interval"], [2.0, 1.0], 0.0)
    woman, fold = np.arange(n_exams) // 2, np.arange(n_exams) // 2 % 10
    easy = generator.standard_normal(n_exams)  # what all models see alike
    scores = {}
    for model in models:
        if model.kind == "reader":
            if model.key != "one_reader":
                seen = lift + generator.standard_normal(n_exams)
                scores[model.key] = 1.0 + np.searchsorted([1.5, 2, 2.5, 3], seen)
        else:
            scores[model.key] = lift + 0.6 * easy + 0.8 * generator.standard_normal(n_exams)
    scores["outside_4"][::2] = np.nan
    scores["reader_2"][::10] = scores["two_readers"][::10] = np.nan
    ids = [f"e{number:06d}" for number in range(n_exams)]
    return Exams(ids, outcome.tolist(), fold, woman, worst_outcomes(woman, outcome.tolist()), scores, models)


def made_facts(n_exams: int) -> ExamFacts:
    return ExamFacts(
        {
            "vendor": ["ge", "siemens"] * (n_exams // 2),
            "exam_year": [str(2000 + n % 10) for n in range(n_exams)],
        },
        [""] * n_exams,
        [""] * n_exams,
        {},
    )


def all_pairs(exams: Exams) -> int:
    """One end point: AUCs, variances, draws and every paired test of the ten models; how many tests."""
    scores = np.stack([np.nan_to_num(scores) for scores in model_scores(exams).values()])
    positive = np.isin(exams.outcome, ["screen_detected", "interval"])
    by_delong, by_woman = delong(scores, positive), clustered(scores, positive, exams.woman)
    draws = bootstrap_aucs(
        scores, positive, exams.woman, exams.stratum, (N_DRAWS, np.random.default_rng(SEED))
    )
    tests = 0
    for pair in combinations(range(len(scores)), 2):
        both = list(pair)
        for aucs, covariance in (by_delong, by_woman, (by_delong[0], np.cov(draws.T))):
            difference(aucs[both], covariance[np.ix_(both, both)])
        tests += 1
    return tests


def timed(what: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = what()
    return result, round(time.perf_counter() - start, 2)


def main() -> None:
    exams = made_exams(N_EXAMS)
    facts = made_facts(N_EXAMS)
    n_tests, pairs_s = timed(lambda: all_pairs(exams))
    found = comparisons(exams, RULES, SEED)
    rows, rows_s = timed(lambda: auc_rows(found, exams.models))
    part, part_s = timed(lambda: exam_part(exams, found, rows))
    more, more_s = timed(lambda: statistics_part(found, SETTINGS, facts, SEED))
    result: dict[str, Any] = {
        "what": "SYNTHETIC scores, one process",
        "n_exams": N_EXAMS,
        "n_models": len(model_scores(exams)),
        "n_draws": N_DRAWS,
        "one_end_point.n_paired_tests": n_tests,
        "one_end_point.wall_s": pairs_s,
        "evaluate.n_auc_rows": len(rows),
        "evaluate.auc_rows_s": rows_s,
        "evaluate.n_paired_tests": len(part["tests"]),
        "evaluate.tests_and_curves_s": part_s,
        "evaluate.n_operating_points": len(more["operating_points"]),
        "evaluate.statistics_s": more_s,
        "peak_mem_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        **about_this_run(),
    }
    print_table(result)
    write_json(REPO / "bench/evaluate.json", result)


if __name__ == "__main__":
    main()
