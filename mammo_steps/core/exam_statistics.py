"""What evaluation.json says beyond AUCs: operating points, calibration, triage, subgroups.

All of it from out-of-fold scores. The models are those that have scores; a score that is NaN leaves its exam out, and
every part gives its n. Limits of scores and calibrators are given with all their digits: rounded, they would part exams
otherwise than the counts beside them say.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import logit

from mammo_steps.core.auc import Bools, Floats, average_precision, resampled
from mammo_steps.core.calibration import agreement, calibrator, cross_fitted, reliability
from mammo_steps.core.exam_aucs import Comparison
from mammo_steps.core.exam_facts import ExamFacts
from mammo_steps.core.exam_scores import Exams
from mammo_steps.core.fold_scale import halves, standardised
from mammo_steps.core.number_text import exact
from mammo_steps.core.operating_points import operating_points, pairs_of, reader_recalls
from mammo_steps.core.prevalence import negative_weight
from mammo_steps.core.randomness import stream
from mammo_steps.core.subgroups import Group, Truth, groups_of, groups_of_positives, subgroup_row, subgroups
from mammo_steps.core.terms import Endpoint, Outcome
from mammo_steps.core.triage import Readings, triage

RAW, STANDARDISED = "raw", "standardised_per_fold"
ALL_CANCERS = Endpoint.SCREEN_DETECTED_OR_INTERVAL
_CALIBRATED = (Endpoint.SCREEN_DETECTED, ALL_CANCERS)


@dataclass(frozen=True)
class StatisticsSettings:
    """How scores become decisions, and what is shown of groups.

    reader_recall_from  a reader recalls an exam whose score is this or more
    prevalence          end point -> share of positive exams in screening; None = as in the cohort
    age_band_years      width of the age groups
    small_group         a subgroup with fewer positive or fewer negative exams is marked as small
    """

    reader_recall_from: float
    prevalence: Mapping[str, float | None]
    age_band_years: int
    small_group: int


def model_scores(exams: Exams) -> dict[str, Floats]:
    """Scores of the models that were run, readers left out."""
    ran = [model.key for model in exams.models if model.kind != "reader" and not model.not_run]
    return {key: exams.scores[key] for key in ran if key in exams.scores}


def _points(
    comparison: Comparison, endpoint: Endpoint, settings: StatisticsSettings, seed: int
) -> list[dict[str, Any]]:
    exams = comparison.exams
    within, negative = comparison.truth >= 0, comparison.truth == 0
    recalls = reader_recalls(exams.scores["reader_1"], exams.scores["reader_2"], settings.reader_recall_from)
    half = halves(exams.stratum.size, seed)[exams.woman]
    scores, what = {}, {}
    for key, raw in model_scores(exams).items():
        for scale in (RAW, STANDARDISED):
            name = f"{key} {scale}"
            scores[name] = raw if scale == RAW else standardised(raw, negative, exams.fold, half)
            what[name] = {"model": key, "scale": scale}
    generator = stream("bootstrap", *comparison.seed_key)  # the women of the AUCs' bootstrap
    blocks = resampled(exams.stratum, (comparison.rules.bootstrap_samples, generator))
    pairs = pairs_of(scores, recalls, (comparison.positive, within, exams.woman))
    rows = operating_points(pairs, blocks, settings.prevalence[endpoint], comparison.varies)
    return [{"endpoint": endpoint, **row, **what[row["model"]]} for row in rows]


def _calibration(
    comparison: Comparison, endpoint: Endpoint, settings: StatisticsSettings
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    fold, target = comparison.exams.fold, settings.prevalence[endpoint]
    for model in model_scores(comparison.exams):
        used = comparison.used(model)
        row: dict[str, Any] = {"model": model, "endpoint": endpoint}
        row |= dict(zip(("n_positive", "n_negative"), comparison.counts(used), strict=True))
        rows.append(row)
        folds = np.unique(fold[used])
        if folds.size < 2 or not all(min(comparison.counts(used & (fold != k))) for k in folds):
            row["why"] = "the folds but one have to hold exams of both classes"
            continue
        scores, positive = comparison.exams.scores[model][used], comparison.positive[used]
        found, fitted = cross_fitted(scores, positive, fold[used])
        share = float(positive.mean())
        row["prevalence"] = share
        # add this to the logit of a probability to have it at the target prevalence
        row["logit_shift"] = 0.0 if target is None else float(logit(target) - logit(share))
        row["kinds"] = [
            {"kind": kind, **agreement(p, positive), "reliability": reliability(p, positive)}
            for kind, p in found.items()
        ]
        row["calibrators"] = [{"fold": number, **exact(asdict(one))} for number, one in fitted.items()]
        row["calibrator_of_all_folds"] = exact(asdict(calibrator(scores, positive)))
    return rows


def _average_precisions(comparison: Comparison, endpoint: Endpoint) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for model, scores in comparison.exams.scores.items():
        used = comparison.used(model)
        m, n = comparison.counts(used)
        if m and n:
            value = average_precision(scores[used], comparison.positive[used])
            row = {
                "model": model,
                "endpoint": endpoint,
                "average_precision": value,
                "share_positive": m / (m + n),
            }
            rows.append(row)
    return rows


def _triage(comparison: Comparison, settings: StatisticsSettings) -> list[dict[str, Any]]:
    exams, outcome = comparison.exams, np.array(comparison.exams.outcome)
    recalls = reader_recalls(exams.scores["reader_1"], exams.scores["reader_2"], settings.reader_recall_from)
    rows = []
    for model, scores in model_scores(exams).items():
        used = comparison.used(model)
        if not used.any():
            continue
        weight = negative_weight(*comparison.counts(used), settings.prevalence[ALL_CANCERS])
        readings = Readings(
            outcome[used] == Outcome.SCREEN_DETECTED,
            outcome[used] == Outcome.INTERVAL,
            np.where(comparison.positive[used], 1.0, weight),
            recalls["reader_1"][used],
            recalls["either"][used],
        )
        table: dict[str, Any] = triage(scores[used], readings)
        table["limit"] = exact(table["limit"])  # scores: rounded, the exam at the limit would change sides
        rows.append({"model": model, "n_exams": int(used.sum()), "negative_weight": weight, "table": table})
    return rows


def _subgroups(
    comparison: Comparison, endpoint: Endpoint, settings: StatisticsSettings, facts: ExamFacts
) -> list[dict[str, Any]]:
    exams = comparison.exams
    truth = Truth(comparison.truth >= 0, comparison.positive, exams.woman, comparison.rules.form)
    groups = [group for by, values in facts.groups.items() for group in groups_of(by, values)]
    groups += groups_of_positives("outcome", exams.outcome, comparison.positive)
    groups += groups_of_positives("cancer_type", facts.cancer_types, comparison.positive)
    groups += groups_of_positives("lesion_type", facts.lesion_types, comparison.positive)
    scored = {name: scores for name, scores in exams.scores.items() if np.isfinite(scores).any()}
    rows = subgroups(scored, truth, groups, settings.small_group)
    everyone: Bools = np.ones(truth.used.size, dtype=np.bool_)
    for view, scores in facts.of_one_view.items():
        group = Group("view", view, everyone)
        rows.append({"model": "holistic", **subgroup_row(scores, truth, group, settings.small_group)})
    return [{"endpoint": endpoint, **row} for row in rows]


def statistics_part(
    found: Mapping[tuple[str, str], Comparison],
    settings: StatisticsSettings,
    facts: ExamFacts,
    seed: int,
) -> dict[str, Any]:
    """found: (end point, protocol) -> its exams; all exams are taken, never the sampled ones."""
    everyone = {endpoint: found[endpoint, "all"] for endpoint in Endpoint}
    return {
        "operating_points": [
            row for end, one in everyone.items() for row in _points(one, end, settings, seed)
        ],
        "calibration": [row for end in _CALIBRATED for row in _calibration(everyone[end], end, settings)],
        "average_precision": [row for end, one in everyone.items() for row in _average_precisions(one, end)],
        "triage": _triage(everyone[ALL_CANCERS], settings),
        "subgroups": [row for end, one in everyone.items() for row in _subgroups(one, end, settings, facts)],
    }
