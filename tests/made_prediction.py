"""Scores of an exam, written by hand, and the bundle whose they are said to be: numbers that can be checked by eye."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pydicom
from made_files import half_disc, make_dicom
from pydicom.dataset import Dataset

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.dicom_writing import Machine
from mammo_steps.core.new_exams import NewExam, predicted
from mammo_steps.core.prediction import NETWORKS, ExamPrediction, MemberView
from mammo_steps.core.recipe import Recipe
from mammo_steps.core.reference import GRID, Reference
from mammo_steps.core.terms import Endpoint

SHAPE = (160, 120)  # (H, W) of made images
VIEWS = (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))
MEMBERS = ("fold0", "fold1")
COA, ROI = (70.25, 40.5), (40, 10, 64)  # of every left image


def made_reference() -> Reference:
    """Percentile = 10 x (margin + 5); probability = 1 / (1 + exp(-margin)), at a prevalence of a half."""
    quantiles = {network: (10 * GRID - 5).tolist() for network in NETWORKS}
    row = {
        "endpoint": str(Endpoint.SCREEN_DETECTED_OR_INTERVAL),
        "prevalence": 0.5,
        "logit_shift": 0.0,
        "calibrator": {"slope": 1.0, "intercept": 0.0, "scores": [], "levels": []}
        | dict.fromkeys(("n_positive", "n_negative"), 5),
    }
    return Reference(
        {"at": GRID.tolist(), "quantiles": dict.fromkeys(("exam", "breast", "image"), quantiles)},
        {"probability_of": [{**row, "network": network} for network in NETWORKS], "thresholds": []},
    )


def paper_bundle(members: Sequence[str] = MEMBERS, synthetic: bool = False) -> Bundle:
    """A bundle without networks: nothing is scored with it."""
    about = {
        "study": "paper",
        "version": 1,
        "synthetic": synthetic,
        "settings": {"list_images": {"views": ["CC", "MLO"]}},
    }
    return Bundle(Path("bundle"), about, "0123456789ab", tuple(members), made_reference(), Recipe(), {})


def made_exam(
    folder: Path, machine: Machine | None = None, number: int = 1, views: Iterable[tuple[str, str]] = VIEWS
) -> dict[str, Path]:
    """image_id -> file of woman P<number>; image ids are L-CC, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for which, (side, view) in enumerate(views):
        grey = half_disc(SHAPE, "left" if side == "L" else "right", which)
        ids = (f"P{number}", f"1.2.{number}0", f"1.2.{number}0.{which + 1}")
        files[f"{side}-{view}"] = make_dicom(folder / f"{which}.dcm", grey, side, view, ids, machine)
    return files


def headers(files: dict[str, Path]) -> dict[str, Dataset]:
    return {key: pydicom.dcmread(path, stop_before_pixels=True) for key, path in files.items()}


def made_prediction(image_ids: Iterable[str], bundle: Bundle, **exam: Any) -> ExamPrediction:
    """Each image has the margins -1 and 0 (holistic), 1 and 2 (attention) of two members.

    `COA` and `ROI` lie mirrored in right images.
    exam  of `NewExam`: drift, refused, n_left_out
    """
    row, col, side = ROI
    images: list[dict[str, Any]] = []
    views: dict[str, list[MemberView]] = {}
    for image_id in image_ids:
        laterality, view = image_id.split("-")[:2]
        images.append(
            {"image_id": image_id, "laterality": laterality, "view": view, "orientation_conflict": False}
        )
        images[-1] |= {"height_px": SHAPE[0], "width_px": SHAPE[1]}
        mirrored = laterality == "R"
        coa = (COA[0], SHAPE[1] - 1 - COA[1] if mirrored else COA[1])
        roi = (row, SHAPE[1] - col - side if mirrored else col, side)
        views[image_id] = [
            MemberView(member, k - 1.0, k + 1.0, coa, False, roi) for k, member in enumerate(bundle.members)
        ]
    return predicted(NewExam("p-1", "e-1", images, exam.pop("n_left_out", 0), **exam), views, bundle)
