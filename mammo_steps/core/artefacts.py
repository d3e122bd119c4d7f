"""What this process makes, and from what: every artefact that a step writes gets its manifest.

A step says at its start who it is (`begin`), the readers of artefacts and of other people's tables and weights note
what they read (`reading`), and a written artefact's manifest names all that was read so far. Without `begin` nothing is
noted and no manifest is written. Files of the archive are not noted: they are too many, and their names may be ids.
"""

import json
import logging
import os
import platform
import resource
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mammo_steps.core.files import checking, indented, replacing, write_json, write_text
from mammo_steps.core.fingerprint import code_fingerprint, modules_of, packages
from mammo_steps.core.manifest import (
    content_of,
    described,
    described_folder,
    manifest_path,
    read_manifest,
    set_time,
)

log = logging.getLogger(__name__)

# set in the environment of a job's steps: when its run began, by the clock of the host where the run was typed
UNDER_SNAKEMAKE = "MAMMO_STEPS_UNDER_SNAKEMAKE"
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LAST_RUN = ".last_run"  # in the study's folder of results


class SupersededError(SystemExit):
    """The same work was begun again by another process: this one writes nothing more and ends.

    Under Snakemake with status 0, for it would remove the other's results as those of a failed job; else with status 1.
    """

    def __init__(self, message: str) -> None:
        log.error("%s", message)
        super().__init__(0 if os.environ.get(UNDER_SNAKEMAKE) else 1)
        self.message = message

    def __str__(self) -> str:
        return self.message


class LaterWriterError(SupersededError):
    """An artefact was written by a later run, or a process of this run that began later."""


