"""Score every image that a fold needs with its holistic model, and find its centre of attention (COA).

One forward and one backward pass per image give the margin and the saliency map. The map's target is the margin for
every image, never the image's label. Images: all of the test women; of the validation women those with a target;
of the training women the positives and the negatives that the attention model may draw.
"""

import argparse
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from mammo_steps.core.batches import Loader
from mammo_steps.core.cohort import PLACE_COLUMNS, check_weights, fold_images, pool_of, validation_of
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.geometry import InputFrame, RoiSize
from mammo_steps.core.image_store import REMEDY, ImageStore, holistic_frame, holistic_places
from mammo_steps.core.inference import flip_averaged
from mammo_steps.core.network import (
    NetworkSettings,
    cut_of,
    load_network,
    read_facts,
    start_network,
    weights_recipe,
)
from mammo_steps.core.recipe import Marked, check_follows
from mammo_steps.core.saliency import COA_RULES, attend, further_coas, saliency_maps
from mammo_steps.core.sampling import limited
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import recipe_of, write_rows
from mammo_steps.core.terms import Role

log = logging.getLogger("locate_coa")


@dataclass(frozen=True)
class Settings:
    """top_fraction   share of the input's pixels whose centroid is the COA (the paper: 0.01)
    coas_per_image    at most (the paper: 1); see `core.saliency.further_coas`
    batch_size        images per pass
    precision         `fp32`, or `as_training`: that of `compute`
    negative_exams    from how many negative exams the fold's attention model may draw; null = all. Bounds the
                      number of ROIs on disk.
    test_time_flip    margin and map of the mean over the image and its mirror image
    """

    top_fraction: float
    coas_per_image: int
    batch_size: int
    precision: str
    negative_exams: int | None
    test_time_flip: bool

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "as_training"):
            raise ValueError(f"precision is {self.precision!r}, wanted fp32 or as_training")


def wanted_rows(rows: list[dict[str, Any]], settings: Settings, seed: int, fold: int) -> list[dict[str, Any]]:
    """The rows of `fold_images` that the fold scores or trains its attention model on."""
    pool = limited(pool_of(rows), settings.negative_exams, seed, fold)
    wanted = pool.image_ids | set(validation_of(rows))
    return [row for row in rows if row["role"] == Role.TEST or row["image_id"] in wanted]


class _Locator:
    """A network and the frame it sees images in."""

    def __init__(
        self,
        network: nn.Module,
        facts: dict[str, Any],
        weights: Marked,
        settings: Settings,
        roi: RoiSize | None,
    ) -> None:
        frozen = network.eval().requires_grad_(False)
        self.network = flip_averaged(frozen) if settings.test_time_flip else frozen
        self.cut = cut_of(facts)
        self.weights, self.settings, self.roi = weights, settings, roi

    def locate(
        self, rows: list[dict[str, Any]], shards: Path, fold: int, compute: Compute, job: Job
    ) -> list[dict[str, Any]]:
        """Rows of the `holistic_scores` table, in the order of image_id."""
        self.network.to(compute.torch_device)
        by_id = {row["image_id"]: row for row in rows}
        ids = sorted(
            by_id, key=lambda i: (by_id[i]["shard"], i)
        )  # shard by shard, so that few files are open
        store = ImageStore(holistic_places(rows, shards, self.cut), self.weights)
        loader = Loader(store, compute.torch_device, job.loader_threads)
        found = []
        with tqdm(total=len(ids), unit="image", disable=None) as bar:
            for batch, grey, breast in loader.scoring_with_breasts(
                ids, self.cut.side_px, self.settings.batch_size
            ):
                images = [by_id[image_id] for image_id in batch]
                frames = [holistic_frame(image, self.cut) for image in images]
                found += [
                    {**_who(image, fold), **place}
                    for image, place in zip(
                        images, self._attended(grey, breast, images, frames, compute), strict=True
                    )
                ]
                bar.update(len(batch))
        return sorted(found, key=lambda row: str(row["image_id"]))

    def _attended(
        self,
        grey: Tensor,
        breast: Tensor,
        images: list[dict[str, Any]],
        frames: list[InputFrame],
        compute: Compute,
    ) -> list[dict[str, Any]]:
        """Each image's margin and COAs, in one pass and, for one COA per image, one transfer."""
        as_training = self.settings.precision == "as_training"
        margin, saliency = saliency_maps(self.network, grey, compute.autocast() if as_training else None)
        n = len(frames)  # the rest of the batch is filling
        saliency, boxes = saliency[:n], [frame.valid_box for frame in frames]
        attention = attend(saliency, boxes, self.settings.top_fraction)
        table = torch.stack(
            [
                margin[:n].double(),
                attention.row,
                attention.col,
                attention.outside(breast[:n]),
                attention.spread,
            ],
            dim=1,
        )
        found = [
            _where(image, frame, values)
            for image, frame, values in zip(images, frames, table.tolist(), strict=True)
        ]
        if self.roi is not None:
            for place, top, frame, image in zip(found, attention.top, frames, images, strict=True):
                if not place["coa_fallback"]:
                    self._add_further(place, top, frame, self.roi.stored_px(image["pixel_spacing_mm"]))
        return found

    def _add_further(self, place: dict[str, Any], top: Tensor, frame: InputFrame, side_px: int) -> None:
        first = place["coa_row"], place["coa_col"]
        further = further_coas(top, frame, first, self.settings.coas_per_image - 1, side_px)
        place["further_coa_rows"] = [row for row, _ in further]
        place["further_coa_cols"] = [col for _, col in further]


def _where(image: dict[str, Any], frame: InputFrame, values: list[float]) -> dict[str, Any]:
    """Margin, COA in stored pixels, and how the top pixels lie; the breast's centroid for an empty map.

    values  margin, COA row and col in the input, share outside the breast, spread
    """
    margin, coa_row, coa_col, outside, spread = values
    empty = math.isnan(coa_row)
    row, col = (image["breast_row"], image["breast_col"]) if empty else frame.to_stored(coa_row, coa_col)
    return {
        "margin": margin,
        "coa_row": row,
        "coa_col": col,
        "coa_fallback": empty,
        "further_coa_rows": [],
        "further_coa_cols": [],
        "top_outside_breast": 0.0 if empty else outside,
        "top_spread_px": 0.0 if empty else spread * frame.stored_px[0] / frame.canvas_px[0],
    }


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

    settings, compute = Settings(**args.settings), Compute(**args.compute)
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
    locator = _Locator(network, facts, weights, settings, roi)
    found = locator.locate(rows, args.shards, args.fold, compute, Job(**args.job))
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
