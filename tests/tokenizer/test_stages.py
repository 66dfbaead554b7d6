"""Which parts of a tokenizer.json are known, and how the rest is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from charsmap import precompiled_json
from tokenizers import Regex, Tokenizer, models, normalizers
from unigram_reference import NAMES, xlmr

from gtenp import Tokenizer as Ours
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.tokenizer.edits import Replace, Strip, read_pattern
from gtenp.tokenizer.metaspace import Metaspace
from gtenp.tokenizer.stages import find_charsmap, read_stages

PATH = Path("tokenizer.json")


def load(folder: Path, **change: Any) -> Ours:
    """XLM-R's tokenizer.json with parts of it changed, taken as it is."""
    whole = json.loads(xlmr().to_str())
    model = change.pop("model", {})
    whole = {**whole, **change, "model": {**whole["model"], **model}}
    says = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES}
    (folder / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(says), encoding="utf-8")
    return Ours.from_folder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Nmt"}}, "its normalizer is Nmt; gtenp knows Precompiled, NFC"),
        ({"normalizer": {"type": "Sequence", "normalizers": [{"type": "StripAccents"}]}},
         "its normalizer is StripAccents"),
        ({"pre_tokenizer": {"type": "Punctuation"}},
         "its pre_tokenizer is Punctuation; gtenp knows White"),
        ({"decoder": {"type": "BPEDecoder"}}, "its decoder is BPEDecoder; gtenp knows Metaspace"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(a|b)"}, "content": ""}},
         r"it replaces '\(a\|b\)'"),
        ({"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "last"}},
         "prepend_scheme 'last'"),
        ({"model": {"type": "WordLevel"}}, "its model is WordLevel; gtenp knows WordPiece, Un"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        load(tmp_path, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"unk_id": None}}, "its model's unk_id is None"),
        ({"model": {"unk_id": 9999}}, "its model's unk_id is 9999"),
        ({"model": {"vocab": [["a", "b"]]}}, "no list of pieces and scores"),
        ({"model": {"vocab": {"a": 0}}}, "is not a tokenizer's file"),
        ({"model": {"vocab": 3}}, "is not a tokenizer's file"),
        ({"model": {"byte_fallback": "yes"}}, "byte_fallback of Unigram is 'yes'"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAA="}}, "is damaged"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}}, "is damaged"),
        ({"normalizer": {"type": "Strip", "strip_left": 1, "strip_right": True}}, "strip_left of"),
        ({"normalizer": {"type": "Prepend", "prepend": 3}}, "prepend of Prepend is 3"),
        ({"normalizer": {"type": "Sequence"}}, "has no 'normalizers'"),
        ({"pre_tokenizer": {"type": "Metaspace", "replacement": "▁▁"}}, "a character was wanted"),
        ({"pre_tokenizer": []}, "is not a tokenizer's file"),
    ],
)
def test_a_damaged_part_is_a_file_error(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path, **change)


@pytest.mark.parametrize(
    ("says", "scheme", "split"),
    [
        ({"add_prefix_space": True, "str_rep": "▁"}, "always", True),
        ({"add_prefix_space": False}, "never", True),
        ({"prepend_scheme": "first", "split": False}, "first", False),
        ({}, "always", True),
    ],
)
def test_old_and_new_forms_of_metaspace_are_read(
    says: dict[str, Any], scheme: str, split: bool
) -> None:
    part = {"type": "Metaspace", "replacement": "▁", **says}
    whole = {"model": {"unk_id": 0}, "pre_tokenizer": part, "decoder": part}
    stages = read_stages(PATH, whole, [0.0])
    assert stages.pre_tokenizers == (Metaspace("▁", scheme, split),)
    theirs = json.loads(Tokenizer(models.Unigram([("a", 0.0)], 0)).to_str())
    part["prepend_scheme"] = scheme  # without which the reference takes no add_prefix_space: false
    reference = Tokenizer.from_str(json.dumps(theirs | {"pre_tokenizer": part, "decoder": part}))
    tokens = [text for text, _ in reference.pre_tokenizer.pre_tokenize_str("to be")]
    assert [text for text, _ in stages.pre_tokenizers[0].align([("to be", [*range(5)])], 1)] == (
        tokens
    )
    assert "".join(stages.decoders[0](["▁to", "▁be"])) == reference.decoder.decode(["▁to", "▁be"])


def test_the_character_map_is_found_wherever_it_stands() -> None:
    part = precompiled_json({"a": "b"})
    inner = {"type": "Sequence", "normalizers": [{"type": "NFC"}, part]}
    for normalizer in (part, inner, {"type": "Sequence", "normalizers": [inner]}):
        found = find_charsmap(PATH, {"normalizer": normalizer})
        assert found is not None
        assert found("a") == "b"
    assert find_charsmap(PATH, {"normalizer": None}) is None


@pytest.mark.parametrize("pattern", r" {2,}|\s+|a+|ab{1,2}c|\.|\n{2}|“|a-b".split("|"))
def test_a_plain_pattern_matches_what_the_reference_matches(pattern: str) -> None:
    ours = Replace(read_pattern({"Regex": pattern}), "<>")
    theirs = normalizers.Replace(Regex(pattern), "<>")
    for text in ("a  b   c", "aaabc abbc abbbc", "x\x85\x1c\u2003\n\n\ny", "a.b-c a-b “q”", ""):
        assert ours(text) == theirs.normalize_str(text)


@pytest.mark.parametrize(
    "pattern", ["a|b", *r"a* a? (a) [ab] . ^a a$ \w+ \p{L} a{0,2} a++ a+? { (?i)a".split()]
)
def test_a_pattern_that_the_two_may_read_differently_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=re.escape(pattern)):
        read_pattern({"Regex": pattern})


def test_strip_takes_unicodes_white_space_and_no_more() -> None:
    text = "\x85\u2003\x1c a \x1c\u3000\n"
    for left in (False, True):
        for right in (False, True):
            theirs = normalizers.Strip(left, right)
            assert Strip(left, right)(text) == theirs.normalize_str(text)
