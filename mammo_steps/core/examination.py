"""One image of the sample: decoded, prepared as for a shard, measured, and turned into two small pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from mammo_steps.core.breast import breast_mask
from mammo_steps.core.contact_sheet import as_seen, as_stored, jpeg_uri
from mammo_steps.core.decoding import Stored
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.geometry import input_frame
from mammo_steps.core.terms import Reason

ReadPixels = Callable[[Path], tuple[Stored, Dataset]]
# (image_id, laterality, stored matrix, header) -> row of the shard's images table, holistic image's bytes
Prepare = Callable[[str, str, Stored, Dataset], tuple[dict[str, Any], bytes]]


@dataclass(frozen=True)
class Plan:
    """How images are examined.

    prepare        as for a shard, but images whose breast lies on the other side are kept and flagged
    drop_conflicts  such an image would be left out of the study
    bits           of the holistic image
    input_px, crop the network's input
    """

    read_pixels: ReadPixels
    prepare: Prepare
    drop_conflicts: bool
    bits: int
    input_px: int
    crop: str


@dataclass(frozen=True)
class Task:
    image_id: str
    laterality: str
    path: Path


NUMBERS = ("mean_grey", "breast_share", "decode_s", "total_s")
PICTURES = ("before", "after")
EMPTY = dict.fromkeys(("reason", "detail", "intensity", "orientation_conflict", *NUMBERS, *PICTURES))


def examine(task: Task, plan: Plan) -> dict[str, Any]:
    """EMPTY filled in as far as the image allows; `before` and `after` are data URIs."""
    started = time.perf_counter()
    found: dict[str, Any] = EMPTY | {"image_id": task.image_id}
    try:
        stored, ds = plan.read_pixels(task.path)
    except ExclusionError as error:
        return found | {"reason": str(error.reason), "detail": error.detail or None}
    found["decode_s"] = time.perf_counter() - started
    row, holistic = plan.prepare(task.image_id, task.laterality, stored, ds)
    found["total_s"] = time.perf_counter() - started
    found["before"] = jpeg_uri(as_stored(stored))
    if row.get("reason") is not None:
        return found | {"reason": str(row["reason"]), "detail": row.get("detail")}
    return found | _seen(row, holistic, plan)


def _seen(row: dict[str, Any], holistic: bytes, plan: Plan) -> dict[str, Any]:
    size = (row["holistic_height_px"], row["holistic_width_px"])
    grey = np.frombuffer(holistic, "u1" if plan.bits == 8 else "<u2").reshape(size)
    mask = breast_mask(grey)
    stored_px = (row["height_px"], row["width_px"])
    frame = input_frame(stored_px, size, row["flipped"], plan.input_px, plan.crop, row["breast_row"])
    inside = grey[mask] if mask.any() else grey
    conflict = bool(row["orientation_conflict"])
    return {
        "reason": Reason.ORIENTATION_CONFLICT.value if conflict and plan.drop_conflicts else None,
        "intensity": row["intensity"],
        "orientation_conflict": conflict,
        "mean_grey": float(inside.mean()) * 255 / (2**plan.bits - 1),
        "breast_share": row["breast_area_px"] / (row["height_px"] * row["width_px"]),
        "after": jpeg_uri(as_seen(grey, mask, frame)),
    }
