"""What an interrupted training goes on from.

A checkpoint belongs to one training: it bears a key of all that decides the result, and a training with another key
starts anew. It lies outside the declared outputs of a rule, since Snakemake removes those of a failed job.
"""

import hashlib
import json
import logging
import os
import pickle
import platform
import secrets
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mammo_steps.core.artefacts import SupersededError, run_began_utc, utc_now
from mammo_steps.core.files import replacing, write_json

log = logging.getLogger(__name__)

# what reading a file that is no whole checkpoint can raise
_DAMAGED = (
    RuntimeError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
_READ_WHOLE = 8 * 2**20  # bytes; of larger inputs size and time of change stand for the content


class LockLostError(SupersededError):
    """Another run of the same training has begun since."""


def stamps(paths: Iterable[Path]) -> dict[str, str]:
    """A word for each input file that changes with its content."""
    return {str(path): _stamp(path) for path in sorted(paths)}


def _stamp(path: Path) -> str:
    about = path.stat()
    if about.st_size > _READ_WHOLE:
        return f"{about.st_size} bytes of {about.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Checkpoints:
    """The folder of one training's checkpoint, and the right to write there.

    key    all that decides the result, JSON values; told apart by name where a checkpoint does not fit
    token  of this run; the lock file bears the token of the latest run
    """

    folder: Path
    key: Mapping[str, Any]
    token: str

    @classmethod
    def taken(cls, folder: Path, key: Mapping[str, Any]) -> "Checkpoints":
        """Take the folder over from whoever held it; that run will write nothing any more.

        LockLostError if it is held for a later run of Snakemake: this one's was killed, and its jobs began late.
        """
        taken = cls.seen(folder, key)
        holder, own = taken._holder(), run_began_utc()
        if own and str(holder.get("run_began_utc", "")) > own:
            raise LockLostError(f"{taken.lock} is held for a later run. This training is left over, and ends")
        write_json(taken.lock, {**_who(), "token": taken.token})
        return taken

    @classmethod
    def seen(cls, folder: Path, key: Mapping[str, Any]) -> "Checkpoints":
        """To read from; for the ranks beside the one that writes."""
        return cls(folder, json.loads(json.dumps(key)), secrets.token_hex(8))

    @property
    def file(self) -> Path:
        return self.folder / "state.pt"

    @property
    def lock(self) -> Path:
        return self.folder / "lock.json"

    def check_lock(self) -> None:
        """LockLostError if another run has taken the folder over, or it is gone."""
        found = self._holder()
        if found.get("token") != self.token:
            job = f"SLURM job {found['job']}" if found.get("job") else f"process {found.get('pid')}"
            holder = f"{job} on {found.get('host')}" if found else "nobody"
            raise LockLostError(
                f"{self.lock} is now held by {holder}: the same training was started again. This run writes nothing "
                "and ends"
            )

    def _holder(self) -> dict[str, Any]:
        """What the lock says of who holds it; empty if nobody does, or it is damaged."""
        try:
            found = json.loads(self.lock.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, state: Mapping[str, Any]) -> None:
        """Write a state (tensors and plain values, nested) in place of the last one."""
        self.check_lock()
        with replacing(self.file) as scratch:
            _write({"key": json.dumps(self.key), "state": dict(state)}, scratch)
            self.check_lock()

    def load(self) -> dict[str, Any] | None:
        """The last state, on the CPU; None if there is none of this training (a log line says why)."""
        if not self.file.is_file():
            return None
        try:
            with zipfile.ZipFile(self.file) as parts:
                broken = parts.testzip()  # torch.load does not look at the checksums
            if broken is not None:
                raise zipfile.BadZipFile(f"checksum of {broken}")
            found = torch.load(self.file, map_location="cpu", weights_only=True)
            key, state = json.loads(found["key"]), found["state"]
        except _DAMAGED as error:
            log.warning("%s is damaged (%s): training starts anew", self.file, type(error).__name__)
            return None
        if key != self.key:
            differing = sorted(k for k in {*key, *self.key} if key.get(k) != self.key.get(k))
            log.warning(
                "%s is of another training (%s differ): it starts anew", self.file, ", ".join(differing)
            )
            return None
        restored: dict[str, Any] = state
        return restored

    def remove(self) -> None:
        """After success: leave nothing behind."""
        self.check_lock()
        for path in (self.file, self.lock):
            path.unlink(missing_ok=True)
        for scratch in self.folder.glob(".*"):  # of runs that were killed while they wrote
            scratch.unlink(missing_ok=True)
        with suppress(OSError):  # something else lies there
            self.folder.rmdir()


def _write(content: Mapping[str, Any], file: Path) -> None:
    """OSError if the disk refuses; torch's own error would hide why, and hold the file's blocks."""
    with file.open("wb") as out:
        try:
            torch.save(content, out)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _who() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "pid": os.getpid(),
        "job": os.environ.get("SLURM_JOB_ID"),
        "run_began_utc": run_began_utc() or utc_now(),
    }
