"""Comparing embeddings, and finding the nearest among many."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.arguments import whole_number
from gtenp.engine.pooling import normalize
from gtenp.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtenp.engine.kernels import Float32

# What semantic_search looks at in one go: corpus rows, and scores. 32 MB each, at H = 1,024.
_MAX_ROWS = 1 << 13
_MAX_SCORES = 1 << 23


def cos_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """The cosine of each row of a with each row of b: [N, H], [M, H] -> [N, M].

    One vector counts as one row, as in sentence_transformers.util.cos_sim. InputError where the
    two differ in H.

    >>> cos_sim([[1, 0], [0, 2]], [3, 4]).round(4).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """
    rows_a, rows_b = _rows("cos_sim", a, b)
    scores: Float32 = normalize(rows_a) @ normalize(rows_b).T
    return scores


def dot_score(a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """The dot product of each row of a with each row of b: [N, H], [M, H] -> [N, M].

    >>> dot_score([[1, 0], [0, 2]], [3, 4]).tolist()
    [[3.0], [8.0]]
    """
    rows_a, rows_b = _rows("dot_score", a, b)
    scores: Float32 = rows_a @ rows_b.T
    return scores


def euclidean_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """The Euclidean distance, negated, of each row of a to each of b: [N, H], [M, H] -> [N, M].

    >>> euclidean_sim([[0, 0], [3, 0]], [3, 4]).tolist()
    [[-5.0], [-4.0]]
    """
    rows_a, rows_b = _rows("euclidean_sim", a, b)
    # From the differences: |a|² - 2ab + |b|² would cancel where two vectors are alike.
    return _row_by_row(lambda row: -np.linalg.norm(rows_b - row, axis=1), rows_a, len(rows_b))


def manhattan_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """The sum of the absolute differences, negated: [N, H], [M, H] -> [N, M].

    >>> manhattan_sim([[0, 0], [3, 0]], [3, 4]).tolist()
    [[-7.0], [-4.0]]
    """
    rows_a, rows_b = _rows("manhattan_sim", a, b)
    return _row_by_row(lambda row: -np.abs(rows_b - row).sum(axis=1), rows_a, len(rows_b))


# By the names of config_sentence_transformers.json.
SIMILARITY: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Float32]] = {
    "cosine": cos_sim,
    "dot": dot_score,
    "euclidean": euclidean_sim,
    "manhattan": manhattan_sim,
}


def similarity_pairwise(a: npt.ArrayLike, b: npt.ArrayLike, name: str = "cosine") -> Float32:
    """Each row of a against the row of b in the same place: 2 × [N, H] -> [N].

    >>> similarity_pairwise([[1, 0], [0, 2]], [[3, 4], [3, 4]], "dot").tolist()
    [3.0, 8.0]
    """
    if name not in SIMILARITY:
        raise InputError(f"similarity_pairwise: {name!r}; wanted one of {', '.join(SIMILARITY)}")
    rows_a, rows_b = _rows("similarity_pairwise", a, b)
    if len(rows_a) != len(rows_b):
        raise InputError(
            f"similarity_pairwise: {len(rows_a)} rows and {len(rows_b)}; wanted as many of each"
        )
    if name == "euclidean":
        scores: Float32 = -np.linalg.norm(rows_a - rows_b, axis=1)
    elif name == "manhattan":
        scores = -np.abs(rows_a - rows_b).sum(axis=1)
    else:
        if name == "cosine":
            rows_a, rows_b = normalize(rows_a), normalize(rows_b)
        scores = np.einsum("nh,nh->n", rows_a, rows_b)
    return scores


def semantic_search(
    query_embeddings: npt.ArrayLike,
    corpus_embeddings: npt.ArrayLike,
    top_k: int = 10,
    score_function: Callable[[Any, Any], Float32] = cos_sim,
) -> list[list[dict[str, int | float]]]:
    """The corpus rows that score highest for each query: [N, H], [M, H] -> N lists of at most
    ``top_k`` {"corpus_id", "score"}, best first.

    The corpus is read in pieces and the scores are never all there at once: the memory taken
    depends neither on the number of rows nor, where the corpus is a memory map
    (``np.load(path, mmap_mode="r")``), on their being in memory.

    >>> semantic_search([1.0, 0.0], [[0.0, 2.0], [2.0, 0.0], [3.0, 4.0]], top_k=2)
    [[{'corpus_id': 1, 'score': 1.0}, {'corpus_id': 2, 'score': 0.6000000238418579}]]
    """
    top_k = whole_number("top_k", top_k, 1)
    corpus = np.asarray(corpus_embeddings)
    if corpus.ndim != 2:
        raise InputError(f"semantic_search: a corpus of shape {corpus.shape}; wanted [M, H]")
    queries, _ = _rows("semantic_search", query_embeddings, corpus[:1])
    size = min(_MAX_ROWS, max(1, _MAX_SCORES // max(1, len(queries))))
    top_k = min(top_k, len(corpus))
    # The best so far, in no order: [N, top_k], at first of scores that any other beats.
    scores = np.full((len(queries), top_k), -np.inf, np.float32)
    ids = np.full((len(queries), top_k), -1)
    for start in range(0, len(corpus), size):
        found = score_function(queries, np.asarray(corpus[start : start + size], np.float32))
        highest = found.max(axis=1)
        if np.isnan(highest).any():
            row = start + int(np.isnan(found).any(axis=0).argmax())
            raise InputError(f"semantic_search: a score of corpus row {row} is NaN; take NaN out")
        # Most pieces hold nothing that counts for most queries.
        better = np.flatnonzero(highest > scores.min(axis=1))
        best = _largest(found[better], top_k)
        both = np.concatenate((scores[better], np.take_along_axis(found[better], best, 1)), axis=1)
        both_ids = np.concatenate((ids[better], best + start), axis=1)
        best = _largest(both, top_k)
        scores[better] = np.take_along_axis(both, best, 1)
        ids[better] = np.take_along_axis(both_ids, best, 1)
    order = np.lexsort((ids, -scores))
    return [
        [
            {"corpus_id": int(ids[n, i]), "score": float(scores[n, i])}
            for i in order[n]
            if ids[n, i] >= 0
        ]
        for n in range(len(queries))
    ]


def _rows(name: str, a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[Float32, Float32]:
    """Both as float32 matrices of one width; InputError where they are none."""
    rows_a, rows_b = (np.atleast_2d(np.asarray(x, np.float32)) for x in (a, b))
    if rows_a.ndim != 2 or rows_b.ndim != 2 or rows_a.shape[1] != rows_b.shape[1]:
        raise InputError(
            f"{name}: shapes {np.shape(a)} and {np.shape(b)}; wanted [N, H] and [M, H] (or [H]) "
            "with the same H: compare embeddings of one model"
        )
    return rows_a, rows_b


def _largest(scores: Float32, count: int) -> npt.NDArray[np.int64]:
    """Where each row's ``count`` largest stand, in no order: [N, M] -> [N, min(count, M)]."""
    if scores.shape[1] <= count:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(scores, -count, axis=1)[:, -count:]


def _row_by_row(function: Callable[[Float32], Float32], rows: Float32, width: int) -> Float32:
    """function(row) for each row, one below the other: [N, H] -> [N, width]."""
    scores = np.empty((len(rows), width), np.float32)
    for i, row in enumerate(rows):
        scores[i] = function(row)
    return scores
