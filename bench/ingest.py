"""How long a DICOM file takes into a shard, over the time of its decoder, and beside a plain chain.

`make bench-ingest` prints a table and writes bench/ingest.json. Files: synthetic 12-bit mammograms of
3328 x 2560 and 4096 x 3328 pixels (keys that end in _4096x3328) in each transfer syntax; one worker, one thread.
The chains take turns, so that a busy machine slows them alike; medians, and ratios of medians.

    decoder          imagecodecs on the encoded frame alone; of `plain` the reading of the file
    file to shard    make_shards' work per file: read, decode, window, resize, mask, tiles, write
    plain chain      pydicom's default decoder (ours, too, where pydicom brings none: see plain_decoder), float64
                     modality and VOI LUT, Pillow resize to an 8-bit PNG, 16-bit PNG of the whole for later crops
    plain, no store  the same without the second PNG
"""

import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import imagecodecs
import numpy as np
import pydicom
from common import about_this_run, print_table, synthetic_mammogram
from PIL import Image
from pydicom.encaps import get_frame
from pydicom.pixels import apply_modality_lut, apply_voi_lut, get_decoder

from mammo_steps.core import decoding, tiles
from mammo_steps.core.dicom_writing import Identity, Machine, write_mammogram
from mammo_steps.core.files import write_json
from mammo_steps.core.preparing import Listed, ShardSettings, prepare, start_worker
from mammo_steps.core.shard_writing import ShardWriter
from mammo_steps.core.tables import RowGroupWriter

SYNTAXES = {
    "jpeg_lossless": "1.2.840.10008.1.2.4.70",
    "jpeg_ls": "1.2.840.10008.1.2.4.80",
    "jpeg_2000": "1.2.840.10008.1.2.4.90",
    "rle": "1.2.840.10008.1.2.5",
    "plain": "1.2.840.10008.1.2.1",
}


class Load(NamedTuple):
    """Images of one size; `suffix` of their keys."""

    shape: tuple[int, int]
    n_files: int
    n_rounds: int
    suffix: str


LOADS = (Load((3328, 2560), 3, 5, ""), Load((4096, 3328), 2, 3, "_4096x3328"))
SETTINGS = ShardSettings(
    holistic_width_px=976, holistic_bits=8, tile_side_px=512, orientation_conflict="exclude"
)


def make_file(path: Path, shape: tuple[int, int], seed: int, syntax: str) -> None:
    """One synthetic mammogram."""
    grey = synthetic_mammogram(shape, seed)
    identity = Identity(f"P{seed}", f"1.2.{seed}", "1.2.3", f"1.2.4.{seed}", "L", "MLO", date(2020, 1, 1), 60)
    machine = Machine("siemens", "linear", "SCT", "MONOCHROME2", syntax)
    write_mammogram(path, grey, identity, machine, 0.085)


def default_decoder(syntax: str) -> str:
    """The plug-in that pydicom picks by itself in this environment, else ours."""
    if syntax not in decoding.DECODERS:
        return "pydicom"
    own = [name for name in get_decoder(syntax).available_plugins if name != decoding.PLUGIN]
    return own[0] if own else decoding.PLUGIN


def plain_chain(path: Path, out: Path, decoder: str, with_store: bool) -> None:
    """The obvious script: float64 throughout, one file per image."""
    if decoder == decoding.PLUGIN:
        stored, ds = decoding.read_pixels(path)
    else:
        ds = pydicom.dcmread(path)
        ds.pixel_array_options(decoding_plugin="" if decoder == "pydicom" else decoder)
        stored = ds.pixel_array
    values = apply_voi_lut(apply_modality_lut(stored.astype(np.float64), ds), ds).astype(np.float64)
    values = (values - values.min()) / (values.max() - values.min())
    grey = Image.fromarray((values * 255).astype(np.uint8))
    height = round(stored.shape[0] * SETTINGS.holistic_width_px / stored.shape[1])
    grey.resize((SETTINGS.holistic_width_px, height), Image.Resampling.BILINEAR).save(out / "holistic.png")
    if with_store:
        cv2.imwrite(str(out / "full.png"), stored)


