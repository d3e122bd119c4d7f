"""The tile store gives back every value, from the tiles it needs and no others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.core.tiles import COMPRESSION, Tile, TileReader, cut, decode_tile, encode_tile

SIDE = 64


def store(path: Path, matrix: Tile, image_id: str = "i1", side_px: int = SIDE) -> dict[str, Any]:
    """Write one image's tiles; returns what its row of the images table says."""
    groups, values = [], []
    with RowGroupWriter(path, "tiles", COMPRESSION) as writer:
        for tile in cut(matrix, side_px):
            row = {"image_id": image_id, "tile_row": tile.tile_row, "tile_col": tile.tile_col}
            groups.append(-1 if tile.pixels is None else writer.append(row | {"pixels": tile.pixels}))
            values.append(tile.value if tile.pixels is None else 0)
    return {
        "image_id": image_id,
        "height_px": matrix.shape[0],
        "width_px": matrix.shape[1],
        "tile_side_px": side_px,
        "tile_row_groups": groups,
        "tile_values": values,
    }


def noise(shape: tuple[int, int]) -> Tile:
    return np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)


@pytest.mark.parametrize("shape", [(64, 64), (1, 1), (1, 9), (9, 1), (33, 64)])
def test_a_tile_survives_its_encoding(shape: tuple[int, int]) -> None:
    for tile in (noise(shape), np.zeros(shape, np.uint16), np.full(shape, 65535, np.uint16)):
        decoded = decode_tile(encode_tile(tile), shape)
        assert decoded.dtype == np.uint16
        np.testing.assert_array_equal(decoded, tile)


def test_a_tile_may_be_a_view_of_a_larger_matrix() -> None:
    matrix = noise((64, 64))
    np.testing.assert_array_equal(decode_tile(encode_tile(matrix[3:40, 5:17]), (37, 12)), matrix[3:40, 5:17])


def test_damaged_bytes_are_an_error() -> None:
    pixels = encode_tile(noise((8, 8)))
    for damaged in (pixels[:-5], b"", b"x" * len(pixels)):
        with pytest.raises(ValueError, match="damaged, or not of 8 x 8 pixels"):
            decode_tile(damaged, (8, 8))
    with pytest.raises(ValueError, match="damaged, or not of 8 x 9 pixels"):
        decode_tile(pixels, (8, 9))


def test_empty_background_is_recorded_and_not_stored(tmp_path: Path) -> None:
    matrix = np.full((3 * SIDE, 2 * SIDE), 7, dtype=np.uint16)
    matrix[SIDE + 5, 3] = 8
    image = store(tmp_path / "tiles.parquet", matrix)
    assert image["tile_row_groups"] == [-1, -1, 0, -1, -1, -1]
    assert image["tile_values"] == [7, 7, 0, 7, 7, 7]


def test_every_region_of_an_image_is_exact(tmp_path: Path) -> None:
    matrix = noise((150, 130))  # tiles at the edges are 22 rows high and 2 columns wide
    matrix[:SIDE, SIDE : 2 * SIDE] = 5
    image = store(tmp_path / "tiles.parquet", matrix)
    rng = np.random.default_rng(1)
    with TileReader(tmp_path / "tiles.parquet") as reader:
        boxes = [(0, 0, 150, 130), (149, 129, 1, 1), (63, 63, 2, 2), (128, 128, 22, 2)]
        for _ in range(100):
            top, left = int(rng.integers(150)), int(rng.integers(130))
            boxes.append((top, left, int(rng.integers(1, 151 - top)), int(rng.integers(1, 131 - left))))
        for top, left, height, width in boxes:
            region = reader.read_region(image, top, left, height, width)
            np.testing.assert_array_equal(region, matrix[top : top + height, left : left + width])


def test_only_the_tiles_of_the_region_are_read(tmp_path: Path) -> None:
    matrix = noise((2 * SIDE, 2 * SIDE))
    image = store(tmp_path / "tiles.parquet", matrix)
    image["tile_row_groups"][1:] = [999, 999, 999]  # there are no such row groups
    with TileReader(tmp_path / "tiles.parquet") as reader:
        region = reader.read_region(image, 0, 0, SIDE, SIDE)
        np.testing.assert_array_equal(region, matrix[:SIDE, :SIDE])


@pytest.mark.parametrize("box", [(-1, 0, 5, 5), (0, -1, 5, 5), (90, 0, 11, 5), (0, 60, 5, 21), (0, 0, 0, 5)])
def test_a_box_that_leaves_the_image_is_an_error(tmp_path: Path, box: tuple[int, int, int, int]) -> None:
    image = store(tmp_path / "tiles.parquet", noise((100, 80)))
    with (
        TileReader(tmp_path / "tiles.parquet") as reader,
        pytest.raises(ValueError, match=r"image i1: the box of .* leaves the 100 x 80 pixels"),
    ):
        reader.read_region(image, *box)


def test_tiles_of_another_run_are_an_error(tmp_path: Path) -> None:
    image = store(tmp_path / "tiles.parquet", noise((100, 80)))
    with TileReader(tmp_path / "tiles.parquet") as reader:
        with pytest.raises(ValueError, match=r"row group 0 holds \('i1', 0, 0\), wanted i2"):
            reader.read_region(image | {"image_id": "i2"}, 0, 0, 5, 5)
        image["tile_row_groups"].reverse()
        with pytest.raises(ValueError, match=r"wanted i1, tile \(0, 0\)"):
            reader.read_region(image, 0, 0, 5, 5)


def test_another_table_is_no_tile_store(tmp_path: Path) -> None:
    with RowGroupWriter(tmp_path / "a.parquet", "holistic", "lz4"):
        pass
    with pytest.raises(ValueError, match="is not a `tiles` table"):
        TileReader(tmp_path / "a.parquet")


def test_smooth_pictures_become_much_smaller() -> None:
    ramp = np.add.outer(np.arange(512), 3 * np.arange(512)).astype(np.uint16)
    assert len(encode_tile(ramp)) < ramp.nbytes / 50
