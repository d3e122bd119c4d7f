"""Parquet tables whose columns are those of `core.columns.TABLES`, no more and no fewer."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from mammo_steps.core.artefacts import artefact, reading
from mammo_steps.core.column import Column
from mammo_steps.core.columns import TABLES
from mammo_steps.core.recipe import Marked, Recipe
from mammo_steps.core.units import unit_of

_TYPES = {
    "string": pa.string(),
    "binary": pa.binary(),
    "bool": pa.bool_(),
    "double": pa.float64(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "list<double>": pa.list_(pa.float64()),
    "list<float>": pa.list_(pa.float32()),
    "list<int32>": pa.list_(pa.int32()),
    "list<uint16>": pa.list_(pa.uint16()),
}


@functools.cache
def schema(kind: str) -> pa.Schema:
    """The pyarrow schema of a table of `core.columns.TABLES`, with each column's meaning and unit as metadata."""
    fields = [_field(name, column) for name, column in TABLES[kind].items()]
    return pa.schema(fields, metadata={"table": kind})


def _field(name: str, column: Column) -> pa.Field:
    """What has no unit bears none."""
    unit = None if column.type.startswith("string") else unit_of(name)
    about = {"meaning": column.meaning} | ({"unit": unit} if unit else {})
    type_ = _TYPES[column.type.rstrip("?")]
    return pa.field(name, type_, nullable=column.type.endswith("?"), metadata=about)


def _checked(kind: str, columns: Mapping[str, Any]) -> pa.Table:
    wanted = schema(kind)
    if set(columns) != set(wanted.names):
        raise ValueError(
            f"table `{kind}`: missing columns {sorted(set(wanted.names) - set(columns))}, "
            f"unknown columns {sorted(set(columns) - set(wanted.names))}"
        )
    arrays = [pa.array(columns[field.name], type=field.type, from_pandas=True) for field in wanted]
    for field, array in zip(wanted, arrays, strict=True):
        if array.null_count and not field.nullable:
            raise ValueError(
                f"table `{kind}`: {array.null_count} of {len(array)} values of `{field.name}` are null"
            )
    return pa.Table.from_arrays(arrays, schema=wanted)


def _marked_schema(kind: str, recipe: Recipe | None) -> pa.Schema:
    plain = schema(kind)
    return plain if recipe is None else plain.with_metadata(plain.metadata | recipe.metadata())


def recipe_of(path: Path) -> Marked:
    """The table's recipe; ValueError if it bears none."""
    with naming(path):
        metadata = pq.read_schema(reading(path)).metadata
    return Marked.from_metadata(path, _texts(metadata))


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def write_table(path: Path, kind: str, columns: Mapping[str, Any], recipe: Recipe | None = None) -> None:
    """Write columns (name -> list, array or pandas Series, NaN = null) as one zstd-compressed table.

    recipe  what the pixels behind it went through, for a table that depends on pixels
    """
    table = _checked(kind, columns).replace_schema_metadata(_marked_schema(kind, recipe).metadata)
    with artefact(path) as scratch:
        pq.write_table(table, scratch, compression="zstd", write_page_checksum=True)


def write_rows(
    path: Path, kind: str, rows: Sequence[Mapping[str, Any]], recipe: Recipe | None = None
) -> None:
    """As `write_table`, from one mapping per row; a missing key is a null."""
    unknown = {key for row in rows for key in row} - set(TABLES[kind])
    if unknown:
        raise ValueError(f"table `{kind}`: unknown columns {sorted(unknown)}")
    write_table(path, kind, {name: [row.get(name) for row in rows] for name in TABLES[kind]}, recipe)


def read_table(path: Path, kind: str, columns: Iterable[str] | None = None) -> pa.Table:
    """Read a table; ValueError if it is damaged or not of this kind (columns or types differ)."""
    with naming(path), pq.ParquetFile(reading(path), page_checksum_verification=True) as file:
        check_counts(file.metadata)
        table = file.read(list(columns) if columns is not None else None)
    wanted = schema(kind)
    for field in table.schema:
        if field.name not in wanted.names or wanted.field(field.name).type != field.type:
            raise ValueError(
                f"{path}: column `{field.name}` ({field.type}) does not belong to a `{kind}` table"
            )
    if columns is None and table.schema.names != wanted.names:
        raise ValueError(f"{path}: columns {table.schema.names}, wanted {wanted.names}")
    return table


