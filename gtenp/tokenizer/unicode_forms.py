"""Unicode's normal forms NFC, NFKC, NFD and NFKD, as the reference has them.

Its Unicode is older than any Python's, so what decomposes and which marks are sorted is asked of
``unicode_tables.py``. What a character decomposes to one step at a time, and its compatibility
form, Python's ``unicodedata`` says: these never change once a character is assigned.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

from gtenp.tokenizer.characters import combining_classes, decompositions, table, within
from gtenp.tokenizer.normalizer import decompose
from gtenp.tokenizer.origins import Change, realign


@dataclass(frozen=True, slots=True)
class UnicodeForm:
    r"""A normalizer: decomposed, marks sorted, and with ``composes`` put together again.

    >>> UnicodeForm("NFC")("e\u0301"), UnicodeForm("NFKD")("ﬁ é") == "fi e\u0301"
    ('é', True)
    """

    name: str  # NFC, NFKC, NFD or NFKD

    def __call__(self, text: str) -> str:
        """The normalized text."""
        if touched(self.name).isdisjoint(text):
            return text
        return "".join(char for char, _ in self._changes(text))

    def align(self, text: str, origins: list[int]) -> tuple[str, list[int]]:
        """The normalized text, and whence each of its characters comes."""
        return realign(self._changes(text), origins)

    def _changes(self, text: str) -> list[Change]:
        changes = decomposed(text, compatibility="K" in self.name)
        return composed(changes) if self.name.endswith("C") else changes


def full_form(char: str) -> str:
    """The character's compatibility decomposition (NFKD).

    >>> full_form("ﬁ"), full_form("각") == decompose("각")
    ('fi', True)
    """
    return unicodedata.normalize("NFKD", char) if within("COMPATIBILITY", char) else decompose(char)


@cache
def touched(name: str) -> frozenset[str]:
    """The characters that a form may change, or that may change their neighbours: a text without
    them stays as it is.
    """
    chars = set(combining_classes())
    if "K" in name:
        chars.update(
            chr(point) for first, last in table("COMPATIBILITY") for point in range(first, last + 1)
        )
    if name.endswith("D"):
        chars.update(map(chr, decompositions()))
        chars.update(map(chr, range(SYLLABLES, SYLLABLES + 19 * 21 * 28)))
    else:
        whole = set(compositions().values())
        chars.update(char for char in map(chr, decompositions()) if char not in whole)
        chars.update(pair[1] for pair in compositions())
        chars.update(map(chr, range(VOWELS, VOWELS + 21)))
        chars.update(map(chr, range(TAILS, TAILS + 28)))
    return frozenset(chars)


def decomposed(text: str, *, compatibility: bool) -> list[Change]:
    """Decompose each character, then sort each run of marks by combining class."""
    decompose_one = full_form if compatibility else decompose
    classes = combining_classes()
    changes: list[Change] = []
    marks: list[Change] = []
    for char in text:
        for number, part in enumerate(decompose_one(char)):
            change = (part, 1 if number else 0)
            if part in classes:
                marks.append(change)
                continue
            changes += sorted(marks, key=lambda mark: classes[mark[0]])
            marks.clear()
            changes.append(change)
    changes += sorted(marks, key=lambda mark: classes[mark[0]])
    return changes


SYLLABLES, LEADS, VOWELS, TAILS = 0xAC00, 0x1100, 0x1161, 0x11A7


@cache
def compositions() -> dict[str, str]:
    """Which two characters become one; Hangul goes by rule."""
    pairs = {}
    for point in decompositions():
        char = chr(point)
        if unicodedata.normalize("NFC", char) == char:
            first, second = unicodedata.decomposition(char).split()
            pairs[chr(int(first, 16)) + chr(int(second, 16))] = char
    return pairs


def compose(first: str, second: str) -> str | None:
    """The one character that two compose to, or None.

    >>> compose("e", "\u0301"), compose("ᄀ", "ᅡ"), compose("가", "ᆨ"), compose("a", "b")
    ('é', '가', '각', None)
    """
    lead, vowel = ord(first) - LEADS, ord(second) - VOWELS
    if 0 <= lead < 19 and 0 <= vowel < 21:
        return chr(SYLLABLES + (lead * 21 + vowel) * 28)
    syllable, tail = ord(first) - SYLLABLES, ord(second) - TAILS
    if 0 <= syllable < 19 * 21 * 28 and syllable % 28 == 0 and 0 < tail < 28:
        return chr(ord(first) + tail)
    return compositions().get(first + second)


def composed(changes: list[Change]) -> list[Change]:
    """Put each base together with those of its marks that nothing keeps from it."""
    classes = combining_classes()
    done: list[Change] = []
    base = -1  # where the last base is in what is done, from its first on
    last = 0  # the class of what stands between it and the next mark
    for char, change in changes:
        number = classes.get(char, 0)
        if base >= 0 and (base == len(done) - 1 or last < number):
            whole = compose(done[base][0], char)
            if whole is not None:
                done[base] = (whole, done[base][1] + change - 1)
                continue
        done.append((char, change))
        last = number
        if number == 0:
            base = len(done) - 1
    return done
