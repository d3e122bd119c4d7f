"""The exam gallery: what its parts are called, and a sample of it for another page."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mammo_steps.core.artefacts import reading
from mammo_steps.core.exam_kinds import Kind
from mammo_steps.core.number_text import read_json
from mammo_steps.core.overlay import SALIENCY, TOP_PIXELS, Bytes, levels_of, png

INDEX = "gallery.json"
TITLES = {
    Kind.HIGHEST_CANCER: "Highest-scored cancers",
    Kind.MISSED_CANCER: "Missed cancers",
    Kind.HIGHEST_NORMAL: "Highest-scored normals",
    Kind.INTERVAL: "Interval cancers",
    Kind.MODELS_DISAGREE: "Models disagree",
    Kind.MODEL_ABOVE_READERS: "Cancers that the model ranks above the readers",
    Kind.READERS_ABOVE_MODEL: "Recalled without cancer, ranked low by the model",
}
MEANINGS = {
    Kind.HIGHEST_CANCER: "Screen-detected cancers in the upper half of their own scores, the ensemble's highest first.",
    Kind.MISSED_CANCER: "Screen-detected cancers in the lower half of their own scores, the ensemble's lowest first.",
    Kind.HIGHEST_NORMAL: "Exams without cancer or with a benign finding, the ensemble's highest score first.",
    Kind.INTERVAL: "Cancers found after a negative screen, the ensemble's highest score first.",
    Kind.MODELS_DISAGREE: "Exams of any outcome, the largest difference between the percentiles of holistic and "
    "attention model first.",
    Kind.MODEL_ABOVE_READERS: "Cancers, interval cancers among them, that a reader did not recall: those whose "
    "percentile by the ensemble lies furthest above the mean of the readers'.",
    Kind.READERS_ABOVE_MODEL: "Exams without cancer that a reader recalled: those whose percentile by the ensemble "
    "lies furthest below the mean of the readers'.",
}

# a sample's pictures are shrunk to this side, about half a megabyte for an exam of four views as data URIs, and no
# more exams are taken once the next one would go over the limit
SAMPLE_SIDE_PX = 488
SAMPLE_BYTES = 8_000_000
_QUALITY = 85
_PALETTES = {"saliency": SALIENCY, "top_pixels": TOP_PIXELS}
PICTURES = ("image", "roi", *_PALETTES)

Exam = dict[str, Any]


def sections(exams: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Kinds that have exams, in order: `kind`, `title`, `meaning`, `exams`."""
    found = [
        {
            "kind": str(kind),
            "title": TITLES[kind],
            "meaning": MEANINGS[kind],
            "exams": [exam for exam in exams if exam["kind"] == kind],
        }
        for kind in Kind
    ]
    return [section for section in found if section["exams"]]


def read_gallery(folder: Path, n_per_kind: int, max_bytes: int = SAMPLE_BYTES) -> list[Exam]:
    """The first exams of each kind as `gallery.json` has them, with data URIs in place of the pictures' names.

    Pictures are shrunk to SAMPLE_SIDE_PX. The first exam of every kind comes before any second one: exams are taken
    in that order until the next would bring the data URIs above max_bytes, and returned in the gallery's.
    """
    exams: list[Exam] = read_json(folder / INDEX)
    rounds = [section["exams"][:n_per_kind] for section in sections(exams)]
    turns = [own[turn] for turn in range(n_per_kind) for own in rounds if turn < len(own)]
    taken: list[Exam] = []
    n_bytes = 0
    for exam in turns:
        shown = {**exam, "images": [_inlined(folder, image) for image in exam["images"]]}
        n_bytes += sum(len(image[name]) for image in shown["images"] for name in PICTURES)
        if n_bytes > max_bytes:
            break
        taken.append(shown)
    return sorted(taken, key=lambda exam: int(exam["number"]))


def _inlined(folder: Path, image: Mapping[str, Any]) -> dict[str, Any]:
    uris = {name: _grey_uri(folder / image[name]) for name in ("image", "roi")}
    return {**image, **uris, **{name: _levels_uri(folder / image[name], name) for name in _PALETTES}}


def _shrunk(picture: Bytes) -> Bytes:
    height, width = picture.shape
    scale = min(1.0, SAMPLE_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _grey_uri(path: Path) -> str:
    picture = cv2.imdecode(np.frombuffer(reading(path).read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    return _uri("jpeg", jpeg(_shrunk(np.asarray(picture, np.uint8)), _QUALITY))


def _levels_uri(path: Path, name: str) -> str:
    palette = _PALETTES[name]
    return _uri("png", png(_shrunk(levels_of(reading(path).read_bytes(), palette)), palette))


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()


def jpeg(picture: Bytes, quality: int) -> bytes:
    """A grey picture (h, w)."""
    done, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return content.tobytes()
