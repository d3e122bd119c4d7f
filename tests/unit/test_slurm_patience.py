"""With the executor's own class: what it does where no query is answered, without and with the change."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm as plugin

from mammo_steps.core import artefacts, slurm_patience

JOBS = [
    SimpleNamespace(external_jobid=number, aux={}, job=SimpleNamespace(output=[name]))
    for number, name in (("11", "a.txt"), ("12_3", "b.txt"))
]
NO_ANSWER = (None, None)


class Executor(plugin.Executor):
    """The plug-in's, without a workflow."""

    def __init__(self):
        settings = SimpleNamespace(
            init_seconds_before_status_checks=9,
            status_attempts=2,
            status_command="squeue",
            keep_successful_logs=True,
        )
        self.workflow = SimpleNamespace(executor_settings=settings)
        self.logger, self.run_uuid = logging.getLogger(), "run"
        self.status_rate_limiter = AsyncExitStack()
        self._status_query_calls = self._status_query_failures = self._status_query_total_seconds = 0
        self._status_query_min_seconds = self._status_query_max_seconds = 0
        self._status_query_cycle_rows, self.next_seconds_between_status_checks = [], 9
        self.succeeded, self.failed = [], []

    def report_job_success(self, job):
        self.succeeded.append(job.external_jobid)

    def report_job_error(self, job, **_):
        self.failed.append(job.external_jobid)


@pytest.fixture
def turn(monkeypatch):
    """One turn of an executor: gets the queries' answers, gives the numbers that are watched after it."""
    answers = []

    async def query_job_status(*_):
        return answers.pop(0)

    class Mine(Executor):
        pass

    monkeypatch.setattr(plugin, "Executor", Mine)
    monkeypatch.setattr(plugin, "query_job_status", query_job_status)
    monkeypatch.setattr(plugin, "get_min_job_age", lambda: None)
    monkeypatch.setattr(plugin, "is_query_tool_available", lambda _: True)

    def turn(executor, *given, jobs=JOBS):
        answers[:] = given

        async def all_of():
            return [job.external_jobid async for job in executor.check_active_jobs(jobs)]

        with ThreadPoolExecutor(1) as pool:  # (this thread may have a loop of a browser's)
            return pool.submit(asyncio.run, all_of()).result()

    return turn


def test_the_executor_by_itself_forgets_its_jobs(turn):
    """Once this fails the plug-in is mended in this: see what of core/slurm_patience.py is still wanted."""
    assert turn(plugin.Executor(), NO_ANSWER, NO_ANSWER) == []


def test_jobs_stay_watched_until_there_is_an_answer(turn):
    slurm_patience.keep_jobs(plugin)
    slurm_patience.keep_jobs(plugin)
    executor = plugin.Executor()
    assert turn(executor, NO_ANSWER, NO_ANSWER) == ["11", "12_3"]
    assert turn(executor, NO_ANSWER, ({"11": "RUNNING", "12_3": "COMPLETED"}, 0.1)) == ["11"]
    assert executor.succeeded == ["12_3"]


def test_the_first_turn_may_come_before_the_executor_is_set_up(turn):
    """The thread that watches begins first; if it died, the run would wait for ever."""
    slurm_patience.keep_jobs(plugin)
    executor = plugin.Executor()
    ours = {name for name in vars(executor) if name.startswith("_status")}
    for name in ours:
        delattr(executor, name)
    assert ours and turn(executor, jobs=[]) == []


@pytest.fixture
def after(turn, monkeypatch, tmp_path):
    """A turn of an executor with the change, so many seconds after the last one: numbers and states answered."""
    monkeypatch.chdir(tmp_path)
    slurm_patience.keep_jobs(plugin)
    now = 1000.0
    monkeypatch.setattr(slurm_patience, "time", SimpleNamespace(monotonic=lambda: now))

    def after(executor, seconds, *states):
        nonlocal now
        now += seconds
        return turn(executor, (dict(zip(states[::2], states[1::2], strict=True)), 0.1))

    return after


def test_a_job_that_is_in_no_answer_for_long_has_ended(after, turn, monkeypatch, caplog):
    executor = plugin.Executor()
    assert after(executor, 0, "12_3", "RUNNING") == ["11", "12_3"]
    assert after(executor, 599, "12_3", "RUNNING") == ["11", "12_3"]
    assert after(executor, 1, "11", "PENDING", "12_3", "RUNNING") == ["11", "12_3"]
    assert after(executor, 9999, "12_3", "RUNNING") == ["11", "12_3"]  # the first answer without it
    assert turn(executor, NO_ANSWER, NO_ANSWER) == ["11", "12_3"]
    assert after(executor, 601, "12_3", "RUNNING") == ["12_3"]
    assert executor.failed == ["11"] and "knows nothing of job 11 any more" in caplog.text


@pytest.mark.parametrize(("of_run", "ended"), [("2026-01-01", "failed"), ("2026-01-02", "succeeded")])
def test_a_forgotten_job_has_done_its_work_if_this_run_has_made_its_outputs(
    after, monkeypatch, of_run, ended
):
    executor = plugin.Executor()
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, of_run)
    artefacts.begin("split_folds", {})
    artefacts.write_artefact(Path("a.txt"), "")
    monkeypatch.setenv(artefacts.UNDER_SNAKEMAKE, "2026-01-02")
    after(executor, 0, "12_3", "RUNNING")
    assert after(executor, 601, "12_3", "RUNNING") == ["12_3"]
    assert getattr(executor, ended) == ["11"] and len(executor.failed + executor.succeeded) == 1


@pytest.mark.parametrize("number", ["12", "12_3", "12_[3-400]", "12_[1,3-9%4]"])
def test_tasks_of_an_array_that_wait_are_not_forgotten(after, number):
    executor = plugin.Executor()
    for _ in range(3):
        assert after(executor, 601, number, "PENDING", "11", "RUNNING") == ["11", "12_3"]


def test_the_executor_by_itself_waits_for_ever_for_a_job_that_slurm_has_forgotten(turn):
    """Once this fails the plug-in is mended in this: see what of core/slurm_patience.py is still wanted."""
    executor = plugin.Executor()
    for _ in range(50):
        assert turn(executor, ({}, 0.1)) == ["11", "12_3"]
