"""Rotary positions: queries and keys turned by their place before they are multiplied.

The product of a turned query and a turned key hangs on their distance alone (Su 2021,
arXiv:2104.09864). A turn and a scale commute: 1/√D may stay in the query's weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gtenp.engine.batch import Int
    from gtenp.engine.kernels import Float32


class Rotary:
    """A model's turns, for texts of any length. Threads may share it."""

    def __init__(self, base: float, head_size: int, scale: float = 1.0) -> None:
        # float32 to the last step, as torch computes angles: exact ones differ by 5e-4 at 8,192
        # tokens, and no model was trained with them.
        exponents = np.arange(0, head_size, 2, dtype=np.float32) / np.float32(head_size)
        frequencies = 1 / np.float32(base) ** exponents / np.float32(scale)
        self._frequencies = frequencies.astype(np.float32)
        self._table = self._of(512)

    def _of(self, length: int) -> Float32:
        """Cosines and sines of each place: [2, S, D / 2]."""
        angles = np.multiply.outer(np.arange(length, dtype=np.float32), self._frequencies)
        return np.stack([np.cos(angles), np.sin(angles)])

    def turn_(self, x: Float32, position_ids: Int) -> None:
        """Some heads of some tokens, in place: x [rows, heads, D], position_ids [rows]."""
        table, most = self._table, int(position_ids.max(initial=0)) + 1
        if most > table.shape[1]:
            self._table = table = self._of(max(most, 2 * table.shape[1]))
        cos, sin = table[:, position_ids, None]
        first, second = np.split(x, 2, axis=-1)  # number i is turned with number i + D / 2
        turned = first * cos
        turned -= second * sin
        second *= cos
        second += first * sin
        first[...] = turned
