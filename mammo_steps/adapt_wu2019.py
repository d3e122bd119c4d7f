"""Replace the head of Wu et al. 2019 for one fold: train it on the outcomes of this cohort's exams, score the others.

The network's features stay as published: the means of the last maps of its image-and-heatmaps network, 256 for each of
the four views. The new head is one linear layer on all 1024 of them, and says whether the exam has a screen-detected
cancer, not in which breast. Women, roles and targets are those of the fold's own networks; an exam is positive if one
of its images is. Exams without features stay without a score.
"""

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.cohort import fold_images, women_learned_from
from mammo_steps.core.files import indented
from mammo_steps.core.network import save_network
from mammo_steps.core.randomness import ordered
from mammo_steps.core.recipe import Recipe, check_same
from mammo_steps.core.run_record import run_record
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of, write_rows
from mammo_steps.core.terms import Role
from mammo_steps.core.wu_head import Features, Head, Targets, fit_head
from mammo_steps.core.wu_reading import score_tables

log = logging.getLogger("adapt_wu2019")


@dataclass(frozen=True)
class Settings:
    """penalties     strengths of the L2 penalty that are tried; the validation women choose
    negative_exams  negative exams that are drawn to train on; null = all
    """

    penalties: Sequence[float]
    negative_exams: int | None


@dataclass(frozen=True)
class Exam:
    """What a fold knows of an exam; target None = neither trained on nor chosen by."""

    patient_id: str
    role: str
    target: int | None


def exams_of(images: Path, roles: Path, fold: int) -> dict[str, Exam]:
    """exam_id -> exam, of all exams of the cohort."""
    found: dict[str, Exam] = {}
    for row in fold_images(images, roles, fold, ["exam_id", "target"]):
        exam = found.setdefault(row["exam_id"], Exam(row["patient_id"], row["role"], row["target"]))
        if row["target"] is not None and not exam.target:
            found[row["exam_id"]] = replace(exam, target=row["target"])
    return found


def learned(exams: Mapping[str, Exam], settings: Settings, seed: int, fold: int) -> dict[str, Exam]:
    """The exams that the head is trained on and chosen by."""
    own = {i: e for i, e in exams.items() if e.role != Role.TEST and e.target is not None}
    negatives = [i for i in sorted(own) if own[i].role == Role.TRAIN and own[i].target == 0]
    if settings.negative_exams is not None:
        for exam_id in ordered(negatives, "adapt_wu2019", seed, fold)[settings.negative_exams :]:
            del own[exam_id]
    return own


def features_of(tables: Iterable[Path], exam_ids: Iterable[str]) -> Iterator[tuple[list[str], Features]]:
    """Ids and (n, 1024) features of these exams, table by table; exams without scores are left out."""
    wanted = pa.array(sorted(exam_ids), pa.string())
    for path in tables:
        table = read_table(path, "wu2019_scores", ["exam_id", "reason", "features"])
        table = table.filter(pc.and_(pc.is_in(table["exam_id"], wanted), pc.is_null(table["reason"])))
        if table.num_rows:
            flat = table["features"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            features = flat.reshape(table.num_rows, -1).astype(np.float64)
            if not np.isfinite(features).all():
                raise ValueError(f"{path}: features that are not finite numbers: rerun score_wu2019")
            yield table["exam_id"].to_pylist(), features


def trained(tables: Sequence[Path], exams: Mapping[str, Exam], settings: Settings) -> tuple[Head, list[str]]:
    """The head, and the exams that it learned from."""
    parts = list(features_of(tables, exams))
    ids = [exam_id for part, _ in parts for exam_id in part]
    features = np.concatenate([part for _, part in parts]) if parts else np.empty((0, 1))

    def part(role: Role) -> tuple[Features, Targets]:
        places = [place for place, i in enumerate(ids) if exams[i].role == role]
        return features[places], np.array([exams[ids[place]].target for place in places], dtype=np.int64)

    return fit_head(part(Role.TRAIN), part(Role.VALIDATION), settings.penalties), ids


def checked_recipe(tables: Sequence[Path]) -> Recipe:
    """The recipe of all features; ValueError unless it is one."""
    found = [recipe_of(path) for path in tables]
    check_same(found, "Run score_wu2019 again for all shards")
    return found[0].recipe


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--roles", type=Path, required=True, help="cohort/roles.parquet")
    parser.add_argument("--scores", type=Path, required=True, help="folder of the published model's scores")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--model", type=Path, required=True, help="written: the head (safetensors)")
    parser.add_argument(
        "--record", type=Path, required=True, help="written: what was chosen, and versions (JSON)"
    )
    parser.add_argument("--exams", type=Path, required=True, help="written: margins")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    tables = score_tables(args.scores, read_table(args.images, "images", ["shard"])["shard"].to_pylist())
    recipe = checked_recipe(tables)
    exams = exams_of(args.images, args.roles, args.fold)
    own = learned(exams, settings, args.seed, args.fold)
    head, learned_ids = trained(tables, own, settings)
    scored = {*learned_ids, *(i for i, exam in exams.items() if exam.role == Role.TEST)}
    rows: list[dict[str, Any]] = []
    for ids, features in features_of(tables, scored):
        for exam_id, margin in zip(ids, head.margins(features).tolist(), strict=True):
            exam = exams[exam_id]
            who = {"exam_id": exam_id, "patient_id": exam.patient_id, "fold": args.fold, "role": exam.role}
            rows.append({**who, "margin": margin})
    facts = {
        "model": "wu2019_adapted",
        "fold": args.fold,
        "women": women_learned_from(args.roles, args.fold),
        "penalty": head.penalty,
        "settings": asdict(settings),
        **recipe.metadata(),
    }
    save_network(head.layer(), facts, args.model)
    told = {"validation_loss": head.validation_loss, "validation_auc": head.validation_auc}
    write_artefact(args.record, indented({**facts, **told, **run_record(torch.device("cpu"))}))
    write_rows(args.exams, "adapted_scores", sorted(rows, key=lambda row: str(row["exam_id"])), recipe)
    n_test = sum(row["role"] == Role.TEST for row in rows)
    log.info(
        "fold %d: learned from %d exams, penalty %g, validation AUC %s; %d test exams scored",
        *(args.fold, len(learned_ids), head.penalty, head.validation_auc, n_test),
    )


if __name__ == "__main__":
    main()
