"""Cutting ROIs: full-resolution squares around centres of attention (COA), with a margin of real pixels."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mammo_steps.core.geometry import RoiSize, roi_corner
from mammo_steps.core.image_store import Pixels
from mammo_steps.core.resizing import at_size
from mammo_steps.core.tiles import TileReader
from mammo_steps.core.windowing import grey_table

# What a ROI's pixels depend on besides the settings; a changed rule gets a new version.
ROI_RULES = {"version": 1, "pixels": "window, chest wall left", "outside": "shifted inside, else background"}


@dataclass(frozen=True)
class RoiSettings:
    """side_px       side of the ROI in stored pixels (the paper: 976)
    mm_per_px       the ROI is resized so that a pixel is so many mm wide: it shows `side_px` x `mm_per_px` mm of any
                    breast then; None (the paper) = pixels as they are stored
    stored_to_side  side of the stored crop over that of the ROI, >= 1
    bits            8 or 16 bits per grey level
    """

    side_px: int
    mm_per_px: float | None
    stored_to_side: float
    bits: int

    @property
    def size(self) -> RoiSize:
        return RoiSize(self.side_px, self.mm_per_px)

    @property
    def margin_px(self) -> int:
        return math.ceil(self.side_px * (self.stored_to_side - 1) / 2)


def crop(
    tiles: TileReader, image: dict[str, Any], corner: tuple[int, int], side_px: int, bits: int
) -> Pixels:
    """(side, side) grey levels from (row, col) `corner` of the stored matrix, zeros outside the image.

    image  a row of the `shard_images` table
    The crop is mirrored where the shard's holistic image is, so that the chest wall is left in both.
    """
    top, left = (max(0, first) for first in corner)
    bottom = min(image["height_px"], corner[0] + side_px)
    right = min(image["width_px"], corner[1] + side_px)
    table = grey_table(image["voi"], bits)
    square = np.zeros((side_px, side_px), table.dtype)
    if bottom > top and right > left:
        values = tiles.read_region(image, top, left, bottom - top, right - left)
        square[top - corner[0] : bottom - corner[0], left - corner[1] : right - corner[1]] = table[values]
    return np.ascontiguousarray(square[:, ::-1]) if image["flipped"] else square


def rois_of(
    tiles: TileReader, images: dict[str, dict[str, Any]], coas: list[dict[str, Any]], settings: RoiSettings
) -> Iterator[dict[str, Any]]:
    """Rows of the `rois` table, in the order of the COAs: rows of `holistic_scores`, with `pixel_spacing_mm`."""
    margin = settings.margin_px
    stored_side = settings.side_px + 2 * margin
    for coa in coas:
        image = images[coa["image_id"]]
        size = (image["height_px"], image["width_px"])
        side = settings.size.stored_px(coa["pixel_spacing_mm"])
        around = round(margin * side / settings.side_px)
        further = zip(coa["further_coa_rows"], coa["further_coa_cols"], strict=True)
        for number, point in enumerate([(coa["coa_row"], coa["coa_col"]), *further]):
            row, col = roi_corner(*point, size, side)
            cut = crop(tiles, image, (row - around, col - around), side + 2 * around, settings.bits)
            pixels = at_size(cut, (stored_side, stored_side))
            yield {
                "image_id": coa["image_id"],
                "number": number,
                "row_px": row,
                "col_px": col,
                "side_px": side,
                "stored_side_px": stored_side,
                "margin_px": margin,
                "bits": settings.bits,
                "pixels": pixels.astype(pixels.dtype.newbyteorder("<")).tobytes(),
            }
