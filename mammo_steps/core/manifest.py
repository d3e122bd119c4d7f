"""The small JSON file beside an artefact that says what it is and what it was made from.

An artefact is a file or a folder that a step wrote; its manifest is `.{name}.manifest.json` beside it. A manifest that
bears the artefact's own time of change speaks for its bytes, which then need not be read again: writing sets this time,
and so does whoever has read the bytes and found them right. (Snakemake touches what a job has written.)
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_BEGINNING, _ENDING = ".", ".manifest.json"


def manifest_path(artefact: Path) -> Path:
    return artefact.parent / f"{_BEGINNING}{artefact.name}{_ENDING}"  # (`.` has no name to change)


def artefact_of(manifest: Path) -> Path:
    """The inverse of `manifest_path`."""
    return manifest.parent / manifest.name.removeprefix(_BEGINNING).removesuffix(_ENDING)


def is_manifest(path: Path) -> bool:
    return path.name.startswith(_BEGINNING) and path.name.endswith(_ENDING)


def read_manifest(artefact: Path) -> dict[str, Any] | None:
    """What the artefact's manifest says; None if there is none, ValueError if it is damaged."""
    path = manifest_path(artefact)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a manifest ({type(error).__name__})") from None
    if not isinstance(found, dict) or not {"bytes", "sha256", "step", "inputs", "began_utc"} <= found.keys():
        raise ValueError(f"{path} is no manifest: it does not say what it has to")
    return found


def sha256_of(path: Path) -> str:
    """What `sha256sum` says of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(path: Path, kind: str) -> dict[str, Any]:
    """Bytes, sha256 and, of a table, rows of a file; `kind` is the suffix of its final name."""
    about: dict[str, Any] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    rows = rows_of(path, kind)
    return about if rows is None else about | {"rows": rows}


def rows_of(path: Path, kind: str) -> int | None:
    """Rows as a Parquet footer has them, lines of a CSV less its header; None for other files.

    ValueError if it is no Parquet file.
    """
    if kind == ".parquet":
        import pyarrow as pa  # heavy, and the Snakefile imports this module with those that read labels
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(path).num_rows)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"its footer cannot be read ({type(error).__name__})") from error
    if kind == ".csv":
        with path.open("rb") as file:
            return max(0, sum(1 for _ in file) - 1)
    return None


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder at any depth, sorted, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def described_folder(folder: Path) -> dict[str, Any]:
    """Bytes in all, one entry per file, and the sha256 of what `sha256sum` lists of them."""
    files = {}
    for path in files_below(folder):
        about = path.stat()
        files[path.relative_to(folder).as_posix()] = {
            "bytes": about.st_size,
            "sha256": sha256_of(path),
            "mtime_ns": about.st_mtime_ns,
        }
    return {
        "bytes": sum(entry["bytes"] for entry in files.values()),
        "sha256": digest_of_entries(files),
        "files": files,
    }


def digest_of_entries(files: dict[str, Any]) -> str:
    """sha256 of the lines `sha256  name`."""
    listed = "".join(f"{entry['sha256']}  {name}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256(listed.encode()).hexdigest()


def bears_time_of(artefact: Path) -> bool:
    """Whether the manifest bears the artefact's time of change, so that it speaks for its bytes."""
    with suppress(FileNotFoundError):
        return manifest_path(artefact).stat().st_mtime_ns == artefact.stat().st_mtime_ns
    return False


def set_time(artefact: Path, mtime_ns: int) -> None:
    """Give the manifest the time of change that its artefact had when its bytes were read and found right.

    If the artefact has been replaced since, the times differ, and the bytes are read again. Where the manifest is
    another user's nothing is done.
    """
    with suppress(OSError):
        os.utime(manifest_path(artefact), ns=(mtime_ns, mtime_ns))


def content_of(path: Path) -> dict[str, Any]:
    """Bytes and sha256 of a file: from its manifest, or that of its folder, if that speaks for it; else it is read."""
    about = path.stat()
    own, folders = _manifest_or_none(path), _entry_in_folder(path)
    if own is not None and own["bytes"] == about.st_size and bears_time_of(path):
        return {"bytes": about.st_size, "sha256": own["sha256"]}
    if folders is not None and (folders["bytes"], folders["mtime_ns"]) == (about.st_size, about.st_mtime_ns):
        return {"bytes": about.st_size, "sha256": folders["sha256"]}
    found = sha256_of(path)
    if own is not None and own["sha256"] == found:
        set_time(path, about.st_mtime_ns)
    return {"bytes": about.st_size, "sha256": found}


def stated_sha256(path: Path) -> str | None:
    """The checksum that a file's own manifest states, or that of the folder it lies in; None if neither does."""
    own = _manifest_or_none(path)
    if own is not None:
        return str(own["sha256"])
    entry = _entry_in_folder(path)
    return None if entry is None else str(entry["sha256"])


def _manifest_or_none(path: Path) -> dict[str, Any] | None:
    with suppress(ValueError):
        return read_manifest(path)
    return None


def _entry_in_folder(path: Path) -> dict[str, Any] | None:
    folder = _manifest_or_none(path.parent)
    entry: dict[str, Any] | None = None if folder is None else folder.get("files", {}).get(path.name)
    return entry
