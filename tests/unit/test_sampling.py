from collections import Counter
from itertools import pairwise

from mammo_steps.core.sampling import Draw, epoch_images, limited, training_pool


def row(image_id: str, exam_id: str, target: int | None, shard: str = "s0") -> dict[str, str | int | None]:
    return {"image_id": image_id, "exam_id": exam_id, "target": target, "shard": shard}


def pool(n_positive: int = 4, n_exams: int = 20):  # type: ignore[no-untyped-def]
    rows = [row(f"p{i}", f"cancer{i}", 1) for i in range(n_positive)]
    rows += [row(f"n{e}-{v}", f"e{e}", 0, f"s{e % 10}") for e in range(n_exams) for v in range(4)]
    return training_pool(rows)


def test_a_null_target_is_in_neither_class() -> None:
    found = training_pool([row("a", "x", 1), row("b", "x", None), row("c", "y", 0)])
    assert found.positives == ("a",) and dict(found.negatives) == {"y": ("c",)}


def test_an_epoch_holds_every_positive_once_and_the_ratio_of_negatives() -> None:
    ids = epoch_images(pool(), Draw(3.0, 1000), seed=1, fold=0, epoch=0)
    counts = Counter(i[0] for i in ids)
    assert counts == {"p": 4, "n": 12} and len(set(ids)) == 16


def test_negatives_come_by_whole_exams() -> None:
    ids = epoch_images(pool(), Draw(3.0, 1000), seed=1, fold=0, epoch=0)
    exams = Counter(i.split("-")[0] for i in ids if i[0] == "n")
    assert set(exams.values()) == {4}


def test_an_epoch_has_negatives_however_low_the_ratio() -> None:
    ids = epoch_images(
        pool(n_positive=2), Draw(0.5, 1000), seed=1, fold=0, epoch=0
    )  # 1 image wanted, an exam has 4
    assert Counter(i[0] for i in ids) == {"p": 2, "n": 4}


def test_the_pool_is_used_up_before_an_exam_comes_again() -> None:
    drawn = Counter(
        i.split("-")[0]
        for e in range(10)
        for i in epoch_images(pool(), Draw(2.0, 1000), 1, 0, e)
        if i.endswith("-0")
    )
    assert len(drawn) == 20 and set(drawn.values()) == {1}  # 10 epochs x 2 exams = the pool once


def test_order_differs_by_epoch_and_seed_and_not_by_the_order_of_the_table() -> None:
    assert epoch_images(pool(), Draw(2.0, 1000), 1, 0, 0) == epoch_images(pool(), Draw(2.0, 1000), 1, 0, 0)
    assert epoch_images(pool(), Draw(2.0, 1000), 1, 0, 0) != epoch_images(pool(), Draw(2.0, 1000), 1, 0, 1)
    assert epoch_images(pool(), Draw(2.0, 1000), 1, 0, 0) != epoch_images(pool(), Draw(2.0, 1000), 2, 0, 0)
    assert epoch_images(pool(), Draw(2.0, 1000), 1, 0, 0) != epoch_images(pool(), Draw(2.0, 1000), 1, 1, 0)
    forward = training_pool([row("a", "x", 0), row("b", "y", 0)])
    backward = training_pool([row("b", "y", 0), row("a", "x", 0)])
    assert forward == backward


def test_a_pool_smaller_than_the_draw_is_taken_whole() -> None:
    ids = epoch_images(pool(n_positive=40, n_exams=3), Draw(2.0, 1000), 1, 0, 0)
    assert len([i for i in ids if i[0] == "n"]) == 12


def test_limited_keeps_positives_and_so_many_negative_exams() -> None:
    small = limited(pool(), 5, seed=1, fold=0)
    assert len(small.negatives) == 5 and small.positives == pool().positives
    assert limited(pool(), None, 1, 0) == pool()


def files_opened(ids: list[str], n_kept_open: int, shards: dict[str, str]) -> int:
    """Openings of shard files when the last few stay open."""
    kept: list[str] = []
    n = 0
    for image_id in ids:
        shard = shards[image_id]
        if shard in kept:
            kept.remove(shard)
        else:
            n += 1
        kept = [*kept, shard][-n_kept_open:]
    return n


def test_negatives_come_shard_by_shard_and_are_mixed_within_the_buffer() -> None:
    rows = [row("p0", "c", 1, "s0")]
    rows += [row(f"n{s:03d}-{i}", f"e{s:03d}-{i}", 0, f"s{s}") for s in range(100) for i in range(50)]
    made = training_pool(rows)
    draw = {size: epoch_images(made, Draw(5000.0, size), 1, 0, 0) for size in (200, 10**6)}
    assert sorted(draw[200]) == sorted(draw[10**6]) and len(draw[200]) == 5001
    # 100 files, 4 shards' worth in the buffer: each is opened about once; at random, nearly every image opens one
    opened = {size: files_opened(ids, 16, dict(made.shards)) for size, ids in draw.items()}
    assert opened[200] < 300 and opened[10**6] > 4000
    # yet neighbours are of different shards mostly
    mixed = sum(a[:4] != b[:4] for a, b in pairwise(draw[200])) / 5000
    assert mixed > 0.6


def test_positives_are_spread_over_the_epoch() -> None:
    ids = epoch_images(pool(n_positive=100, n_exams=100), Draw(3.0, 50), 1, 0, 0)
    halves = Counter(place < len(ids) / 2 for place, i in enumerate(ids) if i[0] == "p")
    assert sum(halves.values()) == 100 and min(halves.values()) > 30
