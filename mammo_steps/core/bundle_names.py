"""A bundle's folder: names of its files, and the id that stands for all of its content. Imports nothing heavy."""

import hashlib
import re
from pathlib import Path, PurePosixPath

SUMS, ABOUT = "SHA256SUMS", "bundle.json"
MODELS = ("holistic", "attention")
_LINE = re.compile(r"([0-9a-f]{64})  ([^*\\\s][^\\\r]*)")


def weights_name(member: str, model: str) -> str:
    return f"networks/{member}/{model}.safetensors"


def bundle_id(folder: Path) -> str:
    """12 hex digits of the sha256 of the bundle's checksums."""
    return hashlib.sha256((folder / SUMS).read_bytes()).hexdigest()[:12]


def sums_of(folder: Path) -> dict[str, str]:
    """Name -> sha256, as `sha256sum` lists them; ValueError unless every line is just what make_bundle writes.

    (The bundle's id is of these bytes: one content has one text.)
    """
    path = folder / SUMS
    *lines, rest = path.read_bytes().decode("utf-8", "replace").split("\n")
    found: dict[str, str] = {}
    for number, line in enumerate([*lines, *([rest] if rest else [])], 1):
        parts = _LINE.fullmatch(line)
        if parts is None or parts[2] in found or number > len(lines):
            raise ValueError(
                f"{path}, line {number}: {line[:90]!r}, wanted 64 hex digits, two spaces, the name of a further file "
                "and the line's end. Copy the bundle again from where it was made"
            )
        if PurePosixPath(parts[2]).is_absolute() or ".." in PurePosixPath(parts[2]).parts:
            raise ValueError(f"{path} names files outside the bundle: it was changed. Copy the bundle again")
        found[parts[2]] = parts[1]
    return found
