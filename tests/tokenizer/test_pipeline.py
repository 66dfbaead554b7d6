"""Tokenizers of sentencepiece's kind, whole: every form beside the reference."""

from __future__ import annotations

import pickle
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from texts import SENTENCES
from tokenizer_options import cases, options_are_equal
from unigram_reference import KINDS, assert_equal, ours, trained, xlmr

from gtenp import BertModel, Embedder
from gtenp.errors import InputError, ModelFileError
from gtenp.tokenizer.memory import REMEMBERED, REMEMBERED_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer

TEXTS = [
    *SENTENCES,
    "",
    " ",
    "  two  spaces  \u3000 and\tmore\n",
    "<s>a</s> <mask> b<mask>  <pad> <unk>",
    "▁▁a ▁ b▁",
    "I live in new ｙork and in New  York",
    "ﬁ́ e\u0301 \u0340\u0301x a\x01\x02b \r\n",
    "\x01lost at the start, and offsets with it",
    "👩‍👩‍👧 🇩🇪 ∀x∈ℝ 😀😀",
    "한국어 각 \u1100\u1161\u11a8",
    "a \u0340\u0301 \u0301\u0340 b\u0600 c \u0600 \u200d",
    "super\x85man super\x1cman",
]


@pytest.fixture(scope="module", params=list(KINDS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, Reference]:
    theirs = KINDS[request.param]()
    return ours(theirs, tmp_path_factory.mktemp("unigram")), theirs


def test_every_text_gives_what_the_reference_gives(both: tuple[Tokenizer, Reference]) -> None:
    for text in [*TEXTS, " ".join(TEXTS), "".join(TEXTS)]:
        assert_equal(*both, text)


def test_every_combination_of_options_gives_what_the_reference_gives(
    both: tuple[Tokenizer, Reference],
) -> None:
    compared = sum(
        options_are_equal(*both, case, paired=number % 2 == 0)
        for number, case in enumerate(cases()[:300])
    )
    both[1].no_truncation()
    both[1].no_padding()
    assert compared > 130


def test_the_classs_own_template_gives_the_same_with_every_option(tmp_path: Path) -> None:
    theirs = xlmr()
    tokenizer = ours(theirs, tmp_path, tokenizer_class="XLMRobertaTokenizer")
    compared = sum(
        options_are_equal(tokenizer, theirs, case, paired=number % 2 == 0)
        for number, case in enumerate(cases()[:200])
    )
    assert compared > 80


def test_it_pickles_without_what_it_remembers(both: tuple[Tokenizer, Reference]) -> None:
    copy = pickle.loads(pickle.dumps(both[0]))
    assert copy(TEXTS)["input_ids"] == both[0](TEXTS)["input_ids"]


def test_a_lone_surrogate_is_named(both: tuple[Tokenizer, Reference]) -> None:
    for call in (both[0], lambda text: both[0](text, return_offsets_mapping=True)):
        with pytest.raises(InputError, match=r"lone surrogate, U\+D800, at position 2"):
            call("a \ud800b")  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    ["a", "e\u0301", "中国", "\u0340", "∀", "▁", " ", "<mask>", "word ", "\r\n", "\x01"],
    ids=["a word", "marks", "ideographs", "keys", "unknown", "marks of spaces", "spaces",
         "masks", "words", "lines", "controls"],
)  # fmt: skip
def test_a_megabyte_of_anything_takes_no_quadratic_time(
    both: tuple[Tokenizer, Reference], text: str
) -> None:
    # The other kinds share its stages, or go the slower way of offsets.
    size = 1_000_000 if both[1].to_str() == xlmr().to_str() else 100_000
    start = time.perf_counter()
    both[0](text * (size // len(text)))
    assert time.perf_counter() - start < 20  # three seconds or less where nothing else runs


def test_a_long_text_costs_what_is_kept_of_it(tmp_path: Path) -> None:
    for name in ("XLM-R's", "newer"):
        theirs = KINDS[name]()
        tokenizer = ours(theirs, tmp_path)
        for text in ("the embeddings " * 400_000, "中国の\u3000" * 1_000_000):
            start = time.perf_counter()
            ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
            assert time.perf_counter() - start < 1  # all of it takes seconds
            assert ids[:-1] == theirs.encode(text[:20_000]).ids[:511]


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    tokenizer = ours(xlmr(), tmp_path)
    for block in range(4):
        tokenizer(" ".join(f"w{block}x{n}" for n in range(40_000)) + " " + "x" * 50)
    pipeline: Any = tokenizer._pipeline
    for remembered in (pipeline._model.ids, pipeline._chunk_ids):
        assert len(remembered) <= REMEMBERED
        assert max(map(len, remembered)) <= REMEMBERED_LENGTH


def test_the_class_splits_where_the_files_own_stages_do_not(tmp_path: Path) -> None:
    theirs = KINDS["newer"]()
    as_file = ours(theirs, tmp_path / "file")
    as_class = ours(theirs, tmp_path / "class", tokenizer_class="XLMRobertaTokenizer")
    assert as_file("a\x85b")["input_ids"] == theirs.encode("a\x85b").ids
    assert as_class("a\x85b")["input_ids"] == as_class("a b")["input_ids"]
    assert as_class("a\x85b")["input_ids"] != as_file("a\x85b")["input_ids"]
    for text in TEXTS[:-1]:
        assert as_class(text)["input_ids"] == xlmr().encode(text).ids, text


def test_the_class_puts_its_own_tokens_around_whatever_the_file_says(tmp_path: Path) -> None:
    theirs: Any = xlmr()
    theirs.post_processor = None
    tokenizer = ours(theirs, tmp_path, tokenizer_class="XLMRobertaTokenizerFast")
    a = tokenizer("a", add_special_tokens=False)["input_ids"]
    assert tokenizer("a", "a")["input_ids"] == [0, *a, 2, 2, *a, 2]
    assert tokenizer("a", "a")["token_type_ids"] == [0] * (4 + 2 * len(a))


def test_add_prefix_space_of_the_config_is_the_classs(tmp_path: Path) -> None:
    says = {"tokenizer_class": "XLMRobertaTokenizer"}
    without = ours(xlmr(), tmp_path, add_prefix_space=False, **says)
    assert "▁" not in without.convert_ids_to_tokens(without("a ∀")["input_ids"])
    with pytest.raises(ModelFileError, match="add_prefix_space is 'no', true or false was wanted"):
        ours(xlmr(), tmp_path, add_prefix_space="no", **says)


def test_a_bert_with_such_a_tokenizer_embeds(tiny: Path) -> None:
    (tiny / "vocab.txt").unlink()
    vocab = [*trained()[:100], ("<mask>", 0.0)]  # the model has 116 rows
    tokenizer = ours(xlmr(vocab), tiny, tokenizer_class="XLMRobertaTokenizer")
    embedder = Embedder(tiny)
    vectors = embedder.encode(["a text", "敏捷的", ""])
    ids = tokenizer("a text", return_tensors="np")
    wanted = BertModel.from_pretrained(tiny)(ids["input_ids"]).last_hidden_state.mean(axis=1)[0]
    np.testing.assert_allclose(vectors[0], wanted, atol=1e-6)
    embedder.save_pretrained(tiny.parent / "copy")
    assert (Embedder(tiny.parent / "copy").encode(["a text", "敏捷的", ""]) == vectors).all()
