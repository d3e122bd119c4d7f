"""Say what an artefact was made from: step, when, where, cost, settings, code, libraries, inputs.

    python -m mammo_steps.by_hand.why results/paper/report/auc.csv --deep

It is what the manifest beside the file says. With --deep the inputs' own origins follow as a tree: what has been shown
above is not shown again, and of many files that differ in their numbers alone the first one stands for all.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import read_manifest, stated_sha256

_SHOWN = 12  # hexadecimal digits
_FEW = 3  # files that differ in their numbers are shown one by one


def origin_of(path: Path) -> tuple[Path, dict[str, Any]] | None:
    """The artefact that a file is, or the folder that it lies in, and its manifest; None if there is none."""
    for artefact in (path, path.parent):
        manifest = read_manifest(artefact)
        if manifest is not None and (artefact == path or path.name in manifest.get("files", {})):
            return artefact, manifest
    return None


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
    yield f"  step         {manifest['step']}, code {manifest['code']}"
    yield f"  began        {manifest['began_utc']} on {manifest['host']}{job}"
    yield f"  cost         {manifest['wall_s']:,} s, {manifest['peak_mb']:,} MB"
    yield f"  environment  {', '.join(' '.join(pair) for pair in manifest['environment'].items())}"
    for name, value in manifest["settings"].items():
        yield f"  {name:<12} {json.dumps(value)}"


def grouped(inputs: Mapping[str, Any]) -> list[list[str]]:
    """Paths that differ in their numbers alone, together: shards, folds, chunks. In the order of the first of each."""
    groups: dict[str, list[str]] = {}
    for path in inputs:
        groups.setdefault(re.sub(r"\d+", "#", path), []).append(path)
    few = [group for group in groups.values() if len(group) <= _FEW]
    return [[path] for group in few for path in group] + [g for g in groups.values() if len(g) > _FEW]


def tree(inputs: Mapping[str, Any], deep: bool, shown: set[str], depth: int = 1) -> Iterator[str]:
    """One line per input, indented; with `deep` below it what it was made from.

    shown  paths whose origin stands above; those shown here are added
    """
    indent = "  " * depth
    for group in sorted(grouped(inputs)):
        first = group[0]
        found = origin_of(Path(first)) if deep or len(group) == 1 else None
        step = f", {found[1]['step']}" if found else ""
        artefact, below = (str(found[0]), found[1]["inputs"]) if deep and found else ("", {})
        again = ", see above" if below and artefact in shown else ""
        if len(group) > 1:
            yield f"{indent}{len(group):,} files: {first} ... {group[-1]}{step}{again}"
        else:
            yield f"{indent}{first}  {inputs[first]['sha256'][:_SHOWN]}{step}{_since(first, inputs[first])}{again}"
        if below and not again:
            shown.add(artefact)
            yield from tree(below, deep, shown, depth + 1)


def _since(path: str, taken: Mapping[str, Any]) -> str:
    now = stated_sha256(Path(path))
    return "" if now in (None, taken["sha256"]) else f", now another: {str(now)[:_SHOWN]}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="any result of a step")
    parser.add_argument("--deep", action="store_true", help="also what the inputs were made from")
    args = parser.parse_args(argv)

    found = origin_of(args.file)
    if found is None:
        sys.exit(f"{args.file}: neither it nor its folder has a manifest, so no step has written it")
    print("\n".join(described(*found)))
    inputs = found[1]["inputs"]
    print(f"  made from{'' if inputs else ' its settings alone'}")
    for line in tree(inputs, args.deep, {str(found[0])}, 2):
        print(line)


if __name__ == "__main__":
    main()
