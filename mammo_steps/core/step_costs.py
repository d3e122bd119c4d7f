"""What the steps of a study took, as the manifests of what they wrote say."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import artefact_of, is_manifest, read_manifest
from mammo_steps.core.study import PARTIAL_FOLDER


def step_costs(results: Path, evaluated: Path) -> list[dict[str, Any]]:
    """One row per step, in the order in which they began: jobs, hours, seconds of one job, memory, hosts, bytes.

    Of every artefact the job that made it last counts; jobs that failed left no manifest.

    evaluated  `results`, or the folder below it in which a part of the folds is evaluated
    """
    steps: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for manifest in manifests_of(results, evaluated):
        job = (manifest["began_utc"], str(manifest.get("host")))
        steps.setdefault(manifest["step"], {}).setdefault(job, []).append(manifest)
    rows = [_row(step, list(jobs.values())) for step, jobs in steps.items()]
    return sorted(rows, key=lambda row: (row["began_utc"], row["step"]))


def manifests_of(results: Path, evaluated: Path) -> Iterator[dict[str, Any]]:
    """The manifests of a study's artefacts: an evaluation of all folds and one of a part have steps of their own."""
    part = results / PARTIAL_FOLDER
    if evaluated != part:
        yield from manifests_below(results, without=part)
        return
    own = list(manifests_below(evaluated))
    steps = {manifest["step"] for manifest in own}
    yield from own
    yield from (found for found in manifests_below(results, without=part) if found["step"] not in steps)


def manifests_below(folder: Path, without: Path | None = None) -> Iterator[dict[str, Any]]:
    """The manifests of the artefacts below a folder that can be read; without: a folder that is left out."""
    for path in sorted(folder.rglob(".*")):
        if is_manifest(path) and (without is None or without not in path.parents):
            try:
                found = read_manifest(artefact_of(path))
            except ValueError:
                continue  # `snakemake verify` names it
            if found is not None:
                yield found


def _row(step: str, jobs: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """Of each job the manifests of what it wrote; the last one knows how long it took."""
    seconds = [max(float(manifest.get("wall_s", 0)) for manifest in job) for job in jobs]
    manifests = [manifest for job in jobs for manifest in job]
    return {
        "step": step,
        "began_utc": min(manifest["began_utc"] for manifest in manifests),
        "n_jobs": len(jobs),
        "hours": sum(seconds) / 3600,
        "median_s": statistics.median(seconds),
        "longest_s": max(seconds),
        "peak_mb": max(int(manifest.get("peak_mb", 0)) for manifest in manifests),
        "n_hosts": len({manifest.get("host") for manifest in manifests}),
        "gigabytes": sum(manifest["bytes"] for manifest in manifests) / 1e9,
    }
