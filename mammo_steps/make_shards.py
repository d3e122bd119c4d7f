"""Decode each file of a shard's list once and write what all later steps need of its pixels.

    holistic.parquet   the whole image, windowed, then resized to a fixed width, chest wall left
    tiles.parquet      the full-resolution matrix before windowing, in stored orientation, as lossless tiles
    images.parquet     one row per file of the list, with a reason if its pixels cannot be used

A bad file never stops the step. The images table is written last: with it the shard is complete.
"""

import argparse
import importlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from mammo_steps.core import decoding, tiles
from mammo_steps.core.artefacts import check_later_writer
from mammo_steps.core.ordered_pool import in_order
from mammo_steps.core.preparing import (
    LIMITS,
    Prepared,
    ReadPixels,
    ShardSettings,
    prepare,
    read_list,
    start_worker,
)
from mammo_steps.core.shard_writing import ShardWriter, prepared
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import RowGroupWriter, write_rows
from mammo_steps.core.terms import Reason
from mammo_steps.core.windowing import shard_recipe

log = logging.getLogger("make_shards")

_LOG_EVERY_S = 60


def with_progress(images: Iterator[Prepared], total: int) -> Iterator[Prepared]:
    """The same, with a line in the log every minute."""
    started = told = time.monotonic()
    for done, image in enumerate(images, 1):
        yield image
        if time.monotonic() - told > _LOG_EVERY_S:
            told = time.monotonic()
            rate = done / (told - started)
            log.info(
                "%d of %d images, %.1f per second, %.0f s left", done, total, rate, (total - done) / rate
            )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--archive", type=Path, required=True, help="folder that the list's paths lie below")
    parser.add_argument("--list", type=Path, required=True, help="shard list of index_archive (CSV)")
    parser.add_argument("--dataset", required=True, help="module of mammo_steps/datasets")
    parser.add_argument(
        "--settings", type=json_object, required=True, help="JSON, see core.preparing.ShardSettings"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    for name in ("holistic", "tiles", "images"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"written: {name}.parquet")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = ShardSettings(**args.settings)
    recipe = shard_recipe(asdict(settings))
    listed = read_list(args.list)
    log.info("%d images with %d workers", len(listed), args.workers)
    module = importlib.import_module(f"mammo_steps.datasets.{args.dataset}")
    read_pixels: ReadPixels = getattr(module, "read_pixels", decoding.read_pixels)
    work = partial(prepare, archive=args.archive, read_pixels=read_pixels, settings=settings)
    with ExitStack() as stack:
        tile = stack.enter_context(RowGroupWriter(args.tiles, "tiles", tiles.COMPRESSION, recipe))
        holistic = stack.enter_context(RowGroupWriter(args.holistic, "holistic", "lz4", recipe))
        writer = ShardWriter(holistic, tile, settings.holistic_bits)
        results = stack.enter_context(closing(in_order(work, listed, args.workers, start_worker, LIMITS)))
        images = with_progress(prepared(listed, results, settings), len(listed))
        rows = [writer.write(image) for image in images]
        reasons = Counter(str(row["reason"]) for row in rows if row.get("reason"))
        if rows and reasons[Reason.FILE_GONE] == len(rows):
            raise FileNotFoundError(
                f"none of {len(rows)} files is below {args.archive}: check the mount and `archive`"
            )
        check_later_writer(args.images)
        args.images.unlink(missing_ok=True)  # no earlier run's table beside new pixels
    write_rows(args.images, "shard_images", rows, recipe)
    log.info("%d images, %d tiles written; left out: %s", holistic.n_rows, tile.n_rows, dict(reasons))


if __name__ == "__main__":
    main()
