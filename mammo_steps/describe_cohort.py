"""Describe the cohort's images without identities: a bundle bears it, and new exams are compared with it.

Counts of words (maker, model, matrix, ...; those of fewer than five exams are put together) and quantiles of numbers
(pixel spacing, grey levels in the breast, ...), of a sample of the images that does not depend on their order.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.cohort import PLACE_COLUMNS
from mammo_steps.core.drift import fingerprint_of
from mammo_steps.core.files import indented
from mammo_steps.core.image_facts import image_facts
from mammo_steps.core.image_store import ImageStore, Place
from mammo_steps.core.randomness import stream
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of

log = logging.getLogger("describe_cohort")


@dataclass(frozen=True)
class Settings:
    """sample_images: how many images are looked at, at most."""

    sample_images: int


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--indexes", type=Path, nargs="+", required=True, help="index.parquet of each intake")
    parser.add_argument("--shards", type=Path, required=True, help="folder of the shards")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--settings", type=json_object, required=True)
    parser.add_argument("--fingerprint", type=Path, required=True, help="written (JSON)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    columns = ["image_id", "exam_id", "vendor", "photometric", "bits_stored", "age_years", "breast_area_px"]
    images = read_table(args.images, "images", [*columns, *PLACE_COLUMNS]).sort_by("image_id")
    n = images.num_rows
    chosen = sorted(stream("fingerprint", args.seed).permutation(n)[: settings.sample_images].tolist())
    rows = sorted(images.take(chosen).to_pylist(), key=lambda row: (row["shard"], row["image_id"]))
    wanted = {row["image_id"] for row in rows}
    models: dict[str, str | None] = {}
    for path in args.indexes:
        index = read_table(path, "index", ["image_id", "model", "reason"])
        index = index.filter(pc.is_null(index["reason"]))
        models |= {r["image_id"]: r["model"] for r in index.to_pylist() if r["image_id"] in wanted}
    store = ImageStore(
        {
            row["image_id"]: Place(
                args.shards / row["shard"] / "holistic.parquet", row["holistic_row_group"], 0, 0
            )
            for row in rows
        },
        recipe_of(args.images),
    )
    facts, stored, shard = [], {}, None
    for row in rows:
        if row["shard"] != shard:
            shard = row["shard"]
            table = read_table(
                args.shards / shard / "images.parquet", "shard_images", ["image_id", "intensity", "voi"]
            )
            stored = {r["image_id"]: r for r in table.to_pylist()}
        whole = {**row, **stored[row["image_id"]], "model": models[row["image_id"]]}
        facts.append({"exam_id": row["exam_id"], **image_facts(whole, store.canvas(row["image_id"]))})
    found = fingerprint_of(facts, n, pc.count_distinct(images["exam_id"]).as_py())
    write_artefact(args.fingerprint, indented(found))
    log.info("%d of %d images described", len(facts), n)


if __name__ == "__main__":
    main()
