"""Reading somebody's table (CSV, TSV) to the letter: the one reader of every data set's label tables.

Cells are text: nothing is guessed to be a number, a date or missing. A file in another format than the one that
the adapter states is refused at its first line; faults of rows are collected and told together, by line and
column. No message shows a cell, since any cell may be an id.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mammo_steps.core.artefacts import reading
from mammo_steps.core.labels import ExamLabel

SHOWN = 10  # faults that a message lists
MOST = 1e6  # of a number in a table: sums and squares of larger ones may be infinite
SCORES = ("reader_1_left", "reader_1_right", "reader_2_left", "reader_2_right")
NOT_READ: Mapping[str, None] = dict.fromkeys(SCORES)  # of an `ExamLabel` without readers

T = TypeVar("T")
Record = tuple[int, list[str]]  # line, from 1; stripped cells. The first record is the header


@dataclass(frozen=True)
class TableFormat:
    """How a table is written.

    required, optional  columns that are read; an optional one that is not there is empty in every row
    separator           between cells
    missing             cells that mean nothing, as written in the file; blank cells always do
    other_names         what a column is called in other releases of the table: other name -> column
    more_columns        whether columns beside these are passed over (published tables) or refused (own ones)
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    separator: str = ","
    missing: frozenset[str] = frozenset()
    other_names: Mapping[str, str] = field(default_factory=dict)
    more_columns: bool = True


@dataclass(frozen=True)
class Row:
    """One row. `line` is the first of its lines, from 1; `cells` has every required and optional column."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell without blanks around it, empty where it means nothing."""
        return self.cells[column]


