"""Draw the exam gallery: a folder with a page, and the pictures of the exams that explain_exams chose.

    index.html         the page; it needs the pictures beside it and no network
    gallery.json       the exams: kind, outcome, scores, and of each image its files, COA and ROI box
    exams.csv          which exam a number stands for (pseudonyms); nothing else in the folder names one
    01_R-CC_*          image and ROI (JPEG), saliency map and top pixels (transparent PNG), right breasts mirrored
    01_sheet.png       the exam on one plain picture

Points are (row, col) in pixels of the image as hung.
"""

import argparse
import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mammo_steps.core.artefacts import artefact_folder
from mammo_steps.core.exam_choice import models_gap, readers_gap
from mammo_steps.core.exam_kinds import Kind
from mammo_steps.core.exam_models import READERS, table_models
from mammo_steps.core.exam_pictures import Array, hung, hung_col, open_pictures
from mammo_steps.core.exam_sheet import View, exam_sheet
from mammo_steps.core.files import replacing, write_json, write_text
from mammo_steps.core.gallery import INDEX, TITLES, jpeg, sections
from mammo_steps.core.overlay import SALIENCY, TOP_PIXELS, png, saliency_levels, top_levels
from mammo_steps.core.page import render
from mammo_steps.core.page_words import words
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.table1 import SYNTHETIC, partial_words

log = logging.getLogger("draw_gallery")

TEMPLATE = "gallery.html.j2"
_QUALITY = 90
_NAMES = {model.key: model.name for model in table_models([], published_ran=True)}


@dataclass(frozen=True)
class Settings:
    """study: its name; synthetic: the cohort is synthetic, say so on the page and the sheets.

    partial  `folds` that stand behind it, `of` how many; None = all of them
    """

    study: str
    synthetic: bool
    partial: Mapping[str, Any] | None


