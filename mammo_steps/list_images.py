"""Join the label table to the indexes and shards: who is in the cohort, with which target, and who is not.

An exam is in the cohort if it has a label, one image per expected view and breast, and fulfils the settings.
Every file, exam and label that is out stands in the `excluded` table with one reason. Training targets:

    screen_detected   1 for the affected breast, none for the other one; 1 for both where both are affected;
                      none at all where the side is not known (the exam is then evaluated, not trained on)
    interval, prior   0, or none with "leave_out"
    benign, normal    0
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mammo_steps.core.artefacts import write_artefact
from mammo_steps.core.cohort_settings import CohortSettings
from mammo_steps.core.columns import TABLES
from mammo_steps.core.duplicates import duplicate_reasons
from mammo_steps.core.eligibility import (
    exam_frame,
    exam_reasons,
    without_extra_images,
    without_unknown_spacing,
)
from mammo_steps.core.files import indented
from mammo_steps.core.flow import check_sums, excluded_rows, flow_chart
from mammo_steps.core.ids import Pseudonyms, read_key
from mammo_steps.core.label_frame import label_frame, read_dataset_labels
from mammo_steps.core.labels import Windows
from mammo_steps.core.lineage import women_in
from mammo_steps.core.recipe import Recipe, check_same
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of, schema, write_table
from mammo_steps.core.terms import Outcome

log = logging.getLogger("list_images")

FROM_SHARD = ("height_px", "width_px", "breast_area_px", "breast_row", "breast_col", "flipped",
              "holistic_row_group", "holistic_height_px", "holistic_width_px")  # fmt: skip


def read_shards(paths: Sequence[Path]) -> pd.DataFrame:
    """All shards' `images` tables with `pixel_reason` and `pixel_detail`; a shard's name is its folder's."""
    columns = ["image_id", "reason", "detail", *FROM_SHARD]
    parts = [read_table(p, "shard_images", columns).to_pandas().assign(shard=p.parent.name) for p in paths]
    if not parts:  # an archive without a mammogram
        parts = [schema("shard_images").empty_table().select(columns).to_pandas().assign(shard="")]
    shards: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return shards.rename(columns={"reason": "pixel_reason", "detail": "pixel_detail"})


def read_index(indexes: Sequence[Path]) -> pd.DataFrame:
    """All intakes' `index` tables."""
    index: pd.DataFrame = pd.concat(
        [read_table(path, "index").to_pandas() for path in indexes], ignore_index=True
    )
    return index


def shard_tables(index: pd.DataFrame, shards: Path) -> list[Path]:
    """The `images` tables of the shards that the index sends images to, all of one recipe, or ValueError.

    shards  folder of the shards
    """
    paths = [shards / str(name) / "images.parquet" for name in sorted(index["shard"].dropna().unique())]
    check_same(
        [recipe_of(path) for path in paths], "Run make_shards again for the shards of the older recipe"
    )
    return paths


def cohort_recipe(shard: Path, images: pd.DataFrame) -> Recipe:
    """The shards' recipe, and whether the images are raw; ValueError where some are and some are not.

    shard  the `images` table of one shard
    """
    intents = set(images["intent"].dropna())
    if len(intents) > 1:
        raise ValueError(
            f"images for {' and for '.join(sorted(intents))} are in one cohort: their grey levels are not alike. Set "
            "read_headers.settings.presentation_intent, and run read_headers again for all intakes"
        )
    intent = next(iter(intents), "presentation")  # a header that does not say is taken for that
    return recipe_of(shard).recipe.then("list_images", {"intent": intent})


def read_files(index: pd.DataFrame, shard_images: Sequence[Path]) -> pd.DataFrame:
    """One row per file of the archive, with what its shard says of it.

    `reason` is why the file is out, NaN = usable; `level` says by what: `file` (header) or `image` (pixels).
    """
    index, shards = index.reset_index(drop=True), read_shards(shard_images)
    joined: pd.DataFrame = index.drop(columns=["height_px", "width_px"]).merge(
        shards, on=["shard", "image_id"], how="left", validate="many_to_one", indicator="found"
    )
    n_found = int((joined["found"] == "both").sum())
    n_taken = int(index["reason"].isna().sum())
    if not n_found == n_taken == len(shards):
        raise ValueError(
            f"the indexes send {n_taken} images to shards, the shards hold {len(shards)}, {n_found} are in "
            "both: index and shards are of different runs; rerun index_archive and make_shards"
        )
    joined["reason"] = joined["reason"].fillna(duplicate_reasons(index))  # the same image in a second intake
    joined["level"] = "file"
    joined["level"] = joined["level"].mask(joined["reason"].isna(), "image")
    for column in ("reason", "detail"):
        joined[column] = joined[column].fillna(joined[f"pixel_{column}"])
    joined["slot"] = joined["laterality"] + "-" + joined["view"]
    return joined.drop(columns=["found", "pixel_reason", "pixel_detail"])


def training_targets(images: pd.DataFrame, settings: CohortSettings) -> pd.Series:
    """1, 0 or NaN per image; needs its outcome, laterality and the exam's cancer_laterality."""
    outcome, side = images["outcome"], images["cancer_laterality"]
    zero = [Outcome.NORMAL, Outcome.BENIGN]
    zero += [Outcome.INTERVAL] if settings.interval_in_training == "negative" else []
    zero += [Outcome.PRIOR] if settings.prior_in_training == "negative" else []
    affected = (side == images["laterality"]) | (side == "both")
    targets = pd.Series(float("nan"), index=images.index)
    targets = targets.mask(outcome.isin(zero), 0.0)
    return targets.mask((outcome == Outcome.SCREEN_DETECTED) & affected, 1.0)


