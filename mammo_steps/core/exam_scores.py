"""The exam-level scores of models and readers, as arrays."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mammo_steps.core.auc import Floats, Ints
from mammo_steps.core.endpoints import worst_outcomes
from mammo_steps.core.tables import read_table

NETWORKS = ("holistic", "attention", "ensemble")
READERS = ("reader_1", "reader_2")
SCORED = (*NETWORKS, *READERS, "two_readers")  # columns of the `exam_scores` table
MODELS = (*NETWORKS, *READERS, "one_reader", "two_readers")  # one_reader: mean of the readers' AUCs


@dataclass(frozen=True)
class Exams:
    """Out-of-fold scores: one entry per exam, sorted by exam_id; a score is NaN where the exam was not read.

    woman    (n,) 0..W-1
    stratum  (W,) the woman's worst outcome (its place in `core.terms.WORST_FIRST`)
    """

    exam_id: list[str]
    outcome: list[str]
    fold: Ints
    woman: Ints
    stratum: Ints
    scores: dict[str, Floats]


def read_exams(path: Path) -> Exams:
    """The `exam_scores` table; ValueError if an exam is in it twice or a network's score is not finite."""
    table = read_table(path, "exam_scores").sort_by("exam_id")
    exam_id = table["exam_id"].to_pylist()
    if len(set(exam_id)) < len(exam_id):
        raise ValueError(f"{path}: {len(exam_id) - len(set(exam_id))} exams stand in it more than once")
    scores = {name: np.array(table[name].to_numpy(), dtype=np.float64) for name in SCORED}
    for name in NETWORKS:
        if not np.isfinite(scores[name]).all():
            n_bad = int((~np.isfinite(scores[name])).sum())
            raise ValueError(f"{path}: {n_bad} of {len(exam_id)} values of `{name}` are not finite numbers")
    outcome = table["outcome"].to_pylist()
    woman = np.unique(table["patient_id"].to_pylist(), return_inverse=True)[1].astype(np.int64)
    fold = np.array(table["fold"].to_numpy(), dtype=np.int64)
    return Exams(exam_id, outcome, fold, woman, worst_outcomes(woman, outcome), scores)
