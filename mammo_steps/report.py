"""Put everything about a study on one page: report.html, which needs no other file and no network.

The page's text and layout stand in pages/report*.j2. Charts go in twice, as SVG whose ink follows the page (dark,
printed) and as specifications that its script brings to life.
"""

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mammo_steps.core import chart
from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.damage import working_on
from mammo_steps.core.exam_aucs import NOT_RUN
from mammo_steps.core.exam_models import Model
from mammo_steps.core.gallery import INDEX, read_gallery, sections
from mammo_steps.core.localisation import LOCATOR_NAMES
from mammo_steps.core.number_text import read_csv, read_json
from mammo_steps.core.page import PAGES, as_script, render
from mammo_steps.core.page_figures import page_figure, read_figures
from mammo_steps.core.run_charts import cost_chart, time_unit
from mammo_steps.core.step_costs import step_costs
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.study_origin import origin, step_settings
from mammo_steps.core.table1 import ENDPOINT_NAMES, NOTES, SYNTHETIC, VARIANT_NAMES, VARIANTS, partial_words
from mammo_steps.core.table1 import PAPER as PAPER_AUCS
from mammo_steps.core.terms import Endpoint

log = logging.getLogger("report")

TEMPLATE = "report.html.j2"
GALLERY_EXAMS = 1  # of each kind
TRIAGE_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AUC_WORDS = ("model", "endpoint", "unit", "protocol", "pooling", "ci_method")
RUN_COLUMNS = ("model", "fold", "device", "started_utc", "wall_s", "peak_memory_mb", "peak_gpu_memory_mb")


@dataclass(frozen=True)
class Settings:
    """study: its name; synthetic: the cohort is synthetic; partial: `folds` that stand behind it, `of` how many.

    scoring  how an image is scored: members, holistic_flip, attention_flip, coas_per_image, roi_pooling
    """

    study: str
    synthetic: bool
    partial: Mapping[str, Any] | None
    scoring: Mapping[str, Any]


def scoring_words(scoring: Mapping[str, Any]) -> str:
    """How an image gets its scores, in a sentence or two."""
    members, rois = scoring["members"], scoring["coas_per_image"]
    flips = {model: scoring[f"{model}_flip"] for model in ("holistic", "attention")}
    if len(set(flips.values())) == 1:
        seen = "as it is and mirrored (the mean counts)" if flips["holistic"] else "as it is"
    else:
        mirrored = next(model for model, flip in flips.items() if flip)
        seen = f"as it is, by the {mirrored} model mirrored as well (the mean counts)"
    networks = "one network" if members == 1 else f"{members} networks (the mean of their margins counts)"
    text = f"In each fold {networks} of each model scored every image of the fold's test women, {seen}. "
    if rois == 1:
        return text + "One ROI is cut per image."
    pooled = "highest" if scoring["roi_pooling"] == "max" else "mean"
    return text + f"Up to {rois} ROIs are cut per image; the {pooled} of their margins counts."


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


