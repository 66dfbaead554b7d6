"""Tokenizers of byte-level BPE, whole: every form beside the reference."""

from __future__ import annotations

import json
import pickle
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from bpe_reference import KINDS, as_files, byte_level, saved
from code_points import EVERY, assert_equal_everywhere
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizer_options import cases, options_are_equal
from tokenizers import Tokenizer as Rust
from tokenizers import pre_tokenizers, processors
from unigram_reference import SENTENCES, assert_equal

from gtenp import Tokenizer
from gtenp.errors import InputError, ModelFileError, UnsupportedModelError
from gtenp.tokenizer.memory import REMEMBERED, REMEMBERED_LENGTH

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [
    *SENTENCES,
    "",
    " ",
    "  two  spaces  \u3000 and\tmore\n",
    "<s>a</s> <mask> b<mask>  <pad> <unk> <|endoftext|>a [MASK]  [CLS]",
    "it's IT'S don'T 'ſ 1234 12345½ ²³",
    "e\u0301te\u0301 éte\u0301",
    "👩‍👩‍👧 🇩🇪 ∀x∈ℝ 😀😀",
    "한국어 각 \u1100\u1161\u11a8",
    "a\x85b\x1cc\r\n\r\nd   \n  e",
    "Ġ Ċ Ã©",
    "(a)[b]{c} ... !? x!! ! y",
]

Both = tuple[Tokenizer, Rust]


