"""Train one fold's attention model: ROIs instead of whole images, started from the fold's holistic weights.

Where the study starts from a bundle it starts from the attention weights there (`core.bundle_start`).
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mammo_steps.core.augment import AugmentSettings
from mammo_steps.core.bundle_start import bundle_start
from mammo_steps.core.cohort import (
    check_weights,
    fold_images,
    pool_of,
    targets_of,
    validation_of,
    women_learned_from,
)
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.fingerprint import code_fingerprint
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.image_store import REMEDY, ImageStore, roi_places, roi_recipe
from mammo_steps.core.member import MEMBER_FLAGS, START_FLAGS, Member
from mammo_steps.core.network import INPUT_RULES, load_network, read_facts, weights_recipe
from mammo_steps.core.recipe import Recipe, check_follows
from mammo_steps.core.steps import start_step
from mammo_steps.core.tables import recipe_of
from mammo_steps.core.task import Task


def with_rois(task: Task) -> Task:
    """The task cut down to images that have a ROI: locate_coa bounds the negatives a fold may draw.

    Raises ValueError if a positive or a validation image has none.
    """
    have = task.store.places
    lost = [i for i in (*task.pool.positives, *task.validation) if i not in have]
    if lost:
        raise ValueError(
            f"fold {task.fold}: {len(lost)} images have no ROI, such as {lost[0]}: rerun crop_rois"
        )
    negatives = {
        exam: kept
        for exam, images in task.pool.negatives.items()
        if (kept := tuple(image for image in images if image in have))
    }
    return replace(task, pool=replace(task.pool, negatives=negatives))


def checked_recipe(images: Path, start: Path, rois: Path, shards: Sequence[str]) -> Recipe:
    """The ROIs' recipe; ValueError unless they come of the start weights, and these of the images table."""
    cut, weights = roi_recipe(rois, shards), weights_recipe(start)
    check_follows(weights, recipe_of(images), REMEDY)
    check_follows(cut, weights, "Run locate_coa and crop_rois again with these weights")
    return cut.recipe


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, kind, required, meaning in MEMBER_FLAGS:
        parser.add_argument(flag, type=kind, required=required, help=meaning)
    for flag, how in START_FLAGS.items():
        parser.add_argument(flag, **how)
    parser.add_argument("--rois", type=Path, required=True, help="folder of the fold's ROI files")
    parser.add_argument("--begin-with", type=Path, required=True, help="the fold's holistic weights")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    given = args.settings["fit"]
    settings = FitSettings(**{**given, "augment": AugmentSettings(**given["augment"])})
    compute = Compute(**args.compute)
    compute.prepare()
    holistic = read_facts(args.begin_with)
    check_weights(holistic, args.begin_with, "holistic", args.roles, args.fold)
    rows = fold_images(args.images, args.roles, args.fold, ["exam_id", "target", "shard"])
    shards = sorted({row["shard"] for row in rows})
    rois = checked_recipe(args.images, args.begin_with, args.rois, shards)
    recipe = rois.then("train_attention", {"fit": {"input_px": settings.input_px}, "rules": INPUT_RULES})
    start = bundle_start(args.bundle, args.start, args.bundle_women)
    store = ImageStore(roi_places(args.rois, shards))
    # the attention model draws its epochs anew: its random streams are not those of the holistic model
    task = with_rois(
        Task(store, targets_of(rows), pool_of(rows), validation_of(rows), args.seed + 1, args.fold)
    )
    facts = {
        "model": "attention",
        "backbone": holistic["backbone"],
        "input_px": settings.input_px,
        "fold": args.fold,
        "seed": args.seed,
        "women": women_learned_from(args.roles, args.fold),
        "settings": {"fit": asdict(settings)},
        "code": code_fingerprint("train_attention"),
        **recipe.metadata(),
    }
    files = [args.begin_with, *(args.rois / f"{shard}.parquet" for shard in shards)]
    if start is None:
        network = load_network(args.begin_with)
        facts |= {"start": holistic["start"]} if "start" in holistic else {}
    else:
        facts["start"] = start.facts(args.roles)
        files.append(start.file("attention"))
        network = start.network("attention", holistic["backbone"], recipe)
    member = Member(
        compute,
        Job(**args.job),
        *(args.model, args.history, args.record, args.resume, args.events),
        inputs={args.images, args.roles, *files},
        facts=facts,
    )
    member.train(network, task, settings)


if __name__ == "__main__":
    main()
