"""Ids back to text."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gtenp.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Reference

    from gtenp.tokenizer import Tokenizer


def test_decoding_gives_what_the_reference_gives(tokenizer: Tokenizer, theirs: Reference) -> None:
    texts = ["It's [MASK] isn't it, unaffable?", "don't . ' s re-embed !", "", "a ' b 'm ' s"]
    for text, skip in itertools.product(texts, (False, True)):
        ids = theirs.encode(text).ids
        decoded = theirs.decode(ids, skip_special_tokens=skip)
        assert tokenizer.decode(ids, skip_special_tokens=skip) == decoded
    rows = [theirs.encode(text).ids for text in texts]
    assert tokenizer.batch_decode(rows) == [theirs.decode(row, False) for row in rows]
    assert tokenizer.decode(np.array(rows[0])) == tokenizer.decode(rows[0])


def test_clean_up_takes_out_spaces_that_english_does_not_write(tokenizer: Tokenizer) -> None:
    ids = tokenizer("it's ' done '", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == "it ' s ' done '"
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=True) == "it's'done '"


def test_an_id_beyond_the_vocabulary_is_left_out(tokenizer: Tokenizer, theirs: Reference) -> None:
    assert tokenizer.decode([1037, 999_999, 1038]) == theirs.decode([1037, 999_999, 1038]) == "a b"
    assert tokenizer.convert_ids_to_tokens(999_999) is None
    with pytest.raises(InputError, match="wanted a whole number from 0"):
        tokenizer.decode([-1])
    with pytest.raises(InputError, match="wanted a whole number from 0"):
        tokenizer.decode([0.5])


def test_ids_and_tokens_convert_both_ways(tokenizer: Tokenizer) -> None:
    assert tokenizer.convert_tokens_to_ids("[MASK]") == tokenizer.mask_token_id == 103
    assert tokenizer.convert_tokens_to_ids(["hello", "Hello"]) == [7592, tokenizer.unk_token_id]
    assert tokenizer.convert_ids_to_tokens([101, 7592], skip_special_tokens=True) == ["hello"]
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id) == (101, 102, 0)
    assert tokenizer.vocab_size == len(tokenizer) == 30_522
