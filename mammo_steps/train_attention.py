"""Train one fold's attention model: ROIs instead of whole images, started from the fold's holistic weights."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from mammo_steps.core.batches import AugmentSettings
from mammo_steps.core.cohort import fold_images, pool_of, targets_of, validation_of
from mammo_steps.core.compute import Compute
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.image_store import ImageStore, roi_places
from mammo_steps.core.network import load_network, read_facts, save_network
from mammo_steps.core.run_record import run_record
from mammo_steps.core.sampling import Pool
from mammo_steps.core.steps import json_object, start_logging
from mammo_steps.core.training import FitSettings, Task, best_epoch, fit, history_csv

log = logging.getLogger("train_attention")


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
    return replace(task, pool=Pool(task.pool.positives, negatives))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--roles", type=Path, required=True, help="cohort/roles.parquet")
    parser.add_argument("--rois", type=Path, required=True, help="folder of the fold's ROI files")
    parser.add_argument("--start", type=Path, required=True, help="the fold's holistic weights")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: fit")
    parser.add_argument(
        "--compute", type=json_object, required=True, help="JSON: device, torch_threads, precision"
    )
    parser.add_argument("--model", type=Path, required=True, help="written: weights (safetensors)")
    parser.add_argument("--history", type=Path, required=True, help="written: one line per epoch (CSV)")
    parser.add_argument("--run", type=Path, required=True, help="written: cost and versions (JSON)")
    args = parser.parse_args(argv)
    start_logging()

    fit_settings = dict(args.settings["fit"])
    settings = FitSettings(**{**fit_settings, "augment": AugmentSettings(**fit_settings["augment"])})
    compute = Compute(**args.compute)
    compute.prepare()
    rows = fold_images(args.images, args.roles, args.fold, ["exam_id", "target", "shard"])
    store = ImageStore(roi_places(args.rois, (row["shard"] for row in rows)))
    # the attention model draws its epochs anew: its random streams are not those of the holistic model
    task = with_rois(
        Task(store, targets_of(rows), pool_of(rows), validation_of(rows), args.seed + 1, args.fold)
    )
    log.info(
        "fold %d: %d positive ROIs, %d exams with negatives, %d validation ROIs, on %s",
        *(args.fold, len(task.pool.positives), len(task.pool.negatives), len(task.validation)),
        compute.torch_device,
    )
    network = load_network(args.start)
    history = fit(network, task, settings, compute)
    facts = {
        "model": "attention",
        "backbone": read_facts(args.start)["backbone"],
        "input_px": settings.input_px,
        "fold": args.fold,
        "seed": args.seed,
        "settings": {"fit": asdict(settings)},
    }
    save_network(network, facts, args.model)
    write_text(args.history, history_csv(history))
    write_json(args.run, {**facts, "compute": asdict(compute), **run_record(compute.torch_device)})
    log.info("fold %d: kept epoch %d of %d", args.fold, best_epoch(history) + 1, len(history))


if __name__ == "__main__":
    main()
