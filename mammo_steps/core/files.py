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
        folder = os.open(path.parent, os.O_RDONLY)  # the rename itself must survive a power cut
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        scratch.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, indented(value))


def indented(value: Any) -> str:
    """JSON, keys in the given order; NaN is refused (JSON has none)."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
