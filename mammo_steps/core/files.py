"""Writing files so that nothing partial bears a final name."""

import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# what opening says of something that is no file: a link to itself, a name that is too long, a socket
NO_FILE = (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)

_checks: list[Callable[[], None]] = []


@contextmanager
def checking(check: Callable[[], None]) -> Iterator[None]:
    """In the block, `check` is called before each file gets its name, and may raise."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden scratch path beside `path`; fsync and rename it to `path` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # same folder, same suffix; not the process alone, since its number repeats from host to host
    scratch = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.{path.name}")
    try:
        yield scratch
        with scratch.open("rb") as written:
            os.fsync(written.fileno())
        for check in _checks:
            check()
        scratch.replace(path)
        sync(path.parent)  # the rename itself must survive a power cut
    finally:
        scratch.unlink(missing_ok=True)


def write_new(path: Path, text: str) -> None:
    """A file for its owner alone, whole or not at all; one that is there already is left as it is."""
    scratch = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.{path.name}")
    try:
        write_synced(scratch, text.encode())
        try:
            os.link(scratch, path)  # (a rename would replace what another process has just made)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if path.exists():
                return
            scratch.rename(path)
        sync(path.parent)
    finally:
        scratch.unlink(missing_ok=True)


def write_synced(path: Path, content: bytes | bytearray) -> None:
    """A new file, readable by its owner alone, whose bytes are on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(path: Path) -> None:
    """A file's bytes, or a folder's names (what was made or renamed in it), survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, indented(value))


def indented(value: Any) -> str:
    """JSON, keys in the given order; NaN is refused (JSON has none)."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
