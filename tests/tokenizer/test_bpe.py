"""What pieces a word is merged to, beside the reference."""

from __future__ import annotations

import random
import time

import pytest
from tokenizers import Tokenizer, models

from gtenp.tokenizer.bpe import Bpe, BpeModel, merge, merge_long

Pairs = list[tuple[str, str]]


def both(vocab: list[str], merges: Pairs, **options: object) -> tuple[Bpe, Tokenizer]:
    ids = {piece: place for place, piece in enumerate(vocab)}
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    return Bpe(ids, BpeModel(ranks, **options)), Tokenizer(models.BPE(ids, merges, **options))


def assert_equal(ours: Bpe, theirs: Tokenizer, word: str) -> None:
    """Words of ASCII, which are written as themselves."""
    wanted = theirs.encode(word)
    assert ours.ids[word] == tuple(wanted.ids), word
    spans = [(id, (start, stop)) for id, start, stop in ours.cut(word)]
    assert spans == list(zip(wanted.ids, wanted.offsets, strict=True)), word


def test_the_least_rank_comes_first_and_of_equals_the_leftmost() -> None:
    vocab = ["a", "b", "ab", "ba", "aa", "aba"]
    ours, theirs = both(vocab, [("b", "a"), ("a", "b"), ("a", "a"), ("a", "ba")])
    for word in ("ab", "aba", "abab", "baab", "aaaaa", "aaa", "bab"):
        assert_equal(ours, theirs, word)
    assert ours.ids["aaa"] == (4, 0)


def test_a_merge_of_a_merge_may_come_before_its_own_next_place() -> None:
    # ("ab", "a") is merged before the second ("a", "b") though it needs the first.
    assert_equal(*both(["a", "b", "ab", "aba"], [("ab", "a"), ("a", "b")]), "abab")


def test_what_can_be_merged_but_is_a_piece_only_of_another_cut() -> None:
    ours, theirs = both(["a", "b", "c", "ab", "bc", "abc"], [("b", "c"), ("ab", "c")])
    assert_equal(ours, theirs, "abc")
    assert ours.ids["abc"] == (0, 4)


def test_ignore_merges_takes_a_whole_word_first() -> None:
    ours, theirs = both(["a", "b", "c", "bc", "abc"], [("b", "c")], ignore_merges=True)
    for word in ("abc", "abca", "bc"):
        assert_equal(ours, theirs, word)
    assert ours.ids["abc"] == (4,)


@pytest.mark.parametrize("fuse_unk", [False, True])
@pytest.mark.parametrize("unk_token", [None, "<unk>"])
def test_what_the_vocabulary_lacks_is_unknown_or_left_out(
    unk_token: str | None, fuse_unk: bool
) -> None:
    vocab, merges = ["<unk>", "a", "b", "ab", "a<unk>"], [("a", "b"), ("a", "<unk>")]
    ours, theirs = both(vocab, merges, unk_token=unk_token, fuse_unk=fuse_unk)
    for word in ("axb", "xx", "xabx", "aXYb", "abxxxab", "ax", "axx", "x", "axbxxa"):
        assert_equal(ours, theirs, word)


def test_any_merges_give_what_the_reference_gives() -> None:
    draw = random.Random(0)
    for _ in range(300):
        vocab, merges = list("abc"), []
        for _ in range(draw.randrange(12)):
            pair = draw.choice(vocab), draw.choice(vocab)
            merges.append(pair)
            vocab.append("".join(pair))
        draw.shuffle(merges)
        merges = list(dict.fromkeys(merges))
        ours, theirs = both(list(dict.fromkeys(vocab)), merges)
        for _ in range(20):
            assert_equal(ours, theirs, "".join(draw.choices("abc", k=draw.randrange(20))))
        ranks = {pair: rank for rank, pair in enumerate(merges)}
        word = draw.choices("abc", k=300)
        assert merge(word, ranks) == merge_long(word, ranks)


def test_a_million_characters_take_no_quadratic_time() -> None:
    pairs = {("a", "a"): 0, ("aa", "aa"): 1, ("aaaa", "aaaa"): 2, ("b", "a"): 3}
    for word in ("a" * 1_000_000, "ba" * 500_000):
        start = time.process_time()
        assert "".join(merge(word, pairs)) == word
        assert time.process_time() - start < 20  # three seconds where nothing else runs
