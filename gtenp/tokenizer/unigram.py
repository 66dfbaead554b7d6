"""Unigram: a word becomes those pieces of the vocabulary whose scores sum up to the most.

A score is the logarithm of how often a piece comes, so the best cut is the likeliest. It is found
from left to right (Viterbi): the best way to each place is the best of those through a piece that
ends there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gtenp.tokenizer.memory import LoneSurrogateError, StrIds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# How much less than the least of all scores an unknown character has.
UNKNOWN_PENALTY = 10.0


@dataclass(frozen=True, slots=True)
class UnigramModel:
    """What a tokenizer.json says of it. ``scores``: a piece's, by its id."""

    name: ClassVar[str] = "Unigram"

    scores: Sequence[float]
    unk_id: int
    byte_fallback: bool = False


class Unigram:
    """The vocabulary of a model, and the ids of the words that it has been asked for."""

    def __init__(self, vocab: Mapping[str, int], model: UnigramModel) -> None:
        self._vocab = vocab
        self._scores = model.scores
        self._unk_id = model.unk_id
        self._unk_score = min(model.scores) - UNKNOWN_PENALTY
        self._reach = longest_pieces(vocab)
        byte_ids = [vocab.get(f"<0x{byte:02X}>") for byte in range(256)]
        self._byte_ids = byte_ids if model.byte_fallback else [None] * 256
        self.ids = StrIds(self._ids)  # a word's ids

    def _ids(self, word: str) -> tuple[int, ...]:
        ids: list[int] = []
        starts = self._starts(word)
        known = self._vocab.get
        stop = len(word)
        while stop:
            start = starts[stop]
            id = known(word[start:stop])
            if id is None or id == self._unk_id:
                return tuple(id for id, _, _ in self.cut(word))
            ids.append(id)
            stop = start
        return tuple(ids[::-1])

    def _starts(self, word: str) -> list[int]:
        return best_starts(word, self._vocab, self._scores, self._reach, self._unk_score)

    def cut(self, word: str) -> Iterator[tuple[int, int, int]]:
        """A word's ids, each with its piece's start and stop within the word.

        Neighbours that are unknown are one, with one unknown id or the ids of their bytes.
        """
        for start, stop in self._spans(word):
            piece = word[start:stop]
            known = self._vocab.get(piece)
            if known is not None:
                yield known, start, stop
                continue
            try:
                ids = [self._byte_ids[byte] for byte in piece.encode("utf-8")]
            except UnicodeEncodeError:
                raise LoneSurrogateError from None
            for id in [self._unk_id] if None in ids else ids:
                yield id, start, stop  # type: ignore[misc]

    def _spans(self, word: str) -> list[tuple[int, int]]:
        starts = self._starts(word)
        spans: list[tuple[int, int]] = []
        after_unknown = False
        stop = len(word)
        while stop:
            start = starts[stop]
            unknown = self._vocab.get(word[start:stop], self._unk_id) == self._unk_id
            if unknown and after_unknown:
                spans[-1] = start, spans[-1][1]
            else:
                spans.append((start, stop))
            after_unknown = unknown
            stop = start
        spans.reverse()
        return spans


def longest_pieces(vocab: Iterable[str]) -> dict[str, int]:
    """How long the longest piece is that begins with two characters, where that is more than two.

    >>> longest_pieces(["a", "abc", "abcd", "xy"])
    {'ab': 4}
    """
    longest: dict[str, int] = {}
    for piece in vocab:
        length = len(piece)
        if length > longest.get(piece[:2], 2):
            longest[piece[:2]] = length
    return longest


def best_starts(
    word: str,
    vocab: Mapping[str, int],
    scores: Sequence[float],
    longest: Mapping[str, int],
    unk_score: float,
) -> list[int]:
    """Where the piece begins that ends at each place, on the best way there.

    >>> vocab = {"a": 0, "b": 1, "ab": 2}
    >>> best_starts("abx", vocab, [-1.0, -1.0, -3.0], longest_pieces(vocab), unk_score=-13.0)
    [0, 0, 1, 2]

    Of two ways that are equally good the one found first stays. A character that is no piece costs
    ``unk_score``. ``longest``, of ``longest_pieces``, saves most of the looking up.
    """
    size = len(word)
    best = [0.0] + [-math.inf] * size
    starts = [0] * (size + 1)
    known, reach = vocab.get, longest.get
    for start in range(size):
        so_far = best[start]
        id = known(word[start])
        score = so_far + (unk_score if id is None else scores[id])
        if score > best[start + 1]:
            best[start + 1] = score
            starts[start + 1] = start
        most = start + reach(word[start : start + 2], 2)
        for stop in range(start + 2, (most if most < size else size) + 1):
            id = known(word[start:stop])
            if id is not None:
                score = so_far + scores[id]
                if score > best[stop]:
                    best[stop] = score
                    starts[stop] = start
    return starts
