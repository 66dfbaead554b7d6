"""What some models add to attention's scores: by how far a key stands from its query, and no more.

Of the [A, S, S] numbers of a text so only [A, 2S - 1] differ, one for each distance j - i from
1 - S to S - 1. These are kept, and the rest is a view of them: each row begins one number earlier
than the row above. What a token does not look at, behind it or beyond its window, gets -∞.

At 384 tokens and 12 heads, to read the view takes half a millisecond where the exponential takes
seven; a stored [A, S, S] takes two.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gtenp.engine import kernels

if TYPE_CHECKING:
    from gtenp.engine.batch import Int
    from gtenp.engine.kernels import Float32
    from gtenp.model_files.checkpoint import BertWeights
    from gtenp.model_files.config import BertConfig


class ScoreBias:
    """A model's, for texts of any length. Threads may share it."""

    def __init__(self, weights: BertWeights, config: BertConfig) -> None:
        self._table = weights.relative_attention_bias
        self._config = config
        self._line = self._line_of(min(512, config.max_tokens))

    def __call__(self, length: int) -> Float32:
        """Of a text's queries and keys, times EXPONENT_SCALE, as the scores are: [A, S, S]."""
        line = self._line
        longest = (line.shape[1] + 1) // 2
        if length > longest:
            longest = max(length, 2 * longest)
            self._line = line = self._line_of(longest)
        heads, (row, step) = len(line), line.strides
        shape, strides = (heads, length, length), (row, -step, step)
        # as_strided of NumPy's own takes ten times as long as this.
        return np.ndarray(shape, np.float32, line, (longest - 1) * step, strides)

    def _line_of(self, length: int) -> Float32:
        """One number a head and distance: [A, 2S - 1], the first of them for 1 - S."""
        distances = np.arange(1 - length, length)
        arithmetic, heads = self._config.arithmetic, self._config.num_attention_heads
        line = np.zeros((heads, 2 * length - 1), np.float32)
        if arithmetic.score_bias == "buckets":
            assert self._table is not None
            buckets = relative_buckets(distances, len(self._table), arithmetic.max_distance)
            line[:] = self._table.T[:, buckets]
        if arithmetic.score_bias == "alibi":
            line[:] = np.multiply.outer(alibi_slopes(heads), distances)
        line *= np.float32(kernels.EXPONENT_SCALE)
        if arithmetic.causal:
            line[:, distances > 0] = -np.inf
        if arithmetic.window is not None:
            line[:, np.abs(distances) > arithmetic.window] = -np.inf
        return line


def relative_buckets(distances: Int, buckets: int, max_distance: int) -> Int:
    """The row of the table that each distance j - i has: [n] -> [n].

    Half of the rows are for keys before the query, half for those behind it. Of each half one half
    is a distance each; the others' edges grow as powers do, up to max_distance. In whole numbers,
    for a logarithm may end on either side of an edge.

    >>> relative_buckets(np.array([0, -1, 1, -8, -11, -12, 200]), 32, 128).tolist()
    [0, 1, 17, 8, 8, 9, 31]
    """
    exact = buckets // 4
    edges = [_edge(i, exact, max_distance) for i in range(1, exact)]
    far = np.abs(distances)
    rows: Int = np.where(far < exact, far, exact + np.searchsorted(edges, far, side="right"))
    rows += (distances > 0) * (buckets // 2)
    return rows


def _edge(i: int, exact: int, max_distance: int) -> int:
    """The least a for which exact · log(a / exact) ≥ i · log(max_distance / exact)."""
    power = max_distance**i * exact ** (exact - i)
    least = max(exact, int(exact * (max_distance / exact) ** (i / exact)) - 1)
    while least**exact < power:
        least += 1
    return least


def alibi_slopes(heads: int) -> Float32:
    """How fast each head's scores fall with the distance: [A].

    Powers of 2 from 2^(-8/A) to 2^-8; where A is no power of 2, those of the next smaller one, and
    every second of the next larger one's.

    >>> alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    True
    >>> np.log2(alibi_slopes(3)).tolist()
    [-4.0, -8.0, -2.0]
    """
    power = 1 << int(math.log2(heads))
    exponents = [-8 * i / power for i in range(1, power + 1)]
    exponents += [-4 * (2 * i - 1) / power for i in range(1, heads - power + 1)]
    return np.exp2(exponents).astype(np.float32)
