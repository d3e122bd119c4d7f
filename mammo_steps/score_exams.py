"""One score per exam, model and reader, from networks that never saw the woman.

The ensemble's margin of an image is the unweighted mean of its two margins. A breast's score is the sum over
its images, an exam's the larger one of its two breasts. Only rows with role `test` are taken; every image of
the cohort has to have exactly one from each model, in the fold that tests its exam, or the step fails.

Beside these stand the published model of Wu et al. 2019 (the larger one of the two breasts' probabilities of
malignancy) and its adapted head, null where an exam has none.

A reader's exam score is the larger one of the two breasts' scores, that of two readers the larger sum; null
where the exam was not read.
"""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from mammo_steps.core.aggregation import exam_scores
from mammo_steps.core.columns import TABLES
from mammo_steps.core.recipe import Recipe, check_follows, check_same
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, recipe_of, write_table
from mammo_steps.core.terms import LATERALITIES, Role
from mammo_steps.core.wu_reading import score_tables

log = logging.getLogger("score_exams")

NETWORKS = ("holistic", "attention")
# model -> its table, and what a row of it stands for
SCORE_TABLES = {
    "holistic": ("holistic_scores", "image"),
    "attention": ("attention_scores", "image"),
    "wu2019_adapted": ("adapted_scores", "exam"),
}


@dataclass(frozen=True)
class Settings:
    """What is scored, and how.

    aggregation  how a breast's images are put together; "sum" (the paper) is the only way so far
    folds        of these folds alone exams are scored; None = all
    """

    aggregation: str
    folds: Sequence[int] | None

    def __post_init__(self) -> None:
        if self.aggregation != "sum":
            raise ValueError(f"aggregation is {self.aggregation!r}, wanted sum")


def out_of_fold(paths: Sequence[Path], model: str, exams: pd.DataFrame, members: int) -> pd.Series:
    """Margins of one model by image_id (of `wu2019_adapted` by exam_id), from the fold that tests the exam.

    A margin is the mean over a fold's members.

    exams    index exam_id, column fold
    members  networks per fold; each has a table of its own among `paths`
    Raises ValueError if a fold has no table, if it also learned from a woman that it tests, if it tests an exam of
    another fold, if an image has not one margin of each member, or one that is no finite number.
    """
    kind, unit = SCORE_TABLES[model]
    key = f"{unit}_id"
    columns = list(dict.fromkeys([key, "patient_id", "exam_id", "fold", "role", "margin"]))
    parts = []
    folds: set[int] = set()
    for path in paths:
        table = read_table(path, kind, columns)
        folds |= set(pc.unique(table["fold"]).to_pylist())
        tested = table.filter(pc.equal(table["role"], Role.TEST.value)).to_pandas()
        learned = set(
            pc.unique(table.filter(pc.not_equal(table["role"], Role.TEST.value))["patient_id"]).to_pylist()
        )
        n_seen = tested.loc[tested["patient_id"].isin(learned), "patient_id"].nunique()
        if n_seen:
            raise ValueError(
                f"{path}: {n_seen} women are in test and in training or validation: rerun the fold"
            )
        n_wrong = int((tested["exam_id"].map(exams["fold"]) != tested["fold"]).sum())
        if n_wrong:
            raise ValueError(
                f"{path}: {n_wrong} test {unit}s are of exams that another fold tests, or that are not in the "
                "cohort: the scores are of an older split; rerun the fold"
            )
        parts.append(tested)
        n_twice = int(tested[key].duplicated().sum())
        if n_twice:
            raise ValueError(f"{path}: {n_twice} {unit}s have more than one test margin, wanted one")
    missing = sorted(set(exams["fold"]) - folds)
    if missing:
        raise ValueError(
            f"{model}: there are no margins of fold {', '.join(map(str, missing))}, which tests exams of the cohort: "
            "run the fold, and give its table too"
        )
    rows = pd.concat(parts, ignore_index=True)
    counts = rows[key].value_counts()
    n_other = int((counts != members).sum())
    if n_other:
        raise ValueError(
            f"{model}: {n_other} {unit}s have {sorted(set(counts) - {members})} test margins, wanted {members}, one of "
            "each member: rerun their folds"
        )
    n_bad = int((~np.isfinite(rows["margin"])).sum())
    if n_bad:
        raise ValueError(
            f"{model}: {n_bad} of {len(rows)} margins are not finite: training of a fold diverged"
        )
    margins: pd.Series = rows.groupby(key)["margin"].mean()
    return margins


def reader_scores(exams: pd.DataFrame) -> dict[str, pd.Series]:
    """Columns reader_1, reader_2, two_readers; NaN where a reader has not scored both breasts."""
    left = [exams[f"reader_{n}_left"] for n in (1, 2)]
    right = [exams[f"reader_{n}_right"] for n in (1, 2)]
    pairs = {
        "reader_1": (left[0], right[0]),
        "reader_2": (left[1], right[1]),
        "two_readers": (left[0] + left[1], right[0] + right[1]),
    }
    return {name: pd.Series(np.maximum(*pair), exams.index) for name, pair in pairs.items()}  # NaN stays NaN


