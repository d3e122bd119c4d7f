"""Cut one shard's ROIs for one fold: a full-resolution square around each centre of attention (COA) of an image.

The square is shifted to stay inside the image; an image smaller than it lies in its middle. A margin of real pixels is
stored around it, so that rotation and random crop in training bring in tissue, not zeros. Only images in the fold's
COA table are cut, and each from the shard that the cohort takes it from: another intake may hold it, too.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow.compute as pc

from mammo_steps.core.image_store import REMEDY
from mammo_steps.core.recipe import Recipe, check_follows, check_same
from mammo_steps.core.roi_cutting import ROI_RULES, RoiSettings, rois_of
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import RowGroupWriter, read_table, recipe_of
from mammo_steps.core.tiles import TileReader

log = logging.getLogger("crop_rois")


def checked_recipe(coas: Path, shard_images: Path, tiles: Path, settings: RoiSettings) -> Recipe:
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

    settings = RoiSettings(**args.settings)
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
