"""How one file becomes a shard's images: decoded, windowed, resized, oriented, cut into tiles."""

import csv
import ctypes
import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom.dataset import Dataset

from mammo_steps.core import tiles
from mammo_steps.core.artefacts import reading
from mammo_steps.core.breast import breast_mask, breast_place
from mammo_steps.core.decoding import Stored
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.ordered_pool import Limits
from mammo_steps.core.orientation import chest_wall, expected_side, header_conflict
from mammo_steps.core.resizing import area_mean
from mammo_steps.core.terms import LATERALITIES, Reason
from mammo_steps.core.voi_choice import tiles_and_voi
from mammo_steps.core.windowing import Values, apply_table, grey_table, shard_recipe

ReadPixels = Callable[[Path], tuple[Stored, Dataset]]
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 2**28

# For one file. The largest mammograms decode in 3 s (JPEG 2000): more is a storage that stalls or a decoder that
# hangs. 100 million pixels, the most that is decoded, take 750 MB, mammograms up to 250 MB.
LIMITS = Limits(seconds=120, memory_mb=1500)


@dataclass(frozen=True)
class ShardSettings:
    """holistic_width_px     columns of the holistic image (paper: 976); rows follow
    holistic_bits         8 or 16 bits per grey level
    tile_side_px          side of the full-resolution tiles
    orientation_conflict  exclude or keep images whose chest wall is not where the header says
    """

    holistic_width_px: int
    holistic_bits: int
    tile_side_px: int
    orientation_conflict: str

    def __post_init__(self) -> None:
        if self.orientation_conflict not in ("exclude", "keep"):
            raise ValueError(f"orientation_conflict is {self.orientation_conflict!r}, wanted exclude or keep")
        if self.holistic_bits not in (8, 16):
            raise ValueError(f"holistic_bits is {self.holistic_bits}, wanted 8 or 16")


@dataclass(frozen=True)
class Listed:
    """One line of the shard list; `path` lies below the archive.

    sop_instance_uid  of the header when it was indexed; empty where the data set has image ids of its own
    """

    image_id: str
    path: str
    laterality: str
    sop_instance_uid: str = ""

    def check_same(self, ds: Dataset) -> None:
        """ExclusionError if this header, read from `path`, is another image's."""
        if self.sop_instance_uid and str(ds.get("SOPInstanceUID")) != self.sop_instance_uid:
            raise ExclusionError(Reason.FILE_CHANGED)


@dataclass(frozen=True)
class Prepared:
    """What one file gives: its row of the images table (without row groups), and its usable pixels."""

    row: dict[str, Any]
    holistic: bytes = b""
    cuts: tuple[tiles.Cut, ...] = ()


def read_list(path: Path) -> list[Listed]:
    """The shard list, which is sorted by image_id."""
    with reading(path).open(newline="", encoding="utf-8") as file:
        listed = [
            Listed(r["image_id"], r["path"], r["laterality"], r.get("sop_instance_uid", ""))
            for r in csv.DictReader(file)
        ]
    ids = [image.image_id for image in listed]
    if ids != sorted(set(ids)):
        raise ValueError(f"{path}: image_ids are not unique and sorted; rerun index_archive")
    wrong = [n for n, image in enumerate(listed, 2) if image.laterality not in LATERALITIES]
    if wrong:
        raise ValueError(f"{path}, line {wrong[0]}: laterality is neither L nor R; rerun index_archive")
    return listed


def resized(grey: Values, width_px: int, kind: np.dtype[Any]) -> Values:
    """(H, W) -> (round(H x width / W), width) of a kind: mean over areas, bilinear where it is enlarged."""
    height, width = grey.shape
    shape = (max(1, round(height * width_px / width)), width_px)
    if width < width_px:
        grey = grey.astype(kind)
        return np.asarray(cv2.resize(grey, shape[::-1], interpolation=cv2.INTER_LINEAR))
    return area_mean(grey, shape).astype(kind)


@functools.cache
def recipe_hash(settings: ShardSettings) -> str:
    return shard_recipe(asdict(settings)).hash


def prepare(image: Listed, archive: Path, read_pixels: ReadPixels, settings: ShardSettings) -> Prepared:
    """Decode, window, resize, orient, cut into tiles. A bad file gives a row with its reason."""
    recipe = {"image_id": image.image_id, "recipe": recipe_hash(settings)}
    try:
        stored, ds = read_pixels(archive / image.path)
        image.check_same(ds)
        row, holistic, cuts = _pixels(image, stored, ds, settings)
    except ExclusionError as error:
        return Prepared(recipe | {"reason": error.reason, "detail": error.detail or None})
    return Prepared(recipe | row, holistic, cuts)


def _pixels(
    image: Listed, stored: Stored, ds: Dataset, settings: ShardSettings
) -> tuple[dict[str, Any], bytes, tuple[tiles.Cut, ...]]:
    if tiles.is_constant(stored):
        raise ExclusionError(Reason.CONSTANT_IMAGE, f"every pixel is {stored.flat[0]}")
    try:
        matrix, voi, intensity = tiles_and_voi(ds, stored)
        expected, contradiction = expected_side(ds, image.laterality), header_conflict(ds)
    except MemoryError:
        raise
    except Exception as error:  # a malformed header makes pydicom raise almost anything, with its text
        raise ExclusionError(Reason.UNDECODABLE, f"malformed header: {type(error).__name__}") from None
    table = grey_table(voi, settings.holistic_bits)
    grey = apply_table(matrix, table.astype(np.uint16))  # levels of 8 bits, too: 16 are resized faster
    small = resized(grey, settings.holistic_width_px, table.dtype)
    mask = breast_mask(small)
    if not mask.any():
        raise ExclusionError(Reason.NO_BREAST)
    side, wrong_side = chest_wall(mask, expected)
    conflict = wrong_side or contradiction
    if conflict and settings.orientation_conflict == "exclude":
        raise ExclusionError(Reason.ORIENTATION_CONFLICT, conflict)
    flipped = side == "right"
    holistic = np.ascontiguousarray(small[:, ::-1] if flipped else small)
    place = breast_place(mask, stored.shape)
    row = {
        "height_px": stored.shape[0],
        "width_px": stored.shape[1],
        "breast_area_px": place.area_px,
        "breast_row": place.row,
        "breast_col": place.col,
        "flipped": flipped,
        "orientation_conflict": bool(conflict),
        "intensity": intensity,
        "voi": voi.to_json(),
        "holistic_height_px": holistic.shape[0],
        "holistic_width_px": holistic.shape[1],
        "enlarged": stored.shape[1] < settings.holistic_width_px,
        "tile_side_px": settings.tile_side_px,
    }
    little_endian = holistic.astype(holistic.dtype.newbyteorder("<"), copy=False)
    return row, little_endian.tobytes(), tuple(tiles.cut(matrix, settings.tile_side_px))


def start_worker() -> None:
    """One thread per worker, no header text in logs, and memory that is freed is kept for the next image."""
    cv2.setNumThreads(1)
    quiet_pydicom()
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc keep up to 256 MB: fetching every matrix from the system anew takes a tenth of the time."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
