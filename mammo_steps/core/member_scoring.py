"""What one member, a holistic and an attention network, says of images that lie in shards."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mammo_steps.core.batches import Loader
from mammo_steps.core.bundle import Bundle
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.image_store import ImageStore, Pixels, Place, roi_key
from mammo_steps.core.inference import Scoring, score_images
from mammo_steps.core.locating import LocateSettings, Locator
from mammo_steps.core.network import load_network, read_facts, weights_recipe
from mammo_steps.core.prediction import MemberView
from mammo_steps.core.roi_cutting import RoiSettings, rois_of
from mammo_steps.core.roi_scoring import RoiScoring
from mammo_steps.core.tiles import TileReader

Row = dict[str, Any]


class HeldImages(ImageStore):
    """Pictures that lie in memory, in the place of files."""

    def __init__(self, pictures: dict[str, Pixels], places: dict[str, Place]) -> None:
        super().__init__(places)
        self._pictures = pictures

    def opened_anew(self) -> "HeldImages":
        return self

    def canvas(self, image_id: str) -> Pixels:
        return self._pictures[image_id]


def held_rois(rois: Iterator[Row]) -> tuple[HeldImages, list[Row]]:
    """Rows of the `rois` table as a store by `roi_key`, and the rows without their pixels."""
    pictures: dict[str, Pixels] = {}
    places: dict[str, Place] = {}
    rows = []
    for roi in rois:
        key, side = roi_key(roi["image_id"], roi["number"]), roi["stored_side_px"]
        kind = np.dtype("u1" if roi["bits"] == 8 else "<u2")
        pictures[key] = np.frombuffer(roi.pop("pixels"), dtype=kind).reshape(side, side)
        places[key] = Place(Path(), 0, roi["margin_px"], roi["margin_px"])
        rows.append(roi)
    return HeldImages(pictures, places), rows


def scored_part(settings: RoiSettings) -> RoiSettings:
    """The same ROIs without the margin that training turns them in: it would be decoded for nothing.

    A ROI that is resized keeps it, since its pixels depend on where the resized square begins.
    """
    return settings if settings.mm_per_px is not None else replace(settings, stored_to_side=1.0)


class Member:
    """A member's networks, loaded once; each is on the device from its first use on."""

    def __init__(self, bundle: Bundle, name: str, compute: Compute, job: Job) -> None:
        self.name, self.compute, self.job = name, compute, job
        holistic, attention = (bundle.weights(name, model) for model in ("holistic", "attention"))
        located = LocateSettings(**bundle.settings("locate_coa"))
        self.roi = scored_part(RoiSettings(**bundle.settings("crop_rois")))
        several = self.roi.size if located.coas_per_image > 1 else None
        self.locator = Locator(
            load_network(holistic), read_facts(holistic), weights_recipe(holistic), located, several
        )
        self.scoring = RoiScoring(**bundle.settings("score_attention"))
        self.attention = load_network(attention).to(compute.torch_device)
        self.input_px = read_facts(attention)["input_px"]

    def views(self, images: list[Row], stored: Mapping[str, Row], shard: Path) -> dict[str, MemberView]:
        """image_id -> what this member says of it.

        images  rows with image_id, breast_col, pixel_spacing_mm and `core.cohort.PLACE_COLUMNS`, all of one shard
        stored  image_id -> row of the shard's `shard_images` table
        shard   its folder
        """
        found = self.located(images, shard)
        store, rois = self.rois(found, stored, shard)
        margins = self.attended(store, rois)
        first = {roi["image_id"]: roi for roi in rois if roi["number"] == 0}
        return {
            image_id: MemberView(
                member=self.name,
                holistic=row["margin"],
                attention=margins[image_id],
                coa=(row["coa_row"], row["coa_col"]),
                coa_fallback=row["coa_fallback"],
                roi=(first[image_id]["row_px"], first[image_id]["col_px"], first[image_id]["side_px"]),
            )
            for image_id, row in found.items()
        }

    def located(self, images: list[Row], shard: Path) -> dict[str, Row]:
        """image_id -> its row with the holistic network's margin and the COAs."""
        places = self.locator.locate(images, shard.parent, self.compute, self.job)
        return {image["image_id"]: {**image, **place} for image, place in places}

    def rois(
        self, found: Mapping[str, Row], stored: Mapping[str, Row], shard: Path
    ) -> tuple[HeldImages, list[Row]]:
        """The ROIs around the COAs, cut out of the shard's tiles, and where they lie."""
        coas = [found[image_id] for image_id in sorted(found)]
        with TileReader(shard / "tiles.parquet") as tiles:
            return held_rois(rois_of(tiles, dict(stored), coas, self.roi))

    def attended(self, store: HeldImages, rois: list[Row]) -> dict[str, float]:
        """image_id -> the attention network's margin."""
        loader = Loader(store, self.compute.torch_device, self.job.loader_threads)
        how = Scoring(self.input_px, self.scoring.batch_size, self.scoring.test_time_flip)
        margins = score_images(self.attention, loader, list(store.places), how, self.compute)
        of_image: dict[str, list[float]] = {}
        for roi in rois:
            of_image.setdefault(roi["image_id"], []).append(margins[roi_key(roi["image_id"], roi["number"])])
        return {image_id: self.scoring.pooled(own) for image_id, own in of_image.items()}
