"""Bytes as characters and back, beside the reference."""

from __future__ import annotations

import random

import pytest
from tokenizers import decoders, pre_tokenizers

from gtenp.tokenizer.byte_level import BYTES, CHARACTERS, ByteLevelDecoder, as_characters
from gtenp.tokenizer.memory import LoneSurrogateError


def test_each_byte_has_the_references_character() -> None:
    assert sorted(BYTES) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert len(CHARACTERS) == 256
    theirs = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    text = "".join(map(chr, [*range(0x800), 0x4E2D, 0xFFFD, 0x1F600, 0x10FFFF]))
    assert [(as_characters(text), (0, len(text)))] == theirs.pre_tokenize_str(text)


def test_a_lone_surrogate_has_no_bytes() -> None:
    with pytest.raises(LoneSurrogateError):
        as_characters("a\ud800")


def test_any_tokens_are_decoded_as_the_reference_decodes_them() -> None:
    draw = random.Random(0)
    chars = [*CHARACTERS.values()]
    # Beginnings and parts of characters of two to four bytes, overlong ones, surrogates, too large.
    parts = [as_characters(char) for char in "éß中\uffff😀\U0010ffff "]
    broken = [b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
    broken += [b"\xf0\x9f", b"\xe4\xb8"]
    parts += ["".join(CHARACTERS[byte] for byte in part) for part in broken]
    parts += ["▁", "<mask>", "中", "Ġx", "a▁Ã"]
    for _ in range(3_000):
        tokens = [
            draw.choice([draw.choice(parts), draw.choice(parts)[:1], draw.choice(chars)])
            for _ in range(draw.randrange(8))
        ]
        assert ByteLevelDecoder()(tokens) == [decoders.ByteLevel().decode(tokens)], tokens
