"""All code points in several surroundings, beside a reference tokenizer."""

from __future__ import annotations

from typing import Any

import pytest

SURROGATES, UNASSIGNED = range(0xD800, 0xE000), range(0x40000, 0xE0000)
EVERY = [point for point in range(0x110000) if point not in SURROGATES]
ASSIGNED = [point for point in EVERY if point not in UNASSIGNED]
BLOCK = 4096


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
