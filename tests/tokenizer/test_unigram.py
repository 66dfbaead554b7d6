"""The best cut of a word, and what becomes of the unknown, beside the reference."""

from __future__ import annotations

import random

import pytest
from tokenizers import Tokenizer, models

from gtenp.tokenizer.unigram import Unigram, UnigramModel

Vocab = list[tuple[str, float]]


def both(vocab: Vocab, unk_id: int = 0, byte_fallback: bool = False) -> tuple[Unigram, Tokenizer]:
    pieces = {piece: place for place, (piece, _) in enumerate(vocab)}
    scores = [score for _, score in vocab]
    ours = Unigram(pieces, UnigramModel(scores, unk_id, byte_fallback))
    return ours, Tokenizer(models.Unigram(vocab, unk_id, byte_fallback))


def assert_equal(ours: Unigram, theirs: Tokenizer, word: str) -> None:
    wanted = theirs.encode(word)
    assert ours.ids[word] == tuple(wanted.ids), word
    spans = [(id, (start, stop)) for id, start, stop in ours.cut(word)]
    assert spans == list(zip(wanted.ids, wanted.offsets, strict=True)), word


def test_the_best_sum_wins_and_of_equals_the_one_found_first() -> None:
    ours, theirs = both([("<unk>", 0), ("a", -1), ("b", -1), ("ab", -2), ("ba", -1.5), ("aba", -4)])
    for word in ("ab", "aba", "abab", "ba", "bab", ""):
        assert_equal(ours, theirs, word)
    assert ours.ids["ab"] == (3,)  # 0 - 2 and -1 - 1 are equal; the way through "ab" came first


def test_unknown_neighbours_are_one() -> None:
    ours, theirs = both([("<unk>", -5), ("a", -1), ("xy", -2)])
    for word in ("axya", "azza", "zz", "zxyz", "a<unk>z", "z<unk>z", "<unk><unk>"):
        assert_equal(ours, theirs, word)
    assert ours.ids["azza"] == (1, 0, 1)


def test_a_piece_of_unknown_characters_may_lose_to_them() -> None:
    ours, theirs = both([("<unk>", 0), ("a", 5), ("xyz", -99), ("xy", -98)])
    for word in ("axyza", "xyz", "xy", "xyx"):
        assert_equal(ours, theirs, word)


def test_bytes_stand_for_what_is_unknown_if_all_are_there() -> None:
    bytes_ = [(f"<0x{byte:02X}>", -9.0) for byte in range(256) if byte != 0xE2]
    ours, theirs = both([("<unk>", 0), ("a", -1), *bytes_], byte_fallback=True)
    for word in ("aé", "é", "aéza", "∀", "é∀", "a<0xC3>"):
        assert_equal(ours, theirs, word)
    assert len(ours.ids["é"]) == 2
    assert ours.ids["∀"] == (0,)


def test_of_a_piece_that_comes_twice_the_last_counts() -> None:
    assert_equal(*both([("<unk>", 0), ("ab", -1), ("a", -1), ("b", -1), ("ab", -9)]), "abab")


@pytest.mark.parametrize("byte_fallback", [False, True])
def test_any_vocabulary_gives_what_the_reference_gives(byte_fallback: bool) -> None:
    draw = random.Random(0)
    scores = (-1.0, -2.0, -1.5, 0.0, 1.0, -7.25)
    for _ in range(200):
        words = ["".join(draw.choices("abé中", k=draw.randrange(1, 6))) for _ in range(12)]
        pieces = dict.fromkeys(["<unk>", *words, "<0xC3>", "<0xA9>", "<0x62>"])
        ours, theirs = both([(piece, draw.choice(scores)) for piece in pieces], 0, byte_fallback)
        for _ in range(20):
            assert_equal(ours, theirs, "".join(draw.choices("abé中x", k=draw.randrange(12))))