def cohort_tables(
    files: pd.DataFrame, exams: pd.DataFrame, settings: CohortSettings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(`images`, `labels`) of the cohort, sorted by id."""
    kept = exams[exams["reason"].isna()].rename_axis("exam_id").reset_index()
    joined = kept[["exam_id", "outcome", "cancer_laterality", "density", "cancer_type"]]
    images = files[files["reason"].isna()].merge(joined, on="exam_id", validate="many_to_one")
    images["target"] = training_targets(images, settings)
    images = images.sort_values("image_id", ignore_index=True)
    return images[list(TABLES["images"])], kept[list(TABLES["labels"])].sort_values("exam_id")


def notes_of(labels: pd.DataFrame, kept: pd.DataFrame, settings: CohortSettings) -> list[str]:
    """What a reader of the flow chart has to know beside the numbers."""
    notes = []
    if settings.follow_up_months is not None and labels["follow_up_months"].isna().all():
        notes.append(
            "The label table states no follow-up (column follow_up_months): `normal` is taken as given."
        )
    unknown_side = (kept["outcome"] == Outcome.SCREEN_DETECTED) & kept["cancer_laterality"].isna()
    if unknown_side.any():
        n = int(unknown_side.sum())
        notes.append(f"{n} screen-detected exam(s) of unknown side are evaluated, not trained on.")
    undated = kept["exam_year"].isna() & kept["patient_id"].duplicated(keep=False)
    if undated.any():
        notes.append(
            f"{int(undated.sum())} exam(s) of women with several have no date: whether they came after a "
            "cancer, or were followed by a cancer-free exam, could not be told."
        )
    return notes


def write_frame(path: Path, kind: str, frame: pd.DataFrame, recipe: Recipe | None = None) -> None:
    write_table(path, kind, {str(name): column for name, column in frame.items()}, recipe)


def refuse_empty(images: pd.DataFrame, excluded: pd.DataFrame) -> None:
    if images.empty:
        reasons = (excluded["level"] + " " + excluded["reason"]).value_counts().head(6)
        counts = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
        raise ValueError(
            f"no exam is left for the cohort; left out: {counts}. Many `no_label` or `no_exam`: the exam ids "
            "of the label table are not those of the header field that the config names. Many "
            "`incomplete_exam`: the config expects views that the archive does not have"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--indexes", type=Path, nargs="+", required=True, help="index.parquet of each intake")
    parser.add_argument(
        "--shards", type=Path, required=True, help="folder of the shards: <shard>/images.parquet of each"
    )
    parser.add_argument(
        "--labels", type=Path, required=True, help="label table, as the dataset's adapter wants"
    )
    parser.add_argument(
        "--dataset", required=True, help="adapter in mammo_steps/datasets, such as own_archive"
    )
    parser.add_argument("--windows", type=json_object, required=True, help="JSON: outcome_windows")
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", type=Path, help="file with the key of the pseudonyms")
    key.add_argument("--key", help="the key itself, for public data only")
    parser.add_argument(
        "--settings", type=json_object, required=True, help="JSON: what an exam of the cohort is"
    )
    parser.add_argument(
        "--learned-by-bundle",
        type=Path,
        nargs="*",
        default=[],
        help="tables of roles of women whom the networks have learned from before (`core.lineage`): they are left out",
    )
    for name, what in (("images", "images"), ("labels-out", "exams"), ("excluded", "what is out")):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"written: {what} (Parquet)")
    parser.add_argument("--flow", type=Path, required=True, help="written: numbers of the flow chart (JSON)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = CohortSettings(**args.settings)
    pseudonyms = Pseudonyms(args.key if args.key is not None else read_key(args.key_file))
    labels = label_frame(read_dataset_labels(args.dataset, args.labels, Windows(**args.windows)), pseudonyms)
    index = read_index(args.indexes)
    shards = shard_tables(index, args.shards)
    files = read_files(index, shards)
    if settings.require_pixel_spacing:
        files = without_unknown_spacing(files)
    log.info("%d files, %d labels", len(files), len(labels))
    exams = exam_frame(files, labels, settings.slots)
    rules = settings.rules(bool(labels["follow_up_months"].notna().any()))
    exams["reason"] = exam_reasons(exams, replace(rules, learned=women_in(args.learned_by_bundle)))
    if settings.extra_images == "best":
        files = without_extra_images(files, exams, settings.slots)
    images, kept = cohort_tables(files, exams, settings)
    excluded = excluded_rows(files, exams, labels)
    check_sums(files, exams, labels, images, excluded)
    refuse_empty(images, excluded)
    recipe = cohort_recipe(shards[0], files[files["image_id"].isin(images["image_id"])])
    write_frame(args.images, "images", images, recipe)
    write_frame(args.labels_out, "labels", kept)
    write_frame(args.excluded, "excluded", excluded)
    write_artefact(args.flow, indented(flow_chart(files, exams, excluded, notes_of(labels, kept, settings))))
    log.info(
        "%d images of %d exams; out: %s",
        *(len(images), len(kept), excluded["level"].value_counts().to_dict()),
    )


if __name__ == "__main__":
    main()
