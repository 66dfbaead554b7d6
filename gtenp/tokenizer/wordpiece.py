"""Stage 4, WordPiece: a word becomes the longest pieces that the vocabulary has, from the left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtenp.tokenizer.memory import StrIds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gtenp.tokenizer.files import TokenizerSpec


class WordPiece:
    """The vocabulary of a model, and the ids of the words that it has been asked for."""

    def __init__(self, spec: TokenizerSpec) -> None:
        self._vocab = spec.vocab
        self._prefix = spec.continuing_subword_prefix
        self._most_characters = spec.max_input_chars_per_word
        self._longest = max(map(len, spec.vocab))
        self._unk_token_id = spec.vocab[spec.unk_token or ""]
        self.ids = StrIds(self._ids)  # a word's ids; one of [UNK] where it can't be cut

    def _ids(self, word: str) -> tuple[int, ...]:
        pieces = self._pieces(word)
        return tuple(map(self._vocab.__getitem__, pieces)) or (self._unk_token_id,)

    def cut(self, word: str) -> Iterator[tuple[int, int, int]]:
        """A word's ids, each with its piece's start and stop within the word."""
        pieces = self._pieces(word)
        if not pieces:
            yield self._unk_token_id, 0, len(word)
        stop = 0
        for piece in pieces:
            start = stop
            stop += len(piece) - (len(self._prefix) if start else 0)
            yield self._vocab[piece], start, stop

    def _pieces(self, word: str) -> list[str]:
        """The word's pieces; [] where it is unknown or too long."""
        if len(word) > self._most_characters:
            return []
        return wordpiece(word, self._vocab, self._prefix, self._longest)


def wordpiece(word: str, vocab: Mapping[str, int], prefix: str, longest: int) -> list[str]:
    """Cut a word into pieces of the vocabulary, each the longest that fits; [] where none does.

    >>> vocab = {"em": 0, "##bed": 1, "##ding": 2, "##dings": 3}
    >>> wordpiece("embeddings", vocab, "##", longest=7), wordpiece("bed", vocab, "##", longest=7)
    (['em', '##bed', '##dings'], [])

    ``longest`` is the length of the longest piece: without it, long words cost their square.
    """
    pieces: list[str] = []
    start = 0
    while start < len(word):
        for stop in range(min(len(word), start + longest), start, -1):
            piece = prefix + word[start:stop] if start else word[:stop]
            if piece in vocab:
                break
        else:
            return []
        pieces.append(piece)
        start = stop
    return pieces
