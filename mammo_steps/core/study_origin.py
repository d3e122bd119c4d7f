"""Where a study's results came from: code, libraries, seeds, machines, data, and every step's settings."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.manifest import stated_sha256
from mammo_steps.core.number_text import read_json
from mammo_steps.core.step_costs import manifests_of

_LOCK = Path(__file__).parents[2] / "requirements.lock"
_DATA = {  # what the results hang on, and what the page calls it
    "cohort/images.parquet": "images of the cohort",
    "cohort/exams.parquet": "exams and folds",
    "scores/exams.parquet": "exam scores",
}
_DIGITS = 16  # of a checksum


def _joined(values: Iterable[Any]) -> str:
    known = sorted({str(value) for value in values if value is not None})
    return ", ".join(known) or "not known"


def _machine(facts: Mapping[str, Any]) -> str:
    """Without its name: pages and bundles are passed on."""
    parts = [
        f"{facts.get('cpus_of_job')} CPUs",
        f"{round((facts.get('memory_mb') or 0) / 1024)} GiB",
    ]
    parts += [str(gpu.get("name")) for gpu in facts.get("gpus") or [] if isinstance(gpu, Mapping)]
    return ", ".join(parts)


def _start_words(runs: Sequence[Mapping[str, Any]]) -> str:
    starts = [run["start"] for run in runs if run.get("start")]
    if not starts:
        return "no bundle"
    words = {f"bundle {start['bundle']} of study {start['learned_from'][0]['study']}" for start in starts}
    n_other = len(runs) - len(starts)
    return ", ".join(sorted(words)) + (f"; {n_other} networks from none" if n_other else "")


def origin(results: Path, scored: Path, runs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Lines of the page's section on provenance: what -> words.

    results  the study's folder; scored: the folder that the exam scores lie in; runs: the members' run.json
    """
    nodes = [read_json(path) for path in sorted((results / "nodes").glob("[!.]*.json"))]
    lines = {
        "commit": _joined(run.get("commit") for run in runs),
        "locked environment": f"requirements.lock, sha256 {hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:_DIGITS]}",
        "Python, PyTorch": _joined(f"Python {run.get('python')}, torch {run.get('torch')}" for run in runs),
        "seed": _joined(run.get("seed") for run in runs),
        "started from": _start_words(runs),
        "recipe of the pixels": _joined(run.get("recipe") for run in runs),
        "machines": "; ".join(map(_machine, nodes)) or "not checked",
    }
    for name, words in _DATA.items():
        digest = stated_sha256((scored if name.startswith("scores") else results) / name)
        lines[words] = f"{name}, sha256 {digest[:_DIGITS]}" if digest else f"{name}, no manifest"
    return lines


def step_settings(results: Path, evaluated: Path) -> list[dict[str, str]]:
    """Each step's code and settings, in the order in which the steps began; where folds differ, the first one's.

    evaluated  `results`, or the folder below it in which a part of the folds is evaluated
    """
    found: dict[str, dict[str, Any]] = {}
    for manifest in manifests_of(results, evaluated):
        step = found.setdefault(manifest["step"], manifest)
        if manifest["began_utc"] < step["began_utc"]:
            found[manifest["step"]] = manifest
    return [
        {
            "step": step,
            "code": str(manifest.get("code")),
            "environment": ", ".join(" ".join(pair) for pair in manifest.get("environment", {}).items()),
            "settings": json.dumps(
                {k: v for k, v in manifest.get("settings", {}).items() if k != "fold"}, indent=2
            ),
        }
        for step, manifest in sorted(found.items(), key=lambda item: item[1]["began_utc"])
    ]
