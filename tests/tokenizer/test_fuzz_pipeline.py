"""Whatever stages of sentencepiece's kind, and whatever text: the reference's ids and offsets.

``GTENP_FUZZ_SECONDS=600 pytest tests/tokenizer/test_fuzz_pipeline.py`` runs it for ten minutes
instead of ten seconds, ``GTENP_FUZZ_SEED`` begins elsewhere.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING, Any

from charsmap import small_map
from texts import SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from unigram_reference import SPECIAL, assemble, assert_equal, ours, xlmr

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = float(os.environ.get("GTENP_FUZZ_SECONDS", "10"))
SEED = os.environ.get("GTENP_FUZZ_SEED", "0")

PARTS = [*"abcdefg éA.123\u0301中国▁ \t\n\x01\u00a0\u3000ﬁ①½¨\x85\x1c\r\u0300\u200dZß一😀İ   "]
PARTS += [*SPECIAL, "<mask>", "<new>", "new York", "NEW", "e\u0301", "\r\n", "™\u0301", "ﷺ", "각"]
PATTERNS = [" ", "a", "ab", "\u0301", Regex(" {2,}"), Regex(r"\s+"), Regex("a+"), Regex("b{1,2}c")]


def any_text(draw: random.Random) -> str:
    parts = [draw.choice(PARTS) for _ in range(draw.randrange(14))]
    if draw.random() < 0.2:
        parts.append(draw.choice(SENTENCES)[draw.randrange(9) :])
    if draw.random() < 0.3:
        parts.append(chr(draw.choice([draw.randrange(0xD800), draw.randrange(0xE000, 0x20000)])))
    draw.shuffle(parts)
    return "".join(parts)


def any_vocab(draw: random.Random) -> list[tuple[str, float]]:
    size = draw.choice([10, 60])
    words = ["".join(draw.choices("abcdefg▁ é.12\u0301中国▁", k=draw.randrange(1, 6)))
             for _ in range(size)]  # fmt: skip
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = dict.fromkeys([*SPECIAL, *words, *bytes_, "<mask>"])
    return [(piece, draw.choice([-1.0, -2.0, -1.5, -8 * draw.random(), 0.0, 1.0]))
            for piece in pieces]  # fmt: skip


def any_tokenizer(draw: random.Random) -> Tokenizer:
    def metaspace(kind: Any) -> Any:
        scheme, split = draw.choice(["always", "never", "first"]), draw.random() < 0.8
        return kind.Metaspace("▁", prepend_scheme=scheme, split=split)

    choices = [
        lambda: normalizers.Precompiled(small_map()),
        normalizers.NFC,
        normalizers.NFKC,
        normalizers.NFD,
        normalizers.NFKD,
        normalizers.Lowercase,
        lambda: normalizers.Strip(draw.random() < 0.5, draw.random() < 0.5),
        lambda: normalizers.Replace(draw.choice(PATTERNS), draw.choice(["", "▁", "xy", " "])),
        lambda: normalizers.Prepend(draw.choice(["▁", "ab"])),
    ]
    normalizing = [draw.choice(choices)() for _ in range(draw.randrange(4))]
    spaces = pre_tokenizers.WhitespaceSplit()
    splitting = draw.choice([[], [spaces], ["m"], [spaces, "m"], [spaces, "m"], ["m", spaces]])
    parts = [metaspace(pre_tokenizers) if part == "m" else part for part in splitting]
    spelling = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                decoders.Strip(" ", 1, 0)]  # fmt: skip
    tokenizer = assemble(
        any_vocab(draw),
        normalizers.Sequence(normalizing),
        pre_tokenizers.Sequence(parts) if parts else None,
        draw.choice([metaspace(decoders), decoders.Sequence(spelling)]),
        byte_fallback=draw.random() < 0.5,
    )
    for content in ("<new>", "new York", "New", " x"):
        flags = {name: draw.random() < 0.3 for name in ("single_word", "lstrip", "rstrip")}
        token = AddedToken(content, normalized=draw.random() < 0.5, **flags)
        # What normalizes to nothing, or to what another token does, the reference can't match.
        if draw.random() < 0.2 and tokenizer.normalizer.normalize_str(content).strip():
            tokenizer.add_tokens([token])
            break
    return tokenizer


def test_any_stages_give_what_the_reference_gives(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    stop = time.monotonic() + SECONDS * 0.6
    while time.monotonic() < stop:
        built = any_tokenizer(draw)
        tokenizer = ours(built, tmp_path)
        # From the file: the one in memory remembers what a token was before it was added anew.
        theirs = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
        for _ in range(80):
            assert_equal(tokenizer, theirs, any_text(draw))


def test_any_text_gives_what_the_reference_gives(tmp_path: Path) -> None:
    draw = random.Random(SEED)
    theirs = xlmr()
    tokenizer = ours(theirs, tmp_path, tokenizer_class="XLMRobertaTokenizer")
    stop = time.monotonic() + SECONDS * 0.4
    while time.monotonic() < stop:
        assert_equal(tokenizer, theirs, any_text(draw))
