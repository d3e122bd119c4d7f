"""Work in several processes whose results come back in the order of the tasks, a bounded number ahead."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 2  # tasks per worker that are begun or done before their turn


def in_order(
    work: Callable[[Task], Result], tasks: Iterable[Task], workers: int, start: Callable[[], None]
) -> Iterator[Result]:
    """work(task) for each task, in order; `start` runs first in every worker. One worker is this process."""
    if workers == 1:
        start()
        yield from map(work, tasks)
        return
    # spawn: a fork would copy the locks of this process's threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=start) as pool:
        pending = iter(tasks)
        begun: deque[Future[Result]] = deque(
            pool.submit(work, task) for task in islice(pending, _AHEAD * workers)
        )
        try:
            while begun:
                result = begun.popleft().result()
                begun.extend(pool.submit(work, task) for task in islice(pending, 1))
                yield result
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process died, most likely for lack of memory: give the job more, or fewer workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
