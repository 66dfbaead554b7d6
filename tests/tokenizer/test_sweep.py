"""All 1,112,064 code points, in four surroundings, give the reference's ids.

``GTENP_SWEEP=assigned`` leaves out the ten planes to which no version of Unicode assigns anything.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tokenizer_reference import ours, reference, telling_vocab, uncased_vocab

SURROGATES, UNASSIGNED = range(0xD800, 0xE000), range(0x40000, 0xE0000)
CODE_POINTS = [point for point in range(0x110000) if point not in SURROGATES]
if os.environ.get("GTENP_SWEEP") == "assigned":
    CODE_POINTS = [point for point in CODE_POINTS if point not in UNASSIGNED]
BLOCK = 4096


@pytest.mark.parametrize(
    ("vocab", "options"),
    [(uncased_vocab, {"lowercase": True}), (telling_vocab, {"lowercase": False})],
    ids=["uncased", "cased"],
)
def test_every_code_point_gives_the_ids_of_the_reference(
    vocab: object, options: dict[str, bool], tmp_path: Path
) -> None:
    theirs = reference(vocab(), **options)  # type: ignore[operator]
    tokenizer = ours(theirs, tmp_path)
    for first in range(0, len(CODE_POINTS), BLOCK):
        chars = [chr(point) for point in CODE_POINTS[first : first + BLOCK]]
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
            pytest.fail(f"a code point of the block of U+{CODE_POINTS[first]:04X} differs")
