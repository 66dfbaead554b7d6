r"""Regular expressions of a tokenizer.json, which are Oniguruma's, as Python's that match the same.

Python's ``re`` reads the plain parts alike. What it lacks or has otherwise is put into its words:
classes within classes, ``[a-z&&[^b]]`` and ``\p{L}`` become ranges of code points, of the Unicode
that the reference has; ``(?i:…)`` both forms of a letter; ``a++`` and ``(?>…)`` a lookahead, which
gives nothing back. What can't be put so that any text gives the same is refused, and so is what
``re`` might search for without end (``pattern_steps.py``).

``regex``, the package, would not do: its Unicode is another with each of its versions, so that it
would need the same ranges, which it is slower with.

A text is mostly ASCII, and nearly always without characters beyond U+FFFF. A class that holds only
what can come is up to five times as fast: so a pattern is compiled for three alphabets, each when
a text first needs it.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from gtenp.tokenizer.characters import CATEGORY_NAMES, table
from gtenp.tokenizer.pattern_steps import (
    Char,
    Choice,
    Look,
    Once,
    Ranges,
    Row,
    StepsError,
    Times,
    Tree,
    check,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Parts = tuple[str | Ranges, ...]  # of a pattern: a text, or a class as its ranges

LAST = 0x10FFFF
LONGEST = 5_000  # characters of a pattern; published ones have a few hundred
# The last characters of the three alphabets.
ASCII, BASIC = 0x7F, 0xFFFF
BEYOND_BASIC = re.compile("[\U00010000-\U0010ffff]")

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
CODE = re.compile(r"u([0-9A-Fa-f]{4})|x([0-7][0-9A-Fa-f])|x\{([0-9A-Fa-f]{1,6})\}")
PROPERTY = re.compile(r"([pP])\{(\^?)([A-Za-z]{1,2})\}")
QUANTIFIER = re.compile(r"([*+?])([?+]?)|\{(\d{0,4})(,?)(\d{0,4})\}(\??)(?![*+?{])")
SIGNS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
# Two letters that one character folds to where case is ignored: ß, ﬀ, ﬁ, ﬂ, ﬆ.
FOLDED_TOGETHER = ("ss", "ff", "fi", "fl", "st")


# Powers and fractions, ² ³ ¹ ¼ ½ ¾, which are in \w where that is in no class.
NEARLY_LETTERS = ((0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE))


class PatternError(Exception):
    """A pattern that can't be put into Python's words; its text says what is in the way."""


def compiled(pattern: str, text: str) -> re.Pattern[str]:
    r"""The pattern, all of it a group, for such a text.

    >>> pattern = r"\p{Lu}[^\s[!?]]*|\S"
    >>> compiled(pattern, "An Übung!").findall("An Übung!")
    ['An', 'Übung', '!']

    Raises PatternError where the pattern is not understood.
    """
    if text.isascii():
        return _compiled(pattern, ASCII)
    return _compiled(pattern, LAST if BEYOND_BASIC.search(text) else BASIC)


@cache
def _compiled(pattern: str, last: int) -> re.Pattern[str]:
    parts = translate(pattern)
    written = (part if isinstance(part, str) else written_class(part, last) for part in parts)
    try:
        return re.compile(f"({''.join(written)})")
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"Python's re does not take it ({error})") from error


@cache
def translate(pattern: str) -> Parts:
    """The pattern's parts in Python's words, but for the classes, which are left as ranges.

    >>> translate("a?(b|[x-z&&[^y]])")
    ('a', '?', '(?:', 'b', '|', ((120, 120), (122, 122)), ')')

    Raises PatternError where it is not understood, may match nothing, or may be searched for in too
    many ways.
    """
    if len(pattern) > LONGEST:
        raise PatternError(f"it has more than {LONGEST:,} characters")
    reader = _Reader(pattern)
    try:
        found = reader.alternatives(ignore_case=False)
        if reader.rest:
            raise PatternError(f"{reader.rest!r} has no beginning")
        if found.least == 0:
            raise PatternError("it may match nothing")
        check(found.tree)
    except StepsError as error:
        raise PatternError(str(error)) from error
    except RecursionError as error:
        raise PatternError("its groups are nested too deeply") from error
    return tuple(found.parts)


class _Piece(NamedTuple):
    """A piece of a pattern, of how many characters it is at least, and how it matches."""

    parts: list[str | Ranges]
    least: int
    tree: Tree


def _char(ranges: Ranges, written: str | None = None) -> _Piece:
    """One character of these."""
    return _Piece([ranges if written is None else written], 1, Char(ranges))


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.rest = pattern
        self._groups = count(1)

    def _take(self, *starts: str) -> str:
        """The one of these with which the rest starts, which is then behind; else ""."""
        for start in starts:
            if self.rest.startswith(start):
                self.rest = self.rest[len(start) :]
                return start
        return ""

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.rest)
        if match:
            self.rest = self.rest[match.end() :]
        return match

    def alternatives(self, ignore_case: bool) -> _Piece:
        """Sequences with | between them, up to the end or to a closing parenthesis."""
        parts: list[str | Ranges] = []
        least: list[int] = []
        trees: list[Tree] = []
        while True:
            found = self._sequence(ignore_case)
            parts += found.parts
            least.append(found.least)
            trees.append(found.tree)
            if not self._take("|"):
                tree = trees[0] if len(trees) == 1 else Choice(tuple(trees))
                return _Piece(parts, min(least), tree)
            parts.append("|")

    def _sequence(self, ignore_case: bool) -> _Piece:
        parts: list[str | Ranges] = []
        least = 0
        trees: list[Tree] = []
        before = ""  # the letter before, where case is ignored
        while self.rest and self.rest[0] not in "|)":
            letter = self.rest[0].lower() if ignore_case and self.rest[0].isalpha() else ""
            if before + letter in FOLDED_TOGETHER:
                raise PatternError(f"{before + letter!r} where case is ignored")
            before = letter
            found = self._quantified(self._atom(ignore_case))
            parts += found.parts
            least += found.least
            trees.append(found.tree)
        return _Piece(parts, least, trees[0] if len(trees) == 1 else Row(tuple(trees)))

    def _atom(self, ignore_case: bool) -> _Piece:
        """One thing that a quantifier may stand behind."""
        if self.rest[0] == "(":
            if ignore_case:
                raise PatternError("a group where case is ignored")
            return self._group()
        if self._take("."):
            return _char(complement(((10, 10),)))
        if self._take("^"):  # where a line begins, but not behind the last one
            return _Piece([r"(?:(?<=\n)(?!\Z)|\A)"], 0, Look(Row(())))
        if self._take("$"):
            return _Piece([r"(?=\n|\Z)"], 0, Look(Row(())))
        if self.rest[0] == "[":
            ranges = self._class()
        elif self.rest[0] == "\\":
            # The reference looks \w up in another table than where it is in a class.
            word = self.rest[:2] in (r"\w", r"\W")
            ranges = self._escape()
            if word:
                ranges = symmetric_difference(ranges, NEARLY_LETTERS)
        elif self.rest[0] in "*+?{}]":
            raise PatternError(f"{self.rest[0]!r} with nothing before it")
        else:
            char, self.rest = self.rest[0], self.rest[1:]
            if not ignore_case:
                return _char(((ord(char), ord(char)),), re.escape(char))
            ranges = ((ord(char), ord(char)),)
        if ignore_case:
            ranges = both_cases(ranges)
        return _char(ranges)

    def _group(self) -> _Piece:
        if self._take("(?i:"):
            start, found = "(?:", self.alternatives(ignore_case=True)
        elif self._take("(?>"):
            return self._closed(self._atomic(self.alternatives(ignore_case=False)))
        else:
            start = self._take("(?:", "(?=", "(?!", "(?<=", "(?<!")
            if not start and self.rest.startswith("(?"):
                raise PatternError(f"a group that begins with {self.rest[:3]!r}")
            start = start or (self._take("(") and "(?:")  # nothing asks what it matched
            found = self.alternatives(ignore_case=False)
        parts: list[str | Ranges] = [start, *found.parts, ")"]
        if start == "(?:":
            return self._closed(_Piece(parts, found.least, found.tree))
        return self._closed(_Piece(parts, 0, Look(found.tree)))

    def _closed(self, piece: _Piece) -> _Piece:
        if not self._take(")"):
            raise PatternError("a group has no end")
        return piece

    def _atomic(self, piece: _Piece) -> _Piece:
        name = f"g{next(self._groups)}"
        parts: list[str | Ranges] = [f"(?=(?P<{name}>", *piece.parts, f"))(?P={name})"]
        return _Piece(parts, piece.least, Once(piece.tree))

    def _quantified(self, piece: _Piece) -> _Piece:
        """The piece with the quantifier that stands behind it, if there is one."""
        if not self.rest or self.rest[0] not in "*+?{":
            return piece
        match = self._match(QUANTIFIER)
        if match is None:
            raise PatternError(f"the quantifier at {self.rest[:8]!r}")
        if piece.least == 0:  # the two stop at different places in a loop of nothing
            raise PatternError(f"{match[0]!r} behind what may be nothing")
        sign, mode, low, comma, high, lazy = match.groups(default="")
        fewest, most = SIGNS.get(sign, (int(low or 0), None))
        times = sign
        if not sign:
            if not (low or high) or (lazy and not comma) or (high and int(high) < fewest):
                raise PatternError(f"the quantifier {match[0]!r}")
            times = f"{{{fewest}{comma}{high}}}"
            most = int(high) if high else None if comma else fewest
        least, tree = fewest * piece.least, Times(piece.tree, fewest, most)
        parts = [*piece.parts, times]
        if len(piece.parts) > 1:
            parts = ["(?:", *piece.parts, ")", times]
        if mode == "+":
            return self._atomic(_Piece(parts, least, tree))
        return _Piece([*parts, *("?" if mode or lazy else "")], least, tree)

    def _class(self) -> Ranges:
        """A class in brackets, with classes within it and && between them."""
        self._take("[")
        negated = self._take("^")
        sides: list[Ranges] = []
        found: list[tuple[int, int]] = []
        start = self.rest
        if start.startswith(("]", "&&")):
            raise PatternError(f"a class that begins with {start[:2]!r}")
        while not self._take("]"):
            if not self.rest or self.rest.startswith(("[:", "&&]")):
                raise PatternError(f"a class that goes on {self.rest[:8]!r}")
            if self._take("&&"):
                sides.append(union(found))
                found = []
            elif self.rest[0] == "[":
                found += self._class()
            elif self.rest[0] == "-" and self.rest[:2] != "-]" and self.rest is not start:
                raise PatternError(f"a class in which '-' stands before {self.rest[1:2]!r}")
            else:
                found += self._span()
        ranges = union(found)
        for side in sides:
            ranges = intersection(ranges, side)
        return complement(ranges) if negated else ranges

    def _span(self) -> Ranges:
        """A character of a class, or those from one to another, or an escape's."""
        first = self._member()
        if self.rest[:1] != "-" or self.rest[:2] in ("-]", "-["):
            return first
        self._take("-")
        last = self._member()
        if not is_char(first) or not is_char(last) or first > last:
            raise PatternError("a class whose '-' is between no two characters")
        return ((first[0][0], last[0][0]),)

    def _member(self) -> Ranges:
        if not self.rest:
            raise PatternError("a class has no end")
        if self.rest[0] == "\\":
            return self._escape()
        char, self.rest = self.rest[0], self.rest[1:]
        return ((ord(char), ord(char)),)

    def _escape(self) -> Ranges:
        r"""The characters for which something with \ stands."""
        self._take("\\")
        match = self._match(PROPERTY)
        if match:
            ranges = category(match[3])
            negated = (match[1] == "P") != (match[2] == "^")
            return complement(ranges) if negated else ranges
        match = self._match(CODE)
        if match:
            point = int("".join(match.groups(default="")), 16)
            return ((point, point),)
        char, self.rest = self.rest[:1], self.rest[1:]
        if char and char in "sSdDwW":
            ranges = SHORT[char.lower()]()
            return ranges if char.islower() else complement(ranges)
        if char in ESCAPES or (char.isascii() and not char.isalnum() and char):
            point = ord(ESCAPES.get(char, char))
            return ((point, point),)
        raise PatternError(f"'\\{char}{self.rest[:6]}'")


