"""Whether the files of a bundle are those that were written, and its JSON files can be read.

The checksums find a file that was damaged, or changed by someone who did not mean to. They are no signature: whoever
writes new ones can write what he likes, but for what the networks themselves bear (`core.bundle_about`).
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mammo_steps.core.artefacts import reading
from mammo_steps.core.bundle_names import SUMS, sums_of
from mammo_steps.core.manifest import is_manifest

AGAIN = "copy the bundle again from where it was made, or make it anew with `snakemake make_bundle`"
_MOST = sys.float_info.max
_NOT_OF_THE_BUNDLE = ".snakemake_timestamp"  # Snakemake's own mark in a folder that a rule has made


def check_files(folder: Path, needed: Iterable[str]) -> None:
    """ValueError unless every file is as SHA256SUMS has it, there is no other one, and none of `needed` is missing."""
    if not (folder / SUMS).is_file():
        raise ValueError(f"{folder} is no bundle, or not a whole one: it has no {SUMS}; {AGAIN}")
    wanted = sums_of(folder)
    found = {path.relative_to(folder).as_posix() for path in _files(folder)} - {SUMS}
    for what, names in (
        ("lacks", set(wanted) - found),
        ("has beside its own", found - set(wanted)),
        (f"has no checksum in {SUMS} of", set(needed) - set(wanted)),
    ):
        if names:
            raise ValueError(f"the bundle {folder} {what} {', '.join(sorted(names)[:3])}; {AGAIN}")
    for name, digest in wanted.items():
        with reading(folder / name).open("rb") as file:
            is_ = hashlib.file_digest(file, "sha256").hexdigest()
        if is_ != digest:
            raise ValueError(
                f"{folder / name} was changed: its sha256 is {is_[:12]}..., {SUMS} says {digest[:12]}...; {AGAIN}"
            )


def _files(folder: Path) -> list[Path]:
    """All that is no folder, but for manifests and Snakemake's mark; ValueError for what is no plain file."""
    found = []
    for path in folder.rglob("*"):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ValueError(
                f"the bundle {folder} has {path}, a link or a device, wanted plain files; {AGAIN}"
            )
        if path.is_file() and not is_manifest(path) and path.name != _NOT_OF_THE_BUNDLE:
            found.append(path)
    return found


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object all of whose numbers are finite; ValueError otherwise."""
    try:
        found = json.loads(reading(path).read_text(encoding="utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON ({error}); {AGAIN}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds a JSON {type(found).__name__}, wanted an object; {AGAIN}")
    return found


def is_number(value: Any) -> bool:
    """Finite, and no larger than a float can hold; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} in it, wanted finite numbers")
