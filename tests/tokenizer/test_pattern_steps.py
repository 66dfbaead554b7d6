"""Patterns that may be searched for without end are refused, and what is taken ends soon."""

from __future__ import annotations

import random
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from bpe_reference import BLOOM, CASES, LLAMA, POSSESSIVE

from gtenp.tokenizer.patterns import PatternError, compiled, translate
from gtenp.tokenizer.split import WORDS, Split

if TYPE_CHECKING:
    from collections.abc import Iterator

SEVERAL = "it repeats what may match in several ways"
MANY = "too many ways lead to where it fails"


@contextmanager
def seconds(limit: float) -> Iterator[None]:
    """TimeoutError where the block takes longer; ``re`` looks for signals as it goes."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(a+)+b", SEVERAL),
        (r"(a+)+(?!.)", SEVERAL),
        (r"(a|a)*b", SEVERAL),
        (r"(a|ab|b)*c", SEVERAL),
        (r"(a|aa)+b", SEVERAL),
        (r"(a+|b)*c", SEVERAL),
        (r"(a{1,9})*b", SEVERAL),
        (r"(a|a){30}b", SEVERAL),
        (r"([ab]+c?)*d", SEVERAL),
        (r"(\s?\p{L}+)+\d", SEVERAL),
        (r"((ab)+)*c", SEVERAL),
        (r"(?=(a|a)*b)a", SEVERAL),
        (r"(?>(a+)+b)|a", SEVERAL),
        (r"(?:a(?=a*b))*c", SEVERAL),
        (r"(a+)+?b", SEVERAL),
        (r"x|(?i:a+)z|((a+)+b)", SEVERAL),
        (r"(a*)*", "behind what may be nothing"),
        (r"a*a*b", MANY),
        (r"a*a*a*b|.", MANY),
        (r"\s*[\r\n]*\s*x", MANY),
        (r"a+(?=a+b)", MANY),
        ("a?" * 40 + "a" * 40, MANY),
        ("(?:a|a)" * 40 + "b", MANY),
        ("a{0,9}" * 9 + "b", MANY),
        (r"a{1,9999}a{1,9999}b", MANY),
    ],
)
def test_a_pattern_that_might_be_searched_for_without_end_is_refused(
    pattern: str, reason: str
) -> None:
    with seconds(2), pytest.raises(PatternError) as raised:
        compiled(pattern, "")
    assert reason in str(raised.value)


def test_it_is_refused_even_where_it_is_long_or_deep() -> None:
    for pattern in (
        "(?:a|b)" * 1_000_000,
        "(?:a|b?)" * 600 + "c",
        "x" + r"\p{L}?" * 700,
        "(" * 2_000 + "a" + ")" * 2_000,
        "(?:a(?=" * 300 + "a" + ")b)*" * 300 + "c",
        "(" * 100 + "a" + ")+" * 100 + "b",
        "(?:" * 100 + "ab" + "){9}" * 100,
        "(?=" * 100 + "a*b" + ")" * 100 + "a",
    ):
        with seconds(10), suppress(PatternError):
            compiled(pattern, "").search("a" * 100 + "!")


PUBLISHED = {
    "GPT-2": WORDS,
    "Llama 3": LLAMA,
    "GPT-4": POSSESSIVE,
    "GPT-4o": CASES,
    "BLOOM": BLOOM,
    "Qwen 2": LLAMA.replace("{1,3}", ""),
    "Mistral NeMo": CASES.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", ""),
    "DeepSeek V3": (
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
    "DeepSeek V2": r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+|\s?[!-/:-~]+|\s+$|[一-龥ࠀ-一가-퟿]+",
    "digits in threes": r"\d{1,3}(?=(?:\d{3})*(?!\w))",
}
CRAMPED = [
    *("a", "A", " ", "\n", "\r\n", "1", "'", ".", "ǅ", "中", "aA", " \n", "a ", "\t", "1a", "'s"),
]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_patterns_are_taken_and_are_done_soon_with_any_text(name: str) -> None:
    split = Split(PUBLISHED[name], "Isolated", invert=False)
    for piece in CRAMPED:
        for end in ("", "!", "\n", "a"):
            with seconds(5):
                text = piece * 4_000 + end
                assert "".join(split([text])) == text


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:ab|cd)*x",
        r"(?: \p{L}+)+",
        r"(?: \p{L}+)+\d",
        r"(?:\d{1,3},)*\d|.",
        r"(?:(?:ab)*c)*d",
        r"(?:\r\n|\n)+x",
        r"\s*\p{L}*\d",
        r"(?>a+)(?>b+)c",
        r"(?:(?!x)\w)+y",
        r"(\w+\s)*\d$|\S|\s",
    ],
)
def test_repeated_groups_are_taken_where_each_character_tells_how_they_go_on(pattern: str) -> None:
    found = compiled(pattern, "")
    for piece in ("a", "ab", " a", "ab,", "1", "123,", "abc", "\r\n", " ", "x", "a "):
        for end in ("", "!", "x", "\n"):
            with seconds(5):
                found.search(piece * 500 + end)


FORMS = [
    *("{}{}", "{}{}", "(?:{}|{})", "(?:{})+{}", "(?:{})*{}", "(?:{})?{}", "(?:{}){{2,5}}{}"),
    *("(?>{}){}", "(?={}){}", "(?!{}){}", "{}(?!{})"),
]


def any_pattern(draw: random.Random, depth: int) -> str:
    """Of few letters, so that much may match in several ways."""
    if depth == 0 or draw.random() < 0.3:
        return draw.choice(["a", "b", "[ab]", "c", "[^a]", "."])
    one, other = (any_pattern(draw, depth - 1) for _ in range(2))
    return draw.choice(FORMS).format(one, other)


def test_whatever_is_taken_ends_soon() -> None:
    draw = random.Random(0)
    taken = refused = 0
    texts = [piece * 60 + end for piece in ("a", "ab", "b", "aab") for end in ("!", "c", "")]
    for _ in range(3_000):
        try:
            found = compiled(any_pattern(draw, 4), "a")
        except PatternError:
            refused += 1
            continue
        taken += 1
        for text in texts:
            with seconds(2):
                for _ in found.finditer(text):
                    pass
    assert taken > 500
    assert refused > 500


def test_the_check_takes_no_time_that_a_load_would_show() -> None:
    translate.cache_clear()
    begin = time.process_time()
    for pattern in PUBLISHED.values():
        translate(pattern)
    assert time.process_time() - begin < 0.1 * len(PUBLISHED)
