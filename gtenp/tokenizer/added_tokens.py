"""Added tokens such as ``[SEP]``, which are matched in the text itself before any word is cut."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
        # A node is what may come next, and under None the token that ends there. An alternation
        # would try all of the tokens at each character: there can be tens of thousands.
        self._trie: dict[Any, Any] = {}
        for content, token in tokens.items():
            node = self._trie
            for char in content:
                node = node.setdefault(char, {})
            node[None] = token
        firsts = "".join(map(re.escape, self._trie))
        self._first = re.compile(f"[{firsts}]") if tokens else None

    def _matches(self, text: str) -> Iterator[tuple[int, int, AddedToken]]:
        """Where a token stands, from left to right, whatever its flags say."""
        stop = 0
        while self._first is not None and (first := self._first.search(text, stop)):
            start = place = first.start()
            stop = start + 1
            token = None
            node: Any = self._trie
            while (node := node.get(text[place : place + 1])) is not None:
                place += 1
                if None in node:
                    stop, token = place, node[None]
            if token is not None:
                yield start, stop, token

    def split(self, text: str) -> Iterator[tuple[int, int, AddedToken | None]]:
        """Cover the text with spans: (start, stop, the added token there or None)."""
        done = 0
        for start, stop, token in self._matches(text):
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
