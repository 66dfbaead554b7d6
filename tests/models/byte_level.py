"""Models whose tokenizer is BPE over bytes: what their folders say, and how one is written.

Weights and settings are as ``build.py`` writes them; vocabulary and merges are made of a few words,
and the same with every version of anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from models.build import build
from models.published import CLS, Model, bloom, modernbert, xlm_roberta

WORDS = """
the an and is a what how capital of China Beijing sort sorting algorithm algorithms quick python
implement in to new york hello Hello World world query passage
""".split()
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
# Bytes that stand for themselves, and the characters of the others.
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
ALPHABET = [*map(chr, PRINTABLE), *(chr(0x100 + n) for n in range(256 - len(PRINTABLE)))]

IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"


def roberta(hidden_size: int, layers: int, **changes: Any) -> dict[str, Any]:
    """RoBERTa's config.json."""
    family = {"model_type": "roberta", "architectures": ["RobertaForMaskedLM"], "vocab_size": 50265}
    return xlm_roberta(hidden_size, layers, **{**family, **changes})


_PAIRS = {"architectures": ["RobertaForSequenceClassification"]}

EMBEDDERS = [
    Model("sentence-transformers/all-distilroberta-v1", roberta(768, 6)),
    # Without tokenizer.json, and without a class's name.
    Model("vocab-and-merges-alone", roberta(384, 2)),
]
RERANKERS = [
    Model(
        "cross-encoder/stsb-distilroberta-base",
        roberta(
            768,
            6,
            **_PAIRS,
            id2label={"0": "LABEL_0"},
            sentence_transformers={"activation_fn": SIGMOID, "version": "4.1.0"},
        ),
        None,
        labels=1,
    ),
    Model(
        "cross-encoder/nli-distilroberta-base",
        roberta(
            768,
            6,
            **_PAIRS,
            id2label={"0": "contradiction", "1": "entailment", "2": "neutral"},
            sentence_transformers={"activation_fn": IDENTITY, "version": "4.1.0"},
        ),
        None,
        labels=3,
    ),
]


SGPT = Model(
    "Muennighoff/sgpt-bloom-7b1-msmarco",
    bloom(4096, 30, 32),
    {"pooling_mode_mean_tokens": False, "pooling_mode_weightedmean_tokens": True},
    after=(),
    transformer={"max_seq_length": 300, "do_lower_case": False},
    shards=3,
)


def merges() -> list[tuple[str, str]]:
    """Each word, with a space before it and without, is put together from its beginning."""
    pairs = (
        (spelt[:stop], spelt[stop])
        for word in WORDS
        for spelt in (f"Ġ{word}", word)
        for stop in range(1, len(spelt))
    )
    return list(dict.fromkeys(pairs))


