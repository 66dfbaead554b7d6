"""A small Unigram tokenizer in files as XLM-R's: its pieces, and the forms that they come in."""

from __future__ import annotations

import base64
import json
import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

from charsmap import small_map
from sentencepiece_file import model_file
from texts import CARD, SENTENCES

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
NAMES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}
_PUBLISHED = 250_002  # XLM-R's pieces


@cache
def pieces() -> list[tuple[str, float]]:
    """Pieces and scores as XLM-R numbers them: the special tokens, the words and their parts by
    how often they come, <mask>. The scores are whole 64ths, which float32 keeps.
    """
    words = ["▁" + word for text in (*CARD, *SENTENCES) for word in text.split()]
    parts = Counter(
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 1, min(len(word), start + 9) + 1)
    )
    kept = {part: n for part, n in parts.items() if n > 1 or len(part) == 1 or part in words}
    total = sum(kept.values())
    scored = [(part, round(64 * math.log(n / total)) / 64) for part, n in kept.items()]
    ordered = sorted(scored, key=lambda pair: (-pair[1], pair[0]))
    return [*((name, 0.0) for name in SPECIAL), *ordered, ("<mask>", 0.0)]


CAMEMBERTS = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"]


def camembert_pieces() -> list[tuple[str, float]]:
    """The same as CamemBERT numbers them."""
    first = [(name, -100.0 if name == "<unk>NOTUSED" else 0.0) for name in CAMEMBERTS]
    return [*first, *pieces()[4:]]


def rows(vocab_size: int) -> int:
    """As many more rows of the embedding table than pieces as the published model has."""
    return len(pieces()) + vocab_size - _PUBLISHED


def words_of(tokens: int) -> str:
    """A text of so many tokens, <s> and </s> included: words that are a piece each."""
    words = ["the", "quick", "capital", "über", "China?", "лиса", "fox", "갈색", "in", "आलसी", "x"]
    return " ".join(words[i * i % len(words)] for i in range(tokens - 2))


def write_tokenizer(folder: Path, form: str, name: str, max_length: int) -> None:
    """The files: ``form`` "older" or "newer" is the kind of stages in tokenizer.json, "camembert"
    the older one with CamemBERT's ids; "pieces" has sentencepiece.bpe.model alone, which both
    number for themselves. ``name`` is the tokenizer's class.
    """
    mask = {"content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False}
    config = {
        **NAMES,
        "mask_token": {"__type": "AddedToken", **mask, "single_word": False},
        "model_max_length": max_length,
        "tokenizer_class": name,
    }
    _write_json(folder / "tokenizer_config.json", config)
    _write_json(folder / "special_tokens_map.json", {**NAMES, "mask_token": mask})
    if form == "pieces":
        own = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
        own += [(piece, score, 1) for piece, score in pieces()[4:-1]]
        (folder / "sentencepiece.bpe.model").write_bytes(model_file(own, small_map()))
    else:
        _write_json(folder / "tokenizer.json", _tokenizer_json(form))


def _tokenizer_json(form: str) -> dict[str, Any]:
    charsmap = base64.b64encode(small_map()).decode("ascii")
    precompiled = {"type": "Precompiled", "precompiled_charsmap": charsmap}
    older = {"type": "Metaspace", "replacement": "▁", "str_rep": "▁", "add_prefix_space": True}
    newer = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    strip = {"type": "Strip", "strip_left": False, "strip_right": True}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    stages = {
        "older": {
            "normalizer": precompiled,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [{"type": "WhitespaceSplit"}, older],
            },
            "decoder": older,
        },
        "newer": {
            "normalizer": {"type": "Sequence", "normalizers": [precompiled, strip, spaces]},
            "pre_tokenizer": newer,
            "decoder": newer,
        },
    }["newer" if form == "newer" else "older"]
    special = CAMEMBERTS if form == "camembert" else SPECIAL
    vocab = camembert_pieces() if form == "camembert" else pieces()
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    ids = {piece: i for i, (piece, _) in enumerate(vocab)}
    first, last = ({"SpecialToken": {"id": name, "type_id": 0}} for name in ("<s>", "</s>"))
    text, other = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": ids[name], "content": name, "lstrip": name == "<mask>", **flags}
            for name in (*special, "<mask>")
        ],
        **stages,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [first, text, last],
            "pair": [first, text, last, last, other, last],
            "special_tokens": {
                name: {"id": name, "ids": [ids[name]], "tokens": [name]} for name in ("<s>", "</s>")
            },
        },
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab},
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
