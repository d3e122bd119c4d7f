"""Evaluate out-of-fold exam scores: AUCs as in the paper's Table 1, tests, ROC curves, operating points, calibration,
triage and subgroups, and where the ROIs lie.

Localisation needs the truth (--lesions, raw image ids, with the key that turns them into pseudonyms); without
it its table has no rows. Everything else needs exam scores, COAs and the holistic images alone.
"""

import argparse
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mammo_steps.core import crop_audit, localisation
from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.breast import breast_mask
from mammo_steps.core.cohort import PLACE_COLUMNS
from mammo_steps.core.crop_audit import CropAudit
from mammo_steps.core.exam_aucs import NOT_RUN, POOLINGS, PROTOCOLS, AucRow, Comparison, Rules, comparisons
from mammo_steps.core.exam_facts import read_exam_facts
from mammo_steps.core.exam_models import NETWORKS, READERS, Model, pairs, table_models
from mammo_steps.core.exam_scores import Exams, read_exams
from mammo_steps.core.exam_statistics import StatisticsSettings, statistics_part
from mammo_steps.core.geometry import InputCut, RoiSize
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.image_store import ImageStore, holistic_places
from mammo_steps.core.localisation import Case, Found, Lesion, case_of, localisation_rows, read_lesions
from mammo_steps.core.number_text import csv_text, json_text, read_json
from mammo_steps.core.roc_curves import curves
from mammo_steps.core.start_note import start_of
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.table1 import table1_markdown
from mammo_steps.core.tables import read_table
from mammo_steps.core.terms import Endpoint, Outcome, Role

log = logging.getLogger("evaluate")

AUC_COLUMNS = (
    *("model", "endpoint", "unit", "protocol", "pooling", "auc", "ci_low", "ci_high", "ci_method"),
    *("n_positive", "n_negative"),
)


@dataclass(frozen=True)
class Settings(Rules):
    """Beside the rules of the AUCs (`core.exam_aucs.Rules`):

    synthetic       the cohort is synthetic: say so
    partial         `folds` that stand behind it, `of` how many; None = all of them
    published_ran   whether there are scores of Wu et al. 2019
    outside         the outside models, entries of the config's `outside_models.tables`
    input           how the holistic model's input is cut: side_px, crop, mm_per_px (`core.geometry.InputCut`)
    roi             size of a ROI: side_px, mm_per_px (`core.geometry.RoiSize`)
    audit_per_size  of how many images of each size the crop audit measures the breast
    statistics      operating points, calibration, triage and subgroups (`core.exam_statistics`)
    """

    synthetic: bool
    partial: Mapping[str, Any] | None
    published_ran: bool
    outside: Sequence[Mapping[str, Any]]
    input: Mapping[str, Any]
    roi: Mapping[str, Any]
    audit_per_size: int
    statistics: Mapping[str, Any]


Comparisons = Mapping[tuple[str, str], Comparison]  # (end point, protocol) -> its exams


def auc_rows(found: Comparisons, models: Sequence[Model]) -> list[AucRow]:
    """Every line of auc.csv: end point x protocol x pooling x model."""
    return [
        found[endpoint, protocol].row(model, endpoint, protocol, pooling)
        for endpoint in Endpoint
        for protocol in PROTOCOLS
        for pooling in POOLINGS
        for model in models
    ]


def prior_rows(exams: Exams, rules: Rules, seed: int) -> list[dict[str, Any]]:
    """AUCs of the networks with priors treated the other way; empty without priors."""
    if Outcome.PRIOR not in exams.outcome:
        return []
    other = replace(rules, prior="leave_out" if rules.prior == "negative" else "negative")
    found = comparisons(exams, other, seed)
    own = [model for model in exams.models if model.key in NETWORKS]
    rows = [found[end, "all"].row(model, end, "all", "pooled") for end in Endpoint for model in own]
    return [{"prior": other.prior, **asdict(row)} for row in rows]


