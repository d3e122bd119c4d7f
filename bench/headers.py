"""How fast the headers of a large archive are read and indexed, in how much memory, beside plain pydicom.

`make bench-headers` prints a table and writes bench/headers.json. Files: small generated mammograms, about 100
elements of header and 1 to 4 kB of pixels, 100,000 of them, once in one folder and once in patient/exam/image
folders. Each number is of a whole run of the step by hand, process starts included.

    cold            the page cache was emptied before the run; `cold_by` says how
    peak_mb         of the largest process of the run
    plain           pydicom.dcmread(stop_before_pixels=True) and one look at each element that we use
    read_header     the step's own work on the same files, in turns with it, one process, warm
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from common import about_this_run, print_table
from pydicom.dataset import Dataset

from mammo_steps.core.dicom_fields import _KEYWORDS
from mammo_steps.core.dicom_headers import quiet_pydicom, read_header
from mammo_steps.core.dicom_writing import Identity, Machine, write_mammogram
from mammo_steps.core.files import write_json
from mammo_steps.core.header_choice import HeaderSettings

N_FILES, N_FEW = 100_000, 10_000
N_COMPARED = 2_000
IMAGES_PER_SHARD = 400
SLOTS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
SETTINGS = HeaderSettings(
    exam_id_field="StudyInstanceUID",
    presentation_intent="FOR PRESENTATION",
    accept_ml_as_mlo=False,
    accept_synthetic=False,
    accept_secondary_capture=False,
    accept_partial_views=False,
    accept_implant_displaced=False,
    implants="keep",
)
TEXTS = {
    "InstitutionName": "General Hospital", "StationName": "MG1", "StudyDescription": "MAMMO SCREENING",
    "SeriesDescription": "R CC", "DeviceSerialNumber": "12345", "SoftwareVersions": "1.7.2",
    "ProtocolName": "ROUTINE", "DetectorID": "D1", "DetectorDescription": "24x29", "DetectorType": "DIRECT",
    "KVP": "29", "ExposureTime": "900", "XRayTubeCurrent": "100", "Exposure": "90", "BodyPartThickness": "55",
    "CompressionForce": "110", "OrganDose": "0.01", "DistanceSourceToDetector": "700", "FilterMaterial": "RHODIUM",
    "DistanceSourceToPatient": "650", "PositionerPrimaryAngle": "0", "Grid": "RECIPROCATING",
    "AnodeTargetMaterial": "TUNGSTEN", "FocalSpots": "0.3", "ExposureControlMode": "AUTOMATIC",
    "RelativeXRayExposure": "400", "HalfValueLayer": "0.5", "OperatorsName": "A", "PatientComments": "none",
}  # fmt: skip
IDS = (
    "PATIENT0000",
    "1.2.826.0.1.1111111111",
    "1.2.826.0.1.2222222222",
)  # replaced in the bytes, same lengths


def templates(folder: Path) -> list[bytes]:
    """One file for each view and breast, of different lengths."""
    made = []
    for n, (laterality, view) in enumerate(SLOTS):
        path, side = folder / "template.dcm", 24 + 8 * n  # 1.2 to 4.6 kB of pixels
        identity = Identity(IDS[0], IDS[1], "1.2.9", IDS[2], laterality, view, date(2020, 1, 1), 60)
        machine = Machine("hologic", "sigmoid", "SCT", "MONOCHROME2", "1.2.840.10008.1.2.1")
        write_mammogram(path, np.full((side, side), 7, np.uint16), identity, machine, 0.07)
        ds = pydicom.dcmread(path)
        for name, text in TEXTS.items():
            setattr(ds, name, text)
        block = ds.private_block(0x0019, "MAKER 1.0", create=True)
        for element in range(15):
            block.add_new(element, "LO", f"private value {element}")
        ds.save_as(path)
        made.append(path.read_bytes())
    return made


def relative_path(n: int, nested: bool) -> str:
    if nested:
        return f"{n // 8:07d}/{n // 4:07d}/{n:07d}.dcm"  # two exams of four images per woman
    return f"{n:07d}.dcm"


def make_archive(archive: Path, n_files: int, nested: bool) -> None:
    archive.mkdir(parents=True)
    made = templates(archive.parent)
    for n in range(n_files):
        path = archive / relative_path(n, nested)
        if nested and n % 4 == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        content = made[n % 4].replace(IDS[0].encode(), b"PATIENT%04d" % (n // 8 % 10_000))
        content = content.replace(IDS[1].encode(), b"1.2.826.0.1.1%09d" % (n // 4))
        path.write_bytes(content.replace(IDS[2].encode(), b"1.2.826.0.1.2%09d" % n))


def empty_cache(archive: Path) -> str:
    """Forget the archive's files; returns by which means."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return "drop_caches"
    except OSError:
        for folder, _, names in os.walk(archive):
            for name in names:
                file = os.open(Path(folder) / name, os.O_RDONLY)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(file)
        return "posix_fadvise (folders and inodes stay cached)"


