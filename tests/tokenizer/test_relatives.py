"""MPNet's and T5's tokenizers, beside the Rust ones of the same tokenizer.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import tokenizers
from models.build import built
from texts import golden_texts

from gtenp.errors import ModelFileError
from gtenp.tokenizer import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    *golden_texts()[::5],
    "a <unk> b <UNK> [UNK] x  <mask> y <s> </s> <pad> q",
    "<extra_id_0> the <extra_id_99>capital </s> of China",
    "<mask>",
    " ",
    "",
]


@pytest.fixture(scope="module", params=["all-mpnet-base-v2", "sentence-t5-base"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(request.param, tmp_path_factory.mktemp("models"))


def rust(folder: Path) -> tokenizers.Tokenizer:
    reference = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    reference.no_truncation()
    reference.no_padding()
    return reference


def test_ids_and_offsets_are_those_of_the_rust_tokenizer(folder: Path) -> None:
    reference = rust(folder)
    ours = Tokenizer.from_folder(folder)(TEXTS, return_offsets_mapping=True)
    for i, text in enumerate(TEXTS):
        expected = reference.encode(text)
        assert ours["input_ids"][i] == expected.ids, text
        assert ours["offset_mapping"][i] == expected.offsets, text


def test_pairs_are_laid_out_as_the_rust_tokenizer_does(folder: Path) -> None:
    reference = rust(folder)
    pairs = [(first, second) for first in TEXTS[::9] for second in TEXTS[::11]]
    ours = Tokenizer.from_folder(folder)(*map(list, zip(*pairs, strict=True)))
    for i, pair in enumerate(pairs):
        expected = reference.encode(*pair)
        assert ours["input_ids"][i] == expected.ids
        assert ours["token_type_ids"][i] == expected.type_ids


def test_mpnets_words_alone_make_the_same_tokenizer(tmp_path: Path) -> None:
    folder = built("all-mpnet-base-v2", tmp_path)
    expected = Tokenizer.from_folder(folder)(TEXTS[-6:])["input_ids"]
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    assert Tokenizer.from_folder(folder).mask_token_id == words.index("<mask>")
    for name in ("tokenizer.json", "special_tokens_map.json"):
        (folder / name).unlink()
    found = Tokenizer.from_folder(folder)
    # <unk> is an added token of tokenizer.json alone.
    without = [text for text in TEXTS[-6:] if "unk" not in text.lower()]
    assert [found(text)["input_ids"] for text in without] == [
        ids for text, ids in zip(TEXTS[-6:], expected, strict=True) if text in without
    ]
    # The mask takes the space before it, in the config's words too.
    assert found("the  <mask> of")["input_ids"] == [
        0, words.index("the"), words.index("<mask>"), words.index("of"), 2,
    ]  # fmt: skip


def test_sentencepieces_file_alone_makes_t5s_tokenizer(tmp_path: Path) -> None:
    whole, pieces = built("sentence-t5-base", tmp_path), built("gtr-t5-base", tmp_path)
    assert not (pieces / "tokenizer.json").exists()
    expected, found = (Tokenizer.from_folder(folder) for folder in (whole, pieces))
    assert found(TEXTS)["input_ids"] == expected(TEXTS)["input_ids"]
    assert len(found) == len(expected)
    last = found.vocab["<extra_id_0>"]
    assert found.vocab["<extra_id_99>"] == last - 99 == len(found) - 100


def test_t5_has_one_special_token_around_a_text_and_one_of_an_empty_text(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(built("sentence-t5-base", tmp_path))
    assert (tokenizer.cls_token, tokenizer.sep_token, tokenizer.mask_token) == (None, None, None)
    assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (None, None)
    assert tokenizer.num_special_tokens_to_add() == 1
    assert tokenizer("")["input_ids"] == [1]
    cut = tokenizer("the capital of China " * 9, truncation=True, max_length=4)["input_ids"]
    assert (len(cut), cut[-1]) == (4, 1)


@pytest.mark.parametrize("count", [-1, "9", True, None, 10**9])
def test_a_number_of_sentinels_that_is_none_is_refused(tmp_path: Path, count: object) -> None:
    folder = built("sentence-t5-base", tmp_path)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "extra_ids": count}))
    with pytest.raises(ModelFileError, match="extra_ids"):
        Tokenizer.from_folder(folder)
