"""Stage 2, normalizing: clean, space out CJK, strip accents, lower-case; a character at a time.

Each step says what comes in a character's place. The order is that of the reference's
``BertNormalizer``.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING

from gtenp.tokenizer.characters import (
    combining_classes,
    decompositions,
    entry,
    is_space,
    within,
)
from gtenp.tokenizer.memory import CharTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.tokenizer.files import TokenizerSpec


def clean(char: str) -> str:
    r"""Remove controls, so that their neighbours join, and make every space the same.

    >>> clean("\u200b"), clean("\t"), clean("x")
    ('', ' ', 'x')
    """
    if within("CONTROLS", char):
        return ""
    return " " if within("SPACES", char) else char


def space_out_cjk(char: str) -> str:
    """Put spaces around a CJK ideograph, which makes it a word. Kana and Hangul stay together.

    >>> space_out_cjk("中"), space_out_cjk("か")
    (' 中 ', 'か')
    """
    return f" {char} " if within("CJK", char) else char


def decompose(char: str) -> str:
    """The character's full canonical decomposition (NFD).

    >>> [f"{ord(part):x}" for part in decompose("ế")]
    ['65', '302', '301']
    >>> [f"{ord(part):x}" for part in decompose("각")]
    ['1100', '1161', '11a8']
    """
    if char.isascii():  # a process that sees only ASCII need not parse the largest table
        return char
    syllable = ord(char) - 0xAC00
    if 0 <= syllable < 11172:  # Hangul syllables: section 3.12 of the Unicode standard
        lead, rest = divmod(syllable, 21 * 28)
        vowel, tail = divmod(rest, 28)
        jamo = chr(0x1100 + lead) + chr(0x1161 + vowel)
        return jamo + chr(0x11A7 + tail) if tail else jamo
    return decompositions().get(ord(char), char)


def strip_accents(char: str) -> str:
    """Decompose, then drop the nonspacing marks. Only what is a base and a mark loses anything.

    >>> strip_accents("é"), strip_accents("≠"), strip_accents("ø")
    ('e', '=', 'ø')
    """
    return "".join(part for part in decompose(char) if not within("MARKS", part))


def lowercase(char: str) -> str:
    """Lowercase without a look at the neighbours: a final sigma stays σ, unlike in Python.

    >>> lowercase("Σ"), "ΟΔΟΣ".lower()
    ('σ', 'οδος')
    """
    if char == "\u0130":  # İ, the only one that becomes two characters
        return "i\u0307"
    run = entry("LOWERCASE", char)
    if run is None:
        return char
    first, _, step, lowered = run
    distance = ord(char) - first
    return char if distance % step else chr(lowered + distance)


def normalize(char: str, spec: TokenizerSpec) -> str:
    """All of stage 2 for one character.

    >>> from gtenp.tokenizer.files import TokenizerSpec
    >>> spec = TokenizerSpec(vocab={})
    >>> normalize("É", spec), normalize("中", spec)
    ('e', ' 中 ')
    """
    text = clean(char) if spec.clean_text else char
    if spec.handle_chinese_chars:
        text = "".join(map(space_out_cjk, text))
    if spec.strips_accents:
        text = "".join(map(strip_accents, text))
    if spec.lowercase:
        text = "".join(map(lowercase, text))
    return text


# One thing does not go character by character: NFD also sorts neighbouring marks. The nonspacing
# ones are dropped right afterwards, so it shows only in marks that survive (Javanese, musical
# notation, marks younger than the tables). A text without these never comes here.


@cache
def sortable_marks() -> frozenset[str]:
    """The characters that are, or contain, a mark that NFD sorts and that survives."""
    sortable = {mark for mark in combining_classes() if not within("MARKS", mark)}
    sortable |= {chr(p) for p, parts in decompositions().items() if sortable.intersection(parts)}
    return frozenset(sortable)


def sort_marks(text: str) -> tuple[str, list[int]]:
    r"""Decompose and sort marks by combining class; also, whence each character comes.

    The origins go by position, not by character, for that is how the reference counts them.

    >>> text, origins = sort_marks("a\u302e\U0001d165b")
    >>> [f"{ord(char):x}" for char in text], origins
    (['61', '1d165', '302e', '62'], [0, 1, 2, 3])
    """
    parts = [(part, n == 0) for char in text for n, part in enumerate(decompose(char))]
    classes = [combining_classes().get(part, 0) for part, _ in parts]
    # What has class 0 stays where it is, and the marks stay behind it.
    bases = accumulate(number == 0 for number in classes)
    keys = list(zip(bases, classes, strict=True))
    order = sorted(range(len(parts)), key=keys.__getitem__)
    positions = list(accumulate((parts[n][1] for n in order), initial=-1))
    return "".join(parts[n][0] for n in order), positions[1:]


class Normalizer:
    """All of stage 2 for a text: character by character, each character's form remembered."""

    def __init__(self, spec: TokenizerSpec) -> None:
        self._strips_accents = spec.strips_accents
        self._cleans = spec.clean_text
        self.forms = CharTable(partial(normalize, spec=spec))
        # For ASCII, where one character stays one or goes: translate() is then 20 times faster.
        self.ascii_forms = {
            point: (" " if is_space(form) else form) if form else None
            for point in range(128)
            for form in [self.forms[point]]
        }

    def __call__(self, text: str) -> tuple[str, list[int]]:
        """The normalized text, and for each of its characters whence it comes.

        >>> from gtenp.tokenizer.files import TokenizerSpec
        >>> Normalizer(TokenizerSpec(vocab={}))("É中")
        ('e 中 ', [0, 1, 1, 1])
        """
        text, origins = self.sort(text)
        forms = [self.forms[ord(char)] for char in text]
        return "".join(forms), [
            origin for form, origin in zip(forms, origins, strict=True) for _ in form
        ]

    def sort(self, text: str) -> tuple[str, Sequence[int]]:
        """The text with its marks in the order into which NFD puts them, and its origins."""
        if not self._strips_accents or sortable_marks().isdisjoint(text):
            return text, range(len(text))
        kept = [n for n, char in enumerate(text) if not (self._cleans and within("CONTROLS", char))]
        text, positions = sort_marks("".join(text[n] for n in kept))
        return text, [kept[position] for position in positions]
