"""How large a study is, as far as its config says: exams, images, shards, and what a fold trains on and scores.

Standard library alone: the Snakefile imports it, and every job of a cluster parses the Snakefile.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mammo_steps.core.study import StudyError

MOST_IMAGES_PER_SHARD = 500  # index_archive refuses more
USUAL_IMAGES_PER_SHARD = 400  # config/README.md: leaves room, since exams stay whole
FILES_PER_CHUNK = 100_000
MOST_SHARDS, MOST_CHUNKS = 9999, 1000  # of one intake, as the schema says


@dataclass(frozen=True)
class StudySize:
    """n_exams, n_images    of the archive; all of them are taken to be in the cohort
    intakes                (chunks, shards) of each
    n_folds, n_members     networks of a model: folds x members
    n_positives            images with target 1
    """

    n_exams: float
    n_images: float
    intakes: tuple[tuple[int, int], ...]
    n_folds: int
    n_members: int
    n_positives: float

    @property
    def n_chunks(self) -> int:
        return sum(chunks for chunks, _ in self.intakes)

    @property
    def n_shards(self) -> int:
        return sum(shards for _, shards in self.intakes)

    @property
    def n_networks(self) -> int:
        return self.n_folds * self.n_members

    @property
    def images_per_shard(self) -> float:
        return self.n_images / self.n_shards


@dataclass(frozen=True)
class FoldSize:
    """Images of one fold: tested; validated by; positives trained on; negatives that its attention model may draw.

    negatives  in the whole training part: what the holistic model draws from
    """

    test: float
    validation: float
    positives: float
    negatives: float
    attention_negatives: float

    @property
    def located(self) -> float:
        """Images that get a COA and a ROI."""
        return self.test + self.validation + self.positives + self.attention_negatives

    def epoch(self, fit: Mapping[str, Any]) -> float:
        """Images of an epoch: every positive once, and its negatives, as far as there are any."""
        return self.positives + min(self.negatives, float(fit["negatives_per_positive"]) * self.positives)


def images_per_exam(config: Mapping[str, Any]) -> int:
    """Of a complete exam: both breasts in every view."""
    return 2 * len(config["list_images"]["views"])


def suggested_intakes(n_images: float) -> tuple[tuple[int, int], ...]:
    """(chunks, shards) for so many images: 400 to a shard, 100,000 headers to a chunk; more than one for very many."""
    n_intakes = math.ceil(n_images / USUAL_IMAGES_PER_SHARD / MOST_SHARDS) or 1
    images = n_images / n_intakes
    chunks = min(MOST_CHUNKS, math.ceil(images / FILES_PER_CHUNK))
    return ((max(1, chunks), max(1, math.ceil(images / USUAL_IMAGES_PER_SHARD))),) * n_intakes


def size_of(
    config: Mapping[str, Any], n_exams: float | None = None, n_images: float | None = None
) -> StudySize:
    """The size of a study of so many exams or images; where neither is given, of the config's.

    The config knows a demo cohort's exams; of an archive it knows the shards, which are then taken to be full, so that
    what follows is an upper limit. Numbers that are given go into intakes of their own, as suggested.
    """
    per_exam = images_per_exam(config)
    demo = config["make_demo_cohort"]
    intakes = tuple((intake["chunks"], intake["shards"]) for intake in config["intakes"])
    if n_exams is not None or n_images is not None:
        n_images = per_exam * (n_exams or 0) if n_images is None else n_images
        n_exams = n_images / per_exam if n_exams is None else n_exams
        intakes = suggested_intakes(n_images)
    elif demo is not None:
        n_exams = sum(demo["exams"].values())
        n_images = per_exam * n_exams
    elif intakes:
        n_images = MOST_IMAGES_PER_SHARD * sum(shards for _, shards in intakes)
        n_exams = n_images / per_exam
    else:
        raise StudyError(
            "config key `intakes` is empty, so nothing says how large the study is: give --exams or --images"
        )
    if n_images < n_exams:
        raise StudyError(
            f"{n_images:g} images are fewer than {n_exams:g} exams: an exam has one image or more"
        )
    n_folds = config["split_folds"]["folds"]
    if n_folds > n_exams:
        raise StudyError(f"split_folds.folds is {n_folds}, more than the {n_exams:g} exams")
    share = config["plan"]["screen_detected_share"]
    if demo is not None:
        share = demo["exams"]["screen_detected"] / max(1, sum(demo["exams"].values()))
    return StudySize(
        n_exams=n_exams,
        n_images=n_images,
        intakes=intakes,
        n_folds=n_folds,
        n_members=config["members"],
        n_positives=n_exams * share * per_exam / 2,  # one breast's views
    )


def fold_size(config: Mapping[str, Any], size: StudySize) -> FoldSize:
    """Images of one fold, all folds being alike.

    An exam with a screen-detected cancer has its affected breast's images as positives; those of its other breast are
    not trained on. Validation women without cancer are limited (split_folds.validation_most_women), which is taken to
    be of women of one outcome; where there are few cancers their own limit is not reached.
    """
    split, per_exam = config["split_folds"], images_per_exam(config)
    learning = 1 - 1 / size.n_folds
    share = split["validation_share"]
    others = max(0.0, size.n_images - 2 * size.n_positives) * learning  # images of exams without a positive
    most_women = split["validation_most_women"]
    most = math.inf if most_women is None else most_women * config["plan"]["exams_per_woman"] * per_exam
    held_out = min(share * others, most)
    negatives = others - held_out
    n_negative_exams = config["locate_coa"]["negative_exams"]
    return FoldSize(
        test=size.n_images / size.n_folds,
        validation=held_out + share * size.n_positives * learning,
        positives=(1 - share) * size.n_positives * learning,
        negatives=negatives,
        attention_negatives=min(
            negatives, math.inf if n_negative_exams is None else n_negative_exams * per_exam
        ),
    )
