"""Tokens that are matched in the text itself."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from tokenizer_reference import (
    SPECIAL,
    assert_equal,
    ours,
    reference,
    tokens,
)
from tokenizers import AddedToken

from gtenp.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as Reference


def test_special_tokens_are_found_inside_text_but_not_in_lower_case(tokenizer: Tokenizer) -> None:
    assert tokens(tokenizer, "a[MASK]b [SEP]") == ["a", "[MASK]", "b", "[SEP]"]
    assert tokens(tokenizer, "[mask]") == ["[", "mask", "]"]
    assert tokens(tokenizer, "[unused1]") == ["[", "unused", "##1", "]"]


def added(tmp_path: Path, *extra: AddedToken, **options: Any) -> tuple[Tokenizer, Reference]:
    words = [*SPECIAL, "new", "york", "a", "b", "x", "中", "##b", "é", "e", "york!"]
    theirs = reference({word: n for n, word in enumerate(words)}, extra, **options)
    return ours(theirs, tmp_path), theirs


@pytest.mark.parametrize("lstrip", [False, True])
@pytest.mark.parametrize("rstrip", [False, True])
@pytest.mark.parametrize("single_word", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_an_added_tokens_flags_mean_what_they_mean_there(
    tmp_path: Path, lstrip: bool, rstrip: bool, single_word: bool, normalized: bool
) -> None:
    flags = {"lstrip": lstrip, "rstrip": rstrip, "single_word": single_word}
    token = AddedToken("New York", normalized=normalized, special=False, **flags)
    tokenizer, theirs = added(tmp_path, token)
    for text in (
        "a New York b", "aNew York b", "New Yorkb", "new york", "a \t\u2003New York \n b",
        "New York  New York", "\u0301New York", "-New York_", "NEW YORK", "New  York",
    ):  # fmt: skip
        assert_equal(tokenizer, theirs, text)


def test_of_two_added_tokens_at_one_place_the_longer_is_taken(tmp_path: Path) -> None:
    tokenizer, theirs = added(tmp_path, AddedToken("<a"), AddedToken("<a b>"), AddedToken("a b>!"))
    for text in ("<a b>!", "<a b", "x<a b>!x"):
        assert_equal(tokenizer, theirs, text)


def test_tokens_that_overlap_in_every_way_are_cut_as_there(tmp_path: Path) -> None:
    draw = random.Random(0)
    for _ in range(60):
        contents = {"".join(draw.choices("xy<", k=draw.randint(1, 5))) for _ in range(8)}
        normalized = draw.random() < 0.5
        tokens = (AddedToken(each, normalized=normalized, special=False) for each in contents)
        tokenizer, theirs = added(tmp_path, *tokens)
        for _ in range(10):
            assert_equal(tokenizer, theirs, "".join(draw.choices("xy< ", k=30)))


def test_a_head_is_not_cut_within_an_added_token(tmp_path: Path) -> None:
    # A first head is eight characters for each token that is wanted: these are longer.
    tokens = (AddedToken("-x" * 30), AddedToken("=x" * 30, normalized=True, special=False))
    tokenizer, theirs = added(tmp_path, *tokens, lowercase=True)
    for text in ("-x" * 30, "=x" * 30, "\u2260x" * 30):
        for length in range(2, 9):
            theirs.enable_truncation(length)
            found = tokenizer(text * 9, truncation=True, max_length=length)
            assert found["input_ids"] == theirs.encode(text * 9).ids


def test_an_added_token_is_normalized_as_a_text_is_marks_sorted(tmp_path: Path) -> None:
    token = AddedToken("x\u302e\U0001d165", normalized=True, special=False)
    tokenizer, theirs = added(tmp_path, token)
    for text in ("x\u302e\U0001d165", "x\U0001d165\u302e", "x\u302e\u200b\U0001d165"):
        assert_equal(tokenizer, theirs, text)


@pytest.mark.parametrize("normalized", [False, True])
def test_loading_and_finding_many_added_tokens_takes_no_square_of_their_number(
    tmp_path: Path, normalized: bool
) -> None:
    count = 20_000
    token = {"normalized": normalized, "special": False}
    theirs = reference({word: n for n, word in enumerate([*SPECIAL, "a", "b"])})
    whole = json.loads(theirs.to_str())
    whole["added_tokens"] += [{"id": 7 + n, "content": f"aaa{n}", **token} for n in range(count)]
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    start = time.perf_counter()
    tokenizer = Tokenizer.from_folder(tmp_path)
    assert time.perf_counter() - start < 3  # 0.2 s; 18 s where each looks at all before it
    text = " ".join(f"aaa{n} a aa a aaa b" for n in range(count))
    start = time.perf_counter()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert time.perf_counter() - start < 3  # 0.2 s; minutes where each place tries all of them
    assert [id for id in ids if id >= 7] == [7 + n for n in range(count)]


def test_two_added_tokens_that_strip_the_same_spaces_take_them_once(tmp_path: Path) -> None:
    token = AddedToken(" ", lstrip=True, rstrip=True, normalized=True, special=False)
    tokenizer, theirs = added(tmp_path, token)
    assert_equal(tokenizer, theirs, "中中")


def test_an_added_token_that_normalizes_to_nothing_is_not_found(tmp_path: Path) -> None:
    tokenizer, _ = added(tmp_path, AddedToken("\u0301", normalized=True, special=False))
    assert tokens(tokenizer, "a b") == ["a", "b"]


def test_an_added_token_comes_back_in_the_form_in_which_it_is_matched(tmp_path: Path) -> None:
    tokenizer, theirs = added(tmp_path, AddedToken("Été", normalized=True, special=False))
    ids = theirs.encode("x ÉTÉ").ids
    assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
