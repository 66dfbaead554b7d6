"""Remembering: what a character becomes, and which ids a piece of text has, are asked for again and
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# How many words, and how many chunks between spaces, are remembered with their ids, and of what
# length: at most some 20 MB each. A full memory starts anew, which is cheaper than keeping count of
# what was used last.
REMEMBERED = 65_536
REMEMBERED_LENGTH = 32


class CharTable(dict[int, str]):
    """A function of one character, remembered; ``str.translate`` takes it as it is.

    >>> "a-b".translate(CharTable(lambda char: f" {char} " if char == "-" else char))
    'a - b'
    """

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, point: int) -> str:
        if 0xD800 <= point < 0xE000:
            raise LoneSurrogateError
        if len(self) >= REMEMBERED:
            self.clear()
        form = self[point] = self._function(chr(point))
        return form


class StrIds(dict[str, tuple[int, ...]]):
    """A function from a piece of text to its ids, remembered for pieces of a usual length.

    >>> lengths = StrIds(lambda text: (len(text),))
    >>> lengths["ab"], len(lengths), lengths["c" * 99], len(lengths)
    ((2,), 1, (99,), 1)
    """

    def __init__(self, function: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> tuple[int, ...]:
        ids = self._function(text)
        if len(text) <= REMEMBERED_LENGTH:
            if len(self) >= REMEMBERED:
                self.clear()
            self[text] = ids
        return ids


class LoneSurrogateError(Exception):
    """Half a UTF-16 pair: not text, and the reference can't take it either."""
