"""Gather the scores of new exams: one row for every exam of which the archive has a file, scored or not.

members.parquet, images.parquet, breasts.parquet, exams.parquet   the shards' tables in one
exams.csv       exams.parquet for a spreadsheet
left_out.parquet   the files that were not scored, with the reason
index.html      the exams by their scores, and what was left out
"""

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.bundle import Bundle, open_bundle
from mammo_steps.core.columns import TABLES
from mammo_steps.core.drift import compared, distance, reading
from mammo_steps.core.eligibility import without_unknown_spacing
from mammo_steps.core.new_exams import ALL_CANCERS, FLAG_TEXTS, Flag
from mammo_steps.core.number_text import csv_text
from mammo_steps.core.page import render
from mammo_steps.core.prediction import NETWORKS
from mammo_steps.core.reason_texts import REASON_TEXTS
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.table1 import SYNTHETIC
from mammo_steps.core.tables import batch_writer, read_table, write_rows, write_table
from mammo_steps.core.terms import Reason

log = logging.getLogger("predict")

_SHOWN = 500  # exams on the page; all of them stand in exams.csv
_INDEX = [
    "file_id",
    "image_id",
    "patient_id",
    "exam_id",
    "view",
    "shard",
    "pixel_spacing_mm",
    "reason",
    "detail",
]


def _name(kind: str) -> str:
    return f"{kind.removeprefix('new_')}.parquet"


def gathered(parts: Sequence[Path], kind: str) -> list[dict[str, Any]]:
    """The rows of all parts' tables of a kind."""
    return [row for part in parts for row in read_table(part / _name(kind), kind).to_pylist()]


def write_together(folder: Path, parts: Sequence[Path], kind: str) -> None:
    """The parts' tables of a kind in one; a part at a time is in memory."""
    with batch_writer(folder / _name(kind), kind) as write:
        for part in parts:
            write(read_table(part / _name(kind), kind).to_pydict())


def check_intakes(files: pd.DataFrame) -> None:
    """ValueError if an exam, or an image, is in two intakes: each of them was scored by itself."""
    usable = files[files["shard"].notna()]
    for what, column in (("exams have images", "exam_id"), ("images are", "image_id")):
        n_shards = usable.groupby(column)["shard"].nunique()
        twice = n_shards.index[n_shards > 1]
        if len(twice):
            found = ", ".join(sorted(usable.loc[usable[column] == twice[0], "shard"].unique()))
            raise ValueError(
                f"{len(twice)} {what} in two intakes, as {twice[0]} in the shards {found}: each intake is scored by "
                "itself. Put all files of an exam into one intake's folder, once, and read that intake's headers again"
            )


def read_files(indexes: Sequence[Path], shards: Path, bundle: Bundle) -> pd.DataFrame:
    """One row per file of the archive, with why it was not scored; NaN = it was."""
    tables = [read_table(path, "index", _INDEX).to_pandas() for path in indexes]
    files: pd.DataFrame = pd.concat(tables, ignore_index=True)
    check_intakes(files)
    listed = bundle.settings("list_images")
    other_view = files["reason"].isna() & ~files["view"].isin(listed["views"])
    files["reason"] = files["reason"].mask(other_view, Reason.OTHER_VIEW.value)
    if listed["require_pixel_spacing"]:
        files = without_unknown_spacing(files)
    pixels = [
        read_table(shards / str(name) / "images.parquet", "shard_images", ["image_id", "reason", "detail"])
        for name in sorted(files["shard"].dropna().unique())
    ]
    if pixels:
        of_pixels = pa.concat_tables(pixels).to_pandas().set_index("image_id")
        usable = files["reason"].isna()
        for column in ("reason", "detail"):
            found = files.loc[usable, "image_id"].map(of_pixels[column])
            files.loc[usable, column] = found
    return files


def unscored(files: pd.DataFrame, scored: set[str], bundle: Bundle) -> list[dict[str, Any]]:
    """Rows of the `new_exams` table of exams that no shard has: every file of them was left out."""
    return list(_unscored(files, scored, bundle))


def _unscored(files: pd.DataFrame, scored: set[str], bundle: Bundle) -> Iterator[dict[str, Any]]:
    others = files[files["exam_id"].notna() & ~files["exam_id"].isin(scored)]
    n_lost = int(others["reason"].isna().sum())
    if n_lost:
        raise ValueError(
            f"{n_lost} usable images are of exams without scores: run score_new_exams for every shard"
        )
    for exam_id, own in others.groupby("exam_id"):
        reasons = ", ".join(f"{reason} {n}" for reason, n in own["reason"].value_counts().items())
        yield {
            "patient_id": next(iter(own["patient_id"].dropna()), None),
            "exam_id": exam_id,
            "n_images": 0,
            "n_left_out": len(own),
            "flags": "",
            "drift": "",
            "refused": f"all its files were left out: {reasons}",
            "bundle": bundle.id,
        }


