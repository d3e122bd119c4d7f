"""Numbers as text that repeats byte for byte: CSV and JSON with fixed precision."""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mammo_steps.core.artefacts import reading
from mammo_steps.core.damage import working_on


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV with floats to 6 decimals and None as an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(f"{row[name]:.6f}" if isinstance(row[name], float) else row[name] for name in columns)
    return text.getvalue()


def read_csv(path: Path, words: Collection[str]) -> list[dict[str, Any]]:
    """Rows of a CSV; all columns but `words` are numbers, an empty field is None. DamagedError names the file."""

    def value(name: str, field: str) -> str | int | float | None:
        if name in words:
            return field
        if not field:
            return None
        return int(field) if field.lstrip("-").isdigit() else float(field)

    with working_on(path):
        text = reading(path).read_bytes().decode("utf-8")
        if not text.endswith("\n"):
            raise ValueError(f"it ends in the middle of a line ({len(text):,} characters)")
        names, *rows = csv.reader(io.StringIO(text, newline=""))
        for number, row in enumerate(rows, 2):
            if len(row) != len(names):
                raise ValueError(f"row {number} has {len(row)} cells, the header has {len(names)}")
        return [{name: value(name, field) for name, field in zip(names, row, strict=True)} for row in rows]


def read_json(path: Path) -> Any:
    """What a JSON file holds. DamagedError names the file."""
    with working_on(path):
        return json.loads(reading(path).read_text(encoding="utf-8"))


class Exact(float):
    """A number whose every digit counts, such as a limit that scores are compared with."""


def exact(value: Any) -> Any:
    """A JSON value all of whose floats are `Exact`."""
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return Exact(value) if isinstance(value, float) else value


def _six_digits(value: Any) -> Any:
    """Floats to 6 significant digits but for `Exact` ones, NaN to None, all through a JSON value."""
    if isinstance(value, Exact):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _six_digits(item) for key, item in value.items()}
    return [_six_digits(item) for item in value] if isinstance(value, list) else value


def json_text(value: Any) -> str:
    """Indented JSON with floats to 6 significant digits (`Exact` ones to all) and every list of numbers on one line."""
    text = json.dumps(_six_digits(value), indent=2, allow_nan=False)
    return re.sub(r"\[([\s\d.,e+\-nul]*)\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"