def check_counts(found: pq.FileMetaData) -> None:
    """ArrowInvalid unless the numbers of rows in a file's footer agree: page checksums do not cover it."""
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    if sum(group.num_rows for group in groups) != found.num_rows:
        raise pa.ArrowInvalid(f"its row groups do not add up to {found.num_rows} rows")
    for group in groups:
        columns = [group.column(number) for number in range(group.num_columns)]
        # a cell of a list column has no or several values
        if any(c.num_values != group.num_rows for c in columns if "." not in c.path_in_schema):
            raise pa.ArrowInvalid(f"a column does not have {group.num_rows} values")


class RowGroups:
    """An open table of one-row row groups, read one at a time; ValueError if it is damaged or of no kind of `kinds`."""

    def __init__(self, path: Path, *kinds: str) -> None:
        self.path = path
        with naming(path):
            self._file = pq.ParquetFile(reading(path), page_checksum_verification=True)
            found = self._file.schema_arrow
        if not any(found.equals(schema(kind)) for kind in kinds):
            self._file.close()
            raise ValueError(f"{path} is not a `{'` or `'.join(kinds)}` table: its columns are {found.names}")

    @property
    def recipe(self) -> Marked:
        """ValueError if the table bears none."""
        return Marked.from_metadata(self.path, _texts(self._file.metadata.metadata))

    def read(self, row_group: int) -> pa.Table:
        """The one row of a row group."""
        with naming(self.path, f", row group {row_group}"):
            table = self._file.read_row_group(row_group)
            if len(table) != 1:
                raise pa.ArrowInvalid(f"{len(table)} rows, wanted 1")
            return table

    def close(self) -> None:
        self._file.close()


@contextmanager
def naming(path: Path, where: str = "") -> Iterator[None]:
    """Turn what is wrong with a file's bytes into a ValueError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeError) as error:
        told = " ".join(str(error).split()).rstrip(".")  # pyarrow's own may go over several lines
        raise ValueError(
            f"{path}{where} cannot be read: {told}. If the file is damaged, delete it and run the "
            "workflow again: the step that writes it does so anew"
        ) from error


class RowGroupWriter:
    """Writes one row per row group, so that a row can later be read alone."""

    def __init__(self, path: Path, kind: str, compression: str, recipe: Recipe | None = None) -> None:
        self.n_rows = 0
        self._kind = kind
        self._artefact = artefact(path)
        self._path = path
        self._compression = compression
        self._recipe = recipe

    def __enter__(self) -> Self:
        # No statistics and no dictionary: they would cost more than they save on one-row groups.
        self._writer = pq.ParquetWriter(
            self._artefact.__enter__(),
            _marked_schema(self._kind, self._recipe),
            compression=self._compression,
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
        )
        return self

    def append(self, row: Mapping[str, Any]) -> int:
        """Write one row; returns its row group."""
        return self.append_all({name: [value] for name, value in row.items()})

    def append_all(self, columns: Mapping[str, Any]) -> int:
        """Write several rows, each as a row group; returns the first one's."""
        table = _checked(self._kind, columns)
        self._writer.write_table(table, row_group_size=1)
        first, self.n_rows = self.n_rows, self.n_rows + len(table)
        return first

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._artefact.__exit__(kind, error, trace)


@contextmanager
def batch_writer(
    path: Path, kind: str, rows_per_group: int = 10_000
) -> Iterator[Callable[[Mapping[str, Sequence[Any]]], None]]:
    """Yield a function that adds rows, as columns of one length, to a table of any length with flat memory.

    Rows are collected and go out in row groups; the table appears when the block has succeeded.
    """
    collected: dict[str, list[Any]] = {name: [] for name in TABLES[kind]}
    with (
        artefact(path) as scratch,
        pq.ParquetWriter(scratch, schema(kind), compression="zstd", write_page_checksum=True) as writer,
    ):

        def flush() -> None:
            writer.write_table(_checked(kind, collected))
            for values in collected.values():
                values.clear()

        def extend(columns: Mapping[str, Sequence[Any]]) -> None:
            for name, values in collected.items():
                values += columns[name]
            if len(next(iter(collected.values()))) >= rows_per_group:
                flush()

        yield extend
        flush()
