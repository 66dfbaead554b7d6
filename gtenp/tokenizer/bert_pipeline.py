"""Stages 2 to 4 put together: what BERT does between the added tokens and the template.

``words`` takes a text through them one after the other and says whence each id comes; ``ids`` gives
the same ids in two steps that remember what they made. The tokenizer asks a pipeline for nothing
else than the methods here, so another can stand in this one's place.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from gtenp.tokenizer.decoder import join_pieces
from gtenp.tokenizer.memory import CharTable, StrIds
from gtenp.tokenizer.normalizer import Normalizer
from gtenp.tokenizer.pre_tokenizer import ASCII_WORDS, isolate, words
from gtenp.tokenizer.wordpiece import WordPiece

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Set

    from gtenp.tokenizer.files import TokenizerSpec

# How far from its end a head looks for a place to be cut; text that has none there seldom has any.
LOOK_BACK = 1000


class BertPipeline:
    """Text without added tokens → ids: normalize, split into words, cut those by WordPiece.

    >>> from gtenp.tokenizer.files import TokenizerSpec
    >>> bert = BertPipeline(TokenizerSpec({"[UNK]": 0, "em": 1, "##bed": 2, "é": 3, "!": 4}))
    >>> list(bert.ids("Embed!")), list(bert.words("embed!", 0, 6, 1))
    ([1, 2, 4], [[(1, 0, 2), (2, 2, 5)], [(4, 5, 6)]])
    """

    needs_places = False  # no word hangs on where its text stands
    cuts_at_lone_spaces = False  # but behind punctuation, by ``head``

    def __init__(self, spec: TokenizerSpec) -> None:
        self._spec = spec
        self._normalizer = Normalizer(spec)
        self._wordpiece = WordPiece(spec)
        # What stands between two spaces: a word with its punctuation, mostly.
        self._chunk_ids = StrIds(self._ids_of_chunk)
        self._isolated = CharTable(isolate)
        # Stages 2 and 3 in one: what str.translate() puts in a character's place.
        forms = self._normalizer.forms
        self._split = CharTable(lambda char: forms[ord(char)].translate(self._isolated))

    def ids(self, text: str) -> Iterable[int]:
        """The ids of a text."""
        if text.isascii():
            text = text.translate(self._normalizer.ascii_forms)
        # No stage looks across a space. Not split(): it would also part words at U+001C, which
        # stage 2 may remove.
        return chain.from_iterable(map(self._chunk_ids.__getitem__, text.split(" ")))

    def _ids_of_chunk(self, chunk: str) -> tuple[int, ...]:
        """The ids of what stands between two spaces."""
        if chunk.isascii():  # whose punctuation is left for ASCII_WORDS to isolate
            ascii_text = chunk.translate(self._normalizer.ascii_forms)
            parts: Iterable[str] = ASCII_WORDS.findall(ascii_text)
        else:
            parts = filter(None, self._normalizer.sort(chunk).translate(self._split).split(" "))
        return tuple(chain.from_iterable(map(self._wordpiece.ids.__getitem__, parts)))

    def normalize(self, text: str) -> str:
        """The normalized text."""
        return self._normalizer.sort(text).translate(self._normalizer.forms)

    def align(self, text: str) -> tuple[str, list[int]]:
        """The normalized text, and for each of its characters whence it comes."""
        return self._normalizer(text)

    def normal_ids(self, normal: str) -> Iterable[int]:
        """The ids of a text that is normalized already."""
        parts = filter(None, normal.translate(self._isolated).split(" "))
        return chain.from_iterable(map(self._wordpiece.ids.__getitem__, parts))

    def words(
        self, normal: str, start: int, stop: int, zeros: int
    ) -> Iterator[list[tuple[int, int, int]]]:
        """The words of a normalized text between two places, each as (id, start, stop) a piece."""
        del zeros  # how many characters come from where the whole text begins
        for first, last in words(normal, start, stop, self._isolated):
            cut = self._wordpiece.cut(normal[first:last])
            yield [(number, first + begin, first + end) for number, begin, end in cut]

    def head(self, text: str, size: int, taken: Set[str]) -> str:
        """The start of a text, at most ``size`` long, up to where a cut changes nothing: behind a
        character that is always a word's end and that none of ``taken`` is or becomes.
        """
        for stop in range(size, max(0, size - LOOK_BACK), -1):
            form = self._split[ord(text[stop - 1])]
            if form.endswith(" ") and taken.isdisjoint(text[stop - 1] + form):
                return text[:stop]
        return ""

    def join(self, tokens: list[str]) -> str:
        """Tokens → text."""
        spec = self._spec
        return join_pieces(tokens, spec.continuing_subword_prefix, spec.decoder_cleanup)
