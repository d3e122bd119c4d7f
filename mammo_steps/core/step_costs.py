"""What the steps of a study took, as the manifests of what they wrote say."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import artefact_of, is_manifest, read_manifest


def step_costs(folder: Path) -> list[dict[str, Any]]:
    """One row per step, in the order in which they began: jobs, hours, seconds of one job, memory, hosts, bytes.

    Of every artefact below the folder the job that made it last counts; jobs that failed left no manifest.
    """
    steps: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for manifest in _manifests(folder):
        job = (manifest["began_utc"], str(manifest.get("host")))
        steps.setdefault(manifest["step"], {}).setdefault(job, []).append(manifest)
    rows = [_row(step, list(jobs.values())) for step, jobs in steps.items()]
    return sorted(rows, key=lambda row: (row["began_utc"], row["step"]))


def _manifests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob(".*")):
        if is_manifest(path):
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
