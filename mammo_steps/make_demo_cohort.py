"""Write a synthetic screening archive: DICOM mammograms, labels.csv and lesions.csv (the truth).

Every woman, exam and image is drawn from random streams of its own, so the same seed and settings give the
same bytes for any number of workers. Age, dates, machine, matrix size, breast and texture are drawn without
regard to the outcome; ids and file names are hashes. The files are built in a hidden folder beside the
archive, which gets its name when all are there; then come the labels and, last, the lesions.
"""

import argparse
import csv
import hashlib
import json
import logging
import multiprocessing
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np

from mammo_steps.core import dicom_writing, phantom
from mammo_steps.core.dicom_writing import Identity, Machine
from mammo_steps.core.files import replacing
from mammo_steps.core.randomness import stream
from mammo_steps.core.terms import Outcome

log = logging.getLogger(__name__)

OUTCOMES = (Outcome.NORMAL, Outcome.BENIGN, Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
CANCERS = (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
VIEWS = tuple((laterality, view) for laterality in ("L", "R") for view in ("CC", "MLO"))
LESION_TYPES = ("mass", "mass_with_specks", "specks")
TYPE_SHARES = {True: (0.35, 0.45, 0.20), False: (0.60, 0.0, 0.40)}  # malignant, benign
DETECTOR_WIDTH_MM = 180.0  # the short side of an 18 x 24 cm detector, whatever the matrix
SECOND_READING_MISSING = 0.03
# Ordinal scores 1 (normal) to 5 (malignant): how many of these limits a reader's impression exceeds. The
# impression is noise of standard deviation 1 plus the lesion's strength times a gain. A screen-detected cancer
# is one that readers saw, an interval cancer one that they did not.
READER_LIMITS = (1.3, 1.9, 2.5, 3.2)
READER_GAIN = {Outcome.SCREEN_DETECTED: 2.9, Outcome.INTERVAL: 0.5, Outcome.BENIGN: 0.9}
SHARED_NOISE = 0.3  # correlation of the two readers' noise: both see the same breast

LABEL_COLUMNS = (
    *("patient_id", "exam_id", "outcome", "cancer_laterality"),
    *("reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right"),
)
LESION_COLUMNS = (
    *("image_id", "lesion_id", "lesion_type", "malignant"),
    *("row", "col", "radius_px", "contrast"),
)
Row = dict[str, object]


@dataclass(frozen=True)
class Settings:
    """The cohort's make-up.

    exams              outcome -> number of exams, for each of OUTCOMES
    share_two_exams    share of women with two exams, the earlier one normal; the others have one
    sizes              [height, width] of the stored matrices, drawn for each exam
    lesion_contrast    1 = nominal; 0 = no lesion is painted, labels and readers stay (negative control)
    interval_contrast  factor on the contrast of interval cancers
    """

    exams: Mapping[str, int]
    share_two_exams: float
    sizes: Sequence[Sequence[int]]
    lesion_contrast: float
    interval_contrast: float

    def __post_init__(self) -> None:
        if (
            sorted(self.exams) != sorted(OUTCOMES)
            or min(self.exams.values()) < 0
            or not sum(self.exams.values())
        ):
            raise ValueError(
                f"exams is {dict(self.exams)}, wanted a count for each of {[str(o) for o in OUTCOMES]}"
            )
        if not 0 <= self.share_two_exams <= 1:
            raise ValueError(f"share_two_exams is {self.share_two_exams}, wanted 0 to 1")
        if not self.sizes or any(len(size) != 2 or min(size) < 64 for size in self.sizes):
            raise ValueError(f"sizes is {self.sizes}, wanted [height, width] pairs of at least 64 px")
        if min(self.lesion_contrast, self.interval_contrast) < 0:
            raise ValueError("lesion_contrast and interval_contrast must not be negative")


@dataclass(frozen=True)
class Exam:
    """One exam: which woman's, 0 = her earlier or only one, how many she has, what became of it."""

    seed: int
    woman: int
    number: int
    n_exams: int
    outcome: Outcome

    def draw(self, purpose: str, *part: str) -> np.random.Generator:
        """A random stream for this exam and purpose."""
        return stream("demo", self.seed, purpose, self.woman, self.number, *part)

    def hashed(self, *part: str | int) -> str:
        """32 hexadecimal digits that tell nothing about what they name."""
        return hashlib.sha256(
            "|".join(map(str, ("demo", self.seed, self.woman, *part))).encode()
        ).hexdigest()[:32]

    @property
    def patient_id(self) -> str:
        return f"D{self.hashed('patient')[:12].upper()}"

    def uid(self, *part: str) -> str:
        """A DICOM UID made from a hash (PS3.5 B.2) for this exam or a part of it."""
        return f"2.25.{int(self.hashed(self.number, *part), 16)}"


@dataclass(frozen=True)
class Lesion:
    """A lesion as both views of its breast show it; see `phantom.Outline.place` for depth."""

    laterality: str
    type: str
    malignant: bool
    radius: float  # share of the matrix's width
    depth: float
    strength: float  # of its own kind: 1 = usual


def plan_exams(settings: Settings, seed: int) -> list[Exam]:
    """Every exam of the cohort. A woman's last exam has any outcome, an earlier one is normal."""
    n_exams = sum(settings.exams.values())
    n_two = n_exams - round(n_exams / (1 + settings.share_two_exams))
    last = [outcome for outcome in OUTCOMES for _ in range(settings.exams[outcome])][n_two:]
    if settings.exams[Outcome.NORMAL] < n_two:
        raise ValueError(
            f"exams: {settings.exams[Outcome.NORMAL]} normal exams, but {n_two} women have an earlier, normal exam: "
            "raise exams.normal or lower share_two_exams"
        )
    rng = stream("demo", seed, "plan")
    outcomes = [last[i] for i in rng.permutation(len(last))]
    has_two = set(rng.permutation(len(last))[:n_two].tolist())
    return [
        Exam(
            seed,
            woman,
            number,
            1 + (woman in has_two),
            outcome if number == (woman in has_two) else Outcome.NORMAL,
        )
        for woman, outcome in enumerate(outcomes)
        for number in range(1 + (woman in has_two))
    ]


def draw_day_and_age(exam: Exam) -> tuple[date, int]:
    """Exam date and age in whole years; a woman's two exams are about two years apart."""
    rng = stream("demo", exam.seed, "woman", exam.woman)
    day = date(2014, 1, 1) + timedelta(days=int(rng.integers(8 * 365)))
    age = rng.uniform(52, 70)
    gap_days = int(rng.integers(690, 800)) * (exam.n_exams - 1 - exam.number)
    return day - timedelta(days=gap_days), int(age - gap_days / 365.25)


def draw_machine(exam: Exam, settings: Settings) -> tuple[Machine, tuple[int, int]]:
    """How the exam's files are written, and (H, W) of its images."""
    rng = exam.draw("machine")
    habit = str(rng.choice(sorted(dicom_writing.HABITS)))
    machine = Machine(
        habit=habit,
        voi=str(rng.choice(dicom_writing.HABITS[habit][1])),
        code_scheme="SCT" if habit == "hologic" else str(rng.choice(["SRT", "SNM3"])),
        photometric=str(rng.choice(["MONOCHROME1", "MONOCHROME2"])),
        transfer_syntax=str(rng.choice(dicom_writing.TRANSFER_SYNTAXES)),
    )
    height, width = settings.sizes[int(rng.integers(len(settings.sizes)))]
    return machine, (height, width)


def draw_lesion(exam: Exam) -> Lesion | None:
    if exam.outcome == Outcome.NORMAL:
        return None
    rng = exam.draw("lesion")
    malignant = exam.outcome in CANCERS
    return Lesion(
        laterality=str(rng.choice(["L", "R"])),
        type=str(rng.choice(LESION_TYPES, p=TYPE_SHARES[malignant])),
        malignant=malignant,
        radius=rng.uniform(0.03, 0.05),
        depth=rng.uniform(0.25, 0.60),
        strength=rng.uniform(0.8, 1.25),
    )


def reader_scores(exam: Exam, lesion: Lesion | None) -> Row:
    """Two readers' scores, 1 to 5 for each breast; some second readings are missing."""
    rng = exam.draw("readers")
    row: Row = {}
    for name, laterality in (("left", "L"), ("right", "R")):
        seen = (
            lesion.strength * READER_GAIN[exam.outcome] if lesion and lesion.laterality == laterality else 0.0
        )
        shared = rng.normal() * SHARED_NOISE**0.5
        for reader in (1, 2):
            impression = seen + shared + rng.normal() * (1 - SHARED_NOISE) ** 0.5
            row[f"reader_{reader}_{name}"] = 1 + sum(impression > limit for limit in READER_LIMITS)
    if rng.random() < SECOND_READING_MISSING:
        row |= {"reader_2_left": "", "reader_2_right": ""}
    return row


def paint_lesion(
    rng: np.random.Generator, image: phantom.Image, where: phantom.Point, lesion: Lesion, contrast: float
) -> None:
    """Add a lesion to an image, in place."""
    radius_px = lesion.radius * image.shape[1]
    if lesion.type != "specks":
        phantom.add_mass(rng, image, where, radius_px, contrast * phantom.MASS_GREY, lesion.malignant)
        if lesion.malignant:
            phantom.add_spicules(rng, image, where, radius_px, contrast * phantom.SPICULE_GREY)
    if lesion.type != "mass":
        n_specks = int(rng.integers(10, 26) if lesion.malignant else rng.integers(3, 7))
        coarseness = 1.0 if lesion.malignant else 2.0
        phantom.add_specks(rng, image, where, radius_px, n_specks, contrast * phantom.SPECK_GREY, coarseness)


def make_image(
    exam: Exam, view: tuple[str, str], shape: tuple[int, int], lesion: Lesion | None, contrast: float
) -> tuple[dicom_writing.Pixels, Row | None]:
    """Grey levels of one view as stored (chest wall right for a right breast), and its lesion's row."""
    build = phantom.draw_build(stream("demo", exam.seed, "build", exam.woman))
    outline = phantom.draw_outline(exam.draw("outline", *view), shape, view[1], build)
    image = phantom.tissue(exam.draw("tissue", *view), outline, build.density)
    phantom.add_innocent(exam.draw("innocent", *view), image, outline)
    background, row = image, None
    if lesion and lesion.laterality == view[0]:
        rng = exam.draw("lesion", *view)
        radius_px = lesion.radius * shape[1]
        where = outline.place(lesion.depth + rng.normal(0, 0.02), rng.uniform(-0.6, 0.6), radius_px)
        image = background.copy()
        paint_lesion(rng, image, where, lesion, contrast)
        row = {
            "image_id": exam.uid(*view),
            "lesion_id": exam.hashed(exam.number, "lesion")[:12],
            "lesion_type": lesion.type,
            "malignant": int(lesion.malignant),
            "row": f"{where[0]:.1f}",
            "col": f"{shape[1] - 1 - where[1] if view[0] == 'R' else where[1]:.1f}",
            "radius_px": f"{radius_px:.1f}",
            "contrast": f"{contrast:.3f}",
        }
    grey = phantom.digitise(exam.draw("noise", *view), image, background, outline.mask())
    return (grey[:, ::-1] if view[0] == "R" else grey), row


def make_exam(exam: Exam, settings: Settings, folder: Path) -> tuple[Row, list[Row]]:
    """Write an exam's four images; returns its row of labels.csv and its rows of lesions.csv."""
    machine, shape = draw_machine(exam, settings)
    day, age_years = draw_day_and_age(exam)
    lesion = draw_lesion(exam)
    contrast = settings.lesion_contrast * (lesion.strength if lesion else 0)
    if exam.outcome == Outcome.INTERVAL:
        contrast *= settings.interval_contrast
    lesions = []
    for view in VIEWS:
        grey, row = make_image(exam, view, shape, lesion, contrast)
        identity = Identity(
            exam.patient_id, exam.uid(), exam.uid("series", *view), exam.uid(*view), *view, day, age_years
        )
        name = exam.hashed(exam.number, "file", *view)
        path = folder / name[:2] / f"{name[2:]}.dcm"
        dicom_writing.write_mammogram(
            path, np.ascontiguousarray(grey), identity, machine, DETECTOR_WIDTH_MM / shape[1]
        )
        lesions += [row] if row else []
    label: Row = {
        "patient_id": exam.patient_id,
        "exam_id": exam.uid(),
        "outcome": str(exam.outcome),
        "cancer_laterality": lesion.laterality if lesion and lesion.malignant else "",
    }
    return label | reader_scores(exam, lesion), lesions


def _make_exam(task: tuple[Exam, Settings, Path]) -> tuple[Row, list[Row]]:
    cv2.setNumThreads(1)
    return make_exam(*task)


def make_archive(settings: Settings, seed: int, workers: int, folder: Path) -> tuple[list[Row], list[Row]]:
    """Write all files below `folder`; returns the rows of labels.csv and lesions.csv, sorted by id."""
    tasks = [(exam, settings, folder) for exam in plan_exams(settings, seed)]
    labels: list[Row] = []
    lesions: list[Row] = []
    started = time.monotonic()

    def collect(results: Iterable[tuple[Row, list[Row]]]) -> None:
        for label, rows in results:
            labels.append(label)
            lesions.extend(rows)
            if len(labels) % max(1, len(tasks) // 10) == 0:
                rate = len(labels) / (time.monotonic() - started)
                log.info(
                    "%d of %d exams, %.1f per second, %.0f s left",
                    len(labels),
                    len(tasks),
                    rate,
                    (len(tasks) - len(labels)) / rate,
                )

    if workers == 1:
        collect(map(_make_exam, tasks))
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            collect(pool.imap_unordered(_make_exam, tasks, chunksize=2))
    return sorted(labels, key=lambda r: str(r["exam_id"])), sorted(lesions, key=lambda r: str(r["image_id"]))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, metavar="JSON", help="see Settings")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes; no influence on the files"
    )
    parser.add_argument("--archive", type=Path, required=True, metavar="DIR")
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--lesions", type=Path, required=True, metavar="CSV")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings(**json.loads(args.settings))
    for path in (args.labels, args.lesions, args.archive):
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise ValueError(f"{path} exists already: delete it, or name another place")

    log.info("writing a synthetic archive, seed %d: %s", args.seed, json.dumps(asdict(settings)))
    unfinished = args.archive.with_name(f".{args.archive.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    unfinished.mkdir(parents=True)
    labels, lesions = make_archive(settings, args.seed, args.workers, unfinished)
    unfinished.replace(args.archive)
    write_csv(args.labels, LABEL_COLUMNS, labels)
    write_csv(args.lesions, LESION_COLUMNS, lesions)
    log.info("wrote %d exams, %d images, %d lesion rows", len(labels), 4 * len(labels), len(lesions))


if __name__ == "__main__":
    main()
