"""Show how far a run is: jobs done, running, failed and waiting by stage, and about how long it still takes.

    python -m mammo_steps.by_hand.show_progress --watch 10

Reads what Snakemake and the steps write into their logs, and asks SLURM's queue where there is one. It changes nothing,
takes no lock, and shows runs that somebody else started. For results elsewhere give the same --directory as the run.
The time left supposes that the stages follow each other and that as many jobs run at once as now.
"""

import argparse
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from mammo_steps.core.printing import print_lines
from mammo_steps.core.processes import leader_of
from mammo_steps.core.run_log import DONE, RunLog, head_of, last_run, run_logs
from mammo_steps.core.slurm_queue import QueuedJob, SlurmError, has_slurm, queued
from mammo_steps.core.stages import Running, Stage, stages_of

_MOST = 8  # running or failed jobs that are named of a stage
_MOST_LOGS = 20  # of earlier runs, in search of one that still runs
_SILENT_S = 600  # a training writes a line every half minute


def runs_to_show(folder: Path) -> list[RunLog]:
    """The last run, and others that are under way on this host; two studies may share a folder."""
    last = last_run(folder)
    found = [last] if last else []
    for path in run_logs(folder)[:_MOST_LOGS]:
        run = head_of(path)
        if (last is None or path != last.path) and leader_of(run, folder):
            found.append(run.read())
    under_way = [run for run in found if not run.is_ended] or found[:1]
    # none had a job: the latest that began at all, whose log says why it ended
    return (
        under_way or [run for path in run_logs(folder) if (run := RunLog(path).read()).began is not None][:1]
    )


def screen(run: RunLog, folder: Path, now: float) -> str:
    """What there is to see of a run, as lines."""
    queue, problem = _queue_of(run)
    stages = stages_of(run, folder, queue, now)
    pid = None if run.is_ended else leader_of(run, folder)
    over = is_over(run, pid)
    lines = [*_head(run, stages, pid, now), *([problem] if problem else [])]
    width = max((len(stage.rule) for stage in stages), default=0)
    for stage in stages:
        if stage.rule != "all":
            lines += [
                f"{stage.rule:{width}}  {_summary(stage, over)}",
                *_details(stage, run, folder, over, now),
            ]
    if run.n_unnamed:
        lines.append(f"{run.n_unnamed} jobs are under way. The run is quiet, so its log does not say which.")
    return "\n".join(lines)


def is_over(run: RunLog, pid: int | None) -> bool:
    """It ended, or was killed: on this host no Snakemake is at it any more."""
    return run.is_ended or (pid is None and run.host == platform.node())


def _queue_of(run: RunLog) -> tuple[dict[str, QueuedJob] | None, str]:
    """The run's jobs in SLURM by number, and what is to be said if they are not known."""
    if not run.slurm_run or run.is_ended:
        return None, ""
    if not has_slurm():
        return None, "There is no squeue on this host: jobs that wait in SLURM are counted as running."
    try:
        return {job.number: job for job in queued(f"--name={run.slurm_run}")}, ""
    except SlurmError as error:
        return None, f"SLURM does not answer: jobs that wait there are counted as running ({error})."


def _head(run: RunLog, stages: Sequence[Stage], pid: int | None, now: float) -> Iterator[str]:
    began = _date(run.began or run.path.stat().st_mtime)
    yield f"Run of {began} by {run.user} on {run.host}: {_state(run, pid, now)}"
    yield run.command
    if not run.counts:
        yield f"It made no job, see {run.path}" if is_over(run, pid) else "It is still planning its jobs."
        return
    line = f"{sum(len(stage.done) for stage in stages)} of {sum(stage.total for stage in stages)} jobs done"
    known = [stage.left_s for stage in stages if stage.left_s is not None]
    n_unknown = sum(stage.left_s is None and stage.rule != "all" for stage in stages)
    if not is_over(run, pid):
        line += f", about {_time(sum(known))} left" if any(known) else ", time left not known yet"
        if any(known) and n_unknown:
            line += f", and what {n_unknown} stages take of which no job is done yet"
    yield line


