"""What stands in a Parquet table: columns, spread of numbers, frequent words. Values that are pixels are never read.

A column is read alone, and of a column no more than a fixed number of values, so that memory does not grow with the
table.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mammo_steps.core.columns import TABLES
from mammo_steps.core.csv_columns import shown_name
from mammo_steps.core.fact_text import Facts, cell_text
from mammo_steps.core.kinds import CLOSED_SETS, PRIVATE_WORDS
from mammo_steps.core.recipe import HASH, PARTS, Marked
from mammo_steps.core.spread import QUANTILES, most_frequent, quantiles
from mammo_steps.core.tables import check_counts, naming, schema

MOST_VALUES = 4_000_000  # of a column that are read; of more, row groups from all over the table
_NOT_SHOWN = "not shown"


def table_of(path: Path) -> str | None:
    """The table of `core.columns.TABLES` that a Parquet file says it is; None if it says nothing."""
    with naming(path):
        found = (pq.read_schema(path).metadata or {}).get(b"table", b"").decode()
    return found if found in TABLES else None


def table_facts(path: Path, kind: str | None, most_values: int = MOST_VALUES) -> list[Facts]:
    """Facts about a Parquet file; ValueError if it is damaged.

    kind  of `core.columns.TABLES`; values of another table are not read, since they may be ids
    A column that is not of the table is told by its place: its name may be an identity, too.
    """
    with naming(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        check_counts(file.metadata)
        facts = [_whole(path, file, kind)]
        sizes = _sizes(file.metadata)
        numbers: list[list[Any]] = []
        words: list[list[Any]] = []
        nulls: dict[str, float] = {}
        shown = CLOSED_SETS - (PRIVATE_WORDS if kind == "headers" else set())
        for field in _readable(file.schema_arrow, kind):
            chosen = _chosen(file.metadata, sizes.get(field.name, (0, 0))[0], most_values)
            column = file.read_row_groups(chosen, [field.name]).column(0)
            nulls[field.name] = column.null_count / len(column) if len(column) else 0.0
            if _is_number(field.type):
                numbers.append([field.name, *_number_row(column)])
            else:
                words.append([field.name, *_word_row(column, shown=field.name in shown)])
        facts.append(_columns(file.schema_arrow, kind, sizes, nulls))
        read_all = all(n <= most_values for n, _ in sizes.values())
    part = (
        ""
        if read_all
        else f" (of columns with more than {most_values:,} values: row groups from all over it)"
    )
    if numbers:
        facts.append(Facts(f"numbers{part}", ("column", "values", *QUANTILES), numbers))
    if words:
        facts.append(Facts(f"words{part}", ("column", "distinct", "values"), words))
    return facts + (list(_recipe(path)) if kind is not None else [])


def _readable(found: pa.Schema, kind: str | None) -> list[pa.Field]:
    """The columns that are those of the table, less its pixels."""
    known = {field.name: field.type for field in schema(kind)} if kind else {}
    return [field for field in found if known.get(field.name) == field.type != pa.binary()]


def _whole(path: Path, file: pq.ParquetFile, kind: str | None) -> Facts:
    about = file.metadata
    codecs = (
        {about.row_group(0).column(i).compression for i in range(about.num_columns)}
        if about.num_row_groups
        else ()
    )
    rows: list[tuple[str, Any]] = [
        ("table", kind or "of no kind of this workflow: its values are not read"),
        ("rows", about.num_rows),
        ("row groups", about.num_row_groups),
        ("bytes", path.stat().st_size),
        ("compression", ", ".join(sorted(codecs)).lower() or "none"),
    ]
    if kind is not None and not file.schema_arrow.equals(schema(kind)):
        rows.append(("version", _difference(file.schema_arrow.names, schema(kind).names)))
    return Facts("file", (), rows)


def _difference(found: Sequence[str], wanted: Sequence[str]) -> str:
    missing = sorted(set(wanted) - set(found))
    more = [shown_name(name, place, wanted) for place, name in enumerate(found, 1) if name not in wanted]
    told = [f"{', '.join(missing)} missing"] * bool(missing) + [f"{', '.join(more)} more"] * bool(more)
    return f"not the one at hand: {'; '.join(told) or 'types or order of the columns differ'}"


def _sizes(about: pq.FileMetaData) -> dict[str, tuple[int, int]]:
    """Column -> number of values and bytes in the file."""
    sizes: dict[str, tuple[int, int]] = {}
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        for i in range(group.num_columns):
            part = group.column(i)
            name = part.path_in_schema.partition(".")[0]
            n, n_bytes = sizes.get(name, (0, 0))
            sizes[name] = (n + part.num_values, n_bytes + part.total_compressed_size)
    return sizes


def _chosen(about: pq.FileMetaData, n_values: int, most_values: int) -> list[int]:
    """All row groups, or as many from all over the file as hold about `most_values` of `n_values`; one at least."""
    n = about.num_row_groups
    if n_values <= most_values:
        return list(range(n))
    return sorted({int(i) for i in np.linspace(0, n - 1, max(1, n * most_values // n_values))})


def _is_number(type_: pa.DataType) -> bool:
    value = type_.value_type if pa.types.is_list(type_) else type_
    return bool(pa.types.is_integer(value) or pa.types.is_floating(value))


def _number_row(column: pa.ChunkedArray) -> list[Any]:
    flat = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    values = flat.drop_null().to_numpy()
    return [len(values), *quantiles(values)]


def _word_row(column: pa.ChunkedArray, shown: bool) -> tuple[int, str]:
    """Number of distinct values, and the most frequent ones if they may be shown."""
    if pa.types.is_boolean(column.type) or shown:
        found = pc.value_counts(column.drop_null()).to_pylist()
        counts = {cell_text(one["values"]): one["counts"] for one in found}
        return len(counts), most_frequent(counts)
    return int(pc.count_distinct(column).as_py()), _NOT_SHOWN


def _columns(
    found: pa.Schema, kind: str | None, sizes: dict[str, tuple[int, int]], nulls: dict[str, float]
) -> Facts:
    known = schema(kind).names if kind else ()
    rows: list[tuple[Any, ...]] = []
    for place, field in enumerate(found, 1):
        if field.name not in known:
            type_ = re.split(r"\W", str(field.type))[0]  # (of a struct no names)
            n_bytes = sizes.get(field.name, (0, 0))[1]
            rows.append((shown_name(field.name, place, known), type_, None, None, n_bytes, None))
            continue
        about = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        null = f"{nulls[field.name]:.1%}" if nulls.get(field.name) else None
        type_ = str(field.type).replace("element: ", "").replace("item: ", "")
        n_bytes = sizes.get(field.name, (0, 0))[1]
        rows.append((field.name, type_, about.get("unit"), null, n_bytes, about.get("meaning")))
    return Facts("columns", ("column", "type", "unit", "null", "bytes", "meaning"), rows)


def _recipe(path: Path) -> Iterator[Facts]:
    """Of a file whose pixels, or what was made from them, bear one."""
    found = {key.decode(): value.decode() for key, value in (pq.read_schema(path).metadata or {}).items()}
    if HASH in found and PARTS in found:
        recipe = Marked.from_metadata(path, found).recipe
        parts = [(step, ", ".join(recipe_words(settings))) for step, settings in recipe.parts]
        yield Facts("recipe of its pixels", (), [("hash", recipe.hash), *parts])


def recipe_words(settings: Any, prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from recipe_words(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} {value if isinstance(value, str) else json.dumps(value)}"
