"""Stage 3, splitting into words: at white space, and around each punctuation mark.

The reference is ``BertPreTokenizer``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gtenp.tokenizer.characters import is_space, within
from gtenp.tokenizer.memory import CharTable

if TYPE_CHECKING:
    from collections.abc import Iterator


def isolate(char: str) -> str:
    r"""Put spaces around punctuation, which makes it a word, and make every space the same.

    >>> isolate("-"), isolate("a"), isolate("\u00a0")
    (' - ', 'a', ' ')
    """
    return f" {char} " if within("PUNCTUATION", char) else " " if is_space(char) else char


# For ASCII text, in which stage 2 has left no space but " ".
ASCII_WORDS = re.compile(r"[^ !-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]")


def words(text: str, start: int, stop: int, isolated: CharTable) -> Iterator[tuple[int, int]]:
    """Where the words of a normalized text begin and end, between two places.

    >>> list(words("to-do list", 0, 10, CharTable(isolate)))
    [(0, 2), (2, 3), (3, 5), (6, 10)]
    """
    for position in range(start, stop):
        form = isolated[ord(text[position])]
        if len(form) == 1 and form != " ":
            continue
        if start < position:
            yield start, position
        if form != " ":
            yield position, position + 1
        start = position + 1
    if start < stop:
        yield start, stop
