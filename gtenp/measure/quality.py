"""How well a model's scores agree with people's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gtenp.engine.pooling import normalize
from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gtenp.embedder import Embedder

Float64 = npt.NDArray[np.float64]


class Pair(NamedTuple):
    """Two sentences and how alike people found them, from 0 to 5."""

    score: float
    first: str
    second: str


def read_sts(path: Path) -> list[Pair]:
    """Read a file in the STS benchmark's form.

    A line is genre, file, year, id, score, sentence 1 and sentence 2, tab-separated; what follows
    (the training set names sources) is left out. InputError names the line that is otherwise.
    """
    try:
        lines = path.read_bytes().decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; convert the file") from error
    pairs = []
    for number, line in enumerate(lines, start=1):
        columns = line.removesuffix("\r").split("\t")
        try:
            pairs.append(Pair(float(columns[4]), columns[5], columns[6]))
        except (IndexError, ValueError) as error:
            raise InputError(
                f"{path}, line {number}: {len(columns)} columns; wanted genre, file, year, id, "
                "score (a number), sentence 1, sentence 2, with tabs between them"
            ) from error
    if len(pairs) < 2:
        raise InputError(f"{path}: one pair has no rank; wanted at least two")
    return pairs


def sts(embedder: Embedder, pairs: Sequence[Pair]) -> float:
    """Spearman's rank correlation of the pairs' cosines with people's scores, from -1 to 1."""
    first = normalize(embedder.encode([pair.first for pair in pairs]))
    second = normalize(embedder.encode([pair.second for pair in pairs]))
    cosines = (first * second).sum(axis=1)
    return spearman(cosines, np.array([pair.score for pair in pairs]))


def spearman(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Pearson's correlation of the ranks: 2 × [N] -> from -1 to 1.

    >>> round(spearman(np.array([1, 2, 3]), np.array([10, 10, 99])), 4)
    0.866
    """
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def ranks(values: npt.NDArray[Any]) -> Float64:
    """Ranks from 0, equal values sharing their mean rank: [N] -> [N].

    >>> ranks(np.array([5.0, 1.0, 5.0])).tolist()
    [1.5, 0.0, 1.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: Float64 = np.cumsum(counts) - (counts + 1) / 2
    return means[inverse]
