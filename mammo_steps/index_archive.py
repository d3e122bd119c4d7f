"""Merge an intake's headers into one index with pseudonyms, and deal its exams out to shards.

The index has one row per file and no path. Of several files of the same SOP instance the one with the
smallest `file_id` is taken, the others are duplicates. Exams stay whole: the largest goes first, each to the
shard that has the fewest images so far (ties: smaller exam_id, smaller shard), so the order of files does not
matter. The shard lists (image_id, path, ...) are private.
"""

import argparse
import csv
import heapq
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from mammo_steps.core.files import replacing
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.steps import start_logging
from mammo_steps.core.tables import read_table, write_rows
from mammo_steps.core.terms import TABLES, Reason

log = logging.getLogger("index_archive")

Row = dict[str, Any]

LIST_COLUMNS = ("image_id", "path", "laterality", "view")


def index_row(header: Mapping[str, Any], pseudonyms: Pseudonyms) -> Row:
    """The row of the `index` table, without its shard, and the `path` beside it."""
    row = {name: header[name] for name in header if name in TABLES["index"]} | {"path": header["path"]}
    row["file_id"] = pseudonyms.file(header["path"])
    for name, hashed in (
        ("patient_id", pseudonyms.patient),
        ("exam_id", pseudonyms.exam),
        ("image_id", pseudonyms.image),
    ):
        row[name] = None if header[name] is None else hashed(header[name])
    if header["exam_date"] is not None:
        day = date.fromisoformat(header["exam_date"])
        row["exam_year"] = day.year
        row["exam_day"] = pseudonyms.day(header["patient_id"], day)
    return row


def merged(headers: Sequence[Path], pseudonyms: Pseudonyms) -> list[Row]:
    """All chunks' rows by file_id; ValueError if a file is in two chunks."""
    rows = [
        index_row(header, pseudonyms)
        for path in headers
        for batch in read_table(path, "headers").to_batches()
        for header in batch.to_pylist()
    ]
    rows.sort(key=lambda row: row["file_id"])
    repeats = sum(a["file_id"] == b["file_id"] for a, b in pairwise(rows))
    if repeats:
        raise ValueError(
            f"{repeats} files are in two of {len(headers)} header tables: these are of different chunk "
            "counts; delete them and rerun read_headers"
        )
    return rows


def mark_duplicates(rows: Sequence[Row]) -> None:
    """Give all but the first row (in the given order) of an image its reason."""
    seen: set[str] = set()
    for row in rows:
        if row["reason"] is None:
            if row["image_id"] in seen:
                row["reason"] = Reason.DUPLICATE_INSTANCE
            seen.add(row["image_id"])


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
            "read_headers.exam_id_field names one screening visit, or raise --max-images-per-shard"
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


def write_list(path: Path, rows: Sequence[Row]) -> None:
    """One shard's list, sorted by image_id."""
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(LIST_COLUMNS)
        for row in sorted(rows, key=lambda row: row["image_id"]):
            writer.writerow([row[name] for name in LIST_COLUMNS])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intake", required=True, help="name of the intake")
    parser.add_argument("--headers", type=Path, nargs="+", required=True, help="every chunk's table")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument("--max-images-per-shard", type=int, default=500)
    parser.add_argument("--index", type=Path, required=True, help="written")
    parser.add_argument(
        "--shard-lists", type=Path, nargs="+", required=True, help="written, private: <intake>-000.csv, ..."
    )
    args = parser.parse_args(argv)
    start_logging()

    shards = [f"{args.intake}-{number:03d}" for number in range(len(args.shard_lists))]
    if [path.stem for path in args.shard_lists] != shards:
        raise ValueError(
            f"the shard lists have to be named {shards[0]}.csv to {shards[-1]}.csv, in this order"
        )
    log.info("intake %s: %d header tables, %d shards", args.intake, len(args.headers), len(shards))
    rows = merged(args.headers, Pseudonyms(args.key if args.key is not None else read_key(args.key_file)))
    mark_duplicates(rows)
    taken = [row for row in rows if row["reason"] is None]
    exam_sizes = Counter(row["exam_id"] for row in taken)
    check_shards(exam_sizes, len(shards), args.max_images_per_shard)
    dealt = deal(exam_sizes, len(shards))
    lists: dict[str, list[Row]] = {shard: [] for shard in shards}
    for row in taken:
        row["shard"] = shards[dealt[row["exam_id"]]]
        lists[row["shard"]].append(row)
    for path in args.shard_lists:
        write_list(path, lists[path.stem])
    reasons = Counter(str(row["reason"]) for row in rows if row["reason"])
    write_rows(args.index, "index", [{k: row[k] for k in row if k != "path"} for row in rows])
    log.info(
        "%d files, %d images of %d exams; left out: %s", len(rows), len(taken), len(dealt), dict(reasons)
    )


if __name__ == "__main__":
    main()
