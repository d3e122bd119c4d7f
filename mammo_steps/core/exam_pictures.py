"""The paper's Figure 1 for one exam: each view with its saliency map, top pixels, COA, ROI box and ROI."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mammo_steps.core.artefacts import reading
from mammo_steps.core.plots import new_figure

_MARK, _TOP = "#E69F00", "#56B4E9"
_TEXT = "#797979"  # can be read on white and on black
ROWS = ("image", "saliency", "top pixels, COA, ROI", "ROI")

Pictures = dict[str, np.ndarray[Any, np.dtype[Any]]]


def read_pictures(path: Path) -> tuple[list[dict[str, Any]], Pictures]:
    """Index entries and arrays of the file that explain_exams writes.

    An entry's `coa` is (row, col) or None, its `roi_box` the edges (top, left, bottom, right), `top_pixels` a
    list of (row, col), all in pixels of the array `<image_id>/input` (s, s), chest wall left.
    """
    with np.load(reading(path), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "index"}
        return json.loads(str(archive["index"])), arrays


def by_exam(index: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The entries of each exam, in the order of the index."""
    exams: dict[str, list[dict[str, Any]]] = {}
    for entry in index:
        exams.setdefault(entry["exam_id"], []).append(entry)
    return list(exams.values())


def _hung(array: np.ndarray, laterality: str) -> np.ndarray:
    """As hung for reading: the right breast's chest wall at the right."""
    return array[:, ::-1] if laterality == "R" else array


def _show(axes: Axes, array: np.ndarray, colours: str, top: float) -> None:
    axes.imshow(array, cmap=colours, vmin=0, vmax=top, interpolation="antialiased")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _marks(axes: Axes, entry: Mapping[str, Any], side: int) -> None:
    """Top pixels, COA and ROI box over the image."""

    def col(value: float) -> float:
        return side - 1 - value if entry["laterality"] == "R" else value

    layer = np.zeros((side, side, 4))
    rows_cols = np.array(entry["top_pixels"], dtype=int).reshape(-1, 2)
    rgb = [int(_TOP[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    layer[rows_cols[:, 0], rows_cols[:, 1]] = [*rgb, 0.8]
    axes.imshow(_hung(layer, entry["laterality"]), interpolation="antialiased")
    top, left, bottom, right = entry["roi_box"]
    first = min(col(left), col(right))
    box = Rectangle((first, top), right - left, bottom - top, fill=False, edgecolor=_MARK, linewidth=1.2)
    axes.add_patch(box)
    if entry["coa"] is not None:
        axes.plot(col(entry["coa"][1]), entry["coa"][0], "+", color=_MARK, markersize=9, mew=1.8)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5))


def exam_figure(entries: Sequence[Mapping[str, Any]], arrays: Pictures) -> Figure:
    """Columns are the exam's images as hung (right breast left), rows as in ROWS.

    Every saliency map is on a scale of its own: square root, up to the map's 99.9th percentile.
    """
    figure = new_figure(1.95 * len(ROWS) + 0.2, 2.0 * len(entries) + 0.3)
    grid = figure.subplots(len(ROWS), len(entries), squeeze=False)
    for column, entry in enumerate(entries):
        laterality = entry["laterality"]
        image = _hung(arrays[f"{entry['image_id']}/input"], laterality)
        saliency = _hung(arrays[f"{entry['image_id']}/saliency"], laterality)
        root = np.sqrt(np.maximum(np.nan_to_num(saliency), 0))
        _show(grid[0, column], image, "gray", 255)
        _show(grid[1, column], root, "inferno", max(float(np.percentile(root, 99.9)), 1e-30))
        _show(grid[2, column], image, "gray", 255)
        _marks(grid[2, column], entry, image.shape[0])
        _show(grid[3, column], _hung(arrays[f"{entry['image_id']}/roi"], laterality), "gray", 255)
        affected = ", affected" if entry.get("target") == 1 else ""
        grid[0, column].set_title(f"{laterality}-{entry['view']}{affected}", color=_TEXT, loc="center")
    for row, name in enumerate(ROWS):
        grid[row, 0].set_ylabel(name, color=_TEXT)
    return figure
