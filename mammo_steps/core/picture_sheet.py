"""One sheet of small pictures of the images in a Parquet table: holistic images, ROIs, or full-resolution images."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from mammo_steps.core.contact_sheet import Picture, as_stored, fitted
from mammo_steps.core.files import replacing
from mammo_steps.core.image_store import canvas_of
from mammo_steps.core.tables import RowGroups, read_table
from mammo_steps.core.tiles import TileReader

PICTURES = ("holistic", "rois", "tiles")  # tables that hold them
_COLUMNS = 6
_GAP_PX, _LINE_PX = 8, 22
_LABEL_PX = 180  # width of a label
_PAPER, _INK = 225, 0

Labelled = tuple[str, Picture]


def spread_over(n: int, n_wanted: int) -> list[int]:
    """At most `n_wanted` of the numbers 0..n-1, from all over them."""
    return sorted({int(i) for i in np.linspace(0, n - 1, min(n, n_wanted)).round()}) if n else []


def pictures_of(path: Path, kind: str, n_wanted: int) -> Iterator[Labelled]:
    """Small pictures with what to find each by, no ids; ValueError if a file is damaged or tiles lie alone."""
    if kind == "tiles":
        yield from _of_tiles(path, n_wanted)
        return
    with closing(RowGroups(path, kind)) as file:
        for number in spread_over(pq.read_metadata(path).num_row_groups, n_wanted):
            row = file.read(number)
            grey = canvas_of(row)
            nth = f", ROI {row['number'][0].as_py()}" if kind == "rois" else ""
            scaled = grey if grey.dtype == np.uint8 else (grey >> 8).astype(np.uint8)
            yield f"row group {number}{nth}", fitted(scaled)


def _of_tiles(path: Path, n_wanted: int) -> Iterator[Labelled]:
    """Whole images from their tiles, each from its darkest value to its brightest."""
    images = path.with_name("images.parquet")
    if not images.is_file():
        raise ValueError(f"{path}: where tiles belong stands in images.parquet beside it, which is not there")
    rows = read_table(images, "shard_images").to_pylist()
    taken = [number for number, row in enumerate(rows) if row["reason"] is None]
    with TileReader(path) as reader:
        for number in (taken[i] for i in spread_over(len(taken), n_wanted)):
            row = rows[number]
            matrix = reader.read_region(row, 0, 0, row["height_px"], row["width_px"])
            yield f"row {number}, {row['height_px']} x {row['width_px']}", as_stored(matrix)


def sheet_of(pictures: Sequence[Labelled]) -> Picture:
    """Grey pictures in rows, each with its label below, on light grey."""
    n_columns = min(_COLUMNS, len(pictures))
    tallest = max(picture.shape[0] for _, picture in pictures)
    widest = max(_LABEL_PX, *(picture.shape[1] for _, picture in pictures))
    height, width = tallest + _LINE_PX + _GAP_PX, widest + _GAP_PX
    n_rows = -(-len(pictures) // n_columns)
    sheet = np.full((n_rows * height + _GAP_PX, n_columns * width + _GAP_PX), _PAPER, np.uint8)
    for number, (label, picture) in enumerate(pictures):
        top, left = _GAP_PX + number // n_columns * height, _GAP_PX + number % n_columns * width
        h, w = picture.shape
        sheet[top : top + h, left : left + w] = picture
        at = (left, top + tallest + _LINE_PX - 6)
        cv2.putText(sheet, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (_INK,), 1, cv2.LINE_AA)
    return sheet


def write_sheet(png: Path, path: Path, kind: str, n_wanted: int) -> int:
    """Draw a sheet of at most `n_wanted` images; returns how many there are on it."""
    pictures: list[Any] = list(pictures_of(path, kind, n_wanted))
    if not pictures:
        raise ValueError(f"{path} holds no image")
    done, content = cv2.imencode(".png", sheet_of(pictures))
    assert done
    with replacing(png) as scratch:
        scratch.write_bytes(content.tobytes())
    return len(pictures)
