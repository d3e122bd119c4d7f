"""Read the headers of one chunk of an archive's files; never the pixels, never the labels.

A file belongs to the chunk that a hash of its path below the archive says. Every file gets a row, with a
reason if it is not a mammogram for this study; one whose header crashes, hangs or floods its reader is left
out, too. The table holds the archive's own ids and paths: it is private.
"""

import argparse
import errno
import functools
import hashlib
import importlib
import logging
import os
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mammo_steps.core import dicom_headers
from mammo_steps.core.columns import TABLES
from mammo_steps.core.dicom_headers import Header, quiet_pydicom
from mammo_steps.core.exclusions import ExclusionError
from mammo_steps.core.files import NO_FILE
from mammo_steps.core.header_choice import HeaderSettings
from mammo_steps.core.labels import FactsOf
from mammo_steps.core.ordered_pool import Limits, Lost, in_order
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import batch_writer
from mammo_steps.core.terms import Reason

log = logging.getLogger("read_headers")

ReadHeader = Callable[[Path, HeaderSettings], Header]
Columns = dict[str, list[Any]]  # of the `headers` table

_FILES_PER_BATCH = 128
_BATCH_LIMITS = Limits(seconds=120, memory_mb=1000)
_FILE_LIMITS = Limits(seconds=30, memory_mb=1000)
_LOG_EVERY_S = 60
_NOT_OF_THE_ARCHIVE = ".snakemake_timestamp"  # Snakemake's own mark in a folder that a rule has made
_GONE = (FileNotFoundError, PermissionError, IsADirectoryError)  # a dead link, a locked file


def files_below(folder: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Paths below a folder (posix) of the files that are `wanted`, and of locked folders, in their order.

    Links are followed, but not in circles. Files that are not wanted are not touched.
    """
    yield from _walk(folder, "", wanted, frozenset())


def _walk(
    folder: Path, below: str, wanted: Callable[[str], bool], above: frozenset[tuple[int, int]]
) -> Iterator[str]:
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    try:
        names = sorted(_names(folder, below, wanted))
    except PermissionError:
        if wanted(below.rstrip("/")):
            yield below.rstrip("/")
        return
    for name in names:
        if name.endswith("/"):
            yield from _walk(folder / name, below + name, wanted, above | {here})
        else:
            yield below + name


def _names(folder: Path, below: str, wanted: Callable[[str], bool]) -> Iterator[str]:
    """The names of a folder's folders, with a `/` behind, and of its wanted files."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                is_folder = entry.is_dir()  # asks the disk for links alone
            except OSError:  # a link to itself
                is_folder = False
            if is_folder:
                yield f"{entry.name}/"
            elif entry.name != _NOT_OF_THE_ARCHIVE and wanted(below + entry.name):
                yield entry.name


def chunk_of(relative: str, n_chunks: int) -> int:
    digest = hashlib.sha256(relative.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8]) % n_chunks


@dataclass(frozen=True)
class Source:
    """Where headers come from and how they are read; a worker process gets it as it is."""

    archive: Path
    dataset: str
    metadata: Path | None
    settings: HeaderSettings


def reader_of(dataset: str, metadata: Path | None) -> Callable[[Path, str, HeaderSettings], Header]:
    """How a file's header is read, by its path and its path below the archive.

    `read_header` of the data set's module, or the DICOM one where the module has none, with `image_facts` of
    the module where it has any.
    """
    module = importlib.import_module(f"mammo_steps.datasets.{dataset}")
    own: ReadHeader | None = getattr(module, "read_header", None)
    if own is not None:
        return lambda path, relative, settings: own(path, settings)
    image_facts: Callable[[Path | None], FactsOf] | None = getattr(module, "image_facts", None)
    facts_of = image_facts(metadata) if image_facts is not None else None
    return lambda path, relative, settings: dicom_headers.read_header(path, settings, facts_of, relative)


_reader_of = functools.cache(reader_of)  # a process reads the data set's metadata once


def start_worker(source: Source) -> None:
    quiet_pydicom()
    _reader_of(source.dataset, source.metadata)  # now: later it would count against the limits of a task


