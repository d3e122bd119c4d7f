"""Size and random-crop rate of the full-resolution store with several codecs and tile sides.

`make bench-tiles` prints a table and writes bench/tiles.json. Every candidate is written and read as
make_shards and crop_rois do: one tile per row group of a Parquet file, empty tiles left out. One thread, one
run, a warm file cache; crops of 976 x 976 pixels at random places. Images: a synthetic 12-bit mammogram of
3328 x 2560 pixels and, where MAMMO_TEST_DATA holds it, a real one (GE, 3062 x 2394).

    delta_*        core.tiles: differences to the pixel above, byte planes, zstd or lz4
    planes_zstd    byte planes without differences
    zstd           nothing but zstd
    blosc2_*       bitshuffle and zstd or lz4 (imagecodecs)
    jpegls         JPEG-LS (imagecodecs)
    jpeg_lossless  no tiles: the whole image is decoded for every crop
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import cv2
import imagecodecs
import numpy as np
import pyarrow as pa
from common import about_this_run, print_table, synthetic_mammogram

from mammo_steps.core import tiles
from mammo_steps.core.decoding import read_pixels
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.files import write_json
from mammo_steps.core.tables import RowGroupWriter

SHAPE = (3328, 2560)
CROP_PX = 976
N_CROPS = 60
N_ROUNDS = 3
SIDES = (256, 512, 1024)
CHOSEN = "delta_zstd_512"
REAL = "data/dicom-samples/mg_ge_senographe_GH133.dcm"

ZSTD = pa.Codec("zstd", compression_level=1)
LZ4 = pa.Codec("lz4")


class Candidate(NamedTuple):
    """A pair of functions like core.tiles.encode_tile and decode_tile."""

    encode: Callable[[tiles.Tile], bytes]
    decode: Callable[[Any, tuple[int, int]], tiles.Tile]


def delta(codec: pa.Codec) -> Candidate:
    def encode(tile: tiles.Tile) -> bytes:
        with patch.object(tiles, "_CODEC", codec):
            return OURS.encode(tile)

    def decode(pixels: pa.Buffer, shape: tuple[int, int]) -> tiles.Tile:
        with patch.object(tiles, "_CODEC", codec):
            return OURS.decode(pixels, shape)

    return Candidate(encode, decode)


def _encode_planes(tile: tiles.Tile) -> bytes:
    planes = np.ascontiguousarray(np.ascontiguousarray(tile).view(np.uint8).reshape(-1, 2).T)
    return bytes(ZSTD.compress(pa.py_buffer(planes), asbytes=True))


def _decode_planes(pixels: pa.Buffer, shape: tuple[int, int]) -> tiles.Tile:
    buffer = ZSTD.decompress(pixels, decompressed_size=2 * shape[0] * shape[1])
    low, high = np.frombuffer(buffer, dtype=np.uint8).reshape(2, *shape)
    return np.asarray(cv2.merge([low, high])).view("<u2").reshape(shape)


def _encode_plain(tile: tiles.Tile) -> bytes:
    return bytes(ZSTD.compress(pa.py_buffer(np.ascontiguousarray(tile)), asbytes=True))


def _decode_plain(pixels: pa.Buffer, shape: tuple[int, int]) -> tiles.Tile:
    buffer = ZSTD.decompress(pixels, decompressed_size=2 * shape[0] * shape[1])
    return np.frombuffer(buffer, dtype="<u2").reshape(shape)


def blosc2(compressor: str) -> Candidate:
    def encode(tile: tiles.Tile) -> bytes:
        contiguous = np.ascontiguousarray(tile)
        return bytes(
            imagecodecs.blosc2_encode(
                contiguous, compressor=compressor, shuffle="bitshuffle", level=1, typesize=2, numthreads=1
            )
        )

    def decode(pixels: pa.Buffer, shape: tuple[int, int]) -> tiles.Tile:
        return np.frombuffer(
            imagecodecs.blosc2_decode(np.frombuffer(pixels, np.uint8), numthreads=1), dtype="<u2"
        ).reshape(shape)

    return Candidate(encode, decode)


OURS = Candidate(tiles.encode_tile, tiles.decode_tile)
CANDIDATES = {
    "delta_zstd": OURS,
    "delta_lz4": delta(LZ4),
    "planes_zstd": Candidate(_encode_planes, _decode_planes),
    "zstd": Candidate(_encode_plain, _decode_plain),
    "blosc2_zstd": blosc2("zstd"),
    "blosc2_lz4": blosc2("lz4"),
    "jpegls": Candidate(
        lambda tile: bytes(imagecodecs.jpegls_encode(np.ascontiguousarray(tile))),
        lambda pixels, shape: np.asarray(imagecodecs.jpegls_decode(np.frombuffer(pixels, np.uint8))),
    ),
}


def corners(shape: tuple[int, int]) -> list[tuple[int, int]]:
    rng = np.random.default_rng(0)
    return [
        (int(rng.integers(shape[0] - CROP_PX + 1)), int(rng.integers(shape[1] - CROP_PX + 1)))
        for _ in range(N_CROPS)
    ]


def measure(matrix: tiles.Tile, candidate: Candidate, side_px: int, path: Path) -> dict[str, float]:
    """Bytes, encoding time and crop rate of one image; fails unless every crop is exact."""
    groups, values = [], []
    with (
        patch.object(tiles, "encode_tile", candidate.encode),
        patch.object(tiles, "decode_tile", candidate.decode),
    ):
        encode_s = np.inf
        for _ in range(N_ROUNDS):
            started = time.perf_counter()
            cuts = list(tiles.cut(matrix, side_px))
            encode_s = min(encode_s, time.perf_counter() - started)
        with RowGroupWriter(path, "tiles", tiles.COMPRESSION) as writer:
            for cut in cuts:
                row = {"image_id": "i", "tile_row": cut.tile_row, "tile_col": cut.tile_col}
                groups.append(-1 if cut.pixels is None else writer.append(row | {"pixels": cut.pixels}))
                values.append(cut.value)
        image = {
            "image_id": "i",
            "height_px": matrix.shape[0],
            "width_px": matrix.shape[1],
            "tile_side_px": side_px,
            "tile_row_groups": groups,
            "tile_values": values,
        }
        crops_s = np.inf
        with tiles.TileReader(path) as reader:
            for _ in range(N_ROUNDS):  # the fastest: other work on the machine only slows
                started = time.perf_counter()
                crops = [reader.read_region(image, *box, CROP_PX, CROP_PX) for box in corners(matrix.shape)]
                crops_s = min(crops_s, time.perf_counter() - started)
    for (top, left), crop in zip(corners(matrix.shape), crops, strict=True):
        if not np.array_equal(crop, matrix[top : top + CROP_PX, left : left + CROP_PX]):
            raise AssertionError(f"crop at ({top}, {left}) differs")
    return {
        "mb": path.stat().st_size / 1e6,
        "encode_ms": 1000 * encode_s,
        "crops_per_s": N_CROPS / crops_s,
    }


def measure_whole(matrix: tiles.Tile) -> dict[str, float]:
    """The same for a JPEG lossless stream of the whole image."""
    started = time.perf_counter()
    stream = imagecodecs.jpeg8_encode(matrix, lossless=True, predictor=1, bitspersample=12)
    encoded = time.perf_counter()
    for top, left in corners(matrix.shape)[:10]:
        imagecodecs.jpeg8_decode(stream)[top : top + CROP_PX, left : left + CROP_PX].copy()
    return {
        "mb": len(stream) / 1e6,
        "encode_ms": 1000 * (encoded - started),
        "crops_per_s": 10 / (time.perf_counter() - encoded),
    }


def bench_image(name: str, matrix: tiles.Tile, folder: Path) -> dict[str, float]:
    figures = {"jpeg_lossless": measure_whole(matrix)}
    for codec, candidate in CANDIDATES.items():
        for side_px in SIDES if codec == "delta_zstd" else (512,):
            figures[f"{codec}_{side_px}"] = measure(matrix, candidate, side_px, folder / "tiles.parquet")
    result = {
        f"{name}.{codec}.{key}": round(v, 3) for codec, row in figures.items() for key, v in row.items()
    }
    for codec, row in figures.items():
        result[f"{name}.{codec}.size_over_chosen"] = round(row["mb"] / figures[CHOSEN]["mb"], 3)
        rate = row["crops_per_s"] / figures[CHOSEN]["crops_per_s"]
        result[f"{name}.{codec}.crop_rate_over_chosen"] = round(rate, 3)
    return result


def main() -> None:
    cv2.setNumThreads(1)
    quiet_pydicom()
    result: dict[str, Any] = {"chosen": CHOSEN, "crop_px": CROP_PX, "image_px": list(SHAPE)}
    root = Path(os.environ.get("MAMMO_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))
    with tempfile.TemporaryDirectory() as name:
        result |= bench_image("synthetic", synthetic_mammogram(SHAPE, 0), Path(name))
        if (root / REAL).is_file():
            stored, _ = read_pixels(root / REAL)
            result |= bench_image("real", stored.astype(np.uint16), Path(name))
    result |= about_this_run()
    print_table(result)
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