def _state(run: RunLog, pid: int | None, now: float) -> str:
    last_written = run.path.stat().st_mtime
    if run.is_ended:
        n_done = sum(job.state == DONE for job in run.jobs.values())
        word = "stopped" if n_done < sum(run.counts.values()) else "finished"
        return f"{'ended with failed jobs' if run.has_errors else word} at {_date(last_written)}"
    if pid is not None:
        return f"running, pid {pid}"
    if is_over(run, pid):
        return f"killed at {_date(last_written)} or later. See python -m mammo_steps.by_hand.clean_up"
    ago = _time(now - last_written)
    return f"log last written {ago} ago. Whether it still runs can be seen on {run.host} alone"


def _summary(stage: Stage, over: bool) -> str:
    parts = [f"{len(stage.done)} of {stage.total} done"]
    for n, word in (
        (len(stage.running), "cut off" if over else "running"),
        (len(stage.queued), f"queued in SLURM ({_reasons(stage.queued)})"),
        (len(stage.failed), "failed"),
        (stage.n_waiting, "not begun" if over else "waiting"),
    ):
        if n:
            parts.append(f"{n} {word}")
    if stage.left_s and not over:
        parts.append(f"about {_time(stage.left_s)} left")
    return ", ".join(parts)


def _details(stage: Stage, run: RunLog, folder: Path, over: bool, now: float) -> Iterator[str]:
    by_fold = Counter(job.place.split()[0] for job in stage.done if " " in job.place)
    if by_fold and len(stage.done) < stage.total:
        yield "    done: " + ", ".join(f"{place} {n}" for place, n in sorted(by_fold.items()))
    for running in stage.running[:_MOST]:
        yield f"    {running.job.place or stage.rule}: {_doing(running, folder, over, now)}"
    if len(stage.running) > _MOST:
        yield f"    and {len(stage.running) - _MOST} more"
    for job in stage.failed[:_MOST]:
        attempts = f" at attempt {job.attempt}" if job.attempt > 1 else ""
        yield f"    {job.place or stage.rule}: failed{attempts}, see {' and '.join(job.logs) or run.path}"
    if len(stage.failed) > _MOST:
        yield f"    and {len(stage.failed) - _MOST} more failed, see {run.path}"


def _doing(running: Running, folder: Path, over: bool, now: float) -> str:
    job, line = running.job, running.training
    attempt = f", attempt {job.attempt}" if job.attempt > 1 else ""
    if over:
        return f"see {' and '.join(job.logs)}"
    if running.has_left:
        return f"no more in SLURM, which Snakemake sees within minutes{attempt}"
    if line is None:
        return f"{_time(running.elapsed_s)} so far{attempt}"
    silent_s = now - (folder / job.logs[0]).stat().st_mtime
    silent = f", silent for {_time(silent_s)}" if silent_s > _SILENT_S else ""
    told = f"{line.what} {line.n} of {line.of}, {line.images_per_s} images/s, {_time(line.left_s)} left"
    return told + attempt + silent


def _reasons(jobs: Sequence[QueuedJob]) -> str:
    return ", ".join(sorted({job.reason for job in jobs}))


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="the run's; by default this folder")
    parser.add_argument("--watch", type=float, metavar="SECONDS", help="again and again, until the run ends")
    args = parser.parse_args(argv)

    runs = runs_to_show(args.directory)
    if not runs:
        sys.exit(f"{args.directory.resolve()} holds no .snakemake/log of a run: none was started here yet")
    clear = "\033[H\033[2J" if sys.stdout.isatty() else ""
    while True:
        now = time.time()
        shown = "\n\n".join(screen(run.read(), args.directory, now) for run in runs)
        print_lines([f"{clear}{shown}"])
        if not args.watch or all(is_over(run, leader_of(run, args.directory)) for run in runs):
            return
        time.sleep(args.watch)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
