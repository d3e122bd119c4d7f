"""Score one shard's exams with the published models of Wu et al. 2019 (arXiv 1903.08297), from their full resolution.

Four views -> crops -> patch classifier -> heatmaps -> the image-only and the image-and-heatmaps network. Of each exam
of the cohort: probabilities of benign and malignant findings in each breast, and the features that `adapt_wu2019`
learns from; of each image: what the patch classifier says, from which its heatmaps can be drawn. An exam that cannot
be scored keeps its row, with the reason.
"""

import argparse
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from tqdm import tqdm

from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.image_store import REMEDY
from mammo_steps.core.recipe import Recipe, check_follows, check_same
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of, write_rows
from mammo_steps.core.tiles import TileReader
from mammo_steps.core.wu_crop import VIEWS, NoBreastError
from mammo_steps.core.wu_exam import Crop, ExamScores, How, WuModels, crops_of, score_crops
from mammo_steps.core.wu_patches import TooSmallError
from mammo_steps.core.wu_reading import WU_RULES, whole_image
from mammo_steps.core.wu_weights import WEIGHTS, read_models

log = logging.getLogger("score_wu2019")

_AHEAD = 3  # exams that are read while one is scored; each takes about 150 MB


@dataclass(frozen=True)
class Settings:
    """weights       network -> {path, sha256}, see `core.wu_weights.WEIGHTS`
    values           `stored` or `displayed`, see `core.wu_reading.value_table`
    noisy_passes     see `core.wu_exam.How`
    patches_at_once, patch_stride_px  the same
    precision        `fp32`, or `as_training`: that of `compute`
    """

    weights: Mapping[str, Mapping[str, str]]
    values: str
    noisy_passes: int
    patches_at_once: int
    patch_stride_px: int
    precision: str

    def recipe(self) -> dict[str, Any]:
        """What the scores depend on: checksums, not paths."""
        sums = {name: self.weights[name]["sha256"] for name in WEIGHTS}
        own = {key: value for key, value in asdict(self).items() if key != "weights"}
        return {**own, "weights": sums, "rules": WU_RULES}


@dataclass(frozen=True)
class Exam:
    """exam_id, patient_id and the exam's rows of `shard_images`, with laterality, view and bits_stored."""

    exam_id: str
    patient_id: str
    images: tuple[dict[str, Any], ...]

    @property
    def by_view(self) -> dict[str, dict[str, Any]]:
        return {f"{image['laterality']}-{image['view']}": image for image in self.images}


@dataclass(frozen=True)
class Unscored:
    """Why an exam has no scores."""

    reason: str
    detail: str


def exams_of(cohort: Path, shard_images: Path) -> list[Exam]:
    """The cohort's exams in a shard, by exam_id."""
    names = ["image_id", "exam_id", "patient_id", "laterality", "view", "bits_stored", "shard"]
    table = read_table(cohort, "images", names)
    rows = table.filter(pc.equal(table["shard"], shard_images.parent.name)).sort_by("image_id").to_pylist()
    stored = {row["image_id"]: row for row in read_table(shard_images, "shard_images").to_pylist()}
    by_exam: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_exam.setdefault(row["exam_id"], []).append({**stored[row["image_id"]], **row})
    return [
        Exam(exam_id, by_exam[exam_id][0]["patient_id"], tuple(by_exam[exam_id]))
        for exam_id in sorted(by_exam)
    ]


class _Reader:
    """Reads and crops exams in threads of its own, each with the tiles opened for itself."""

    def __init__(self, tiles: Path, values: str) -> None:
        self._tiles, self._values, self._own = tiles, values, threading.local()

    def read(self, exam: Exam) -> dict[str, Crop] | Unscored:
        """View -> crop, or why there are none."""
        found = sorted(f"{image['laterality']}-{image['view']}" for image in exam.images)
        if found != sorted(VIEWS):
            return Unscored("views", f"has {', '.join(found)}, wanted one each of {', '.join(VIEWS)}")
        if not hasattr(self._own, "reader"):
            self._own.reader = TileReader(self._tiles)
        try:
            images = {
                view: whole_image(self._own.reader, image, self._values)
                for view, image in exam.by_view.items()
            }
            return crops_of(images, mirrored=False)
        except NoBreastError as error:
            return Unscored("no_breast", str(error))


