"""Sequences of different lengths, side by side without padding.

T packed tokens belong to B sequences; sequence b owns rows cu_seqlens[b] to cu_seqlens[b + 1], the
cumulative sequence lengths of variable-length attention kernels (github.com/Dao-AILab/
flash-attention).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PackedBatch:
    """B sequences, T tokens, no padding."""

    input_ids: Int  # [T]
    token_type_ids: Int  # [T]
    position_ids: Int  # [T]
    cu_seqlens: Int  # [B + 1], from 0 to T

    def split(self, rows: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Each sequence's own rows, copied: [T, …] -> B × [S, …]."""
        return [part.copy() for part in np.split(rows, self.cu_seqlens[1:-1])]


def pack(input_ids: Sequence[Sequence[int]]) -> PackedBatch:
    """Lay single-text sequences end to end: lists of token ids -> PackedBatch.

    >>> batch = pack([[101, 7592, 102], [101, 102]])
    >>> batch.input_ids.tolist(), batch.position_ids.tolist(), batch.cu_seqlens.tolist()
    ([101, 7592, 102, 101, 102], [0, 1, 2, 0, 1], [0, 3, 5])
    """
    lengths = np.fromiter(map(len, input_ids), np.int64, len(input_ids))
    cu_seqlens = np.concatenate(([0], np.cumsum(lengths)))
    total = int(cu_seqlens[-1])
    return PackedBatch(
        input_ids=np.fromiter(chain.from_iterable(input_ids), np.int64, total),
        token_type_ids=np.zeros(total, np.int64),
        position_ids=np.arange(total) - np.repeat(cu_seqlens[:-1], lengths),
        cu_seqlens=cu_seqlens,
    )


def length_sorted(
    lengths: Sequence[int], max_tokens: int, max_sequences: int | None = None, threads: int = 1
) -> Iterator[list[int]]:
    """Split the indices 0…n-1, longest first, into batches of nearly equal size: max_tokens or
    less, give or take half a sequence.

    Neighbours of like length let attention treat them as one block, and the longest first shows
    at once whether memory suffices. Where the sequences are many, there are as many batches for
    each of the threads, so that they end together.

    >>> list(length_sorted([3, 9, 4, 2], max_tokens=10))
    [[1], [2, 0, 3]]
    """
    total = sum(lengths)
    count = -(-total // (max_tokens * threads)) * threads
    batch: list[int] = []
    number, tokens = 0, 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # A sequence belongs to the batch in which its middle lies.
        place = (2 * tokens + lengths[index]) * count // (2 * total) if total else 0
        if batch and (place > number or len(batch) == max_sequences):
            yield batch
            batch = []
        batch.append(index)
        number = place
        tokens += lengths[index]
    if batch:
        yield batch
