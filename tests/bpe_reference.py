"""Reference tokenizers of byte-level BPE: trained here on a few sentences, in the forms in use."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from unigram_reference import NAMES, SENTENCES, ours

if TYPE_CHECKING:
    from pathlib import Path

    import gtenp

ROBERTA_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
MASK = AddedToken("<mask>", lstrip=True, normalized=False, special=True)
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())

LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# GPT-4's, as its own library has it.
POSSESSIVE = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
# GPT-4o's.
CASES = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"


def train(
    pre_tokenizer: Any,
    special: list[str],
    normalizer: Any = None,
    *,
    size: int = 700,
    alphabet: list[str] = ALPHABET,
    **options: Any,
) -> Tokenizer:
    """A vocabulary trained on the sentences, some of its pieces with parts of characters."""
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    # What transformers sets where a file has none.
    tokenizer.post_processor = processors.TemplateProcessing("$A", "$A $B:1")
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    return tokenizer


def split(pattern: str, behavior: str = "isolated", *, invert: bool = False) -> Any:
    """Split and, behind it, bytes alone."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior, invert),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def roberta(*, add_prefix_space: bool = False, trim_offsets: bool = True) -> Tokenizer:
    """As transformers' RobertaTokenizer builds it."""
    tokenizer = train(
        pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space), [*ROBERTA_SPECIAL, "<mask>"]
    )
    tokenizer.add_special_tokens([*ROBERTA_SPECIAL, MASK])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=trim_offsets, add_prefix_space=add_prefix_space
    )
    return tokenizer


def gpt2() -> Tokenizer:
    """GPT-2's file: no special tokens around a text, offsets without the spaces."""
    tokenizer = train(pre_tokenizers.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def modernbert() -> Tokenizer:
    """ModernBERT's form: NFC, BERT's tokens behind the vocabulary, runs of spaces added."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    tokenizer = train(
        pre_tokenizers.ByteLevel(add_prefix_space=False), ["|||IP|||"], normalizers.NFC()
    )
    tokenizer.add_tokens([AddedToken(" " * n, normalized=True) for n in (6, 4, 2)])
    tokenizer.add_tokens([AddedToken("e\u0301té", normalized=True)])
    tokenizer.add_special_tokens([*special, AddedToken("[MASK]", lstrip=True, special=True)])
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ids
    )
    return tokenizer


def bloom() -> Tokenizer:
    """BLOOM's form: a pattern of its own, nothing around a text."""
    tokenizer = train(split(BLOOM), ["<unk>", "<s>", "</s>", "<pad>"])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>", "<pad>"])
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=False)
    return tokenizer


def llama(pattern: str = LLAMA) -> Tokenizer:
    """Llama 3's form: words that are pieces are not cut, a token before each text."""
    tokenizer = train(split(pattern), [], size=500, ignore_merges=True)
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    begin = tokenizer.token_to_id("<|begin|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single="<|begin|> $A",
                pair="<|begin|> $A <|begin|>:1 $B:1",
                special_tokens=[("<|begin|>", begin)],
            ),
        ]
    )
    return tokenizer


def starcoder() -> Tokenizer:
    """StarCoder's form: each digit on its own."""
    first = pre_tokenizers.Digits(individual_digits=True)
    return train(
        pre_tokenizers.Sequence([first, pre_tokenizers.ByteLevel(add_prefix_space=False)]), ["<0>"]
    )


def lacking() -> Tokenizer:
    """Without the bytes that the sentences don't need, which are left out."""
    return train(pre_tokenizers.ByteLevel(add_prefix_space=True), [], size=300, alphabet=[])


def unknown(*, fuse_unk: bool = True) -> Tokenizer:
    """Likewise, with a piece for them."""
    splits = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    options = {"unk_token": "<unk>", "fuse_unk": fuse_unk}
    return train(splits, ["<unk>"], size=300, alphabet=[], **options)


KINDS = {
    "RoBERTa": roberta,
    "RoBERTa with a space before": lambda: roberta(add_prefix_space=True),
    "RoBERTa, all of each offset": lambda: roberta(trim_offsets=False),
    "GPT-2": gpt2,
    "ModernBERT": modernbert,
    "BLOOM": bloom,
    "Llama 3": llama,
    "GPT-4": lambda: llama(POSSESSIVE),
    "GPT-4o": lambda: llama(CASES),
    "StarCoder": starcoder,
    "lacking": lacking,
    "unknown": unknown,
    "unknown one by one": lambda: unknown(fuse_unk=False),
}


@cache
def saved(kind: str) -> str:
    """A kind's tokenizer.json."""
    return str(KINDS[kind]().to_str())


def byte_level(kind: str, folder: Path, **says: Any) -> tuple[gtenp.Tokenizer, Tokenizer]:
    """A kind, ours and the reference."""
    theirs = Tokenizer.from_str(saved(kind))
    vocab = theirs.get_vocab()
    names = {key: name for key, name in NAMES.items() if name in vocab}
    if "[CLS]" in vocab:
        names = {f"{key}_token": f"[{key.upper()}]" for key in ("unk", "cls", "sep", "pad", "mask")}
    return ours(theirs, folder, **{**dict.fromkeys(NAMES), **names, **says}), theirs


def as_files(kind: str, folder: Path, **says: Any) -> None:
    """vocab.json and merges.txt in tokenizer.json's place."""
    model = json.loads(saved(kind))["model"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"]), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(says), encoding="utf-8")
