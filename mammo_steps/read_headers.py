"""Read the headers of one chunk of an archive's files; never the pixels, never the labels.

A file belongs to the chunk that a hash of its path below the archive says. Every file gets a row, with a
reason if it is not a mammogram for this study. The table holds the archive's own ids and paths: it is
private.
"""

import argparse
import dataclasses
import hashlib
import importlib
import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core import dicom_headers
from mammo_steps.core.dicom_headers import ExcludedFileError, Header, HeaderSettings, quiet_pydicom
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.steps import json_object, start_logging
from mammo_steps.core.tables import write_rows
from mammo_steps.core.terms import Reason

log = logging.getLogger("read_headers")

ReadHeader = Callable[[Path, HeaderSettings], Header]

_LOG_EVERY_S = 60
_NOT_OF_THE_ARCHIVE = ".snakemake_timestamp"  # Snakemake's own mark in a folder that a rule has made


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, in the order of their names, and folders that cannot be read.

    Links are followed, but not in circles.
    """
    yield from _walk(folder, frozenset())


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except PermissionError:
        yield folder
        return
    for entry in found:
        if entry.is_dir():
            yield from _walk(Path(entry.path), above | {here})
        elif entry.name != _NOT_OF_THE_ARCHIVE:
            yield Path(entry.path)


def chunk_of(relative: str, n_chunks: int) -> int:
    digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) % n_chunks


def reader_of(dataset: str) -> ReadHeader:
    """`read_header` of the data set's module, or the DICOM one where the module has none."""
    module = importlib.import_module(f"mammo_steps.datasets.{dataset}")
    found: ReadHeader = getattr(module, "read_header", dicom_headers.read_header)
    return found


def header_row(
    path: Path, relative: str, read_header: ReadHeader, settings: HeaderSettings
) -> dict[str, Any]:
    """The file's row of the `headers` table."""
    row: dict[str, Any] = {"path": relative, "file_bytes": 0}
    try:
        relative.encode()
    except UnicodeEncodeError:
        row["path"] = relative.encode("utf-8", "backslashreplace").decode()
        return row | {"reason": Reason.UNREADABLE_HEADER, "detail": "the file's name is not UTF-8"}
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return row | {"reason": Reason.FILE_GONE, "detail": "the folder cannot be read"}
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait forever
            return row | {"reason": Reason.NOT_DICOM, "detail": "no regular file"}
        row["file_bytes"] = status.st_size
        header = dataclasses.asdict(read_header(path, settings))
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:  # a dead link, a locked file
        return row | {"reason": Reason.FILE_GONE, "detail": type(error).__name__}
    except OSError as error:  # not the file but the storage; the path may name a woman
        raise OSError(error.errno, f"reading an image file failed: {error.strerror}") from None
    except ExcludedFileError as error:
        return row | error.ids | {"reason": error.reason, "detail": error.detail or None}
    except ExclusionError as error:
        return row | {"reason": error.reason, "detail": error.detail or None}
    exam_date = header.pop("exam_date")
    return row | header | {"exam_date": exam_date.isoformat() if exam_date else None}


def header_rows(
    archive: Path, chunk: int, n_chunks: int, read_header: ReadHeader, settings: HeaderSettings
) -> Iterator[dict[str, Any]]:
    """One row per file of the chunk."""
    for path in files_below(archive):
        relative = path.relative_to(archive).as_posix()
        if chunk_of(relative, n_chunks) == chunk:
            yield header_row(path, relative, read_header, settings)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intake", required=True, help="name of the intake, for the log")
    parser.add_argument("--archive", type=Path, required=True, help="folder of the image files")
    parser.add_argument("--chunk", type=int, required=True, help="which chunk, 0 to n-chunks - 1")
    parser.add_argument("--n-chunks", type=int, required=True, help="into how many the archive is divided")
    parser.add_argument("--dataset", required=True, help="module of mammo_steps/datasets")
    parser.add_argument("--metadata", type=Path, help="table of image facts, where the data set wants one")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: HeaderSettings")
    parser.add_argument("--headers", type=Path, required=True, help="written; private")
    args = parser.parse_args(argv)
    start_logging()
    quiet_pydicom()

    if not args.archive.is_dir():
        raise FileNotFoundError(
            f"archive {args.archive} is no folder: check `archive` of the intake, and the mount"
        )
    if not 0 <= args.chunk < args.n_chunks:
        raise ValueError(f"chunk is {args.chunk}, wanted 0 to {args.n_chunks - 1}")
    log.info("intake %s: headers of chunk %d of %d", args.intake, args.chunk, args.n_chunks)
    settings, read_header = HeaderSettings(**args.settings), reader_of(args.dataset)
    rows: list[dict[str, Any]] = []
    started = told = time.monotonic()
    for row in header_rows(args.archive, args.chunk, args.n_chunks, read_header, settings):
        rows.append(row)
        if time.monotonic() - told > _LOG_EVERY_S:
            told = time.monotonic()
            log.info("%d headers, %.0f per second", len(rows), len(rows) / (told - started))
    write_rows(args.headers, "headers", sorted(rows, key=lambda row: row["path"]))
    reasons = Counter(str(row["reason"]) for row in rows if row.get("reason"))
    log.info("%d files, %d mammograms, left out: %s", len(rows), len(rows) - reasons.total(), dict(reasons))


if __name__ == "__main__":
    main()
