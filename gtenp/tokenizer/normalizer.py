"""Stage 2, normalizing: clean, space out CJK, strip accents, lower-case; a character at a time.

Each step says what comes in a character's place. The order is that of the reference's
``BertNormalizer``.
"""

from __future__ import annotations

import re
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


@cache
def mark_runs() -> re.Pattern[str]:
    """Neighbouring marks, of which there is something to sort."""
    return re.compile(f"[{''.join(map(re.escape, combining_classes()))}]{{2,}}")


DECOMPOSED = CharTable(decompose)


def sort_marks(text: str) -> str:
    r"""Decompose and sort marks by combining class; what has class 0 stays where it is.

    >>> [f"{ord(char):x}" for char in sort_marks("a\u302e\U0001d165b")]
    ['61', '1d165', '302e', '62']
    """
    classes = combining_classes().__getitem__
    return mark_runs().sub(
        lambda run: "".join(sorted(run[0], key=classes)), text.translate(DECOMPOSED)
    )


def mark_origins(text: str) -> list[int]:
    r"""Whence each character of ``sort_marks(text)`` comes.

    The origins go by position, not by character, for that is how the reference counts them.

    >>> mark_origins("a\u302e\U0001d165b")
    [0, 1, 2, 3]
    """
    begins = [n == 0 for char in text for n in range(len(DECOMPOSED[ord(char)]))]
    decomposed = text.translate(DECOMPOSED)
    classes = combining_classes()
    for run in mark_runs().finditer(decomposed):
        order = sorted(range(*run.span()), key=lambda place: classes[decomposed[place]])
        begins[run.start() : run.end()] = [begins[place] for place in order]
    return list(accumulate(begins, initial=-1))[1:]


class Normalizer:
    """All of stage 2 for a text: character by character, each character's form remembered."""

    def __init__(self, spec: TokenizerSpec) -> None:
        self._strips_accents = spec.strips_accents
        controls = spec.clean_text
        self._kept = CharTable(lambda char: "" if controls and within("CONTROLS", char) else char)
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
        origins: Sequence[int] = range(len(text))
        if self._has_marks_to_sort(text):
            kept = [n for n, char in enumerate(text) if self._kept[ord(char)]]
            text = "".join(text[n] for n in kept)
            origins = [kept[n] for n in mark_origins(text)]
            text = sort_marks(text)
        forms = [self.forms[ord(char)] for char in text]
        return "".join(forms), [
            origin for form, origin in zip(forms, origins, strict=True) for _ in form
        ]

    def sort(self, text: str) -> str:
        """The text with its marks in the order into which NFD puts them."""
        return sort_marks(text.translate(self._kept)) if self._has_marks_to_sort(text) else text

    def _has_marks_to_sort(self, text: str) -> bool:
        return self._strips_accents and not sortable_marks().isdisjoint(text)
