"""Write the model card and the data card: what was trained on whom, how well it does, for whom it is not meant.

Both are Markdown, made from the study's own figures; their fixed text stands in pages/model_card.md.j2 and
pages/data_card.md.j2. Source of the model card's parts: Mitchell et al. 2019, doi 10.1145/3287560.3287596; of the data
card's: Gebru et al. 2021, doi 10.1145/3458723.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.damage import working_on
from mammo_steps.core.exam_models import NETWORKS, Model
from mammo_steps.core.group_names import group_label
from mammo_steps.core.number_text import read_csv, read_json
from mammo_steps.core.page import render
from mammo_steps.core.step_costs import step_costs
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.study_origin import origin
from mammo_steps.core.subgroups import age_bands
from mammo_steps.core.table1 import ENDPOINT_NAMES, SYNTHETIC, partial_words
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Endpoint

log = logging.getLogger("write_cards")

AUC_WORDS = ("model", "endpoint", "unit", "protocol", "pooling", "ci_method")
IMAGE_COLUMNS = (
    *("exam_id", "vendor", "model", "view", "height_px", "width_px", "pixel_spacing_mm", "bits_stored"),
    *("exam_year", "age_years", "density", "intensity"),
)
_MOST = 12  # rows of a list of counts; the rest is summed up


@dataclass(frozen=True)
class Settings:
    """study: its name; dataset: how labels were read; synthetic, partial: as in the report."""

    study: str
    dataset: str
    synthetic: bool
    partial: Mapping[str, Any] | None


def counts(values: Iterable[Any]) -> list[tuple[str, int]]:
    """Value and number, the most frequent ones first; what is left over is `others`."""
    ranked = sorted(
        Counter("not known" if v is None else str(v) for v in values).items(), key=lambda x: (-x[1], x[0])
    )
    rest = sum(n for _, n in ranked[_MOST:])
    return ranked[:_MOST] + ([(f"{len(ranked) - _MOST} others", rest)] if rest else [])


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Quantiles of the known values; None without any."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    if not known.size:
        return None
    points = np.quantile(known, [0, 0.05, 0.5, 0.95, 1])
    return dict(zip(("least", "p5", "median", "p95", "most"), points.tolist(), strict=True)) | {
        "n": known.size
    }


def image_facts(images: pa.Table) -> dict[str, Any]:
    """What the cohort's images are like: counts of images, and of exams for what an exam has."""
    of_exam = {
        row["exam_id"]: row
        for row in images.select(["exam_id", "exam_year", "age_years", "density"]).to_pylist()
    }
    sizes = zip(images["height_px"].to_pylist(), images["width_px"].to_pylist(), strict=True)
    ages = [row["age_years"] for row in of_exam.values()]
    return {
        "n_images": images.num_rows,
        "vendor": counts(images["vendor"].to_pylist()),
        "view": counts(images["view"].to_pylist()),
        "size": counts(f"{height} x {width}" for height, width in sizes),
        "bits": counts(images["bits_stored"].to_pylist()),
        "spacing": spread(images["pixel_spacing_mm"].to_pylist()),
        "year": sorted(counts(row["exam_year"] for row in of_exam.values())),
        "age": sorted(counts(age_bands(ages, 5))),
        "density": sorted(counts(row["density"] for row in of_exam.values())),
    }


def card_values(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """What both pages are filled with."""
    evaluation = read_json(args.evaluation)
    runs = [read_json(run) for run in args.runs]
    known = read_table(args.images, "images").column_names
    facts = image_facts(read_table(args.images, "images", [name for name in IMAGE_COLUMNS if name in known]))
    aucs = [
        row
        for row in read_csv(args.auc, AUC_WORDS)
        if (row["protocol"], row["pooling"]) == ("all", "pooled") and row["auc"] is not None
    ]
    hits = read_csv(args.localisation, ("locator", "role", "lesion_type"))
    return {
        "settings": asdict(settings),
        "synthetic_text": SYNTHETIC,
        "partial_text": partial_words(settings.partial) if settings.partial else "",
        "flow": read_json(args.flow),
        "evaluation": evaluation,
        "facts": facts,
        "aucs": aucs,
        "networks": NETWORKS,
        "endpoints": {str(endpoint): ENDPOINT_NAMES[endpoint] for endpoint in Endpoint},
        "model_names": {model.key: model.name for model in (Model(**one) for one in evaluation["models"])},
        "subgroups": [{**row, "label": group_label(row)} for row in evaluation["subgroups"]],
        "hits": [row for row in hits if row["role"] == "test" and row["lesion_type"] == "all"],
        "runs": runs,
        "hours": sum(run.get("wall_s") or 0 for run in runs) / 3600,
        "costs": step_costs(args.results, args.evaluation.parents[1]),
        "origin": origin(args.results, args.evaluation.parents[1], runs),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flow", type=Path, required=True, help="cohort/flow.json")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--auc", type=Path, required=True, help="report/auc.csv")
    parser.add_argument("--evaluation", type=Path, required=True, help="report/evaluation.json")
    parser.add_argument("--localisation", type=Path, required=True, help="report/localisation.csv")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="run.json of every member")
    parser.add_argument(
        "--results", type=Path, required=True, help="folder whose manifests say what steps took"
    )
    parser.add_argument(
        "--settings", type=json_object, required=True, help="JSON: study, dataset, synthetic, partial"
    )
    parser.add_argument("--model-card", type=Path, required=True, help="written (Markdown)")
    parser.add_argument("--data-card", type=Path, required=True, help="written (Markdown)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    with working_on(args.flow, args.images, args.auc, args.evaluation, args.localisation, *args.runs):
        values = card_values(args, settings)
    for page, path in (("model_card.md.j2", args.model_card), ("data_card.md.j2", args.data_card)):
        write_artefact(path, render(values, page))
    log.info("cards of %d exams, %d networks", values["evaluation"]["counts"]["n_exams"], len(args.runs))


if __name__ == "__main__":
    main()
