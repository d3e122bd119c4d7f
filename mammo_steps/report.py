"""Put everything about a study on one page: report.html, which needs no other file and no network.

The page's text and layout stand in report.html.j2 beside this module. Charts go in as SVG whose ink follows
the page (dark, printed), pictures as PNG.
"""

import argparse
import base64
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mammo_steps.core.artefacts import reading, write_artefact
from mammo_steps.core.exam_aucs import NOT_RUN
from mammo_steps.core.exam_models import Model
from mammo_steps.core.localisation import LOCATOR_NAMES
from mammo_steps.core.number_text import read_csv, read_json
from mammo_steps.core.page import inline_svg, render
from mammo_steps.core.step_costs import step_costs
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.table1 import ENDPOINT_NAMES, NOTES, SYNTHETIC, VARIANT_NAMES, VARIANTS
from mammo_steps.core.table1 import PAPER as PAPER_AUCS
from mammo_steps.core.terms import Endpoint

log = logging.getLogger("report")

TEMPLATE = Path(__file__).with_name("report.html.j2")
AUC_WORDS = ("model", "endpoint", "unit", "protocol", "pooling", "ci_method")
RUN_COLUMNS = ("model", "fold", "device", "started_utc", "wall_s", "peak_memory_mb", "peak_gpu_memory_mb")
VERSIONS = ("python", "torch", "torchvision", "commit")


@dataclass(frozen=True)
class Settings:
    """study: its name; synthetic: the cohort is synthetic, say so on top."""

    study: str
    synthetic: bool


