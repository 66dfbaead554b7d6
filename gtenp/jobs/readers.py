"""Files to records: each form of file has one function, which gives them in order.

What can't be read as a text becomes a :class:`Bad` in its place, and the reading goes on: numbers,
places and ids stay those of the file.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtenp.errors import InputError, MissingPackageError
from gtenp.jobs.formats import GLOB, format_of
from gtenp.jobs.records import Bad, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO


@dataclass(frozen=True)
class Source:
    """What to read and how."""

    inputs: tuple[str, ...]  # files, folders, - for standard input
    format: str | None = None  # instead of what the ending says
    column: str | None = None  # that holds the text; in JSON with dots
    id_column: str | None = None
    glob: tuple[str, ...] = GLOB
    sql: str | None = None
    texts: tuple[str, ...] = ()  # what is at hand already, in place of inputs

    def __post_init__(self) -> None:
        for name in self.inputs:
            form = format_of(name, self.format)
            if form == "sqlite" and not self.sql:
                raise InputError(f"{name}: --sql says what to read: --sql 'select id, text from t'")

    def line_id(self, place: str, line: int) -> str:
        """The id of a text that has none: its line, and its file where there are several."""
        return place if len(self.inputs) > 1 else str(line)


def read(source: Source) -> Iterator[Record | Bad]:
    """Everything that the source holds, in its order."""
    number = 0
    for number, text in enumerate(source.texts, 1):
        yield Record(number - 1, str(number), f"text {number}", text)
    for name in source.inputs:
        readers = {
            "lines": _lines,
            "jsonl": _jsonl,
            "csv": _csv,
            "tsv": _csv,
            "document": _documents,
            "folder": _documents,
            "parquet": _parquet,
            "sqlite": _sqlite,
        }
        for found in readers[format_of(name, source.format)](name, source):
            yield replace(found, number=number)
            number += 1


def count(source: Source) -> int | None:
    """How many records there are, where that is cheap to know; for a progress bar, so that a CSV's
    lines may stand for its rows.
    """
    total = len(source.texts)
    for name in source.inputs:
        form = format_of(name, source.format)
        if form == "folder":
            total += len(files_of(name, source))
        elif form == "document":
            total += 1
        elif form == "parquet":
            total += pyarrow().parquet.ParquetFile(name).metadata.num_rows
        elif form == "sqlite" or name.endswith(".gz") or not os.path.isfile(name):
            return None
        else:
            with open(name, "rb") as file:
                lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
            total += lines - (form in ("csv", "tsv"))
    return total


def files_of(folder: str, source: Source) -> list[str]:
    """A folder's files that the globs name, in the order of their names."""
    root = Path(folder)
    found = {path for pattern in source.glob for path in root.rglob(pattern) if path.is_file()}
    return sorted(str(path) for path in found)


# ── Lines ────────────────────────────────────────────────────────────────────────────────────────


