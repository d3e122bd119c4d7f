"""What stands in a CSV, JSON, npz or text file, and in a folder."""

import csv
import itertools
import json
import lzma
import re
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mammo_steps.core.csv_columns import KNOWN, meanings, shown_name
from mammo_steps.core.fact_text import Facts, without_ids
from mammo_steps.core.kinds import kind_of
from mammo_steps.core.spread import QUANTILES, most_frequent, quantiles
from mammo_steps.core.units import unit_of

MOST_ROWS = 1_000_000  # of a CSV whose values are looked at
_CLOSED_SET = 50  # distinct words at most, else they are not counted
_MOST_KEYS = 200
_LONGEST = 60  # characters of a value
_LONGEST_LINE = 1_000_000  # characters of a CSV's row
_LARGEST_JSON = 200_000_000  # bytes
_LISTS = {"figures.json", "gallery.json"}  # the other JSON files of the workflow hold objects
_HEAD = 65_536  # bytes, in which a page has its title
_CHUNK = 1 << 20  # bytes
_DAMAGED_NPZ = (  # what reading one can raise
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError),
    *(ValueError, TypeError, SyntaxError, OverflowError, MemoryError),
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>|^# +([^\n]+)$", re.IGNORECASE | re.DOTALL | re.MULTILINE)


class _Column:
    """What a CSV's column holds: numbers as long as all are, else words."""

    def __init__(self, secret: bool) -> None:
        self.empty = 0
        self.words: Counter[str] | None = Counter()
        self.numbers: array[float] | None = None if secret else array("d")
        self.secret = secret

    def add(self, cell: str) -> None:
        if not cell:
            self.empty += 1
        elif not self.secret:
            if self.numbers is not None:
                try:
                    self.numbers.append(float(cell))
                except ValueError:
                    self.numbers = None
            if self.words is not None:
                self.words[cell] += 1
                if len(self.words) > _CLOSED_SET:
                    self.words = None


