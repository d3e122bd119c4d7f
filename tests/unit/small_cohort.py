"""An index, shard tables and labels of a few exams, and what list_images makes of them."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.core.windowing import shard_recipe
from mammo_steps.list_images import main

WINDOWS = {"screen_detected_days": 180, "interval_days": 730, "prior_days": None}

KEY = "a public key for tests"
NAMES = Pseudonyms(KEY)
SETTINGS: dict[str, Any] = {
    "views": ["CC", "MLO"],
    "extra_images": "exclude",
    "age_range": None,
    "follow_up_months": None,
    "interval_in_training": "negative",
    "prior_in_training": "leave_out",
    "require_pixel_spacing": False,
}
FOUR = ("L-CC", "L-MLO", "R-CC", "R-MLO")
Row = dict[str, Any]


def files_of(exam: str, slots: Iterable[str] = FOUR, woman: str | None = None, **changes: Any) -> list[Row]:
    """Index rows of an exam's files, all taken; image ids are `<exam>-<slot>-<n>`."""
    rows = []
    for number, slot in enumerate(slots):
        name = f"{exam}-{slot}-{number}"
        rows.append(
            {
                "file_id": NAMES.file(name),
                "image_id": NAMES.image(name),
                "patient_id": NAMES.patient(woman or f"woman of {exam}"),
                "exam_id": NAMES.exam(exam),
                "laterality": slot[0],
                "view": slot[2:],
                "height_px": 300,
                "width_px": 200,
                "photometric": "MONOCHROME2",
                "bits_stored": 12,
                "transfer_syntax": "1.2.840.10008.1.2.1",
                "vendor": "siemens",
                "exam_year": 2010,
                "exam_day": 1000,
                "age_years": 60,
                "file_bytes": 10,
                "shard": "first-000",
            }
            | changes
        )
    return rows


def label_of(
    exam: str, outcome: str = "normal", side: str = "", woman: str | None = None, **more: Any
) -> Row:
    scores = dict.fromkeys(("reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right"), "")
    ids = {"patient_id": woman or f"woman of {exam}", "exam_id": exam}
    return ids | {"outcome": outcome, "cancer_laterality": side} | scores | more


def shard_rows(index: Iterable[Row], bad_pixels: dict[str, str]) -> list[Row]:
    """What make_shards writes for the taken files; `bad_pixels`: image_id -> reason."""
    whole = {"height_px": 300, "width_px": 200, "breast_area_px": 9, "breast_row": 1.0, "breast_col": 1.0}
    whole |= {"flipped": False, "holistic_height_px": 30, "holistic_width_px": 20}
    rows = []
    for number, row in enumerate(r for r in index if r["shard"] is not None):
        reason = bad_pixels.get(row["image_id"])
        kept = (
            {}
            if reason
            else whole | {"holistic_row_group": number} | {k: row[k] for k in ("height_px", "width_px")}
        )
        rows.append({"image_id": row["image_id"], "reason": reason, "recipe": "abc"} | kept)
    return rows


def write_shard(folder: Path, rows: list[Row], holistic_bits: int = 8) -> None:
    """A shard's images table, made with some settings."""
    recipe = shard_recipe({"holistic_bits": holistic_bits})
    write_rows(folder / "images.parquet", "shard_images", rows, recipe)


class Cohort:
    """The step's outputs for some files and labels."""

    def __init__(self, folder: Path, intakes: list[list[Row]], labels: list[Row], **more: Any) -> None:
        indexes = []
        for number, index in enumerate(intakes):
            indexes.append(folder / str(number) / "index.parquet")
            write_rows(indexes[-1], "index", index)
            for shard in sorted({row["shard"] for row in index if row["shard"]}):
                taken = [row for row in index if row["shard"] == shard]
                write_shard(folder / "shards" / shard, shard_rows(taken, more.get("bad_pixels", {})))
        with (folder / "labels.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(labels[0]))
            writer.writeheader()
            writer.writerows(labels)
        arguments = ["--indexes", *map(str, indexes), "--shards", str(folder / "shards")]
        arguments += ["--labels", str(folder / "labels.csv"), "--dataset", "own_archive", "--key", KEY]
        arguments += ["--windows", json.dumps(WINDOWS)]
        arguments += ["--settings", json.dumps(SETTINGS | more.get("settings", {}))]
        arguments += ["--learned-by-bundle", *map(str, more.get("learned", []))]
        for flag in ("images", "labels-out", "excluded"):
            arguments += [f"--{flag}", str(folder / f"{flag}.parquet")]
        self.arguments = [*arguments, "--flow", str(folder / "flow.json")]
        main(self.arguments)
        self.images = read_table(folder / "images.parquet", "images").to_pylist()
        self.exams = read_table(folder / "labels-out.parquet", "labels").to_pylist()
        self.excluded = read_table(folder / "excluded.parquet", "excluded").to_pylist()
        self.flow = json.loads((folder / "flow.json").read_text())

    def targets(self, exam: str) -> list[int | None]:
        """In the order of L-CC, L-MLO, R-CC, R-MLO."""
        rows = [row for row in self.images if row["exam_id"] == NAMES.exam(exam)]
        return [row["target"] for row in sorted(rows, key=lambda row: (row["laterality"], row["view"]))]

    def reasons(self, level: str) -> dict[str, list[str]]:
        """Reason -> sorted exam ids, of the rows of one level."""
        found: dict[str, list[str]] = {}
        for row in self.excluded:
            if row["level"] == level:
                found.setdefault(row["reason"], []).append(row["exam_id"])
        return {reason: sorted(exams) for reason, exams in found.items()}

    def reason_of(self, exam: str) -> str | None:
        rows = [r for r in self.excluded if r["level"] == "exam" and r["exam_id"] == NAMES.exam(exam)]
        assert len(rows) <= 1
        return rows[0]["reason"] if rows else None
