"""What Snakemake's own log of a run tells: which jobs began, ended, failed. Every run writes one, whoever started it.

The log is text for people, so its words are those of one version of Snakemake; the tests hold them against real runs.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"

_STAMP = re.compile(r"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\](?: Group job (\S+) )?")
_BLOCK = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):$")
_SUBMISSION = re.compile(r"Job (\S+) has been submitted with SLURM jobid (\S+) \(log: (.*)\)")
_ARRAY = re.compile(
    r"Submitted array job with Snakemake IDs ([\d,]+) and SLURM job ID (\S+)\. .* are (\d+)-\d+\."
)
_FENCE = re.compile(r"=+$")  # around the log of a failed job, which may hold such logs in turn
_HEAD = 32768  # bytes
_CHECK = " (check log file(s) for error details)"


@dataclass
class Job:
    """The latest attempt at a job. Times in seconds since 1970; None where a quiet log does not tell.

    group  of jobs that share a submission, empty for a job of its own
    """

    rule: str
    number: int = -1
    state: str = RUNNING
    wildcards: str = ""
    logs: tuple[str, ...] = ()
    begun: float | None = None
    ended: float | None = None
    attempt: int = 1
    slurm_id: str | None = None
    group: str = ""

    @property
    def place(self) -> str:
        """Its wildcards' values, `fold0 demo-001`."""
        return " ".join(part.partition("=")[2] for part in self.wildcards.split(", "))


