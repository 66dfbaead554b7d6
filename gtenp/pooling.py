"""Token vectors to sentence vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gtenp.batch import Int
    from gtenp.kernels import Float32


def pool(hidden_states: Float32, cu_seqlens: Int, mode: str) -> Float32:
    """One vector a sequence, by "mean" or "cls": [T, H], cu_seqlens [B + 1] -> [B, H].

    No sequence may be empty; one that the tokenizer made never is.

    >>> hidden_states = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    >>> pool(hidden_states, np.array([0, 2, 3]), "mean").tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    >>> pool(hidden_states, np.array([0, 2, 3]), "cls").tolist()
    [[1.0, 2.0], [5.0, 6.0]]
    """
    starts = cu_seqlens[:-1]
    if mode == "cls":
        return hidden_states[starts]
    sums: Float32 = np.add.reduceat(hidden_states, starts, axis=0)
    sums /= np.diff(cu_seqlens).astype(np.float32)[:, None]
    return sums


def normalize(embeddings: Float32) -> Float32:
    """Each row divided by its Euclidean length: [B, H] -> [B, H]. A row of zeros stays zeros.

    >>> normalize(np.array([[3, 4], [0, 0]], np.float32)).round(4).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    normed: Float32 = np.divide(embeddings, np.maximum(lengths, 1e-12))  # PyTorch's own floor
    return normed