def left_out(files: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of the `excluded` table."""
    rows = files[files["reason"].notna()]
    columns = [name for name in TABLES["excluded"] if name in rows]
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()} | {"level": "file"}
        for row in rows[columns].sort_values("file_id").to_dict("records")
    ]


def page_values(
    bundle: Bundle, exams: list[dict[str, Any]], excluded: list[dict[str, Any]], parts: Sequence[Path]
) -> dict[str, Any]:
    """What the page's template is filled with."""
    sheets = {path.stem: path for part in parts for path in (part / "sheets").glob("*.png")}
    scored = sorted(
        (row for row in exams if row["refused"] is None), key=lambda row: (-row["ensemble"], row["exam_id"])
    )
    shown = [
        {**row, "sheet": f"{sheets[row['exam_id']].parents[1].name}/sheets/{row['exam_id']}.png"}
        if row["exam_id"] in sheets
        else {**row, "sheet": None}
        for row in scored[:_SHOWN]
    ]
    counts = Counter(row["reason"] for row in excluded)
    flags = Counter(flag for row in scored for flag in row["flags"].split(", ") if flag)
    return {
        "bundle": bundle.name,
        "synthetic_text": SYNTHETIC,
        "exams": shown,
        "n_scored": len(scored),
        "refused": [row for row in exams if row["refused"] is not None],
        "n_drift": sum(bool(row["drift"]) for row in scored),
        "networks": NETWORKS,
        "prevalence": bundle.reference.prevalence("ensemble", ALL_CANCERS),
        "thresholds": [
            row
            for row in bundle.reference.calibration["thresholds"]
            if (row["network"], row["endpoint"]) == ("ensemble", str(ALL_CANCERS))
        ],
        "flags": [(FLAG_TEXTS[Flag(flag)], n) for flag, n in flags.most_common()],
        "left_out": [(reason, n, REASON_TEXTS[Reason(reason)].meaning) for reason, n in counts.most_common()],
    }


def drift_values(
    bundle: Bundle, facts: list[dict[str, Any]], exams: list[dict[str, Any]], actions: dict[str, str]
) -> dict[str, Any]:
    """What the page of the comparison is filled with; exam scores stand beside those of the study's own exams."""
    fingerprint = bundle.cohort
    found = compared(facts, fingerprint)
    scores = [row["ensemble"] for row in exams if row["ensemble"] is not None]
    own = bundle.reference.scores["quantiles"]["exam"]["ensemble"][::10]
    if scores:
        picks = [0.0, 0.05, 0.5, 0.95, 1.0]
        row = {
            "name": "ensemble's exam score (training: exams without cancer)",
            "training": [own[round(100 * pick)] for pick in picks],
            "new": np.quantile(scores, picks).tolist(),
            "distance": (apart := distance(scores, own)),
            "reading": reading(apart, len(scores)),
            "digits": 3,
            "n_unknown": len(exams) - len(scores),
        }
        found["numbers"].append(row)
    strange = Counter(kind for row in facts for kind in row["strange"].split(", ") if kind)
    return {
        **found,
        "bundle": bundle.name,
        "fingerprint": fingerprint,
        "strange": strange.most_common(),
        "actions": actions,
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of make_bundle")
    parser.add_argument("--members", nargs="*", help="as in score_new_exams")
    parser.add_argument("--indexes", type=Path, nargs="+", required=True, help="index.parquet of each intake")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--parts", type=Path, nargs="*", default=[], help="folders of score_new_exams")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: study, drift")
    parser.add_argument("--predictions", type=Path, required=True, help="folder of the parts; written to")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    bundle = open_bundle(args.bundle, args.members or None)
    folder: Path = args.predictions
    facts, exams = (gathered(args.parts, kind) for kind in ("new_facts", "new_exams"))
    files = read_files(args.indexes, args.shards, bundle)
    wrong = {row["bundle"] for row in exams} - {bundle.id}
    if wrong:
        raise ValueError(
            f"scores of the bundle {wrong.pop()} are among those of {bundle.id}: run score_new_exams again"
        )
    exams += unscored(files, {row["exam_id"] for row in exams}, bundle)
    exams.sort(key=lambda row: row["exam_id"])
    excluded = left_out(files)
    for kind in ("new_members", "new_images", "new_breasts", "new_facts"):
        write_together(folder, args.parts, kind)
    write_rows(folder / "left_out.parquet", "excluded", excluded)
    columns = {name: [row.get(name) for row in exams] for name in TABLES["new_exams"]}
    write_table(folder / "exams.parquet", "new_exams", columns)
    full = [{name: row.get(name) for name in columns} for row in exams]
    write_artefact(folder / "exams.csv", csv_text(list(columns), full))
    values = page_values(bundle, full, excluded, args.parts)
    values |= {"study": args.settings["study"], "n_files": len(files)}
    write_artefact(folder / "index.html", render(values, "predictions.html.j2"))
    values = drift_values(bundle, facts, full, args.settings["drift"])
    write_artefact(
        folder / "drift.html", render({**values, "study": args.settings["study"]}, "drift.html.j2")
    )
    n_refused = sum(row["refused"] is not None for row in exams)
    log.info(
        "%d exams scored, %d not; %d of %d files left out",
        *(len(exams) - n_refused, n_refused, len(excluded), len(files)),
    )


if __name__ == "__main__":
    main()
