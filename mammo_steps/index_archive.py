"""Merge an intake's headers into one index with pseudonyms, and deal its exams out to shards.

The index has one row per file and no path. A machine's model that is in no list of ours becomes a hash, and an
image's time the seconds after the exam's first one. Of several files of the same SOP instance the one with the
smallest `file_id` is taken, the others are duplicates. Exams stay whole: the largest goes first, each to the
shard that has the fewest images so far (ties: smaller exam_id, smaller shard), so the order of files does not
matter. The shard lists (image_id, path, ...) are private.
"""

import argparse
import csv
import heapq
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mammo_steps.core.artefacts import artefact_folder
from mammo_steps.core.columns import TABLES
from mammo_steps.core.duplicates import repeats_within
from mammo_steps.core.files import replacing
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.machines import MODELS
from mammo_steps.core.steps import start_step
from mammo_steps.core.tables import read_table, write_table

log = logging.getLogger("index_archive")

LIST_COLUMNS = ("image_id", "path", "laterality", "view", "sop_instance_uid")
_UID = r"^\d+(\.\d+)+$"  # ids that a data set has of its own look otherwise
AS_THEY_ARE = [name for name in TABLES["index"] if name in TABLES["headers"]]


def hashed(column: pa.ChunkedArray, pseudonym: Callable[[str], str]) -> pa.Array:
    """The pseudonym of each text, nulls as they are."""
    codes = column.combine_chunks().dictionary_encode()
    names = pa.array([pseudonym(text) for text in codes.dictionary.to_pylist()], pa.string())
    return names.take(codes.indices)


def merged(paths: Sequence[Path], pseudonyms: Pseudonyms) -> pa.Table:
    """All chunks' rows with a `file_id`, sorted by it; ValueError if a file is in two chunks."""
    headers = pa.concat_tables([read_table(path, "headers") for path in paths])
    headers = headers.append_column("file_id", hashed(headers["path"], pseudonyms.file))
    headers = headers.sort_by("file_id").combine_chunks()
    repeats = len(headers) - pc.count_distinct(headers["file_id"]).as_py()
    if repeats:
        raise ValueError(
            f"{repeats} files are in two of {len(paths)} header tables: these are of different chunk "
            "counts; delete them and rerun read_headers"
        )
    return headers


def exam_days(headers: pa.Table, pseudonyms: Pseudonyms) -> tuple[list[int | None], list[int | None]]:
    """(exam_year, exam_day) of each row; a day needs to be some woman's."""
    days: dict[tuple[str, str], int] = {}
    found: list[int | None] = []
    years = [None if day is None else int(day[:4]) for day in headers["exam_date"].to_pylist()]
    columns = (headers[name].to_pylist() for name in ("patient_id", "exam_date"))
    for patient_id, day in zip(*columns, strict=True):
        if patient_id is None or day is None:
            found.append(None)
            continue
        if (patient_id, day) not in days:
            days[patient_id, day] = pseudonyms.day(patient_id, date.fromisoformat(day))
        found.append(days[patient_id, day])
    return years, found


def seconds_after_first(headers: pa.Table) -> pd.Series:
    """Seconds from the exam's first image to each, NaN where the header has no time or no exam."""
    moments = pd.to_datetime(headers["acquired"].to_pandas(), format="ISO8601", errors="coerce")
    first = moments.groupby(headers["exam_id"].to_pandas()).transform("min")
    seconds: pd.Series = (moments - first).dt.total_seconds()
    return seconds


