"""The file between explain_exams and draw_gallery: an index of exams and the arrays of their images.

The index lists exams with `exam_id`, `kind`, `fold`, `outcome`, `scores`, `percentile`, `recalled` and `images`. An
image has `image_id`, `laterality`, `view`, `affected` (None = the side is not known), `coa` ((row, col) or None) and
`roi_box`, the edges (top, left, bottom, right), both in pixels of the network's input, chest wall left. Its arrays:

    <image_id>/input       (s, s) uint8, what the network saw
    <image_id>/saliency    (s, s) float32
    <image_id>/top_pixels  (k, 2) uint16, (row, col) of the pixels with the highest gradient
    <image_id>/roi         (t, t) uint8, at its own resolution
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from mammo_steps.core.artefacts import reading

Array = np.ndarray[Any, np.dtype[Any]]


def write_pictures(path: Path, exams: Iterable[tuple[dict[str, Any], Mapping[str, Array]]]) -> int:
    """Write exams with their arrays as they come, one in memory at a time, as `np.load` reads them; how many."""
    index = []
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for exam, arrays in exams:
            index.append(exam)
            for name, array in arrays.items():
                _add(archive, name, array)
        _add(archive, "index", np.array(json.dumps(index)))
    return len(index)


def _add(archive: ZipFile, name: str, array: Array) -> None:
    with archive.open(
        f"{name}.npy", "w", force_zip64=True
    ) as file:  # (its time is 1980: same arrays, same bytes)
        np.lib.format.write_array(file, array, allow_pickle=False)


@contextmanager
def open_pictures(path: Path) -> Iterator[tuple[list[dict[str, Any]], Mapping[str, Array]]]:
    """The exams and their arrays by name, each read when it is asked for."""
    with np.load(reading(path), allow_pickle=False) as archive:
        yield json.loads(str(archive["index"])), archive


def hung(array: Array, laterality: str) -> Array:
    """As hung for reading: the right breast's chest wall at the right. array (h, w) or (h, w, c)."""
    return array[:, ::-1] if laterality == "R" else array


def hung_col(col: float, laterality: str, width: int) -> float:
    """Where `hung` puts a column."""
    return width - 1 - col if laterality == "R" else col
