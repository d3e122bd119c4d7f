"""Train one fold's holistic model: the whole image, image-level targets, women of the other folds only."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mammo_steps.core.batches import AugmentSettings
from mammo_steps.core.cohort import PLACE_COLUMNS, fold_images, pool_of, targets_of, validation_of
from mammo_steps.core.compute import Compute
from mammo_steps.core.files import write_json, write_text
from mammo_steps.core.image_store import ImageStore, holistic_places
from mammo_steps.core.network import NetworkSettings, save_network, start_network
from mammo_steps.core.run_record import run_record
from mammo_steps.core.steps import json_object, start_logging
from mammo_steps.core.training import FitSettings, Task, best_epoch, fit, history_csv

log = logging.getLogger("train_holistic")


@dataclass(frozen=True)
class Settings:
    """crop: how the scored square is cut, see `core.geometry.input_frame`."""

    network: NetworkSettings
    crop: str
    fit: FitSettings

    @classmethod
    def parse(cls, network: dict[str, Any], crop: str, fit: dict[str, Any]) -> Self:
        augment = AugmentSettings(**fit["augment"])
        return cls(NetworkSettings(**network), crop, FitSettings(**{**fit, "augment": augment}))


def holistic_task(rows: list[dict[str, Any]], shards: Path, settings: Settings, seed: int, fold: int) -> Task:
    """What a fold's holistic model learns from the rows of `fold_images`."""
    seen = [row for row in rows if row["role"] != "test" and row["target"] is not None]
    places = holistic_places(seen, shards, settings.fit.input_px, settings.crop)
    return Task(ImageStore(places), targets_of(rows), pool_of(rows), validation_of(rows), seed, fold)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--roles", type=Path, required=True, help="cohort/roles.parquet")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: network, crop, fit")
    parser.add_argument(
        "--compute", type=json_object, required=True, help="JSON: device, torch_threads, precision"
    )
    parser.add_argument("--model", type=Path, required=True, help="written: weights (safetensors)")
    parser.add_argument("--history", type=Path, required=True, help="written: one line per epoch (CSV)")
    parser.add_argument("--run", type=Path, required=True, help="written: cost and versions (JSON)")
    args = parser.parse_args(argv)
    start_logging()

    settings, compute = Settings.parse(**args.settings), Compute(**args.compute)
    compute.prepare()
    rows = fold_images(args.images, args.roles, args.fold, ["exam_id", "target", *PLACE_COLUMNS])
    task = holistic_task(rows, args.shards, settings, args.seed, args.fold)
    log.info(
        "fold %d: %d positive images, %d exams with negatives, %d validation images, on %s",
        *(args.fold, len(task.pool.positives), len(task.pool.negatives), len(task.validation)),
        compute.torch_device,
    )
    network = start_network(settings.network, args.seed)
    history = fit(network, task, settings.fit, compute)
    facts = {
        "model": "holistic",
        "backbone": settings.network.backbone,
        "input_px": settings.fit.input_px,
        "crop": settings.crop,
        "fold": args.fold,
        "seed": args.seed,
        "settings": asdict(settings),
    }
    save_network(network, facts, args.model)
    write_text(args.history, history_csv(history))
    write_json(args.run, {**facts, "compute": asdict(compute), **run_record(compute.torch_device)})
    log.info("fold %d: kept epoch %d of %d", args.fold, best_epoch(history) + 1, len(history))


if __name__ == "__main__":
    main()
