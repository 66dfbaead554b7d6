"""Patterns as the reference reads them, and which are refused."""

from __future__ import annotations

import os
import random

import pytest
from bpe_reference import BLOOM, CASES, LLAMA, POSSESSIVE
from code_points import EVERY
from tokenizers import Regex, pre_tokenizers

from gtenp.tokenizer.characters import CATEGORY_NAMES
from gtenp.tokenizer.patterns import PatternError, compiled
from gtenp.tokenizer.split import BEHAVIORS, WORDS, Split, digits

WHOLE = "GTENP_GPT2" in os.environ  # by make test-byte-level

# Each with all that is understood somewhere in it.
PATTERNS = [
    *(WORDS, LLAMA, POSSESSIVE, CASES, BLOOM),
    r"\s?\p{L}+|\s?\p{P}+|\p{N}+|[一-龥ࠀ-一가-퟿]+|\s+$",
    r"\d{1,3}(?=(?:\d{3})*(?!\w))",
    r"^\s*\S+|[^\S\n]+|\n",
    r"[a-z&&[^aeiou]]+|[\w&&\P{Lu}&&[^_0-9]]",
    r"[[\:-]]+|[-a-c]+|[x\-z]|[a-c-]",
    r"(?>a+)b?|(?>ab|a)c|a*+b|x?+y|(?i:[k-s]+)z",
    r"a{2}|b{,2}c|c{1,}?d|(ab|a)(bc|c)?|(?<=x)y|(?<!x)z|(?:a|b){2,3}",
    r"\u00e9+|\x41|\x{1F600}|\t|\\|\.|\-|\ |\n\r?|\p{^Lu}{2}|\P{^N}",
    r".+?b|[^\n]",
]


def theirs(pattern: str, text: str, behavior: str = "isolated", invert: bool = False) -> list[str]:
    split = pre_tokenizers.Split(Regex(pattern), behavior, invert)
    return [word for word, _ in split.pre_tokenize_str(text)]


def ours(pattern: str, text: str, behavior: str = "Isolated", invert: bool = False) -> list[str]:
    return Split(pattern, behavior, invert)([text])


def any_text(draw: random.Random) -> str:
    pieces = [*"abcxyzkK sS'1234567890  \n\r\t.,!?-_:/\\éÉßſ中文가²½Ⅷǅ\u0301\u2028\x85\x1c😀𝔸",
              "\u212a", "'ll", "'RE", "  \n", "the ", "ab", "ſ", "﷽", "،"]  # fmt: skip
    return "".join(draw.choices(pieces, k=draw.randrange(20)))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_any_text_is_split_as_the_reference_splits_it(pattern: str) -> None:
    draw = random.Random(0)
    for _ in range(1_000 if WHOLE else 100):
        text = any_text(draw)
        for invert in (False, True):
            for behavior, name in zip(
                BEHAVIORS,
                ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"),
                strict=True,
            ):
                words = ours(pattern, text, behavior, invert)
                assert words == theirs(pattern, text, name, invert), (text, behavior, invert)
        spans = Split(pattern, "Isolated", invert=False).align([(text, list(range(len(text))))], 0)
        assert [word for word, _ in spans] == ours(pattern, text)


CLASSES = [
    *(r"\s", r"\S", r"\w", r"\W", r"[\w]", r"[\W]", r"\d", "(?i:s)", "(?i:k)"),
    *(rf"\p{{{name}}}" for name in ("L", "M", "N", "P", "S", "Z", "C", "Cn")),
    r"[\p{M}&&\p{Lo}\p{Mn}]",
]
CATEGORIES = [rf"\p{{{name}}}" for name in CATEGORY_NAMES]


@pytest.mark.parametrize("one", CLASSES + (CATEGORIES if WHOLE else []))
def test_a_class_holds_what_the_references_does(one: str) -> None:
    for stop in (0x80, 0x10000, 0x110000 if WHOLE else 0x20000):  # the three alphabets
        text = "".join(chr(point) for point in EVERY if point < stop)
        assert ours(f"(?:{one})+", text, "Removed", True) == theirs(
            f"(?:{one})+", text, "removed", True
        )


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"a*", "may match nothing"),
        (r"(?=a)", "may match nothing"),
        (r"a|", "may match nothing"),
        (r"(?i)a", "a group that begins with '(?i'"),
        (r"(?<name>a)", "a group that begins with '(?<'"),
        (r"(?i:é)", "beyond ASCII where case is ignored"),
        (r"(?i:ss)", "'ss' where case is ignored"),
        (r"(?i:a(?:b))", "a group where case is ignored"),
        (r"(a)\1", r"'\1'"),
        (r"\bfoo\b", r"'\bfoo"),
        (r"\p{Han}", r"'\p{Han}'"),
        (r"\p{Qx}", r"\p{Qx}"),
        (r"\h", r"'\h'"),
        (r"[[:alpha:]]", r"a class that goes on '[:alpha:'"),
        (r"[]a]", "a class that begins with ']a'"),
        (r"[a-c-e]", "a class in which '-' stands before 'e'"),
        (r"[\s-a]", "'-' is between no two characters"),
        (r"[z-a]", "'-' is between no two characters"),
        (r"[a", "a class that goes on ''"),
        (r"(a", "a group has no end"),
        (r"a)", "')' has no beginning"),
        (r"a{2}?", "the quantifier '{2}?'"),
        (r"a{1,2}+", "the quantifier at '{1,2}+'"),
        (r"a+*", "'*' with nothing before it"),
        (r"a{2,1}", "the quantifier '{2,1}'"),
        (r"*a", "'*' with nothing before it"),
        (r"(?:a?)*b", "'*' behind what may be nothing"),
        (r"(?<=a+)b", "Python's re does not take it"),
    ],
)
def test_a_pattern_that_can_not_be_put_exactly_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError) as raised:
        compiled(pattern, "")
    assert reason in str(raised.value)


@pytest.mark.parametrize("individual", [False, True])
def test_digits_are_what_the_reference_takes_for_numbers(individual: bool) -> None:
    split = pre_tokenizers.Digits(individual_digits=individual)
    points = EVERY if WHOLE else range(0x11000, 0x20000)
    text = "a".join(map(chr, points)) + " 123 a12½Ⅷ"
    assert digits(individual=individual)([text]) == [
        word for word, _ in split.pre_tokenize_str(text)
    ]
