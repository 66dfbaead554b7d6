"""The input in blocks: what is embedded, written and, after a kill, done again as a whole.

A block is batched within itself, so that its vectors depend on nothing outside it: not on how many
threads there are, nor on where a run began.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtenp.jobs.records import Bad, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Some dozens of batches: enough that their sizes come out even, little enough that a kill costs
# seconds.
MAX_RECORDS = 1024
MAX_CHARACTERS = 1 << 17


@dataclass(frozen=True)
class Block:
    """Some of the input's records, in its order."""

    number: int  # from 0
    records: list[Record] = field(default_factory=list)
    bad: list[Bad] = field(default_factory=list)

    def digest(self) -> str:
        """A hash of all that was read."""
        digest = hashlib.sha256()
        for record in self.records:
            fields = (record.number, record.id, record.place, record.text, record.columns)
            digest.update(repr(fields).encode())
        digest.update(repr(self.bad).encode())
        return digest.hexdigest()


def split(found: Iterable[Record | Bad]) -> Iterator[Block]:
    """The blocks, of so many records or of so many characters, whichever is reached first."""
    block, characters = Block(0), 0
    for one in found:
        if isinstance(one, Bad):
            block.bad.append(one)
            characters += len(one.problem)
        else:
            block.records.append(one)
            characters += len(one.text)
        if len(block.records) == MAX_RECORDS or characters >= MAX_CHARACTERS:
            yield block
            block, characters = Block(block.number + 1), 0
    if block.records or block.bad:
        yield block


def of_shard(blocks: Iterable[Block], shard: tuple[int, int] | None) -> Iterator[Block]:
    """Of shard (i, n), from 1, every n-th block, the i-th first; of None all."""
    first, step = (1, 1) if shard is None else shard
    return (block for block in blocks if block.number % step == first - 1)
