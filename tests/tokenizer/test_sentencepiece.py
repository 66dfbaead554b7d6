"""sentencepiece.bpe.model alone, and what can't be one."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from charsmap import small_map
from sentencepiece_file import model_file
from unigram_reference import NAMES, trained, xlmr

from gtenp import Tokenizer
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.tokenizer.sentencepiece import read_sentencepiece

if TYPE_CHECKING:
    from pathlib import Path

# As sentencepiece numbers them: XLM-R's own special tokens and mask are not among them.
PIECES = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [
    (piece, score, 1) for piece, score in trained()[4:-1]
]


def folder(path: Path, data: bytes, **says: Any) -> Path:
    config = {"tokenizer_class": "XLMRobertaTokenizer", **NAMES, **says}
    (path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (path / "sentencepiece.bpe.model").write_bytes(data)
    return path


def test_the_pieces_alone_give_the_ids_of_tokenizer_json(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path, model_file(PIECES, small_map())))
    theirs = xlmr([(p, struct.unpack("f", struct.pack("f", s))[0]) for p, s in trained()])
    for text in ("The quick brown fox", "敏捷的 ﬁ é\x85<mask>", "<s>", "∀", ""):
        assert tokenizer(text)["input_ids"] == theirs.encode(text).ids
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id) == (1, len(trained()) - 1)
    assert len(tokenizer) == tokenizer.vocab_size == len(trained())


def test_the_class_of_an_xlm_roberta_need_not_be_named(tmp_path: Path) -> None:
    there = folder(tmp_path, model_file(PIECES, small_map()), tokenizer_class=None)
    (there / "config.json").write_text('{"model_type": "xlm-roberta"}')
    assert Tokenizer.from_folder(there)("a")["input_ids"][0] == 0


def test_special_tokens_may_have_other_names(tmp_path: Path) -> None:
    there = folder(tmp_path, model_file(PIECES), bos_token="<b>", cls_token="<b>", pad_token="<p>")
    tokenizer = Tokenizer.from_folder(there)
    assert tokenizer("<b><p>")["input_ids"] == [0, 0, 1, 2]


def test_symbols_that_a_user_defined_are_added_tokens(tmp_path: Path) -> None:
    data = model_file([*PIECES, ("[NEW]", 0.0, 4)], small_map())
    tokenizer = Tokenizer.from_folder(folder(tmp_path, data))
    new = len(trained()) - 1
    assert tokenizer("a[NEW]a")["input_ids"].count(new) == 1
    assert "[NEW]" in tokenizer.decode([new], skip_special_tokens=True)


def test_without_a_character_map_characters_stay(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path, model_file(PIECES)))
    assert tokenizer("ﬁ")["input_ids"] != tokenizer("fi")["input_ids"]


@pytest.mark.parametrize("kind", [2, 3, 4])
def test_other_algorithms_are_refused_by_name(tmp_path: Path, kind: int) -> None:
    name = {2: "bpe", 3: "word", 4: "char"}[kind]
    there = folder(tmp_path, model_file(PIECES, model_type=kind))
    with pytest.raises(UnsupportedModelError, match=f"its model is {name}; gtenp knows .*unigram"):
        Tokenizer.from_folder(there)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x0a", b"\x0a\xff", b"\x0b\x00", b"\x08\x01", b"\x0a\x02\x0a\x05", b"\xff" * 20,
     b"\x0a\x03\x0a\x01\xff", b"\x0a\x04\x12\x02\0\0", model_file(PIECES)[:-3],
     model_file(PIECES, b"\x08\0\0\0\0\0")],
)  # fmt: skip
def test_damaged_bytes_are_a_file_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelFileError, match=r"sentencepiece\.bpe\.model: is not sentencepiece's"):
        Tokenizer.from_folder(folder(tmp_path, data))


def test_no_byte_changed_ends_in_anything_but_a_file_error(tmp_path: Path) -> None:
    data = model_file(PIECES[:12], small_map()[:2000] + b"\0" * 50)
    for place in range(0, min(len(data), 400)):
        broken = bytearray(data)
        broken[place] ^= 0x55
        with suppress(ModelFileError, UnsupportedModelError):
            Tokenizer.from_folder(folder(tmp_path, bytes(broken)))


def test_a_folder_without_either_file_says_what_is_missing(tmp_path: Path) -> None:
    (folder(tmp_path, b"") / "sentencepiece.bpe.model").unlink()
    with pytest.raises(ModelFileError, match=r"is missing, and so is sentencepiece\.bpe\.model"):
        Tokenizer.from_folder(tmp_path)


def test_what_the_trainer_says_is_read() -> None:
    model = read_sentencepiece(model_file(PIECES, b"map", unk_id=7, byte_fallback=True))
    assert (model.model_type, model.unk_id, model.byte_fallback) == ("unigram", 7, True)
    assert model.charsmap == b"map"
    assert model.pieces[:3] == ["<unk>", "<s>", "</s>"]
    assert model.types[:4] == [2, 3, 3, 1]
