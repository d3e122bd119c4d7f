"""What a step says of results of earlier steps that are not as those have left them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mammo_steps.core.origin import differences, origin_of

_LONGEST = 200  # characters of what went wrong
_NAMED = 4  # files in a message


class DamagedError(ValueError):
    """Names the file, what is wrong with it and what to do."""


@contextmanager
def working_on(*paths: Path) -> Iterator[None]:
    """What goes wrong in the block is said of the files or folders that it works on: a DamagedError.

    Of several those that are not as their manifests say; if there is none, all. Errors that name a file themselves,
    those of the system and of a block within, go through.
    """
    try:
        yield
    except (DamagedError, OSError, MemoryError):
        raise
    except Exception as error:
        raise DamagedError(_told(paths, error)) from error


def _told(paths: tuple[Path, ...], error: Exception) -> str:
    faults = {path: fault for path in paths if (fault := _fault(path)) is not None}
    if faults:
        named = ", ".join(f"{path} ({fault})" for path, fault in faults.items())
    else:
        more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
        named = f"{'one of ' if len(paths) > 1 else ''}{', '.join(map(str, paths[:_NAMED]))}{more}"
    return (
        f"{named}: damaged, or not what is wanted here: {_in_words(error)}. Make it again with the rule that wrote it "
        "(`snakemake verify` names it; what older code has made, `snakemake all` makes again)"
    )


def _fault(path: Path) -> str | None:
    """In what a file or folder first differs from its manifest; None if it does not, or has none."""
    try:
        found = origin_of(path)
        differing = differences(path, *found, quick=False) if found else []
    except ValueError as error:
        return str(error)
    return f"found {differing[0][0]}, its step left {differing[0][1]}" if differing else None


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())[:_LONGEST]
    if isinstance(error, KeyError):
        return f"it holds no {text}"
    return text if type(error) is ValueError else f"{type(error).__name__}: {text}"
