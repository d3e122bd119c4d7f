"""The small JSON file beside an artefact that says what it is and what it was made from.

An artefact is a file or a folder that a step wrote; its manifest is `.{name}.manifest.json` beside it. A manifest that
bears the artefact's own time of change speaks for its bytes, which then need not be read again: writing sets this time,
and so does whoever has read the bytes and found them right. (Snakemake touches what a job has written.)
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_BEGINNING, _ENDING = ".", ".manifest.json"
_LONGEST = 40  # characters of a wrong value that are shown

# what a manifest says, and of what type; an older one need not say the second part
_OF_ALL: dict[str, type] = {"bytes": int, "sha256": str, "step": str, "inputs": dict, "began_utc": str}
_OF_SOME: dict[str, type | tuple[type, ...]] = {
    **{"code": str, "run_began_utc": str, "host": str, "slurm_job": (str, type(None))},
    **{"rows": int, "wall_s": (int, float), "peak_mb": (int, float)},
    **{"settings": dict, "environment": dict, "files": dict},
}
_OF_ENTRIES: dict[str, dict[str, type]] = {
    "inputs": {"sha256": str, "bytes": int},
    "files": {"sha256": str, "bytes": int, "mtime_ns": int},
}


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
    again = f"Run the rule that wrote {artefact} again (`snakemake verify` names it)"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a manifest ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a manifest ({type(error).__name__}). {again}") from None
    fault = _fault_in(found)
    if fault is not None:
        raise ValueError(f"{path} is no manifest, or damaged: {fault}. {again}")
    manifest: dict[str, Any] = found
    return manifest


def _fault_in(found: Any) -> str | None:
    """In what a manifest's content is not one; None if it is."""
    if not isinstance(found, dict):
        return "it is not a JSON object"
    for key in _OF_ALL:
        if key not in found:
            return f"it does not say `{key}`"
    for key, wanted in (_OF_ALL | _OF_SOME).items():
        if key in found and not isinstance(found[key], wanted):
            return f"`{key}` is {json.dumps(found[key])[:_LONGEST]}"
    for key, wants in _OF_ENTRIES.items():
        for name, entry in found.get(key, {}).items():
            if not (isinstance(entry, dict) and all(isinstance(entry.get(k), t) for k, t in wants.items())):
                return f"`{key}` does not say {', '.join(wants)} of {name}"
    texts = found.get("environment", {}).values()
    return None if all(isinstance(text, str) for text in texts) else "`environment` holds other than versions"


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
    """Bytes and sha256 of a file: from its manifest, or a folder's above it, if that speaks for it; else it is read."""
    about = path.stat()
    own = _manifest_or_none(path)
    if own is not None and own["bytes"] == about.st_size and bears_time_of(path):
        return {"bytes": about.st_size, "sha256": own["sha256"]}
    folders = _entry_in_folder(path)
    if folders is not None and (folders["bytes"], folders["mtime_ns"]) == (about.st_size, about.st_mtime_ns):
        return {"bytes": about.st_size, "sha256": folders["sha256"]}
    found = sha256_of(path)
    if own is not None and own["sha256"] == found:
        set_time(path, about.st_mtime_ns)
    return {"bytes": about.st_size, "sha256": found}


def stated_sha256(path: Path) -> str | None:
    """The checksum that a file's own manifest states, or that of a folder above it; None if neither does."""
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
    with suppress(ValueError):
        found = folder_of(path)
        return None if found is None else entry_of(path, *found)
    return None


def folder_of(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The folder above a file, at whatever height, whose manifest lists the file, and this manifest.

    ValueError if a folder on the way up has a damaged manifest.
    """
    for folder in _folders_above(path):
        manifest = read_manifest(folder)
        if manifest is not None and _name_in(folder, path) in manifest.get("files", {}):
            return folder, manifest
    return None


def entry_of(path: Path, folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest of a folder that lists a file says of it."""
    entry: dict[str, Any] = manifest["files"][_name_in(folder, path)]
    return entry


def _whole(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _name_in(folder: Path, path: Path) -> str:
    return _whole(path).relative_to(_whole(folder)).as_posix()


def _folders_above(path: Path) -> Iterator[Path]:
    """Nearest first: in the words of the path as far as those name folders, then from the root."""
    named = [] if ".." in path.parts else [folder for folder in path.parents if folder.name]
    whole = list(_whole(path).parents)
    yield from named
    yield from whole[len(named) :]