def vocabulary() -> dict[str, int]:
    """RoBERTa's special tokens, the bytes, what the merges make, the mask."""
    pieces = [*SPECIAL, *ALPHABET, *(one + other for one, other in merges()), "<mask>"]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def build_byte_level(model: Model, parent: Path) -> Path:
    """The folder, under the model's own name."""
    vocab = vocabulary()
    # BERT's tokenizer of as many words, which RoBERTa's takes the place of.
    fillers = [f"x{number}" for number in range(len(vocab) - 5)]
    folder = build(model, parent, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *fillers])
    (folder / "vocab.txt").unlink()
    mask = {"content": "<mask>", "lstrip": True, "normalized": False, "rstrip": False,
            "single_word": False, "special": True}  # fmt: skip
    names = {"bos": "<s>", "eos": "</s>", "sep": "</s>", "cls": "<s>", "unk": "<unk>",
             "pad": "<pad>", "mask": mask}  # fmt: skip
    tokens: dict[str, Any] = {f"{key}_token": name for key, name in names.items()}
    config = {"add_prefix_space": False, "model_max_length": 512, "trim_offsets": True}
    lines = ["#version: 0.2", *map(" ".join, merges()), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    files: dict[str, Any] = {"vocab.json": vocab, "special_tokens_map.json": tokens}
    if "alone" in model.name:
        (folder / "tokenizer.json").unlink()
    else:
        config["tokenizer_class"] = "RobertaTokenizer"
        files["tokenizer.json"] = tokenizer_json(vocab, mask)
    plain = {key: name for key, name in tokens.items() if name is not mask}
    files["tokenizer_config.json"] = {**config, **plain, "mask_token": "<mask>"}
    for name, content in files.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def tokenizer_json(vocab: dict[str, int], mask: dict[str, Any]) -> dict[str, Any]:
    """As RoBERTa's has been written since 2021, with merges as texts."""
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    added = [{**mask, "content": name, "lstrip": False, "id": vocab[name]} for name in SPECIAL]
    return {
        "version": "1.0",
        "truncation": {"max_length": 128, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [*added, {**mask, "id": vocab["<mask>"]}],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": ["</s>", 2],
            "cls": ["<s>", 0],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "vocab": vocab,
            "merges": list(map(" ".join, merges())),
        },
    }


# BLOOM's, whose class within a class is Oniguruma's.
PATTERN = " ?[^(\\s|[.,!?…。，、।۔،])]+"


def build_sgpt(parent: Path) -> Path:
    """SGPT's folder: BLOOM's layers in three parts, with BLOOM's tokenizer, which puts nothing
    around a text.
    """
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    pieces = [*special, *ALPHABET, *(one + other for one, other in merges())]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    fillers = [f"x{number}" for number in range(len(vocab) - 5)]
    folder = build(SGPT, parent, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *fillers])
    for name in ("vocab.txt", "special_tokens_map.json"):
        (folder / name).unlink()
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    file = tokenizer_json(vocab | {"<mask>": 0}, {})
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    added = [{"id": i, "content": name, **flags, "special": True} for i, name in enumerate(special)]
    split = {
        "type": "Split",
        "pattern": {"Regex": PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    file |= {
        "truncation": None,
        "added_tokens": added,
        "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [split, {**byte_level, "use_regex": False}],
        },
        "post_processor": {**byte_level, "trim_offsets": False},
    }  # fmt: skip
    file["model"]["vocab"] = vocab
    names = {"unk_token": "<unk>", "eos_token": "</s>", "bos_token": "<s>", "pad_token": "<pad>"}
    config = {**names, "padding_side": "left", "tokenizer_class": "BloomTokenizerFast"}
    for name, content in {"tokenizer.json": file, "tokenizer_config.json": config}.items():
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


MODERNBERT = [
    Model(
        "Alibaba-NLP/gte-modernbert-base",
        modernbert(),
        CLS,
        after=(),
        transformer={"max_seq_length": 8192, "do_lower_case": False},
        dtype="float16",
    ),
    # As transformers 5 writes it; its windows end within a short text.
    Model(
        "modernbert-with-narrow-windows",
        modernbert(
            layer_types=["full_attention", *["sliding_attention"] * 2, "full_attention"],
            local_attention=8,
            rope_parameters={
                "full_attention": {"rope_theta": 80000.0, "rope_type": "default"},
                "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
            },
            global_rope_theta=80000.0,
        ),
    ),
]
_MODERNBERT_PAIRS = {"architectures": ["ModernBertForSequenceClassification"]}
MODERNBERT_RERANKERS = [
    Model(
        "Alibaba-NLP/gte-reranker-modernbert-base",
        modernbert(**_MODERNBERT_PAIRS, id2label={"0": "LABEL_0"}),
        None,
        dtype="float16",
        labels=1,
    ),
    Model(
        "modernbert-by-its-first-token",
        modernbert(
            **_MODERNBERT_PAIRS,
            classifier_pooling="cls",
            id2label={"0": "contradiction", "1": "entailment", "2": "neutral"},
        ),
        None,
        labels=3,
    ),
]


def words_of(tokens: int) -> str:
    """A text of so many tokens, [CLS] and [SEP] included: words that are a piece each."""
    words = ["the", "Hello", "capital", "of", "China", "query", "World", "sorting", "python"]
    return " ".join(words[i * i % len(words)] for i in range(tokens - 2))


def build_modernbert(model: Model, parent: Path) -> Path:
    """The folder of a ModernBERT: BPE over bytes, and BERT's tokens behind the vocabulary."""
    pieces = ["|||IP_ADDRESS|||", *ALPHABET, *(one + other for one, other in merges())]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    flags = {"single_word": False, "lstrip": False, "rstrip": False}
    plain = [" " * count for count in range(24, 1, -1)]
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    unused = [f"[unused{number}]" for number in range(4)]
    names = [*plain, *special, *unused]
    ids = {name: len(vocab) + number for number, name in enumerate(names)}
    config = {**model.config, "pad_token_id": ids["[PAD]"]}
    fillers = [f"x{number}" for number in range(len(vocab) + len(ids) - 5)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *fillers]
    folder = build(replace(model, config=config), parent, words)
    (folder / "vocab.txt").unlink()
    added = [
        {"id": 0, "content": pieces[0], **flags, "normalized": True, "special": False},
        *(
            {
                "id": number,
                "content": name,
                **flags,
                "lstrip": name == "[MASK]",
                "normalized": name not in special,
                "special": name in special,
            }
            for name, number in ids.items()
        ),
    ]
    first, last = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]"))
    text, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    file = tokenizer_json(dict.fromkeys([*SPECIAL, "<mask>"], 0), {}) | {
        "truncation": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, text, last],
            "pair": [first, text, last, other, last],
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
    }
    file["model"]["vocab"] = vocab
    tokens = {f"{name[1:-1].lower()}_token": name for name in special}
    settings = {
        "added_tokens_decoder": {
            str(entry["id"]): {key: value for key, value in entry.items() if key != "id"}
            for entry in added
        },
        "clean_up_tokenization_spaces": True,
        "extra_special_tokens": {},
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": 8192,
        "tokenizer_class": "PreTrainedTokenizerFast",
        **tokens,
    }
    for name, content in {
        "tokenizer.json": file,
        "tokenizer_config.json": settings,
        "special_tokens_map.json": tokens,
    }.items():
        text_of = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(text_of, encoding="utf-8")
    return folder


# By short names.
BUILDERS: dict[str, Callable[[Path], Path]] = {
    SGPT.short_name: build_sgpt,
    **{m.short_name: partial(build_byte_level, m) for m in (*EMBEDDERS, *RERANKERS)},
    **{m.short_name: partial(build_modernbert, m) for m in (*MODERNBERT, *MODERNBERT_RERANKERS)},
}
