"""A new exam on one plain picture: its views as the holistic network sees them, COA and ROI box, and the ROIs."""

from collections.abc import Sequence

import cv2
import numpy as np

from mammo_steps.core.batches import scaled, scored_square
from mammo_steps.core.bundle import Bundle
from mammo_steps.core.exam_pictures import Array, hung, hung_col
from mammo_steps.core.exam_sheet import View, exam_sheet
from mammo_steps.core.geometry import InputCut
from mammo_steps.core.image_store import ImageStore, holistic_frame, holistic_places
from mammo_steps.core.new_exams import FLAG_TEXTS, Flag, NewExam
from mammo_steps.core.prediction import ExamPrediction, ImagePrediction
from mammo_steps.core.resizing import at_size
from mammo_steps.core.roi_cutting import RoiSettings, crop
from mammo_steps.core.scorer import ShardExams
from mammo_steps.core.terms import LATERALITIES
from mammo_steps.core.tiles import TileReader

RESEARCH_USE = "FOR RESEARCH USE ONLY - NOT FOR DIAGNOSIS"


def sheet_of(
    prediction: ExamPrediction, exam: NewExam, shard: ShardExams, bundle: Bundle, cut: InputCut
) -> Array:
    """(h, w, 3) RGB; an exam without scores has its reason alone."""
    rows = {str(image["image_id"]): dict(image) for image in exam.images}
    images = sorted(prediction.images, key=lambda i: (i.view, i.laterality == "L", i.image_id))
    store = ImageStore(holistic_places([rows[i.image_id] for i in images], shard.folder.parent, cut))
    with TileReader(shard.folder / "tiles.parquet") as tiles:
        views = [_view(image, rows[image.image_id], store, tiles, shard, bundle, cut) for image in images]
    places = [(image.view, image.laterality) for image in images]
    return exam_sheet(
        _lines(prediction), _with_missing(views, places, bundle.settings("list_images")["views"])
    )


def _with_missing(
    views: Sequence[View], places: Sequence[tuple[str, str]], expected: Sequence[str]
) -> list[View | str]:
    """The views as hung, with the title of each that is missing in its place.

    places  (view, laterality) of each
    """
    missing = {(view, side) for view in expected for side in LATERALITIES} - set(places)
    slots: list[tuple[tuple[str, str], View | str]] = list(zip(places, views, strict=True))
    slots += [((view, side), f"{side}-{view}  missing") for view, side in missing] if views else []
    return [slot for _, slot in sorted(slots, key=lambda slot: (slot[0][0], slot[0][1] == "L"))]


def _lines(prediction: ExamPrediction) -> list[str]:
    lines = [
        RESEARCH_USE + (" - NETWORKS LEARNED FROM SYNTHETIC IMAGES" if prediction.bundle.synthetic else "")
    ]
    name = prediction.bundle
    lines.append(f"Study {name.study}, bundle {name.id}, {len(name.members)} members")
    if prediction.refused is not None:
        return [*lines, f"No score: {prediction.refused}"]
    score = prediction.scores["ensemble"]
    words = f"Ensemble {score.margin:.2f}"
    if score.spread is not None:
        words += f" (SD {score.spread:.2f})"
    words += f", percentile {score.percentile:.1f} of exams without cancer"
    lines.append(words)
    return [*lines, *(f"Note: {FLAG_TEXTS[Flag(flag)]}" for flag in prediction.flags), *prediction.drift]


def _view(
    image: ImagePrediction, row: dict[str, object], store: ImageStore, tiles: TileReader,
    shard: ShardExams, bundle: Bundle, cut: InputCut,
) -> View:  # fmt: skip
    frame, shown, place = holistic_frame(row, cut), image.shown, store.places[image.image_id]
    grey = scored_square(scaled(store.canvas(image.image_id), place), place, cut.side_px)
    settings = RoiSettings(**bundle.settings("crop_rois"))
    first_row, first_col, side = shown.roi
    cut_out = crop(tiles, shard.stored[image.image_id], (first_row, first_col), side, settings.bits)
    roi = at_size(cut_out, (settings.side_px, settings.side_px))
    coa = frame.to_input(*shown.coa)
    top, left, bottom, right = frame.square_in_input(first_row, first_col, side)
    cols = sorted(hung_col(col, image.laterality, cut.side_px) for col in (left, right))
    score = image.margin("ensemble")
    return View(
        f"{image.laterality}-{image.view}  {score:.2f}",
        _bytes(hung(grey, image.laterality)),
        np.zeros(grey.shape, np.uint8),
        _bytes(hung(roi, image.laterality)),
        (coa[0], hung_col(coa[1], image.laterality, cut.side_px)),
        (top, cols[0], bottom, cols[1]),
    )


def _bytes(grey: Array) -> Array:
    return np.ascontiguousarray(grey if grey.dtype == np.uint8 else (grey >> 8).astype(np.uint8))


def as_png(sheet: Array) -> bytes:
    """RGB (h, w, 3) as a PNG."""
    done, content = cv2.imencode(".png", np.ascontiguousarray(sheet[:, :, ::-1]))
    assert done
    return content.tobytes()
