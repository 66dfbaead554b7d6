"""The nearest of many vectors: exact, in blocks, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.arguments import as_texts, whole_number
from gtenp.embedder import Embedder
from gtenp.engine.parallel import blas_threads, default_threads, run_each
from gtenp.engine.pooling import normalize
from gtenp.errors import InputError
from gtenp.jobs.job import Options, settle, weights_sha256
from gtenp.jobs.outputs import Output, open_output
from gtenp.similarity import SIMILARITY

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtenp.engine.kernels import Float32

_BYTES = 1 << 23  # of float32 that a thread scores at once
_SMALL_BYTES = 1 << 20  # where the rows are made float32 first: what a core's cache holds
_RESCORED = 10  # candidates of ubinary for each hit that is wanted

ScoreBlock = Callable[[int, int], "Float32"]  # rows from, to → [Q, to - from]


class Index:
    """What ``gtenp embed`` wrote, to be searched: ``Index.open("corpus.npy").search("query")``."""

    def __init__(self, output: Output, model: str | Path | Embedder | None = None) -> None:
        self.metadata = output.metadata
        self.vectors = output.vectors
        self._records = output.records
        self._model = model
        self._embedder: Embedder | None = None
        self._lengths: Float32 | None = None

    @classmethod
    def open(cls, path: str | Path, model: str | Path | Embedder | None = None) -> Index:
        """Open a file that ``gtenp embed`` wrote; .npy, .npz and .safetensors are mapped, not read.

        ``model`` says where the model is now, if not under the name that the file gives.
        InputError where the file is damaged or is none of embed's.
        """
        return cls(open_output(Path(path)), model)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def embedder(self) -> Embedder:
        """The model that made the vectors, set as it was then; InputError where its weights are
        others.
        """
        if self._embedder is None:
            given = self._model or self.metadata["model"]
            embedder = given if isinstance(given, Embedder) else Embedder(given)
            found, wanted = weights_sha256(embedder), self.metadata["weights_sha256"]
            if found != wanted:
                raise InputError(
                    f"{embedder.folder}: its weights have sha256 {found[:12]}…, those that made "
                    f"the vectors {wanted[:12]}…; give the model that made them, or embed anew"
                )
            options = self.metadata["options"]
            names = ("normalize", "truncate_dim", "max_length")
            self._embedder = settle(embedder, Options(**{name: options[name] for name in names}))
            self._embedder.threads = embedder.threads
        return self._embedder

    def search(self, queries: str | Sequence[str], top_k: int = 10) -> list[Any]:
        """The rows that score highest for a text, best first; of several texts, a list for each.

        A hit is {"score", "row", "id", "place", "text"}, of a part of a text also its "start" and
        "end" in characters. The query's prompt goes before the text. The score is the model's
        similarity, float32; vectors of int8 are scored as the middle of their steps, and of ubinary
        ones the nearest by Hamming distance, 10 × ``top_k``, by the query's own values.
        """
        texts = [queries] if isinstance(queries, str) else as_texts("queries", queries)
        top_k = whole_number("top_k", top_k, 1)
        embedded = self.embedder.encode_query(
            texts, normalize_embeddings=bool(self.metadata["options"]["normalize"])
        )
        found = [self._hits(*best) for best in self.nearest(embedded, top_k)]
        return found[0] if isinstance(queries, str) else found

    def nearest(
        self, queries: npt.ArrayLike, top_k: int = 10
    ) -> list[tuple[npt.NDArray[np.int64], Float32]]:
        """Rows and scores for each of the vectors [Q, dim], best first; of equal scores the earlier
        row first.
        """
        vectors = np.atleast_2d(np.asarray(queries, np.float32))
        if vectors.shape[1] != self.metadata["dimension"]:
            raise InputError(
                f"queries: {vectors.shape[1]} values each; wanted {self.metadata['dimension']}"
            )
        if self.metadata["dtype"] == "ubinary":
            return self._nearest_binary(vectors, top_k)
        size = _BYTES if self.vectors.dtype == np.float32 else _SMALL_BYTES
        rows = max(1, size // (4 * vectors.shape[1] * max(1, len(vectors) // 64)))
        score = self._score_block(vectors)
        return best_rows(score, len(self.vectors), len(vectors), top_k, rows)

    def _score_block(self, queries: Float32) -> ScoreBlock:
        similarity = self.metadata["similarity"]
        exact = self.metadata["dtype"] == "float32"
        if similarity not in ("cosine", "dot"):
            compare = SIMILARITY[similarity]
            return lambda a, b: compare(queries, self._floats(a, b))
        if similarity == "cosine":
            queries = normalize(queries)
        lengths = None
        if similarity == "cosine" and not (exact and self.metadata["normalized"]):
            lengths = self._row_lengths()
        columns, shift = np.ascontiguousarray(queries.T), None
        if self.metadata["dtype"] == "int8":
            # Σ (level · step + first) · q: the steps go into the query, once for all rows.
            steps, first = self._levels()
            columns, shift = steps[:, None] * columns, queries @ first

        def score(start: int, end: int) -> Float32:
            rows = np.asarray(self.vectors[start:end]).astype(np.float32, copy=False)
            # A vector alone goes through BLAS's gemv, at the memory's speed.
            scores = (rows @ columns[:, 0])[None] if columns.shape[1] == 1 else (rows @ columns).T
            if shift is not None:
                scores = scores + shift[:, None]
            if lengths is not None:
                scores = scores / lengths[start:end]
            return scores

        return score

    def _floats(self, start: int, end: int) -> Float32:
        """Rows as float32."""
        rows = np.asarray(self.vectors[start:end]).astype(np.float32, copy=False)
        if self.metadata["dtype"] != "int8":
            return rows
        steps, first = self._levels()
        return rows * steps + first

    def _levels(self) -> tuple[Float32, Float32]:
        """int8's step in each dimension, and the middle of level 0's: 2 × [dim]."""
        least, greatest = np.asarray(self.metadata["ranges"], np.float32)
        steps = (greatest - least) / np.float32(255)
        return steps, least + np.float32(128.5) * steps

    def _row_lengths(self) -> Float32:
        """Each row's Euclidean length, at least 1e-12; found once."""
        if self._lengths is None:
            lengths = np.empty(len(self.vectors), np.float32)
            for start in range(0, len(lengths), 1024):
                rows = self._floats(start, start + 1024)
                lengths[start : start + 1024] = np.sqrt(np.einsum("nh,nh->n", rows, rows))
            self._lengths = np.maximum(lengths, 1e-12)
        return self._lengths

    def _nearest_binary(
        self, queries: Float32, top_k: int
    ) -> list[tuple[npt.NDArray[np.int64], Float32]]:
        dimension = queries.shape[1]
        bits = np.packbits(queries > 0, axis=1)

        def agreement(start: int, end: int) -> Float32:
            rows = np.asarray(self.vectors[start:end])
            apart = [np.bitwise_count(rows ^ query).sum(axis=1, dtype=np.int32) for query in bits]
            return -np.stack(apart).astype(np.float32)

        size = max(1, _SMALL_BYTES // bits.shape[1])
        candidates = best_rows(agreement, len(self.vectors), len(bits), top_k * _RESCORED, size)
        found = []
        for query, (rows, _) in zip(normalize(queries), candidates, strict=True):
            signs = np.unpackbits(self.vectors[rows], axis=1, count=dimension).astype(np.float32)
            scores = (signs * 2 - 1) @ query / np.float32(np.sqrt(dimension))
            order = np.lexsort((rows, -scores))[:top_k]
            found.append((rows[order], scores[order]))
        return found

    def _hits(self, rows: npt.NDArray[np.int64], scores: Float32) -> list[dict[str, Any]]:
        kept = ("id", "place", "start", "end", "text")
        hits = []
        records = self._records(rows.tolist())
        for row, score, record in zip(rows.tolist(), scores.tolist(), records, strict=True):
            known = {name: record[name] for name in kept if record.get(name) is not None}
            hits.append({"score": score, "row": row, **known})
        return hits


def best_rows(
    score: ScoreBlock, count: int, queries: int, top_k: int, size: int
) -> list[tuple[npt.NDArray[np.int64], Float32]]:
    """For each query the ``top_k`` rows of ``count`` that ``score`` gives most, best first; the
    blocks of ``size`` rows are shared between the threads.
    """
    lock = threading.Lock()
    top_k = min(top_k, count)
    rows = [np.zeros(0, np.int64)] * queries
    scores = [np.zeros(0, np.float32)] * queries

    def look(start: int) -> None:
        found = score(start, min(start + size, count))
        for query, values in enumerate(found):
            full = len(scores[query]) == top_k
            # Equal ones too: of these the earlier row counts, whichever thread was first.
            better = np.flatnonzero(values >= scores[query][-1]) if full else np.arange(len(values))
            if not len(better):
                continue
            if len(better) > top_k:
                least = np.partition(values[better], -top_k)[-top_k]
                better = better[values[better] >= least]
            with lock:
                both = np.concatenate((scores[query], values[better]))
                both_rows = np.concatenate((rows[query], better + start))
                order = np.lexsort((both_rows, -both))[:top_k]
                scores[query], rows[query] = both[order], both_rows[order]

    with blas_threads(1):
        run_each(look, iter(range(0, count, size)), min(default_threads(), -(-count // size) or 1))
    return list(zip(rows, scores, strict=True))
