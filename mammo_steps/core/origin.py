"""What an artefact was made from, in words: its manifest, and those of its inputs.

The inputs' paths are those of the folder that the workflow ran in.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import entry_of, folder_of, read_manifest, stated_sha256
from mammo_steps.core.manifest_check import content_fault, faults

_SHOWN = 12  # hexadecimal digits
_FEW = 3  # files that differ in their numbers are shown one by one
_LOOKED_FOR = 50  # inputs, to find the folder that the workflow ran in


def origin_of(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The artefact that a file is, or the folder above that it is part of, and its manifest; None if there is none."""
    own = read_manifest(path)
    return folder_of(path) if own is None else (path, own)


def differences(path: Path, artefact: Path, manifest: dict[str, Any], quick: bool) -> list[tuple[str, str]]:
    """(found, wanted) of each way in which a file or folder differs from what `origin_of` says of it."""
    if artefact == path:
        return list(faults(artefact, manifest, quick))
    about = entry_of(path, artefact, manifest)
    fault = content_fault(path, about, quick and path.stat().st_mtime_ns == about["mtime_ns"])
    return [] if fault is None else [fault]


def described(artefact: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Lines that say how the artefact came about, without its inputs."""
    parts = [f"{manifest['bytes']:,} bytes"]
    parts += [f"{manifest['rows']:,} rows"] if "rows" in manifest else []
    parts += [f"{len(manifest['files']):,} files"] if "files" in manifest else []
    yield f"{artefact}: {', '.join(parts)}, sha256 {manifest['sha256'][:_SHOWN]}"
    if not artefact.exists():
        yield "  it is gone: see `snakemake verify`"
    elif artefact.is_file() and artefact.stat().st_size != manifest["bytes"]:
        yield f"  it now has {artefact.stat().st_size:,} bytes: see `snakemake verify`"
    job = f", SLURM job {manifest['slurm_job']}" if manifest.get("slurm_job") else ""
    yield f"  step         {manifest['step']}, code {manifest.get('code', 'not known')}"
    yield f"  began        {manifest['began_utc']} on {manifest.get('host', 'a host not known')}{job}"
    if "wall_s" in manifest and "peak_mb" in manifest:
        yield f"  cost         {manifest['wall_s']:,} s, {manifest['peak_mb']:,} MB"
    if "environment" in manifest:
        yield f"  environment  {', '.join(' '.join(pair) for pair in manifest['environment'].items())}"
    for name, value in manifest.get("settings", {}).items():
        yield f"  {name:<12} {json.dumps(value)}"


def grouped(inputs: Mapping[str, Any]) -> list[list[str]]:
    """Paths that differ in their numbers alone, together: shards, folds, chunks. In the order of the first of each."""
    groups: dict[str, list[str]] = {}
    for path in inputs:
        groups.setdefault(re.sub(r"\d+", "#", path), []).append(path)
    few = [group for group in groups.values() if len(group) <= _FEW]
    return [[path] for group in few for path in group] + [g for g in groups.values() if len(g) > _FEW]


def ran_in(artefact: Path, manifest: Mapping[str, Any]) -> Path:
    """The folder that the workflow ran in: of those above the artefact the one in which most of its inputs lie."""
    some = list(manifest["inputs"])[:_LOOKED_FOR]

    def n_lying(folder: Path) -> int:
        return sum(os.path.lexists(folder / name) for name in some)

    found = max(artefact.absolute().parents, key=n_lying)
    return found if n_lying(found) and found != Path.cwd() else Path()


def tree(
    inputs: Mapping[str, Any], deep: bool, shown: set[str], base: Path = Path(), depth: int = 1
) -> Iterator[str]:
    """One line per input, indented; with `deep` below it what it was made from.

    shown  paths whose origin stands above; those shown here are added
    base   the folder that the workflow ran in
    """
    indent = "  " * depth
    for group in sorted(grouped(inputs)):
        first = group[0]
        found, step = _origin_told(base / first) if deep or len(group) == 1 else (None, "")
        artefact, below = (str(found[0]), found[1]["inputs"]) if deep and found else ("", {})
        again = ", see above" if below and artefact in shown else ""
        if len(group) > 1:
            yield f"{indent}{len(group):,} files: {first} ... {group[-1]}{step}{again}"
        else:
            since = _since(base / first, inputs[first])
            yield f"{indent}{first}  {inputs[first]['sha256'][:_SHOWN]}{step}{since}{again}"
        if below and not again:
            shown.add(artefact)
            yield from tree(below, deep, shown, base, depth + 1)


def _origin_told(path: Path) -> tuple[tuple[Path, dict[str, Any]] | None, str]:
    """`origin_of` an input, and what its line says of it."""
    try:
        found = origin_of(path)
    except ValueError:
        return None, ", its manifest is damaged"
    return found, f", {found[1]['step']}" if found else ""


def _since(path: Path, taken: Mapping[str, Any]) -> str:
    now = stated_sha256(path)
    return "" if now in (None, taken["sha256"]) else f", now another: {str(now)[:_SHOWN]}"


def inputs_now(inputs: Mapping[str, Any], base: Path) -> dict[str, list[str]]:
    """Inputs by what is known of them without reading them: `same`, `another`, `gone`, `not looked at`.

    What no manifest speaks for lies outside the study, such as the label table: it is not looked at.
    """
    found: dict[str, list[str]] = {"same": [], "another": [], "gone": [], "not looked at": []}
    for name, taken in inputs.items():
        stated = stated_sha256(base / name)
        if not (base / name).exists():
            found["gone"].append(name)
        elif stated is None:
            found["not looked at"].append(name)
        else:
            found["same" if stated == taken["sha256"] else "another"].append(name)
    return found
