"""Take other models' scores of the cohort's exams from their tables: one CSV per model, with ids and scores.

Ids are the archive's own (an exam's as in the label table, an image's SOPInstanceUID) or the study's pseudonyms; in the
output they are pseudonyms. Rows of exams that are not in the cohort are passed over and counted, exams without a row or
with an empty score, or with scores of some of their images only, stay without one. A score that is no number, or beyond
a million, and an id that stands there twice, stop the step with their lines.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mammo_steps.core.aggregation import exam_scores
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, write_table
from mammo_steps.datasets.label_tables import Faults, TableFormat, need_ids, number, read_rows

log = logging.getLogger("outside_models")


@dataclass(frozen=True)
class Outside:
    """One entry of the config's `outside_models.tables`; the schema says what each key means."""

    name: str
    title: str
    file: str
    rows: str
    trained_on: str
    overlap: str

    @property
    def id_column(self) -> str:
        return "exam_id" if self.rows == "exams" else "image_id"


@dataclass(frozen=True)
class Found:
    """A table's scores by the study's id, and how many of its rows gave none.

    unknown  rows of exams or images that are not in the cohort
    empty    rows without a score
    """

    scores: dict[str, float]
    unknown: int
    empty: int


def read_scores(model: Outside, known: set[str], pseudonyms: Pseudonyms) -> Found:
    """The scores of one table; ValueError with all faults by line, or if no row is of the cohort.

    known  pseudonyms of the cohort's exams or images
    """
    path = Path(model.file)
    form, faults = TableFormat(required=(model.id_column, "score")), Faults(path)
    pseudonym = pseudonyms.exam if model.rows == "exams" else pseudonyms.image
    first_line: dict[str, int] = {}
    scores: dict[str, float] = {}
    unknown = empty = 0
    for row in read_rows(path, form, faults):
        need_ids(row, [model.id_column], faults)
        own = row[model.id_column]
        key = own if own in known else pseudonym(own)
        score = number(row, "score", faults)
        if key in first_line:
            faults.add(row.line, model.id_column, f"the id of line {first_line[key]}", "each id once")
        first_line.setdefault(key, row.line)
        if key not in known:
            unknown += 1
        elif score is None:
            empty += 1
        else:
            scores[key] = score
    faults.refuse()
    if not scores:
        raise ValueError(
            f"{path}: none of its {len(first_line)} rows has a score of one of the cohort's {len(known)} {model.rows}. "
            f"Wanted in column {model.id_column}: the archive's own ids"
            f"{' as in the label table' if model.rows == 'exams' else ' (SOPInstanceUID)'}, or the study's pseudonyms"
        )
    return Found(scores, unknown, empty)


def of_exams(model: Outside, found: Found, images: pd.DataFrame) -> tuple[pd.Series, int]:
    """Score by exam_id, as our own networks' margins become exam scores, and exams left out as some images lack one.

    ValueError if all are left out.
    """
    scores = pd.Series(found.scores, dtype=float)
    if model.rows == "exams":
        return scores, 0
    has_score = images["image_id"].isin(scores.index).groupby(images["exam_id"])
    n_partial = int((has_score.any() & ~has_score.all()).sum())
    complete = has_score.transform("all")
    if not complete.any():
        raise ValueError(
            f"{model.file}: no exam has a score of each of its images; {n_partial} exams have scores of some. An "
            "exam's score is made of all its images, of both breasts"
        )
    return exam_scores(images[complete], scores), n_partial


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=Path, required=True, help="cohort/exams.parquet")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: tables")
    parser.add_argument("--scores", type=Path, required=True, help="written: scores by exam")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    pseudonyms = Pseudonyms(args.key if args.key is not None else read_key(args.key_file))
    exams = set(read_table(args.exams, "exams", ["exam_id"])["exam_id"].to_pylist())
    columns = ["image_id", "exam_id", "laterality"]
    images = read_table(args.images, "images", columns).to_pandas().sort_values("image_id")
    rows: list[dict[str, Any]] = []
    for entry in args.settings["tables"]:
        model = Outside(**entry)
        found = read_scores(model, exams if model.rows == "exams" else set(images["image_id"]), pseudonyms)
        scores, n_partial = of_exams(model, found, images)
        scores = scores.sort_index()
        rows += [{"model": model.name, "exam_id": i, "score": float(score)} for i, score in scores.items()]
        log.info(
            "%s: %d of %d exams have a score; %d rows are not of the cohort, %d have no score; %d exams have "
            "scores of some of their images only",
            *(model.name, len(scores), len(exams), found.unknown, found.empty, n_partial),
        )
    names: Mapping[str, list[Any]] = {
        name: [row[name] for row in rows] for name in ("model", "exam_id", "score")
    }
    write_table(args.scores, "outside_scores", names)


if __name__ == "__main__":
    main()
