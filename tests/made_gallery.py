"""An exam gallery of small made pictures, drawn as the workflow does it."""

import json

import numpy as np

from mammo_steps import draw_gallery
from mammo_steps.core.exam_pictures import write_pictures

SIDE, ROI = 32, 16
VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))


def image_of(exam, laterality, view, number, coa=(10.0, 8.0)):
    """An image's entry and arrays; what is to be seen lies at row 10, column 8, the breast at the left."""
    key = f"image-id-{exam}{number}"
    grey = np.zeros((SIDE, SIDE), np.uint8)
    grey[8:16, 0:8] = 200
    saliency = np.zeros((SIDE, SIDE), np.float32)
    saliency[10, 8] = 1e-6
    roi = np.zeros((ROI, ROI), np.uint8)
    roi[:, :8] = 200
    entry = {"image_id": key, "laterality": laterality, "view": view, "affected": laterality == "L"}
    entry |= {"coa": None if coa is None else list(coa), "roi_box": [2.5, 0.5, 18.5, 16.5]}
    arrays = {"input": grey, "saliency": saliency, "top_pixels": np.array([[10, 8]], np.uint16), "roi": roi}
    return entry, {f"{key}/{name}": array for name, array in arrays.items()}


def exam_of(number, kind, views=VIEWS, **changes):
    entries, arrays = [], {}
    for place, (laterality, view) in enumerate(views):
        entry, own = image_of(number, laterality, view, place)
        entries.append(entry)
        arrays |= own
    models = ("holistic", "attention", "ensemble", "reader_1")
    exam = {
        "exam_id": f"exam-id-{number}",
        "kind": str(kind),
        "fold": 1,
        "outcome": "screen_detected",
        "scores": {"holistic": 1.25, "attention": -0.5, "ensemble": 0.375, "reader_1": 3.0},
        "percentile": dict(zip(models, (0.75, 0.25, 0.5, 0.9), strict=True)) | {"reader_2": None},
        "recalled": {"reader_1": True},
        "images": entries,
    }
    return {**exam, **changes}, arrays


def draw(folder, exams, synthetic=False):
    write_pictures(folder / "saliency.npz", exams)
    settings = json.dumps({"study": "a <study>", "synthetic": synthetic, "partial": None})
    draw_gallery.main(
        ["--maps", str(folder / "saliency.npz"), "--settings", settings, "--gallery", str(folder / "gallery")]
    )
    return folder / "gallery"
