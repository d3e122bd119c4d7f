"""The exam-level scores of models and readers, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from mammo_steps.core.auc import Floats, Ints
from mammo_steps.core.endpoints import worst_outcomes
from mammo_steps.core.exam_models import NETWORKS, OWN_COLUMNS, READERS, Model
from mammo_steps.core.tables import read_table

_WHO = {
    "reader_1": "reader 1",
    "reader_2": "reader 2",
    "one_reader": "any reader",
    "two_readers": "two readers",
}


@dataclass(frozen=True)
class Exams:
    """Out-of-fold scores: one entry per exam, sorted by exam_id; a score is NaN where there is none (not read).

    woman    (n,) 0..W-1
    stratum  (W,) the woman's worst outcome (its place in `core.terms.WORST_FIRST`)
    scores   by column of the `exam_scores` table, and by name of an outside model
    models   rows of the tables
    """

    exam_id: list[str]
    outcome: list[str]
    fold: Ints
    woman: Ints
    stratum: Ints
    scores: dict[str, Floats]
    models: tuple[Model, ...]


def read_exams(path: Path, models: tuple[Model, ...], outside: Path | None = None) -> Exams:
    """The `exam_scores` table, and outside models' scores beside it.

    ValueError if an exam is in it twice, or a score that has to be is not finite.
    """
    table = read_table(path, "exam_scores").sort_by("exam_id")
    exam_id = table["exam_id"].to_pylist()
    if len(set(exam_id)) < len(exam_id):
        raise ValueError(f"{path}: {len(exam_id) - len(set(exam_id))} exams stand in it more than once")
    scores = {name: np.array(table[name].to_numpy(), dtype=np.float64) for name in OWN_COLUMNS}
    for name, values in scores.items():
        n_bad = int((~np.isfinite(values) if name in NETWORKS else np.isinf(values)).sum())
        if n_bad:
            raise ValueError(f"{path}: {n_bad} of {len(exam_id)} values of `{name}` are not finite numbers")
    for model in models:
        if model.kind == "outside":
            scores[model.key] = _outside_scores(outside, model.key, exam_id)
    outcome = table["outcome"].to_pylist()
    woman = np.unique(table["patient_id"].to_pylist(), return_inverse=True)[1].astype(np.int64)
    fold = np.array(table["fold"].to_numpy(), dtype=np.int64)
    return Exams(
        exam_id, outcome, fold, woman, worst_outcomes(woman, outcome), scores, _as_read(models, scores)
    )


def _as_read(models: tuple[Model, ...], scores: Mapping[str, Floats]) -> tuple[Model, ...]:
    """The models; of a reader who read none of the exams it says so."""
    read_by = {"one_reader": READERS, **{name: (name,) for name in (*READERS, "two_readers")}}
    return tuple(
        replace(model, not_run=f"not read: there is no exam of the cohort that {_WHO[model.key]} read")
        if model.kind == "reader" and not any(np.isfinite(scores[name]).any() for name in read_by[model.key])
        else model
        for model in models
    )


def _outside_scores(path: Path | None, model: str, exam_ids: list[str]) -> Floats:
    """(n,) of one outside model, NaN where it has none; ValueError if a score is not finite."""
    if path is None:
        raise ValueError(f"the model `{model}` is in the settings, but no table of outside scores was given")
    table = read_table(path, "outside_scores")
    table = table.filter(pc.equal(table["model"], model))
    values = table["score"].to_numpy()
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ValueError(f"{path}: {n_bad} of {values.size} scores of `{model}` are not finite numbers")
    found = dict(zip(table["exam_id"].to_pylist(), values, strict=True))
    return np.array([found.get(exam_id, np.nan) for exam_id in exam_ids], dtype=np.float64)
