"""Reference tokenizers of sentencepiece's kind: trained here on a few sentences, in four forms."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from charsmap import small_map
from texts import SENTENCES
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

import gtenp

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
NAMES = {
    "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>",
    "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>",
}  # fmt: skip


@cache
def trained() -> list[tuple[str, float]]:
    """Pieces and scores, the special ones first and <mask> last, as XLM-R has them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    vocab = json.loads(tokenizer.to_str())["model"]["vocab"]
    return [*map(tuple, vocab), ("<mask>", 0.0)]


@cache
def telling() -> list[tuple[str, float]]:
    """Pieces of one character each: ids tell what became of a character."""
    points = [*range(0x21, 0x3000), *range(0x3041, 0x3100), *range(0xA640, 0xABFF), 0xFFFD]
    points += [*range(0xFB00, 0xFB50), *range(0x1D15E, 0x1D1C1), 0x4E2D, 0x56FD, 0x8C48]
    chars = [*map(chr, points), "▁", "▁a", "▁the", "the", "x", "b"]
    draw = random.Random(0)
    pieces = [(char, -draw.random() * 9) for char in dict.fromkeys(chars)]
    return [*((name, 0.0) for name in SPECIAL), *pieces, ("<mask>", 0.0)]


def assemble(
    vocab: list[tuple[str, float]],
    normalizer: Any,
    pre_tokenizer: Any,
    decoder: Any,
    *,
    byte_fallback: bool = False,
) -> Tokenizer:
    """A tokenizer with XLM-R's special tokens and template."""
    tokenizer = Tokenizer(models.Unigram(vocab, 3, byte_fallback))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens([*SPECIAL, AddedToken("<mask>", lstrip=True, normalized=False)])
    return tokenizer


def metaspace(kind: Any = pre_tokenizers, scheme: str = "always") -> Any:
    return kind.Metaspace("▁", prepend_scheme=scheme)


def xlmr(vocab: list[tuple[str, float]] | None = None, form: bytes | None = None) -> Tokenizer:
    """As transformers' XLMRobertaTokenizer builds it."""
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), metaspace()])
    normalizer = normalizers.Precompiled(form or small_map())
    return assemble(vocab or trained(), normalizer, split, metaspace(decoders))


def newer() -> Tokenizer:
    """The form of a tokenizer.json that is made from sentencepiece's file today."""
    normalizer = normalizers.Sequence(
        [
            normalizers.Precompiled(small_map()),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), "▁"),
        ]
    )
    return assemble(trained(), normalizer, metaspace(), metaspace(decoders))


def first_only() -> Tokenizer:
    """NFKC and lowercase; "▁" only where the whole text begins; an added token that is matched
    after normalization; unknown characters as bytes, spelt out again when decoded.
    """
    bytes_ = [(f"<0x{byte:02X}>", -9.0) for byte in range(256)]
    tokenizer = assemble(
        [*trained()[:-1], *bytes_, ("<mask>", 0.0)],
        normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
        metaspace(scheme="first"),
        decoders.Sequence(
            [
                decoders.Replace("▁", " "),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(" ", 1, 0),
            ]
        ),
        byte_fallback=True,
    )
    tokenizer.add_tokens([AddedToken("New Ｙork", normalized=True)])
    return tokenizer


def plain() -> Tokenizer:
    """Spaces become "▁" before anything else, and nothing is split."""
    normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return assemble(trained(), normalizer, None, decoders.Sequence([decoders.Replace("▁", " ")]))


KINDS = {"XLM-R's": xlmr, "newer": newer, "first only": first_only, "plain": plain}


def ours(tokenizer: Tokenizer, folder: Path, **says: Any) -> gtenp.Tokenizer:
    """gtenp's tokenizer from the reference's own tokenizer.json, taken as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **NAMES, **says}
    config = {key: value for key, value in config.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return gtenp.Tokenizer.from_folder(folder)


def assert_equal(tokenizer: gtenp.Tokenizer, theirs: Tokenizer, text: str) -> None:
    """Everything about a text on its own."""
    wanted = theirs.encode(text)
    assert tokenizer(text)["input_ids"] == wanted.ids, ascii(text)
    found = tokenizer([text], return_offsets_mapping=True)
    assert found["input_ids"][0] == wanted.ids
    assert found["offset_mapping"][0] == wanted.offsets, ascii(text)
    assert found.word_ids() == wanted.word_ids, ascii(text)
    for skip in (False, True):
        decoded = theirs.decode(wanted.ids, skip_special_tokens=skip)
        assert tokenizer.decode(wanted.ids, skip_special_tokens=skip) == decoded, ascii(text)
    for length in (3, 2 + len(text) % 7):
        theirs.enable_truncation(length)
        kept = theirs.encode(text).ids
        theirs.no_truncation()
        assert tokenizer(text, truncation=True, max_length=length)["input_ids"] == kept, ascii(text)
