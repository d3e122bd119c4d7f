"""Files of a DICOM node's queue: synced, private to their owner, and one process at a time."""

import fcntl
import hashlib
import shutil
from pathlib import Path
from typing import IO

from mammo_steps.core.files import sync


def make_folder(folder: Path) -> None:
    """Unless it is there; private, and its name on the disk."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        sync(folder.parent)


def sha256_of(path: Path) -> str | None:
    """Of a file's bytes; None if it is not there, or cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def remove(path: Path) -> None:
    """A file or a folder with all in it; nothing if it is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def locked(folder: Path) -> IO[str]:
    """Holds the folder until the file is closed or the process ends; ValueError if another one holds it."""
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ValueError(f"{folder}: a node already works on this queue; one queue, one node") from error
    return file
