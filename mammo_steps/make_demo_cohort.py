"""Write a synthetic screening archive: DICOM mammograms, labels.csv and lesions.csv (the truth).

Every woman, exam and image is drawn from random streams of its own, so the same seed and settings give the
same bytes for any number of workers. The files are built in a hidden folder beside the archive, which gets its
name when all are there; then come the labels and, last, the lesions.
"""

import argparse
import csv
import functools
import json
import logging
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from mammo_steps.core import dicom_writing, phantom
from mammo_steps.core.artefacts import artefact, artefact_folder
from mammo_steps.core.dicom_writing import Identity
from mammo_steps.core.ordered_pool import in_order
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.synthetic_exams import (
    OUTCOMES,
    Exam,
    Lesion,
    draw_day_and_age,
    draw_follow_up,
    draw_lesion,
    draw_machine,
    draw_reading,
    plan_exams,
)
from mammo_steps.core.terms import LATERALITIES, Outcome

log = logging.getLogger("make_demo_cohort")

VIEWS = tuple((laterality, view) for laterality in LATERALITIES for view in ("CC", "MLO"))
DETECTOR_WIDTH_MM = 180.0  # the short side of an 18 x 24 cm detector, whatever the matrix
LABEL_COLUMNS = (
    *("patient_id", "exam_id", "outcome", "cancer_laterality"),
    *("reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right"),
    "follow_up_months",
)
LESION_COLUMNS = (
    *("image_id", "lesion_id", "lesion_type", "malignant"),
    *("row", "col", "radius_px", "contrast"),
)
_LOG_EVERY_S = 30
Row = dict[str, object]