def read_ahead(
    exams: Sequence[Exam], reader: _Reader, n_threads: int
) -> Iterator[dict[str, Crop] | Unscored]:
    """Crops of the exams in their order; at most `_AHEAD` are in memory beside the current one."""
    ahead = min(_AHEAD, max(1, n_threads))
    with ThreadPoolExecutor(ahead) as pool:
        waiting = [pool.submit(reader.read, exam) for exam in exams[:ahead]]
        for number in range(len(exams)):
            ready = waiting.pop(0).result()
            if number + ahead < len(exams):
                waiting.append(pool.submit(reader.read, exams[number + ahead]))
            yield ready


def exam_row(exam: Exam, found: ExamScores | Unscored) -> dict[str, Any]:
    """A row of `wu2019_scores`."""
    who = {"exam_id": exam.exam_id, "patient_id": exam.patient_id}
    if isinstance(found, Unscored):
        return {**who, "reason": found.reason, "detail": found.detail, "features": []}
    return {
        **who,
        **found.image_and_heatmaps.probabilities,
        **{f"image_{label}": value for label, value in found.image.probabilities.items()},
        "features": found.image_and_heatmaps.features.tolist(),
    }


def patch_rows(exam: Exam, crops: Mapping[str, Crop], found: ExamScores) -> Iterator[dict[str, Any]]:
    """Rows of `wu2019_patches`, in the stored matrix' frame."""
    for view, image in exam.by_view.items():
        crop, patches = crops[view], found.patches[view]
        top, bottom, left, right = crop.where.window
        if image["flipped"] != (image["laterality"] == "R"):  # the crop was found in the mirrored matrix
            left, right = image["width_px"] - right, image["width_px"] - left
        yield {
            "image_id": image["image_id"],
            **{"top_px": top, "left_px": left, "height_px": bottom - top, "width_px": right - left},
            "mirrored": image["flipped"],
            "patch_rows": patches.grid.rows,
            "patch_cols": patches.grid.cols,
            "benign": patches.benign.tolist(),
            "malignant": patches.malignant.tolist(),
        }


def checked_recipe(cohort: Path, shard_images: Path, tiles: Path, settings: Settings) -> Recipe:
    """The scores' recipe; ValueError unless tiles, shard and cohort belong together."""
    shard, made = recipe_of(shard_images), recipe_of(cohort)
    check_same([shard, recipe_of(tiles)], "Run make_shards again for this shard")
    check_follows(made, shard, REMEDY)
    return made.recipe.then("score_wu2019", settings.recipe())


def _score(
    crops: Mapping[str, Crop], models: WuModels, settings: Settings, compute: Compute
) -> ExamScores | Unscored:
    how = How(settings.noisy_passes, settings.patches_at_once, settings.patch_stride_px)
    try:
        with nullcontext() if settings.precision == "fp32" else compute.autocast():
            return score_crops(crops, models, how, compute.torch_device)
    except TooSmallError as error:
        return Unscored("too_small", str(error))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--shard-images", type=Path, required=True, help="the shard's <shard>/images.parquet")
    parser.add_argument("--tiles", type=Path, required=True, help="the shard's tiles.parquet")
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--compute", type=json_object, required=True)
    parser.add_argument("--job", type=json_object, required=True)
    parser.add_argument("--exams", type=Path, required=True, help="written: probabilities and features")
    parser.add_argument("--patches", type=Path, required=True, help="written: the patch classifier's output")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, compute = Settings(**args.settings), Compute(**args.compute)
    compute.prepare()
    recipe = checked_recipe(args.images, args.shard_images, args.tiles, settings)
    models = read_models(settings.weights, compute.torch_device)
    exams = exams_of(args.images, args.shard_images)
    scores: list[dict[str, Any]] = []
    patches: list[dict[str, Any]] = []
    read = read_ahead(exams, _Reader(args.tiles, settings.values), Job(**args.job).loader_threads)
    for exam, crops in tqdm(zip(exams, read, strict=True), total=len(exams), unit="exam", disable=None):
        found = crops if isinstance(crops, Unscored) else _score(crops, models, settings, compute)
        scores.append(exam_row(exam, found))
        if not isinstance(crops, Unscored) and not isinstance(found, Unscored):
            patches += patch_rows(exam, crops, found)
    write_rows(args.patches, "wu2019_patches", sorted(patches, key=lambda row: str(row["image_id"])), recipe)
    write_rows(args.exams, "wu2019_scores", scores, recipe)
    reasons = Counter(row["reason"] for row in scores if "reason" in row)
    log.info("%d exams on %s; without scores: %s", len(exams), compute.torch_device, dict(reasons) or "none")


if __name__ == "__main__":
    main()
