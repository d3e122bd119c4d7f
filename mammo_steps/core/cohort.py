"""The images of one fold."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from mammo_steps.core.sampling import Pool, training_pool
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Role

PLACE_COLUMNS = (
    "shard", "height_px", "width_px", "pixel_spacing_mm", "flipped", "breast_row",
    "holistic_row_group", "holistic_height_px", "holistic_width_px",
)  # fmt: skip


def fold_images(images: Path, roles: Path, fold: int, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of the `images` table with this fold's `role`, sorted by image_id.

    columns  of the `images` table, beside image_id and patient_id
    Raises ValueError if a woman has no role in the fold.
    """
    wanted = read_table(images, "images", ["image_id", "patient_id", *columns])
    table = read_table(roles, "roles")
    table = table.filter(pc.equal(table["fold"], fold)).select(["patient_id", "role"])
    role_of = dict(zip(table["patient_id"].to_pylist(), table["role"].to_pylist(), strict=True))
    rows: list[dict[str, Any]] = wanted.sort_by("image_id").to_pylist()
    missing = sum(row["patient_id"] not in role_of for row in rows)
    if missing:
        raise ValueError(
            f"{roles}: {missing} of {len(rows)} images are of women without a role in fold {fold}: the tables "
            "are of different runs; rerun split_folds"
        )
    for row in rows:
        row["role"] = role_of[row["patient_id"]]
    return rows


def women_learned_from(roles: Path, fold: int) -> str:
    """16 hex digits that stand for the women a fold trains and validates on; they go into its weights' header."""
    table = read_table(roles, "roles")
    table = table.filter(pc.and_(pc.equal(table["fold"], fold), pc.not_equal(table["role"], Role.TEST)))
    return hashlib.sha256("\n".join(sorted(table["patient_id"].to_pylist())).encode()).hexdigest()[:16]


def check_weights(facts: Mapping[str, Any], path: Path, model: str, roles: Path, fold: int) -> None:
    """ValueError unless the weights in `path` are of this model, learned from this fold's women and no others.

    facts  of the weights' header (`core.network.read_facts`)
    """
    if facts.get("model") != model:
        raise ValueError(f"{path}: weights of the {facts.get('model')} model, wanted the {model} one")
    if facts.get("women") != women_learned_from(roles, fold):
        raise ValueError(
            f"{path}: the weights were learned from other women than those that {roles} has fold {fold} learn from, "
            f"so they may have seen its test women: rerun train_{model} for this fold"
        )


def pool_of(rows: list[dict[str, Any]]) -> Pool:
    """The training pool among `fold_images`; needs the columns exam_id, target and shard."""
    return training_pool(row for row in rows if row["role"] == Role.TRAIN)


def validation_of(rows: list[dict[str, Any]]) -> list[str]:
    """Validation images that have a target, sorted."""
    return [r["image_id"] for r in rows if r["role"] == Role.VALIDATION and r["target"] is not None]


def targets_of(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Targets of the images that may be trained on or chosen by; those of test women stay out."""
    return {r["image_id"]: r["target"] for r in rows if r["role"] != Role.TEST and r["target"] is not None}
