"""All 1,112,064 code points, in four surroundings, give the reference's ids.

``GTENP_SWEEP=assigned`` leaves out the ten planes to which no version of Unicode assigns anything.
Unigram takes longer and is shown the first two planes and the tags: ``make test-multilingual``
shows it all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import unigram_reference
from code_points import ASSIGNED, EVERY, assert_equal_everywhere
from tokenizer_reference import ours, reference, telling_vocab, uncased_vocab
from unigram_reference import telling, xlmr

CODE_POINTS = ASSIGNED if os.environ.get("GTENP_SWEEP") == "assigned" else EVERY


def bert(vocab: dict[str, int], folder: Path, **options: bool) -> tuple[Any, Any]:
    theirs = reference(vocab, **options)
    return ours(theirs, folder), theirs


def unigram(tokenizer: Any, folder: Path) -> tuple[Any, Any]:
    return unigram_reference.ours(
        tokenizer, folder, tokenizer_class="XLMRobertaTokenizer"
    ), tokenizer


KINDS = {
    "uncased": lambda folder: bert(uncased_vocab(), folder, lowercase=True),
    "cased": lambda folder: bert(telling_vocab(), folder, lowercase=False),
    "Unigram": lambda folder: unigram(xlmr(telling()), folder),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_code_point_gives_the_ids_of_the_reference(kind: str, tmp_path: Path) -> None:
    points = CODE_POINTS
    if kind == "Unigram":
        points = [point for point in points if point < 0x20000 or 0xE0000 <= point < 0xE1000]
    assert_equal_everywhere(*KINDS[kind](tmp_path), points)