@dataclass(frozen=True)
class Origin:
    """Who writes: the same for all artefacts of a process.

    settings  JSON values of the command line
    run_began_utc  of Snakemake's run; by hand the process's own
    read      path as given -> bytes and sha256 of what was read
    written   paths as given
    """

    step: str
    code: str
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    began_utc: str
    run_began_utc: str
    began_s: float
    read: dict[str, dict[str, Any]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)

    @property
    def who(self) -> dict[str, Any]:
        """By what processes are told apart."""
        return {
            "began_utc": self.began_utc,
            "run_began_utc": self.run_began_utc,
            "host": platform.node(),
            "slurm_job": os.environ.get("SLURM_JOB_ID"),
        }

    def manifest(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """What a manifest says of an artefact that is `described` so."""
        inputs = {path: content for path, content in sorted(self.read.items()) if path not in self.written}
        return {
            "step": self.step,
            "code": self.code,
            "settings": self.settings,
            "environment": self.environment,
            **about,
            **self.who,
            "wall_s": round(time.monotonic() - self.began_s, 1),
            "peak_mb": peak_mb(),
            "inputs": inputs,
        }


_this_process: Origin | None = None


def peak_mb() -> int:
    """Peak memory of the largest process so far: this one, or one that it has ended."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(one).ru_maxrss for one in who) / 1024)


def begin(step: str, given: Mapping[str, Any]) -> None:
    """From here on this process is a step, with what its command line gave: flag -> value.

    Paths and the key of the pseudonyms are no settings.
    """
    global _this_process
    modules = modules_of(step, given.get("dataset"))
    now = utc_now()
    _this_process = Origin(
        step=step,
        code=code_fingerprint(*modules),
        settings={name: value for name, value in given.items() if name != "key" and _is_setting(value)},
        environment={
            "python": platform.python_version(),
            **{name: version(name) for name in packages(*modules)},
        },
        began_utc=now,
        run_began_utc=run_began_utc() or now,
        began_s=time.monotonic(),
    )


def utc_now() -> str:
    """Texts that sort as their times do."""
    return datetime.now(UTC).strftime(_TIME)


def next_run_utc(results: Path) -> str:
    """When a run begins that is later than those before it on a study, whatever the clocks of their hosts say.

    It is now, or if the latest run (`note_run`) was begun on a host whose clock is ahead, just after that one.
    """
    try:
        latest = datetime.strptime((results / _LAST_RUN).read_text(encoding="utf-8"), _TIME)
    except (OSError, ValueError):
        return utc_now()
    return max(utc_now(), (latest + timedelta(microseconds=1)).strftime(_TIME))


def note_run(results: Path, began_utc: str) -> None:
    """A run of Snakemake has begun to work on a study. (Who may not write there writes no results either.)"""
    with suppress(OSError):
        write_text(results / _LAST_RUN, began_utc)


def run_began_utc() -> str | None:
    """When the run of Snakemake began that this process is a job of; None by hand."""
    return os.environ.get(UNDER_SNAKEMAKE)


def forget() -> None:
    """This process is no step any more; for tests, which run many in one process."""
    global _this_process
    _this_process = None


def _is_setting(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return value is not None and value != [] and not any(isinstance(part, Path) for part in parts)


def reading(path: Path) -> Path:
    """Note that this process reads a file; returns its path. What is no file is left to whoever opens it."""
    if _this_process is not None and str(path) not in _this_process.read and path.is_file():
        _this_process.read[str(path)] = content_of(path)
    return path


@contextmanager
def artefact(path: Path) -> Iterator[Path]:
    """As `files.replacing`, for what a step declares as its result: a manifest is written beside it.

    LaterWriterError if a later run, or a later process of this one, has written it in the meantime.
    """
    with replacing(path) as scratch:
        yield scratch
        about = {} if _this_process is None else described(scratch, path.suffix)
        mtime_ns = scratch.stat().st_mtime_ns
        check_later_writer(path)
    _write_manifest(path, about, mtime_ns)


@contextmanager
def artefact_folder(folder: Path) -> Iterator[None]:
    """For a folder whose files the block writes by `files.replacing`: one manifest beside it names them all.

    While it is written a claim lies beside it. LaterWriterError, at any of its files, if a later run, or a later
    process of this one, has written the folder or has begun to.
    """
    check_later_writer(folder)
    if _this_process is None:
        yield
        return
    claim, own = _claim(folder), indented(_this_process.who)
    write_text(claim, own)

    def check() -> None:
        with suppress(OSError):
            if claim.read_text(encoding="utf-8") == own:
                return  # (a manifest of many files takes long to read)
        check_later_writer(folder)

    with checking(check):
        yield
    about = described_folder(folder)
    check_later_writer(folder)
    _write_manifest(folder, about, folder.stat().st_mtime_ns)
    claim.unlink(missing_ok=True)


def write_artefact(path: Path, text: str) -> None:
    with artefact(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def _write_manifest(path: Path, about: Mapping[str, Any], mtime_ns: int) -> None:
    if _this_process is None:
        return
    _this_process.written.add(str(path))
    write_json(manifest_path(path), _this_process.manifest(about))
    set_time(path, mtime_ns)


def check_later_writer(path: Path) -> None:
    """LaterWriterError if a later run, or a process of this run that began later, has written the artefact.

    Runs are told apart by the clock of the host where they were typed (`next_run_utc`): those of nodes may differ.
    """
    found = _lying(path)
    if (
        _this_process is not None
        and found is not None
        and _began(found) > (_this_process.run_began_utc, _this_process.began_utc)
    ):
        job = f", SLURM job {found['slurm_job']}" if found.get("slurm_job") else ""
        raise LaterWriterError(
            f"{path} was written by a process that began later ({found['began_utc']} on {found.get('host')}{job}); "
            f"this one began {_this_process.began_utc}: it is left over from a run that was killed, or a clock is "
            "wrong. It leaves the file as it is, and ends"
        )


def _claim(folder: Path) -> Path:
    """Who writes a folder; a kill leaves it there, and later processes pay no heed to it."""
    return folder.with_name(f".{folder.name}.writer.json")


def _made(path: Path) -> dict[str, Any] | None:
    """The manifest of an artefact that is there; None without one that can be read."""
    with suppress(ValueError):
        return read_manifest(path) if path.exists() else None
    return None


def _lying(path: Path) -> dict[str, Any] | None:
    """What is told of the latest process that has made an artefact, or has begun to write a folder."""
    found = [_made(path)]
    with suppress(OSError, ValueError):
        claim = json.loads(_claim(path).read_text(encoding="utf-8"))
        if isinstance(claim, dict) and isinstance(claim.get("began_utc"), str):
            found.append(claim)
    return max((one for one in found if one is not None), key=_began, default=None)


def _began(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """Of the run, and of the process; an older manifest knows the latter alone."""
    return manifest.get("run_began_utc", manifest["began_utc"]), manifest["began_utc"]


def made_by_this_run(outputs: Iterable[Path]) -> bool:
    """Whether all of them are there, and made by this run of Snakemake, or a later one, as far as manifests tell."""
    there = list(outputs)
    made = [one for path in there if (one := _made(path)) is not None]
    return (
        bool(made)
        and all(path.exists() for path in there)
        and all(_began(one)[0] >= (run_began_utc() or "") for one in made)
    )


def check_left_over(outputs: Iterable[Path]) -> None:
    """LaterWriterError if a later run than the one that this job is of has written one of its outputs.

    To be asked before Snakemake removes them for the job's sake.
    """
    began = run_began_utc()
    for path in outputs:
        found = _lying(path)
        if began and found is not None and _began(found)[0] > began:
            raise LaterWriterError(
                f"{path} was made by a later run ({_began(found)[0]}) than that of this job ({began}), which was "
                "killed and has left the job in the queue. The job does nothing"
            )
