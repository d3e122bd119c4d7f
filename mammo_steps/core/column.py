"""What a table's column is."""

from typing import NamedTuple


class Column(NamedTuple):
    """type: a pyarrow type name, `list<...>` for lists. A trailing `?` in it allows nulls."""

    type: str
    meaning: str
