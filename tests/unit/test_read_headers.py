"""Every file of an archive gets one row in one chunk."""

import errno
import functools
import json
import operator
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from header_settings import header_settings
from made_files import make_dicom

from mammo_steps.core import dicom_headers
from mammo_steps.core.tables import read_table
from mammo_steps.datasets import mini_mias
from mammo_steps.read_headers import chunk_of, files_below, main, reader_of

SETTINGS = json.dumps(asdict(header_settings()))


def read(
    archive: Path, out: Path, chunk: int = 0, n_chunks: int = 1, settings: str = SETTINGS
) -> list[dict[str, Any]]:
    headers = out / f"headers-{chunk}.parquet"
    main(
        [
            "--intake",
            "first",
            "--archive",
            str(archive),
            "--dataset",
            "own_archive",
            "--settings",
            settings,
            "--chunk",
            str(chunk),
            "--n-chunks",
            str(n_chunks),
            "--headers",
            str(headers),
        ]
    )
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
        "age_years": 61,
        "implant": False,
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
    found = [path.relative_to(tmp_path / "a").as_posix() for path in files_below(tmp_path / "a")]
    assert found == ["b/x", "link/y"]


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
    def fail(path: Path, *_: object) -> None:
        raise OSError(errno.EIO, "Input/output error", str(path))

    archive = make_archive(tmp_path / "archive", 1)
    monkeypatch.setattr(dicom_headers, "read_header", fail)
    with pytest.raises(OSError, match="reading an image file failed: Input/output error") as caught:
        read(archive, tmp_path)
    assert "00.dcm" not in str(caught.value) and caught.value.__suppress_context__


def test_the_log_names_no_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "archive"
    make_dicom(archive / "Olsen_Kari.dcm", ids=("Kari Olsen", "1.2.3", "not a uid"))
    make_dicom(archive / "Olsen_Kari_spot.dcm", change=lambda ds: setattr(ds, "PaddleDescription", "SPOT"))
    read(archive, tmp_path)
    told = capsys.readouterr().err
    assert "2 files, 1 mammograms, left out: {'special_view': 1}" in told
    assert "Olsen" not in told


def test_a_data_set_may_bring_its_own_reader(tmp_path: Path) -> None:
    assert reader_of("mini_mias") is mini_mias.read_header
    settings = header_settings(exam_id_field="StudyInstanceUID")
    assert reader_of("own_archive")(make_dicom(tmp_path / "a.dcm"), settings).patient_id == "P1"


def test_wrong_arguments_stop_before_any_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder: check `archive`"):
        read(tmp_path / "nowhere", tmp_path)
    with pytest.raises(ValueError, match="chunk is 2, wanted 0 to 1"):
        read(tmp_path, tmp_path, 2, 2)
    with pytest.raises(TypeError, match="exam_field"):
        read(tmp_path, tmp_path, settings='{"exam_field": "StudyInstanceUID"}')
