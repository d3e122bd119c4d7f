"""Whether an artefact is as its manifest says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import bears_time_of, files_below, rows_of, set_time, sha256_of

_SHOWN = 12  # hexadecimal digits


def faults(artefact: Path, manifest: dict[str, Any], quick: bool) -> Iterator[tuple[str, str]]:
    """(found, wanted) of each way in which an artefact differs from its manifest."""
    if "files" in manifest:
        yield from _folder_faults(artefact, manifest["files"], quick)
    elif not artefact.is_file():
        yield "it is gone", in_words(manifest)
    else:
        about = artefact.stat()
        fault = content_fault(artefact, manifest, quick and bears_time_of(artefact))
        if fault is not None:
            yield fault
        else:
            set_time(artefact, about.st_mtime_ns)


def _folder_faults(folder: Path, files: dict[str, Any], quick: bool) -> Iterator[tuple[str, str]]:
    if not folder.is_dir():
        yield "it is gone", f"a folder of {len(files)} files"
        return
    lying = {path.relative_to(folder).as_posix() for path in files_below(folder)}
    for name in sorted(lying - files.keys()):
        yield f"{name} is in it", "only what its step wrote"
    for name, entry in files.items():
        path = folder / name
        if name not in lying:
            yield f"{name} is gone from it", in_words(entry)
        else:
            same_time = path.stat().st_mtime_ns == entry["mtime_ns"]
            fault = content_fault(path, entry, quick and same_time)
            if fault is not None:
                yield f"{name}: {fault[0]}", fault[1]


def content_fault(path: Path, about: dict[str, Any], trusted: bool) -> tuple[str, str] | None:
    """trusted  do not read the bytes if there are as many as there were"""
    n_bytes = path.stat().st_size
    if n_bytes != about["bytes"]:
        return f"{n_bytes:,} bytes", in_words(about)
    if not trusted:
        found = sha256_of(path)
        if found != about["sha256"]:
            return f"other bytes, as many (sha256 {found[:_SHOWN]})", in_words(about)
    if "rows" in about:
        try:
            rows = rows_of(path, path.suffix)
        except ValueError as error:
            return str(error), in_words(about)
        if rows != about["rows"]:
            return f"{rows:,} rows", in_words(about)
    return None


def in_words(about: dict[str, Any]) -> str:
    rows = f", {about['rows']:,} rows" if "rows" in about else ""
    return f"{about['bytes']:,} bytes{rows}, sha256 {about['sha256'][:_SHOWN]}"
