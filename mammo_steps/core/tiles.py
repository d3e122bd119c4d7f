"""The full-resolution store: the un-windowed matrix in stored orientation, as lossless tiles.

One row group of tiles.parquet is one tile. Tiles of one value (empty background) are not written: their value
stands in the images table.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import cv2
import numpy as np
import pyarrow as pa

from mammo_steps.core.tables import RowGroups

Tile = np.ndarray[tuple[int, int], np.dtype[np.uint16]]

# The tiles are compressed by the workers, before they come to the one writer.
COMPRESSION = "none"
_CODEC = pa.Codec("zstd", compression_level=1)
_MIDDLE = np.uint16(128)  # small differences of either sign get a high byte of 0


class Cut(NamedTuple):
    """A tile of an image: its place in the grid, and its pixels as bytes; no bytes if all have `value`."""

    tile_row: int
    tile_col: int
    value: int
    pixels: bytes | None


def encode_tile(tile: Tile) -> bytes:
    """Differences to the pixel above + 128 (modulo 2^16), all low bytes, then all high bytes, zstd.

    On the codec's choice see bench/tiles.py.
    """
    h, w = tile.shape
    delta = np.empty((h, w), dtype="<u2")
    np.subtract(tile[1:], tile[:-1], out=delta[1:])
    delta[0, 0] = tile[0, 0]
    np.subtract(tile[0, 1:], tile[0, :-1], out=delta[0, 1:])
    delta += _MIDDLE
    planes = np.empty((2, h, w), dtype=np.uint8)  # low, high
    cv2.split(delta.view(np.uint8).reshape(h, w, 2), [planes[0], planes[1]])
    return bytes(_CODEC.compress(pa.py_buffer(planes), asbytes=True))


def decode_tile(pixels: pa.Buffer | bytes, shape: tuple[int, int]) -> Tile:
    """The inverse of `encode_tile`, (h, w) uint16; ValueError if the bytes hold no tile of this shape."""
    h, w = shape
    try:
        buffer = _CODEC.decompress(pixels, decompressed_size=2 * h * w)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"the bytes of a tile are damaged, or not of {h} x {w} pixels") from error
    low, high = np.frombuffer(buffer, dtype=np.uint8).reshape(2, h, w)
    tile = np.asarray(cv2.merge([low, high])).view("<u2").reshape(h, w)
    tile -= _MIDDLE
    above = tile[0]
    np.cumsum(above, out=above)
    for row in tile[1:]:  # row by row: 3 x as fast as np.cumsum along columns
        np.add(row, above, row)
        above = row
    return tile


def cut(matrix: Tile, side_px: int) -> Iterator[Cut]:
    """The tiles of a matrix (H, W) in row-major order; those at the right and lower edge may be smaller."""
    for top in range(0, matrix.shape[0], side_px):
        for left in range(0, matrix.shape[1], side_px):
            tile = matrix[top : top + side_px, left : left + side_px]
            value = int(tile[0, 0])
            pixels = None if is_constant(tile) else encode_tile(tile)
            yield Cut(top // side_px, left // side_px, value, pixels)


def is_constant(values: Tile) -> bool:
    """Whether all values of a matrix (H, W) are the same; a few are looked at before all are."""
    first = values[0, 0]
    return bool((values[::61, ::67] == first).all() and (values == first).all())


class TileReader:
    """Reads regions of images out of one shard's tiles.parquet, touching only the tiles they need."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = RowGroups(path, "tiles")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read_region(self, image: Mapping[str, Any], top: int, left: int, height: int, width: int) -> Tile:
        """Tile values (height, width) uint16 of the box with its first pixel at (top, left).

        image  a row of the shard's `shard_images` table; the box lies inside the stored matrix
        """
        H, W, side = image["height_px"], image["width_px"], image["tile_side_px"]
        if not (0 <= top < top + height <= H and 0 <= left < left + width <= W):
            raise ValueError(
                f"image {image['image_id']}: the box of {height} x {width} at ({top}, {left}) leaves the "
                f"{H} x {W} pixels"
            )
        n_cols = -(-W // side)
        region = np.empty((height, width), dtype=np.uint16)
        for tile_row in range(top // side, (top + height - 1) // side + 1):
            for tile_col in range(left // side, (left + width - 1) // side + 1):
                row0, col0 = tile_row * side, tile_col * side
                rows = slice(max(top, row0), min(top + height, row0 + side))
                cols = slice(max(left, col0), min(left + width, col0 + side))
                into = region[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
                index = tile_row * n_cols + tile_col
                if image["tile_row_groups"][index] < 0:
                    into[:] = image["tile_values"][index]
                else:
                    tile = self._tile(image, tile_row, tile_col, index)
                    into[:] = tile[rows.start - row0 : rows.stop - row0, cols.start - col0 : cols.stop - col0]
        return region

    def _tile(self, image: Mapping[str, Any], tile_row: int, tile_col: int, index: int) -> Tile:
        group = image["tile_row_groups"][index]
        try:
            table = self._file.read(group)
        except ValueError as error:
            raise ValueError(f"image {image['image_id']}: {error}") from error
        found = tuple(table[name][0].as_py() for name in ("image_id", "tile_row", "tile_col"))
        if found != (image["image_id"], tile_row, tile_col):
            raise ValueError(
                f"{self.path}: row group {group} holds {found}, wanted {image['image_id']}, tile "
                f"({tile_row}, {tile_col}): tiles and images table are of different runs; rerun make_shards"
            )
        side = image["tile_side_px"]
        shape = (
            min(side, image["height_px"] - tile_row * side),
            min(side, image["width_px"] - tile_col * side),
        )
        return decode_tile(table["pixels"][0].as_buffer(), shape)
