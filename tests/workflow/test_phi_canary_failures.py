"""As test_phi_canary, when a run goes wrong: messages, logs and half-made results say nothing of a woman."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from canary_archive import make_archive
from canary_search import DAY, UID_ROOT, WORD
from canary_site import Site

pytestmark = pytest.mark.long

INDEX = "results/demo/intakes/demo/index.parquet"
ROLES = "results/demo/cohort/roles.parquet"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    folder = tmp_path_factory.mktemp("made")
    return folder, make_archive(folder)


@pytest.fixture
def site(made: tuple[Path, set[str]], tmp_path: Path) -> Site:
    """A copy of the archive and its tables, to be spoilt further."""
    for name in ("labels.csv", "lesions.csv"):
        shutil.copy(made[0] / name, tmp_path)
    shutil.copytree(made[0] / "archive", tmp_path / "archive", symlinks=True)
    return Site(tmp_path, made[1])


def _edit(path: Path, change: Callable[[list[list[str]]], object]) -> None:
    rows = [line.split(",") for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


WRONG_LABELS: dict[str, Callable[[list[list[str]]], object]] = {
    "a word for an outcome": lambda rows: rows[1].__setitem__(rows[0].index("outcome"), f"{WORD} outcome"),
    "a side that is none": lambda rows: rows[1].__setitem__(rows[0].index("cancer_laterality"), WORD),
    "text for a score": lambda rows: rows[1].__setitem__(rows[0].index("reader_1_left"), f"{WORD} {DAY}"),
    "an exam twice": lambda rows: rows.append(rows[1]),
    "an exam of two women": lambda rows: rows.append([f"{WORD}2", *rows[1][1:]]),
    "a woman without an id": lambda rows: rows[1].__setitem__(0, ""),
    "a column more": lambda rows: [row.append(f"{WORD} {n}") for n, row in enumerate(rows)],
    "a cell more": lambda rows: rows[2].append(f"{WORD} more"),
    "a quote that is not closed": lambda rows: rows[3].__setitem__(0, f'"{WORD}'),
    "no header": lambda rows: rows.pop(0),
    "tabs": lambda rows: rows.__setitem__(slice(None), [["\t".join(row)] for row in rows]),
}


@pytest.mark.parametrize("fault", WRONG_LABELS)
def test_wrong_labels_are_refused_without_a_word_of_them(site: Site, fault: str) -> None:
    _edit(site.folder / "labels.csv", WRONG_LABELS[fault])
    result = site.run(ROLES)
    assert result.returncode != 0 and "label table is wrong" in result.stdout + result.stderr
    site.check(result)


def test_labels_of_other_women_and_exams_are_left_out_without_their_ids(site: Site) -> None:
    def change(rows: list[list[str]]) -> None:
        rows[1][0] = f"{WORD} another"
        rows[2][1] = f"{UID_ROOT}.77"

    _edit(site.folder / "labels.csv", change)
    result = site.run(ROLES)
    assert result.returncode == 0
    site.check(result)


def test_an_archive_that_vanishes_is_named_by_its_root_alone(site: Site) -> None:
    assert site.run(INDEX).returncode == 0
    archive = site.folder / "archive"
    archive.rename(site.folder / "elsewhere")
    archive.mkdir()
    result = site.run(ROLES)
    assert result.returncode != 0
    site.check(result)
    archive.rmdir()
    result = site.run(ROLES)
    assert result.returncode != 0 and "is not a folder" in result.stdout + result.stderr
    site.check(result)


def test_files_that_vanish_or_change_after_the_index_are_left_out_without_their_names(site: Site) -> None:
    assert site.run(INDEX).returncode == 0
    files = sorted((site.folder / "archive").rglob("*.dcm"))
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:3000])
    files[2].unlink()
    files[2].mkdir()
    files[3].unlink()
    files[3].symlink_to(files[3])  # the disk refuses to open it
    for path, name in zip(files[4:], ("WindowCenter", "RescaleSlope", "BitsStored", "Rows"), strict=False):
        ds = pydicom.dcmread(path)
        ds.add_new(name, "LT", f"{WORD} {name}")  # decoders and lookup tables raise with the text
        ds.save_as(path)
    site.check(site.run(ROLES))


def test_a_missing_key_stops_a_study_that_has_results(site: Site) -> None:
    assert site.run(INDEX).returncode == 0
    (site.work / "private/id_key").unlink()
    result = site.run(ROLES)
    assert result.returncode != 0 and "id_key is missing" in result.stdout + result.stderr
    site.check(result)


def test_a_damaged_shard_list_is_refused_without_its_paths(site: Site) -> None:
    assert site.run(INDEX).returncode == 0
    (lists,) = site.work.glob("private/demo/intakes/demo/shards")
    for path in lists.glob("*.csv"):
        path.write_text(path.read_text().replace(",L", ",Q"))
    result = site.run(ROLES)
    assert result.returncode != 0
    site.check(result)


@pytest.mark.parametrize("step", ["read_headers", "make_shards", "train_holistic"])
def test_killed_jobs_leave_nothing_planted(site: Site, step: str) -> None:
    process = site.start("all", "-p")
    log, end = site.work / "results/demo/logs" / step, time.monotonic() + 300
    while not (log.is_dir() and any(path.stat().st_size for path in log.iterdir())):
        assert time.monotonic() < end and process.poll() is None, "the step was never seen"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:  # until the last process of the group is gone
            os.killpg(process.pid, 0)
            time.sleep(0.02)
    site.check(subprocess.CompletedProcess([], process.returncode, out, err))
