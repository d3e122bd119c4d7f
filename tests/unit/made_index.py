"""Rows of an index, as `files` of core.archive_tables, and labels, for tests of what is said about an archive."""

from typing import Any

import pandas as pd

from mammo_steps.core.archive_tables import archive_files
from mammo_steps.core.cohort_settings import CohortSettings
from mammo_steps.core.columns import TABLES

FOUR = ("L-CC", "L-MLO", "R-CC", "R-MLO")


def cohort_settings(**changes: Any) -> CohortSettings:
    """As in config/config.yaml, of any age."""
    first: dict[str, Any] = {
        "views": ["CC", "MLO"],
        "extra_images": "exclude",
        "age_range": None,
        "follow_up_months": 24,
        "interval_in_training": "negative",
        "prior_in_training": "leave_out",
        "require_pixel_spacing": False,
    }
    return CohortSettings(**(first | changes))


def exam_rows(exam: str, slots: tuple[str, ...] = FOUR, **changes: Any) -> list[dict[str, Any]]:
    """Index rows of an exam `e<exam>` of woman `p<exam>`, all taken."""
    rows = []
    for place, slot in enumerate(slots):
        rows.append(
            dict.fromkeys(TABLES["index"])
            | {
                "file_id": f"f{exam}{place}",
                "image_id": f"i{exam}{place}",
                "patient_id": f"p{exam}",
                "exam_id": f"e{exam}",
                "laterality": slot[0],
                "view": slot[2:],
                "height_px": 3000,
                "width_px": 2000,
                "photometric": "MONOCHROME2",
                "bits_stored": 12,
                "transfer_syntax": "1.2.840.10008.1.2.4.70",
                "vendor": "siemens",
                "model": "inspiration",
                "intent": "presentation",
                "window": "linear",
                "n_windows": 1,
                "pixel_spacing_mm": 0.085,
                "exam_year": 2010,
                "exam_day": 1000,
                "age_years": 60,
                "file_bytes": 10,
                "shard": "first-000",
            }
            | changes
        )
    return rows


def files_of(*rows: list[dict[str, Any]], width_px: int = 976) -> pd.DataFrame:
    numbers = dict.fromkeys(
        ("pixel_spacing_mm", "age_years", "exam_year", "exam_day", "acquired_s"), "float64"
    )
    texts = dict.fromkeys(
        ("reason", "detail", "image_id", "exam_id", "patient_id", "laterality", "view", "model", "vendor"),
        "str",
    )
    frame = pd.DataFrame([row for part in rows for row in part]).astype(numbers | texts)
    return archive_files(frame, width_px)


def labels_of(outcomes: dict[str, str], **changes: Any) -> pd.DataFrame:
    """A label frame for exams `e<exam>` with these outcomes; the cancers are on the left."""
    scores = {f"reader_{n}_{side}": float("nan") for n in (1, 2) for side in ("left", "right")}
    rows = [
        {
            "exam_id": f"e{exam}",
            "label_patient_id": f"p{exam}",
            "outcome": outcome,
            "cancer_laterality": "L" if outcome in ("screen_detected", "interval") else None,
            "follow_up_months": 30.0,
            "row": place,
            "undefined": None,
            **scores,
            **changes,
        }
        for place, (exam, outcome) in enumerate(outcomes.items(), 2)
    ]
    return pd.DataFrame(rows).astype({"cancer_laterality": "str", "outcome": "str"}).set_index("exam_id")
