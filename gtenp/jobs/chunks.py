"""A long text in parts, each short enough for the model, with their places in it."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gtenp.jobs.records import Record
    from gtenp.tokenizer import Tokenizer

# Where a text is cut, best first: behind a paragraph, a sentence, a line, a word.
_ENDS = [
    re.compile(r"\n[ \t\r]*\n\s*"),
    re.compile(r"[.!?…][\"'”’»)\]]*\s+|[。！？]\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"\s+"),
]


def chunk(record: Record, tokenizer: Tokenizer, size: int, overlap: int) -> Iterator[Record]:
    """The record in parts of at most ``size`` tokens, each beginning about ``overlap`` tokens
    before the last one's end.

    A part ends behind a paragraph, else a sentence, a line or a word, the first of these that is
    found in its second half; where it has no space, at the border of one of the tokenizer's words.
    Only a single word of more tokens makes a longer part. Text without tokens gives one part.
    """
    text = record.text
    spans = _words(text, tokenizer)
    starts = [start for start, _, _ in spans]
    before = [0]  # how many tokens stand before each word
    for _, _, tokens in spans:
        before.append(before[-1] + tokens)
    if before[-1] <= size:
        yield replace(record, start=0, end=len(text))
        return
    first = 0
    while first < len(spans):
        last = bisect_left(before, before[first] + size + 1) - 1  # the word behind the part
        last = max(last, first + 1)
        if last < len(spans):
            middle = bisect_left(before, before[first] + size // 2)
            last = _best_end(text, starts, first + 1, max(middle, first + 1), last)
        end = spans[last - 1][1] if last < len(spans) else len(text.rstrip()) or len(text)
        start = starts[first]
        yield replace(record, text=text[start:end], start=start, end=end)
        if last >= len(spans):
            return
        back = bisect_left(before, before[last] - overlap)
        if any(map(str.isspace, text[start:end])):
            back = next((w for w in range(back, last) if text[starts[w] - 1].isspace()), last)
        first = max(back, first + 1)


def _words(text: str, tokenizer: Tokenizer) -> list[tuple[int, int, int]]:
    """Where the tokenizer's words begin and end, and how many tokens each has."""
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    spans: list[tuple[int, int, int]] = []
    word = None
    for place, (start, end) in zip(encoding.word_ids(), encoding["offset_mapping"], strict=True):
        if place is not None and place == word and spans:
            first, _, tokens = spans[-1]
            spans[-1] = (first, max(end, spans[-1][1]), tokens + 1)
        else:
            # A word of SentencePiece's may begin with the space before it.
            space = len(text[start:end]) - len(text[start:end].lstrip())
            spans.append((start + space, end, 1))
        word = place
    return spans


def _best_end(text: str, starts: list[int], least: int, middle: int, most: int) -> int:
    """The word before which to cut, from ``middle`` to ``most``, or at the worst from ``least``."""
    for pattern, first in (*((end, middle) for end in _ENDS), (_ENDS[-1], least)):
        cuts = [m.end() for m in pattern.finditer(text, starts[first - 1], starts[most])]
        for cut in reversed(cuts):
            word = bisect_left(starts, cut)
            if first <= word <= most:
                return word
    return most