def score_rows(exam: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Scores of networks with their percentiles, and of readers with what they said; only those there are."""
    return [
        {
            "model": name,
            "name": _NAMES[name],
            "score": score,
            "percentile": None if name in READERS else exam["percentile"].get(name),
            "recalled": exam["recalled"].get(name),
        }
        for name, score in exam["scores"].items()
        if name != "two_readers"
    ]


def note_on(exam: Mapping[str, Any]) -> str:
    """What makes the exam one of its kind, where its scores alone do not say it."""
    if exam["kind"] == Kind.MODELS_DISAGREE:
        gap, first, second = models_gap(dict(exam)), "attention model", "holistic model"
    elif exam["kind"] in (Kind.MODEL_ABOVE_READERS, Kind.READERS_ABOVE_MODEL):
        gap, first, second = readers_gap(dict(exam)), "ensemble", "readers' mean"
    else:
        return ""
    where = "above" if gap > 0 else "below"
    return f"The {first} ranks it {abs(100 * gap):.0f} percentile points {where} the {second}."


def placed(image: Mapping[str, Any], side: int) -> tuple[list[float] | None, list[float]]:
    """(COA, ROI box) of the image as hung."""
    top, left, bottom, right = image["roi_box"]
    cols = sorted(hung_col(col, image["laterality"], side) for col in (left, right))
    box = [round(edge, 2) for edge in (top, cols[0], bottom, cols[1])]
    if image["coa"] is None:
        return None, box
    row, col = image["coa"]
    return [round(row, 2), round(hung_col(col, image["laterality"], side), 2)], box


def draw_image(
    folder: Path, stem: str, image: Mapping[str, Any], arrays: Mapping[str, Array]
) -> tuple[dict[str, Any], View]:
    """Write the image's four pictures; its entry in gallery.json, and itself for the sheet."""
    side_of, key = image["laterality"], image["image_id"]
    grey = np.ascontiguousarray(hung(arrays[f"{key}/input"], side_of))
    roi = np.ascontiguousarray(hung(arrays[f"{key}/roi"], side_of))
    levels = hung(saliency_levels(arrays[f"{key}/saliency"]), side_of)
    top = hung(top_levels(arrays[f"{key}/top_pixels"], grey.shape), side_of)
    contents = {
        "image": (f"{stem}_image.jpg", jpeg(grey, _QUALITY)),
        "saliency": (f"{stem}_saliency.png", png(levels, SALIENCY)),
        "top_pixels": (f"{stem}_top.png", png(top, TOP_PIXELS)),
        "roi": (f"{stem}_roi.jpg", jpeg(roi, _QUALITY)),
    }
    for file, content in contents.values():
        with replacing(folder / file) as scratch:
            scratch.write_bytes(content)
    coa, box = placed(image, grey.shape[1])
    entry = {
        **{name: image[name] for name in ("laterality", "view", "affected")},
        "side_px": grey.shape[1],
        "roi_side_px": roi.shape[1],
        **{name: file for name, (file, _) in contents.items()},
        "coa": coa,
        "roi_box": box,
    }
    title = f"{side_of}-{image['view']}" + (", affected" if image["affected"] else "")
    at = None if coa is None else (coa[0], coa[1])
    return entry, View(title, grey, levels, roi, at, (box[0], box[1], box[2], box[3]))


def draw_exam(
    folder: Path, number: str, exam: Mapping[str, Any], arrays: Mapping[str, Array], synthetic: bool
) -> dict[str, Any]:
    """Write the exam's pictures; its entry in gallery.json."""
    images, views = [], []
    stems: list[str] = []
    for image in exam["images"]:
        stem = f"{number}_{image['laterality']}-{image['view']}"
        stems.append(stem)
        n_same = stems.count(stem)  # an exam may have a view twice
        entry, view = draw_image(folder, stem if n_same == 1 else f"{stem}-{n_same}", image, arrays)
        images.append(entry)
        views.append(view)
    rows, note = score_rows(exam), note_on(exam)
    scores = ", ".join(f"{row['name']} {row['score']:.2f}" for row in rows)
    lines = [
        f"Exam {int(number)}: {TITLES[Kind(exam['kind'])].lower()}; outcome {words(exam['outcome'])}",
        scores,
    ]
    if synthetic:
        lines.insert(0, "SYNTHETIC DATA")
    sheet = f"{number}_sheet.png"
    with replacing(folder / sheet) as scratch:
        picture = exam_sheet([line for line in [*lines, note] if line], views)
        in_order = np.ascontiguousarray(picture[:, :, ::-1])
        assert cv2.imwrite(str(scratch), in_order, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    names = {"number": int(number), "kind": exam["kind"], "fold": exam["fold"], "outcome": exam["outcome"]}
    return {**names, "note": note, "scores": rows, "images": images, "sheet": sheet}


def table_of(exam_ids: Sequence[str]) -> str:
    """exams.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "exam_id"])
    writer.writerows(enumerate(exam_ids, start=1))
    return text.getvalue()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--maps", type=Path, required=True, help="report/saliency.npz, of explain_exams")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: study, synthetic, partial")
    parser.add_argument("--gallery", type=Path, required=True, help="folder written: the page, its pictures")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings, folder = Settings(**args.settings), args.gallery
    with artefact_folder(folder), open_pictures(args.maps) as (exams, arrays):
        digits = max(2, len(str(len(exams))))
        shown = [
            draw_exam(folder, f"{number:0{digits}}", exam, arrays, settings.synthetic)
            for number, exam in enumerate(exams, start=1)
        ]
        values = {"settings": asdict(settings), "synthetic_text": SYNTHETIC, "sections": sections(shown)}
        values["partial_text"] = partial_words(settings.partial) if settings.partial else ""
        write_text(folder / "exams.csv", table_of([exam["exam_id"] for exam in exams]))
        write_text(folder / "index.html", render(values, TEMPLATE))
        write_json(folder / INDEX, shown)
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    log.info("%d exams, %.1f MB written to %s", len(shown), n_bytes / 1e6, folder)


if __name__ == "__main__":
    main()
