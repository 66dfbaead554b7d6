"""Stage 2 and 3: what becomes of each character."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tokenizer_reference import (
    assert_equal,
    ours,
    reference,
    telling_vocab,
    tokens,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer


# Marks that NFD sorts and that survive; one comes out of a character with another in it.
SORTED = ["a\u302e\U0001d165b", "e\u0301\u302ex", "a\u302e\u200b\U0001d165", "\ua9c0\u1b34",
          "a\u08d4\u200b\u1b44x", "\U0001d1bb\ua9c0", "\U0001d1bb\u0301\ua9c0x"]  # fmt: skip


def test_a_zero_width_space_joins_its_neighbours(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "super\u200bman") == ["superman"]


def test_a_vertical_tab_joins_its_neighbours_though_python_splits_there(
    tokenizer: Tokenizer,
) -> None:
    assert tokens(tokenizer, "super\vman super\x1cman super\x85man") == ["superman"] * 3


def test_a_no_break_space_parts_its_neighbours(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "super\u00a0man") == ["super", "man"]


def test_a_final_sigma_stays_a_sigma_in_the_middle(tokenizer: Tokenizer) -> None:
    assert "".join(tokens(tokenizer, "ΟΔΟΣ")).replace("##", "") == "οδοσ"


def test_a_not_equal_sign_becomes_an_equal_sign(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "a≠b") == ["a", "=", "b"]


def test_a_cjk_block_that_the_reference_forgets_is_not_spaced_out(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    assert_equal(tokenizer, theirs, "a\U0002b81fb a\U0002b820b")
    assert tokens(tokenizer, "a\U0002b81fb") == ["a", "[UNK]", "b"]
    assert tokens(tokenizer, "a\U0002b820b") == ["[UNK]"]


def test_hangul_falls_apart_into_jamo_with_the_syllables_offset(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    assert_equal(tokenizer, theirs, "한국어 각")
    assert tokens(tokenizer, "각") == ["ᄀ", "##ᅡ", "##ᆨ"]


def test_marks_that_survive_are_sorted_and_take_each_others_offsets(tmp_path: Path) -> None:
    theirs = reference(telling_vocab(), lowercase=True)
    tokenizer = ours(theirs, tmp_path)
    for text in SORTED:
        assert_equal(tokenizer, theirs, text)


@pytest.mark.parametrize("options", [{"strip_accents": False}, {"clean_text": False}])
def test_marks_stay_where_accents_do_and_controls_part_them_where_they_stay(
    tmp_path: Path, options: dict[str, bool]
) -> None:
    theirs = reference(telling_vocab(), lowercase=True, **options)
    tokenizer = ours(theirs, tmp_path)
    for text in SORTED:
        assert_equal(tokenizer, theirs, text)


def test_a_word_of_100_characters_is_cut_and_one_of_101_is_unknown(tokenizer: Tokenizer) -> None:
    assert "[UNK]" not in tokens(tokenizer, "a" * 100)
    assert tokens(tokenizer, "a" * 101) == ["[UNK]"]
