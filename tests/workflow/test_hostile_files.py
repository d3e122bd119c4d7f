"""Files made to break a decoder: each is used or excluded, and none stops a step or takes much memory."""

import csv
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bombs import bombs, odd_entries
from header_settings import header_settings
from hostile_files import CANARY, Mutator, bases
from made_files import half_disc, make_dicom
from pydicom.uid import ExplicitVRLittleEndian

from mammo_steps import make_shards
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.ordered_pool import Limits
from mammo_steps.core.preparing import LIMITS
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Reason
from mammo_steps.core.tiles import TileReader

SETTINGS = {"holistic_width_px": 32, "holistic_bits": 8, "tile_side_px": 64, "orientation_conflict": "keep"}
PARENT_MB = 600
WORKER_MB = LIMITS.memory_mb + 400
_FILES_PER_SHARD = 500
# a step in a process of its own, that tells its memory and that of its largest worker
_MEASURED = """
import json, resource, sys
from importlib import import_module
from pathlib import Path
import_module(f"mammo_steps.{sys.argv[1]}").main(sys.argv[2:])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
parent_mb = int(status["VmHWM"].split()[0]) / 1024
print(json.dumps([parent_mb, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024]))
"""


def measured(step: str, *arguments: str) -> None:
    """Run a step; it ends well, within its memory, and says nothing of a header."""
    command = [sys.executable, "-c", _MEASURED, step, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr
    assert CANARY not in result.stderr + result.stdout
    parent_mb, worker_mb = json.loads(result.stdout.splitlines()[-1])
    print(f"{step}: parent {parent_mb:.0f} MB, largest worker {worker_mb:.0f} MB")
    assert parent_mb < PARENT_MB and worker_mb < WORKER_MB, (step, parent_mb, worker_mb)


def header_rows(archive: Path, out: Path) -> list[dict[str, Any]]:
    measured(
        "read_headers", "--intake", "hostile", "--archive", str(archive), "--chunk", "0", "--n-chunks", "1",
        "--dataset", "own_archive", "--workers", "2", "--settings", json.dumps(asdict(header_settings())),
        "--headers", str(out / "headers.parquet"),
    )  # fmt: skip
    found: list[dict[str, Any]] = read_table(out / "headers.parquet", "headers").to_pylist()
    return found


def shard_flags(archive: Path, out: Path, files: list[str]) -> list[str]:
    """The arguments of make_shards over these files, each said to be a left breast."""
    out.mkdir(exist_ok=True)
    with (out / "list.csv").open("w", newline="") as file:
        rows = [(f"i{n:06}", name, "L") for n, name in enumerate(files)]
        csv.writer(file).writerows([("image_id", "path", "laterality"), *rows])
    flags = ["--archive", str(archive), "--list", str(out / "list.csv"), "--dataset", "own_archive"]
    flags += ["--settings", json.dumps(SETTINGS), "--workers", "2"]
    return flags + [f"--{name}={out / name}.parquet" for name in ("holistic", "tiles", "images")]


def shard_rows(archive: Path, out: Path, files: list[str]) -> list[dict[str, Any]]:
    measured("make_shards", *shard_flags(archive, out, files))
    rows: list[dict[str, Any]] = read_table(out / "images.parquet", "shard_images").to_pylist()
    assert len(rows) == len(files)
    with TileReader(out / "tiles.parquet") as reader:
        for row in rows:
            if row["reason"] is None:
                matrix = reader.read_region(row, 0, 0, row["height_px"], row["width_px"])
                assert matrix.shape == (row["height_px"], row["width_px"]) and matrix.min() < matrix.max()
                assert row["holistic_width_px"] == 32 and row["holistic_height_px"] >= 1
    return rows


def check(row: dict[str, Any]) -> str:
    """Taken, or left out for one reason in our own words; returns which."""
    detail = row["detail"] or ""
    assert CANARY not in detail and re.fullmatch(r"[\w ,.:;()'/-]{0,120}", detail, re.ASCII), detail
    if row["reason"] is None:
        assert not detail
        return "taken"
    return f"{Reason(row['reason'])}"


def run(archive: Path, out: Path, names: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Both steps over an archive; outcome -> number of files, of the headers and of the pixels of `names`."""
    out.mkdir()
    headers = header_rows(archive, out)
    outcomes: Counter[str] = Counter()
    for start in range(0, len(names), _FILES_PER_SHARD):
        rows = shard_rows(archive, out / f"shard{start}", names[start : start + _FILES_PER_SHARD])
        outcomes.update(check(row) for row in rows)
    return Counter(check(row) for row in headers), outcomes


def write_mutants(archive: Path, originals: list[bytes], n: int, seed: int) -> list[str]:
    archive.mkdir()
    names = []
    for number, (way, content) in enumerate(Mutator(originals, seed).files(n)):
        names.append(f"{number:05}_{way}.dcm")
        (archive / names[-1]).write_bytes(content)
    return names


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    quiet_pydicom()
    return bases(tmp_path_factory.mktemp("bases"))


def test_all_originals_are_taken(originals: dict[str, bytes], tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for number, content in enumerate(originals.values()):
        (archive / f"{number}.dcm").write_bytes(content)
    names = sorted(path.name for path in archive.iterdir())
    everything = {"taken": len(originals)}
    assert run(archive, tmp_path / "out", names) == (everything, everything)


def test_two_hundred_damaged_files_are_used_or_left_out(originals: dict[str, bytes], tmp_path: Path) -> None:
    names = write_mutants(tmp_path / "archive", list(originals.values()), 200, seed=1)
    n_odd = odd_entries(tmp_path / "archive", originals[ExplicitVRLittleEndian])
    headers, pixels = run(tmp_path / "archive", tmp_path / "out", [*names, "sparse.dcm", "dead.dcm"])
    assert headers.total() == 200 + n_odd and pixels.total() == 202
    assert headers["taken"] > 50 and pixels["taken"] > 20 and pixels["undecodable"] > 50
    print(headers, pixels)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_thousands_of_damaged_files_are_used_or_left_out(
    seed: int, originals: dict[str, bytes], test_data: Path, tmp_path: Path
) -> None:
    samples = sorted((test_data / "data/dicom-samples").glob("*.dcm"))
    real = [path.read_bytes() for path in samples if path.stat().st_size < 300_000]
    mostly_small = [*originals.values()] * 3 + real
    names = write_mutants(tmp_path / "archive", mostly_small, 1100, seed=100 + seed)
    headers, pixels = run(tmp_path / "archive", tmp_path / "out", names)
    assert headers.total() == pixels.total() == 1100
    print(headers, pixels)


@pytest.mark.long
def test_bombs_cost_themselves_alone(originals: dict[str, bytes], tmp_path: Path) -> None:
    archive, plain = tmp_path / "archive", originals[ExplicitVRLittleEndian]
    archive.mkdir()
    made = bombs(plain)
    for name, content in made.items():
        (archive / f"{name}.dcm").write_bytes(content)
        (archive / f"{name} after.dcm").write_bytes(plain)
    names = sorted(path.name for path in archive.iterdir())
    headers, pixels = run(archive, tmp_path / "out", names)
    print(headers, pixels)
    assert headers.total() == pixels.total() == 2 * len(made)
    # two deflate bombs, and two nests too deep to be followed
    assert headers == {"taken": 2 * len(made) - 4, "unreadable_header": 4}
    rows = read_table(tmp_path / "out/shard0/images.parquet", "shard_images").to_pylist()
    found = {name.removesuffix(".dcm"): row for name, row in zip(names, rows, strict=True)}
    assert all(found[f"{name} after"]["reason"] is None for name in made)
    assert {name for name in made if found[name]["reason"] is None} == {"nested_50", "fragments"}
    assert found["deflate"]["detail"] == f"decoding it needed more than {LIMITS.memory_mb} MB"


def test_a_file_beyond_the_limits_gets_its_row_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_shards, "LIMITS", Limits(seconds=60, memory_mb=60))
    make_dicom(tmp_path / "a.dcm")
    make_dicom(tmp_path / "b.dcm", grey=np.kron(half_disc(), np.ones((40, 40), np.uint16)))  # 61 MB
    make_dicom(tmp_path / "c.dcm")
    make_shards.main(shard_flags(tmp_path, tmp_path / "out", ["a.dcm", "b.dcm", "c.dcm"]))
    rows = read_table(tmp_path / "out/images.parquet", "shard_images").to_pylist()
    assert [row["reason"] for row in rows] == [None, "undecodable", None]
    assert rows[1]["detail"] == "decoding it needed more than 60 MB"