# ── Sets of characters, as ranges in their order ──


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All characters of the ranges, neighbours joined.

    >>> union([(5, 9), (1, 2), (3, 3), (8, 20)])
    ((1, 3), (5, 20))
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    """All other characters.

    >>> complement(((0, 9), (12, 0x10FFFF)))
    ((10, 11),)
    """
    starts = [0, *(last + 1 for _, last in ranges)]
    stops = [*(first - 1 for first, _ in ranges), LAST]
    return tuple(gap for gap in zip(starts, stops, strict=True) if gap[0] <= gap[1])


def intersection(one: Ranges, other: Ranges) -> Ranges:
    """The characters that both hold."""
    return complement(union(complement(one) + complement(other)))


def symmetric_difference(one: Ranges, other: Ranges) -> Ranges:
    """The characters that one alone holds."""
    return intersection(union(one + other), complement(intersection(one, other)))


def is_char(ranges: Ranges) -> bool:
    """Whether it is one character."""
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


@cache
def category(name: str) -> Ranges:
    """A general category, or several: all whose names begin so.

    Raises PatternError where there is none.
    """
    entries = table("CATEGORIES")
    assigned = union((first, last) for first, last, _ in entries)
    wanted = {number for number, known in enumerate(CATEGORY_NAMES) if known.startswith(name)}
    ranges = union((first, last) for first, last, number in entries if number in wanted)
    if name in ("C", "Cn"):  # surrogates come in no text
        ranges = union(ranges + complement(assigned))
    if not ranges:
        raise PatternError(rf"\p{{{name}}}")
    return ranges


