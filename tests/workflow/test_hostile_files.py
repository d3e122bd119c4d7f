"""Files made to break a decoder: each is used or excluded, and none stops the step."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_files import half_disc, make_dicom

from mammo_steps import make_shards
from mammo_steps.core.ordered_pool import Limits
from mammo_steps.core.tables import read_table

SETTINGS = {"holistic_width_px": 32, "holistic_bits": 8, "tile_side_px": 64, "orientation_conflict": "keep"}


def shard_rows(archive: Path, out: Path, files: list[str], workers: int = 2) -> list[dict[str, Any]]:
    """make_shards over these files of the archive; the rows of its images table."""
    out.mkdir(exist_ok=True)
    with (out / "list.csv").open("w", newline="") as file:
        rows = [(f"i{n:06}", name, "L") for n, name in enumerate(files)]
        csv.writer(file).writerows([("image_id", "path", "laterality"), *rows])
    make_shards.main(
        ["--archive", str(archive), "--list", str(out / "list.csv"), "--dataset", "own_archive"]
        + ["--settings", json.dumps(SETTINGS), "--workers", str(workers)]
        + [f"--{name}={out / name}.parquet" for name in ("holistic", "tiles", "images")]
    )
    found: list[dict[str, Any]] = read_table(out / "images.parquet", "shard_images").to_pylist()
    return found


def test_a_file_beyond_the_limits_gets_its_row_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_shards, "LIMITS", Limits(seconds=60, memory_mb=60))
    make_dicom(tmp_path / "a.dcm")
    make_dicom(tmp_path / "b.dcm", grey=np.kron(half_disc(), np.ones((40, 40), np.uint16)))  # 61 MB
    make_dicom(tmp_path / "c.dcm")
    rows = shard_rows(tmp_path, tmp_path / "out", ["a.dcm", "b.dcm", "c.dcm"])
    assert [row["reason"] for row in rows] == [None, "undecodable", None]
    assert rows[1]["detail"] == "decoding it needed more than 60 MB"
