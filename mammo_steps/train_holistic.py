"""Train one fold's holistic model: the whole image, image-level targets, women of the other folds only."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from mammo_steps.core.augment import AugmentSettings
from mammo_steps.core.bundle_start import bundle_start
from mammo_steps.core.cohort import (
    PLACE_COLUMNS,
    fold_images,
    pool_of,
    targets_of,
    validation_of,
    women_learned_from,
)
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.fingerprint import code_fingerprint
from mammo_steps.core.fit_settings import FitSettings
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.image_store import ImageStore, holistic_places
from mammo_steps.core.member import MEMBER_FLAGS, START_FLAGS, Member
from mammo_steps.core.network import INPUT_RULES, NetworkSettings, start_network
from mammo_steps.core.recipe import Marked, Recipe
from mammo_steps.core.steps import start_step
from mammo_steps.core.tables import recipe_of
from mammo_steps.core.task import Task


@dataclass(frozen=True)
class Settings:
    """crop, mm_per_px: how the scored square is cut, see `core.geometry.InputCut`."""

    network: NetworkSettings
    crop: str
    mm_per_px: float | None
    fit: FitSettings

    @classmethod
    def parse(cls, network: dict[str, Any], fit: dict[str, Any], **cut: Any) -> Self:
        augment = AugmentSettings(**fit["augment"])
        return cls(network=NetworkSettings(**network), fit=FitSettings(**{**fit, "augment": augment}), **cut)

    @property
    def cut(self) -> InputCut:
        return InputCut(self.fit.input_px, self.crop, self.mm_per_px)


def seen_images(rows: list[dict[str, Any]], shards: Path, settings: Settings, images: Marked) -> ImageStore:
    """The images that a fold learns from and chooses by; `images` is the table that lists them."""
    seen = [row for row in rows if row["role"] != "test" and row["target"] is not None]
    return ImageStore(holistic_places(seen, shards, settings.cut), images)


def input_recipe(images: Recipe, settings: Settings) -> Recipe:
    """What the network's pixels went through, from those of the images table on."""
    own: dict[str, Any] = {
        "crop": settings.crop,
        "fit": {"input_px": settings.fit.input_px},
        "rules": INPUT_RULES,
    }
    if settings.mm_per_px is not None:
        own["mm_per_px"] = settings.mm_per_px
    return images.then("train_holistic", own)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for flag, kind, required, meaning in MEMBER_FLAGS:
        parser.add_argument(flag, type=kind, required=required, help=meaning)
    for flag, how in START_FLAGS.items():
        parser.add_argument(flag, **how)
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = Settings.parse(**args.settings), Compute(**args.compute)
    compute.prepare()
    rows = fold_images(args.images, args.roles, args.fold, ["exam_id", "target", *PLACE_COLUMNS])
    images = recipe_of(args.images)
    recipe = input_recipe(images.recipe, settings)
    start = bundle_start(args.bundle, args.start, args.bundle_women)
    store = seen_images(rows, args.shards, settings, images)
    task = Task(store, targets_of(rows), pool_of(rows), validation_of(rows), args.seed, args.fold)
    facts = {
        "model": "holistic",
        "backbone": settings.network.backbone,
        "input_px": settings.fit.input_px,
        "crop": settings.crop,
        "mm_per_px": settings.mm_per_px,
        "fold": args.fold,
        "seed": args.seed,
        "women": women_learned_from(args.roles, args.fold),
        "settings": asdict(settings),
        "code": code_fingerprint("train_holistic"),
        **recipe.metadata(),
    }
    files = [store.places[image_id].file for image_id in store.places]
    if start is None:
        network = start_network(settings.network, args.seed)
    else:
        facts["start"] = start.facts(args.roles)
        files.append(start.file("holistic"))
        network = start.network("holistic", settings.network.backbone, recipe)
    member = Member(
        compute,
        Job(**args.job),
        *(args.model, args.history, args.record, args.resume, args.events),
        inputs={args.images, args.roles, *files},
        facts=facts,
    )
    member.train(network, task, settings.fit)


if __name__ == "__main__":
    main()