@pytest.fixture(scope="module", params=list(KINDS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    return byte_level(request.param, tmp_path_factory.mktemp("bpe"))


def test_every_text_gives_what_the_reference_gives(both: Both) -> None:
    for text in [*TEXTS, " ".join(TEXTS), "".join(TEXTS)]:
        assert_equal(*both, text)


def test_every_combination_of_options_gives_what_the_reference_gives(both: Both) -> None:
    compared = sum(
        options_are_equal(*both, case, paired=number % 2 == 0)
        for number, case in enumerate(cases()[:300])
    )
    both[1].no_truncation()
    both[1].no_padding()
    assert compared > 50  # fewer where there is nothing to pad with


def test_code_points_give_the_ids_of_the_reference(both: Both) -> None:
    some = random.Random(0).sample(EVERY, 1_000)
    assert_equal_everywhere(*both, [*range(0x400), *range(0x2000, 0x2040), *some])


def test_it_pickles_without_what_it_remembers(both: Both) -> None:
    copy = pickle.loads(pickle.dumps(both[0]))
    assert copy(TEXTS)["input_ids"] == both[0](TEXTS)["input_ids"]


def test_a_lone_surrogate_is_named(both: Both) -> None:
    for call in (both[0], lambda text: both[0](text, return_offsets_mapping=True)):
        with pytest.raises(InputError, match=r"lone surrogate, U\+D800, at position 2"):
            call("a \ud800b")  # type: ignore[operator]


@given(st.text(max_size=30))
@settings(max_examples=40, deadline=None)
def test_any_text_gives_what_the_reference_gives(both: Both, text: str) -> None:
    if all(not "\ud800" <= char <= "\udfff" for char in text):
        assert_equal(*both, text)


@pytest.mark.parametrize(
    "text", ["a", "1", "!", " ", "\n ", "中", "e\u0301", "word ", "\r\n", "'s"]
)
def test_a_megabyte_of_anything_takes_no_quadratic_time(both: Both, text: str) -> None:
    size = 1_000_000 if both[1].to_str() == saved("RoBERTa") else 30_000
    start = time.process_time()
    both[0](text * (size // len(text.encode())))
    assert time.process_time() - start < 20  # three seconds or less where nothing else runs


def test_a_long_text_costs_what_is_kept_of_it(tmp_path: Path) -> None:
    for kind in ("RoBERTa", "RoBERTa with a space before", "ModernBERT"):
        tokenizer, theirs = byte_level(kind, tmp_path)
        for text in ("the embeddings " * 400_000, "中国の " * 1_000_000):
            start = time.process_time()
            ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
            assert time.process_time() - start < 1  # all of it takes seconds
            assert ids[:-1] == theirs.encode(text[:20_000]).ids[:511]


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    tokenizer, _ = byte_level("RoBERTa", tmp_path)
    for block in range(4):
        tokenizer(" ".join(f"w{chr(97 + block)}{n:x}" for n in range(40_000)) + " " + "x" * 50)
    pipeline: Any = tokenizer._pipeline
    assert len(pipeline._model.ids) <= REMEMBERED
    assert max(map(len, pipeline._model.ids)) <= REMEMBERED_LENGTH


# ── What the files say ──


def load(kind: str, folder: Path, says: dict[str, Any], **change: Any) -> Tokenizer:
    """A kind's tokenizer.json with parts of it changed."""
    whole = json.loads(saved(kind))
    model = change.pop("model", {})
    whole = {**whole, **change, "model": {**whole["model"], **model}}
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(says), encoding="utf-8")
    return Tokenizer.from_folder(folder)


def test_merges_are_read_in_both_forms(tmp_path: Path) -> None:
    merges = [" ".join(pair) for pair in json.loads(saved("RoBERTa"))["model"]["merges"]]
    tokenizer = load("RoBERTa", tmp_path, {"tokenizer_class": "RobertaTokenizer"},
                     model={"merges": merges})  # fmt: skip
    theirs = Rust.from_str(saved("RoBERTa"))
    for text in TEXTS:
        assert_equal(tokenizer, theirs, text)


@pytest.mark.parametrize("prefix", [False, True])
def test_robertas_class_builds_its_own_stages(tmp_path: Path, prefix: bool) -> None:
    says = {"tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": prefix}
    says |= {"trim_offsets": not prefix}
    change = {"normalizer": {"type": "Lowercase"}, "pre_tokenizer": None, "decoder": None}
    change |= {"post_processor": None}
    tokenizer = load("RoBERTa", tmp_path, says, **change)
    theirs: Any = Rust.from_str(saved("RoBERTa"))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    theirs.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=not prefix, add_prefix_space=prefix
    )
    for text in TEXTS:
        assert_equal(tokenizer, theirs, text)
    a = tokenizer("a", add_special_tokens=False)["input_ids"]
    assert tokenizer("a", "a")["input_ids"] == [0, *a, 2, 2, *a, 2]
    assert tokenizer("a", "a")["token_type_ids"] == [0] * (4 + 2 * len(a))


def test_a_roberta_that_names_no_class_is_robertas(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    tokenizer = load("RoBERTa", tmp_path, {}, post_processor=None)
    assert tokenizer("a b")["input_ids"] == Rust.from_str(saved("RoBERTa")).encode("a b").ids


@pytest.mark.parametrize("name", ["RobertaTokenizer", "GPT2Tokenizer"])
def test_vocab_json_and_merges_txt_stand_for_tokenizer_json(tmp_path: Path, name: str) -> None:
    kind = {"RobertaTokenizer": "RoBERTa", "GPT2Tokenizer": "GPT-2"}[name]
    mask = {"content": "<mask>", "lstrip": True, "special": True}
    says = {"mask_token": mask} if kind == "RoBERTa" else {}
    as_files(kind, tmp_path, tokenizer_class=name, **says)
    tokenizer = Tokenizer.from_folder(tmp_path)
    theirs = Rust.from_str(saved(kind))
    for text in TEXTS:
        ids = theirs.encode(text).ids
        assert tokenizer(text)["input_ids"] == ids
        assert tokenizer.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(ModelFileError, match=r"merges.txt: is missing, which goes with vocab"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "vocab.json").unlink()
    with pytest.raises(ModelFileError, match=r"tokenizer.json: is missing, and so is vocab.json"):
        Tokenizer.from_folder(tmp_path)


def test_gpt2s_class_takes_the_files_template(tmp_path: Path) -> None:
    says: dict[str, Any] = {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}
    tokenizer = load("GPT-2", tmp_path, says)
    a = tokenizer("a")["input_ids"]
    assert (a, tokenizer.cls_token, tokenizer.pad_token) == ([a[0]], None, None)
    assert tokenizer(["b a"], return_offsets_mapping=True)["offset_mapping"] == [[(0, 1), (2, 3)]]
    (tmp_path / "tokenizer.json").unlink()
    as_files("GPT-2", tmp_path, **says)
    with pytest.raises(UnsupportedModelError, match="has add_bos_token true"):
        Tokenizer.from_folder(tmp_path)


def test_without_a_token_for_the_unknown_a_tokens_id_is_none(tmp_path: Path) -> None:
    tokenizer, _ = byte_level("Llama 3", tmp_path)
    assert tokenizer.unk_token is None
    assert tokenizer.unk_token_id is None
    assert tokenizer.convert_tokens_to_ids(["Ġthe", "nowhere"])[1] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"dropout": 0.1}}, "its model has dropout 0.1"),
        ({"model": {"continuing_subword_prefix": "##"}}, "its model has continuing_subword_prefix"),
        ({"model": {"end_of_word_suffix": "</w>"}}, "its model has end_of_word_suffix '</w>'"),
        ({"model": {"byte_fallback": True}}, "its model has byte_fallback True"),
        ({"pre_tokenizer": None}, "its model is BPE without ByteLevel behind"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "its model is BPE without ByteLevel behind"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Punctuation"}, {"type": "ByteLevel", "add_prefix_space": False}]}},
         "its pre_tokenizer is Punctuation"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\p{Han}+"}, "behavior": "Isolated",
             "invert": False}, {"type": "ByteLevel", "add_prefix_space": False}]}},
         r"it splits by '\\\\p{Han}\+', which gtenp can't read"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"String": " "}, "behavior": "Halved", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False}]}}, "its Split has behavior 'Halved'"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        load("Llama 3", tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"}, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"merges": ["a b c"]}}, "its merge 0 is 'a b c', two pieces were wanted"),
        ({"model": {"merges": [["a"]]}}, "its merge 0 is 'a', two pieces were wanted"),
        ({"model": {"merges": ["a zzz"]}}, "its merge 0, of 'a' and 'zzz', needs 'zzz'"),
        ({"model": {"merges": [["!", '"']]}}, "needs '!\"', which the vocabulary lacks"),
        ({"model": {"merges": [3]}}, "is not a tokenizer's file"),
        ({"model": {"vocab": ["a"]}}, "model.vocab is not an object"),
        ({"model": {"vocab": {"a": "0"}}}, "ids that are no whole numbers"),
        ({"model": {"vocab": {"a": 0}, "merges": [], "unk_token": "<?>"}}, "unk_token is '<\\?>'"),
        ({"model": {"ignore_merges": "no"}}, "ignore_merges of BPE is 'no'"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": 1}}, "add_prefix_space of By"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": 3}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False}]}}, "pattern of Split is"),
    ],
)  # fmt: skip
def test_a_damaged_part_is_a_file_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        load("Llama 3", tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"}, **change)


def test_a_class_of_another_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="its model is BPE; BertTokenizer's is WordPi"):
        load("RoBERTa", tmp_path, {"tokenizer_class": "BertTokenizer"})
    whole = {"type": "WordPiece", "vocab": {}, "unk_token": "[UNK]"}
    with pytest.raises(UnsupportedModelError, match="model is WordPiece; RobertaTokenizer's is BP"):
        load("RoBERTa", tmp_path, {"tokenizer_class": "RobertaTokenizer"}, model=whole)
