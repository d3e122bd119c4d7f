"""Score one fold's ROIs with its attention model."""

import argparse
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.batches import Loader
from mammo_steps.core.cohort import check_weights
from mammo_steps.core.columns import TABLES
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.image_store import ImageStore, roi_key, roi_places, roi_recipe
from mammo_steps.core.inference import Scoring, score_images
from mammo_steps.core.network import load_network, read_facts, weights_recipe
from mammo_steps.core.recipe import Recipe, check_follows
from mammo_steps.core.roi_scoring import RoiScoring
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of, write_rows

log = logging.getLogger("score_attention")


def checked_recipe(coas: Path, model: Path, rois: Path, shards: Sequence[str]) -> Recipe:
    """The weights' recipe; ValueError unless they come of the ROIs' recipe, and the ROIs of that of the COAs."""
    cut, weights = roi_recipe(rois, shards), weights_recipe(model)
    check_follows(cut, recipe_of(coas), "Run crop_rois again for this fold")
    check_follows(
        weights, cut, "Take the weights that were trained on these ROIs, or run train_attention again"
    )
    return weights.recipe


def _roi_keys(row: dict[str, Any]) -> list[str]:
    """Keys of the ROIs of a row of `holistic_scores`."""
    return [roi_key(row["image_id"], number) for number in range(1 + len(row["further_coa_rows"]))]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coas", type=Path, required=True, help="the fold's holistic/{fold}/images.parquet")
    parser.add_argument("--rois", type=Path, required=True, help="folder of the fold's ROI files")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--roles", type=Path, required=True, help="cohort/roles.parquet")
    parser.add_argument("--model", type=Path, required=True, help="the fold's attention weights")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--compute", type=json_object, required=True)
    parser.add_argument("--job", type=json_object, required=True)
    parser.add_argument("--scores", type=Path, required=True, help="written: margins")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = RoiScoring(**args.settings), Compute(**args.compute)
    compute.prepare()
    facts = read_facts(args.model)
    check_weights(facts, args.model, "attention", args.roles, args.fold)
    who = [name for name in TABLES["attention_scores"] if name != "margin"]
    table = read_table(args.coas, "holistic_scores", [*who, "further_coa_rows"])
    rows = table.sort_by("image_id").to_pylist()
    n_other = sum(row["fold"] != args.fold for row in rows)
    if n_other:
        raise ValueError(f"{args.coas}: {n_other} images of another fold than {args.fold}")
    shards = read_table(args.images, "images", ["shard"])["shard"].unique().to_pylist()
    recipe = checked_recipe(args.coas, args.model, args.rois, shards)
    store = ImageStore(roi_places(args.rois, shards))
    keys = {row["image_id"]: _roi_keys(row) for row in rows}
    ids = sorted(itertools.chain(*keys.values()), key=lambda i: (str(store.places[i].file), i))
    how = Scoring(facts["input_px"], settings.batch_size, settings.test_time_flip)
    network = load_network(args.model).to(compute.torch_device)
    loader = Loader(store, compute.torch_device, Job(**args.job).loader_threads)
    found = score_images(network, loader, ids, how, compute)
    scored = [
        {
            **{name: row[name] for name in who},
            "margin": settings.pooled([found[key] for key in keys[row["image_id"]]]),
        }
        for row in rows
    ]
    write_rows(args.scores, "attention_scores", scored, recipe)
    log.info("%d ROIs of %d images scored on %s", len(ids), len(rows), compute.torch_device)


if __name__ == "__main__":
    main()
