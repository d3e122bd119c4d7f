"""A byte that changed on the disk never becomes a pixel: the error names file and image."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.tables import RowGroupWriter, read_table, write_rows
from mammo_steps.core.tiles import COMPRESSION, TileReader, cut

Read = Callable[[], np.ndarray]


def a_picture(file: Path) -> Read:
    """Write the shard of three pictures; returns how the second one is read."""
    rng = np.random.default_rng(0)
    with RowGroupWriter(file, "holistic", "lz4") as writer:
        for image_id in "abc":
            pixels = rng.integers(0, 256, 20 * 30).astype(np.uint8).tobytes()
            writer.append(
                {"image_id": image_id, "height_px": 20, "width_px": 30, "bits": 8, "pixels": pixels}
            )
    places = {image_id: Place(file, number, 0, 0) for number, image_id in enumerate("abc")}
    return lambda: ImageStore(places).canvas("b")


def a_region(file: Path) -> Read:
    """Write a shard of tiles; returns how a region of image b is read."""
    matrix = np.random.default_rng(0).integers(0, 4096, (16, 16)).astype(np.uint16)
    with RowGroupWriter(file, "tiles", COMPRESSION) as writer:
        for tile in cut(matrix, 8):
            row = {"image_id": "b", "tile_row": tile.tile_row, "tile_col": tile.tile_col}
            writer.append(row | {"pixels": tile.pixels})
    image = {"image_id": "b", "height_px": 16, "width_px": 16, "tile_side_px": 8}
    image |= {"tile_row_groups": [0, 1, 2, 3], "tile_values": [0] * 4}

    def read() -> np.ndarray:
        with TileReader(file) as tiles:
            return tiles.read_region(image, 2, 2, 10, 10)

    return read


@pytest.mark.parametrize("written", [a_picture, a_region])
def test_a_flipped_bit_anywhere_is_found_or_changes_nothing(
    tmp_path: Path, written: Callable[[Path], Read]
) -> None:
    file = tmp_path / "shard.parquet"
    read = written(file)
    wanted, sound = read(), file.read_bytes()
    n_found = 0
    for place in range(len(sound)):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        try:
            np.testing.assert_array_equal(read(), wanted)
        except ValueError as error:
            n_found += 1
            assert str(file) in str(error) or "image b" in str(error)
    assert n_found > 500


def test_the_message_names_image_file_and_remedy(tmp_path: Path) -> None:
    file = tmp_path / "holistic.parquet"
    read = a_picture(file)
    sound = file.read_bytes()
    pixels = pq.ParquetFile(file).metadata.row_group(1).column(4)
    assert pixels.path_in_schema == "pixels"
    middle = pixels.data_page_offset + pixels.total_compressed_size // 2
    file.write_bytes(sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :])
    with pytest.raises(ValueError, match=r"image b: .*holistic.parquet, row group 1 .* delete it and run"):
        read()
    file.write_bytes(sound[:-100])
    with pytest.raises(ValueError, match=r"holistic.parquet cannot be read: .* delete it and run"):
        read()


def test_a_table_with_a_flipped_byte_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "roles.parquet"
    rows = [{"patient_id": f"p{n:09}", "fold": n % 3, "role": "train"} for n in range(1000)]
    write_rows(file, "roles", rows)
    sound = file.read_bytes()
    wanted = read_table(file, "roles")
    for place in range(0, len(sound), 7):
        file.write_bytes(sound[:place] + bytes([sound[place] ^ 16]) + sound[place + 1 :])
        try:
            assert read_table(file, "roles").equals(wanted)
        except ValueError as error:
            assert str(file) in str(error)


def test_a_table_of_another_kind_is_no_shard(tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    pq.write_table(pa.table({"image_id": ["a"]}), file)
    with pytest.raises(ValueError, match="not a `holistic` or `rois` table"):
        ImageStore({"a": Place(file, 0, 0, 0)}).canvas("a")


def test_a_changed_number_of_rows_in_a_footer_is_found(tmp_path: Path) -> None:
    """Page checksums do not cover it: with a smaller one the last rows would be gone, and nobody would know."""
    rows = [{"patient_id": str(number), "fold": 0, "role": "test"} for number in range(26)]
    write_rows(tmp_path / "whole.parquet", "roles", rows)
    whole = (tmp_path / "whole.parquet").read_bytes()
    wanted = read_table(tmp_path / "whole.parquet", "roles").to_pydict()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    twice_26 = [
        place for place in range(footer, len(whole) - 8) if whole[place] == 52
    ]  # as numbers are written there
    found = 0
    for place in twice_26:
        for bit in range(7):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            (tmp_path / "changed.parquet").write_bytes(changed)
            try:
                assert read_table(tmp_path / "changed.parquet", "roles").to_pydict() == wanted, (place, bit)
            except ValueError:
                found += 1
    assert found >= 14  # of the file's and of its row group's