def read_figures(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """group -> figures with title, caption and either `svg` or `png` (a data URI)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in read_json(folder / "figures.json"):
        path = folder / entry["file"]
        figure = {"title": entry["title"], "caption": entry["caption"], "svg": None, "png": None}
        if path.suffix == ".svg":
            figure["svg"] = inline_svg(reading(path).read_text(encoding="utf-8"), path.stem)
        else:
            figure["png"] = "data:image/png;base64," + base64.b64encode(reading(path).read_bytes()).decode()
        groups.setdefault(entry["group"], []).append(figure)
    return groups


def table1(aucs: Sequence[Mapping[str, Any]], models: Sequence[Model]) -> list[dict[str, Any]]:
    """Rows of the paper's Table 1: the model, and per end point our row and the paper's AUC."""
    found = {
        (row["model"], row["endpoint"]): row
        for row in aucs
        if (row["protocol"], row["pooling"]) == ("sampled", "pooled")
    }
    return [
        {
            "model": model,
            "cells": [
                {
                    "ours": found[model.key, endpoint],
                    "paper": PAPER_AUCS[model.key][place] if model.key in PAPER_AUCS else None,
                }
                for place, endpoint in enumerate(Endpoint)
            ],
        }
        for model in models
    ]


def variants(aucs: Sequence[Mapping[str, Any]], models: Sequence[Model]) -> list[dict[str, Any]]:
    """Per end point: AUCs of the models that were run, under every protocol and pooling, in the order of VARIANTS."""
    found = {(row["model"], row["endpoint"], row["protocol"], row["pooling"]): row for row in aucs}
    return [
        {
            "name": ENDPOINT_NAMES[endpoint],
            "rows": [
                {"name": model.name, "cells": [found[model.key, endpoint, *variant] for variant in VARIANTS]}
                for model in models
                if not model.not_run
            ],
        }
        for endpoint in Endpoint
    ]


def flow_steps(flow: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flow chart's steps with the exams lost since the step before."""
    steps = []
    before: int | None = None
    for step in flow["steps"]:
        row = {name: step.get(name) for name in ("step", "files", "images", "exams", "women")}
        exams = row["exams"]
        row["lost"] = None if before is None or exams is None else before - exams
        before = before if exams is None else exams
        steps.append(row)
    return steps


def excluded_by_outcome(flow: Mapping[str, Any]) -> tuple[list[str | None], list[dict[str, Any]]]:
    """(outcomes that occur, rows of level, reason and a count per outcome)."""
    outcomes: list[str | None] = list(dict.fromkeys(entry["outcome"] for entry in flow["excluded"]))
    outcomes.sort(key=lambda name: (name is None, name or ""))
    counts: dict[tuple[str, str], dict[str | None, int]] = {}
    for entry in flow["excluded"]:
        row = counts.setdefault((entry["level"], entry["reason"]), {})
        row[entry["outcome"]] = row.get(entry["outcome"], 0) + entry["n"]
    rows = [
        {
            "level": level,
            "reason": reason,
            "n": [row.get(name, 0) for name in outcomes],
            "total": sum(row.values()),
        }
        for (level, reason), row in counts.items()
    ]
    return outcomes, rows


def hit_rates(hits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of role and lesion type, with the rates `at` each locator (None = not known)."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for hit in hits:
        row = rows.setdefault(
            (hit["role"], hit["lesion_type"]),
            {
                "role": hit["role"],
                "lesion_type": hit["lesion_type"],
                "n_images": hit["n_images"],
                "roi_area": hit["roi_area_over_median_breast_area"],
                "at": dict.fromkeys(LOCATOR_NAMES),
            },
        )
        row["at"][hit["locator"]] = hit
    return list(rows.values())


def provenance(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows of the members' runs, the settings they share, and the versions they ran with."""
    settings: dict[str, str] = {}
    for run in runs:
        text = json.dumps(run.get("settings"), indent=2)
        if settings.setdefault(run["model"], text) != text:
            settings[f"{run['model']}, fold {run['fold']}"] = text
    return {
        "rows": [{name: run.get(name) for name in RUN_COLUMNS} for run in runs],
        "settings": settings,
        "versions": {name: sorted({str(run.get(name)) for run in runs}) for name in VERSIONS},
        "hours": sum(run.get("wall_s") or 0 for run in runs) / 3600,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", type=Path, required=True, help="cohort/flow.json")
    parser.add_argument("--auc", type=Path, required=True, help="report/auc.csv")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--localisation", type=Path, required=True, help="report/localisation.csv")
    parser.add_argument("--crop-audit", type=Path, required=True, help="report/crop_audit.csv")
    parser.add_argument("--figures", type=Path, required=True, help="folder of draw_figures")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of every member")
    parser.add_argument(
        "--results", type=Path, required=True, help="folder whose manifests say what steps took"
    )
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: study, synthetic")
    parser.add_argument("--report", type=Path, required=True, help="written: the page (HTML)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    flow = read_json(args.flow)
    aucs = read_csv(args.auc, AUC_WORDS)
    evaluation = read_json(args.evaluation)
    models = [Model(**model) for model in evaluation["models"]]
    outcomes, excluded = excluded_by_outcome(flow)
    page = render(
        {
            "settings": settings,
            "synthetic_text": SYNTHETIC,
            "evaluation": evaluation,
            "flow": flow,
            "steps": flow_steps(flow),
            "excluded_outcomes": outcomes,
            "excluded": excluded,
            "endpoints": [ENDPOINT_NAMES[endpoint] for endpoint in Endpoint],
            "endpoint_names": {str(end): name for end, name in ENDPOINT_NAMES.items()},
            "models": models,
            "model_names": {model.key: model.name for model in models},
            "table1": table1(aucs, models),
            "variants": variants(aucs, models),
            "variant_names": [VARIANT_NAMES[variant] for variant in VARIANTS],
            "notes": NOTES,
            "ci_methods": sorted({row["ci_method"] for row in aucs} - {NOT_RUN}),
            "hits": hit_rates(read_csv(args.localisation, ("locator", "role", "lesion_type"))),
            "locator_names": LOCATOR_NAMES,
            "crops": read_csv(args.crop_audit, ()),
            "figures": read_figures(args.figures),
            "costs": [row for row in step_costs(args.results) if row["step"] != "report"],  # an older page
            "provenance": provenance([read_json(run) for run in args.runs]),
        },
        TEMPLATE,
    )
    write_artefact(args.report, page)
    log.info("%s: %d kB", args.report, len(page) // 1024)


if __name__ == "__main__":
    main()
