"""What ``gtenp embed`` wrote, opened: metadata, vectors, and each row's record."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from gtenp.errors import GtenpError, InputError
from gtenp.jobs.formats import FORMATS
from gtenp.jobs.readers import pyarrow
from gtenp.jobs.rows import numpy_dtype, width
from gtenp.jobs.writers import FORMS, beside

if TYPE_CHECKING:
    import numpy.typing as npt

Records = Callable[[Sequence[int]], list[dict[str, Any]]]


class Output(NamedTuple):
    """An OUT; .npy, .npz and .safetensors stay on the disk and are mapped."""

    metadata: dict[str, Any]
    vectors: npt.NDArray[Any]  # [n, width]
    records: Records  # of these rows: id, place, text, in parts start and end


# What metadata must have so that vectors can be searched.
_NEEDED = ("model", "weights_sha256", "similarity", "normalized", "dimension", "dtype", "rows",
           "options")  # fmt: skip

# The first line of what is else a form of text.
_OURS = {
    ".jsonl": re.compile(rb'\{"number": \d+, "id": ".*, "embedding": \[.*\]\}\n'),
    ".csv": re.compile(rb"id,place,.*,embedding\n"),
}


def is_output(path: Path) -> bool:
    """Whether it is what ``gtenp embed`` wrote, whole or damaged, and not to be read as texts."""
    path = Path(os.path.realpath(path))
    if path.suffix not in FORMS or not path.is_file():
        return False
    if path.suffix not in FORMATS:
        return True  # no texts have such an ending
    if path.suffix in _OURS:
        with open(path, "rb") as file:
            if _OURS[path.suffix].fullmatch(file.readline()):
                return True
    try:
        return metadata_of(path) is not None
    except InputError:
        return True


def open_output(path: Path) -> Output:
    """InputError where it is none, or damaged. A link is followed, as by embed."""
    path = Path(os.path.realpath(path))
    metadata = metadata_of(path) if path.suffix in FORMS else None
    if metadata is None:
        raise InputError(f"{path}: not of gtenp embed, or the .json beside it is gone")
    with told_of_damage(path):
        vectors, records = _OPEN[path.suffix](path, metadata)
        if len(vectors) != metadata["rows"]:
            raise ValueError(f"it has {len(vectors)} rows, its metadata {metadata['rows']}")
        dtype = numpy_dtype(metadata["dtype"])
        wanted = (metadata["rows"], width(metadata["dimension"], metadata["dtype"]))
        if vectors.shape != wanted or vectors.dtype != dtype:
            raise ValueError(
                f"it has {vectors.dtype} {vectors.shape}, its metadata {dtype} {wanted}"
            )
    return Output(metadata, vectors, records)


def check_output(path: Path) -> None:
    """InputError where an OUT is none, or damaged: of what lies in memory once it is open, a row at
    a time.
    """
    path = Path(os.path.realpath(path))
    metadata = metadata_of(path) if path.suffix in _VECTORS else None
    if metadata is None:
        output = open_output(path)
        output.records(range(len(output.vectors))[-1:])
        return
    with told_of_damage(path):
        size, rows = width(metadata["dimension"], metadata["dtype"]), 0
        for vector in _VECTORS[path.suffix](path, metadata):
            rows += 1
            if len(vector) != size:
                raise ValueError(f"row {rows} has {len(vector)} values, its metadata {size}")
        if rows != metadata["rows"]:
            raise ValueError(f"it has {rows} rows, its metadata {metadata['rows']}")


@contextmanager
def told_of_damage(path: Path | str) -> Iterator[None]:
    """InputError instead of whatever a damaged file makes its reader raise."""
    try:
        yield
    except Exception as error:
        # An OSError without a number is a reader's word for damage, not the system's.
        if isinstance(error, GtenpError | MemoryError) or getattr(error, "errno", None):
            raise
        words = " ".join(str(error).split())
        raise InputError(f"{path}: is damaged ({words}); copy it anew") from error


def metadata_of(path: Path) -> dict[str, Any] | None:
    """What an OUT says of itself; None where it says nothing. InputError where that is damaged."""
    side = beside(path, ".json")
    with told_of_damage(side if FORMS[path.suffix].metadata_beside else path):
        text: str | bytes | None = None
        if FORMS[path.suffix].metadata_beside:
            text = side.read_bytes() if side.is_file() else None
        elif path.suffix == ".npz":
            with open(path, "rb") as file, np.load(file) as archive:
                text = archive["gtenp"].item() if "gtenp" in archive else None
        elif path.suffix == ".safetensors":
            text = _safetensors_header(path)[0].get("__metadata__", {}).get("gtenp")
        elif path.suffix == ".parquet":
            text = (pyarrow().parquet.read_schema(path).metadata or {}).get(b"gtenp")
        elif path.suffix == ".sqlite":
            with closing(_connect(path)) as connection:
                table = "select 1 from sqlite_master where name = 'gtenp'"
                if connection.execute(table).fetchone():
                    found = connection.execute("select value from gtenp where key = 'metadata'")
                    text = found.fetchone()[0]
        metadata: dict[str, Any] | None = None if text is None else json.loads(text)
        if not isinstance(metadata, dict) or "gtenp" not in metadata:
            return None
        missing = [name for name in _NEEDED if name not in metadata]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return metadata


# ── Arrays ───────────────────────────────────────────────────────────────────────────────────────


def _open_npy(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    return np.load(path, mmap_mode="r"), _records_beside(path, metadata)


def _open_npz(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("embeddings.npy").header_offset
    with open(path, "rb") as file:
        # A member's name and extra field, of these lengths, stand between its header and it.
        file.seek(start + 26)
        lengths = file.read(4)
        name, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
        file.seek(start + 30 + name + extra)
        npy.read_magic(file)
        shape, _order, dtype = npy.read_array_header_1_0(file)
        return _map(path, dtype, file.tell(), shape), _records_beside(path, metadata)


def _open_safetensors(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    header, start = _safetensors_header(path)
    tensor = header["embeddings"]
    dtype = np.dtype({"F32": "<f4", "F16": "<f2", "I8": "i1", "U8": "u1"}[tensor["dtype"]])
    vectors = _map(path, dtype, start + tensor["data_offsets"][0], tuple(tensor["shape"]))
    return vectors, _records_beside(path, metadata)


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError("its header is longer than the file")
        header: dict[str, Any] = json.loads(file.read(size))
        return header, 8 + size


def _map(path: Path, dtype: np.dtype[Any], at: int, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if not shape[0]:
        return np.zeros(shape, dtype)  # nothing can be mapped
    return np.memmap(path, dtype, "r", at, shape)


def _records_beside(path: Path, metadata: dict[str, Any]) -> Records:
    return _LinesOf(beside(path, ".rows.jsonl"), metadata["rows"])


class _LinesOf:
    """Lines of JSON by their number; where each begins is looked for at the first call."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._count = count
        self._ends: npt.NDArray[np.int64] | None = None

    def __call__(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        if not self._path.is_file():
            raise InputError(f"{self._path} is missing; copy it beside the vectors")
        if self._ends is None:
            ends = _line_ends(self._path)
            if len(ends) != self._count:
                raise InputError(
                    f"{self._path}: has {len(ends)} lines for {self._count} vectors; copy it anew"
                )
            self._ends = ends
        records = []
        with open(self._path, "rb") as file:
            for row in rows:
                start = 0 if row == 0 else int(self._ends[row - 1])
                file.seek(start)
                with told_of_damage(f"{self._path}:{row + 1}"):
                    record = json.loads(file.read(int(self._ends[row]) - start))
                    if not {"id", "place", "text"} <= record.keys():
                        raise ValueError("it lacks id, place or text")
                records.append(record)
        return records


def _line_ends(path: Path) -> npt.NDArray[np.int64]:
    ends, start = [np.zeros(0, np.int64)], 0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 22):
            ends.append(np.flatnonzero(np.frombuffer(chunk, np.uint8) == 10) + (start + 1))
            start += len(chunk)
    return np.concatenate(ends)


