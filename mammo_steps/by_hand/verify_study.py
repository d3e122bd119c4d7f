"""Check every artefact of a study against its manifest: is it there, whole, and made from what lies there now?

    python -m mammo_steps.by_hand.verify_study --results results/paper

`snakemake verify` runs this; by hand, run it in the folder that the workflow runs in. Also checked is what lies
elsewhere and was made by the workflow: the private tables, and the shards of another study. Prints each file that is
not as it was left, what was found and wanted, and the commands that make it anew; exit status 1 if there is one. Logs,
TensorBoard's events and hidden files are no artefacts.
"""

import argparse
import functools
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import (
    artefact_of,
    files_below,
    is_manifest,
    manifest_path,
    read_manifest,
    sha256_of,
    stated_sha256,
)
from mammo_steps.core.manifest_check import faults

_NO_ARTEFACTS = {"logs", "events"}  # folders
_SHOWN = 12  # hexadecimal digits
_FAULTS_SHOWN = 3
_COMMAND = "snakemake --cores all"  # how a study is run that has no config file of its own


@dataclass(frozen=True)
class Finding:
    """An artefact that is not as its step left it; `step` is None where nobody says which."""

    artefact: Path
    found: str
    wanted: str
    step: str | None


@dataclass(frozen=True)
class Checked:
    """What the look at one artefact gave; `n_bytes` were found right."""

    findings: tuple[Finding, ...]
    n_bytes: int = 0
    unreadable: bool = False


def manifests_of(results: Path) -> dict[Path, dict[str, Any] | None]:
    """Artefact -> manifest, of all below a folder and of all that they were made from; None = a damaged manifest."""
    found: dict[Path, dict[str, Any] | None] = {}
    pending = [artefact_of(path) for path in sorted(results.rglob(".*")) if is_manifest(path)]
    while pending:
        artefact = pending.pop()
        if artefact in found:
            continue
        try:
            found[artefact] = manifest = read_manifest(artefact)
        except ValueError:
            found[artefact] = manifest = None
        for path in map(Path, manifest["inputs"] if manifest else ()):
            pending += [made for made in (path, path.parent) if _has_manifest(made)]
    return _without_circles(dict(sorted(found.items())))


def _without_circles(manifests: dict[Path, dict[str, Any] | None]) -> dict[Path, dict[str, Any] | None]:
    """Manifests that say of an artefact that it was made from itself are damaged."""
    while True:
        try:
            TopologicalSorter({artefact: made_from(artefact, manifests) for artefact in manifests}).prepare()
        except CycleError as error:
            manifests |= dict.fromkeys(error.args[1])
        else:
            return manifests


def made_from(artefact: Path, manifests: Mapping[Path, Mapping[str, Any] | None]) -> list[Path]:
    """The artefacts that its manifest names, as files or as folders of files."""
    inputs = map(Path, (manifests[artefact] or {"inputs": ()})["inputs"])
    return [one for path in inputs for one in (path, path.parent) if one in manifests]


def _has_manifest(artefact: Path) -> bool:
    try:
        return manifest_path(artefact).is_file()
    except OSError:  # a folder that this user may not enter
        return False


def without_manifest(results: Path, artefacts: Iterable[Path]) -> Iterator[Finding]:
    """The files below a folder that no manifest speaks for."""
    known = set(artefacts)
    for path in files_below(results):
        places = {path, *path.parents}
        if not places & known and not _NO_ARTEFACTS & set(path.relative_to(results).parts[:-1]):
            yield Finding(path, "no manifest says what it was made from", "an artefact of a step", None)


def check(artefact: Path, manifest: dict[str, Any] | None, quick: bool, contents: "Contents") -> Checked:
    """Look at an artefact and at what it was made from."""
    if manifest is None:
        return Checked((Finding(artefact, "its manifest is damaged", "a manifest", None),))
    step = manifest["step"]
    try:
        differing = list(faults(artefact, manifest, quick)) or list(contents.others(manifest["inputs"]))
    except PermissionError:
        return Checked((), unreadable=True)
    findings = tuple(Finding(artefact, found, wanted, step) for found, wanted in differing)
    return Checked(findings, 0 if findings else manifest["bytes"])


