"""What the reference tokenizer believes about a character: ``unicode_tables.py``, parsed on use."""

from __future__ import annotations

from bisect import bisect
from functools import cache

from gtenp.tokenizer import unicode_tables

# Unicode's general categories, but for Cn, which is what is in none of them.
CATEGORY_NAMES = (
    *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No"),
    *("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So"),
    *("Zs", "Zl", "Zp", "Cc", "Cf", "Co"),
)


@cache
def table(name: str) -> list[tuple[int, ...]]:
    """A table of ``unicode_tables.py``, parsed: the first of ``CJK`` is (0x3400, 0x4DBF)."""
    items: str = getattr(unicode_tables, name)
    return [tuple(int(number, 16) for number in item.split(":")) for item in items.split()]


@cache
def starts(name: str) -> list[int]:
    """Where the ranges of a table start, for bisect."""
    return [first for first, *_ in table(name)]


def entry(name: str, char: str) -> tuple[int, ...] | None:
    """The entry of a table of ranges within which a character lies.

    >>> entry("CJK", "中"), entry("CJK", "か")
    ((19968, 40959), None)
    """
    point = ord(char)
    found = table(name)[bisect(starts(name), point) - 1]
    return found if found[0] <= point <= found[1] else None


def within(name: str, char: str) -> bool:
    """Whether a table of ranges holds a character."""
    return entry(name, char) is not None


def is_space(char: str) -> bool:
    """White space in Unicode's sense. VT, FF and NEL are, though stage 2 removes them."""
    return within("SPACES", char) or char in "\v\f\x85"


@cache
def all_spaces() -> str:
    """Every character of white space in Unicode's sense, as ``str.strip`` takes them."""
    runs = table("SPACES")
    return "".join(chr(p) for first, last in runs for p in range(first, last + 1)) + "\v\f\x85"


@cache
def decompositions() -> dict[int, str]:
    """Each character's full canonical decomposition, Hangul aside: 0xE9 → e and U+0301."""
    return {point: "".join(map(chr, parts)) for point, *parts in table("DECOMPOSITIONS")}


@cache
def combining_classes() -> dict[str, int]:
    """Each mark's canonical combining class, where that is not 0: U+0301 → 230."""
    runs = table("COMBINING_CLASSES")
    return {chr(p): number for first, last, number in runs for p in range(first, last + 1)}
