"""A run's stages at one moment: how many jobs of each rule are done, run, wait; about how long they still take."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mammo_steps.core.run_log import DONE, FAILED, RUNNING, Job, RunLog
from mammo_steps.core.slurm_queue import QueuedJob
from mammo_steps.core.step_log import TrainingLine, training_line, wall_s

_SAMPLE = 20  # jobs that say how long one of a rule takes


@dataclass(frozen=True)
class Running:
    """has_left: it is in SLURM's queue no more, which Snakemake has not noticed yet."""

    job: Job
    elapsed_s: float
    training: TrainingLine | None
    has_left: bool


@dataclass
class Stage:
    """One rule of a run. queued: handed to SLURM and not begun; n_waiting: not handed to anybody yet.

    left_s  None where nothing says how long a job of this rule takes
    """

    rule: str
    total: int
    done: list[Job] = field(default_factory=list)
    failed: list[Job] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    queued: list[QueuedJob] = field(default_factory=list)
    n_waiting: int = 0
    left_s: float | None = None


def stages_of(run: RunLog, folder: Path, queue: Mapping[str, QueuedJob] | None, now: float) -> list[Stage]:
    """Those with jobs, in the order of the log.

    folder  the run's working folder, which its paths are relative to
    queue   SLURM's jobs of the run by number, None if they are not known
    """
    stages = []
    for rule, jobs in run.by_rule().items():
        stage = Stage(rule, max(run.counts.get(rule, 0), len(jobs)))
        for job in jobs:
            in_queue = queue.get(job.slurm_id or "") if queue else None
            if job.state == DONE:
                stage.done.append(job)
            elif job.state == FAILED:
                stage.failed.append(job)
            elif job.state == RUNNING and in_queue and in_queue.is_waiting:
                stage.queued.append(in_queue)
            elif job.state == RUNNING:
                elapsed_s = in_queue.elapsed_s if in_queue else now - (job.begun or now)
                line = training_line(folder / job.logs[0]) if job.logs else None
                has_left = queue is not None and job.slurm_id is not None and in_queue is None
                stage.running.append(Running(job, elapsed_s, line, has_left))
        begun = len(stage.done) + len(stage.failed) + len(stage.running) + len(stage.queued)
        stage.n_waiting = stage.total - begun
        stage.left_s = left_s(stage, folder)
        stages.append(stage)
    return stages


def left_s(stage: Stage, folder: Path) -> float | None:
    """Jobs still to do, times what one takes, over the jobs that run at once; 0 if there are none."""
    to_begin = stage.n_waiting + len(stage.queued)
    if not stage.running and not to_begin:
        return 0.0
    takes_s = typical_s(stage, folder)
    remaining = []
    for running in stage.running:
        if running.has_left:
            remaining.append(0.0)
        elif running.training:
            remaining.append(float(running.training.left_s))
        elif takes_s is not None:
            remaining.append(max(0.0, takes_s - running.elapsed_s))
    if len(remaining) < len(stage.running) or (to_begin and takes_s is None):
        return None
    on_slurm = [running for running in stage.running if running.job.slurm_id and not running.has_left]
    width = len(on_slurm) if on_slurm else most_at_once([*stage.done, *_jobs(stage.running)])
    work_s = sum(remaining) + to_begin * (takes_s or 0.0)
    return max([work_s / max(1, width), *remaining])


def typical_s(stage: Stage, folder: Path) -> float | None:
    """Median of the latest jobs that are done; else what trainings under way say of themselves."""
    latest = sorted(stage.done, key=lambda job: job.ended or 0.0)[-_SAMPLE:]
    took = [seconds for job in latest if (seconds := _took_s(job, folder)) is not None]
    took = took or [run.elapsed_s + run.training.left_s for run in stage.running if run.training]
    return statistics.median(took) if took else None


def _took_s(job: Job, folder: Path) -> float | None:
    """Without its time in SLURM's queue, where its log tells; jobs of a group wait for each other."""
    alone = job.slurm_id and job.logs and not job.group
    own = wall_s(folder / job.logs[0]) if alone else None
    if own is None and job.begun is not None and job.ended is not None:
        return job.ended - job.begun
    return own


def most_at_once(jobs: Sequence[Job]) -> int:
    """The most of these jobs that ever ran at the same time."""
    begun = [(job.begun, 1) for job in jobs if job.begun is not None]
    ended = [(job.ended, -1) for job in jobs if job.begun is not None and job.ended is not None]
    most = n = 0
    for _, change in sorted(begun + ended):  # of equal times an end comes first
        n += change
        most = max(most, n)
    return most


def _jobs(running: Sequence[Running]) -> list[Job]:
    return [each.job for each in running]
