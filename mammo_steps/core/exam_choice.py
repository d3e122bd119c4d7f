"""Exams that are worth looking at: extremes of the ensemble's score, and disagreements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from mammo_steps.core.exam_kinds import Kind
from mammo_steps.core.exam_models import NETWORKS, PUBLISHED, READERS
from mammo_steps.core.terms import Outcome

WITHOUT_CANCER = (Outcome.NORMAL, Outcome.BENIGN)
CANCERS = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)

Exam = dict[str, Any]


def percentiles(scores: Sequence[float | None]) -> list[float | None]:
    """Share of the scored exams that score lower, ties and the exam itself counting half; None where not scored."""
    values = np.array(scores, dtype=np.float64)
    found = np.full(values.shape, np.nan)
    scored = np.isfinite(values)
    found[scored] = (rankdata(values[scored]) - 0.5) / max(1, scored.sum())  # mid-ranks
    return [None if np.isnan(share) else float(share) for share in found]


def chosen_exams(rows: Sequence[Exam], n_each: int, recall_from: float) -> list[Exam]:
    """Rows of the `exam_scores` table to show, at most n_each of a kind, in the order of `Kind`.

    Each has beside its columns its `kind`, its `percentile` by model and reader, and the readers' `recalled`.
    No exam is in two kinds; ties go by exam_id.

    recall_from  a reader recalls an exam whose score is this or more
    """
    exams = [dict(row) for row in sorted(rows, key=lambda row: row["exam_id"])]
    ranked = {
        name: percentiles([exam.get(name) for exam in exams]) for name in (*NETWORKS, *PUBLISHED, *READERS)
    }
    for place, exam in enumerate(exams):
        exam["percentile"] = {name: shares[place] for name, shares in ranked.items()}
        exam["recalled"] = {name: exam[name] >= recall_from for name in READERS if exam.get(name) is not None}
    chosen: dict[str, Exam] = {}
    for kind, candidates in _candidates(exams).items():
        free = [exam for exam in candidates if exam["exam_id"] not in chosen]
        chosen |= {exam["exam_id"]: {**exam, "kind": kind} for exam in free[:n_each]}
    return list(chosen.values())


def _candidates(exams: Sequence[Exam]) -> dict[Kind, list[Exam]]:
    """The exams that each kind would take, those to be shown first in front; exams come sorted by exam_id."""
    highest = sorted(exams, key=lambda exam: -exam["ensemble"])  # stable: ties stay by exam_id
    lowest = sorted(exams, key=lambda exam: exam["ensemble"])
    found = [exam for exam in highest if exam["outcome"] == Outcome.SCREEN_DETECTED]
    upper = {
        exam["exam_id"] for exam in found[: (len(found) + 1) // 2]
    }  # so few cancers are not all `highest`
    read = [exam for exam in exams if exam["recalled"]]
    return {
        Kind.HIGHEST_CANCER: [exam for exam in found if exam["exam_id"] in upper],
        Kind.MISSED_CANCER: [
            exam
            for exam in lowest
            if exam["outcome"] == Outcome.SCREEN_DETECTED and exam["exam_id"] not in upper
        ],
        Kind.HIGHEST_NORMAL: [exam for exam in highest if exam["outcome"] in WITHOUT_CANCER],
        Kind.INTERVAL: [exam for exam in highest if exam["outcome"] == Outcome.INTERVAL],
        Kind.MODELS_DISAGREE: sorted(
            (exam for exam in exams if exam["outcome"] != Outcome.UNKNOWN and models_gap(exam) != 0),
            key=lambda exam: -abs(models_gap(exam)),
        ),
        Kind.MODEL_ABOVE_READERS: sorted(
            (
                exam
                for exam in read
                if exam["outcome"] in CANCERS and not all(exam["recalled"].values()) and readers_gap(exam) > 0
            ),
            key=lambda exam: -readers_gap(exam),
        ),
        Kind.READERS_ABOVE_MODEL: sorted(
            (
                exam
                for exam in read
                if exam["outcome"] in WITHOUT_CANCER
                and any(exam["recalled"].values())
                and readers_gap(exam) < 0
            ),
            key=readers_gap,
        ),
    }


def models_gap(exam: Exam) -> float:
    """Percentile by the attention model minus that by the holistic one."""
    return float(exam["percentile"]["attention"] - exam["percentile"]["holistic"])


def readers_gap(exam: Exam) -> float:
    """Percentile by the ensemble minus the mean of those by the readers that read the exam."""
    own = [exam["percentile"][name] for name in READERS if exam["percentile"][name] is not None]
    return float(exam["percentile"]["ensemble"] - sum(own) / len(own))
