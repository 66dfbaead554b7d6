"""What stands around texts; every template with every option is in ``test_batch_encoding.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tokenizer_reference import TEMPLATES, ours, reference, uncased_vocab
from tokenizers import AddedToken, processors

from gtenp.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

THE, A, CLS, SEP = 1996, 1037, 101, 102


@pytest.mark.parametrize(
    ("name", "single", "pair", "types"),
    [
        ("none", [THE], [THE, A], [0, 1]),
        ("BERT", [CLS, THE, SEP], [CLS, THE, SEP, A, SEP], [0, 0, 0, 1, 1]),
        ("RoBERTa", [CLS, THE, SEP], [CLS, THE, SEP, SEP, A, SEP], [0] * 6),
        ("T5", [THE, SEP], [THE, SEP, A, SEP], [0] * 4),
        ("several", [5, CLS, THE, SEP, 6, 7], [6, 7, THE, 6, 7, A, SEP], [0, 0, 1, 2, 2, 0, 4]),
    ],
)
def test_a_row_is_laid_out_as_its_template_says(
    tmp_path: Path, name: str, single: list[int], pair: list[int], types: list[int]
) -> None:
    theirs = reference(uncased_vocab())
    theirs.post_processor = TEMPLATES[name]
    tokenizer = ours(theirs, tmp_path)
    assert tokenizer("the")["input_ids"] == single
    found = tokenizer("the", "a", return_special_tokens_mask=True)
    assert (found["input_ids"], found["token_type_ids"]) == (pair, types)
    assert found["attention_mask"] == [1] * len(pair)
    assert found["special_tokens_mask"] == [int(id not in (THE, A)) for id in pair]
    places = [{THE: 0, A: 1}.get(id) for id in pair]
    assert found.sequence_ids() == places
    assert found.word_ids() == [None if place is None else 0 for place in places]


def test_without_special_tokens_the_texts_keep_their_types(tmp_path: Path) -> None:
    theirs = reference(uncased_vocab())
    for name, types in (("BERT", [0, 1]), ("RoBERTa", [0, 0]), ("several", [1, 0])):
        theirs.post_processor = TEMPLATES[name]
        found = ours(theirs, tmp_path)("the", "a", add_special_tokens=False)
        assert (found["input_ids"], found["token_type_ids"]) == ([THE, A], types)


def test_a_rows_room_is_what_its_template_leaves(tmp_path: Path) -> None:
    theirs = reference(uncased_vocab())
    theirs.post_processor = TEMPLATES["several"]
    tokenizer = ours(theirs, tmp_path)
    found = tokenizer("the a the a", truncation=True, max_length=7)["input_ids"]
    assert found == [5, CLS, THE, A, SEP, 6, 7]
    with pytest.raises(InputError, match="the special tokens alone are 5"):
        tokenizer("the", truncation=True, max_length=4)


@pytest.mark.parametrize("trim_offsets", [True, False])
@pytest.mark.parametrize("add_prefix_space", [True, False])
@pytest.mark.parametrize("in_sequence", [True, False])
def test_offsets_leave_out_the_spaces_of_a_token_where_the_template_says_so(
    tmp_path: Path, trim_offsets: bool, add_prefix_space: bool, in_sequence: bool
) -> None:
    words = "[PAD] [UNK] [CLS] [SEP] a Ġb ##Ġ Ġ ĠĠ bĠ ##ĠĠ ĠĠb b".split()
    added = (
        AddedToken("<m>", lstrip=True, rstrip=True, normalized=False),
        AddedToken(" x ", special=False),
    )
    vocab = {word: number for number, word in enumerate(words)}
    theirs = reference(vocab, added, lowercase=False)
    theirs.post_processor = processors.RobertaProcessing(
        ("[SEP]", 3), ("[CLS]", 2), trim_offsets, add_prefix_space
    )
    if in_sequence:
        theirs.post_processor = processors.Sequence(
            [
                processors.ByteLevel(add_prefix_space, trim_offsets),
                processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
            ]
        )
    tokenizer = ours(theirs, tmp_path)
    for text in (
        "a Ġb", "Ġb a", "ĠĠb Ġb", " ĠĠb", "Ġ", "ĠĠ", "bĠ a", "aĠ", "aĠĠ", " x a", "a x x ",
        "a  <m>", "  <m>  a", " <m>", "a\t <m> Ġb", "中<m>\u2003a",
    ):  # fmt: skip
        assert tokenizer([text], return_offsets_mapping=True)["offset_mapping"][0] == (
            theirs.encode(text).offsets
        ), text
    split = ["a", "Ġb", "ĠĠb", "b"]
    found = tokenizer([split], is_split_into_words=True, return_offsets_mapping=True)
    assert found["offset_mapping"][0] == theirs.encode(split, is_pretokenized=True).offsets
