"""Rows as a Parquet file (``gtenp[parquet]``): the input's columns, and the vectors beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.jobs.readers import Source, choose_columns, parquet_file, pyarrow
from gtenp.jobs.rows import as_text, beside_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gtenp.jobs.rows import Rows

_ROWS = 16384  # in a row group


def write(path: Path, rows: Rows) -> None:
    """id, place, text, in parts start and end; the input's other columns; ``embedding``, a
    fixed_size_list<float not null>[dim], which Polars, DuckDB, pandas and datasets read.

    The columns of Parquet inputs keep their types, if all have the same; of JSON, CSV, SQL and of a
    mixture one type is found for all values of a column, and text is what anything can be.
    """
    pa = pyarrow()
    names = rows.fields
    kinds = {"start": pa.int64(), "end": pa.int64()}
    others = _FromParquet(rows.typed) if rows.typed else _FromRecords(rows)
    value = {"float32": pa.float32(), "float16": pa.float16(), "int8": pa.int8(),
             "ubinary": pa.uint8()}[rows.dtype]  # fmt: skip
    width = rows.shape[1]
    vector = pa.list_(pa.field("element", value, nullable=False), width)
    fields = [pa.field(name, kinds.get(name, pa.string())) for name in names]
    fields += [*others.schema, pa.field("embedding", vector)]
    schema = pa.schema(fields, metadata={"gtenp": rows.metadata_json()})
    records = rows.spool.records()
    # Vectors have no repeats for a dictionary to name.
    plain = [field.name for field in fields if field.name != "embedding"]
    with pa.parquet.ParquetWriter(path, schema, use_dictionary=plain) as writer:
        for vectors in rows.vectors(_ROWS):
            some = [next(records) for _ in vectors]
            arrays = [
                pa.array([one[name] for one in some], field.type)
                for name, field in zip(names, fields, strict=False)
            ]
            arrays += others.take(some)
            flat = pa.array(np.ascontiguousarray(vectors).reshape(-1), value)
            arrays.append(pa.FixedSizeListArray.from_arrays(flat, type=vector))
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def have_one_schema(source: Source) -> bool:
    """Whether the inputs are Parquet files of the same columns, which ``write`` can then take from
    them again.
    """
    if source.forms != {"parquet"}:
        return False
    schemas = []
    for name in source.inputs:
        with parquet_file(name) as file:
            schemas.append(file.schema_arrow)
    return all(schema.equals(schemas[0]) for schema in schemas)


class _FromParquet:
    """The columns of Parquet inputs, read again beside the rows."""

    def __init__(self, source: Source) -> None:
        self._paths = source.inputs
        with parquet_file(self._paths[0]) as file:
            names = file.schema_arrow.names
            left_out = choose_columns(self._paths[0], names, source)
            self._fields = [field for field in file.schema_arrow if field.name not in left_out]
        names = beside_ours([field.name for field in self._fields])
        self.schema = [
            field.with_name(name) for field, name in zip(self._fields, names, strict=True)
        ]
        self._batches = self._read()
        self._first, self._batch = 0, None

    def _read(self) -> Iterator[Any]:
        names = [field.name for field in self._fields]
        for path in self._paths:
            with parquet_file(path) as file:
                yield from file.iter_batches(batch_size=8192, columns=names)

    def take(self, records: list[dict[str, Any]]) -> list[Any]:
        """The columns of these rows, which come in order."""
        if not self.schema:
            return []
        pa = pyarrow()
        parts: list[Any] = []
        numbers = [record["number"] for record in records]
        while numbers:
            while self._batch is None or numbers[0] >= self._first + len(self._batch):
                self._first += 0 if self._batch is None else len(self._batch)
                self._batch = next(self._batches)
            end = self._first + len(self._batch)
            here = [number - self._first for number in numbers if number < end]
            parts.append(self._batch.take(pa.array(here, pa.int64())))
            numbers = numbers[len(here) :]
        table = pa.Table.from_batches(parts)
        return [table[i].cast(field.type) for i, field in enumerate(self.schema)]


class _FromRecords:
    """The columns of other inputs, kept in the spool."""

    def __init__(self, rows: Rows) -> None:
        kinds: dict[str, set[str]] = {}
        for record in rows.spool.records():
            for name, value in record.get("columns", {}).items():
                kinds.setdefault(name, set()).add(_kind(value))
        self._names = list(kinds)
        self.schema = [
            pyarrow().field(name, _arrow_type(found - {"null"}))
            for name, found in zip(beside_ours(self._names), kinds.values(), strict=True)
        ]

    def take(self, records: list[dict[str, Any]]) -> list[Any]:
        """The columns of these rows."""
        pa = pyarrow()
        arrays = []
        for name, field in zip(self._names, self.schema, strict=True):
            values = [record.get("columns", {}).get(name) for record in records]
            if field.type == pa.string():
                values = [as_text(value) for value in values]
            arrays.append(pa.array(values, field.type))
        return arrays


def _kind(value: Any) -> str:
    """A type of Python's; of an int as much as float64 and int64 can hold of it."""
    if not isinstance(value, int) or isinstance(value, bool):
        return "null" if value is None else type(value).__name__
    return "int" if abs(value) <= 1 << 53 else "long" if -(1 << 63) <= value < 1 << 63 else "larger"


def _arrow_type(kinds: set[str]) -> Any:
    pa = pyarrow()
    if kinds == {"bool"}:
        return pa.bool_()
    if kinds and kinds <= {"int", "long"}:
        return pa.int64()
    if kinds and kinds <= {"int", "float"}:
        return pa.float64()
    return pa.string()
