"""What each file of a model folder says, who wins where they disagree, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from tokenizer_reference import SPECIAL, reference
from tokenizers import AddedToken

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.tokenizer import Tokenizer
from gtenp.tokenizer.files import NO_MAX_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [*SPECIAL, "the", "The", "ete", "été", "Été", "##s", "中", "国", "a", "b"]
VOCAB = {word: number for number, word in enumerate(WORDS)}


def folder(path: Path, words: list[str] | None = WORDS, **files: Any) -> Path:
    """A model folder: vocab.txt of the words, and JSON files by their name without the ending."""
    if words is not None:
        text = "".join(f"{word}\n" for word in words)
        (path / "vocab.txt").write_text(text, encoding="utf-8", newline="")
    for name, value in files.items():
        (path / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return path


def tokenizer_json(**options: Any) -> dict[str, Any]:
    added = options.pop("added", ())
    return json.loads(reference(VOCAB, added, **options).to_str())  # type: ignore[no-any-return]


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids)  # type: ignore[no-any-return]


def test_vocab_txt_alone_suffices_and_lowercases(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path))
    assert words(tokenizer, "The Été [MASK]中国") == ["the", "ete", "[MASK]", "中", "国"]
    assert tokenizer.model_max_length == NO_MAX_LENGTH


def test_tokenizer_json_alone_suffices(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(
        folder(tmp_path, None, tokenizer=tokenizer_json(lowercase=False))
    )
    assert words(tokenizer, "The Été") == ["The", "Été"]
    assert tokenizer("a")["input_ids"] == [2, VOCAB["a"], 3]


def test_tokenizer_json_beats_vocab_txt(tmp_path: Path) -> None:
    both = folder(tmp_path, [*SPECIAL, "a"], tokenizer=tokenizer_json())
    assert Tokenizer.from_folder(both)("a", add_special_tokens=False)["input_ids"] == [VOCAB["a"]]


def test_truncation_and_padding_of_tokenizer_json_wait_to_be_asked_for(tmp_path: Path) -> None:
    theirs = reference(VOCAB)
    theirs.enable_truncation(3)
    theirs.enable_padding(length=9)
    tokenizer = Tokenizer.from_folder(folder(tmp_path, None, tokenizer=json.loads(theirs.to_str())))
    assert len(tokenizer("a b a b")["input_ids"]) == 6


def test_tokenizer_config_beats_the_normalizer_as_in_transformers(tmp_path: Path) -> None:
    says = {"do_lower_case": False, "strip_accents": False, "tokenize_chinese_chars": False}
    both = folder(tmp_path, None, tokenizer=tokenizer_json(), tokenizer_config=says)
    assert words(Tokenizer.from_folder(both), "The Été a中") == ["The", "Été", "[UNK]"]


def test_a_tokenizer_config_that_says_nothing_leaves_the_normalizer_alone(tmp_path: Path) -> None:
    both = folder(tmp_path, None, tokenizer=tokenizer_json(lowercase=False), tokenizer_config={})
    assert words(Tokenizer.from_folder(both), "The") == ["The"]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents", "found"),
    [
        (True, None, "ete"),
        (True, False, "été"),
        (True, True, "ete"),
        (False, None, "Été"),
        (False, True, "[UNK]"),
    ],
)
def test_strip_accents_follows_do_lower_case_unless_stated(
    tmp_path: Path, lowercase: bool, strip_accents: bool | None, found: str
) -> None:
    says = {"do_lower_case": lowercase, "strip_accents": strip_accents}
    assert words(Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says)), "Été") == [found]


def test_a_model_max_length_of_1e30_gives_way_to_the_position_table(tmp_path: Path) -> None:
    says = {"model_max_length": 1000000000000000019884624838656}
    there = folder(tmp_path, tokenizer_config=says, config={"max_position_embeddings": 8})
    tokenizer = Tokenizer.from_folder(there)
    assert tokenizer.model_max_length == 8
    assert len(tokenizer("a " * 20, truncation=True)["input_ids"]) == 8
    assert len(tokenizer("a", padding="max_length")["input_ids"]) == 8


def test_a_smaller_model_max_length_stands(tmp_path: Path) -> None:
    there = folder(tmp_path, tokenizer_config={"model_max_length": 5},
                   config={"max_position_embeddings": 8})  # fmt: skip
    assert Tokenizer.from_folder(there).model_max_length == 5


def test_without_any_length_nothing_is_truncated_as_in_transformers(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path))
    assert len(tokenizer("a " * 20, truncation=True)["input_ids"]) == 22
    assert len(tokenizer("a", padding="max_length")["input_ids"]) == 3


def test_the_sides_of_the_config_are_the_default(tmp_path: Path) -> None:
    says = {"padding_side": "left", "truncation_side": "left"}
    tokenizer = Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says))
    assert tokenizer(["a", "a b"], padding=True)["input_ids"][0] == [0, 2, VOCAB["a"], 3]
    assert tokenizer("a b", max_length=3)["input_ids"] == [2, VOCAB["b"], 3]


def test_special_tokens_may_have_other_names(tmp_path: Path) -> None:
    other = ["<pad>", "<unk>", "<s>", "</s>", "<mask>", "a"]
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": {"content": "<s>"},
             "sep_token": "</s>", "mask_token": "<mask>"}  # fmt: skip
    tokenizer = Tokenizer.from_folder(folder(tmp_path, other, special_tokens_map=names))
    assert tokenizer("a <mask> z")["input_ids"] == [2, 5, 4, 1, 3]


def test_added_tokens_json_gives_ids_beyond_the_vocabulary(tmp_path: Path) -> None:
    ids = {"<new>": len(WORDS), "<newer>": len(WORDS) + 1}
    tokenizer = Tokenizer.from_folder(folder(tmp_path, added_tokens=ids))
    assert tokenizer("a<newer><NEW>", add_special_tokens=False)["input_ids"] == [
        VOCAB["a"], len(WORDS) + 1, len(WORDS)
    ]  # fmt: skip
    assert (tokenizer.vocab_size, len(tokenizer)) == (len(WORDS), len(WORDS) + 2)


def test_added_tokens_decoder_beats_the_older_files(tmp_path: Path) -> None:
    token = {"content": "<x>", "lstrip": True, "normalized": False, "special": True}
    there = folder(
        tmp_path,
        tokenizer_config={"added_tokens_decoder": {str(len(WORDS)): token}},
        added_tokens={"<y>": len(WORDS)},
    )
    assert words(Tokenizer.from_folder(there), "a <x><y>")[:2] == ["a", "<x>"]


def test_an_added_token_with_an_id_it_can_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="gives the added token '<new>' id 99"):
        Tokenizer.from_folder(folder(tmp_path, added_tokens={"<new>": 99}))


def test_model_options_of_tokenizer_json_are_kept(tmp_path: Path) -> None:
    whole = tokenizer_json(max_input_chars_per_word=3, prefix="", cleanup=False)
    vocab = {word.replace("##", ""): number for word, number in VOCAB.items()}
    whole["model"]["vocab"] = vocab
    tokenizer = Tokenizer.from_folder(folder(tmp_path, None, tokenizer=whole))
    assert words(tokenizer, "as ass asss") == ["a", "s", "a", "s", "s", "[UNK]"]


def test_added_tokens_of_tokenizer_json_are_kept(tmp_path: Path) -> None:
    token = AddedToken("<New>", normalized=True, special=False)
    whole = tokenizer_json(added=(token,))
    tokenizer = Tokenizer.from_folder(folder(tmp_path, None, tokenizer=whole))
    assert tokenizer("<NEW>", add_special_tokens=False)["input_ids"] == [len(WORDS)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"type": "BPE"}}, "its model is BPE; BertTokenizer's is WordPiece"),
        ({"model": {"type": "Unigram"}}, "its model is Unigram; BertTokenizer's is WordPiece"),
        ({"normalizer": {"type": "NFC"}}, "its normalizer is NFC"),
        ({"normalizer": None}, "its normalizer is none"),
        ({"pre_tokenizer": {"type": "Metaspace"}}, "its pre_tokenizer is Metaspace"),
    ],
)  # fmt: skip
def test_a_tokenizer_that_is_not_berts_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        Tokenizer.from_folder(folder(tmp_path, None, tokenizer=tokenizer_json() | change))


AS_IT_IS = {"tokenizer_class": "PreTrainedTokenizerFast"}
A, B = ({"Sequence": {"id": name, "type_id": type_id}} for name, type_id in (("A", 0), ("B", 1)))
BYTES = {"type": "ByteLevel", "trim_offsets": True, "add_prefix_space": True}
NAMED_A = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "x", "type_id": 0}}, A],
    "pair": [A, {"SpecialToken": {"id": "x", "type_id": 1}}, B],
    "special_tokens": {"x": {"id": "x", "ids": [VOCAB["a"], VOCAB["b"]], "tokens": ["a", "b"]}},
}  # fmt: skip


@pytest.mark.parametrize("name", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_a_class_that_takes_the_file_as_it_is_takes_its_template(tmp_path: Path, name: str) -> None:
    the, a, b = VOCAB["the"], VOCAB["a"], VOCAB["b"]
    for processor, single, pair, types in (
        (None, [the], [the, a], [0, 1]),
        (NAMED_A, [a, b, the], [the, a, b, a], [0, 1, 1, 1]),
    ):
        whole = tokenizer_json() | {"post_processor": processor}
        says = {"tokenizer_class": name}
        there = folder(tmp_path, None, tokenizer=whole, tokenizer_config=says)
        tokenizer = Tokenizer.from_folder(there)
        assert tokenizer("the")["input_ids"] == single
        assert tokenizer("the", "a")["input_ids"] == pair
        assert tokenizer("the", "a")["token_type_ids"] == types
        assert (tokenizer.cls_token_id, tokenizer.sep_token_id) == (None, None)


@pytest.mark.parametrize("name", [None, "BertTokenizer", "BertTokenizerFast", "ElectraTokenizer"])
def test_berts_class_builds_berts_template_whatever_the_file_says(
    tmp_path: Path, name: str | None
) -> None:
    says = {"tokenizer_class": name} if name else {}
    for processor in (None, NAMED_A):
        whole = tokenizer_json() | {"post_processor": processor}
        there = folder(tmp_path, None, tokenizer=whole, tokenizer_config=says)
        tokenizer = Tokenizer.from_folder(there)
        assert tokenizer("the", "a")["input_ids"] == [2, VOCAB["the"], 3, VOCAB["a"], 3]


def test_berts_template_has_the_tokens_that_the_files_name(tmp_path: Path) -> None:
    says = {"cls_token": "a", "sep_token": "b"}
    there = folder(tmp_path, None, tokenizer=tokenizer_json(), tokenizer_config=says)
    tokenizer = Tokenizer.from_folder(there)
    assert tokenizer("the")["input_ids"] == [VOCAB["a"], VOCAB["the"], VOCAB["b"]]


def test_config_json_names_the_class_where_tokenizer_config_does_not(tmp_path: Path) -> None:
    whole = tokenizer_json() | {"post_processor": None}
    there = folder(tmp_path, None, tokenizer=whole, config=AS_IT_IS)
    assert Tokenizer.from_folder(there)("the")["input_ids"] == [VOCAB["the"]]
    folder(tmp_path, None, tokenizer_config={"tokenizer_class": "BertTokenizer"})
    assert Tokenizer.from_folder(there)("the")["input_ids"] == [2, VOCAB["the"], 3]


def test_a_class_that_takes_the_file_as_it_is_leaves_its_normalizer_alone(tmp_path: Path) -> None:
    there = folder(tmp_path, None, tokenizer=tokenizer_json(lowercase=False),
                   tokenizer_config=AS_IT_IS | {"do_lower_case": True})  # fmt: skip
    assert words(Tokenizer.from_folder(there), "The Été") == ["The", "Été"]


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        ({"type": "Wrapping"}, "its post_processor is Wrapping, which gtenp does not know"),
        ({**NAMED_A, "pair": [B, A]}, "has the texts in the order B A, wanted A B"),
        ({**NAMED_A, "single": [A, A]}, "has the texts in the order A A, wanted A"),
        ({**NAMED_A, "single": []}, "has the texts in the order none, wanted A"),
        ({"type": "Sequence", "processors": [NAMED_A, NAMED_A]}, "is a Sequence of TemplatePro"),
        ({"type": "Sequence", "processors": [BYTES, BYTES]}, "is a Sequence of ByteLevel, ByteLev"),
    ],
)
def test_a_template_that_can_not_be_followed_is_refused_by_name(
    tmp_path: Path, processor: dict[str, Any], message: str
) -> None:
    whole = tokenizer_json() | {"post_processor": processor}
    there = folder(tmp_path, None, tokenizer=whole, tokenizer_config=AS_IT_IS)
    with pytest.raises(UnsupportedModelError, match=message):
        Tokenizer.from_folder(there)


def test_a_template_with_an_id_that_no_token_has_is_refused(tmp_path: Path) -> None:
    whole = tokenizer_json() | {
        "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 99]}
    }
    there = folder(tmp_path, None, tokenizer=whole, tokenizer_config=AS_IT_IS)
    with pytest.raises(ModelFileError, match="a special token with id 99, which is no token's"):
        Tokenizer.from_folder(there)


def test_a_class_of_another_tokenizer_is_refused_though_the_file_is_berts(tmp_path: Path) -> None:
    says = {"tokenizer_class": "XLMRobertaTokenizerFast"}
    with pytest.raises(UnsupportedModelError, match="WordPiece; XLMRobertaTokenizer's is Unigram"):
        Tokenizer.from_folder(
            folder(tmp_path, None, tokenizer=tokenizer_json(), tokenizer_config=says)
        )


def flags(tokenizer: Tokenizer, content: str) -> dict[str, bool]:
    names = ("lstrip", "rstrip", "single_word", "normalized", "special")
    (found,) = (token for token in tokenizer.spec.added_tokens if token.content == content)
    return {name: getattr(found, name) for name in names if getattr(found, name)}


@pytest.mark.parametrize("name", ["BertTokenizer", "PreTrainedTokenizerFast"])
def test_added_tokens_decoder_decides_an_added_tokens_flags(tmp_path: Path, name: str) -> None:
    number = str(len(WORDS))
    for flag in ("lstrip", "rstrip", "single_word", "normalized", "special"):
        for stated in (True, False):
            in_file = AddedToken("<x>", normalized=False, special=False)
            if not stated:
                in_file = AddedToken("<x>", **{"normalized": False, "special": False, flag: True})
            token = {"content": "<x>", "normalized": False, "special": False, flag: stated}
            says = {"tokenizer_class": name, "added_tokens_decoder": {number: token}}
            there = folder(tmp_path, None, tokenizer=tokenizer_json(added=(in_file,)),
                           tokenizer_config=says)  # fmt: skip
            found = flags(Tokenizer.from_folder(there), "<x>")
            assert found == ({flag: True} if stated else {}), (flag, stated)


def test_berts_class_knows_of_the_files_added_tokens_only_where_no_decoder_is(
    tmp_path: Path,
) -> None:
    whole = tokenizer_json(added=(AddedToken("<x>", special=False),))
    other = {str(VOCAB["a"]): {"content": "a", "special": False}}
    for says, known in (
        ({}, True),
        ({"added_tokens_decoder": other}, False),
        ({"added_tokens_decoder": other} | AS_IT_IS, True),
    ):
        there = folder(tmp_path, None, tokenizer=whole, tokenizer_config=says)
        contents = [token.content for token in Tokenizer.from_folder(there).spec.added_tokens]
        assert ("<x>" in contents) is known


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ({}, {"normalized": True}),
        ({"special": True}, {"special": True}),
        ({"special": True, "normalized": True}, {"special": True, "normalized": True}),
        ({"normalized": False}, {}),
    ],
)
def test_a_flag_that_is_not_stated_is_off_and_what_is_not_special_is_normalized(
    tmp_path: Path, token: dict[str, bool], found: dict[str, bool]
) -> None:
    says = {"added_tokens_decoder": {str(len(WORDS)): {"content": "<x>", **token}}}
    assert flags(Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says)), "<x>") == found


def test_added_tokens_are_numbered_by_their_ids_in_whatever_order_they_stand(
    tmp_path: Path,
) -> None:
    decoder = {str(len(WORDS) + n): {"content": f"<{n}>"} for n in (1, 0)}
    there = folder(tmp_path, tokenizer_config={"added_tokens_decoder": decoder})
    ids = {token.content: token.id for token in Tokenizer.from_folder(there).spec.added_tokens}
    assert (ids["<0>"], ids["<1>"]) == (len(WORDS), len(WORDS) + 1)


def test_tokenizer_json_knows_more_of_a_token_than_added_tokens_json(tmp_path: Path) -> None:
    token = AddedToken("<x>", lstrip=True, normalized=False, special=False)
    there = folder(tmp_path, None, tokenizer=tokenizer_json(added=(token,)),
                   added_tokens={"<x>": len(WORDS)})  # fmt: skip
    assert flags(Tokenizer.from_folder(there), "<x>") == {"lstrip": True}


def test_special_tokens_map_beats_tokenizer_config_unless_that_has_a_decoder(
    tmp_path: Path,
) -> None:
    says: dict[str, Any] = {"cls_token": "a"}
    there = folder(tmp_path, tokenizer_config=says, special_tokens_map={"cls_token": "b"})
    assert Tokenizer.from_folder(there).cls_token_id == VOCAB["b"]
    folder(tmp_path, tokenizer_config=says | {"added_tokens_decoder": {}})
    assert Tokenizer.from_folder(there).cls_token_id == VOCAB["a"]


def test_a_vocab_txt_is_berts_also_under_the_class_that_takes_files_as_they_are(
    tmp_path: Path,
) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path, tokenizer_config=AS_IT_IS))
    assert tokenizer("the")["input_ids"] == [2, VOCAB["the"], 3]


def test_a_token_that_the_files_name_is_special(tmp_path: Path) -> None:
    token = {"content": "[MASK]", "special": False, "normalized": True}
    says = {"mask_token": "[MASK]", "added_tokens_decoder": {"4": token}}
    there = folder(tmp_path, None, tokenizer=tokenizer_json(), tokenizer_config=says)
    assert flags(Tokenizer.from_folder(there), "[MASK]") == {"normalized": True, "special": True}


def test_a_name_of_special_tokens_map_brings_its_flags(tmp_path: Path) -> None:
    says = {"eos_token": {"content": "a", "lstrip": True, "normalized": False}}
    there = folder(tmp_path, special_tokens_map=says)
    assert flags(Tokenizer.from_folder(there), "a") == {"lstrip": True, "special": True}


def test_extra_special_tokens_beat_additional_special_tokens(tmp_path: Path) -> None:
    says: dict[str, Any] = {"additional_special_tokens": ["a"]}
    assert flags(Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says)), "a")
    assert flags(Tokenizer.from_folder(folder(tmp_path, special_tokens_map=says)), "a")
    says["extra_special_tokens"] = ["b"]
    tokenizer = Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says))
    assert "a" not in [token.content for token in tokenizer.spec.added_tokens]
    assert flags(tokenizer, "b") == {"special": True}


def test_added_tokens_json_makes_special_what_a_file_names(tmp_path: Path) -> None:
    there = folder(
        tmp_path, added_tokens={"a": VOCAB["a"], "b": VOCAB["b"], "[PAD]": 0},
        special_tokens_map={"extra_special_tokens": ["b"]},
    )  # fmt: skip
    tokenizer = Tokenizer.from_folder(there)
    assert flags(tokenizer, "a") == {"normalized": True}
    assert flags(tokenizer, "b") == {"special": True}
    # Named by BertTokenizer itself, which is too late to be matched before normalization.
    assert flags(tokenizer, "[PAD]") == {"normalized": True, "special": True}


def test_a_vocab_txt_of_another_tokenizer_is_refused_by_name(tmp_path: Path) -> None:
    says = {"tokenizer_class": "BertJapaneseTokenizer"}
    with pytest.raises(UnsupportedModelError, match="BertJapaneseTokenizer"):
        Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says))


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"tokenizer\.json: is missing, and so is vocab\.txt"):
        Tokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        {},
        [],
        3,
        {"model": {}},
        {"model": None},
        {"model": {"type": "WordPiece"}},
        {"model": tokenizer_json()["model"] | {"vocab": ["a"]}},
        {"added_tokens": [{}]},
        {"added_tokens": [{"content": 3}]},
    ],
)
def test_a_damaged_tokenizer_json_is_a_file_error(tmp_path: Path, damage: Any) -> None:
    whole = {**tokenizer_json(), **damage} if isinstance(damage, dict) and damage else damage
    with pytest.raises(ModelFileError, match=r"tokenizer\.json"):
        Tokenizer.from_folder(folder(tmp_path, None, tokenizer=whole))


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"do_lower_case": "yes"}, "lowercase is 'yes', a bool was wanted"),
        ({"padding_side": "middle"}, "padding_side is 'middle'"),
        ({"model_max_length": "512"}, "model_max_length is '512'"),
    ],
)
def test_a_config_value_of_the_wrong_type_is_named(
    tmp_path: Path, says: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says))


@pytest.mark.parametrize(
    "says",
    [
        {"cls_token": 3},
        {"added_tokens_decoder": {"x": {"content": "<x>"}}},
        {"added_tokens_decoder": [1]},
        {"additional_special_tokens": 3},
    ],
)
def test_a_damaged_tokenizer_config_is_a_file_error(tmp_path: Path, says: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match=r"tokenizer_config\.json.*is damaged"):
        Tokenizer.from_folder(folder(tmp_path, tokenizer_config=says))


def test_windows_line_ends_are_line_ends(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes("\r\n".join([*WORDS, ""]).encode())
    assert Tokenizer.from_folder(tmp_path).vocab_size == len(WORDS)


def test_a_byte_order_mark_is_refused_for_it_would_hide_the_first_token(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes("\ufeff[PAD]\n[UNK]\n".encode())
    with pytest.raises(ModelFileError, match="byte order mark"):
        Tokenizer.from_folder(tmp_path)


def test_of_a_duplicate_the_last_line_counts_and_a_blank_line_keeps_its_number(
    tmp_path: Path,
) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path, [*SPECIAL, "a", "", "a", "b"]))
    assert tokenizer("a b", add_special_tokens=False)["input_ids"] == [7, 8]


def test_a_line_separator_within_a_token_does_not_part_lines(tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder(tmp_path, [*SPECIAL, "\u2028x", "\x85", "a"]))
    assert tokenizer("a", add_special_tokens=False)["input_ids"] == [7]
    assert tokenizer.spec.vocab["\u2028x"] == 5


@pytest.mark.parametrize(
    ("line", "token"),
    [
        *((f"hello{space}", "hello") for space in " \t\r\v\f\x85\xa0\u1680\u2028\u3000"),
        ("hello \r \u2028", "hello"),
        *((f"hello{other}", f"hello{other}") for other in "\x1c\x1f\u200b\ufeff\0"),
        (" hello", " hello"),
        ("\u2028hello", "\u2028hello"),
        ("hel\rlo", "hel\rlo"),
        (" \t", ""),
    ],
)
def test_white_space_at_a_lines_end_is_not_the_tokens(
    tmp_path: Path, line: str, token: str
) -> None:
    assert Tokenizer.from_folder(folder(tmp_path, [*SPECIAL, line, "b"])).spec.vocab == {
        word: number for number, word in enumerate([*SPECIAL, token, "b"])
    }


def test_a_last_line_of_white_space_without_an_end_keeps_its_number(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "a", "\u2003"]), encoding="utf-8")
    assert Tokenizer.from_folder(tmp_path).spec.vocab[""] == 6


def test_a_vocabulary_without_its_special_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"has no '\[SEP\]', the sep_token"):
        Tokenizer.from_folder(folder(tmp_path, ["[PAD]", "[UNK]", "[CLS]", "a"]))


@pytest.mark.parametrize("name", ["[CLS]", "[SEP]", "[UNK]"])
def test_berts_class_wants_each_token_of_its_template(tmp_path: Path, name: str) -> None:
    there = folder(tmp_path, [word for word in WORDS if word != name])
    with pytest.raises(ModelFileError, match=f"has no '{re.escape(name)}'"):
        Tokenizer.from_folder(there)


def test_a_vocabulary_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\n")
    with pytest.raises(ModelFileError, match="is not UTF-8"):
        Tokenizer.from_folder(tmp_path)
