"""Every file of an archive gets one row in one chunk."""

import errno
import functools
import json
import operator
import os
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pydicom
import pytest
from header_settings import header_settings
from made_files import make_dicom
from pydicom.uid import DeflatedExplicitVRLittleEndian

from mammo_steps import datasets
from mammo_steps.core.tables import batch_writer, read_table
from mammo_steps.read_headers import Source, chunk_of, files_below, header_of, main

SETTINGS = json.dumps(asdict(header_settings()))


def read(
    archive: Path, out: Path, chunk: int = 0, n_chunks: int = 1, settings: str = SETTINGS, **more: str
) -> list[dict[str, Any]]:
    headers = out / f"headers-{chunk}.parquet"
    arguments = ["--intake", "first", "--archive", str(archive), "--settings", settings]
    arguments += ["--dataset", "own_archive", "--chunk", str(chunk), "--n-chunks", str(n_chunks)]
    for name, value in more.items():
        arguments += [f"--{name}", value]
    main([*arguments, "--headers", str(headers)])
    rows: list[dict[str, Any]] = read_table(headers, "headers").to_pylist()
    return rows


def make_archive(folder: Path, n: int = 12) -> Path:
    for i in range(n):
        make_dicom(folder / f"{i % 3}/{i:02d}.dcm", ids=(f"P{i}", f"1.2.{i}", f"1.2.{i}.1"))
    return folder


def test_a_mammogram_gives_its_header_and_its_path(tmp_path: Path) -> None:
    path = make_dicom(tmp_path / "archive/a/b.dcm", laterality="R", view="MLO")
    (row,) = read(tmp_path / "archive", tmp_path)
    assert row == {
        "path": "a/b.dcm",
        "image_id": "1.2.10.1",
        "patient_id": "P1",
        "exam_id": "1.2.10",
        "laterality": "R",
        "view": "MLO",
        "height_px": 160,
        "width_px": 120,
        "photometric": "MONOCHROME2",
        "bits_stored": 12,
        "transfer_syntax": "1.2.840.10008.1.2.1",
        "vendor": "hologic",
        "pixel_spacing_mm": 0.07,
        "exam_date": "2015-03-04",
        "acquired": "2015-03-04T12:00:00",
        "age_years": 61,
        "model": "Synthetic phantom",
        "intent": "presentation",
        "window": "linear_exact",
        "n_windows": 3,
        "implant": False,
        "implant_displaced": False,
        "partial": False,
        "synthetic": False,
        "burned_in": False,
        "file_bytes": path.stat().st_size,
        "reason": None,
        "detail": None,
    }


