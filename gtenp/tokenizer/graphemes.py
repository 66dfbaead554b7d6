"""Grapheme clusters, what a reader takes for one character: "é" as two code points is one of them.

The reference is the ``unicode-segmentation`` of the Rust tokenizer: Unicode's annex 29, extended
clusters. Each code point has a class, a letter here; the rules are one pattern over the letters.
Pairs of flags' letters are left out: nothing here asks for a cluster so long.
"""

from __future__ import annotations

import re

from gtenp.tokenizer.characters import entry
from gtenp.tokenizer.memory import CharTable

# R, N: CR and LF. c: other controls. p: prepended to what follows. x: a mark that extends what
# precedes it; of these j links two consonants, z joins pictographs, n stands in no conjunct, s is
# a spacing one. e: a pictograph. k: an Indic consonant. l, v, t: jamo. w, u: Hangul syllables
# without and with a tail. o: all others.
CLUSTER = re.compile(
    r"RN|[RNc]"
    r"|p*(?:l*(?:v+|wv*|u)t*|l+|t+|e(?:[xnj]*ze)*|k(?:[xz]*j[xzj]*k)*|[^RNcp])[xnjzs]*"
    r"|p+"
)
# What can make a cluster of several code points, jamo aside.
JOINS = re.compile(r"[xnjzsp]|RN")

JAMO = (
    (0x1100, 0x115F, "l"), (0xA960, 0xA97C, "l"), (0x1160, 0x11A7, "v"), (0xD7B0, 0xD7C6, "v"),
    (0x11A8, 0x11FF, "t"), (0xD7CB, 0xD7FB, "t"),
)  # fmt: skip


def grapheme_class(char: str) -> str:
    """The letter of a character's class.

    >>> [grapheme_class(char) for char in "a\u0301\u0e33각가"]
    ['o', 'x', 's', 'u', 'w']
    """
    point = ord(char)
    if 0xAC00 <= point <= 0xD7A3:
        return "u" if (point - 0xAC00) % 28 else "w"
    for first, last, letter in JAMO:
        if first <= point <= last:
            return letter
    run = entry("GRAPHEMES", char)
    return chr(run[2]) if run else "o"


CLASSES = CharTable(grapheme_class)


def clusters(text: str) -> list[str]:
    r"""Cut a text into its grapheme clusters.

    >>> list(map(len, clusters("e\u0301a\r\n")))
    [2, 1, 2]
    """
    return [text[slice(*match.span())] for match in CLUSTER.finditer(text.translate(CLASSES))]
