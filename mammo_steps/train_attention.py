"""Train one fold's attention model: ROIs instead of whole images, started from the fold's holistic weights."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mammo_steps.core.augment import AugmentSettings
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
from mammo_steps.core.member import MEMBER_FLAGS, Member
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
    parser.add_argument("--rois", type=Path, required=True, help="folder of the fold's ROI files")
    parser.add_argument("--begin-with", type=Path, required=True, help="the fold's holistic weights")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    given = args.settings["fit"]
    settings = FitSettings(**{**given, "augment": AugmentSettings(**given["augment"])})
    compute = Compute(**args.compute)
    compute.prepare()
    start = read_facts(args.begin_with)
    check_weights(start, args.begin_with, "holistic", args.roles, args.fold)
    rows = fold_images(args.images, args.roles, args.fold, ["exam_id", "target", "shard"])
    shards = sorted({row["shard"] for row in rows})
    recipe = checked_recipe(args.images, args.begin_with, args.rois, shards)
    store = ImageStore(roi_places(args.rois, shards))
    # the attention model draws its epochs anew: its random streams are not those of the holistic model
    task = with_rois(
        Task(store, targets_of(rows), pool_of(rows), validation_of(rows), args.seed + 1, args.fold)
    )
    facts = {
        "model": "attention",
        "backbone": start["backbone"],
        "input_px": settings.input_px,
        "fold": args.fold,
        "seed": args.seed,
        "women": women_learned_from(args.roles, args.fold),
        "settings": {"fit": asdict(settings)},
        "code": code_fingerprint("train_attention"),
        **recipe.then(
            "train_attention", {"fit": {"input_px": settings.input_px}, "rules": INPUT_RULES}
        ).metadata(),
    }
    cut = [args.rois / f"{shard}.parquet" for shard in shards]
    member = Member(
        compute,
        Job(**args.job),
        *(args.model, args.history, args.record, args.resume, args.events),
        inputs={args.images, args.roles, args.begin_with, *cut},
        facts=facts,
    )
    member.train(load_network(args.begin_with), task, settings)


if __name__ == "__main__":
    main()