class RunLog:
    """A log as far as it was written at the last `read`.

    counts    rule -> jobs that the run was to make
    jobs      by Snakemake's number
    began     when the run began, seconds since 1970
    is_ended  the run came to its end, whatever it was
    has_errors   at least one job failed for good
    n_executed   attempts that were begun; where the run is quiet all there is of jobs under way
    slurm_run    the name of the run's jobs in SLURM, empty elsewhere
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: dict[str, int] = {}
        self.jobs: dict[int, Job] = {}
        self.host = self.user = self.command = self.slurm_run = ""
        self.began: float | None = None
        self.is_ended = self.has_errors = False
        self.n_executed = 0
        self._offset = 0
        self._now: float | None = None
        self._stamp = ""
        self._block: Callable[[str, str], None] | None = None
        self._job = Job("")
        self._indent = 4  # of a block's lines; 8 within a group
        self._groups: list[tuple[str, list[Job]]] = []  # of which no submission is told yet
        self._in_stats = False
        self._fences: list[str] = []
        self._after_name = False  # of a log file that is printed

    def read(self, most_bytes: int = -1) -> "RunLog":
        """Read on from where the last call stopped, whole lines only."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read(most_bytes).rpartition(b"\n")[0]
        if whole:
            self._offset += len(whole) + 1
            for line in whole.decode("utf-8", "replace").split("\n"):
                self._take(line)
        return self

    def by_rule(self) -> dict[str, list[Job]]:
        """The jobs that began, for every rule of the run."""
        found: dict[str, list[Job]] = {rule: [] for rule in self.counts}
        for job in self.jobs.values():
            found.setdefault(job.rule, []).append(job)
        return found

    @property
    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.state != DONE]

    @property
    def n_unnamed(self) -> int:
        """Jobs under way that a quiet log does not name."""
        if any(job.begun is not None for job in self.jobs.values()):
            return 0
        return 0 if self.is_ended else max(0, self.n_executed - len(self.jobs))

    def _take(self, line: str) -> None:
        if self._is_quoted(line):
            return
        if line.startswith("    "):
            self._indented(line)
            return
        if line.startswith("  ") and not self.counts:
            self._head(*line[2:].partition(": ")[::2])
            return
        self._block = None
        if self._in_stats:
            self._count(line)
        elif line.startswith("["):
            self._time(line)
        else:
            self._event(line)

    def _indented(self, line: str) -> None:
        """A detail of a job, or within a group of jobs the beginning of one."""
        body = line[4:]
        if body.startswith("["):
            self._time(body)
        elif body.startswith("Error in rule ") or _BLOCK.match(body):
            self._event(body, group=self._groups[-1][0] if self._groups else "?")
        elif self._block and line.startswith(" " * self._indent) and line[self._indent :][:1].strip():
            key, _, value = line[self._indent :].partition(": ")
            self._block(key, value)

    def _is_quoted(self, line: str) -> bool:
        """Of a failed job's log that Snakemake printed into its own."""
        text = line.removeprefix("    ")  # within a group of jobs
        if self._after_name:
            self._after_name = False
            if _FENCE.match(text):
                self._fences.append(text)
                return True
        if text.startswith("Logfile ") and text.endswith(":"):
            self._after_name = True
            return True
        if self._fences and text == self._fences[-1]:
            self._fences.pop()
            return True
        return bool(self._fences)

    def _head(self, key: str, value: str) -> None:
        if key == "Date":
            self.began = time.mktime(time.strptime(value, "%Y-%m-%d %H:%M:%S"))
        elif key in ("Host", "User", "Command"):
            setattr(self, key.lower(), value)

    def _count(self, line: str) -> None:
        rule, _, number = line.partition(" ")
        if rule == "total":
            self._in_stats = False
        elif number.strip().isdigit():
            self.counts[rule] = int(number)

    def _time(self, line: str) -> None:
        stamp = _STAMP.match(line)
        if stamp and stamp[1] != self._stamp:
            self._stamp = stamp[1]
            self._now = time.mktime(time.strptime(stamp[1]))
        if stamp and stamp[2]:
            self._groups.append((stamp[2], []))

    def _event(self, line: str, group: str = "") -> None:
        self._indent = 8 if group else 4
        if block := _BLOCK.match(line):
            self._job, self._block = Job(block[1], begun=self._now, group=group), self._begin
        elif line.startswith("Finished jobid: "):
            number, _, rule = line[len("Finished jobid: ") :].partition(" (Rule: ")
            job = self.jobs.setdefault(int(number), Job(rule.rstrip(")"), int(number)))
            job.state, job.ended = DONE, self._now
        elif line.startswith("Error in rule "):
            self._block = self._fail
        elif submission := _SUBMISSION.match(line):
            for job in self._submitted(submission[1], submission[3]):
                job.slurm_id = submission[2]
        elif array := _ARRAY.match(line):
            for task, number in enumerate(array[1].split(","), start=int(array[3])):
                if (one := self.jobs.get(int(number))) is not None:
                    one.slurm_id = f"{array[2]}_{task}"
        elif line.startswith("Trying to restart job "):
            number = line.split()[-1].rstrip(".")
            if number.isdigit() and (again := self.jobs.get(int(number))):
                again.state = WAITING
        elif line.startswith("Execute "):
            self.n_executed += int(line.split()[1])
        elif line.startswith("Job stats:"):
            self.counts, self._in_stats = {}, True
        elif line.startswith("SLURM run ID: "):
            self.slurm_run = line.partition(": ")[2]
        elif line.startswith(("Complete log", "Nothing to be done")):
            self.is_ended = True
        elif line.startswith("Exiting because a job execution failed"):
            self.has_errors = True

    def _submitted(self, number: str, slurm_log: str) -> list[Job]:
        """The jobs of a submission: one by its number, those of a group by the folder of SLURM's log."""
        if number.isdigit():
            return [self.jobs[int(number)]] if int(number) in self.jobs else []
        folder = Path(slurm_log).parent.name
        for i, (name, jobs) in enumerate(self._groups):
            if folder.startswith(f"group_{name}"):
                del self._groups[i]
                return jobs
        return []

    def _begin(self, key: str, value: str) -> None:
        if key == "log":
            self._job.logs = tuple(value.split(", "))
        elif key == "wildcards":
            self._job.wildcards = value
        elif key == "jobid":
            self._job.number = int(value)
            before = self.jobs.pop(self._job.number, None)
            self._job.attempt = before.attempt + 1 if before else 1
            self.jobs[self._job.number] = self._job
            if self._job.group and self._groups:
                self._groups[-1][1].append(self._job)

    def _fail(self, key: str, value: str) -> None:
        if key == "jobid" and int(value) in self.jobs:
            self._job = self.jobs[int(value)]
            self._job.state, self._job.ended = FAILED, self._now
        elif key == "log" and self._job.state == FAILED:
            self._job.logs = tuple(value.removesuffix(_CHECK).split(", "))


def run_logs(folder: Path) -> list[Path]:
    """The logs of all runs of a working folder, the latest first."""
    return sorted((folder / ".snakemake/log").glob("*.snakemake.log"), reverse=True)


def head_of(path: Path) -> RunLog:
    """Who began a run, with what command; of its jobs only the first ones."""
    return RunLog(path).read(_HEAD)


def last_run(folder: Path) -> RunLog | None:
    """The latest run that had something to make; an unlocking or a look leaves a log, too."""
    for path in run_logs(folder):
        run = RunLog(path).read()
        if run.counts:
            return run
    return None
