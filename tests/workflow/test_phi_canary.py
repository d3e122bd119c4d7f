"""Nothing of a header, a file name or a label's id leaves the private folder, whatever goes wrong."""

import base64
import gzip
import io
import json
import stat
import subprocess
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from canary_archive import make_archive
from canary_search import DAY, NUMBER, UID_ROOT, WORD, Search
from canary_site import Site
from PIL import Image, PngImagePlugin

DOCTOR = "results/demo/cohort/doctor.html"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    folder = tmp_path_factory.mktemp("canaries")
    return folder, make_archive(folder)


@pytest.fixture(scope="module")
def whole(made: tuple[Path, set[str]]) -> tuple[Site, subprocess.CompletedProcess[str]]:
    """A run of everything that the workflow makes."""
    site = Site(*made)
    return site, site.run("all", DOCTOR, "-p")


def test_a_whole_run_leaves_nothing_planted_outside_the_private_folder(
    whole: tuple[Site, subprocess.CompletedProcess[str]],
) -> None:
    site, result = whole
    assert result.returncode == 0, result.stdout + result.stderr
    site.check(result)
    excluded = pd.read_parquet(site.work / "results/demo/cohort/excluded.parquet")
    assert excluded[excluded.level.isin(["file", "image"])].reason.nunique() >= 6
    for page in ("results/demo/report/report.html", DOCTOR):
        assert (site.work / page).stat().st_size > 10_000


def test_the_same_search_finds_what_lies_in_the_archive_and_in_the_private_folder(
    whole: tuple[Site, subprocess.CompletedProcess[str]],
) -> None:
    site, _ = whole
    found = site.search.below(site.folder, site.folder / "made")
    places = {path.split("/")[0] for path in found}
    assert {"archive", "labels.csv", "lesions.csv", "work"} <= places
    private = {path for path in found if path.startswith("work/private/")}
    assert any("headers" in path for path in private) and any("shards" in path for path in private)


def test_the_private_folder_and_its_key_are_their_owners_alone(
    whole: tuple[Site, subprocess.CompletedProcess[str]],
) -> None:
    private = whole[0].work / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((private / "id_key").stat().st_mode) == 0o600
    key = (private / "id_key").read_text().strip().encode()
    for path in whole[0].work.rglob("*"):
        if path.is_file() and private not in path.parents:
            assert key not in path.read_bytes(), path


def _png(text: str) -> bytes:
    meta, out = PngImagePlugin.PngInfo(), io.BytesIO()
    meta.add_text("Comment", text, zip=True)
    Image.new("L", (4, 4)).save(out, "png", pnginfo=meta)
    return out.getvalue()


def _table(text: str, metadata: str = "") -> bytes:
    out = io.BytesIO()
    schema = pa.schema([pa.field("a", pa.string())], metadata={"b": metadata})
    pq.write_table(pa.table({"a": [text] * 3}, schema=schema), out, compression="zstd")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{WORD}.log", b""),
        ("a.log", f"x{WORD.lower()}y".encode()),
        ("a.log", f"on {DAY[6:]}.{DAY[4:6]}.{DAY[:4]}".encode()),
        ("a.csv", f"1,{NUMBER},2".encode()),
        ("a.json", json.dumps({"a": f"{UID_ROOT}.5"}).encode()),
        ("a.json", b'{"a": "\\u0051ZVXKWJY"}'),
        ("a.parquet", _table("x" * 100 + WORD)),
        ("a.parquet", _table("", metadata=WORD)),
        ("a.gz", gzip.compress(WORD.encode(), mtime=0)),
        ("a.png", _png(WORD)),
        ("a.html", b"&#81;ZVXKWJY"),
        ("a.html", b"<img src='data:image/png;base64," + base64.b64encode(_png(WORD)) + b"'>"),
        ("a.safetensors", b"\x30\0\0\0\0\0\0\0" + json.dumps({"__metadata__": {"a": WORD}}).encode()),
    ],
)
def test_the_search_looks_into_every_kind_of_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(Search([]).below(tmp_path)) == [name]


def test_the_search_takes_no_part_of_a_number_for_a_date(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"0.{DAY}, 1{DAY}, {DAY}3, {DAY[:4]}")
    assert Search([]).below(tmp_path) == {}
