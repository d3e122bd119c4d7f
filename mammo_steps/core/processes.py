"""Processes of this host that work in a folder, as /proc tells them."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mammo_steps.core.run_log import RunLog

_PROC = Path("/proc")
_LONGEST_START_S = 600.0  # of Snakemake until it writes its log's head, on a slow shared disk
_STEP = re.compile(r"mammo_steps\.(\w+)$")


@dataclass(frozen=True)
class Process:
    """folder is None where it may not be seen: another user's process. began: seconds since 1970."""

    pid: int
    arguments: tuple[str, ...]
    folder: Path | None
    began: float

    @property
    def is_snakemake(self) -> bool:
        """A Snakemake that leads a run, not one that Snakemake itself started for a job."""
        program, *rest = self.arguments
        if not Path(program).name.startswith("python") or "--mode" in rest:
            return False
        script = next((argument for argument in rest if not argument.startswith("-")), "")
        return Path(script).name == "snakemake"  # python -m snakemake, python /env/bin/snakemake

    @property
    def step(self) -> str | None:
        """The step of this package that it runs."""
        found = [match[1] for argument in self.arguments if (match := _STEP.match(argument))]
        return found[0] if found else None


def booted_at() -> float:
    """When this host was started, seconds since 1970."""
    text = (_PROC / "stat").read_text()
    return float(re.findall(r"^btime (\d+)$", text, re.MULTILINE)[0])


def process(pid: int) -> Process | None:
    """None if there is none, or it is only waiting to be buried."""
    own = _PROC / str(pid)
    try:
        arguments = (own / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        # fields after the name, which may hold blanks; the 22nd of all is its start in ticks since the boot
        ticks = int((own / "stat").read_text().rpartition(") ")[2].split()[19])
    except OSError:
        return None
    if not arguments:
        return None
    try:
        folder = (own / "cwd").readlink()
    except OSError:
        folder = None
    began = booted_at() + ticks / os.sysconf("SC_CLK_TCK")
    return Process(pid, tuple(arguments), folder, began)


def processes() -> Iterator[Process]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (found := process(int(entry.name))):
            yield found


def leads(candidate: Process, run: RunLog) -> bool:
    """Whether it is the Snakemake that writes this log; of another user's process only the command is seen."""
    if not candidate.is_snakemake or run.began is None:
        return False
    given = run.command.partition(" ")[2]
    began_then = -_LONGEST_START_S < candidate.began - run.began < 2
    return began_then and " ".join(candidate.arguments).endswith(given)


def leader_of(run: RunLog, folder: Path) -> int | None:
    """pid of the Snakemake that is at this run now, on this host."""
    for candidate in processes():
        if candidate.folder in (None, folder.resolve()) and leads(candidate, run):
            return candidate.pid
    return None
