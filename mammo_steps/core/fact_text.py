"""Facts about a file as small tables: aligned text for people, JSON for programs."""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

WIDTH = 100  # columns of text
_LEAST = 24  # that the last column gets, however wide the others are
_COMMANDS = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))  # categories of Unicode
_PSEUDONYM = re.compile(r"\b[pief][0-9a-f]{20}\b")  # core.ids


class Facts(NamedTuple):
    """A small table.

    header  names of columns; none for pairs of a name and a value
    rows    cells: text, numbers, bools or None
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def without_ids(text: str) -> str:
    """Pseudonyms as `*`."""
    return _PSEUDONYM.sub("*", text)


def printable(text: str) -> str:
    """Characters that would command a terminal, or hide or turn text, as their escapes; lines stay lines."""
    return "".join(
        ascii(character)[1:-1]
        if character != "\n" and unicodedata.category(character) in _COMMANDS
        else character
        for character in text
    )


def cell_text(value: Any) -> str:
    """Whole numbers from 10,000 on with commas, others to 6 digits; None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def lines_of(facts: Facts) -> Iterator[str]:
    """A title and aligned columns, numbers to the right; the last column of words goes on in lines below."""
    yield facts.title
    cells = [[cell_text(value) for value in row] for row in facts.rows]
    if not cells:
        return
    numeric = [all(_is_number(row[i]) for row in facts.rows) for i in range(len(cells[0]))]
    listed = [list(facts.header), *cells] if facts.header else cells
    widths = [max(len(row[i]) for row in listed) for i in range(len(listed[0]))]
    left = 2 + sum(width + 2 for width in widths[:-1])  # where the last column begins
    for row in listed:
        start = "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row[:-1], widths[:-1], numeric[:-1], strict=True)
        )
        last = row[-1].rjust(widths[-1]) if numeric[-1] else row[-1]
        parts = [last] if numeric[-1] else textwrap.wrap(last, max(_LEAST, WIDTH - left)) or [""]
        for number, part in enumerate(parts):
            yield f"  {start if number == 0 else ' ' * len(start)}  {part}".rstrip()


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def as_json(facts: Facts) -> Any:
    """A list of objects; of pairs one object."""
    if not facts.header:
        return {row[0]: row[1] for row in facts.rows}
    return [dict(zip(facts.header, row, strict=True)) for row in facts.rows]