def header_of(source: Source, relative: str) -> tuple[Header, int]:
    """The file's header and its size in bytes, 0 if that is not known."""
    path, n_bytes = source.archive / relative, 0
    try:
        if not relative.isascii():
            relative.encode()
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return Header(reason=Reason.FILE_GONE, detail="the folder cannot be read"), 0
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait forever
            return Header(reason=Reason.NOT_DICOM, detail="no regular file"), 0
        n_bytes = status.st_size
        return _reader_of(source.dataset, source.metadata)(path, relative, source.settings), n_bytes
    except UnicodeEncodeError:
        return Header(reason=Reason.UNREADABLE_HEADER, detail="the file's name is not UTF-8"), 0
    except _GONE as error:
        return Header(reason=Reason.FILE_GONE, detail=type(error).__name__), n_bytes
    except OSError as error:
        if error.errno in NO_FILE:
            return Header(reason=Reason.FILE_GONE, detail=errno.errorcode[error.errno]), n_bytes
        # not the file but the storage; the path may name a woman
        raise OSError(error.errno, f"reading an image file failed: {error.strerror}") from None
    except ExclusionError as error:
        return Header(reason=error.reason, detail=error.detail), n_bytes


def _row(relative: str, header: Header, n_bytes: int) -> dict[str, Any]:
    shown = relative if relative.isascii() else os.fsencode(relative).decode("utf-8", "backslashreplace")
    day, moment = header.exam_date, header.acquired
    return vars(header) | {
        "path": shown,
        "file_bytes": n_bytes,
        "exam_date": day.isoformat() if day else None,
        "acquired": moment.isoformat() if moment else None,
        "reason": header.reason and header.reason.value,
        "detail": header.detail or None,
    }


def read_batch(source: Source, batch: Sequence[str]) -> Columns:
    """The rows of some files."""
    rows = [_row(relative, *header_of(source, relative)) for relative in batch]
    return {name: [row[name] for row in rows] for name in TABLES["headers"]}


def batches_of(relatives: Iterable[str]) -> Iterator[list[str]]:
    found = iter(relatives)
    while batch := list(islice(found, _FILES_PER_BATCH)):
        yield batch


def read_all(source: Source, relatives: Iterable[str], workers: int) -> Iterator[Columns]:
    """The rows of all files, some at a time, in the order of the files.

    A batch that ended its worker is done once more, file by file: so one file alone is left out for it.
    """
    work, start = functools.partial(read_batch, source), functools.partial(start_worker, source)
    waiting: list[list[str]] = []  # batches that are begun, oldest first

    def noted() -> Iterator[list[str]]:
        for batch in batches_of(relatives):
            waiting.append(batch)
            yield batch

    for found in in_order(work, noted(), workers, start, _BATCH_LIMITS):
        batch = waiting.pop(0)
        if not isinstance(found, Lost):
            yield found
            continue
        alone = [[relative] for relative in batch]
        for relative, one in zip(batch, in_order(work, alone, 1, start, _FILE_LIMITS), strict=True):
            if isinstance(one, Lost):
                header = Header(reason=Reason.UNREADABLE_HEADER, detail=f"its reader {one.why}")
                yield {name: [value] for name, value in _row(relative, header, 0).items()}
            else:
                yield one


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
    start_step(__spec__, args)

    if not args.archive.is_dir():
        raise FileNotFoundError(
            f"archive {args.archive} is no folder: check `archive` of the intake, and the mount"
        )
    if not 0 <= args.chunk < args.n_chunks:
        raise ValueError(f"chunk is {args.chunk}, wanted 0 to {args.n_chunks - 1}")
    source = Source(args.archive, args.dataset, args.metadata, HeaderSettings(**args.settings))
    reader_of(source.dataset, source.metadata)  # a faulty table stops the step before any file is read
    log.info("intake %s: headers of chunk %d of %d", args.intake, args.chunk, args.n_chunks)
    relatives = files_below(args.archive, lambda path: chunk_of(path, args.n_chunks) == args.chunk)
    reasons: Counter[str | None] = Counter()
    started = told = time.monotonic()
    with batch_writer(args.headers, "headers") as write:
        for columns in read_all(source, relatives, args.workers):
            write(columns)
            reasons.update(columns["reason"])
            if time.monotonic() - told > _LOG_EVERY_S:
                told = time.monotonic()
                log.info("%d headers, %.0f per second", reasons.total(), reasons.total() / (told - started))
    n_taken = reasons.pop(None, 0)
    log.info("%d files, %d mammograms, left out: %s", n_taken + reasons.total(), n_taken, dict(reasons))


if __name__ == "__main__":
    main()
