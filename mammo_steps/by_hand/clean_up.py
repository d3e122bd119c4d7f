"""Clean up after a run that crashed or was killed, so that the next one can start.

    python -m mammo_steps.by_hand.clean_up            # says what there is, changes nothing
    python -m mammo_steps.by_hand.clean_up --yes

Cancels your jobs that the folder's runs left in SLURM and waits until they are gone, unlocks the folder, and removes
scratch files of killed writers. No result is ever removed. It refuses while a Snakemake is at work in the folder.
Run it on the host where the run was started: others do not see whether it still runs.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from mammo_steps.core.leftovers import checkpoints, incomplete_outputs, lock_files, scratch_files
from mammo_steps.core.processes import Process, leads, processes
from mammo_steps.core.run_log import FAILED, RUNNING, RunLog, head_of, last_run, run_logs
from mammo_steps.core.slurm_queue import QueuedJob, SlurmError, cancel, has_slurm, queued

_MINE = f"--user={os.getuid()}"
_MOST = 20  # lines of one kind
_RECENT_S = 7 * 86400  # a run whose log has been silent for longer is dead


def refuse_if_running(folder: Path, run: RunLog | None) -> None:
    """End if a Snakemake of this host is at work in the folder."""
    for other in processes():
        if other.is_snakemake and (
            other.folder == folder or (run and other.folder is None and leads(other, run))
        ):
            sys.exit(
                f"A Snakemake is at work in {folder}: pid {other.pid} on this host, {' '.join(other.arguments[1:])}\n"
                "Nothing was changed. End it with Ctrl-C in its terminal, and it leaves nothing to clean up."
            )


def runs_by_name(folder: Path) -> dict[str, RunLog]:
    """The folder's runs in SLURM, by the name that all jobs of a run bear there.

    A job's working directory in SLURM says less: it is where the run was started, not the run's --directory.
    """
    heads = [head_of(path) for path in run_logs(folder)]
    return {head.slurm_run: head for head in heads if head.slurm_run}


def unseen_runs(folder: Path, now: float) -> list[RunLog]:
    """Runs of other hosts that have not ended, as far as their logs tell; two may work in a folder on two studies."""
    recent = [path for path in run_logs(folder) if now - path.stat().st_mtime < _RECENT_S]
    runs = [RunLog(path).read() for path in recent if head_of(path).host != platform.node()]
    return [run for run in runs if run.counts and not run.is_ended]


def my_jobs() -> tuple[list[QueuedJob], str]:
    """The user's jobs in SLURM, and what is to be said if they are not seen."""
    if not has_slurm():
        return [], "There is no squeue on this host: jobs in SLURM are not seen."
    try:
        return queued(_MINE), ""
    except SlurmError as error:
        return [], f"SLURM does not answer: jobs there are not seen ({error})."


def steps_here(folder: Path) -> list[Process]:
    """Steps that work in the folder on this host."""
    return [found for found in processes() if found.folder == folder and found.step]


def doubts_of(runs: Iterable[RunLog], problem: str) -> list[str]:
    """Why one of these runs may still be at work unseen; then its jobs and its lock are to be left alone."""
    doubts = []
    for run in runs:
        if problem and run.slurm_run:
            doubts.append(f"The run of {run.path.name} has jobs in SLURM. {problem}")
        if not run.is_ended and run.host != platform.node():
            doubts.append(
                f"The run of {run.path.name} was started on {run.host}; on {platform.node()} it is not seen whether it "
                "still runs."
            )
    return doubts


def told(heading: str, lines: Iterable[str]) -> None:
    """Print a heading and its lines; nothing if there are none."""
    found = list(lines)
    if found:
        print(heading.format(n=len(found)))
        for line in found[:_MOST]:
            print(f"    {line}")
        if len(found) > _MOST:
            print(f"    and {len(found) - _MOST} more")


