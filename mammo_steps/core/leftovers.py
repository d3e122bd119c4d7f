"""What a killed run leaves in its working folder: locks, incomplete outputs, scratch files, checkpoints."""

import base64
import binascii
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.processes import booted_at, process

_SCRATCH = re.compile(r"\.(\d+)-[0-9a-f]{8}\..")  # as core.files.replacing names them
_JUST_NOW_S = 120  # a writer on another host is not seen, but its file grows


@dataclass(frozen=True)
class Scratch:
    """A file that was to be renamed once it was whole. kept: why it has to stay, empty if its writer is gone."""

    path: Path
    kept: str


@dataclass(frozen=True)
class Checkpoint:
    """Where a training goes on, and who trained last."""

    folder: Path
    host: str
    pid: int
    slurm_id: str | None
    has_state: bool


def lock_files(folder: Path) -> list[Path]:
    """Snakemake's, of runs that are at work or were killed."""
    return sorted((folder / ".snakemake/locks").glob("*.lock"))


def incomplete_outputs(folder: Path) -> list[str]:
    """What jobs were making when they were killed, as Snakemake noted it."""
    root = folder / ".snakemake/incomplete"
    markers = (path.relative_to(root).parts for path in root.rglob("*") if path.is_file())
    return sorted(name for parts in markers if (name := _decoded(parts)))


def _decoded(parts: tuple[str, ...]) -> str:
    """A marker's path is the output's name in base64, cut into folders that begin with @; empty if it is none."""
    try:
        return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def scratch_files(folder: Path, now: float) -> list[Scratch]:
    """Below results, and beside outputs that are incomplete."""
    beside = {(folder / name).parent for name in incomplete_outputs(folder)}
    found = {path for study in (folder / "results").glob("*") for path in _below(study)}
    found |= {path for place in beside if place.is_dir() for path in place.iterdir()}
    return [
        Scratch(path, _why_kept(path, now))
        for path in sorted(found)
        if _SCRATCH.match(path.name) and _is_file(path)
    ]


def _below(study: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(study):
        yield from (Path(folder) / name for name in names if _SCRATCH.match(name))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _why_kept(path: Path, now: float) -> str:
    written = path.stat().st_mtime
    if written < booted_at():
        return ""
    match = _SCRATCH.match(path.name)
    writer = process(int(match[1])) if match else None
    if writer and writer.began <= written:
        return f"pid {writer.pid} is alive on this host"
    if now - written < _JUST_NOW_S:
        return "it was written in the last two minutes"
    return ""


def checkpoints(folder: Path) -> list[Checkpoint]:
    """Of trainings that are not done. A lock that nobody holds any more stops nothing: the next run takes it over."""
    found = []
    for path in sorted((folder / "results").glob("*/.resume/*/*/lock.json")):
        try:
            who = json.loads(path.read_text(encoding="utf-8"))
            holder = who["host"], who["pid"], who["job"]
        except (ValueError, KeyError, TypeError):  # damaged: nobody's
            continue
        found.append(Checkpoint(path.parent, *holder, (path.parent / "state.pt").is_file()))
    return found