def exam_counts(exams: Exams) -> dict[str, Any]:
    """Exams and women by outcome, and exams read by each reader."""
    by_outcome = Counter(exams.outcome)
    outcome = np.array(exams.outcome)
    return {
        "n_exams": len(exams.exam_id),
        "n_women": int(exams.stratum.size),
        "exams_by_outcome": {name.value: by_outcome[name] for name in Outcome},
        "women_by_outcome": {
            name.value: int(np.unique(exams.woman[outcome == name]).size) for name in Outcome
        },
        "n_unknown_left_out": by_outcome[Outcome.UNKNOWN],
        "reader_n": {name: int(np.isfinite(exams.scores[name]).sum()) for name in (*READERS, "two_readers")},
        "scored_n": {name: int(np.isfinite(scores).sum()) for name, scores in exams.scores.items()},
    }


def exam_part(exams: Exams, found: Comparisons, rows: Sequence[AucRow]) -> dict[str, Any]:
    """What evaluation.json says about exams."""
    tests = []
    for endpoint in Endpoint:
        for first, second in pairs(exams.models):
            test = found[endpoint, "all"].test(first, second)
            if test:
                tests.append({"endpoint": endpoint, "protocol": "all", **test})
    return {
        "models": [asdict(model) for model in exams.models],
        "counts": exam_counts(exams),
        "not_estimable": [
            {name: getattr(row, name) for name in ("model", "endpoint", "protocol", "pooling", "why")}
            for row in rows
            if row.why and row.ci_method != NOT_RUN
        ],
        "tests": tests,
        "fold_aucs": [
            {"model": model.key, "endpoint": end, "folds": list(values), "auc": list(values.values())}
            for end in Endpoint
            for model in exams.models
            for values in [found[end, "all"].fold_aucs(model.key)]
        ],
        "roc": [row for end in Endpoint for row in curves(found[end, "all"], end)],
    }


def coa_counts(files: Iterable[Path]) -> dict[str, Any]:
    """How often a test image's saliency map was empty, and how much of its top lay outside the breast."""
    folds, shares = [], []
    for file in sorted(files):
        table = read_table(file, "holistic_scores", ["fold", "role", "coa_fallback", "top_outside_breast"])
        table = table.filter(pc.equal(table["role"], Role.TEST))
        if table.num_rows:
            fallback = table["coa_fallback"].to_numpy()
            shares.append(table["top_outside_breast"].to_numpy()[~fallback])
            folds.append(
                {
                    "fold": table["fold"][0].as_py(),
                    "n_images": table.num_rows,
                    "n_fallback": int(fallback.sum()),
                }
            )
    outside = np.concatenate(shares) if shares else np.array([])
    return {
        "n_images": sum(fold["n_images"] for fold in folds),
        "n_fallback": sum(fold["n_fallback"] for fold in folds),
        "mean_top_outside_breast": float(outside.mean()) if outside.size else None,
        "folds": sorted(folds, key=lambda fold: int(fold["fold"])),
    }


def places_found(files: Iterable[Path], image_ids: Iterable[str]) -> list[Found]:
    """COAs of these images in `holistic_scores` tables."""
    wanted, found = pa.array(sorted(image_ids), pa.string()), []
    for file in sorted(files):
        table = read_table(file, "holistic_scores", ["image_id", "role", "coa_row", "coa_col"])
        for row in table.filter(pc.is_in(table["image_id"], wanted)).to_pylist():
            found.append(Found(row["image_id"], row["role"], row["coa_row"], row["coa_col"]))
    return found