def _lines(name: str, source: Source) -> Iterator[Record | Bad]:
    for line, raw in _raw_lines(name):
        place = _place(name, line)
        try:
            yield Record(0, source.line_id(place, line), place, raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield _not_utf8(place, error)


def _jsonl(name: str, source: Source) -> Iterator[Record | Bad]:
    column, id_column = source.column or "text", source.id_column
    first = True
    for line, raw in _raw_lines(name):
        place = _place(name, line)
        try:
            row = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield _not_utf8(place, error)
        except (ValueError, RecursionError) as error:
            yield Bad(0, place, f"is not JSON: {error}")
        else:
            if isinstance(row, dict):
                if first and id_column is None and "id" in row:
                    id_column = "id"
                first = False
                yield _record(source, place, line, row, column, id_column)
            else:
                yield Bad(0, place, f"is {_kind(row)}; wanted an object with a field {column!r}")


def _raw_lines(name: str) -> Iterator[tuple[int, bytes]]:
    """Lines by number, without their ends, as cli.options.lines_of cuts them."""
    with _opened(name) as file:
        for line, raw in enumerate(file, 1):
            if line == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            yield line, raw.removesuffix(b"\n").removesuffix(b"\r")


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer  # which stays open
        return
    with gzip.open(name) if name.endswith(".gz") else open(name, "rb") as file:
        try:
            yield file  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{name}: {error}; copy the file anew") from error


def _place(name: str, line: int) -> str:
    return f"standard input, line {line}" if name == "-" else f"{name}:{line}"


def _not_utf8(place: str, error: UnicodeDecodeError) -> Bad:
    return Bad(0, place, f"byte {error.start} is not UTF-8")


# ── Tables ───────────────────────────────────────────────────────────────────────────────────────


def _csv(name: str, source: Source) -> Iterator[Record | Bad]:
    dialect = "excel-tab" if format_of(name, source.format) == "tsv" else "excel"
    csv.field_size_limit(min(sys.maxsize, (1 << 31) - 1))  # the usual 128 kB is less than a text
    with _opened(name) as file:
        # What is no UTF-8 is found in its row, where the line is known.
        lines = (raw.decode("utf-8-sig" if not line else "utf-8", "surrogateescape")
                 for line, raw in enumerate(file))  # fmt: skip
        rows = csv.reader(lines, dialect, strict=True)
        try:
            header = next(rows, None)
        except csv.Error as error:
            raise InputError(f"{name}:1: no line of names: {error}") from error
        if header is None:
            return
        column, id_column = choose_columns(name, header, source)
        while True:
            line = rows.line_num + 1
            place = _place(name, line)
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Bad(0, place, f"is not CSV: {error}")
                continue
            if row is None:
                return
            if len(row) != len(header):
                yield Bad(0, place, f"has {len(row)} fields; wanted {len(header)}")
            elif any(map(_surrogates, row)):
                yield Bad(0, place, "is not UTF-8")
            else:
                by_name = dict(zip(header, row, strict=True))
                yield _record(source, place, line, by_name, column, id_column)


def _parquet(name: str, source: Source) -> Iterator[Record | Bad]:
    with pyarrow().parquet.ParquetFile(name) as file:
        column, id_column = choose_columns(name, file.schema_arrow.names, source)
        row = 0
        wanted = list(dict.fromkeys([column, id_column or column]))
        for batch in file.iter_batches(batch_size=1024, columns=wanted):
            for values in batch.to_pylist():
                row += 1
                yield _record(source, f"{name}:{row}", row, values, column, id_column, keep=False)


def _sqlite(name: str, source: Source) -> Iterator[Record | Bad]:
    import sqlite3

    address = Path(name).absolute().as_uri() + "?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            cursor = connection.execute(str(source.sql))
            names = [column[0] for column in cursor.description or ()]
            column, id_column = choose_columns(name, names, source)
            for row, values in enumerate(cursor, 1):
                by_name = dict(zip(names, values, strict=True))
                yield _record(source, f"{name}:{row}", row, by_name, column, id_column)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise InputError(f"{name}: {error}; --sql was {str(source.sql)!r:.80}") from error


def choose_columns(name: str, names: Sequence[str], source: Source) -> tuple[str, str | None]:
    """The columns of the text and of the id; InputError where they are not there.

    Without a word from the caller, these are "text", or the only one, and "id", if it is there.
    """
    column = source.column or ("text" if "text" in names or len(names) != 1 else names[0])
    id_column = source.id_column or ("id" if "id" in names and column != "id" else None)
    for option, wanted in (("--column", column), ("--id", id_column)):
        if wanted is not None and names.count(wanted) != 1:
            how = "has two columns" if wanted in names else "has no column"
            raise InputError(
                f"{name}: {how} {wanted!r}, but {', '.join(names) or 'none'}; {option} names one"
            )
    return column, id_column


def _record(
    source: Source,
    place: str,
    line: int,
    row: dict[str, Any],
    column: str,
    id_column: str | None,
    keep: bool = True,
) -> Record | Bad:
    text = _value(row, column)
    if not isinstance(text, str):
        return Bad(0, place, _problem(row, column, text, "a text"))
    if _surrogates(text):
        return Bad(0, place, f"{column!r} has half of a surrogate pair, which is no character")
    ident: Any = source.line_id(place, line)
    if id_column is not None:
        ident = _value(row, id_column)
        if isinstance(ident, bool) or not isinstance(ident, str | int):
            return Bad(0, place, _problem(row, id_column, ident, "a text or a whole number"))
        ident = str(ident)
        if _surrogates(ident):
            return Bad(0, place, f"{id_column!r} has half of a surrogate pair")
    others = {name: value for name, value in row.items() if name not in (column, id_column)}
    return Record(0, ident, place, text, others if keep else None)


class _Missing:
    pass


def _value(row: dict[str, Any], path: str) -> Any:
    """A field, or with dots one within another; _Missing where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _Missing
        value = value[name]
    return value


def _problem(row: dict[str, Any], column: str, value: object, wanted: str) -> str:
    if value is _Missing:
        return f"has no field {column!r}, it has {', '.join(map(str, row)) or 'none'}"[:300]
    return f"{column!r} is {_kind(value)}; wanted {wanted}"


def _kind(value: object) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _surrogates(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def pyarrow() -> Any:
    """The package with its parquet module; MissingPackageError where it is not installed."""
    try:
        import pyarrow as package
        import pyarrow.parquet
    except ImportError as error:
        raise MissingPackageError("Parquet needs pyarrow: pip install 'gtenp[parquet]'") from error
    return package


# ── Whole files ──────────────────────────────────────────────────────────────────────────────────


def _documents(name: str, source: Source) -> Iterator[Record | Bad]:
    """A file is a text; a folder is those of its files that the globs name."""
    folder = Path(name).is_dir()
    for path in files_of(name, source) if folder else [name]:
        try:
            text = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        except UnicodeDecodeError as error:
            yield _not_utf8(path, error)
            continue
        ident = Path(path).relative_to(name).as_posix() if folder else path
        yield Record(0, ident, path, text)
