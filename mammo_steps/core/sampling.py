"""Which images an epoch trains on: every positive once, and fresh negatives drawn by exam."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mammo_steps.core.randomness import ordered


@dataclass(frozen=True)
class Pool:
    """The training images of one fold.

    positives  image ids, sorted
    negatives  exam id -> its negative image ids, both sorted
    """

    positives: tuple[str, ...]
    negatives: Mapping[str, tuple[str, ...]]

    @property
    def image_ids(self) -> set[str]:
        return set(self.positives) | {image for images in self.negatives.values() for image in images}


def training_pool(image_ids: Sequence[str], exam_ids: Sequence[str], targets: Sequence[int | None]) -> Pool:
    """Sort training images into positives and negatives; a null target is neither."""
    negatives: dict[str, list[str]] = {}
    for image_id, exam_id, target in zip(image_ids, exam_ids, targets, strict=True):
        if target == 0:
            negatives.setdefault(exam_id, []).append(image_id)
    positives = sorted(i for i, target in zip(image_ids, targets, strict=True) if target == 1)
    return Pool(tuple(positives), {exam: tuple(sorted(images)) for exam, images in sorted(negatives.items())})


def limited(pool: Pool, n_exams: int | None, seed: int, fold: int) -> Pool:
    """The pool with its negatives cut down to `n_exams` drawn exams (None: all)."""
    if n_exams is None or n_exams >= len(pool.negatives):
        return pool
    drawn = ordered(list(pool.negatives), "negative pool", seed, fold)[:n_exams]
    return Pool(pool.positives, {exam: pool.negatives[exam] for exam in sorted(drawn)})


def epoch_images(pool: Pool, negatives_per_positive: float, seed: int, fold: int, epoch: int) -> list[str]:
    """Image ids of one epoch, shuffled: all positives and `negatives_per_positive` times as many negatives.

    Negatives are drawn exam by exam, at least one, without replacement; when the pool is used up it is dealt
    anew, so that over the epochs every negative exam is drawn about equally often.
    """
    per_exam = sum(map(len, pool.negatives.values())) / max(1, len(pool.negatives))
    n_exams = max(1, round(negatives_per_positive * len(pool.positives) / max(1.0, per_exam)))
    exams = list(pool.negatives)
    drawn: list[str] = []
    position = epoch * n_exams  # place in the endless sequence of dealt rounds
    while exams and len(drawn) < n_exams:
        deal, offset = divmod(position + len(drawn), len(exams))
        dealt = ordered(exams, "negatives", seed, fold, deal)
        drawn += dealt[offset : offset + n_exams - len(drawn)]
    # an exam dealt last in one round and first in the next appears once here, not twice
    images = {image for exam in drawn for image in pool.negatives[exam]} | set(pool.positives)
    return ordered(list(images), "epoch", seed, fold, epoch)