# ── What is read into memory ─────────────────────────────────────────────────────────────────────


def _open_jsonl(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    vectors, row = _empty(metadata), -1
    for row, vector in enumerate(_vectors_of_jsonl(path, metadata)):
        vectors[row] = vector
    return vectors[: row + 1], _LinesOf(path, metadata["rows"])


def _vectors_of_jsonl(path: Path, _: dict[str, Any]) -> Iterator[list[Any]]:
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                raise ValueError("its last line is cut off")
            yield json.loads(line)["embedding"]


def _open_csv(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    vectors = _empty(metadata)
    records: list[dict[str, Any]] = []
    for row, (record, vector) in enumerate(_rows_of_csv(path)):
        vectors[row] = vector
        record |= {name: int(record[name]) for name in ("start", "end") if name in record}
        records.append(record)
    return vectors[: len(records)], lambda rows: [records[row] for row in rows]


def _rows_of_csv(path: Path) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    csv.field_size_limit((1 << 31) - 1)
    with open(path, encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            yield record, json.loads(record.pop("embedding"))


def _open_parquet(path: Path, _: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    pq = pyarrow().parquet
    column = pq.read_table(path, columns=["embedding"])["embedding"]
    size = column.type.list_size
    parts = [chunk.flatten().to_numpy().reshape(-1, size) for chunk in column.chunks]
    names = [name for name in pq.read_schema(path).names
             if name in ("id", "place", "start", "end", "text")]  # fmt: skip
    table = pq.read_table(path, columns=names)
    vectors = np.concatenate(parts) if parts else np.zeros((0, size), np.float32)
    return vectors, lambda rows: table.take(np.array(rows, np.int64)).to_pylist()


def _vectors_of_parquet(path: Path, _: dict[str, Any]) -> Iterator[npt.NDArray[Any]]:
    with pyarrow().parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1024, columns=["embedding"]):
            column = batch.column(0)
            yield from column.flatten().to_numpy().reshape(-1, column.type.list_size)


def _open_sqlite(path: Path, metadata: dict[str, Any]) -> tuple[npt.NDArray[Any], Records]:
    vectors, count = _empty(metadata), 0
    for rowid, vector in _rows_of_sqlite(path, metadata):
        vectors[rowid - 1] = vector
        count += 1

    def records(rows: Sequence[int]) -> list[dict[str, Any]]:
        query = "select content, metadata from embeddings where rowid = ?"
        with closing(_connect(path)) as connection:
            rows_found = [connection.execute(query, (row + 1,)).fetchone() for row in rows]
        return [{"text": text, **json.loads(rest)} for text, rest in rows_found]

    return vectors[:count], records


def _rows_of_sqlite(path: Path, metadata: dict[str, Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    with closing(_connect(path)) as connection:
        (page,) = connection.execute("pragma page_size").fetchone()
        if path.stat().st_size % page:  # behind the end SQLite reads zeros
            raise ValueError("it is cut off")
        found = connection.execute("select rowid, embedding from embeddings order by rowid")
        for rowid, embedding in found:
            yield rowid, np.frombuffer(embedding, numpy_dtype(metadata["dtype"]))


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)


def _empty(metadata: dict[str, Any]) -> npt.NDArray[Any]:
    dtype = metadata["dtype"]
    shape = metadata["rows"], width(metadata["dimension"], dtype)
    return np.empty(shape, numpy_dtype(dtype))


_OPEN = {
    ".npy": _open_npy,
    ".npz": _open_npz,
    ".safetensors": _open_safetensors,
    ".jsonl": _open_jsonl,
    ".csv": _open_csv,
    ".parquet": _open_parquet,
    ".sqlite": _open_sqlite,
}

_VECTORS: dict[str, Callable[[Path, dict[str, Any]], Iterable[Sized]]] = {
    ".jsonl": _vectors_of_jsonl,
    ".csv": lambda path, _: (vector for _, vector in _rows_of_csv(path)),
    ".parquet": _vectors_of_parquet,
    ".sqlite": lambda path, metadata: (vector for _, vector in _rows_of_sqlite(path, metadata)),
}
