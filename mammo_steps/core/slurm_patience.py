"""A run neither forgets its jobs while SLURM gives no answer, nor waits for ever for one that SLURM has forgotten.

The SLURM executor of Snakemake (2.8) asks for the state of its jobs a few times; if none of these is answered, because
the controller restarts, say, it forgets all of them, and the run waits for ever. Here they are asked for again at the
next turn. A job that is in no answer it takes as one that is not in the accounts yet. But squeue also forgets jobs some
minutes after their end (MinJobAge), and who could not ask in these minutes would wait for ever: here, what was in no
answer for long has ended; well if this run has made its outputs, and else it has failed, and is submitted again.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mammo_steps.core.artefacts import made_by_this_run

PLUGIN = "snakemake_executor_plugin_slurm"
FORGOTTEN_S = 600  # far longer than a new job needs into the accounts

_Check = Callable[[Any, Sequence[Any]], AsyncIterator[Any]]


def keep_jobs(plugin: ModuleType) -> None:
    """Change the executor's module, once."""
    executor, ask = plugin.Executor, plugin.query_job_status
    check: _Check = executor.check_active_jobs
    if getattr(check, "keeps_jobs", False):
        return
    missing: dict[str, float] = {}  # number of a job -> since when no answer has it
    asked_for: dict[str, Any] = {}  # number -> the job

    async def query_job_status(command: str, logger: Any) -> tuple[dict[str, str] | None, float | None]:
        states, took = await ask(command, logger)
        if states is not None:
            now = time.monotonic()
            # (12 stands for its tasks 12_1, 12_2, ..., as does 12_[3-400] for those that wait)
            told = set(states) | {number.partition("_[")[0] for number in states}
            for number, job in asked_for.items():
                if number in told or number.partition("_")[0] in told:
                    missing.pop(number, None)
                elif now - missing.setdefault(number, now) > FORGOTTEN_S:
                    is_done = made_by_this_run(map(Path, job.output))
                    logger.warning(
                        f"SLURM knows nothing of job {number} any more, which has ended, then: "
                        f"{'its outputs are there' if is_done else 'it has not made all of its outputs'}"
                    )
                    states[number] = (
                        "UNKNOWN" if is_done else "FAILED"
                    )  # UNKNOWN: the executor takes it as done
        return states, took

    async def check_active_jobs(self: Any, active_jobs: Sequence[Any]) -> AsyncIterator[Any]:
        asked_for.clear()
        asked_for.update((info.external_jobid, info.job) for info in active_jobs)
        # (a run's first turn, still without jobs, may come before the executor has been set up)
        n_answers = self._status_query_calls if active_jobs else 0
        async for job in check(self, active_jobs):
            yield job
        # without an answer none was told to have ended, and none was yielded
        if active_jobs and self._status_query_calls == n_answers:
            for job in active_jobs:
                yield job

    check_active_jobs.keeps_jobs = True  # type: ignore[attr-defined]
    executor.check_active_jobs = check_active_jobs
    plugin.query_job_status = query_job_status  # type: ignore[attr-defined]
