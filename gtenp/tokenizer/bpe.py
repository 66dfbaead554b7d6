"""Byte-level BPE: a word begins as single bytes, and neighbours that the model merges become one,
those first that it learnt to merge first, until no two are left that it does.

The bytes are written as the characters of ``byte_level.py``.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, ClassVar

from gtenp.tokenizer.byte_level import BYTES, as_characters
from gtenp.tokenizer.memory import StrIds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Ranks = Mapping[tuple[str, str], int]  # of each two pieces that are merged: the least first

NEVER = 1 << 62
# From here on a heap finds the next merge sooner than a look at all of them does.
LONG = 400


@dataclass(frozen=True, slots=True)
class BpeModel:
    """What a tokenizer.json says of it.

    ``ignore_merges``: a word that is a piece is not cut, whatever would be merged. ``unk_token``
    stands for a byte that the vocabulary lacks; without it such bytes are left out.
    """

    name: ClassVar[str] = "BPE over bytes"

    merges: Ranks
    ignore_merges: bool = False
    unk_token: str | None = None
    fuse_unk: bool = False


class Bpe:
    """The vocabulary of a model, and the ids of the words that it has been asked for.

    >>> vocab = {char: place for place, char in enumerate(["Ġ", "l", "o", "w", "Ġl", "ow"])}
    >>> bpe = Bpe(vocab, BpeModel({("Ġ", "l"): 0, ("o", "w"): 1}))
    >>> bpe.ids[" low"], list(bpe.cut(" low"))
    ((4, 5), [(4, 0, 2), (5, 2, 4)])
    """

    def __init__(self, vocab: Mapping[str, int], model: BpeModel) -> None:
        self._vocab = vocab
        self._model = model
        self._missing = frozenset(char for char in BYTES if char not in vocab)
        self.ids = StrIds(self._ids)  # a word's ids

    def _ids(self, word: str) -> tuple[int, ...]:
        spelt = as_characters(word)
        if self._model.ignore_merges and spelt in self._vocab:
            return (self._vocab[spelt],)
        symbols: Sequence[str] = spelt
        if not self._missing.isdisjoint(spelt):
            symbols = [symbol for symbol, _ in self._symbols(spelt)]
        return tuple(map(self._vocab.__getitem__, merge(symbols, self._model.merges)))

    def cut(self, word: str) -> Iterator[tuple[int, int, int]]:
        """A word's ids, each with its piece's start and stop within the word. A character whose
        bytes are in several pieces is in each of them.
        """
        spelt = as_characters(word)
        if self._model.ignore_merges and spelt in self._vocab:
            yield self._vocab[spelt], 0, len(word)
            return
        # The reference counts the bytes of the characters that stand for bytes: one or two.
        places = [
            place
            for place, char in enumerate(word)
            for written in as_characters(char)
            for _ in written.encode("utf-8")
        ]
        symbols = self._symbols(spelt)
        stops = [0, *accumulate(size for _, size in symbols)]
        done = 0
        for piece in merge([symbol for symbol, _ in symbols], self._model.merges):
            start, length = stops[done], 0
            while length < len(piece):
                length += len(symbols[done][0])
                done += 1
            yield self._vocab[piece], places[start], places[stops[done] - 1] + 1

    def _symbols(self, spelt: str) -> list[tuple[str, int]]:
        """What a word begins as, with sizes; those that the vocabulary lacks are unknown."""
        unk = self._model.unk_token
        symbols: list[tuple[str, int]] = []
        fuses = False
        for char in spelt:
            size = len(char.encode("utf-8"))
            if char not in self._missing:
                symbols.append((char, size))
            elif unk is not None:
                before = symbols.pop()[1] if fuses and symbols[-1][0] == unk else 0
                symbols.append((unk, before + size))
            fuses = self._model.fuse_unk and char in self._missing
        return symbols


def merge(symbols: Sequence[str], ranks: Ranks) -> list[str]:
    """The pieces that symbols are merged to: time and again the two of the least rank, and of
    several such pairs the leftmost.

    >>> merge("banana", {("a", "n"): 0, ("an", "a"): 1, ("b", "an"): 2})
    ['ban', 'ana']
    """
    if len(symbols) > LONG:
        return merge_long(symbols, ranks)
    pieces = list(symbols)
    rank = ranks.get
    found = [rank(pair, NEVER) for pair in pairwise(pieces)]
    while found:
        least = min(found)
        if least == NEVER:
            break
        place = found.index(least)
        pieces[place] += pieces.pop(place + 1)
        del found[place]
        if place:
            found[place - 1] = rank((pieces[place - 1], pieces[place]), NEVER)
        if place < len(found):
            found[place] = rank((pieces[place], pieces[place + 1]), NEVER)
    return pieces


def merge_long(symbols: Sequence[str], ranks: Ranks) -> list[str]:
    """The same in time that grows little faster than the length: a heap holds what may be merged.

    >>> merge_long("banana", {("a", "n"): 0, ("an", "a"): 1, ("b", "an"): 2})
    ['ban', 'ana']
    """
    pieces: list[str] = list(symbols)
    size = len(pieces)
    before = list(range(-1, size - 1))
    behind = list(range(1, size + 1))
    rank = ranks.get
    heap = [
        (found, place)
        for place, pair in enumerate(pairwise(pieces))
        if (found := rank(pair)) is not None
    ]
    heapq.heapify(heap)
    while heap:
        least, place = heapq.heappop(heap)
        other = behind[place]
        # Either may have been merged since: then "" or a longer piece stands there.
        if other == size or rank((pieces[place], pieces[other])) != least:
            continue
        pieces[place] += pieces[other]
        pieces[other] = ""
        behind[place] = after = behind[other]
        if after < size:
            before[after] = place
            found = rank((pieces[place], pieces[after]))
            if found is not None:
                heapq.heappush(heap, (found, place))
        if before[place] >= 0:
            found = rank((pieces[before[place]], pieces[place]))
            if found is not None:
                heapq.heappush(heap, (found, before[place]))
    return [piece for piece in pieces if piece]