def spaces() -> Ranges:
    r"""``\s``: as SPACES has them, and VT, FF and NEL."""
    return union([*((first, last) for first, last in table("SPACES")), (9, 13), (0x85, 0x85)])


@cache
def word_characters() -> Ranges:
    r"""``\w`` in a class: Rust's but for the joiners."""
    rust = union((first, last) for first, last in table("WORD"))
    return intersection(rust, complement(((0x200C, 0x200D),)))


SHORT: dict[str, Callable[[], Ranges]] = {
    "s": spaces,
    "d": lambda: category("Nd"),
    "w": word_characters,
}


def both_cases(ranges: Ranges) -> Ranges:
    """The characters with the other forms of those that are letters.

    >>> both_cases(((0x73, 0x73),))
    ((83, 83), (115, 115), (383, 383))

    Raises PatternError where not all are ASCII.
    """
    if ranges and ranges[-1][1] > ASCII:
        raise PatternError("characters beyond ASCII where case is ignored")
    chars = [chr(point) for first, last in ranges for point in range(first, last + 1)]
    forms = {form for char in chars for form in (char.lower(), char.upper())}
    forms |= {special for char, special in (("s", "ſ"), ("k", "\u212a")) if char in forms}
    return union((ord(form), ord(form)) for form in forms)


def written_class(ranges: Ranges, last: int) -> str:
    r"""A class of ``re`` with these characters, for texts of characters up to ``last``.

    >>> written_class(((97, 102), (0x370, 0x373)), ASCII), written_class((), ASCII)
    ('[\\U00000061-\\U00000066]', '(?!)')
    """
    inside, outside = (list(_clipped(some, last)) for some in (ranges, complement(ranges)))
    if not inside:
        return "(?!)"
    sign, chosen = ("^", outside) if len(outside) < len(inside) else ("", inside)
    if not chosen:
        return r"[\s\S]"
    spans = (rf"\U{first:08x}-\U{end:08x}" for first, end in chosen)
    return f"[{sign}{''.join(spans)}]"


def _clipped(ranges: Ranges, last: int) -> Iterator[tuple[int, int]]:
    return ((first, min(end, last)) for first, end in ranges if first <= last)
