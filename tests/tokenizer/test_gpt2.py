"""GPT-2's real merges, as GPT-2 and as RoBERTa have them, beside the Rust tokenizer and
transformers.

``make test-byte-level`` prepares the folder that GTENP_GPT2 names and runs this.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bpe_reference import as_files, byte_level
from code_points import EVERY, assert_equal_everywhere, random_texts
from tokenizer_options import cases, options_are_equal
from unigram_reference import assert_equal

from gtenp import Tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Reference

if "GTENP_GPT2" not in os.environ:
    pytest.skip("run `make test-byte-level`", allow_module_level=True)

FOLDER = Path(os.environ["GTENP_GPT2"])
os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="module", params=["gpt2", "roberta"])
def both(request: pytest.FixtureRequest) -> tuple[Tokenizer, Reference]:
    import tokenizers

    path = FOLDER / request.param / "tokenizer.json"
    return Tokenizer.from_folder(path.parent), tokenizers.Tokenizer.from_file(str(path))


def texts(count: int) -> list[str]:
    return random_texts(count, "Ġ", "<mask>", "<s>", "<|endoftext|>", "'", "'ll", "  ")


def test_hello_world_has_the_ids_that_every_gpt2_has() -> None:
    tokenizer = Tokenizer.from_folder(FOLDER / "gpt2")
    assert tokenizer("Hello world, it's 2019!")["input_ids"] == [
        *(15496, 995, 11, 340, 338, 13130, 0)
    ]


@pytest.mark.parametrize("both", ["roberta"], indirect=True)
def test_every_code_point_gives_the_ids_of_the_reference(both: tuple[Tokenizer, Reference]) -> None:
    assert_equal_everywhere(*both, EVERY)


@pytest.mark.parametrize("kind", ["ModernBERT", "BLOOM", "GPT-4o"])
def test_every_code_point_gives_them_with_trained_merges_too(kind: str, tmp_path: Path) -> None:
    points = [point for point in EVERY if point < 0x20000 or 0xE0000 <= point < 0xE1000]
    assert_equal_everywhere(*byte_level(kind, tmp_path), points)


def test_any_text_gives_what_the_reference_gives(both: tuple[Tokenizer, Reference]) -> None:
    for text in texts(5_000):
        assert_equal(*both, text)


def test_every_combination_of_options_gives_what_the_reference_gives(
    both: tuple[Tokenizer, Reference],
) -> None:
    compared = sum(
        options_are_equal(*both, case, paired=number % 2 == 0)
        for number, case in enumerate(cases())
    )
    both[1].no_truncation()
    both[1].no_padding()
    assert compared > 100


def equals_transformers(folder: Path, name: str, count: int) -> None:
    """Everything about texts, pairs and what is made of them again."""
    transformers: Any = pytest.importorskip("transformers")
    ours = Tokenizer.from_folder(folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(theirs).__name__ == name
    assert len(ours) == len(theirs)
    columns = ["input_ids", "attention_mask"]
    for text in texts(count):
        calls: list[tuple[Any, Any, dict[str, Any]]] = [
            (text, None, {}),
            (text, "another", {}),
            ([text], None, {"return_offsets_mapping": True}),
        ]
        if ours.pad_token:
            short = {"padding": True, "truncation": True, "max_length": 7}
            calls.append(([text, "a"], None, short))
        for first, second, options in calls:
            wanted = theirs(first, second, **options)
            found = ours(first, second, **options)
            for column in [*columns, *(["offset_mapping"] if "offset_mapping" in wanted else [])]:
                assert found[column] == wanted[column], ascii(text)
        ids = ours(text)["input_ids"]
        for skip in (False, True):
            decoded = theirs.decode(ids, skip_special_tokens=skip)
            assert ours.decode(ids, skip_special_tokens=skip) == decoded
    for key in ("cls_token_id", "sep_token_id", "pad_token_id", "mask_token_id", "unk_token_id"):
        assert getattr(ours, key) == getattr(theirs, key), key


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("gpt2", "GPT2Tokenizer"),
        ("roberta", "RobertaTokenizer"),
        ("roberta-files", "RobertaTokenizer"),
    ],
)
def test_transformers_gives_the_same_from_the_same_folder(form: str, name: str) -> None:
    equals_transformers(FOLDER / form, name, 1_000)


@pytest.mark.parametrize(
    ("kind", "says", "name"),
    [
        ("RoBERTa", {"tokenizer_class": "RobertaTokenizer"}, "RobertaTokenizer"),
        (
            "RoBERTa with a space before",
            {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True},
            "RobertaTokenizer",
        ),
        (
            "RoBERTa with a space before",
            {"tokenizer_class": "RobertaTokenizerFast", "trim_offsets": False},
            "RobertaTokenizer",
        ),
        ("GPT-2", {"tokenizer_class": "GPT2Tokenizer"}, "GPT2Tokenizer"),
        ("GPT-2", {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True}, "GPT2Tokenizer"),
        ("ModernBERT", {}, "TokenizersBackend"),
        ("BLOOM", {"tokenizer_class": "BloomTokenizerFast"}, "TokenizersBackend"),
        ("Llama 3", {}, "TokenizersBackend"),
        ("Llama 3", {"add_bos_token": False}, "TokenizersBackend"),
        ("GPT-4o", {}, "TokenizersBackend"),
        ("StarCoder", {}, "TokenizersBackend"),
    ],
)
def test_transformers_gives_the_same_from_each_form(
    kind: str, says: dict[str, Any], name: str, tmp_path: Path
) -> None:
    byte_level(kind, tmp_path, **says)
    equals_transformers(tmp_path, name, 300)


def test_transformers_gives_the_same_without_a_classs_name(tmp_path: Path) -> None:
    as_files("RoBERTa", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "roberta"}))
    equals_transformers(tmp_path, "RobertaTokenizer", 300)


def test_it_loads_in_less_than_three_times_the_references_time() -> None:
    import tokenizers

    path = FOLDER / "roberta" / "tokenizer.json"
    ratios = []
    for _ in range(5):
        start = time.process_time()
        Tokenizer.from_folder(path.parent)
        between = time.process_time()
        tokenizers.Tokenizer.from_file(str(path))
        ratios.append((between - start) / (time.process_time() - between))
    assert sorted(ratios)[2] < 3  # 1.2 where nothing else runs
