"""Which images an epoch trains on: every positive once, and fresh negatives drawn by exam."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from mammo_steps.core.randomness import ordered, stream


@dataclass(frozen=True)
class Pool:
    """The training images of one fold.

    positives  image ids, sorted
    negatives  exam id -> its negative image ids, both sorted
    shards     image id -> the shard that holds it
    """

    positives: tuple[str, ...]
    negatives: Mapping[str, tuple[str, ...]]
    shards: Mapping[str, str]

    @property
    def image_ids(self) -> set[str]:
        return set(self.positives) | {image for images in self.negatives.values() for image in images}


def training_pool(rows: Iterable[Mapping[str, Any]]) -> Pool:
    """Sort training images (image_id, exam_id, target, shard) by target; a null one is neither."""
    positives: list[str] = []
    negatives: dict[str, list[str]] = {}
    shards: dict[str, str] = {}
    for row in rows:
        if row["target"] is None:
            continue
        image_id = row["image_id"]
        shards[image_id] = row["shard"]
        if row["target"] == 1:
            positives.append(image_id)
        else:
            negatives.setdefault(row["exam_id"], []).append(image_id)
    by_exam = {exam: tuple(sorted(images)) for exam, images in sorted(negatives.items())}
    return Pool(tuple(sorted(positives)), by_exam, shards)


def limited(pool: Pool, n_exams: int | None, seed: int, fold: int) -> Pool:
    """The pool with its negatives cut down to `n_exams` drawn exams (None: all)."""
    if n_exams is None or n_exams >= len(pool.negatives):
        return pool
    drawn = ordered(list(pool.negatives), "negative pool", seed, fold)[:n_exams]
    return replace(pool, negatives={exam: pool.negatives[exam] for exam in sorted(drawn)})


@dataclass(frozen=True)
class Draw:
    """How an epoch is drawn.

    negatives_per_positive  negative images for each positive
    shuffle_buffer          negatives come shard by shard, through a buffer of so many images that shuffles them: so few
                            files are open at a time, and a batch mixes many women
    """

    negatives_per_positive: float
    shuffle_buffer: int


def epoch_images(pool: Pool, draw: Draw, seed: int, fold: int, epoch: int) -> list[str]:
    """Image ids of one epoch in their order: all positives, and so many times as many negatives."""
    key = (seed, fold, epoch)
    negatives = _shuffled_by_shard(pool, _drawn_negatives(pool, draw, seed, fold, epoch), draw, key)
    positives = ordered(list(pool.positives), "epoch", *key)
    n = len(positives) + len(negatives)
    # positives at random places among the negatives
    places = set(stream("places", *key).choice(n, len(positives), replace=False).tolist())
    from_positives, from_negatives = iter(positives), iter(negatives)
    return [next(from_positives if place in places else from_negatives) for place in range(n)]


def _drawn_negatives(pool: Pool, draw: Draw, seed: int, fold: int, epoch: int) -> set[str]:
    """Negatives are drawn exam by exam, at least one, without replacement; when the pool is used up it is dealt anew.

    So over the epochs every negative exam is drawn about equally often.
    """
    per_exam = sum(map(len, pool.negatives.values())) / max(1, len(pool.negatives))
    n_exams = max(1, round(draw.negatives_per_positive * len(pool.positives) / max(1.0, per_exam)))
    exams = list(pool.negatives)
    drawn: list[str] = []
    position = epoch * n_exams  # place in the endless sequence of dealt rounds
    while exams and len(drawn) < n_exams:
        deal, offset = divmod(position + len(drawn), len(exams))
        dealt = ordered(exams, "negatives", seed, fold, deal)
        drawn += dealt[offset : offset + n_exams - len(drawn)]
    # an exam dealt last in one round and first in the next appears once here, not twice
    return {image for exam in drawn for image in pool.negatives[exam]}


def _shuffled_by_shard(pool: Pool, images: set[str], draw: Draw, key: tuple[int, int, int]) -> list[str]:
    """The images shard by shard, the shards in random order, through the shuffle buffer."""
    by_shard: dict[str, list[str]] = {}
    for image in images:
        by_shard.setdefault(pool.shards[image], []).append(image)
    rng = stream("shuffle", *key)
    buffer: list[str] = []
    out: list[str] = []
    for shard in ordered(list(by_shard), "shards", *key):
        for image in ordered(by_shard[shard], "epoch", *key):
            if len(buffer) < draw.shuffle_buffer:
                buffer.append(image)
            else:
                place = int(rng.integers(draw.shuffle_buffer))
                out.append(buffer[place])
                buffer[place] = image
    return out + [buffer[place] for place in rng.permutation(len(buffer))]
