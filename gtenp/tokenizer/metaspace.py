"""The pre-tokenizers of sentencepiece's models: split at white space, write a space as "▁".

A segment is a text and, for each of its characters, whence it comes. Each pre-tokenizer splits
texts when it is called, and segments with ``align``. The references are ``WhitespaceSplit`` and
``Metaspace``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtenp.tokenizer.characters import all_spaces
from gtenp.tokenizer.memory import CharTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Segment = tuple[str, list[int]]

SPACED = CharTable(lambda char: " " if char in all_spaces() else char)


@dataclass(frozen=True, slots=True)
class WhitespaceSplit:
    r"""Words are what stands between white space.

    >>> WhitespaceSplit()([" a\tb\x1cc "])
    ['a', 'b\x1cc']
    """

    def __call__(self, texts: Iterable[str]) -> list[str]:
        """The words of the texts."""
        # Not split(): it would part words at U+001C to U+001F too.
        return [word for text in texts for word in text.translate(SPACED).split(" ") if word]

    def align(self, segments: Iterable[Segment], zeros: int) -> Iterator[Segment]:
        """The words of the segments."""
        del zeros
        for text, origins in segments:
            for match in re.finditer("[^ ]+", text.translate(SPACED)):
                part = slice(*match.span())
                yield text[part], origins[part]


@dataclass(frozen=True, slots=True)
class Metaspace:
    """Spaces become a replacement, "▁", which begins a word and is put before a text.

    ``prepend_scheme``: "always", "never", or "first", only where the whole text begins.

    >>> Metaspace("▁", "always", split=True)(["to be ", "▁or"])
    ['▁to', '▁be', '▁', '▁or']
    """

    replacement: str
    prepend_scheme: str
    split: bool

    def __call__(self, texts: Iterable[str]) -> list[str]:
        """The words of the texts, none of which is where the whole text begins."""
        mark = self.replacement
        prefix = mark if self.prepend_scheme == "always" else ""
        marked = (text.replace(" ", mark) for text in texts)
        begun = [text if text.startswith(mark) else prefix + text for text in marked]
        if not self.split:
            return begun
        words: list[str] = []
        for text in begun:
            if text.rfind(mark) > 0:
                words += [text[start:stop] for start, stop in self._parts(text)]
            else:  # nearly always
                words.append(text)
        return words

    def align(self, segments: Iterable[Segment], zeros: int) -> Iterator[Segment]:
        """The words of the segments; ``zeros`` characters come from where the text begins."""
        mark = self.replacement
        for segment, places in segments:
            text, origins = segment.replace(" ", mark), places
            prepends = self.prepend_scheme == "always" or (
                self.prepend_scheme == "first" and places[0] < zeros
            )
            if prepends and not text.startswith(mark):
                text, origins = mark + text, [places[0], *places]
            for start, stop in self._parts(text) if self.split else [(0, len(text))]:
                yield text[start:stop], origins[start:stop]

    def _parts(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the text falls apart: before each mark."""
        start = 0
        while start < len(text):
            stop = text.find(self.replacement, start + 1)
            stop = len(text) if stop < 0 else stop
            yield start, stop
            start = stop
