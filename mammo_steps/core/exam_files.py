"""One exam straight from its DICOM files: the same headers, decoding and shards as a study's, in a scratch folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mammo_steps.core import tiles
from mammo_steps.core.bundle import Bundle
from mammo_steps.core.decoding import read_pixels
from mammo_steps.core.dicom_headers import Header, read_header
from mammo_steps.core.duplicates import repeats_within
from mammo_steps.core.header_choice import HeaderSettings
from mammo_steps.core.ids import Pseudonyms
from mammo_steps.core.preparing import Listed, ShardSettings, prepare
from mammo_steps.core.scorer import ShardExams, as_the_study, shard_exams
from mammo_steps.core.shard_writing import ShardWriter
from mammo_steps.core.tables import RowGroupWriter, write_rows
from mammo_steps.core.terms import Reason
from mammo_steps.core.windowing import shard_recipe


@dataclass(frozen=True)
class ReadExam:
    """An exam's files as a shard of its own.

    shard  with one exam, or none where no file names one
    files  image_id -> file, of the images that can be scored
    left_out  (file, reason, detail) of all others
    """

    shard: ShardExams
    files: dict[str, Path]
    left_out: list[tuple[Path, str, str]]


def read_exam(files: Sequence[Path], bundle: Bundle, pseudonyms: Pseudonyms, scratch: Path) -> ReadExam:
    """Headers and pixels of the files of one exam; ValueError if they are of several.

    scratch  an empty folder for the shard; it holds pixels, and is the caller's to remove
    """
    rows = _index(files, bundle, pseudonyms)
    exams = sorted({row["exam_id"] for row in rows if row["exam_id"] is not None})
    if len(exams) > 1:
        raise ValueError(f"{len(files)} files are of {len(exams)} exams, wanted those of one")
    settings = ShardSettings(**bundle.settings("make_shards"))
    taken = sorted((row for row in rows if row["reason"] is None), key=lambda row: str(row["image_id"]))
    shard_images = _write_shard(taken, settings, scratch)
    for pixels, row in zip(shard_images, taken, strict=True):
        row["pixel_reason"], row["pixel_detail"] = pixels.get("reason"), pixels.get("detail")
    full = [{"reason": None, **row} for row in shard_images]
    usable = {row["image_id"]: row["file"] for row in taken if row["pixel_reason"] is None}
    left_out = [
        (
            row["file"],
            str(row["reason"] or row["pixel_reason"]),
            row["detail"] or row.get("pixel_detail") or "",
        )
        for row in rows
        if row["reason"] is not None or row.get("pixel_reason") is not None
    ]
    return ReadExam(shard_exams(scratch, rows, full), usable, left_out)


def _index(files: Sequence[Path], bundle: Bundle, pseudonyms: Pseudonyms) -> list[dict[str, Any]]:
    """Rows as `index_archive` makes them, in the order of the files, as far as scoring looks at them; `file` beside."""
    settings = HeaderSettings(**bundle.settings("read_headers"))
    rows = []
    for file in sorted(files):
        try:
            header = read_header(file, settings)
        except OSError as error:
            header = Header(reason=Reason.FILE_GONE, detail=type(error).__name__)
        n_bytes = file.stat().st_size if file.exists() else 0
        row: dict[str, Any] = {**vars(header), "file": file, "file_bytes": n_bytes, "shard": None}
        for name, pseudonym in (
            ("patient_id", pseudonyms.patient), ("exam_id", pseudonyms.exam), ("image_id", pseudonyms.image),
        ):  # fmt: skip
            row[name] = None if row[name] is None else pseudonym(row[name])
        rows.append(row)
    if rows:
        repeats = repeats_within(pd.DataFrame(rows))
        for row, reason in zip(rows, repeats, strict=True):
            row["reason"] = row["reason"] or (None if pd.isna(reason) else reason)
    return as_the_study(rows, bundle)


def _write_shard(
    taken: Sequence[dict[str, Any]], settings: ShardSettings, folder: Path
) -> list[dict[str, Any]]:
    """holistic.parquet, tiles.parquet and images.parquet of the images; the rows of the last."""
    recipe = shard_recipe(asdict(settings))
    with (
        RowGroupWriter(folder / "tiles.parquet", "tiles", tiles.COMPRESSION, recipe) as tile,
        RowGroupWriter(folder / "holistic.parquet", "holistic", "lz4", recipe) as holistic,
    ):
        writer = ShardWriter(holistic, tile, settings.holistic_bits)
        rows = [
            writer.write(
                prepare(
                    Listed(row["image_id"], row["file"].name, row["laterality"]),
                    row["file"].parent, read_pixels, settings,
                )
            )
            for row in taken
        ]  # fmt: skip
    write_rows(folder / "images.parquet", "shard_images", rows, recipe)
    return rows
