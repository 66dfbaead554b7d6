"""The reference tokenizer, set up as transformers sets it up, beside ours."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from places import DATA
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

import gtenp

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


CLS, SEP, OTHER = ("[CLS]", 101), ("[SEP]", 102), ("[unused4]", 5)


def template(single: str, pair: str) -> processors.TemplateProcessing:
    """A template of bert-base-uncased's tokens; <two> is two of them."""
    two = {"id": "<two>", "ids": [6, 7], "tokens": ["[unused5]", "[unused6]"]}
    return processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[CLS, SEP, OTHER, two]
    )


# post_processors of tokenizer.json, for the vocabulary of bert-base-uncased.
TEMPLATES = {
    "none": template("$A", "$A $B:1"),  # what transformers takes for null
    "BERT": processors.BertProcessing(SEP, CLS),
    "RoBERTa": processors.RobertaProcessing(SEP, CLS),
    "RoBERTa, all of each offset": processors.RobertaProcessing(SEP, CLS, trim_offsets=False),
    "T5": template("$A [SEP]", "$A [SEP] $B [SEP]"),
    "nothing behind": template("[CLS] $A", "[CLS] $A [SEP] $B:1"),
    "several": template("[unused4]:3 [CLS] $A:2 [SEP] <two>:1", "<two> $A:1 <two>:2 $B:0 [SEP]:4"),
    "a pair side by side": template("[CLS] $A [SEP]", "$A $B:3"),
    "offsets only": processors.ByteLevel(trim_offsets=True),
    "a sequence": processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), template("[CLS] $A", "$A [CLS] $B")]
    ),
}


@cache
def uncased_vocab() -> dict[str, int]:
    """The vocabulary of bert-base-uncased."""
    lines = (DATA / "vocab-uncased.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return {word: number for number, word in enumerate(lines)}


@cache
def telling_vocab() -> dict[str, int]:
    """Every character up to U+2FFF and some beyond, alone and as a continuation: little is [UNK],
    so ids tell what became of a character.
    """
    points = [*range(0x21, 0x3000), *range(0x3041, 0x3100), *range(0xA640, 0xABFF)]
    points += [*range(0xFB00, 0xFB50), *range(0xFF00, 0xFFF0), *range(0x10400, 0x104FF)]
    points += [*range(0x1D15E, 0x1D1C1), 0x4E2D, 0x56FD, 0x8C48]
    chars = [chr(point) for point in points]
    words = [
        *SPECIAL,
        *chars,
        *(f"##{char}" for char in chars),
        "The",
        "the",
        "Été",
        "ete",
        "##ing",
    ]
    return {word: number for number, word in enumerate(dict.fromkeys(words))}


def reference(
    vocab: dict[str, int], added: tuple[AddedToken, ...] = (), **options: Any
) -> Tokenizer:
    """``BertTokenizerFast(vocab=…)`` without transformers: the same parts, put together alike.

    ``options`` are BertNormalizer's, and ``max_input_chars_per_word``, ``prefix`` and ``cleanup``.
    """
    prefix = options.pop("prefix", "##")
    model = models.WordPiece(
        vocab,
        unk_token="[UNK]",
        continuing_subword_prefix=prefix,
        max_input_chars_per_word=options.pop("max_input_chars_per_word", 100),
    )
    cleanup = options.pop("cleanup", True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=prefix, cleanup=cleanup)
    tokenizer.add_special_tokens([word for word in SPECIAL if word in vocab])
    for token in added:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(word, vocab[word]) for word in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def ours(tokenizer: Tokenizer, folder: Path, **names: str) -> gtenp.Tokenizer:
    """gtenp's tokenizer from the reference's own tokenizer.json, taken as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    says = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]", **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(says), encoding="utf-8")
    return gtenp.Tokenizer.from_folder(folder)


def tokens(tokenizer: gtenp.Tokenizer, text: str) -> list[str]:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokenizer.convert_ids_to_tokens(ids)  # type: ignore[no-any-return]


def assert_equal(tokenizer: gtenp.Tokenizer, theirs: Tokenizer, text: str) -> None:
    found = tokenizer([text], return_offsets_mapping=True)
    wanted = theirs.encode(text)
    assert tokenizer(text)["input_ids"] == wanted.ids
    assert found["input_ids"][0] == wanted.ids
    assert found["offset_mapping"][0] == wanted.offsets
    assert found.word_ids() == wanted.word_ids