def test_chunks_share_the_files_out_whatever_their_order(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    paths = [[row["path"] for row in read(archive, tmp_path, chunk, 3)] for chunk in range(3)]
    assert all(paths) and all(chunk == sorted(chunk) for chunk in paths)
    assert sorted(functools.reduce(operator.iadd, paths, [])) == [
        f"{i % 3}/{i:02d}.dcm" for i in sorted(range(12), key=lambda i: (i % 3, i))
    ]
    assert chunk_of("2/05.dcm", 3) == next(i for i in range(3) if "2/05.dcm" in paths[i])


def test_files_that_are_no_mammograms_get_a_row_with_a_reason(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", 1)
    (archive / ".hidden").write_text("x")
    (archive / "readme.txt").write_text("x")
    make_dicom(archive / "spot.dcm", change=lambda ds: setattr(ds, "PaddleDescription", "SPOT"))
    rows = {row["path"]: row for row in read(archive, tmp_path)}
    reasons = {path: row["reason"] for path, row in rows.items()}
    assert reasons == {
        ".hidden": "not_dicom",
        "0/00.dcm": None,
        "readme.txt": "not_dicom",
        "spot.dcm": "special_view",
    }
    assert rows["spot.dcm"]["exam_id"] == "1.2.10"  # the flow chart wants to know whose images are left out
    assert rows["spot.dcm"]["detail"] == "by PaddleDescription"


def test_dead_links_pipes_and_locked_files_do_not_stop_the_step(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", 1)
    (archive / "dead.dcm").symlink_to(tmp_path / "nowhere")
    os.mkfifo(archive / "pipe.dcm")
    reasons = {row["path"]: row["reason"] for row in read(archive, tmp_path)}
    assert reasons == {"0/00.dcm": None, "dead.dcm": "file_gone", "pipe.dcm": "not_dicom"}


def test_names_that_are_not_utf8_get_a_row(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    make_dicom(archive / "a.dcm")
    (archive / "a.dcm").rename(os.fsdecode(os.fsencode(archive) + b"/caf\xe9.dcm"))
    (row,) = read(archive, tmp_path)
    assert row["reason"] == "unreadable_header" and row["detail"] == "the file's name is not UTF-8"


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x").touch()
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/y").touch()
    (tmp_path / "a/link").symlink_to(tmp_path / "elsewhere")
    assert list(files_below(tmp_path / "a", lambda path: True)) == ["b/x", "link/y"]


def test_files_of_other_chunks_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/x", "a", "b.c", "b/a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    asked: list[Path] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda path, **kw: asked.append(path) or stat(path, **kw))
    assert list(files_below(tmp_path, lambda path: path != "a")) == ["b.c", "b/a", "b/x"]
    assert asked == [tmp_path, tmp_path / "b"]


def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive(tmp_path / "archive", 2)
    scandir = os.scandir

    def locked(folder: Path) -> Any:
        if folder.name == "1":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    found = {row["path"]: (row["reason"], row["detail"]) for row in read(archive, tmp_path)}
    assert found == {"0/00.dcm": (None, None), "1": ("file_gone", "the folder cannot be read")}


def test_a_failing_disk_stops_the_step_without_naming_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    archive = make_archive(tmp_path / "archive", 1)
    source = Source(archive, "own_archive", None, header_settings())
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(OSError, match="reading an image file failed: Input/output error") as caught:
        header_of(source, "0/00.dcm")
    assert "00.dcm" not in str(caught.value) and caught.value.__suppress_context__


def test_a_link_to_itself_is_gone(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", 1)
    (archive / "self.dcm").symlink_to(archive / "self.dcm")
    rows = {row["path"]: (row["reason"], row["detail"]) for row in read(archive, tmp_path)}
    assert rows == {"0/00.dcm": (None, None), "self.dcm": ("file_gone", "ELOOP")}


def test_workers_change_nothing_in_the_table(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive", 300)  # three batches
    one, two = tmp_path / "one", tmp_path / "two"
    assert read(archive, one, workers="1") == read(archive, two, workers="2")
    assert (one / "headers-0.parquet").read_bytes() == (two / "headers-0.parquet").read_bytes()


def make_bomb(path: Path, n_blocks: int) -> None:
    """A deflated DICOM file of `n_blocks` times 100 MB of nothing, each about 100 kB in the file."""
    plain = make_dicom(path)
    ds = pydicom.dcmread(plain)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    pydicom.dcmwrite(plain, ds, implicit_vr=False, little_endian=True, force_encoding=True)
    with plain.open("rb") as file:
        head = file.read(pydicom.filereader.read_file_meta_info(plain).FileMetaInformationGroupLength + 144)
    packer = zlib.compressobj(wbits=-15)
    block = packer.compress(bytes(100_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(head + block * n_blocks + packer.flush())


def test_a_file_that_floods_its_reader_is_left_out_alone(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "archive")
    make_bomb(archive / "1/bomb.dcm", 12)
    rows = {row["path"]: row for row in read(archive, tmp_path)}
    out = {path: (row["reason"], row["detail"]) for path, row in rows.items() if row["reason"]}
    assert out == {"1/bomb.dcm": ("unreadable_header", "its reader needed more than 1000 MB")}
    assert list(rows) == sorted(rows) and len(rows) == 13


def test_a_write_that_fails_leaves_no_table(tmp_path: Path) -> None:
    with pytest.raises(KeyError), batch_writer(tmp_path / "a.parquet", "headers") as write:
        write({})
    assert not list(tmp_path.iterdir())


def test_the_log_names_no_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "archive"
    make_dicom(archive / "Olsen_Kari.dcm", ids=("Kari Olsen", "1.2.3", "not a uid"))
    make_dicom(archive / "Olsen_Kari_spot.dcm", change=lambda ds: setattr(ds, "PaddleDescription", "SPOT"))
    read(archive, tmp_path)
    told = capsys.readouterr().err
    assert "2 files, 1 mammograms, left out: {'special_view': 1}" in told
    assert "Olsen" not in told


def test_a_data_set_may_bring_its_own_reader(tmp_path: Path) -> None:
    write_pgm = b"P5 4 4 255\n" + bytes(range(1, 17))
    (tmp_path / "mdb028.pgm").write_bytes(write_pgm)
    header, n_bytes = header_of(Source(tmp_path, "mini_mias", None, header_settings()), "mdb028.pgm")
    assert (header.patient_id, header.view, n_bytes) == ("MIAS014", "MLO", 27)


FACTS = """
import csv
from mammo_steps.core.labels import ImageFacts

def image_facts(metadata):
    with metadata.open() as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    return lambda relative, ds: ImageFacts(exam_id=rows[relative]["exam"] + ds.Modality)
"""


def test_a_data_set_may_know_facts_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "factual.py").write_text(FACTS)
    monkeypatch.setattr(datasets, "__path__", [*datasets.__path__, str(folder)])
    archive = make_archive(tmp_path / "archive", 2)
    table = tmp_path / "facts.csv"
    table.write_text("path,exam\n0/00.dcm,E1\n1/01.dcm,E2\n")
    source = Source(archive, "factual", table, header_settings())
    assert [header_of(source, path)[0].exam_id for path in ("0/00.dcm", "1/01.dcm")] == ["E1MG", "E2MG"]
    monkeypatch.setattr("mammo_steps.core.steps.begin", lambda *_: None)  # its code is not in the package
    with pytest.raises(FileNotFoundError):  # before any file is read
        read(archive, tmp_path, dataset="factual", metadata=str(tmp_path / "gone.csv"))


def test_wrong_arguments_stop_before_any_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder: check `archive`"):
        read(tmp_path / "nowhere", tmp_path)
    with pytest.raises(ValueError, match="chunk is 2, wanted 0 to 1"):
        read(tmp_path, tmp_path, 2, 2)
    with pytest.raises(TypeError, match="exam_field"):
        read(tmp_path, tmp_path, settings='{"exam_field": "StudyInstanceUID"}')
