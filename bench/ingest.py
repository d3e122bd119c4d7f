"""How long a DICOM file takes into a shard, over the time of its decoder, and beside a plain chain.

`make bench-ingest` prints a table and writes bench/ingest.json. Files: synthetic 12-bit mammograms of
3328 x 2560 pixels as JPEG lossless (.70); one worker, one thread; medians, everything measured in one run.

    decoder          imagecodecs on the encoded frame alone
    file to shard    make_shards' work per file: read, decode, window, resize, mask, tiles, write
    plain chain      pydicom with the same decoder, float64 modality and VOI LUT, 8-bit holistic PNG
                     (antialiased resize), 16-bit PNG of the whole matrix for later crops
    plain, no store  the same without the second PNG
"""

import functools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pydicom
from common import about_this_run, print_table, synthetic_mammogram
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from mammo_steps.core import decoding, tiles
from mammo_steps.core.dicom_writing import Identity, Machine, write_mammogram
from mammo_steps.core.files import write_json
from mammo_steps.core.tables import RowGroupWriter
from mammo_steps.make_shards import Listed, Settings, ShardWriter, prepare, start_worker

SHAPE = (3328, 2560)
LARGEST = (4096, 3328)
N_FILES = 4
N_ROUNDS = 5
SETTINGS = Settings(holistic_width_px=976, holistic_bits=8, tile_side_px=512, orientation_conflict="exclude")


def make_file(path: Path, shape: tuple[int, int], seed: int) -> None:
    """One synthetic mammogram as JPEG lossless."""
    grey = synthetic_mammogram(shape, seed)
    identity = Identity(f"P{seed}", f"1.2.{seed}", "1.2.3", f"1.2.4.{seed}", "L", "MLO", date(2020, 1, 1), 60)
    machine = Machine("siemens", "linear", "SCT", "MONOCHROME2", "1.2.840.10008.1.2.4.70")
    write_mammogram(path, grey, identity, machine, 0.085)


def plain_chain(path: Path, out: Path, with_store: bool) -> None:
    """The obvious script: float64 throughout, one file per image."""
    stored, ds = decoding.read_pixels(path)
    values = apply_voi_lut(apply_modality_lut(stored.astype(np.float64), ds), ds).astype(np.float64)
    values = (values - values.min()) / (values.max() - values.min())
    grey = Image.fromarray((values * 255).astype(np.uint8))
    height = round(stored.shape[0] * SETTINGS.holistic_width_px / stored.shape[1])
    grey.resize((SETTINGS.holistic_width_px, height), Image.Resampling.BILINEAR).save(out / "holistic.png")
    if with_store:
        cv2.imwrite(str(out / "full.png"), stored)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _peak_mb(path: Path, sender: Any) -> None:
    start_worker()
    prepare(Listed("i", path.name, "L"), path.parent, decoding.read_pixels, SETTINGS)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sender.send(int(status["VmHWM"].split()[0]) / 1024)  # ru_maxrss would start at the parent's


def peak_worker_mb(path: Path) -> float:
    """Peak resident memory of a fresh worker that prepares one file."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_peak_mb, args=(path, sender))
    process.start()
    peak = float(receiver.recv())
    process.join()
    return peak


def measure(folder: Path) -> dict[str, float]:
    """Milliseconds per file of each chain."""
    files = [folder / f"{n}.dcm" for n in range(N_FILES)]
    for n, path in enumerate(files):
        make_file(path, SHAPE, n)
    times: dict[str, list[float]] = {}
    with (
        RowGroupWriter(folder / "tiles.parquet", "tiles", tiles.COMPRESSION) as tile,
        RowGroupWriter(folder / "holistic.parquet", "holistic", "lz4") as holistic,
    ):
        writer = ShardWriter(holistic, tile, SETTINGS.holistic_bits)
        for path in files * N_ROUNDS:  # the chains take turns, so that a busy machine slows them alike
            frame = get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)
            chains: dict[str, Callable[[], object]] = {
                "decoder": functools.partial(imagecodecs.jpeg8_decode, frame),
                "file_to_shard": lambda path=path: writer.write(
                    prepare(Listed(path.name, path.name, "L"), folder, decoding.read_pixels, SETTINGS)
                ),
                "plain_chain": functools.partial(plain_chain, path, folder, True),
                "plain_no_store": functools.partial(plain_chain, path, folder, False),
            }
            for name, chain in chains.items():
                times.setdefault(name, []).append(1000 * seconds(chain))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    start_worker()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ms = measure(folder)
        make_file(folder / "largest.dcm", LARGEST, 99)
        peak_mb = peak_worker_mb(folder / "largest.dcm")
    result: dict[str, Any] = {f"jpeg_lossless.{name}_ms": round(value, 1) for name, value in ms.items()}
    result["jpeg_lossless.time_over_decoder"] = round(ms["file_to_shard"] / ms["decoder"], 3)
    result["jpeg_lossless.speedup_over_plain"] = round(ms["plain_chain"] / ms["file_to_shard"], 3)
    result["jpeg_lossless.speedup_over_plain_no_store"] = round(ms["plain_no_store"] / ms["file_to_shard"], 3)
    result["peak_worker_mb"] = round(peak_mb)
    result["peak_worker_image_px"] = list(LARGEST)
    result["image_px"] = list(SHAPE)
    result["n_files"], result["n_rounds"] = N_FILES, N_ROUNDS
    result |= about_this_run()
    print_table(result)
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