class Faults:
    """The faults of one table, collected to be told together."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[tuple[int, str, str]] = []

    def add(self, line: int, column: str, found: str, wanted: str) -> None:
        """`found` and `wanted` are in words: never a cell that may be an id."""
        self.found.append((line, column, f"found {found}, wanted {wanted}"))

    def refuse(self) -> None:
        """ValueError with the first faults, by line; nothing if there is none."""
        if not self.found:
            return
        in_order = sorted(self.found, key=lambda fault: fault[0])
        shown = [f"  line {line}, {column}: {fault}" for line, column, fault in in_order[:SHOWN]]
        if len(in_order) > SHOWN:
            shown.append(f"  and {len(in_order) - SHOWN} more")
        message = f"{self.path}: {len(in_order)} fault(s) in this table; correct it and start again:"
        raise ValueError("\n".join([message, *shown]))


def _records(path: Path, separator: str) -> Iterator[Record]:
    """(first line, stripped cells) of each record that is not blank, the header first."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such label table; name it in the config")
    with reading(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        before = 0  # lines up to the end of the record before: a quoted cell may hold line breaks
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield before + 1, [cell.strip() for cell in cells]
                before = reader.line_num
        except UnicodeDecodeError as error:
            line = _first_line_not_utf8(path)
            raise ValueError(
                f"{path}: line {line}: a character that is not UTF-8: save the table as `CSV UTF-8`"
            ) from error
        except csv.Error as error:
            raise ValueError(f"{path}: line {reader.line_num}: not a CSV line ({error})") from error


def _first_line_not_utf8(path: Path) -> int:
    """(The file is decoded in blocks, so that the error itself does not tell.)"""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


def _check_separator(path: Path, names: list[str], wanted: str) -> None:
    others = [mark for mark in _SEPARATORS if mark != wanted]
    if len(names) == 1 and any(mark in names[0] for mark in others):
        by = _SEPARATORS.get(wanted, f"`{wanted}`")
        raise ValueError(
            f"{path}: line 1: one column with `,`, `;` or tab inside; separate the columns by {by}"
        )


def _check_columns(path: Path, names: list[str], form: TableFormat) -> None:
    """ValueError unless the columns are the wanted ones, once each. A name is never shown: it may be data."""
    known = form.required + form.optional
    problems = [f"column {name} is missing" for name in form.required if name not in names]
    problems += [f"column {name} stands there twice" for name in known if names.count(name) > 1]
    unknown = [f"number {place}" for place, name in enumerate(names, 1) if name not in known]
    if unknown and not form.more_columns:
        problems.append(f"unknown columns, counted from the left: {', '.join(unknown[:SHOWN])}")
    if problems:
        wanted = f"Wanted: {', '.join(form.required)}"
        wanted += f", and optionally {', '.join(form.optional)}" if form.optional else ""
        raise ValueError(f"{path}: line 1: {'; '.join(problems)}. {wanted}")


def read_rows(path: Path, form: TableFormat, faults: Faults) -> Iterator[Row]:
    """The rows of a text table one by one; ValueError for a wrong header, `faults` gets rows of another length.

    Raises FileNotFoundError where there is no file.
    """
    return rows_of(path, _records(path, form.separator), form, faults)


def rows_of(path: Path, records: Iterator[Record], form: TableFormat, faults: Faults) -> Iterator[Row]:
    """As `read_rows`, of records that are read already; `path` is for messages."""
    _, header = next(records, (1, []))
    _check_separator(path, header, form.separator)
    names = [form.other_names.get(name, name) for name in header]
    _check_columns(path, names, form)
    wanted = form.required + form.optional
    places = {name: names.index(name) for name in wanted if name in names}
    absent = dict.fromkeys(wanted, "")
    for line, cells in records:
        if len(cells) != len(names):
            faults.add(line, "whole line", f"{len(cells)} cells", f"{len(names)}, as in line 1")
            continue
        found = {name: cells[place] for name, place in places.items() if cells[place] not in form.missing}
        yield Row(line, absent | found)


# as a person writes one: Python would also take 1_5, and digits of other scripts
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def need_ids(row: Row, columns: Iterable[str], faults: Faults) -> None:
    """A fault for each of these columns that holds nothing."""
    for column in columns:
        if not row[column]:
            faults.add(row.line, column, "nothing", "the id that stands in the DICOM headers or file names")


def number(row: Row, column: str, faults: Faults, wanted: str = "a number such as 2 or 0.5") -> float | None:
    """The number in a cell, of `MOST` at most; None where it holds nothing, or else with a fault."""
    text = row[column]
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        if abs(value := float(text)) <= MOST:
            return value
        faults.add(row.line, column, f"{value:g}", f"{-MOST:,.0f} to {MOST:,.0f}, or nothing")
        return None
    found = "a decimal comma" if re.fullmatch(r"-?\d+,\d+", text) else "no number"
    faults.add(row.line, column, found, f"{wanted}, or nothing")
    return None


def one_of(row: Row, column: str, words: Mapping[str, T], faults: Faults) -> T | None:
    """What the cell's word stands for, upper and lower case alike; None for nothing, or else with a fault.

    words  in lower case
    """
    text = row[column].lower()
    if text and text not in words:
        faults.add(row.line, column, "another word", f"{', '.join(words)}, or nothing")
    return words.get(text)


def code(row: Row, column: str, codes: Mapping[int, T], faults: Faults) -> T | None:
    """What the cell's whole number stands for, written `1` or `1.0`; None for nothing, or else with a fault."""
    wanted = f"one of {', '.join(map(str, codes))}"
    value = number(row, column, faults, wanted)
    if value is None:
        return None
    if value not in codes:
        faults.add(row.line, column, "another number", f"{wanted}, or nothing")
        return None
    return codes[int(value)]


def by_key(rows: Iterable[Row], *columns: str) -> dict[tuple[str, ...], list[Row]]:
    """The rows of each exam, breast or whatever the columns name, in the order of the file."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def agreed(rows: Iterable[Row], column: str, faults: Faults, of_what: str = "exam") -> Row | None:
    """The first of these rows with something in the column; None if all are empty.

    Rows that say something else get a fault; an empty cell contradicts nothing.
    """
    first: Row | None = None
    for row in rows:
        if not row[column]:
            continue
        first = first or row
        if row[column] != first[column]:
            faults.add(
                row.line,
                column,
                f"something else than line {first.line} has for the same {of_what}",
                f"one value per {of_what}",
            )
    return first


def checked(labels: list[ExamLabel], faults: Faults, row_of: str) -> list[ExamLabel]:
    """The labels, if there is no fault and there are any; else ValueError. `row_of` is what a row stands for."""
    faults.refuse()
    if not labels:
        raise ValueError(f"{faults.path}: no {row_of} below line 1; wanted one row per {row_of}")
    return labels
