"""One image of the sample: decoded, prepared as for a shard, measured, and turned into two small pictures."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core.breast import breast_mask
from mammo_steps.core.contact_sheet import as_seen, as_stored, jpeg_uri
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.preparing import Listed, Prepared, ReadPixels, ShardSettings, prepare
from mammo_steps.core.terms import Reason


@dataclass(frozen=True)
class Plan:
    """How images are examined: read, prepared as for a shard, and cut for the network's input."""

    read_pixels: ReadPixels
    settings: ShardSettings
    cut: InputCut


@dataclass(frozen=True)
class Task:
    image_id: str
    laterality: str
    path: Path
    spacing_mm: float | None


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
    # an image whose breast lies on the other side is shown, too
    settings = replace(plan.settings, orientation_conflict="keep")
    listed = Listed(task.image_id, task.path.name, task.laterality)
    prepared = prepare(listed, task.path.parent, lambda _: (stored, ds), settings)
    found["total_s"] = time.perf_counter() - started
    found["before"] = jpeg_uri(as_stored(stored))
    if prepared.row.get("reason") is not None:
        return found | {"reason": str(prepared.row["reason"]), "detail": prepared.row.get("detail")}
    return found | _seen(prepared, plan, task.spacing_mm)


def _seen(prepared: Prepared, plan: Plan, spacing_mm: float | None) -> dict[str, Any]:
    row, bits = prepared.row, plan.settings.holistic_bits
    size = (row["holistic_height_px"], row["holistic_width_px"])
    grey = np.frombuffer(prepared.holistic, "u1" if bits == 8 else "<u2").reshape(size)
    mask = breast_mask(grey)
    stored_px = (row["height_px"], row["width_px"])
    cut = plan.cut if spacing_mm else replace(plan.cut, mm_per_px=None)
    frame = cut.frame(stored_px, size, row["flipped"], row["breast_row"], spacing_mm)
    inside = grey[mask] if mask.any() else grey
    conflict, drop = bool(row["orientation_conflict"]), plan.settings.orientation_conflict == "exclude"
    return {
        "reason": Reason.ORIENTATION_CONFLICT.value if conflict and drop else None,
        "intensity": row["intensity"],
        "orientation_conflict": conflict,
        "mean_grey": float(inside.mean()) * 255 / (2**bits - 1),
        "breast_share": row["breast_area_px"] / (row["height_px"] * row["width_px"]),
        "after": jpeg_uri(as_seen(grey, mask, frame)),
    }
