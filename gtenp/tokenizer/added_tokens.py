"""Added tokens such as ``[SEP]``, which are matched in the text itself before any word is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gtenp.tokenizer.characters import is_space, within

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that is matched in the text itself, before any word is cut.

    ``single_word``: not where a letter, digit or mark touches it. ``lstrip``, ``rstrip``: takes the
    spaces beside it. ``normalized``: is matched after normalization, itself normalized.
    ``special``: ``decode(skip_special_tokens=True)`` leaves it out.
    """

    content: str
    id: int
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = True


class AddedTokenMatcher:
    """Finds added tokens such as ``[SEP]``: the leftmost first, and of these the longest.

    >>> matcher = AddedTokenMatcher({"[SEP]": AddedToken("[SEP]", 102)})
    >>> [(start, stop, token and token.id) for start, stop, token in matcher.split("a[SEP] b")]
    [(0, 1, None), (1, 6, 102), (6, 8, None)]
    """

    def __init__(self, tokens: dict[str, AddedToken]) -> None:
        self._tokens = tokens
        longest_first = sorted(tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if tokens else None

    def found_in(self, text: str) -> bool:
        """Whether the text holds any of them."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def split(self, text: str) -> Iterator[tuple[int, int, AddedToken | None]]:
        """Cover the text with spans: (start, stop, the added token there or None)."""
        done = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            start, stop = match.span()
            token = self._tokens[match.group()]
            if token.single_word and (
                (start > 0 and within("WORD", text[start - 1]))
                or (stop < len(text) and within("WORD", text[stop]))
            ):
                continue
            if token.lstrip:
                # Not further back than the last token, which may have taken these spaces already.
                while start > done and is_space(text[start - 1]):
                    start -= 1
                start = max(start, done)
            if token.rstrip:
                while stop < len(text) and is_space(text[stop]):
                    stop += 1
            if done < start:
                yield done, start, None
            if start < stop:
                yield start, stop, token
            done = stop
        if done < len(text):
            yield done, len(text), None
