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

from gtenp.model_files.config import Arithmetic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Int = npt.NDArray[np.int64]

BERT = Arithmetic()


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


def pack(
    input_ids: Sequence[Sequence[int]],
    token_type_ids: Sequence[Sequence[int]] | None = None,
    arithmetic: Arithmetic = BERT,
) -> PackedBatch:
    """Lay sequences end to end: lists of token ids -> PackedBatch. Token types default to 0.

    >>> batch = pack([[101, 7592, 102], [101, 102]])
    >>> batch.input_ids.tolist(), batch.position_ids.tolist(), batch.cu_seqlens.tolist()
    ([101, 7592, 102, 101, 102], [0, 1, 2, 0, 1], [0, 3, 5])
    """
    lengths = np.fromiter(map(len, input_ids), np.int64, len(input_ids))
    cu_seqlens = np.concatenate(([0], np.cumsum(lengths)))
    total = int(cu_seqlens[-1])
    ids = np.fromiter(chain.from_iterable(input_ids), np.int64, total)
    types = np.zeros(total, np.int64)
    if token_type_ids is not None:
        types = np.fromiter(chain.from_iterable(token_type_ids), np.int64, total)
    return PackedBatch(ids, types, position_ids(ids, cu_seqlens, arithmetic), cu_seqlens)


def position_ids(input_ids: Int, cu_seqlens: Int, arithmetic: Arithmetic) -> Int:
    """Each token's row of the position table: [T], [B + 1] -> [T]; all 0 where there is none.

    RoBERTa's begin behind its padding token's id, and a padding token in a text is not counted:

    >>> roberta = Arithmetic(first_position=2, uncounted_token_id=1)
    >>> position_ids(np.array([0, 7, 1, 8, 0, 2]), np.array([0, 4, 6]), roberta).tolist()
    [2, 3, 1, 4, 2, 3]
    """
    if not arithmetic.position_table and arithmetic.rotary_base is None:
        return np.zeros_like(input_ids)
    starts, lengths = cu_seqlens[:-1], np.diff(cu_seqlens)
    first, uncounted = arithmetic.first_position, arithmetic.uncounted_token_id
    places = np.arange(len(input_ids)) - np.repeat(starts, lengths)
    left_out = None if uncounted is None else input_ids == uncounted
    if left_out is None or not left_out.any():
        return places + first
    before = np.concatenate(([0], np.cumsum(left_out)))  # how many stand before each token
    places -= before[:-1] - np.repeat(before[starts], lengths)
    return np.where(left_out, first - 1, places + first)


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
