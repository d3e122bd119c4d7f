"""One exam on one plain picture: each view with its saliency map, COA and ROI box, and its ROI below."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mammo_steps.core.overlay import SALIENCY, Bytes, laid_over

_CELL_PX, _GAP_PX, _LINE_PX = 320, 8, 26
_TEXT, _MARK, _CASING = (214, 214, 214), (255, 255, 255), (0, 0, 0)
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.55


@dataclass(frozen=True)
class View:
    """One image as hung, its marks in pixels of `grey`.

    grey     (s, s), the network's input
    levels   (s, s), its saliency (`core.overlay`)
    roi      (t, t)
    coa      (row, col) or None
    roi_box  edges (top, left, bottom, right)
    """

    title: str
    grey: Bytes
    levels: Bytes
    roi: Bytes
    coa: tuple[float, float] | None
    roi_box: tuple[float, float, float, float]


def fitted(picture: Bytes, side_px: int) -> Bytes:
    """A square picture at another size: area means when it shrinks, else interpolated."""
    shrinks = side_px < picture.shape[0]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (side_px, side_px), interpolation=how))


def exam_sheet(lines: Sequence[str], views: Sequence[View | str]) -> Bytes:
    """(h, w, 3) RGB; `lines` of plain ASCII stand on top; of a view that is missing there is a title alone."""
    step = _CELL_PX + _GAP_PX
    top = (len(lines) + 1) * _LINE_PX + 2 * _GAP_PX
    widths = [cv2.getTextSize(line, _FONT, _SCALE, 1)[0][0] + _GAP_PX for line in lines]
    width = max(len(views) * step, *widths) + _GAP_PX
    sheet = np.full((top + 2 * step, width, 3), 18, np.uint8)
    for number, line in enumerate(lines, start=1):
        _write(sheet, line, _GAP_PX, number * _LINE_PX)
    for column, view in enumerate(views):
        left = _GAP_PX + column * step
        _write(sheet, view if isinstance(view, str) else view.title, left, top - _GAP_PX)
        if isinstance(view, str):
            continue
        cells = (_marked(view), np.stack([fitted(view.roi, _CELL_PX)] * 3, axis=2))
        for row, cell in enumerate(cells):
            sheet[top + row * step :][:_CELL_PX, left : left + _CELL_PX] = cell
    return sheet


def _marked(view: View) -> Bytes:
    cell = fitted(laid_over(view.grey, view.levels, SALIENCY), _CELL_PX)
    scale = _CELL_PX / view.grey.shape[0]

    def at(row: float, col: float) -> tuple[int, int]:
        """(x, y) in the cell of a point given by pixel centres."""
        return round((col + 0.5) * scale - 0.5), round((row + 0.5) * scale - 0.5)

    top, left, bottom, right = view.roi_box
    for colour, thickness in ((_CASING, 4), (_MARK, 2)):
        cv2.rectangle(cell, at(top, left), at(bottom, right), colour, thickness, cv2.LINE_AA)
        if view.coa is not None:
            cv2.drawMarker(
                cell, at(*view.coa), colour, cv2.MARKER_CROSS, 18 + thickness, thickness, cv2.LINE_AA
            )
    return cell


def _write(sheet: Bytes, text: str, left: int, bottom: int) -> None:
    cv2.putText(sheet, text, (left, bottom), _FONT, _SCALE, _TEXT, 1, cv2.LINE_AA)
