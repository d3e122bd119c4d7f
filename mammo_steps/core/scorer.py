"""Scoring new exams with a bundle: networks loaded once, images out of shards or straight from DICOM files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from mammo_steps.core.bundle import Bundle
from mammo_steps.core.compute import Compute, Job
from mammo_steps.core.image_facts import INDEX_FACTS
from mammo_steps.core.image_store import REMEDY
from mammo_steps.core.member_scoring import Member
from mammo_steps.core.new_exams import NewExam, predicted
from mammo_steps.core.prediction import SEVERAL_PATIENTS, ExamPrediction, MemberView
from mammo_steps.core.recipe import Marked, check_follows, check_same
from mammo_steps.core.tables import read_table, recipe_of
from mammo_steps.core.terms import Reason

IMAGES_AT_ONCE = 64  # whose ROIs are in memory: 2 MB each at 976 pixels

# columns of an intake's index that scoring needs, beside those of its shard
INDEX_COLUMNS = (
    "image_id", "patient_id", "exam_id", "laterality", "view", "shard", "reason", *INDEX_FACTS,
)  # fmt: skip


@dataclass(frozen=True)
class ShardExams:
    """What is to be scored of one shard.

    folder  of the shard
    exams   whole exams, sorted by exam_id; their images are rows of index and shard in one
    stored  image_id -> row of the shard's `shard_images` table
    """

    folder: Path
    exams: list[NewExam]
    stored: dict[str, dict[str, Any]]


def shard_exams(
    folder: Path, index: Iterable[Mapping[str, Any]], shard_images: Iterable[Mapping[str, Any]]
) -> ShardExams:
    """The exams of a shard.

    index         rows of the intake's `index` table with `INDEX_COLUMNS`
    shard_images  rows of the shard's table
    """
    stored = {str(row["image_id"]): dict(row) for row in shard_images}
    images: dict[str, list[dict[str, Any]]] = {}
    left_out: dict[str, int] = {}
    women: dict[str, set[str]] = {}
    for row in index:
        exam_id = row["exam_id"]
        pixels = stored.get(str(row["image_id"])) if row["reason"] is None else None
        if exam_id is None or (row["reason"] is None and pixels is None):
            continue  # of no exam, or of another shard
        if pixels is None or pixels["reason"] is not None:
            left_out[exam_id] = left_out.get(exam_id, 0) + 1
        else:
            images.setdefault(exam_id, []).append({**pixels, **row, "shard": folder.name})
        if pixels is not None:
            women.setdefault(exam_id, set()).add(row["patient_id"])
    exams = [
        NewExam(
            min(women[exam_id]),
            exam_id,
            images.get(exam_id, []),
            left_out.get(exam_id, 0),
            refused=None if len(women[exam_id]) == 1 else SEVERAL_PATIENTS,
        )
        for exam_id in sorted(women)
    ]
    return ShardExams(folder, exams, {key: row for key, row in stored.items() if row["reason"] is None})


def as_the_study(rows: Iterable[dict[str, Any]], bundle: Bundle) -> list[dict[str, Any]]:
    """Rows of an index; images are out of views, or without a pixel spacing, that the bundle's study did not take."""
    listed = bundle.settings("list_images")

    def reason(row: Mapping[str, Any]) -> str | None:
        if row["view"] not in listed["views"]:
            return Reason.OTHER_VIEW.value
        lacks_spacing = listed["require_pixel_spacing"] and row["pixel_spacing_mm"] is None
        return Reason.NO_PIXEL_SPACING.value if lacks_spacing else None

    return [{**row, "reason": row["reason"] or reason(row)} for row in rows]


def read_shard(folder: Path, index: Path, bundle: Bundle) -> ShardExams:
    """The exams of a shard; `index` is its intake's, of which no more than these exams' rows are taken up."""
    table = read_table(index, "index", INDEX_COLUMNS)
    exams = pc.unique(table.filter(pc.equal(table["shard"], folder.name))["exam_id"])
    rows = table.filter(pc.is_in(table["exam_id"], exams)).to_pylist()
    stored = read_table(folder / "images.parquet", "shard_images").to_pylist()
    return shard_exams(folder, as_the_study(rows, bundle), stored)


class Scorer:
    """A bundle's members, ready to score."""

    def __init__(self, bundle: Bundle, compute: Compute, job: Job) -> None:
        self.bundle = bundle
        self.members = [Member(bundle, name, compute, job) for name in bundle.members]
        self.cut = self.members[0].locator.cut  # of the square that the holistic networks see

    def score(self, shard: ShardExams) -> Iterator[ExamPrediction]:
        """Every exam of a shard, in order; ValueError if the shard was not made by the bundle's recipe."""
        bundle = Marked(self.bundle.folder, self.bundle.recipe)
        table = recipe_of(shard.folder / "images.parquet")
        check_same([table, recipe_of(shard.folder / "tiles.parquet")], "Run make_shards again for this shard")
        check_follows(bundle, table, REMEDY)
        for exams in _in_parts(shard.exams):
            images = [dict(image) for exam in exams if exam.refused is None for image in exam.images]
            views: dict[str, list[MemberView]] = {image["image_id"]: [] for image in images}
            for member in self.members if images else ():
                for image_id, view in member.views(images, shard.stored, shard.folder).items():
                    views[image_id].append(view)
            for exam in exams:
                yield predicted(exam, views, self.bundle)


def _in_parts(exams: Sequence[NewExam]) -> Iterator[list[NewExam]]:
    part: list[NewExam] = []
    n = 0
    for exam in exams:
        if part and n + len(exam.images) > IMAGES_AT_ONCE:
            yield part
            part, n = [], 0
        part.append(exam)
        n += len(exam.images)
    if part:
        yield part
