"""A call's options, and what can't be taken."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from golden import Golden
from tokenizer_options import cases, options_are_equal
from tokenizer_reference import TEMPLATES, ours, reference, uncased_vocab

from gtenp.errors import InputError
from gtenp.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer as Reference


def test_every_combination_of_options_gives_what_the_reference_gives(
    tokenizer: Tokenizer, theirs: Reference
) -> None:
    try:
        compared = sum(
            options_are_equal(tokenizer, theirs, case, paired=number % 2 == 0)
            for number, case in enumerate(cases())
        )
    finally:
        theirs.no_truncation()
        theirs.no_padding()
    assert compared > 300


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_gives_what_the_reference_gives(name: str, tmp_path: Path) -> None:
    theirs = reference(uncased_vocab(), lowercase=True)
    theirs.post_processor = TEMPLATES[name]
    tokenizer = ours(theirs, tmp_path)
    compared = sum(
        options_are_equal(tokenizer, theirs, case, paired=number % 2 == 0)
        for number, case in enumerate(cases()[:200])
    )
    assert compared > 80


def test_a_tie_leaves_the_odd_token_to_the_second_text(tokenizer: Tokenizer) -> None:
    batch = tokenizer("a b c d", "e f g h", truncation=True, max_length=8)
    assert batch["token_type_ids"] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_max_length_below_the_special_tokens_is_an_error(tokenizer: Tokenizer) -> None:
    assert tokenizer("a", truncation=True, max_length=2)["input_ids"] == [101, 102]
    with pytest.raises(InputError, match="max_length is 1, but the special tokens alone are 2"):
        tokenizer("a", truncation=True, max_length=1)
    with pytest.raises(InputError, match="the special tokens alone are 3"):
        tokenizer("a", "b", truncation=True, max_length=2)


def test_only_second_is_an_error_though_the_head_of_a_long_text_would_fit(
    tokenizer: Tokenizer,
) -> None:
    for length in range(3, 12):  # at 4, three quarters of the first head are two words
        with pytest.raises(InputError, match="truncation='only_second' can't bring"):
            tokenizer("information " * 200, truncation="only_second", max_length=length)


def test_a_max_length_alone_truncates_as_it_does_in_transformers(tokenizer: Tokenizer) -> None:
    assert len(tokenizer("a b c d", max_length=4)["input_ids"]) == 4
    assert len(tokenizer("a b c d", max_length=4, truncation=False)["input_ids"]) == 6


def test_an_empty_text_pair_is_a_pair_only_in_a_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer("a", "")["input_ids"] == [101, 1037, 102]
    assert tokenizer(["a"], [""])["input_ids"] == [[101, 1037, 102, 102]]


def test_arrays_are_int64_and_a_single_text_gives_one_row(tokenizer: Tokenizer) -> None:
    batch = tokenizer("a b", return_tensors="np", return_offsets_mapping=True)
    assert batch["input_ids"].dtype == np.int64
    assert batch["input_ids"].shape == (1, 4)
    assert batch["offset_mapping"].shape == (1, 4, 2)


def test_no_texts_give_no_rows(tokenizer: Tokenizer) -> None:
    assert tokenizer([]) == {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    assert tokenizer([], return_tensors="np")["input_ids"].shape == (0, 0)


def test_the_result_unpacks_into_a_call(tokenizer: Tokenizer) -> None:
    assert dict(**tokenizer("a", return_token_type_ids=False)) == {
        "input_ids": [101, 1037, 102],
        "attention_mask": [1, 1, 1],
    }


def test_an_option_with_a_typo_is_a_type_error(tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError, match="max_lenght"):
        tokenizer("a", max_lenght=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncation": "longest"}, "truncation is 'longest', wanted one of"),
        ({"padding": "max"}, "padding is 'max', wanted one of"),
        ({"padding": 1}, "padding is 1, wanted one of"),
        ({"padding_side": "top"}, "padding_side is 'top'"),
        ({"max_length": "5"}, "max_length: '5'; wanted a whole number from 0"),
        ({"stride": -1}, "stride: -1; wanted a whole number from 0"),
        ({"stride": 1.0}, "stride: 1.0"),
        ({"max_length": True}, "max_length: True"),
        ({"pad_to_multiple_of": 0}, "pad_to_multiple_of: 0; wanted a whole number from 1"),
        ({"return_tensors": "pt"}, "return_tensors is 'pt'"),
        ({"truncation": True, "max_length": 4, "stride": 2}, "stride is 2, but a window has room"),
        ({"truncation": "only_second", "max_length": 4}, "only_second"),
        (
            {"padding": True, "truncation": True, "max_length": 9, "pad_to_multiple_of": 8},
            "no mult",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_named(
    tokenizer: Tokenizer, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer("a b c d e", **options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "text is None, a str or a list of str was wanted"),
        (3, "text is of type int"),
        (b"a", "text is of type bytes.*decode it"),
        ((char for char in b"ab"), r"text\[0\] is of type int"),
        (np.array([["a", "b"]]), r"text\[0\] is of type list.*text_pair"),
        (["a", None], r"text\[1\] is None, a str was wanted"),
        (["a", b"b"], r"text\[1\] is of type bytes"),
        ([["a", "b"]], r"text\[0\] is of type list.*text_pair"),
        ({"a": 1}, "text is of type dict"),
        ("ab\ud800", "text number 0 has a lone surrogate, U\\+D800, at position 2"),
        (["a", "é\udfffb"], "text number 1 has a lone surrogate, U\\+DFFF, at position 1"),
    ],
)
def test_what_is_not_text_is_named_with_its_place(
    tokenizer: Tokenizer, text: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer(text)


def test_a_pair_that_does_not_fit_is_named(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="text has 2 texts, text_pair has 1"):
        tokenizer(["a", "b"], ["c"])
    with pytest.raises(InputError, match="text_pair is of type str, a list was wanted"):
        tokenizer(["a", "b"], "c")
    with pytest.raises(InputError, match=r"text_pair\[1\] is None"):
        tokenizer(["a", "b"], ["c", None])
    with pytest.raises(InputError, match="text_pair number 0 has a lone surrogate"):
        tokenizer("a", "\ud800")


def test_words_must_be_words(tokenizer: Tokenizer) -> None:
    assert tokenizer(["a", "b"], is_split_into_words=True)["input_ids"] == [101, 1037, 1038, 102]
    with pytest.raises(InputError, match=r"text\[0\]\[1\] is None"):
        tokenizer([["a", None]], is_split_into_words=True)
    with pytest.raises(InputError, match="text is of type str, a list of words was wanted"):
        tokenizer("a b", is_split_into_words=True)


# ── whence the tokens come ───────────────────────────────────────────────────────────────────────

ORIGINS = Golden("calls").facts["aligned"]


@pytest.fixture(scope="module")
def uncased(minilm) -> Tokenizer:
    return Tokenizer.from_folder(minilm)


@pytest.mark.parametrize(("texts", "options", "rows"), ORIGINS)
def test_tokens_characters_and_words_find_each_other_as_in_transformers(
    uncased: Tokenizer, texts: list[Any], options: dict[str, Any], rows: list[Any]
) -> None:
    batch = uncased(*texts, **options)
    for row, sequence, wanted in rows:
        chars, words = len(wanted["char_to_token"]), len(wanted["word_to_tokens"])
        tokens = range(len(wanted["token_to_word"]))  # one more than there are
        assert batch.tokens(row) == wanted["tokens"]
        found = {
            **{name: [getattr(batch, name)(row, t) for t in tokens]
               for name in ("token_to_sequence", "token_to_word", "token_to_chars")},
            **{name: [getattr(batch, name)(row, c, sequence) for c in range(chars)]
               for name in ("char_to_token", "char_to_word")},
            "word_to_tokens": [batch.word_to_tokens(row, w, sequence) for w in range(words)],
            "word_to_chars": [[w, batch.word_to_chars(row, w, sequence)]
                              for w, _ in wanted["word_to_chars"]],
        }  # fmt: skip
        for name, values in found.items():
            as_lists = json.loads(json.dumps(values))  # a golden file knows no tuples
            assert as_lists == wanted[name], (name, row, sequence)


def test_the_row_may_be_left_out_where_it_is_the_first(uncased: Tokenizer) -> None:
    batch = uncased("unaffable")
    assert batch.token_to_chars(2) == batch.token_to_chars(0, 2) == (3, 6)
    assert batch.token_to_chars(2).end == 6
    assert batch.char_to_token(4) == batch.char_to_token(-1, 4) == 2
    assert batch.word_to_chars(0) == (0, 9)
    assert batch.word_to_chars(1) is None


def test_a_row_that_is_not_there_is_named(uncased: Tokenizer) -> None:
    with pytest.raises(InputError, match="batch_index: 1; wanted a whole number from -1 to 0"):
        uncased("a").tokens(1)
    with pytest.raises(InputError, match="index: -1; wanted a whole number from 0"):
        uncased("a").token_to_chars(-1)


def test_a_batch_answers_by_attribute_and_stays_where_it_is(uncased: Tokenizer) -> None:
    batch = uncased(["a", "b c"])
    assert batch.input_ids is batch["input_ids"]
    assert batch.data == dict(batch)
    assert batch.to("cpu") is batch
    with pytest.raises(InputError, match="gtenp computes on the CPU alone"):
        batch.to("cuda")
    with pytest.raises(AttributeError, match="has no labels"):
        batch.labels  # noqa: B018
    again = pickle.loads(pickle.dumps(batch))
    assert (again, again.tokens(1)) == (batch, ["[CLS]", "b", "c", "[SEP]"])


def test_what_was_padded_later_knows_no_texts(uncased: Tokenizer) -> None:
    with pytest.raises(InputError, match="has no texts; ask the first one"):
        uncased.pad(uncased(["a", "b c"])).tokens()


@pytest.mark.parametrize("option", ["text_target", "text_pair_target"])
def test_a_text_to_be_written_is_refused_by_name(uncased: Tokenizer, option: str) -> None:
    assert uncased("a", **{option: None}) == uncased("a")
    with pytest.raises(InputError, match=f"{option}='b': BERT writes no text"):
        uncased("a", **{option: "b"})


def test_a_numpy_whole_number_is_one(uncased: Tokenizer) -> None:
    options = {"truncation": True, "return_overflowing_tokens": True, "padding": True}
    numbers = {"max_length": 6, "stride": 1, "pad_to_multiple_of": 2}
    found = uncased("a b c d e f", **options, **{k: np.int64(v) for k, v in numbers.items()})
    assert found == uncased("a b c d e f", **options, **numbers)
