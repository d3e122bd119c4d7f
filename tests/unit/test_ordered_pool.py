"""Results come in the order of the tasks, and tasks are not taken far ahead."""

import os
import time
from collections.abc import Iterator

import pytest

from mammo_steps.core.ordered_pool import in_order


def nothing() -> None:
    pass


def slow_first(task: int) -> int:
    time.sleep(0.2 if task == 0 else 0)
    return task * task


def die(_: int) -> None:
    os._exit(1)


def fail(task: int) -> int:
    if task == 3:
        raise ValueError("task 3")
    return task


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order_of_the_tasks(workers: int) -> None:
    assert list(in_order(slow_first, range(9), workers, nothing)) == [n * n for n in range(9)]


def test_tasks_are_taken_a_bounded_number_ahead() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for n in range(50):
            taken.append(n)
            yield n

    results = in_order(slow_first, tasks(), 2, nothing)
    next(results)
    assert len(taken) <= 5  # two per worker, and the one that replaced the first
    results.close()


def test_an_error_in_a_task_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="task 3"):
        list(in_order(fail, range(9), 2, nothing))


def test_a_killed_worker_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="a worker process died, most likely for lack of memory"):
        list(in_order(die, range(3), 2, nothing))
