"""The finished rows, as every writer reads them: vectors in their dtype, records, metadata."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.engine.pooling import quantize_embeddings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from gtenp.engine.kernels import Float32
    from gtenp.jobs.readers import Source
    from gtenp.jobs.spool import Spool

_NUMPY = {"float32": "<f4", "float16": "<f2", "int8": "i1", "ubinary": "u1"}
DTYPES = tuple(_NUMPY)

_OURS = ("id", "place", "start", "end", "text", "embedding")


@dataclass(frozen=True)
class Rows:
    """What a job has made, read from its spool in pieces."""

    spool: Spool
    typed: Source | None  # Parquet inputs, whose other columns are taken from them again
    name: str  # of OUT, without its ending
    updated: int  # when the newest input was, in Unix seconds: the same for every run
    in_parts: bool  # whether the records have a start and an end
    dtype: str
    ranges: npt.NDArray[np.float32] | None  # int8's: each dimension's least and greatest, [2, dim]
    metadata: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and values in each: bytes, of ubinary."""
        return self.spool.total, width(self.spool.dimension, self.dtype)

    @property
    def fields(self) -> list[str]:
        """The names of what every record has."""
        return ["id", "place", *(["start", "end"] if self.in_parts else []), "text"]

    def vectors(self, size: int = 8192) -> Iterator[npt.NDArray[Any]]:
        """So many at a time."""
        for vectors in self.spool.vectors(size):
            yield convert(vectors, self.dtype, self.ranges)

    def pairs(self) -> Iterator[tuple[dict[str, Any], npt.NDArray[Any]]]:
        """Each row's record and vector."""
        records = self.spool.records()
        for vectors in self.vectors():
            for vector in vectors:
                yield next(records), vector

    def metadata_json(self) -> str:
        """On one line, its keys in a settled order."""
        return json.dumps(self.metadata, ensure_ascii=False)


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Little-endian, whatever the machine."""
    return np.dtype(_NUMPY[dtype])


def width(dimension: int, dtype: str) -> int:
    """Values in a row."""
    return -(-dimension // 8) if dtype == "ubinary" else dimension


def convert(
    vectors: Float32, dtype: str, ranges: npt.NDArray[np.float32] | None
) -> npt.NDArray[Any]:
    """float32 [n, dim] to what is written; int8 and ubinary as ``Embedder.encode`` makes them."""
    if dtype == "float16":
        return vectors.astype("<f2")
    return quantize_embeddings(vectors, dtype, ranges)


def ranges_of(pieces: Iterable[Float32], dimension: int) -> npt.NDArray[np.float32]:
    """Each dimension's least and greatest value over all pieces [n, dim]: [2, dim]; 0 of none."""
    found = [np.stack((piece.min(axis=0), piece.max(axis=0))) for piece in pieces]
    if not found:
        return np.zeros((2, dimension), np.float32)
    ranges = np.stack(found)
    return np.stack((ranges[:, 0].min(axis=0), ranges[:, 1].max(axis=0)))


def beside_ours(columns: Sequence[str]) -> list[str]:
    """The names of an input's columns in OUT, where each must be none of ours and of the others.

    >>> beside_ours(["title", "text", "input_text"])
    ['title', 'input_input_text', 'input_text']
    """
    taken, names = {*_OURS, *columns}, []
    for column in columns:
        name = column
        if column in _OURS:
            while name in taken:
                name = f"input_{name}"
            taken.add(name)
        names.append(name)
    return names


def as_text(value: Any) -> str | None:
    """A column's value of any type, as JSON where it is no text."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
