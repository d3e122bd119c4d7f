"""Rows of cohort tables for tests of steps that look at few of their columns."""

from typing import Any

from mammo_steps.core.terms import LATERALITIES

SLOTS = [(laterality, view) for laterality in LATERALITIES for view in ("CC", "MLO")]
_SAME: dict[str, Any] = {
    **{"shard": "s", "outcome": "normal", "target": 0, "height_px": 1, "width_px": 1, "bits_stored": 12},
    **{"photometric": "MONOCHROME2", "transfer_syntax": "x", "vendor": "ge", "breast_area_px": 1},
    **{"breast_row": 0.0, "breast_col": 0.0, "flipped": False, "holistic_row_group": 0},
    **{"holistic_height_px": 1, "holistic_width_px": 1},
}


def image_row(exam: str, slot: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A row of the `images` table, of woman `w<exam>`."""
    ids = {"image_id": f"{exam}-{slot[0]}-{slot[1]}", "patient_id": f"w{exam}", "exam_id": exam}
    return {**_SAME, **ids, "laterality": slot[0], "view": slot[1], **more}


def exam_row(exam: str, fold: int, **more: Any) -> dict[str, Any]:
    """A row of the `exams` table."""
    who = {"patient_id": f"w{exam}", "exam_id": exam, "outcome": "normal", "vendor": "ge"}
    return {**who, "fold": fold, "use": "train_and_test", **more}