def flow_boxes(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps of `flow_steps` that a flow chart shows: the first two, the last, and where exams were lost."""
    boxes: list[dict[str, Any]] = []
    skipped = 0
    for number, step in enumerate(steps):
        if not (number < 2 or number == len(steps) - 1 or step["lost"]):
            skipped += 1
            continue
        last = "the cohort: " if number == len(steps) - 1 else ""
        checks = "1 check" if skipped == 1 else f"{skipped} checks"
        more = f" (before it, {checks} took nothing away)" if skipped else ""
        boxes.append({**step, "words": last + step["step"] + more})
        skipped = 0
    return boxes


def triage_rows(tables: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> list[dict[str, Any]]:
    """Rows of the triage tables nearest below these shares, with short names; None where nobody read."""
    names = {
        "share_below": "share_below",
        "n_below": "n_below",
        "screen_detected_below": "screen_detected_below",
        "interval_above": "interval_above",
        "unread_missed": "unread.screen_detected_missed",
        "unread_saved": "unread.readings_saved",
        "single_missed": "single.screen_detected_missed",
        "single_saved": "single.readings_saved",
    }
    rows = []
    for one in tables:
        table, seen = one["table"], set()
        for share in shares:
            place = max(i for i, below in enumerate(table["share_below"]) if below <= share + 1e-9)
            if place not in seen:
                seen.add(place)
                found = {
                    name: table[column][place] if column in table else None for name, column in names.items()
                }
                whole = {
                    k: v if v is None or k.endswith(("share_below", "saved")) else round(v)
                    for k, v in found.items()
                }
                rows.append({"model": one["model"], **whole})
    return rows


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


def cost_figure(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the steps took, as a chart."""
    spec = cost_chart(costs)
    caption = "Time of all jobs of each step, whether or not they ran side by side."
    return page_figure("cost", "Time per step", caption, json.dumps(spec), chart.svg(spec))


def gallery_sample(folder: Path) -> list[dict[str, Any]]:
    """The first exams of each kind."""
    with working_on(folder):
        if not isinstance(read_json(folder / INDEX), list):
            raise ValueError(f"{INDEX} holds no list")
        return sections(read_gallery(folder, GALLERY_EXAMS))


def page_scripts() -> tuple[list[Markup], list[str]]:
    """The page's scripts, and what its content security policy calls them."""
    parts = [as_script(text) for text in (chart.script(), (PAGES / "report.js").read_text(encoding="utf-8"))]
    return [script for script, _ in parts], [source for _, source in parts]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", type=Path, required=True, help="cohort/flow.json")
    parser.add_argument("--auc", type=Path, required=True, help="report/auc.csv")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--localisation", type=Path, required=True, help="report/localisation.csv")
    parser.add_argument("--crop-audit", type=Path, required=True, help="report/crop_audit.csv")
    parser.add_argument("--figures", type=Path, required=True, help="folder of draw_figures")
    parser.add_argument("--gallery", type=Path, required=True, help="folder of draw_gallery")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of every member")
    parser.add_argument(
        "--results", type=Path, required=True, help="folder whose manifests say what steps took"
    )
    parser.add_argument(
        "--settings", type=json_object, required=True, help="JSON: study, synthetic, partial, scoring"
    )
    parser.add_argument("--report", type=Path, required=True, help="written: the page (HTML)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)
    settings = Settings(**args.settings)
    with working_on(
        *(args.flow, args.auc, args.evaluation, args.localisation, args.crop_audit, args.figures, *args.runs)
    ):
        write_page(args, settings)


def write_page(args: argparse.Namespace, settings: Settings) -> None:
    evaluated = args.evaluation.parents[1]
    flow = read_json(args.flow)
    aucs = read_csv(args.auc, AUC_WORDS)
    evaluation = read_json(args.evaluation)
    with working_on(args.evaluation):
        models = [Model(**model) for model in evaluation["models"]]
    outcomes, excluded = excluded_by_outcome(flow)
    steps = flow_steps(flow)
    runs = [read_json(run) for run in args.runs]
    costs = [row for row in step_costs(args.results, evaluated) if row["step"] != "report"]  # (an older page)
    scripts, sources = page_scripts()
    page = render(
        {
            "settings": settings,
            "synthetic_text": SYNTHETIC,
            "evaluation": evaluation,
            "flow": flow,
            "steps": steps,
            "excluded_outcomes": outcomes,
            "excluded": excluded,
            "endpoints": [ENDPOINT_NAMES[endpoint] for endpoint in Endpoint],
            "endpoint_names": {str(end): name for end, name in ENDPOINT_NAMES.items()},
            "models": models,
            "scoring": scoring_words(settings.scoring),
            "model_names": {model.key: model.name for model in models},
            "names_within": {model.key: model.name_within for model in models},
            "table1": table1(aucs, models),
            "variants": variants(aucs, models),
            "variant_names": [VARIANT_NAMES[variant] for variant in VARIANTS],
            "notes": NOTES,
            "ci_methods": sorted({row["ci_method"] for row in aucs} - {NOT_RUN}),
            "hits": hit_rates(read_csv(args.localisation, ("locator", "role", "lesion_type"))),
            "locator_names": LOCATOR_NAMES,
            "crops": read_csv(args.crop_audit, ()),
            "figures": {**read_figures(args.figures), "cost": [cost_figure(costs)]},
            "gallery": gallery_sample(args.gallery),
            "costs": costs,
            "cost_unit": time_unit(row["hours"] for row in costs),
            "flow_chart": flow_boxes(steps),
            "triage_rows": triage_rows(evaluation["triage"], TRIAGE_SHARES),
            "origin": origin(args.results, evaluated, runs),
            "step_settings": step_settings(args.results, evaluated),
            "runs": [{name: run.get(name) for name in RUN_COLUMNS} for run in runs],
            "hours": sum(run.get("wall_s") or 0 for run in runs) / 3600,
            "partial": settings.partial,
            "partial_text": partial_words(settings.partial) if settings.partial else "",
            "scripts": scripts,
            "script_sources": sources,
        },
        TEMPLATE,
    )
    write_artefact(args.report, page)
    log.info("%s: %d kB", args.report, len(page) // 1024)


if __name__ == "__main__":
    main()
