"""What Figure 1 shows: saliency maps, COAs and ROIs of a few exams, by the networks that never saw the women."""

import argparse
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mammo_steps.core.artefacts import artefact
from mammo_steps.core.batches import Loader, scored_square
from mammo_steps.core.cohort import PLACE_COLUMNS
from mammo_steps.core.compute import Compute
from mammo_steps.core.image_store import REMEDY, ImageStore, holistic_frame, holistic_places, roi_places
from mammo_steps.core.network import cut_of, load_network, read_facts, weights_recipe
from mammo_steps.core.recipe import Marked, check_follows
from mammo_steps.core.saliency import attend, saliency_maps
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of
from mammo_steps.core.terms import Outcome

log = logging.getLogger("explain_exams")

KINDS = {"positive": (Outcome.SCREEN_DETECTED,), "negative": (Outcome.NORMAL, Outcome.BENIGN)}


@dataclass(frozen=True)
class Settings:
    """n_each: exams per kind (positive, negative), from the highest score down to the median."""

    n_each: int


def chosen_exams(scores: list[dict[str, Any]], n_each: int) -> list[dict[str, Any]]:
    """Rows of the `exam_scores` table to show: of each kind the highest score, the median and between."""
    chosen = []
    for kind, outcomes in KINDS.items():
        ranked = sorted(
            (row for row in scores if row["outcome"] in outcomes),
            key=lambda r: (-r["ensemble"], r["exam_id"]),
        )
        places = np.linspace(0, (len(ranked) - 1) // 2, min(n_each, len(ranked))).round().astype(int)
        chosen += [{**ranked[place], "kind": kind} for place in places]
    return chosen


class _Explainer:
    """The folds' networks and pictures; those that the scores do not come of are refused."""

    def __init__(self, results: Path, shards: Path, scores: Marked, compute: Compute) -> None:
        self.results, self.shards, self.scores, self.compute = results, shards, scores, compute

    def explain(
        self, exam: dict[str, Any], images: list[dict[str, Any]], top_fraction: float
    ) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
        """One index entry per image of the exam, and its arrays by name."""
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
        entries, arrays = [], {}
        ids = [image["image_id"] for image in images]
        for (image_id,), grey in Loader(store, self.compute.torch_device, 1).scoring(ids, cut.side_px, 1):
            image = next(image for image in images if image["image_id"] == image_id)
            shown = (grey[0] * 255).round().byte().cpu().numpy()
            _, saliency = saliency_maps(network, grey)
            single = saliency[0].cpu().numpy()
            frame = holistic_frame(image, cut)
            attention = attend(saliency, [frame.valid_box], top_fraction)
            row, col = attention.row.item(), attention.col.item()
            top, left, roi_side = corners[image_id]
            entries.append(
                {
                    **{
                        name: image[name] for name in ("exam_id", "image_id", "laterality", "view", "outcome")
                    },
                    "target": image["target"],
                    "kind": exam["kind"],
                    "fold": exam["fold"],
                    "exam_score": exam["ensemble"],
                    "coa": None if math.isnan(row) else [row, col],
                    "roi_box": list(frame.square_in_input(top, left, roi_side)),
                    "top_pixels": attention.top[0].nonzero().tolist(),
                }
            )
            picture, place = rois.canvas(image_id), rois.places[image_id]
            roi = scored_square(picture, place, picture.shape[0] - 2 * place.top_px)
            arrays[f"{image_id}/input"] = shown
            arrays[f"{image_id}/saliency"] = single
            arrays[f"{image_id}/roi"] = roi if roi.dtype == np.uint8 else (roi >> 8).astype(np.uint8)
        return entries, arrays

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
    parser.add_argument(
        "--results", type=Path, required=True, help="the study's folder, with the folds' models"
    )
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--top-fraction", type=float, required=True, help="as in locate_coa")
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--compute", type=json_object, required=True)
    parser.add_argument("--job", type=json_object, required=True)
    parser.add_argument("--maps", type=Path, required=True, help="written: arrays and their index (npz)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = Settings(**args.settings), Compute(**args.compute)
    compute.prepare()
    exams = chosen_exams(read_table(args.scores, "exam_scores").to_pylist(), settings.n_each)
    names = {"image_id", "exam_id", "laterality", "view", "outcome", "target", *PLACE_COLUMNS}
    wanted = {exam["exam_id"] for exam in exams}
    images: dict[str, list[dict[str, Any]]] = {}
    for image in read_table(args.images, "images", sorted(names)).to_pylist():
        if image["exam_id"] in wanted:
            images.setdefault(image["exam_id"], []).append(image)
    explainer = _Explainer(args.results, args.shards, recipe_of(args.scores), compute)
    index: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for exam in exams:
        shown = sorted(images[exam["exam_id"]], key=lambda i: (i["view"], i["laterality"] == "L"))
        entries, maps = explainer.explain(exam, shown, args.top_fraction)
        index += entries
        arrays |= maps
    with artefact(args.maps) as scratch:
        np.savez_compressed(scratch, **{"index": np.array(json.dumps(index)), **arrays})  # type: ignore[arg-type]
    log.info("%d exams, %d images explained", len(exams), len(index))


if __name__ == "__main__":
    main()