def index_frame(headers: pa.Table, pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The `index` table without shards, and the private `path` and `sop_instance_uid`; nullable types throughout."""
    columns = {name: headers[name] for name in ("path", "file_id", *AS_THEY_ARE)}
    for name, pseudonym in (
        ("patient_id", pseudonyms.patient),
        ("exam_id", pseudonyms.exam),
        ("image_id", pseudonyms.image),
        ("model", lambda model: model if model in MODELS else pseudonyms.model(model)),
    ):
        columns[name] = hashed(headers[name], pseudonym)
    frame: pd.DataFrame = pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype)
    ids = headers["image_id"]
    of_header = pc.fill_null(pc.match_substring_regex(ids, _UID), False)
    frame["sop_instance_uid"] = pc.if_else(of_header, ids, "").to_pandas()
    frame["exam_year"], frame["exam_day"] = exam_days(headers, pseudonyms)
    frame["acquired_s"] = seconds_after_first(headers)
    return frame


def deal(exam_sizes: Mapping[str, int], n_shards: int) -> dict[str, int]:
    """exam_id -> shard number; see the module's text for the rule."""
    shards = [(0, number) for number in range(n_shards)]  # a heap of (images so far, shard)
    dealt = {}
    for exam_id, size in sorted(exam_sizes.items(), key=lambda item: (-item[1], item[0])):
        n_images, number = heapq.heappop(shards)
        dealt[exam_id] = number
        heapq.heappush(shards, (n_images + size, number))
    return dealt


def check_shards(exam_sizes: Mapping[str, int], n_shards: int, max_images: int) -> None:
    """ValueError if a shard would be too large; it says how many shards are enough."""
    largest = max(exam_sizes.values(), default=0)
    if largest > max_images:
        raise ValueError(
            f"one exam has {largest} images, a shard holds at most {max_images}: check that "
            "read_headers.settings.exam_id_field names one screening visit"
        )

    def fullest(n: int) -> int:
        sizes: Counter[int] = Counter()
        for exam_id, shard in deal(exam_sizes, n).items():
            sizes[shard] += exam_sizes[exam_id]
        return max(sizes.values(), default=0)

    if fullest(n_shards) > max_images:
        needed = max(n_shards, -(-sum(exam_sizes.values()) // max_images))
        while fullest(needed) > max_images:
            needed += 1
        raise ValueError(
            f"{sum(exam_sizes.values())} images do not fit into {n_shards} shards of at most {max_images}: "
            f"set `shards: {needed}` for this intake"
        )


def write_list(path: Path, images: pd.DataFrame) -> None:
    """One shard's list, sorted by image_id."""
    rows = images[list(LIST_COLUMNS)].sort_values("image_id")
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(LIST_COLUMNS)
        writer.writerows(rows.itertuples(index=False))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intake", required=True, help="name of the intake")
    parser.add_argument("--headers", type=Path, nargs="+", required=True, help="every chunk's table")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument("--max-images-per-shard", type=int, default=500)
    parser.add_argument("--index", type=Path, required=True, help="written")
    parser.add_argument("--n-shards", type=int, required=True, help="shards of the intake")
    parser.add_argument(
        "--lists", type=Path, required=True, help="folder, written, private: <intake>-000.csv, ..."
    )
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    if args.n_shards < 1:
        raise ValueError(f"--n-shards is {args.n_shards}, wanted 1 or more")
    shards = [f"{args.intake}-{number:03d}" for number in range(args.n_shards)]
    log.info("intake %s: %d header tables, %d shards", args.intake, len(args.headers), len(shards))
    pseudonyms = Pseudonyms(args.key if args.key is not None else read_key(args.key_file))
    index = index_frame(merged(args.headers, pseudonyms), pseudonyms)
    index["reason"] = index["reason"].fillna(repeats_within(index))
    taken = index[index["reason"].isna()]
    exam_sizes = {str(exam_id): int(size) for exam_id, size in taken["exam_id"].value_counts().items()}
    check_shards(exam_sizes, len(shards), args.max_images_per_shard)
    dealt = deal(exam_sizes, len(shards))
    index["shard"] = taken["exam_id"].map({exam_id: shards[number] for exam_id, number in dealt.items()})
    of_shard = dict(iter(index.groupby("shard")))
    with artefact_folder(args.lists):
        for shard in shards:
            write_list(args.lists / f"{shard}.csv", of_shard.get(shard, taken.head(0)))
    write_table(args.index, "index", {name: index[name] for name in TABLES["index"]})
    reasons = index["reason"].value_counts().to_dict()
    log.info("%d files, %d images of %d exams; left out: %s", len(index), len(taken), len(dealt), reasons)


if __name__ == "__main__":
    main()