def look_at_images(
    images: pa.Table, shards: Path, lesions: Mapping[str, list[Lesion]], settings: Settings, seed: int
) -> tuple[dict[str, Case], list[dict[str, Any]]]:
    """Cases to localise, and the rows of the crop audit; reads the holistic images it needs, one by one."""
    cut, roi = InputCut(**settings.input), RoiSize(**settings.roi)
    audit = CropAudit(cut, settings.audit_per_size)
    sizes = list(zip(images["height_px"].to_pylist(), images["width_px"].to_pylist(), strict=True))
    measured = audit.chosen(images["image_id"].to_pylist(), sizes, seed)
    wanted = pa.array(sorted(measured | set(lesions)), pa.string())
    rows = images.filter(pc.is_in(images["image_id"], wanted)).to_pylist()
    store = ImageStore(holistic_places(rows, shards, cut))
    cases: dict[str, Case] = {}
    for image in sorted(rows, key=lambda row: (row["shard"], row["image_id"])):
        image_id = image["image_id"]
        known = lesions.get(image_id, [])
        audit.add_lesions(image, known)
        malignant = [lesion for lesion in known if lesion.malignant]
        positive = bool(malignant) and image["outcome"] == Outcome.SCREEN_DETECTED
        if not positive and image_id not in measured:
            continue
        mask = breast_mask(store.canvas(image_id))
        if image_id in measured:
            audit.add_breast(image, mask)
        if positive and mask.any():
            cases[image_id] = case_of(image, mask, roi.stored_px(image["pixel_spacing_mm"]), malignant)
    return cases, audit.rows()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="scores/exams.parquet")
    parser.add_argument("--outside", type=Path, help="scores/outside.parquet, where there are outside models")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--coas", type=Path, nargs="+", required=True, help="holistic/{fold}/images.parquet")
    parser.add_argument("--untrained-coas", type=Path, nargs="*", default=[], help="the same, untrained")
    parser.add_argument("--lesions", type=Path, help="lesions.csv, raw image ids; needs a key")
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--key", help="the key of the pseudonyms, where it is public")
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="*",
        default=[],
        help="run.json of every network, where they started from a bundle",
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--auc", type=Path, required=True, help="written: AUCs (CSV)")
    parser.add_argument("--table1", type=Path, required=True, help="written: the paper's Table 1 (Markdown)")
    parser.add_argument("--evaluation", type=Path, required=True, help="written: counts, tests, ROC (JSON)")
    parser.add_argument("--localisation", type=Path, required=True, help="written: ROI hit rates (CSV)")
    parser.add_argument("--crop-audit", type=Path, required=True, help="written: what the crop cuts (CSV)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = _parser()
    args = parser.parse_args(argv)
    start_step(__spec__, args)
    lesions: dict[str, list[Lesion]] = defaultdict(list)
    if args.lesions:
        if args.key is None and args.key_file is None:
            parser.error("--lesions holds raw image ids: give --key or --key-file as well")
        key = args.key if args.key is not None else read_key(args.key_file)
        lesions.update(read_lesions(args.lesions, Pseudonyms(key)))

    settings = Settings(**args.settings)
    start = start_of(map(read_json, args.runs))
    models = table_models(settings.outside, settings.published_ran, start["text"] if start else "")
    exams = read_exams(args.scores, models, args.outside)
    log.info("%d exams, %d images with known lesions", len(exams.exam_id), len(lesions))
    found = comparisons(exams, settings, args.seed)
    rows = auc_rows(found, exams.models)
    names = {"image_id", "outcome", "breast_area_px", "breast_col", *PLACE_COLUMNS}
    images = read_table(args.images, "images", sorted(names))
    cases, audit = look_at_images(images, args.shards, lesions, settings, args.seed)
    hits = localisation_rows(
        cases,
        places_found(args.coas, cases),
        places_found(args.untrained_coas, cases),
    )
    rules = StatisticsSettings(**settings.statistics)
    facts = read_exam_facts(args.images, args.coas, exams.exam_id, lesions, rules.age_band_years)
    evaluation = {
        "synthetic": settings.synthetic,
        "partial": settings.partial,
        "start": start,
        "prior": settings.prior,
        **exam_part(exams, found, rows),
        **statistics_part(found, rules, facts, args.seed),
        "prior_otherwise": prior_rows(exams, settings, args.seed),
        "coa": coa_counts(args.coas),
    }
    write_artefact(args.auc, csv_text(AUC_COLUMNS, map(asdict, rows)))
    write_artefact(args.table1, table1_markdown(rows, exams.models, settings.synthetic, settings.partial))
    write_artefact(args.localisation, csv_text(localisation.COLUMNS, hits))
    write_artefact(args.crop_audit, csv_text(crop_audit.COLUMNS, audit))
    write_artefact(args.evaluation, json_text(evaluation))
    n_missing = sum(row.auc is None for row in rows)
    log.info(
        "%d AUCs written, %d of them not estimable; %d positive images localised",
        *(len(rows), n_missing, len(cases)),
    )


if __name__ == "__main__":
    main()