def tell(folder: Path, run: RunLog | None, jobs: Sequence[QueuedJob], now: float) -> None:
    """What is left of the last run, and what the next one makes again."""
    told(
        "Jobs in SLURM without a run ({n}), to be cancelled:",
        (f"{job.number} {job.state} {job.comment}" for job in jobs),
    )
    told(
        "Steps that still work in this folder on this host ({n}):",
        (f"pid {found.pid}: {found.step}" for found in steps_here(folder)),
    )
    if lock_files(folder):
        print("The folder is locked, to be unlocked.")
    told("Incomplete outputs ({n}), which the next run makes again:", incomplete_outputs(folder))
    scratch = scratch_files(folder, now)
    shown = {each.path: each.path.relative_to(folder) for each in scratch}
    told(
        "Scratch files of killed writers ({n}), to be removed:",
        (str(shown[s.path]) for s in scratch if not s.kept),
    )
    told("Scratch files that stay ({n}):", (f"{shown[s.path]}: {s.kept}" for s in scratch if s.kept))
    told(
        "Trainings that were cut off ({n}):",
        (
            f"{found.folder.relative_to(folder)}: {'goes on' if found.has_state else 'starts anew'}; last held by "
            + (f"job {found.slurm_id}" if found.slurm_id else f"pid {found.pid}")
            + f" on {found.host}"
            for found in checkpoints(folder)
        ),
    )
    if run:
        begun = [job for job in run.jobs.values() if job.state in (RUNNING, FAILED)]
        told(
            "Jobs of the last run that were cut off or failed ({n}):", (f"{j.rule} {j.place}" for j in begun)
        )
        n_never = sum(run.counts.values()) - len(run.jobs)
        if n_never > 0:
            print(f"Jobs of the last run that never began: {n_never}.")


def is_clean(folder: Path, jobs: Sequence[QueuedJob]) -> bool:
    """Whether there is nothing to cancel, to unlock, or to remove."""
    scratch = scratch_files(folder, time.time())
    return not (jobs or steps_here(folder) or lock_files(folder) or any(not each.kept for each in scratch))


def unlock(folder: Path) -> None:
    """Let Snakemake unlock the folder. A workflow without rules will do: its locks are of the folder."""
    environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
    with tempfile.NamedTemporaryFile(suffix=".smk") as empty:
        command = [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1", "--snakefile", empty.name]
        command += ["--directory", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode or lock_files(folder):
        sys.exit(f"snakemake --unlock failed:\n{done.stderr}")


def clean(folder: Path, run: RunLog | None, jobs: Sequence[QueuedJob], patience_s: float) -> None:
    """Cancel, wait, unlock, remove; each only if what comes before it went well."""
    if jobs:
        try:
            left = cancel([job.number for job in jobs], _MINE, patience_s)
        except SlurmError as error:
            sys.exit(f"SLURM does not answer ({error}). Not unlocked. Try again later.")
        if left:
            sys.exit(
                f"Still in SLURM after {patience_s:.0f} s: {', '.join(left)}. Not unlocked. Try again later."
            )
        print(f"Jobs cancelled and gone: {len(jobs)}.")
    refuse_if_running(folder, run)
    if steps := steps_here(folder):
        pids = " ".join(str(found.pid) for found in steps)
        sys.exit(f"Steps still work in this folder: end them first (kill {pids}). Not unlocked.")
    if lock_files(folder):
        unlock(folder)
        print("Unlocked.")
    for scratch in scratch_files(folder, time.time()):
        if not scratch.kept:
            scratch.path.unlink(missing_ok=True)
            print(f"Removed {scratch.path.relative_to(folder)}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--directory", type=Path, default=Path(), help="the run's; by default this folder")
    do = parser.add_mutually_exclusive_group()
    do.add_argument("--dry-run", action="store_true", help="only say what there is; the default")
    do.add_argument("--yes", action="store_true", help="do it")
    parser.add_argument(
        "--run-is-dead", action="store_true", help="you have looked where this host cannot: the run has ended"
    )
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds to wait for cancelled jobs to go"
    )
    args = parser.parse_args(argv)

    folder = args.directory.resolve()
    if not (folder / ".snakemake").is_dir():
        sys.exit(f"{folder} holds no .snakemake: no run was started here. Give the run's --directory")
    run = last_run(folder)
    refuse_if_running(folder, run)
    runs = runs_by_name(folder)
    mine, problem = my_jobs()
    if problem:
        print(problem)
    jobs = [job for job in mine if job.name in runs]
    others = [job for job in mine if job.name not in runs and job.folder == folder]
    told(
        "Other jobs of yours that were started from this folder ({n}), left alone:",
        (f"{job.number} {job.state} {job.name}" for job in others),
    )
    tell(folder, run, jobs, time.time())
    logs = [*([run] if run else []), *(runs[job.name] for job in jobs), *unseen_runs(folder, time.time())]
    at_stake = {log.path: log.read() for log in logs}
    doubts = doubts_of(at_stake.values(), problem)
    if is_clean(folder, jobs) and not doubts:
        print("There is nothing to clean up: the next run can start.")
        return
    if not args.yes:
        print("\n".join([*doubts, "Nothing was changed. --yes does what is to be done."]))
        return
    if doubts and not args.run_is_dead:
        doubts.append("Nothing was changed. Look there, and if the run has ended add --run-is-dead.")
        sys.exit("\n".join(doubts))
    clean(folder, run, jobs, args.patience)
    print("Start the run again with the command it had.")


if __name__ == "__main__":
    main()
