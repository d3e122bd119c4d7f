from mammo_steps.core.task import _in_batches


def test_a_small_rest_joins_the_last_batch_and_nothing_is_lost() -> None:
    ids = [str(i) for i in range(19)]
    assert [len(b) for b in _in_batches(ids, 8)] == [8, 11]
    assert [len(b) for b in _in_batches(ids[:12], 8)] == [8, 4]
    assert [len(b) for b in _in_batches(ids[:1], 8)] == [1]
    assert [i for b in _in_batches(ids, 8) for i in b] == ids
