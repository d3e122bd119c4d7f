"""Write the DICOM objects of a shard's scored exams: report, marks, picture (`core.dicom_results`).

They bear patients' identities, as the images do: the folder is private. A folder per exam, by its pseudonym:

    <exam>/report.dcm, marks_1.dcm, ..., picture.dcm
"""

import argparse
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pydicom
from pydicom.dataset import Dataset

from mammo_steps.core.artefacts import artefact_folder, reading
from mammo_steps.core.bundle import Bundle, open_bundle
from mammo_steps.core.dicom_headers import quiet_pydicom
from mammo_steps.core.dicom_results import dicom_objects
from mammo_steps.core.exam_pictures import Array
from mammo_steps.core.files import replacing
from mammo_steps.core.new_exams import NewExam, predicted
from mammo_steps.core.prediction import ExamPrediction, MemberView
from mammo_steps.core.preparing import Listed, read_list
from mammo_steps.core.scorer import read_shard
from mammo_steps.core.steps import start_step
from mammo_steps.core.tables import read_table

log = logging.getLogger("write_dicom_results")


def scored_exams(shard: Path, index: Path, scores: Path, bundle: Bundle) -> Iterator[ExamPrediction]:
    """The exams of a shard as score_new_exams has scored them; ValueError if that was another bundle."""
    exams = read_shard(shard, index, bundle).exams
    told = {row["exam_id"]: row for row in read_table(scores / "exams.parquet", "new_exams").to_pylist()}
    others = {row["bundle"] for row in told.values()} - {bundle.id}
    if others or set(told) != {exam.exam_id for exam in exams}:
        raise ValueError(
            f"{scores} holds scores of other exams or of another bundle: run score_new_exams again"
        )
    views: dict[str, list[MemberView]] = {}
    for row in read_table(scores / "members.parquet", "new_members").to_pylist():
        views.setdefault(row["image_id"], []).append(view_of(row))
    for exam in exams:
        own = told[exam.exam_id]
        drift = (own["drift"],) if own["drift"] else ()
        guarded = NewExam(exam.patient_id, exam.exam_id, exam.images, exam.n_left_out, drift, own["refused"])
        yield predicted(guarded, views, bundle)


def view_of(row: dict[str, Any]) -> MemberView:
    """A row of the `new_members` table."""
    return MemberView(
        row["member"],
        row["holistic"],
        row["attention"],
        (row["coa_row"], row["coa_col"]),
        row["coa_fallback"],
        (row["row_px"], row["col_px"], row["side_px"]),
    )


def read_source(image: Listed, archive: Path) -> Dataset | None:
    """A file's header; None if it cannot be read any more, or another image lies there now."""
    try:
        header = pydicom.dcmread(archive / image.path, stop_before_pixels=True)
        image.check_same(header)
    except Exception:  # pydicom raises almost anything, with text of the header
        return None
    return header


def read_picture(path: Path) -> Array:
    """(h, w, 3) RGB of a PNG file."""
    found = cv2.imread(str(reading(path)))
    if found is None:
        raise ValueError(f"{path} is damaged: run score_new_exams again")
    return np.asarray(found[:, :, ::-1])


def images_of(index: Path, image_ids: Iterable[str]) -> dict[str, list[str]]:
    """exam_id -> its images among these."""
    wanted = pa.array(image_ids, pa.string())
    table = read_table(index, "index", ["image_id", "exam_id", "reason"])
    taken = table.filter(pc.and_(pc.is_null(table["reason"]), pc.is_in(table["image_id"], wanted)))
    found: dict[str, list[str]] = {}
    for row in taken.sort_by("image_id").to_pylist():
        found.setdefault(row["exam_id"], []).append(row["image_id"])
    return found


def names_of(objects: Sequence[Dataset]) -> Iterator[str]:
    n_marks = 0
    for made in objects:
        n_marks += made.Modality == "PR"
        yield {"SR": "report.dcm", "PR": f"marks_{n_marks}.dcm"}.get(made.Modality, "picture.dcm")


def write_exam(folder: Path, objects: Sequence[Dataset]) -> None:
    for name, made in zip(names_of(objects), objects, strict=True):
        with replacing(folder / name) as scratch:
            made.save_as(scratch, enforce_file_format=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of make_bundle")
    parser.add_argument("--members", nargs="*", help="as in score_new_exams")
    parser.add_argument("--index", type=Path, required=True, help="the intake's index.parquet")
    parser.add_argument("--shard", type=Path, required=True, help="folder of the shard")
    parser.add_argument("--list", type=Path, required=True, help="the shard's list of files; private")
    parser.add_argument("--archive", type=Path, required=True, help="folder that the list's paths lie below")
    parser.add_argument("--scores", type=Path, required=True, help="folder of score_new_exams")
    parser.add_argument("--objects", type=Path, required=True, help="folder written; private")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    quiet_pydicom()
    bundle = open_bundle(args.bundle, args.members or None)
    listed = {image.image_id: image for image in read_list(args.list)}
    made = datetime.now().replace(microsecond=0)  # (DICOM: local time, unless it says otherwise)
    folder: Path = args.objects
    n_objects = n_without = 0
    with artefact_folder(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        of_exam = images_of(args.index, listed)
        for exam in scored_exams(args.shard, args.index, args.scores, bundle):
            sources = {
                i: source
                for i in of_exam[exam.exam_id]
                if (source := read_source(listed[i], args.archive)) is not None
            }
            if not sources or any(image.image_id not in sources for image in exam.images):
                n_without += 1
                log.warning(
                    "exam %s: a file of it cannot be read any more or is another image now: it gets no objects",
                    exam.exam_id,
                )
                continue
            sheet = args.scores / "sheets" / f"{exam.exam_id}.png"
            picture = read_picture(sheet) if sheet.is_file() else None
            try:
                objects = dicom_objects(exam, sources, picture, bundle, made)
            except ValueError as error:
                n_without += 1
                log.warning("exam %s gets no objects: %s", exam.exam_id, error)
                continue
            write_exam(folder / exam.exam_id, objects)
            n_objects += len(objects)
    log.info("%d objects written, %d exams without", n_objects, n_without)


if __name__ == "__main__":
    main()
