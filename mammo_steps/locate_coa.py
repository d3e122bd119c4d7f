"""Score every image that a fold needs with its holistic model, and find its centre of attention (COA).

One forward and one backward pass per image give the margin and the saliency map. The map's target is the margin for
every image, never the image's label. Images: all of the test women; of the validation women those with a target;
of the training women the positives and the negatives that the attention model may draw.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mammo_steps.core.cohort import PLACE_COLUMNS, check_weights, fold_images, pool_of, validation_of
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.geometry import RoiSize
from mammo_steps.core.image_store import REMEDY
from mammo_steps.core.locating import LocateSettings, Locator
from mammo_steps.core.network import NetworkSettings, load_network, read_facts, start_network, weights_recipe
from mammo_steps.core.recipe import check_follows
from mammo_steps.core.saliency import COA_RULES
from mammo_steps.core.sampling import limited
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import recipe_of, write_rows
from mammo_steps.core.terms import Role

log = logging.getLogger("locate_coa")


def wanted_rows(
    rows: list[dict[str, Any]], settings: LocateSettings, seed: int, fold: int
) -> list[dict[str, Any]]:
    """The rows of `fold_images` that the fold scores or trains its attention model on."""
    pool = limited(pool_of(rows), settings.negative_exams, seed, fold)
    wanted = pool.image_ids | set(validation_of(rows))
    return [row for row in rows if row["role"] == Role.TEST or row["image_id"] in wanted]


def _who(row: dict[str, Any], fold: int) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("image_id", "patient_id", "exam_id", "laterality", "view", "role")},
        "fold": fold,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--roles", type=Path, required=True, help="cohort/roles.parquet")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--model", type=Path, required=True, help="the fold's holistic weights")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--compute", type=json_object, required=True)
    parser.add_argument("--job", type=json_object, required=True)
    parser.add_argument("--roi", type=json_object, help="JSON: side_px, mm_per_px; for more COAs than one")
    parser.add_argument(
        "--untrained",
        action="store_true",
        help="use an untrained network of the same kind, and test images only: a baseline of localisation",
    )
    parser.add_argument("--coas", type=Path, required=True, help="written: margins and COAs")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = LocateSettings(**args.settings), Compute(**args.compute)
    if settings.coas_per_image > 1 and args.roi is None:
        parser.error("coas_per_image > 1 needs --roi")
    roi = RoiSize(**args.roi) if settings.coas_per_image > 1 else None
    compute.prepare()
    columns = ["exam_id", "laterality", "view", "target", "breast_col", *PLACE_COLUMNS]
    rows = fold_images(args.images, args.roles, args.fold, columns)
    facts, weights = read_facts(args.model), weights_recipe(args.model)
    check_follows(weights, recipe_of(args.images), REMEDY)
    check_weights(facts, args.model, "holistic", args.roles, args.fold)
    if args.untrained:
        rows = [row for row in rows if row["role"] == Role.TEST]
        network = start_network(NetworkSettings(facts["backbone"]), args.seed)
    else:
        rows = wanted_rows(rows, settings, args.seed, args.fold)
        network = load_network(args.model)
    log.info("fold %d: %d images on %s", args.fold, len(rows), compute.torch_device)
    locator = Locator(network, facts, weights, settings, roi)
    located = locator.locate(rows, args.shards, compute, Job(**args.job))
    found = [
        {**_who(image, args.fold), **place}
        for image, place in tqdm(located, total=len(rows), unit="image", disable=None)
    ]
    found.sort(key=lambda row: str(row["image_id"]))
    own: dict[str, Any] = {
        "top_fraction": settings.top_fraction,
        "test_time_flip": settings.test_time_flip,
        "rules": COA_RULES,
    }
    if roi is not None:
        own |= {"coas_per_image": settings.coas_per_image, "roi": asdict(roi)}
    write_rows(args.coas, "holistic_scores", found, weights.recipe.then("locate_coa", own))
    n_fallback = sum(row["coa_fallback"] for row in found)
    log.info(
        "fold %d: %d COAs written, %d of empty maps (breast centroid)", args.fold, len(found), n_fallback
    )


if __name__ == "__main__":
    main()
