"""Cut one shard's ROIs for one fold: a full-resolution square around each centre of attention (COA) of an image.

The square is shifted to stay inside the image; an image smaller than it lies in its middle. A margin of real pixels is
stored around it, so that rotation and random crop in training bring in tissue, not zeros. Only images in the fold's
COA table are cut, and each from the shard that the cohort takes it from: another intake may hold it, too.
"""

import argparse
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mammo_steps.core.geometry import RoiSize, roi_corner
from mammo_steps.core.image_store import REMEDY, Pixels
from mammo_steps.core.recipe import Recipe, check_follows, check_same
from mammo_steps.core.resizing import at_size
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import RowGroupWriter, read_table, recipe_of
from mammo_steps.core.tiles import TileReader
from mammo_steps.core.windowing import grey_table

log = logging.getLogger("crop_rois")

# What a ROI's pixels depend on besides the settings; a changed rule gets a new version.
ROI_RULES = {"version": 1, "pixels": "window, chest wall left", "outside": "shifted inside, else background"}


@dataclass(frozen=True)
class Settings:
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
    tiles: TileReader, images: dict[str, dict[str, Any]], coas: list[dict[str, Any]], settings: Settings
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


def checked_recipe(coas: Path, shard_images: Path, tiles: Path, settings: Settings) -> Recipe:
    """The ROIs' recipe; ValueError unless the tiles are of the shard, and the COAs were found on its recipe."""
    shard, found = recipe_of(shard_images), recipe_of(coas)
    check_same([shard, recipe_of(tiles)], "Run make_shards again for this shard")
    check_follows(found, shard, REMEDY)
    own = {key: value for key, value in asdict(settings).items() if (key, value) != ("mm_per_px", None)}
    return found.recipe.then("crop_rois", {**own, "rules": ROI_RULES})


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coas", type=Path, required=True, help="the fold's holistic/{fold}/images.parquet")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--shard-images", type=Path, required=True, help="the shard's <shard>/images.parquet")
    parser.add_argument("--tiles", type=Path, required=True, help="the shard's tiles.parquet")
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--rois", type=Path, required=True, help="written")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    recipe = checked_recipe(args.coas, args.shard_images, args.tiles, settings)
    images = {row["image_id"]: row for row in read_table(args.shard_images, "shard_images").to_pylist()}
    places = ["image_id", "coa_row", "coa_col", "further_coa_rows", "further_coa_cols"]
    table = read_table(args.coas, "holistic_scores", places)
    cohort = read_table(args.images, "images", ["image_id", "shard", "pixel_spacing_mm"])
    taken = cohort.filter(pc.equal(cohort["shard"], args.shard_images.parent.name))
    spacings = dict(zip(taken["image_id"].to_pylist(), taken["pixel_spacing_mm"].to_pylist(), strict=True))
    here = table.filter(pc.is_in(table["image_id"], value_set=taken["image_id"])).sort_by("image_id")
    coas = [{**row, "pixel_spacing_mm": spacings[row["image_id"]]} for row in here.to_pylist()]
    with TileReader(args.tiles) as tiles, RowGroupWriter(args.rois, "rois", "lz4", recipe) as writer:
        for roi in rois_of(tiles, images, coas, settings):
            writer.append(roi)
    log.info(
        "%d ROIs of %d px written, of %d of the shard's %d images",
        *(writer.n_rows, settings.side_px, len(coas), len(images)),
    )


if __name__ == "__main__":
    main()