def run_step(step: str, *arguments: str) -> dict[str, float]:
    """Run a step as a user does; its wall time in s and peak memory in MB."""
    # by way of a shell, or the step's peak would start at this process's own
    shell = ["sh", "-c", '"$@"; exit $?', "sh"]
    command = [*shell, sys.executable, "-m", f"mammo_steps.{step}", *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall_s = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{step} failed:\n{done.stderr}")
    cost = json.loads(done.stderr.rsplit("cost: ", 1)[1])
    return {"wall_s": wall_s, "peak_mb": cost["peak_mb"]}


def read_headers(archive: Path, headers: Path, workers: int) -> dict[str, float]:
    return run_step(
        "read_headers", "--intake", "bench", "--archive", str(archive), "--chunk", "0", "--n-chunks", "1",
        "--dataset", "own_archive", "--workers", str(workers), "--settings", json.dumps(asdict(SETTINGS)),
        "--headers", str(headers),
    )  # fmt: skip


def index_archive(headers: Path, n_files: int) -> dict[str, float]:
    return run_step(
        "index_archive", "--intake", "bench", "--headers", str(headers), "--key", "a key for benchmarks only",
        "--index", str(headers.parent / "index.parquet"), "--lists", str(headers.parent / "lists"),
        "--n-shards", str(-(-n_files // IMAGES_PER_SHARD)),
    )  # fmt: skip


def plainly(path: Path) -> Dataset:
    """What most people write."""
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    for name in _KEYWORDS:
        getattr(ds, name, None)
    return ds


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def beside_pydicom(archive: Path, n_files: int) -> Iterator[tuple[str, float]]:
    """Microseconds per file of both, medians, warm, in turns."""
    quiet_pydicom()
    plain, ours = [], []
    for n in range(min(n_files, N_COMPARED)):
        path = archive / relative_path(n, nested=False)
        path.read_bytes()
        plain.append(seconds(lambda path=path: plainly(path)))
        ours.append(seconds(lambda path=path: read_header(path, SETTINGS)))
    yield "plain_us", round(1e6 * statistics.median(plain), 1)
    yield "read_header_us", round(1e6 * statistics.median(ours), 1)
    yield "plain_over_read_header", round(statistics.median(plain) / statistics.median(ours), 2)


def measure(folder: Path, n_files: int) -> Iterator[tuple[str, Any]]:
    headers = folder / "headers.parquet"
    for layout in ("flat", "nested"):
        archive = folder / layout
        make_archive(archive, n_files, nested=layout == "nested")
        for workers in (1, 2):
            yield "cold_by", empty_cache(archive)
            for state in ("cold", "warm"):
                found = read_headers(archive, headers, workers)
                name = f"{layout}.{state}.{workers}_workers"
                yield f"{name}.files_per_s", round(n_files / found["wall_s"])
                yield f"{name}.peak_mb", found["peak_mb"]
        if layout == "flat":
            yield from beside_pydicom(archive, n_files)
            found = index_archive(headers, n_files)
            yield "index_archive.files_per_s", round(n_files / found["wall_s"])
            yield "index_archive.peak_mb", found["peak_mb"]
        shutil.rmtree(archive)
    make_archive(folder / "few", min(N_FEW, n_files), nested=False)
    yield "few_files", min(N_FEW, n_files)
    yield "few_files.peak_mb", read_headers(folder / "few", headers, 1)["peak_mb"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=N_FILES, help="number of files, for a quick run")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"), help="written")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-headers-") as name:
        folder = Path(name)
        result: dict[str, Any] = {"n_files": args.files}
        result |= dict(measure(folder, args.files))
    result |= about_this_run()
    print_table(result)
    write_json(args.json, result)


if __name__ == "__main__":
    main()
