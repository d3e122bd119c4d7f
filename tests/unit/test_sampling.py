from collections import Counter

from mammo_steps.core.sampling import epoch_images, limited, training_pool


def pool(n_positive: int = 4, n_exams: int = 20):  # type: ignore[no-untyped-def]
    images = [f"p{i}" for i in range(n_positive)] + [f"n{e}-{v}" for e in range(n_exams) for v in range(4)]
    exams = [f"cancer{i}" for i in range(n_positive)] + [f"e{e}" for e in range(n_exams) for _ in range(4)]
    return training_pool(images, exams, [1] * n_positive + [0] * (4 * n_exams))


def test_a_null_target_is_in_neither_class() -> None:
    found = training_pool(["a", "b", "c"], ["x", "x", "y"], [1, None, 0])
    assert found.positives == ("a",) and dict(found.negatives) == {"y": ("c",)}


def test_an_epoch_holds_every_positive_once_and_the_ratio_of_negatives() -> None:
    ids = epoch_images(pool(), 3.0, seed=1, fold=0, epoch=0)
    counts = Counter(i[0] for i in ids)
    assert counts == {"p": 4, "n": 12} and len(set(ids)) == 16


def test_negatives_come_by_whole_exams() -> None:
    ids = epoch_images(pool(), 3.0, seed=1, fold=0, epoch=0)
    exams = Counter(i.split("-")[0] for i in ids if i[0] == "n")
    assert set(exams.values()) == {4}


def test_an_epoch_has_negatives_however_low_the_ratio() -> None:
    ids = epoch_images(pool(n_positive=2), 0.5, seed=1, fold=0, epoch=0)  # 1 image wanted, an exam has 4
    assert Counter(i[0] for i in ids) == {"p": 2, "n": 4}


def test_the_pool_is_used_up_before_an_exam_comes_again() -> None:
    drawn = Counter(
        i.split("-")[0] for e in range(10) for i in epoch_images(pool(), 2.0, 1, 0, e) if i.endswith("-0")
    )
    assert len(drawn) == 20 and set(drawn.values()) == {1}  # 10 epochs x 2 exams = the pool once


def test_order_differs_by_epoch_and_seed_and_not_by_the_order_of_the_table() -> None:
    assert epoch_images(pool(), 2.0, 1, 0, 0) == epoch_images(pool(), 2.0, 1, 0, 0)
    assert epoch_images(pool(), 2.0, 1, 0, 0) != epoch_images(pool(), 2.0, 1, 0, 1)
    assert epoch_images(pool(), 2.0, 1, 0, 0) != epoch_images(pool(), 2.0, 2, 0, 0)
    assert epoch_images(pool(), 2.0, 1, 0, 0) != epoch_images(pool(), 2.0, 1, 1, 0)
    forward = training_pool(["a", "b"], ["x", "y"], [0, 0])
    backward = training_pool(["b", "a"], ["y", "x"], [0, 0])
    assert forward == backward


def test_a_pool_smaller_than_the_draw_is_taken_whole() -> None:
    ids = epoch_images(pool(n_positive=40, n_exams=3), 2.0, 1, 0, 0)
    assert len([i for i in ids if i[0] == "n"]) == 12


def test_limited_keeps_positives_and_so_many_negative_exams() -> None:
    small = limited(pool(), 5, seed=1, fold=0)
    assert len(small.negatives) == 5 and small.positives == pool().positives
    assert limited(pool(), None, 1, 0) == pool()
