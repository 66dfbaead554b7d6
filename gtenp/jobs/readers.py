"""Files to records: each form of file has one function, which gives them in order.

What can't be read as a text becomes a :class:`Bad` in its place, and the reading goes on: numbers,
places and ids stay those of the file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import sys
import zlib
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtenp.errors import InputError, MissingPackageError
from gtenp.jobs.formats import FORMATS, GLOB, format_of, is_of
from gtenp.jobs.records import Bad, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO, TextIO


_TABLES = {"jsonl", "csv", "tsv", "parquet", "sqlite"}
_READ_BY = {  # the forms that an option is for
    "--format": set(FORMATS.values()),
    "--column": _TABLES,
    "--id": _TABLES,
    "--sql": {"sqlite"},
    "--glob": {"folder"},
}


@dataclass(frozen=True)
class Source:
    """What to read and how. InputError where an option is for none of the inputs."""

    inputs: tuple[str, ...]  # files, folders, - for standard input
    format: str | None = None  # instead of what the ending says
    column: str | None = None  # that holds the text; in JSON with dots
    id_column: str | None = None
    glob: tuple[str, ...] = GLOB
    sql: str | None = None
    texts: tuple[str, ...] = ()  # what is at hand already, in place of inputs
    columns: bool = True  # whether a row's other columns go along
    out: Path | None = None  # what is written, none of whose files is one of a folder's

    def __post_init__(self) -> None:
        given = {
            "--format": self.format,
            "--column": self.column,
            "--id": self.id_column,
            "--sql": self.sql,
            "--glob": self.glob != GLOB,
        }
        for option in (option for option, value in given.items() if value):
            if not self.forms & _READ_BY[option]:
                found = " and ".join(sorted(self.forms)) or "texts as arguments"
                piped = "-" in self.inputs and not self.format
                how = ", for want of a --format" if piped else ""
                raise InputError(
                    f"{option}: is for {', '.join(sorted(_READ_BY[option]))}, and what is given is "
                    f"read as {found}{how}; leave it out"
                )
        for name in (*self.inputs, *self.glob, self.column, self.id_column, self.sql):
            if name and _surrogates(name):
                raise InputError(
                    f"{name!r}: is not UTF-8, as which all is written down; give it another name"
                )
        for name in self.inputs:
            if not self.sql and format_of(name, self.format) == "sqlite":
                raise InputError(f"{name}: --sql says what to read: --sql 'select id, text from t'")

    @property
    def forms(self) -> set[str]:
        """How the inputs are read."""
        return {format_of(name, self.format) for name in self.inputs}

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
            with parquet_file(name) as file:
                total += file.metadata.num_rows
        elif form == "sqlite" or name.endswith(".gz") or not os.path.isfile(name):
            return None
        else:
            with open(name, "rb") as text:
                lines = sum(chunk.count(b"\n") for chunk in iter(lambda: text.read(1 << 20), b""))
            total += lines - (form in ("csv", "tsv"))
    return total


def files_of(folder: str, source: Source) -> list[str]:
    """A folder's files that the globs name and that are none of OUT's, in the order of their names;
    InputError if there is none.
    """
    root, out = Path(folder), source.out
    named = {path for pattern in source.glob for path in root.rglob(pattern) if path.is_file()}
    found = {path for path in named if out is None or not is_of(path, out)}
    if not found:
        names = " or ".join(source.glob)
        raise InputError(f"{folder}: has no file that is called {names}; --glob names others")
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
    has_ids: bool | None = None  # whether the first object has the field id, and so should all
    for line, raw in _raw_lines(name):
        if not raw.strip():
            continue  # as readers of JSON lines do
        place = _place(name, line)
        try:
            row = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            yield _not_utf8(place, error)
        except (ValueError, RecursionError) as error:
            yield Bad(0, place, f"is not JSON: {error}")
        else:
            if not isinstance(row, dict):
                yield Bad(0, place, f"is {_kind(row)}; wanted an object with a field {column!r}")
                continue
            if source.id_column is None and column != "id":
                if has_ids is None:
                    has_ids = "id" in row
                    id_column = "id" if has_ids else None
                elif has_ids != ("id" in row):
                    yield Bad(0, place, _other_id(row, has_ids))
                    continue
            yield _record(source, place, line, row, column, id_column)


def _other_id(row: dict[str, Any], wanted: bool) -> str:
    if wanted:
        return _problem(row, "id", _Missing, "") + ", and the first line has; --id names another"
    return "has a field 'id', and the first line has none; --id id takes each line's"


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
    with _opened(name) as file, _lines_of_csv(file) as lines:
        rows = csv.reader(lines, dialect, strict=True)
        try:
            header = next(filter(None, rows), None)
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
            if not row:
                continue  # a blank line
            if len(row) != len(header):
                yield Bad(0, place, f"has {len(row)} fields; wanted {len(header)}")
            elif any(map(_surrogates, row)):
                yield Bad(0, place, "is not UTF-8")
            else:
                by_name = dict(zip(header, row, strict=True))
                yield _record(source, place, line, by_name, column, id_column)


@contextmanager
def _lines_of_csv(file: BinaryIO) -> Iterator[TextIO]:
    """Lines that end as the csv module has them end: at CR, LF, or both."""
    # What is no UTF-8 is found in its row, where the line is known.
    text = io.TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()  # which leaves standard input open


def _parquet(name: str, source: Source) -> Iterator[Record | Bad]:
    with parquet_file(name) as file:
        column, id_column = choose_columns(name, file.schema_arrow.names, source)
        wanted = None if source.columns else list(dict.fromkeys([column, id_column or column]))
        row = 0
        for batch in file.iter_batches(batch_size=1024, columns=wanted):
            for values in batch.to_pylist():
                row += 1
                yield _record(source, f"{name}:{row}", row, values, column, id_column)


def _sqlite(name: str, source: Source) -> Iterator[Record | Bad]:
    import sqlite3

    address = Path(name).absolute().as_uri() + "?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            # What is no UTF-8 is found in its row, as of CSV.
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            cursor = connection.execute(str(source.sql))
            names = [column[0] for column in cursor.description or ()]
            column, id_column = choose_columns(name, names, source)
            for row, values in enumerate(cursor, 1):
                place, by_name = f"{name}:{row}", dict(zip(names, values, strict=True))
                if any(isinstance(value, str) and _surrogates(value) for value in values):
                    yield Bad(0, place, "is not UTF-8")
                else:
                    yield _record(source, place, row, by_name, column, id_column)
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise InputError(f"{name}: {error}; --sql was {str(source.sql)!r:.80}") from error


def choose_columns(name: str, names: Sequence[str], source: Source) -> tuple[str, str | None]:
    """The columns of the text and of the id; InputError where they are not there, or where two
    columns have one name.

    Without a word from the caller, these are "text" and "id", if it is there. The only column of
    Parquet or SQL is the text too; that of a CSV may have no name, and its first line be a text.
    """
    if len(set(names)) != len(names):
        twice = next(one for one in names if names.count(one) > 1)
        raise InputError(f"{name}: has two columns {twice!r}; give each a name of its own")
    in_a_line = format_of(name, source.format) in ("csv", "tsv")
    column = source.column or (names[0] if len(names) == 1 and not in_a_line else "text")
    id_column = source.id_column or ("id" if "id" in names and column != "id" else None)
    for option, wanted in (("--column", column), ("--id", id_column)):
        if wanted is not None and wanted not in names:
            found = f"{', '.join(names) or 'none':.200}"
            hint = "; the first line must hold the names, so add it if it is not there"
            raise InputError(
                f"{name}: has no column {wanted!r}, but {found}; {option} names one"
                f"{hint if in_a_line else ''}"
            )
    return column, id_column


def _record(
    source: Source,
    place: str,
    line: int,
    row: dict[str, Any],
    column: str,
    id_column: str | None,
) -> Record | Bad:
    text = _value(row, column)
    if not isinstance(text, str):
        return Bad(0, place, _problem(row, column, text, "a text"))
    ident: Any = source.line_id(place, line)
    if id_column is not None:
        ident = _value(row, id_column)
        if isinstance(ident, bool) or not isinstance(ident, str | int):
            return Bad(0, place, _problem(row, id_column, ident, "a text or a whole number"))
        ident = str(ident)
    others = None
    if source.columns:
        others = {name: value for name, value in row.items() if name not in (column, id_column)}
        for name in [name for name, value in others.items() if isinstance(value, bytes)]:
            del others[name]
            _tell_of_bytes(place, name)
    known = _as_json([text, ident, others])
    if _surrogates(known):
        return Bad(0, place, "has half of a surrogate pair, which is no character")
    if "NaN" in known or "Infinity" in known:  # which JSON has no word for
        others = json.loads(known, parse_constant=lambda _: None)[2]
    return Record(0, ident, place, text, others)


def plain(value: Any) -> str | None:
    """What JSON has no type for, as text; of bytes nothing."""
    return None if isinstance(value, bytes) else str(value)


_as_json = json.JSONEncoder(ensure_ascii=False, default=plain).encode


def _tell_of_bytes(place: str, column: str) -> None:
    import warnings

    file = place.rpartition(":")[0]
    warnings.warn(f"{file}: what the column {column!r} holds as bytes is left out", stacklevel=2)


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


@contextmanager
def parquet_file(name: str) -> Iterator[Any]:
    """A ParquetFile; InputError where it is none, or damaged."""
    arrow = pyarrow()
    try:
        with arrow.parquet.ParquetFile(name) as file:
            yield file
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        words = " ".join(str(error).split())
        raise InputError(f"{name}: is no whole Parquet file ({words}); copy it anew") from error


# ── Whole files ──────────────────────────────────────────────────────────────────────────────────


def _documents(name: str, source: Source) -> Iterator[Record | Bad]:
    """A file is a text; a folder is those of its files that the globs name."""
    folder = Path(name).is_dir()
    alone = len(source.inputs) == 1
    for path in files_of(name, source) if folder else [name]:
        if _surrogates(path):
            yield Bad(0, repr(path), "its name is not UTF-8")
            continue
        try:
            text = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        except UnicodeDecodeError as error:
            yield _not_utf8(path, error)
            continue
        # Two folders may have a file of one name.
        ident = Path(path).relative_to(name).as_posix() if folder and alone else path
        yield Record(0, ident, path, text)
