"""Pre-tokenizers that split by a pattern, and a space before a text.

A segment is a text and, for each of its characters, whence it comes. The references are ``Split``,
``Digits`` and, before it goes on to bytes, ``ByteLevel``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from gtenp.tokenizer.characters import table
from gtenp.tokenizer.patterns import compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gtenp.tokenizer.metaspace import Segment

    Span = tuple[int, int]

# What ByteLevel splits by: GPT-2's.
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# What becomes of the matches of a pattern: words of their own, nothing, joined to the word before
# or behind, or neighbouring ones to one word.
BEHAVIORS = ("Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous")


@dataclass(frozen=True, slots=True)
class Split:
    r"""Splits at the matches of a pattern; with ``invert`` at what is between them.

    >>> Split(r"\d", "Isolated", invert=False)(["a12 b"])
    ['a', '1', '2', ' b']
    >>> Split(WORDS, "Isolated", invert=False)(["it's  12%"])
    ['it', "'s", ' ', ' 12', '%']
    """

    pattern: str
    behavior: str
    invert: bool

    def __call__(self, texts: Iterable[str]) -> list[str]:
        """The words of the texts."""
        words: list[str] = []
        for text in texts:
            pattern = compiled(self.pattern, text)
            if self.behavior == "Isolated" and pattern.groups == 1:
                # With the pattern a group, what it matches comes too. None between two is "".
                words += filter(None, pattern.split(text))
            else:
                words += [text[start:stop] for start, stop in self._spans(text)]
        return words

    def align(self, segments: Iterable[Segment], zeros: int) -> Iterator[Segment]:
        """The words of the segments."""
        del zeros
        for text, origins in segments:
            for start, stop in self._spans(text):
                yield text[start:stop], origins[start:stop]

    def _spans(self, text: str) -> list[Span]:
        """Where the words of a text are."""
        spans: list[Span] = []
        matches: list[bool] = []
        done = 0
        for match in compiled(self.pattern, text).finditer(text):
            start, stop = match.span()
            for span, matched in (((done, start), False), ((start, stop), True)):
                if span[0] < span[1]:
                    spans.append(span)
                    matches.append(matched != self.invert)
            done = stop
        if done < len(text):
            spans.append((done, len(text)))
            matches.append(self.invert)
        if self.behavior == "Isolated":
            return spans
        if self.behavior == "Removed":
            return [span for span, matched in zip(spans, matches, strict=True) if not matched]
        return list(joined(spans, self._joins(matches)))

    def _joins(self, matches: list[bool]) -> list[bool]:
        """For each two neighbours whether they are one word, by whether each is a match."""
        pairs = pairwise(matches)
        if self.behavior == "Contiguous":
            return [one == other for one, other in pairs]
        if self.behavior == "MergedWithPrevious":
            return [other and not one for one, other in pairs]
        return [one and not other for one, other in pairs]


def joined(spans: list[Span], joins: list[bool]) -> Iterator[Span]:
    """The spans, those neighbours one that are to be joined.

    >>> list(joined([(0, 1), (1, 4), (4, 5)], [True, False]))
    [(0, 4), (4, 5)]
    """
    start = 0
    for place, (_, stop) in enumerate(spans):
        if place == len(spans) - 1 or not joins[place]:
            yield start, stop
            start = stop


@dataclass(frozen=True, slots=True)
class PrefixSpace:
    """A space before each text that has none there.

    >>> PrefixSpace()(["a", " b"])
    [' a', ' b']
    """

    def __call__(self, texts: Iterable[str]) -> list[str]:
        """The texts."""
        return [text if text.startswith(" ") else f" {text}" for text in texts]

    def align(self, segments: Iterable[Segment], zeros: int) -> Iterator[Segment]:
        """The segments; the space comes from where the first character does."""
        del zeros
        for text, origins in segments:
            if text.startswith(" "):
                yield text, origins
            else:
                yield f" {text}", [origins[0], *origins]


def digits(*, individual: bool) -> Split:
    """Digits, and whatever else is a number, apart from what is none, or each from the next."""
    newer = "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in table("NEWER_NUMBERS"))
    return Split(rf"[\p{{N}}{newer}]", "Isolated" if individual else "Contiguous", invert=False)
