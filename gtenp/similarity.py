"""Comparing embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gtenp.errors import InputError
from gtenp.pooling import normalize

if TYPE_CHECKING:
    import numpy.typing as npt

    from gtenp.kernels import Float32


def cos_sim(a: npt.ArrayLike, b: npt.ArrayLike) -> Float32:
    """The cosine of each row of a with each row of b: [N, H], [M, H] -> [N, M].

    One vector counts as one row, as in sentence_transformers.util.cos_sim. InputError where the
    two differ in H.

    >>> cos_sim([[1, 0], [0, 2]], [3, 4]).round(4).tolist()
    [[0.6000000238418579], [0.800000011920929]]
    """
    rows_a, rows_b = (np.atleast_2d(np.asarray(x, np.float32)) for x in (a, b))
    if rows_a.ndim != 2 or rows_b.ndim != 2 or rows_a.shape[1] != rows_b.shape[1]:
        raise InputError(
            f"cos_sim: shapes {np.shape(a)} and {np.shape(b)}; wanted [N, H] and [M, H] (or [H]) "
            "with the same H: compare embeddings of one model"
        )
    scores: Float32 = normalize(rows_a) @ normalize(rows_b).T
    return scores
