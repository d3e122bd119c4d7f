"""What SLURM's queue holds, as `squeue` tells it."""

import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_FORMAT = "%i|%T|%M|%r|%j|%k|%Z"  # the folder last: only a path may hold a |
_EVERY_S = 1.0
_PATIENCE_S = 100  # a controller that is busy lets its clients wait


class SlurmError(Exception):
    """squeue or scancel failed; the message is theirs."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that waits or runs. elapsed_s: since it began to run; reason: why it waits."""

    number: str
    state: str
    elapsed_s: int
    reason: str
    name: str
    comment: str
    folder: Path

    @property
    def is_waiting(self) -> bool:
        return self.state == "PENDING"


def has_slurm() -> bool:
    return shutil.which("squeue") is not None


def queued(*filters: str) -> list[QueuedJob]:
    """The jobs that fit, e.g. `--user=1000`, an array's tasks one by one; SlurmError if the queue cannot be asked."""
    told = _run("squeue", "--noheader", "--array", f"--format={_FORMAT}", *filters)
    jobs = []
    for line in told.splitlines():
        if line.count("|") < _FORMAT.count("|"):  # a piece of somebody's comment of several lines
            continue
        number, state, elapsed, reason, name, comment, folder = line.split("|", 6)
        jobs.append(QueuedJob(number, state, _seconds(elapsed), reason, name, comment, Path(folder)))
    return jobs


def cancel(numbers: Iterable[str], user_filter: str, patience_s: float) -> list[str]:
    """Cancel jobs and wait until they are gone; the numbers of those that are not gone by then."""
    left = set(numbers)
    _run("scancel", "--quiet", *sorted(left))  # quiet: of jobs that have ended by themselves
    end = time.monotonic() + patience_s
    while left:
        left &= {job.number for job in queued(user_filter)}
        if time.monotonic() > end:
            break
        if left:
            time.sleep(_EVERY_S)
    return sorted(left)


def _run(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]}: no answer within {_PATIENCE_S} s") from None
    if done.returncode:
        raise SlurmError(f"{command[0]}: {done.stderr.strip() or f'exit code {done.returncode}'}")
    return done.stdout


def _seconds(elapsed: str) -> int:
    """Of SLURM's [days-][[hours:]minutes:]seconds; 0 where it says something else."""
    days, _, clock = elapsed.rpartition("-")
    parts = [days or "0", *(["0", "0"] + clock.split(":"))[-3:]]
    if not all(part.isdigit() for part in parts):
        return 0
    d, h, m, s = map(int, parts)
    return ((d * 24 + h) * 60 + m) * 60 + s
