"""All code points in several surroundings, beside a reference tokenizer."""

from __future__ import annotations

import random
from typing import Any

import pytest
from texts import SENTENCES

SURROGATES, UNASSIGNED = range(0xD800, 0xE000), range(0x40000, 0xE0000)
EVERY = [point for point in range(0x110000) if point not in SURROGATES]
ASSIGNED = [point for point in EVERY if point not in UNASSIGNED]
BLOCK = 4096
# Of many scripts, with spaces of all kinds among them and what words are made of.
SCRIPTS = [*map(chr, [*range(0x20, 0x250), *range(0x300, 0x600), *range(0x900, 0xE80)])]
SCRIPTS += [*"   中国語한글ﬁ①½\u200b\u200d\u00a0\u3000\u2028\x85\r\n\t😀👩", " the", "ing"]


def random_texts(count: int, *more: str) -> list[str]:
    """The sentences, and so many texts of the characters of all scripts and of these pieces."""
    draw = random.Random(0)
    pieces = [*SCRIPTS, *more]
    return SENTENCES + ["".join(draw.choices(pieces, k=draw.randrange(40))) for _ in range(count)]


def assert_equal_everywhere(tokenizer: Any, theirs: Any, points: list[int]) -> None:
    """Fail at the first block of code points that gives other ids than the reference's."""
    for first in range(0, len(points), BLOCK):
        chars = [chr(point) for point in points[first : first + BLOCK]]
        # Many share one text where words that no neighbour reaches across part them; alone they are
        # each a word of the caller's, which is tokenized as a text of its own.
        texts = [
            chars,
            *(
                [" x ".join(form.format(char) for char in chars)]
                for form in ("a{}b", "the {} ", "{}\u0301", "a{}\u0301b")
            ),
        ]
        found = tokenizer(texts, is_split_into_words=True)["input_ids"]
        wanted = [each.ids for each in theirs.encode_batch_fast(texts, is_pretokenized=True)]
        if found != wanted:  # not a bare assert: pytest would explain megabytes of ids
            pytest.fail(f"a code point of the block of U+{points[first]:04X} differs")
