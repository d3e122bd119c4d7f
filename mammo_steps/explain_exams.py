"""Saliency maps, COAs and ROIs of the exams that the gallery shows, by the networks that never saw the women."""

import argparse
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mammo_steps.core.artefacts import artefact
from mammo_steps.core.batches import Loader, scored_square
from mammo_steps.core.cohort import PLACE_COLUMNS
from mammo_steps.core.compute import Compute
from mammo_steps.core.exam_choice import CANCERS, chosen_exams
from mammo_steps.core.exam_models import OWN_COLUMNS
from mammo_steps.core.exam_pictures import Array, write_pictures
from mammo_steps.core.image_store import REMEDY, ImageStore, holistic_frame, holistic_places, roi_places
from mammo_steps.core.network import cut_of, load_network, read_facts, weights_recipe
from mammo_steps.core.recipe import Marked, check_follows
from mammo_steps.core.saliency import attend, saliency_maps
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of

log = logging.getLogger("explain_exams")


@dataclass(frozen=True)
class Settings:
    """n_each: exams of each kind at most; reader_recall_from: a reader recalls an exam whose score is this or more."""

    n_each: int
    reader_recall_from: float


def rows_of(path: Path, table: str, columns: Sequence[str], exam_ids: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of a table that are of these exams."""
    found = read_table(path, table, sorted({"exam_id", *columns}))
    rows: list[dict[str, Any]] = found.filter(pc.is_in(found["exam_id"], pa.array(exam_ids))).to_pylist()
    return rows


def affected(laterality: str, label: dict[str, Any]) -> bool | None:
    """Whether the cancer is in this breast; None if its side is not known."""
    if label["outcome"] not in CANCERS:
        return False
    return None if label["cancer_laterality"] is None else label["cancer_laterality"] in (laterality, "both")


class _Explainer:
    """The folds' networks and pictures; those that the scores do not come of are refused."""

    def __init__(self, results: Path, shards: Path, scores: Marked, compute: Compute) -> None:
        self.results, self.shards, self.scores, self.compute = results, shards, scores, compute

    def explain(
        self, exam: dict[str, Any], images: list[dict[str, Any]], top_fraction: float
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """The exam's entry in the index, and its arrays by name (`core.exam_pictures`)."""
        fold = f"fold{exam['fold']}"
        model = self.results / "holistic" / fold / "model.safetensors"
        facts = read_facts(model)
        cut = cut_of(facts)
        check_follows(self.scores, weights_recipe(model), REMEDY)
        network = load_network(model).requires_grad_(False).to(self.compute.torch_device)
        store = ImageStore(holistic_places(images, self.shards, cut), self.scores)
        rois = ImageStore(
            roi_places(self.results / "attention" / fold / "rois", (image["shard"] for image in images)),
            self.scores,
        )
        corners = self._corners(fold, images)
        entries: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        ids = [image["image_id"] for image in images]
        for (image_id,), grey in Loader(store, self.compute.torch_device, 1).scoring(ids, cut.side_px, 1):
            image = next(image for image in images if image["image_id"] == image_id)
            shown = (grey[0] * 255).round().byte().cpu().numpy()
            _, saliency = saliency_maps(network, grey)
            frame = holistic_frame(image, cut)
            attention = attend(saliency, [frame.valid_box], top_fraction)
            row, col = attention.row.item(), attention.col.item()
            entries.append(
                {
                    **{name: image[name] for name in ("image_id", "laterality", "view", "affected")},
                    "coa": None if math.isnan(row) else [row, col],
                    "roi_box": list(frame.square_in_input(*corners[image_id])),
                }
            )
            picture, place = rois.canvas(image_id), rois.places[image_id]
            roi = scored_square(picture, place, picture.shape[0] - 2 * place.top_px)
            arrays[f"{image_id}/input"] = shown
            arrays[f"{image_id}/saliency"] = saliency[0].cpu().numpy()
            arrays[f"{image_id}/top_pixels"] = attention.top[0].nonzero().cpu().numpy().astype(np.uint16)
            arrays[f"{image_id}/roi"] = roi if roi.dtype == np.uint8 else (roi >> 8).astype(np.uint8)
        names = ("exam_id", "kind", "fold", "outcome", "percentile", "recalled")
        scores = {name: exam[name] for name in OWN_COLUMNS if exam.get(name) is not None}
        return {**{name: exam[name] for name in names}, "scores": scores, "images": entries}, arrays

    def _corners(self, fold: str, images: list[dict[str, Any]]) -> dict[str, tuple[int, int, int]]:
        found = {}
        for shard in {image["shard"] for image in images}:
            file = self.results / "attention" / fold / "rois" / f"{shard}.parquet"
            table = read_table(file, "rois", ["image_id", "number", "row_px", "col_px", "side_px"])
            for roi in table.filter(pc.equal(table["number"], 0)).to_pylist():
                found[roi["image_id"]] = (roi["row_px"], roi["col_px"], roi["side_px"])
        return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="scores/exams.parquet")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--labels", type=Path, required=True, help="cohort/labels.parquet")
    parser.add_argument(
        "--results", type=Path, required=True, help="the study's folder, with the folds' models"
    )
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--top-fraction", type=float, required=True, help="as in locate_coa")
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--compute", type=json_object, required=True)
    parser.add_argument("--job", type=json_object, required=True)
    parser.add_argument("--maps", type=Path, required=True, help="written: arrays, their index (npz)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = Settings(**args.settings), Compute(**args.compute)
    compute.prepare()
    exams = chosen_exams(
        read_table(args.scores, "exam_scores").to_pylist(), settings.n_each, settings.reader_recall_from
    )
    ids = [exam["exam_id"] for exam in exams]
    label_columns = ("outcome", "cancer_laterality")
    labels = {row["exam_id"]: row for row in rows_of(args.labels, "labels", label_columns, ids)}
    images: dict[str, list[dict[str, Any]]] = {}
    for image in rows_of(args.images, "images", ("image_id", "laterality", "view", *PLACE_COLUMNS), ids):
        image["affected"] = affected(image["laterality"], labels[image["exam_id"]])
        images.setdefault(image["exam_id"], []).append(image)
    explainer = _Explainer(args.results, args.shards, recipe_of(args.scores), compute)

    def explained() -> Iterator[tuple[dict[str, Any], dict[str, Array]]]:
        for exam in exams:
            shown = sorted(
                images[exam["exam_id"]], key=lambda i: (i["view"], i["laterality"] == "L", i["image_id"])
            )
            yield explainer.explain(exam, shown, args.top_fraction)

    with artefact(args.maps) as scratch:
        n = write_pictures(scratch, explained())
    log.info("%d exams explained: %s", n, dict(Counter(str(exam["kind"]) for exam in exams)))


if __name__ == "__main__":
    main()