def bare_decoder(path: Path, syntax: str) -> Callable[[], object]:
    """The least that must be done for the pixels of a file."""
    if syntax not in decoding.DECODERS:
        return path.read_bytes
    frame = get_frame(pydicom.dcmread(path).PixelData, 0, number_of_frames=1)
    if syntax == SYNTAXES["rle"]:
        return functools.partial(imagecodecs.dicomrle_decode, frame, np.dtype("<u2"))
    return functools.partial(getattr(imagecodecs, decoding.DECODERS[pydicom.uid.UID(syntax)][0]), frame)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


PEAK = """
import json, sys
from pathlib import Path
from mammo_steps.core.decoding import read_pixels
from mammo_steps.make_shards import Listed, ShardSettings, prepare, start_worker
start_worker()
path = Path(sys.argv[1])
assert prepare(Listed("i", path.name, "L"), path.parent, read_pixels, ShardSettings(**json.loads(sys.argv[2]))).cuts
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line).split()[1])
"""


def peak_worker_mb(path: Path) -> float:
    """Peak resident memory of a fresh worker that prepares one file; it imports no benchmark."""
    command = [sys.executable, "-c", PEAK, str(path), json.dumps(asdict(SETTINGS))]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def measure(folder: Path, syntax: str, load: Load) -> dict[str, float]:
    """Milliseconds per file of each chain."""
    files = [folder / f"{n}.dcm" for n in range(load.n_files)]
    for n, path in enumerate(files):
        make_file(path, load.shape, n, syntax)
    decoder = default_decoder(syntax)
    times: dict[str, list[float]] = {}
    with (
        RowGroupWriter(folder / "tiles.parquet", "tiles", tiles.COMPRESSION) as tile,
        RowGroupWriter(folder / "holistic.parquet", "holistic", "lz4") as holistic,
    ):
        writer = ShardWriter(holistic, tile, SETTINGS.holistic_bits)
        for path in files * (load.n_rounds + 1):
            chains: dict[str, Callable[[], object]] = {
                "decoder": bare_decoder(path, syntax),
                "file_to_shard": lambda path=path: writer.write(
                    prepare(Listed(path.name, path.name, "L"), folder, decoding.read_pixels, SETTINGS)
                ),
                "plain_chain": functools.partial(plain_chain, path, folder, decoder, True),
                "plain_no_store": functools.partial(plain_chain, path, folder, decoder, False),
            }
            for name, chain in chains.items():
                times.setdefault(name, []).append(1000 * seconds(chain))
    return {
        name: statistics.median(values[load.n_files :]) for name, values in times.items()
    }  # first round warms


def figures(name: str, ms: dict[str, float], suffix: str) -> dict[str, float]:
    """The keys of one transfer syntax and size."""
    shard = ms["file_to_shard"]
    rows = {f"{chain}_ms": round(value, 1) for chain, value in ms.items()}
    rows |= {
        "images_per_s": round(1000 / shard, 2),
        "time_over_decoder": round(shard / ms["decoder"], 3),
        "speedup_over_plain": round(ms["plain_chain"] / shard, 3),
        "speedup_over_plain_no_store": round(ms["plain_no_store"] / shard, 3),
    }
    return {f"{name}.{key}{suffix}": value for key, value in rows.items()}


def main() -> None:
    start_worker()
    result: dict[str, Any] = {}
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        for load in LOADS:
            for syntax_name, syntax in SYNTAXES.items():
                result |= figures(syntax_name, measure(Path(name), syntax, load), load.suffix)
                result[f"{syntax_name}.plain_decoder"] = default_decoder(syntax)
                peaks.append(peak_worker_mb(Path(name) / "0.dcm"))
    result["peak_worker_mb"] = round(max(peaks))
    result["n_files"] = [load.n_files for load in LOADS]
    result["n_rounds"] = [load.n_rounds for load in LOADS]
    result |= about_this_run()
    print_table(result)
    write_json(Path(__file__).with_suffix(".json"), result)


if __name__ == "__main__":
    main()