def csv_facts(path: Path, values_shown: bool) -> list[Facts]:
    """Facts about a CSV with a header line; values of ids are never looked at.

    A column whose name is not the project's own is told by its place: it may be a file without a header.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(_lines(file, path))
            names = next(lines, [])
            columns = [
                _Column(not values_shown or name not in KNOWN or name.endswith("_id")) for name in names
            ]
            n_rows = 0
            for cells in filter(None, lines):
                n_rows += 1
                if len(cells) != len(names):
                    raise ValueError(
                        f"{path}, line {lines.line_num}: {len(cells)} cells, the header has {len(names)}"
                    )
                if n_rows <= MOST_ROWS:
                    for column, cell in zip(columns, cells, strict=True):
                        column.add(cell)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a CSV in UTF-8 ({error})") from None
    looked_at = min(n_rows, MOST_ROWS)
    part = "" if n_rows == looked_at else f" (of the first {MOST_ROWS:,} rows)"
    about = meanings(path) if values_shown else {}
    shown = [shown_name(name, place) for place, name in enumerate(names, 1)]
    schema = [(name, unit_of(name) if name in about else None, about.get(name)) for name in shown]
    return [
        Facts("file", (), [("rows", n_rows), ("columns", len(names)), ("bytes", path.stat().st_size)]),
        *([Facts("columns", ("column", "unit", "meaning"), schema)] if about else []),
        *_csv_columns(zip(shown, columns, strict=True), looked_at, part),
    ]


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """Lines as they stand; ValueError if one is too long to be held at once."""
    number = 0
    while line := file.readline(_LONGEST_LINE + 1):
        number += 1
        if len(line) > _LONGEST_LINE:
            raise ValueError(
                f"{path}, line {number}: more than {_LONGEST_LINE:,} characters, wanted a row of a table"
            )
        yield line


def _csv_columns(columns: Iterable[tuple[str, _Column]], n_rows: int, part: str) -> list[Facts]:
    numbers: list[tuple[Any, ...]] = []
    words: list[tuple[Any, ...]] = []
    for name, column in columns:
        empty = f"{column.empty / n_rows:.1%}" if column.empty else None
        if column.numbers:
            numbers.append((name, empty, len(column.numbers), *quantiles(np.array(column.numbers))))
        elif column.secret:
            words.append((name, empty, None, "not shown"))
        elif column.words is None:
            words.append((name, empty, None, f"more than {_CLOSED_SET} words"))
        else:
            words.append((name, empty, len(column.words), most_frequent(column.words)))
    found = [Facts(f"numbers{part}", ("column", "empty", "values", *QUANTILES), numbers)] if numbers else []
    return found + (
        [Facts(f"words{part}", ("column", "empty", "distinct", "values"), words)] if words else []
    )


def json_facts(path: Path, values_shown: bool) -> list[Facts]:
    """Keys two levels deep, if they may be shown."""
    n_bytes = path.stat().st_size
    if n_bytes > _LARGEST_JSON:
        raise ValueError(f"{path} has {n_bytes:,} bytes: too much to be read as JSON at once")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as JSON ({without_ids(str(error))})") from None
    whole = Facts("file", (), [("bytes", n_bytes), ("holds", _json_type(value))])
    if not values_shown:
        return [whole]  # keys may be ids, too
    wanted = list if path.name in _LISTS else dict
    if not isinstance(value, wanted):
        raise ValueError(
            f"{path} holds {_json_type(value)}, wanted {'a list' if wanted is list else 'an object'}: "
            "run the rule that wrote it again (`snakemake verify` names it)"
        )
    rows = [(without_ids(name), *about) for name, about in _keys(value)]
    more = [(f"and {len(rows) - _MOST_KEYS} more", None, None)] if len(rows) > _MOST_KEYS else []
    return [whole, Facts("keys", ("key", "type", "value"), rows[:_MOST_KEYS] + more)]


def _keys(value: Any, prefix: str = "", depth: int = 1) -> list[tuple[str, tuple[Any, Any]]]:
    found: list[tuple[str, tuple[Any, Any]]] = []
    for key, one in value.items() if isinstance(value, dict) else ():
        scalar = not isinstance(one, dict | list)
        shown = without_ids(json.dumps(one, ensure_ascii=False)) if scalar else None
        if shown is not None and len(shown) > _LONGEST:
            shown = f"{shown[: _LONGEST - 3]}..."
        found.append((f"{prefix}{key}", (_json_type(one), shown)))
        if depth == 1:
            found += _keys(one, f"{prefix}{key}.", 2)
    return found


def _json_type(value: Any) -> str:
    if isinstance(value, dict):
        return f"object of {len(value)}"
    if isinstance(value, list):
        return f"list of {len(value)}"
    names = {str: "text", bool: "bool", int: "number", float: "number", type(None): "null"}
    return names[type(value)]


def npz_facts(path: Path, values_shown: bool) -> list[Facts]:
    """Arrays with shape and type from their headers alone; those that differ in a pseudonym together.

    values_shown  else names are not, since they may be ids
    """
    groups: Counter[tuple[str, str, str]] = Counter()
    try:
        with zipfile.ZipFile(path) as parts:
            for member in parts.namelist():
                with parts.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    header = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = header(file)
                name = without_ids(member.removesuffix(".npy")) if values_shown else "*"
                kind = "structured" if dtype.names else str(dtype)
                kind = "pickled objects, never opened" if dtype.hasobject else kind
                groups[name, " x ".join(map(str, shape)) or "scalar", kind] += 1
    except _DAMAGED_NPZ:
        raise ValueError(f"{path} is damaged, or no npz file") from None
    rows = [(name, n, shape, kind) for (name, shape, kind), n in sorted(groups.items())]
    whole = [("bytes", path.stat().st_size), ("arrays", groups.total())]
    return [Facts("file", (), whole), Facts("arrays", ("name", "arrays", "shape", "type"), rows)]


def text_facts(path: Path, values_shown: bool) -> list[Facts]:
    """Bytes, lines and, if it may be shown, the title of a page or a Markdown file."""
    with path.open("rb") as file:
        head = file.read(_HEAD).decode("utf-8", "replace")
        file.seek(0)
        n_lines, last = 0, b"\n"
        while chunk := file.read(_CHUNK):  # (a line may be too long to be held)
            n_lines, last = n_lines + chunk.count(b"\n"), chunk[-1:]
    rows: list[tuple[str, Any]] = [("bytes", path.stat().st_size), ("lines", n_lines + (last != b"\n"))]
    if values_shown and (found := _TITLE.search(head)):
        rows.append(("title", without_ids(" ".join((found[1] or found[2]).split()))))
    return [Facts("file", (), rows)]


def size_facts(path: Path) -> list[Facts]:
    return [Facts("file", (), [("bytes", path.stat().st_size)])]


def folder_facts(folder: Path) -> list[Facts]:
    """Files by what they are, hidden ones left out."""
    groups: dict[str, list[int]] = {}
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            kind = kind_of(path)
            name = kind.where if kind is not None else f"*{path.suffix}"
            groups.setdefault(name, []).append(path.stat().st_size)
    sizes = list(itertools.chain.from_iterable(groups.values()))
    rows = [(name, len(own), sum(own)) for name, own in sorted(groups.items())]
    whole = Facts("folder", (), [("files", len(sizes)), ("bytes", sum(sizes))])
    return [whole, Facts("files by kind", ("kind", "files", "bytes"), rows)]