@dataclass(frozen=True)
class Settings:
    """The cohort's make-up.

    exams              outcome -> number of exams, for each of OUTCOMES
    share_two_exams    share of women with two exams, the earlier one normal; the others have one
    sizes              [height, width] of the stored matrices, one drawn for each exam
    lesion_contrast    1 = nominal; 0 = no lesion is painted, labels and readers stay (negative control)
    interval_contrast  factor on the contrast of interval cancers
    """

    exams: Mapping[str, int]
    share_two_exams: float
    sizes: Sequence[Sequence[int]]
    lesion_contrast: float
    interval_contrast: float

    def __post_init__(self) -> None:
        counts = self.exams.values()
        if sorted(self.exams) != sorted(OUTCOMES) or min(counts) < 0 or sum(counts) == 0:
            wanted = ", ".join(OUTCOMES)
            raise ValueError(f"exams is {dict(self.exams)}, wanted a number for each of {wanted}")
        if not 0 <= self.share_two_exams <= 1:
            raise ValueError(f"share_two_exams is {self.share_two_exams}, wanted 0 to 1")
        if not self.sizes or any(len(size) != 2 or min(size) < 64 for size in self.sizes):
            raise ValueError(f"sizes is {self.sizes}, wanted [height, width] pairs of at least 64 px")
        for name in ("lesion_contrast", "interval_contrast"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, wanted 0 or more")

    def contrast(self, exam: Exam, lesion: Lesion) -> float:
        """What the lesion is painted with; 1 = a usual lesion of its type."""
        factor = self.interval_contrast if exam.outcome == Outcome.INTERVAL else 1.0
        return self.lesion_contrast * factor * lesion.strength


@dataclass(frozen=True)
class Shown:
    """One view of an exam: grey levels (H, W) as stored, bright = dense, and where a lesion's centre lies."""

    grey: dicom_writing.Pixels
    lesion: phantom.Point | None


def paint_lesion(
    rng: np.random.Generator, image: phantom.Image, where: phantom.Point, lesion: Lesion, contrast: float
) -> None:
    """Add a lesion to an image, in place. A benign one is a smooth mass or a few coarse specks."""
    radius_px = lesion.radius * image.shape[1]
    if lesion.type != "specks":
        phantom.add_mass(rng, image, where, radius_px, contrast * phantom.MASS_GREY, lesion.malignant)
        if lesion.malignant:
            phantom.add_spicules(rng, image, where, radius_px, contrast * phantom.SPICULE_GREY)
    if lesion.type != "mass":
        n_specks = int(rng.integers(10, 26) if lesion.malignant else rng.integers(3, 7))
        coarseness = 1.0 if lesion.malignant else 2.0
        phantom.add_specks(rng, image, where, radius_px, n_specks, contrast * phantom.SPECK_GREY, coarseness)


def show(exam: Exam, view: tuple[str, str], shape: tuple[int, int], settings: Settings) -> Shown:
    """Draw one view; a right breast has its chest wall on the right (PatientOrientation P, L)."""
    lesion = draw_lesion(exam)
    build = phantom.draw_build(exam.draw_of_woman("build"))
    outline = phantom.draw_outline(exam.draw("outline", *view), shape, view[1], build)
    background = phantom.tissue(exam.draw("tissue", *view), outline, build.density)
    phantom.add_innocent(exam.draw("innocent", *view), background, outline)
    image, where = background, None
    if lesion and lesion.laterality == view[0]:
        rng = exam.draw("lesion", *view)
        depth, offset = lesion.depth + rng.normal(0, 0.02), rng.uniform(-0.6, 0.6)
        where = outline.place(depth, offset, lesion.radius * shape[1])
        image = background.copy()
        paint_lesion(rng, image, where, lesion, settings.contrast(exam, lesion))
    grey = phantom.digitise(exam.draw("noise", *view), image, background, outline.mask())
    if view[0] == "R":
        grey = np.ascontiguousarray(grey[:, ::-1])
        where = where and (where[0], shape[1] - 1 - where[1])
    return Shown(grey, where)


def lesion_row(exam: Exam, view: tuple[str, str], shown: Shown, settings: Settings) -> Row | None:
    """The view's row of lesions.csv, if it shows a lesion."""
    lesion = draw_lesion(exam)
    if lesion is None or shown.lesion is None:
        return None
    row, col = shown.lesion
    return {
        "image_id": exam.uid(*view),
        "lesion_id": exam.hashed(exam.number, "lesion")[:12],
        "lesion_type": lesion.type,
        "malignant": int(lesion.malignant),
        "row": f"{row:.1f}",
        "col": f"{col:.1f}",
        "radius_px": f"{lesion.radius * shown.grey.shape[1]:.1f}",
        "contrast": f"{settings.contrast(exam, lesion):.3f}",
    }


def label_row(exam: Exam) -> Row:
    """The exam's row of labels.csv."""
    lesion = draw_lesion(exam)
    return {
        "patient_id": exam.patient_id,
        "exam_id": exam.uid(),
        "outcome": str(exam.outcome),
        "cancer_laterality": lesion.laterality if lesion and lesion.malignant else "",
        **draw_reading(exam, lesion),
        "follow_up_months": draw_follow_up(exam),
    }


def write_exam(exam: Exam, settings: Settings, folder: Path) -> tuple[Row, list[Row]]:
    """Write an exam's four files; returns its row of labels.csv and its rows of lesions.csv."""
    machine, shape = draw_machine(exam, settings.sizes)
    day, age_years = draw_day_and_age(exam)
    lesions = []
    for view in VIEWS:
        shown = show(exam, view, shape, settings)
        identity = Identity(
            patient_id=exam.patient_id,
            exam_id=exam.uid(),
            series_id=exam.uid("series", *view),
            image_id=exam.uid(*view),
            laterality=view[0],
            view=view[1],
            exam_date=day,
            age_years=age_years,
        )
        name = exam.hashed(exam.number, "file", *view)
        path = folder / name[:2] / f"{name[2:]}.dcm"
        dicom_writing.write_mammogram(path, shown.grey, identity, machine, DETECTOR_WIDTH_MM / shape[1])
        lesions.append(lesion_row(exam, view, shown, settings))
    return label_row(exam), [row for row in lesions if row]


def _start() -> None:
    cv2.setNumThreads(1)


def write_exams(exams: Sequence[Exam], settings: Settings, folder: Path, workers: int) -> list[list[Row]]:
    """Write all files below `folder`; returns the rows of labels.csv and of lesions.csv, sorted by id."""
    labels: list[Row] = []
    lesions: list[Row] = []
    work = functools.partial(write_exam, settings=settings, folder=folder)
    started = logged = time.monotonic()
    for label, rows in in_order(work, exams, workers, _start):
        labels.append(label)
        lesions += rows
        now = time.monotonic()
        if now - logged > _LOG_EVERY_S:
            logged, rate = now, len(labels) / (now - started)
            left_s = (len(exams) - len(labels)) / rate
            log.info("%d of %d exams, %.1f per s, %.0f s left", len(labels), len(exams), rate, left_s)
    labels.sort(key=lambda row: str(row["exam_id"]))
    lesions.sort(key=lambda row: str(row["image_id"]))
    return [labels, lesions]


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with artefact(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=json_object, required=True, metavar="JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="processes; the files do not depend on it")
    parser.add_argument("--archive", type=Path, required=True, metavar="DIR")
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--lesions", type=Path, required=True, metavar="CSV")
    args = parser.parse_args(argv)
    start_step(__spec__, args)
    settings = Settings(**args.settings)
    exams = plan_exams(settings.exams, settings.share_two_exams, args.seed)
    for path in (args.archive, args.labels, args.lesions):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise ValueError(f"{path} exists already: delete it, or name another place")

    log.info("writing %d synthetic exams, seed %d: %s", len(exams), args.seed, json.dumps(asdict(settings)))
    unfinished = args.archive.with_name(f".{args.archive.name}.unfinished")
    if unfinished.exists():  # of a run that was killed
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    labels, lesions = write_exams(exams, settings, unfinished, args.workers)
    with artefact_folder(args.archive):
        unfinished.replace(args.archive)
    write_csv(args.labels, LABEL_COLUMNS, labels)
    write_csv(args.lesions, LESION_COLUMNS, lesions)
    log.info("wrote %d exams, %d images, %d lesion rows", len(exams), len(VIEWS) * len(exams), len(lesions))


if __name__ == "__main__":
    main()