class Contents:
    """What lies where inputs lay; each file is looked at once.

    quick  take an outside file's bytes for the same if there are as many
    """

    def __init__(self, quick: bool) -> None:
        self._quick = quick
        self._stated = functools.cache(stated_sha256)
        self._sha256 = functools.cache(sha256_of)

    def others(self, inputs: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """(found, wanted) of each input that is not what lies there now."""
        for name, taken in inputs.items():
            path, then = Path(name), taken["sha256"]
            now = self._stated(path)
            if now is None and not path.is_file():
                yield f"its input {name} is gone", f"sha256 {then[:_SHOWN]}"
                continue
            if now is None:
                same_length = path.stat().st_size == taken["bytes"]
                now = then if self._quick and same_length else self._sha256(path)
            if now != then:
                yield f"made from another {name} (sha256 {then[:_SHOWN]})", f"from sha256 {now[:_SHOWN]}"


def told(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings in words, artefact by artefact, a few of each."""
    of_artefact: dict[Path, list[Finding]] = {}
    for finding in findings:
        of_artefact.setdefault(finding.artefact, []).append(finding)
    for artefact, own in of_artefact.items():
        yield str(artefact)
        for finding in own[:_FAULTS_SHOWN]:
            yield f"    found:  {finding.found}"
            yield f"    wanted: {finding.wanted}"
        if len(own) > _FAULTS_SHOWN:
            yield f"    and {len(own) - _FAULTS_SHOWN} more"
        if own[0].step:
            yield f"    rule:   {own[0].step}"


def in_turns(wrong: Iterable[Path], manifests: Mapping[Path, Mapping[str, Any] | None]) -> list[list[Path]]:
    """The wrong artefacts in the order in which they have to be made: none of a turn is made from another of it."""
    wrong = set(wrong)

    @functools.cache
    def turn(artefact: Path) -> int:
        """How many wrong ones come one after the other on the way to it."""
        return max((turn(one) + (one in wrong) for one in made_from(artefact, manifests)), default=0)

    turns = {artefact: turn(artefact) for artefact in sorted(wrong)}
    return [[a for a, own in turns.items() if own == number] for number in sorted(set(turns.values()))]


def of_other_studies(artefacts: Iterable[Path], results: Path) -> dict[Path, Path]:
    """Artefact -> the results of its study, of those that lie in another one's."""
    found = {}
    for artefact in artefacts:
        if results.parent in artefact.parents and results not in artefact.parents:
            found[artefact] = results.parent / artefact.relative_to(results.parent).parts[0]
    return found


def advice(
    findings: Sequence[Finding],
    manifests: Mapping[Path, Mapping[str, Any] | None],
    results: Path,
    command: str = "snakemake",
    goal: str = "all",
) -> str:
    """What to type. Snakemake does not see what is wrong with a file, so that it has to be forced.

    One turn after the other: what comes after a file that is made anew to the same byte then need not be made again.
    """
    program, _, options = command.partition(" ")
    wrong = {finding.artefact for finding in findings}
    others = of_other_studies(wrong, results)
    wrong -= others.keys()
    turns = [*in_turns(wrong & manifests.keys(), manifests), sorted(wrong - manifests.keys())]
    lines = [
        f"What lies in {other} is another study's: `snakemake verify` with that one's config says how to make it anew. "
        "That comes first"
        for other in sorted(set(others.values()))
    ]
    lines += ["To make them anew, in this order:", ""]
    for targets in filter(None, turns):
        named = " \\\n        ".join(shlex.quote(str(target)) for target in targets)
        lines.append(f"    {program} {named} \\\n        --force {options}".rstrip())
    lines += [f"    {program} verify {options}".rstrip(), f"    {program} {goal} {options}".rstrip()]
    if wrong - manifests.keys():
        lines.append("A file without a manifest that no rule makes is not the study's: move it elsewhere.")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="results/<study>")
    parser.add_argument(
        "--quick", action="store_true", help="read no bytes where their number and time of change fit"
    )
    parser.add_argument(
        "--snakemake",
        metavar="COMMAND",
        help="how the study is run, for the advice: 'snakemake --cores all --configfile config/demo.yaml'",
    )
    parser.add_argument(
        "--goal", default="all", help="what to ask the workflow for in the end, for the advice"
    )
    args = parser.parse_args(argv)

    started = time.monotonic()
    manifests = manifests_of(args.results)
    if not manifests:
        sys.exit(f"{args.results} holds no manifests: wanted the folder of a study that was run")
    contents = Contents(args.quick)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        look = functools.partial(check, quick=args.quick, contents=contents)
        looks = list(pool.map(look, manifests, manifests.values()))
    findings = [finding for look in looks for finding in look.findings]
    findings += without_manifest(args.results, manifests)
    for line in told(findings):
        print(line)
    wrong, unread = {finding.artefact for finding in findings}, sum(look.unreadable for look in looks)
    right = len(manifests) - unread - len(wrong & manifests.keys())
    gigabytes = sum(look.n_bytes for look in looks) / 1e9
    said = f", {unread} not looked at (no right to read them)" if unread else ""
    print(
        f"{right} artefacts as they were left{said}, {len(wrong)} not; {gigabytes:,.3f} GB, "
        f"{time.monotonic() - started:.1f} s"
    )
    if findings:
        command = args.snakemake or _COMMAND
        print(advice(findings, manifests, args.results, command, args.goal))
        if args.snakemake is None:
            print(
                "Is the study run with --configfile or --directory? Then add it to each (or give --snakemake)."
            )
        sys.exit(1)


if __name__ == "__main__":
    main()
