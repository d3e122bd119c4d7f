"""Margins, saliency maps and centres of attention (COA) of many images by one holistic network."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mammo_steps.core.batches import Loader
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.geometry import InputFrame, RoiSize
from mammo_steps.core.image_store import ImageStore, holistic_frame, holistic_places
from mammo_steps.core.inference import flip_averaged
from mammo_steps.core.network import cut_of
from mammo_steps.core.recipe import Marked
from mammo_steps.core.saliency import attend, further_coas, saliency_maps


@dataclass(frozen=True)
class LocateSettings:
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


class Locator:
    """A network and the frame it sees images in."""

    def __init__(
        self,
        network: nn.Module,
        facts: dict[str, Any],
        weights: Marked,
        settings: LocateSettings,
        roi: RoiSize | None,
    ) -> None:
        frozen = network.eval().requires_grad_(False)
        self.network = flip_averaged(frozen) if settings.test_time_flip else frozen
        self.cut = cut_of(facts)
        self.weights, self.settings, self.roi = weights, settings, roi

    def locate(
        self, rows: list[dict[str, Any]], shards: Path, compute: Compute, job: Job
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each row with the image's margin and COAs, shard by shard, a batch at a time.

        rows  of the `images` table: image_id, breast_col and `core.cohort.PLACE_COLUMNS`
        """
        self.network.to(compute.torch_device)
        by_id = {row["image_id"]: row for row in rows}
        # (shard by shard, so that few files are open)
        ids = sorted(by_id, key=lambda i: (by_id[i]["shard"], i))
        store = ImageStore(holistic_places(rows, shards, self.cut), self.weights)
        loader = Loader(store, compute.torch_device, job.loader_threads)
        for batch, grey, breast in loader.scoring_with_breasts(
            ids, self.cut.side_px, self.settings.batch_size
        ):
            images = [by_id[image_id] for image_id in batch]
            frames = [holistic_frame(image, self.cut) for image in images]
            yield from zip(images, self._attended(grey, breast, images, frames, compute), strict=True)

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
