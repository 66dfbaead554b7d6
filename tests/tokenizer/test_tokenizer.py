"""What a tokenizer costs."""

from __future__ import annotations

import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gtenp.tokenizer.memory import REMEMBERED, REMEMBERED_LENGTH

if TYPE_CHECKING:
    from gtenp.tokenizer import Tokenizer


def test_it_pickles_and_threads_may_share_it(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    texts = [f"the {n} naïve embeddings of {n * n}" for n in range(2000)]
    wanted = tokenizer(texts)["input_ids"]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: copy(texts)["input_ids"], range(8)):
            assert found == wanted


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "a\u0301" * 500_000, "[" * 1_000_000, "中国" * 500_000, "\u302e" * 300_000,
     "[MASK]" * 160_000, " " * 1_000_000, ("x" * 99 + " ") * 10_000],
    ids=["one word", "marks", "brackets", "ideographs", "sorted marks", "masks", "spaces", "long"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_no_quadratic_time(tokenizer: Tokenizer, text: str) -> None:
    start = time.perf_counter()
    tokenizer(text)
    assert time.perf_counter() - start < 10  # a second or less where nothing else runs


def test_a_long_text_costs_what_is_kept_of_it(tokenizer: Tokenizer) -> None:
    for text in (
        "the embeddings " * 400_000,
        "中国" * 3_000_000,
        " " * 5000 + "the embeddings " * 400_000,
    ):
        start = time.perf_counter()
        ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
        assert time.perf_counter() - start < 0.5  # all of it takes seconds
        assert len(ids) == 512


def test_a_text_without_a_place_to_cut_is_not_searched_for_one(tokenizer: Tokenizer) -> None:
    start = time.perf_counter()
    assert len(tokenizer("x" * 5_000_000, truncation=True, max_length=512)["input_ids"]) == 3
    assert time.perf_counter() - start < 1  # 0.1 s; each character takes four times as long as that


def test_what_is_remembered_of_ever_new_words_and_characters_is_bounded(
    tokenizer: Tokenizer,
) -> None:
    fresh = pickle.loads(pickle.dumps(tokenizer))
    for block in range(4):
        fresh(" ".join(f"w{block}x{n}" for n in range(100_000)))
        fresh(
            "x" * 50
            + " "
            + "".join(map(chr, range(0x20000 + 0x8000 * block, 0x28000 + 0x8000 * block)))
        )
        pipeline = fresh._pipeline
        for remembered in (pipeline._wordpiece.ids, pipeline._chunk_ids):
            assert len(remembered) <= REMEMBERED
            assert max(map(len, remembered)) <= REMEMBERED_LENGTH
        for forms in (pipeline._normalizer.forms, pipeline._split, pipeline._isolated):
            assert len(forms) <= REMEMBERED


def test_many_empty_texts_are_fine(tokenizer: Tokenizer) -> None:
    assert tokenizer([""] * 100_000)["input_ids"] == [[101, 102]] * 100_000
