"""What `doctor` says of the tiny study."""

import csv
import json
from pathlib import Path
from typing import Any

from tiny_study import KEY, WINDOWS, TinyStudy

from mammo_steps.doctor import main

SETTINGS: dict[str, Any] = {
    "study": "a <study>",
    "synthetic": True,
    "doctor": {"sample_images": 20, "sheet_images": 8},
    "list_images": {
        "views": ["CC", "MLO"], "extra_images": "exclude", "age_range": None, "follow_up_months": 24,
        "interval_in_training": "negative", "prior_in_training": "leave_out", "require_pixel_spacing": False,
    },
    "make_shards": {
        "holistic_width_px": 32, "holistic_bits": 8, "tile_side_px": 64, "orientation_conflict": "exclude",
    },
    "folds": 3,
    "prior": "negative",
    "sampled_negatives": 5000,
    "input": {"side_px": 32, "crop": "centre", "mm_per_px": None},
}  # fmt: skip


class Seen:
    """The page and the tables of one run."""

    def __init__(self, folder: Path, study: TinyStudy, **more: Any) -> None:
        index = more.get("index", study.root / "index.parquet")
        lists, archive = (
            more.get("lists", study.root / "lists"),
            more.get("archive", study.root / "demo/archive"),
        )
        labels = ["--labels", str(study.root / "demo/labels.csv")] if more.get("labels", True) else []
        main(
            ["--indexes", str(index), "--lists", str(lists), "--archives", str(archive), *labels]
            + ["--dataset", "own_archive", "--windows", json.dumps(WINDOWS), "--key", KEY, "--seed", "1"]
            + ["--settings", json.dumps(SETTINGS | more.get("settings", {})), "--workers", "1"]
            + ["--page", str(folder / "doctor.html"), "--tables", str(folder / "doctor")]
        )
        self.page = (folder / "doctor.html").read_text(encoding="utf-8")
        self.texts = {path.stem: path.read_text(encoding="utf-8") for path in (folder / "doctor").iterdir()}
        self.tables = {name: list(csv.DictReader(text.splitlines())) for name, text in self.texts.items()}

    def finding(self, title: str) -> dict[str, str]:
        return next(row for row in self.tables["findings"] if row["title"].startswith(title))