def wu2019_scores(paths: Sequence[Path], exams: pd.DataFrame) -> pd.Series:
    """Wu et al.'s score by exam_id, NaN where an exam could not be scored.

    ValueError unless the tables have each exam of the cohort once, and probabilities where they give no reason.
    """
    columns = ["exam_id", "reason", "left_malignant", "right_malignant"]
    if not paths:
        return pd.Series(dtype=float)
    rows = pd.concat([read_table(path, "wu2019_scores", columns).to_pandas() for path in paths])
    n_other = len(set(rows["exam_id"]) ^ set(exams.index)) + int(rows["exam_id"].duplicated().sum())
    if n_other:
        raise ValueError(
            f"wu2019: {n_other} exams do not stand in it once: rerun score_wu2019 for all shards"
        )
    rows = rows.set_index("exam_id")
    scores: pd.Series = rows[["left_malignant", "right_malignant"]].max(axis=1, skipna=False)
    n_bad = int((rows["reason"].isna() & ~scores.between(0, 1)).sum())
    if n_bad:
        raise ValueError(
            f"wu2019: {n_bad} exams have no probability and no reason for it: rerun score_wu2019"
        )
    return scores


def scores_of(
    exams: pd.DataFrame, images: pd.DataFrame, margins: dict[str, pd.Series], others: dict[str, pd.Series]
) -> pd.DataFrame:
    """The `exam_scores` table, sorted by exam_id.

    exams    index exam_id; patient_id, outcome, fold and the readers' columns
    images   columns image_id, exam_id, laterality
    margins  of holistic and attention, by image_id
    others   of wu2019 and wu2019_adapted, by exam_id; an exam may lack one
    """
    if set(images["exam_id"]) != set(exams.index):
        raise ValueError("the cohort's images and exams are of different exams: rerun split_folds")
    n_differing = len(set(margins["holistic"].index) ^ set(margins["attention"].index))
    if n_differing:
        raise ValueError(
            f"{n_differing} images have a test margin of only one of the two models: rerun its fold"
        )
    n_breasts = images.groupby("exam_id")["laterality"].nunique()
    if (n_breasts < len(LATERALITIES)).any():
        raise ValueError(f"{int((n_breasts < len(LATERALITIES)).sum())} exams have images of one breast only")
    images = images.sort_values("image_id")
    margins = margins | {"ensemble": (margins["holistic"] + margins["attention"]) / 2}
    networks = {name: exam_scores(images, scores) for name, scores in margins.items()}
    columns = networks | {name: scores.reindex(exams.index) for name, scores in others.items()}
    table = exams.assign(**columns, **reader_scores(exams)).rename_axis("exam_id").reset_index()
    return table[list(TABLES["exam_scores"])].sort_values("exam_id", ignore_index=True)


def checked_recipe(
    images: Path, holistic: Sequence[Path], attention: Sequence[Path], wu2019: Sequence[Path]
) -> Recipe:
    """The recipe of the networks' scores; ValueError unless every model's tables are of one recipe, the cohort's."""
    found = {
        "holistic": [recipe_of(path) for path in holistic],
        "attention": [recipe_of(path) for path in attention],
    }
    for model, tables in found.items():
        check_same(tables, f"Scores of one study are of one recipe: run the folds' {model} model again")
    check_follows(found["holistic"][0], recipe_of(images), "Run the folds again on these images")
    published = [recipe_of(path) for path in wu2019]
    check_same(published, "Run score_wu2019 and adapt_wu2019 again")
    for table in published[:1]:
        check_follows(table, recipe_of(images), "Run score_wu2019 again on these images")
    check_follows(found["attention"][0], found["holistic"][0], "Run the folds' attention model again")
    return found["attention"][0].recipe


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=Path, required=True, help="cohort/exams.parquet")
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    for model in NETWORKS:
        parser.add_argument(
            f"--{model}",
            type=Path,
            nargs="+",
            required=True,
            help=f"{model}/<fold>/images.parquet of every fold",
        )
    parser.add_argument("--wu2019", type=Path, help="folder of the published model's scores, if it was run")
    parser.add_argument(
        "--wu2019-adapted", type=Path, nargs="*", default=[], help="wu2019_adapted/{fold}/exams.parquet, all"
    )
    parser.add_argument("--members", type=int, default=1, help="networks per fold and model")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON: aggregation")
    parser.add_argument("--out", type=Path, required=True, help="written: one row per exam (Parquet)")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    exams = read_table(args.exams, "exams").to_pandas().set_index("exam_id")
    images = read_table(args.images, "images", ["image_id", "exam_id", "laterality", "shard"]).to_pandas()
    wu2019 = [] if args.wu2019 is None else score_tables(args.wu2019, images["shard"])
    published = wu2019_scores(wu2019, exams)
    if settings.folds is not None:
        n_exams = len(exams)
        exams = exams[exams["fold"].isin(settings.folds)]
        images = images[images["exam_id"].isin(exams.index)]
        log.info("%d of %d exams are of other folds than %s", n_exams - len(exams), n_exams, settings.folds)
    recipe = checked_recipe(args.images, args.holistic, args.attention, [*wu2019, *args.wu2019_adapted])
    log.info("%d exams, %d images, %d folds", len(exams), len(images), exams["fold"].nunique())
    margins = {model: out_of_fold(getattr(args, model), model, exams, args.members) for model in NETWORKS}
    others = {
        "wu2019": published,
        "wu2019_adapted": pd.Series(dtype=float)
        if not args.wu2019_adapted
        else out_of_fold(args.wu2019_adapted, "wu2019_adapted", exams, 1),
    }
    table = scores_of(exams, images, margins, others)
    write_table(args.out, "exam_scores", {str(name): column for name, column in table.items()}, recipe)
    log.info("%d exams scored", len(table))


if __name__ == "__main__":
    main()
