"""Deal the women into cross-validation folds, and each fold's training women into training and validation.

A woman with all her exams is in one fold. Her stratum is her worst outcome: screen_detected, interval, prior,
benign, normal. Each stratum is dealt in a random order, its remainder to the folds with the fewest women, so
that folds differ by at most one woman in each stratum and in all. The order depends on the seed and on the
pseudonyms (and so on their key), never on the order of rows.
"""

import argparse
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.fold_count import MIN_FOLDS, MIN_POSITIVES, most_folds
from mammo_steps.core.randomness import ordered
from mammo_steps.core.steps import json_object, start_step
from mammo_steps.core.tables import read_table, write_table
from mammo_steps.core.terms import WORST_FIRST, Outcome, Role

log = logging.getLogger("split_folds")


@dataclass(frozen=True, order=True)
class Stratum:
    """Women who are dealt together. Positives come first, so that each fold's share of them is even too.

    rank       place of the woman's worst outcome in WORST_FIRST
    untrained  whether she has no image with target 1 (always so but for screen_detected)
    """

    rank: int
    untrained: bool


@dataclass(frozen=True)
class Settings:
    """folds: number of folds.

    validation_share       share of each fold's training women that choose the epoch, of each worst outcome alike
    validation_most_women  at most so many women of one worst outcome; null = no limit
    """

    folds: int
    validation_share: float
    validation_most_women: int | None

    def __post_init__(self) -> None:
        if self.folds < MIN_FOLDS:
            raise ValueError(f"folds is {self.folds}, wanted {MIN_FOLDS} or more")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is {self.validation_share}, wanted between 0 and 1")


def strata_of(outcomes: Iterable[tuple[str, str]], trained: set[str]) -> dict[Stratum, list[str]]:
    """Women by stratum, the worst first.

    outcomes  (patient_id, outcome) of every exam
    trained   women with an image of target 1
    """
    rank: dict[str, int] = {}
    for woman, outcome in outcomes:
        rank[woman] = min(rank.get(woman, len(WORST_FIRST)), WORST_FIRST.index(Outcome(outcome)))
    strata: dict[Stratum, list[str]] = {}
    for woman, worst in rank.items():
        strata.setdefault(Stratum(worst, woman not in trained), []).append(woman)
    return dict(sorted(strata.items()))


def check_folds(strata: Mapping[Stratum, Sequence[str]], n_folds: int) -> None:
    """ValueError, with the number of folds that would fit, unless every fold can hold each kind of cancer.

    Two women with a screen-detected cancer in each fold, and one with an interval cancer if there are any.
    """
    women: Counter[Outcome] = Counter()
    for stratum, members in strata.items():
        women[WORST_FIRST[stratum.rank]] += len(members)
    most = most_folds(women)
    if n_folds > most:
        advice = (
            f"set folds to {most} or fewer" if most >= MIN_FOLDS else "no number of folds fits this cohort"
        )
        raise ValueError(
            f"{n_folds} folds are too many for {women[Outcome.SCREEN_DETECTED]} women with a screen-detected "
            f"cancer, wanted {MIN_POSITIVES} in each fold, and {women[Outcome.INTERVAL]} with an interval "
            f"cancer, wanted 1 in each fold if there are any: {advice}"
        )
    n_trained = len(strata.get(Stratum(0, untrained=False), []))
    if n_trained - math.ceil(n_trained / n_folds) < 2:
        raise ValueError(
            f"{n_trained} women have a screen-detected cancer of known side; outside of each fold two are "
            "wanted, one to train on and one to validate on: fill in cancer_laterality in the label table"
        )


def deal(strata: Mapping[Stratum, Sequence[str]], n_folds: int, seed: int) -> dict[str, int]:
    """Woman -> fold."""
    fold_of: dict[str, int] = {}
    n_women = [0] * n_folds
    for members in strata.values():
        fewest_first = sorted(range(n_folds), key=lambda fold: (n_women[fold], fold))
        for place, woman in enumerate(ordered(list(members), "folds", seed)):
            fold = fewest_first[place % n_folds]
            fold_of[woman] = fold
            n_women[fold] += 1
    return fold_of


def validation_women(
    strata: Mapping[Stratum, Sequence[str]],
    fold_of: Mapping[str, int],
    fold: int,
    settings: Settings,
    seed: int,
) -> set[str]:
    """Training women of a fold that only choose its epoch: a share of each stratum, at least one of two."""
    chosen: set[str] = set()
    for members in strata.values():
        training = [woman for woman in members if fold_of[woman] != fold]
        n = min(max(1, round(settings.validation_share * len(training))), len(training) - 1)
        n = min(n, settings.validation_most_women or n)
        chosen.update(ordered(training, "validation", seed, fold)[: max(0, n)])
    return chosen


def role_columns(
    strata: Mapping[Stratum, Sequence[str]], fold_of: Mapping[str, int], settings: Settings, seed: int
) -> dict[str, list[str] | list[int]]:
    """The `roles` table: every woman in every fold, sorted by fold and woman."""
    women = sorted(fold_of)
    roles: list[str] = []
    for fold in range(settings.folds):
        validation = validation_women(strata, fold_of, fold, settings, seed)
        roles += [
            Role.TEST if fold_of[woman] == fold else Role.VALIDATION if woman in validation else Role.TRAIN
            for woman in women
        ]
    folds = [fold for fold in range(settings.folds) for _ in women]
    return {"patient_id": women * settings.folds, "fold": folds, "role": roles}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="cohort/images.parquet")
    parser.add_argument("--labels", type=Path, required=True, help="cohort/labels.parquet")
    parser.add_argument("--settings", type=json_object, required=True, help="JSON, see Settings")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument(
        "--exams", type=Path, required=True, help="written: exams with fold and use (Parquet)"
    )
    parser.add_argument("--roles", type=Path, required=True, help="written: each woman's role in each fold")
    args = parser.parse_args(argv)
    start_step(__spec__, args)

    settings = Settings(**args.settings)
    exams = read_table(args.labels, "labels").sort_by("exam_id").to_pydict()
    images = read_table(args.images, "images", ["exam_id", "patient_id", "target"]).to_pydict()
    if set(images["exam_id"]) != set(exams["exam_id"]):
        raise ValueError(f"{args.images} and {args.labels} hold different exams: rerun list_images")
    targets = list(zip(images["exam_id"], images["patient_id"], images["target"], strict=True))
    strata = strata_of(
        zip(exams["patient_id"], exams["outcome"], strict=True), {woman for _, woman, t in targets if t == 1}
    )
    check_folds(strata, settings.folds)
    fold_of = deal(strata, settings.folds, args.seed)
    trainable = {exam for exam, _, target in targets if target is not None}
    exams["fold"] = [fold_of[woman] for woman in exams["patient_id"]]
    exams["use"] = ["train_and_test" if exam in trainable else "test" for exam in exams["exam_id"]]
    write_table(args.exams, "exams", exams)
    write_table(args.roles, "roles", role_columns(strata, fold_of, settings, args.seed))
    log.info("%d exams of %d women in %d folds", len(exams["exam_id"]), len(fold_of), settings.folds)


if __name__ == "__main__":
    main()
