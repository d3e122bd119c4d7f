"""A folder with an archive of made files, its shard list and the three tables that make_shards makes of them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from made_files import Grey, make_dicom

from mammo_steps.core.image_store import canvas_of
from mammo_steps.core.tables import read_table
from mammo_steps.core.tiles import TileReader
from mammo_steps.make_shards import main

SETTINGS = {
    "holistic_width_px": 48,
    "holistic_bits": 8,
    "tile_side_px": 64,
    "orientation_conflict": "exclude",
}
OUTPUTS = ("holistic", "tiles", "images")


class Shard:
    """A folder with an archive, a shard list and the three tables made from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listed: list[tuple[str, str, str]] = []  # image_id, path, laterality

    def add(self, image_id: str, laterality: str = "L", listed_as: str | None = None, **file: Any) -> Path:
        path = self.folder / f"archive/{image_id}.dcm"
        self.listed.append((image_id, path.name, listed_as or laterality))
        return make_dicom(path, laterality=laterality, **file)

    def make(self, workers: int = 1, dataset: str = "own_archive", **settings: Any) -> list[dict[str, Any]]:
        """Run the step; returns the rows of the images table."""
        with (self.folder / "list.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("image_id", "path", "laterality"), *sorted(self.listed)])
        outputs = [f"--{name}={self.folder / name}.parquet" for name in OUTPUTS]
        main(
            [
                "--archive",
                str(self.folder / "archive"),
                "--list",
                str(self.folder / "list.csv"),
                *outputs,
                "--dataset",
                dataset,
                "--workers",
                str(workers),
                "--settings",
                json.dumps(SETTINGS | settings),
            ]
        )
        rows: list[dict[str, Any]] = read_table(self.folder / "images.parquet", "shard_images").to_pylist()
        return rows

    def holistic(self, row: dict[str, Any]) -> np.ndarray[Any, Any]:
        table = read_table(self.folder / "holistic.parquet", "holistic")
        return canvas_of(table.slice(row["holistic_row_group"], 1))

    def matrix(self, row: dict[str, Any]) -> Grey:
        with TileReader(self.folder / "tiles.parquet") as reader:
            return reader.read_region(row, 0, 0, row["height_px"], row["width_px"])

    def contents(self) -> list[bytes]:
        return [(self.folder / f"{name}.parquet").read_bytes() for name in OUTPUTS]
