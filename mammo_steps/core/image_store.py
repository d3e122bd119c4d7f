"""Reading single images out of shards: one row group is one image."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mammo_steps.core.geometry import InputCut, InputFrame
from mammo_steps.core.recipe import Marked, check_follows, check_same
from mammo_steps.core.tables import RowGroups, read_table, recipe_of

Pixels = np.ndarray[tuple[int, int], np.dtype[Any]]  # (h, w) uint8 or uint16 grey levels, 0 = background

_OPEN_FILES = 64

# what to do about pixels and a table or weights that do not belong together
REMEDY = "Take weights and tables that were made from these shards, or set the key back; then run the workflow again"


@dataclass(frozen=True)
class Place:
    """Where one image lies, and which part of it the network sees when it is scored.

    file, row_group    the Parquet file and the image's row group in it
    top_px, left_px    first row and column of the scored square; negative = padding before the image
    canvas_px          (H, W) to which the picture is resized before it is cut; None = as it is
    """

    file: Path
    row_group: int
    top_px: int
    left_px: int
    canvas_px: tuple[int, int] | None = None


class ImageStore:
    """Images by id, read one at a time; keeps a bounded number of files open.

    made_from  table or weights that were made from these files; a file of another recipe is then refused
    """

    def __init__(self, places: dict[str, Place], made_from: Marked | None = None) -> None:
        self.places = places
        self._made_from = made_from
        self._files: OrderedDict[Path, RowGroups] = OrderedDict()

    def opened_anew(self) -> "ImageStore":
        """The same images with files of its own: a store belongs to one thread."""
        return ImageStore(self.places, self._made_from)

    def canvas(self, image_id: str) -> Pixels:
        """The whole stored picture (h, w) of an image; ValueError if it is damaged, or another one lies there."""
        place = self.places[image_id]
        try:
            row = self._file(place.file).read(place.row_group)
        except ValueError as error:
            raise ValueError(f"image {image_id}: {error}") from error
        found = _key_of(row)
        if found != image_id:
            raise ValueError(
                f"{place.file}: row group {place.row_group} holds {found}, wanted {image_id}: the shard and "
                "the images table are of different runs; rerun make_shards and what follows"
            )
        return canvas_of(row)

    def _file(self, path: Path) -> RowGroups:
        if path in self._files:
            self._files.move_to_end(path)
        else:
            self._files[path] = RowGroups(path, "holistic", "rois")
            if self._made_from is not None:
                check_follows(self._made_from, self._files[path].recipe, REMEDY)
            if len(self._files) > _OPEN_FILES:
                self._files.popitem(last=False)[1].close()
        return self._files[path]


def roi_key(image_id: str, number: int) -> str:
    """The key of an image's ROI in an `ImageStore`: the image's id for the first."""
    return f"{image_id}/{number}" if number else image_id


def _key_of(row: pa.Table) -> str:
    """The key under which a one-row `holistic` or `rois` table is stored."""
    number = row["number"][0].as_py() if "number" in row.column_names else 0
    return roi_key(row["image_id"][0].as_py(), number)


def canvas_of(row: pa.Table) -> Pixels:
    """(h, w) grey levels of a one-row `holistic` or `rois` table."""
    one = row.drop_columns(["pixels"]).to_pylist()[0]
    if "stored_side_px" in one:
        h = w = one["stored_side_px"]
    else:
        h, w = one["height_px"], one["width_px"]
    pixels = np.frombuffer(row["pixels"][0].as_buffer(), dtype=np.dtype("u1" if one["bits"] == 8 else "<u2"))
    if pixels.size != h * w:
        raise ValueError(f"image {one['image_id']}: {pixels.size} grey levels, wanted {h} x {w}")
    return pixels.reshape(h, w)


def holistic_frame(image: Mapping[str, Any], cut: InputCut) -> InputFrame:
    """The scoring frame of a row of the `images` table."""
    return cut.frame(
        stored_px=(image["height_px"], image["width_px"]),
        holistic_px=(image["holistic_height_px"], image["holistic_width_px"]),
        flipped=image["flipped"],
        breast_row=image["breast_row"],
        spacing_mm=image["pixel_spacing_mm"],
    )


def holistic_places(images: list[dict[str, Any]], shards: Path, cut: InputCut) -> dict[str, Place]:
    """Places of the holistic images; `shards` is the folder of all shards."""
    places = {}
    for image in images:
        frame = holistic_frame(image, cut)
        file = shards / image["shard"] / "holistic.parquet"
        places[image["image_id"]] = Place(
            file, image["holistic_row_group"], frame.top_px, frame.left_px, frame.canvas_px
        )
    return places


def roi_places(rois: Path, shards: Iterable[str]) -> dict[str, Place]:
    """Places of one fold's ROIs in these shards by `roi_key`; the scored square is the middle of the stored crop.

    rois  folder of the fold's ROI files, one per shard
    """
    places = {}
    for shard in sorted(set(shards)):
        file = rois / f"{shard}.parquet"
        table = read_table(file, "rois", ["image_id", "number", "margin_px"])
        for row_group, roi in enumerate(table.to_pylist()):
            key, margin = roi_key(roi["image_id"], roi["number"]), roi["margin_px"]
            places[key] = Place(file, row_group, margin, margin)
    return places


def roi_recipe(rois: Path, shards: Iterable[str]) -> Marked:
    """The recipe of one fold's ROIs in these shards; ValueError if they are of several, or one bears none."""
    found = [recipe_of(rois / f"{shard}.parquet") for shard in sorted(set(shards))]
    check_same(found, "Run crop_rois again for this fold")
    return found[0]
