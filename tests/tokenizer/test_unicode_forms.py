"""Normal forms, grapheme clusters and the character map, beside the reference."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from charsmap import charsmap
from tokenizers import PreTokenizedString, normalizers

from gtenp.tokenizer.precompiled import Precompiled
from gtenp.tokenizer.unicode_forms import UnicodeForm

FORMS = ("NFC", "NFKC", "NFD", "NFKD")

# What joins clusters, what composes, what is sorted, and characters of every length in bytes.
CHARS = [*map(chr, range(0x250)), *"\u0300\u0301\u0323\u0345\u0334\u0344\u0f73\u3099\u302e\u1dfa"]
CHARS += "\u200d\u200c\ufe0f\u200b\u2028\u0600\u0890\u0e33\u0e31กखक्षक़\u094d\u09cd\u0d4e\u0dcf"
CHARS += "©™ℹ☎👩🇩🇪ﬁﬀ½ﷺ㍿한글\u1100\u1161\u11a8\u11a7\uac00각\ua960\ud7b0\ud7cb\u1b44\U00011938"
KEYS = {
    "a": "b", "ab": "zz", "\u0301": "x", "e\u0301": "é", "©": "qq", "™": "TM", "ℹ": "i", "क": "k",
    "क़": "क\u093c", "\r": " ", "ᅡ": "V", "ﬁ": "fi", "\u0600": "P", "ก": "", "r": "", " ": "__",
    "\u0e33": "\u0e4d\u0e32", "ᆨ": "",
}  # fmt: skip


def offsets(text: str, normalizer: Any) -> list[tuple[int, int]]:
    """Whence the reference says that each character of the normalized text comes."""
    whole = PreTokenizedString(text)
    whole.normalize(normalizer.normalize)
    length = len(normalizer.normalize_str(text))
    whole.split(lambda _, string: [string[place : place + 1] for place in range(length)])
    found: list[tuple[Any, tuple[int, int], Any]] = whole.get_splits("original", "char")
    return [span for _, span, _ in found]


def assert_equal(ours: Any, theirs: Any, text: str) -> None:
    wanted = theirs.normalize_str(text)
    assert ours(text) == wanted, ascii(text)
    aligned, origins = ours.align(text, list(range(len(text))))
    assert aligned == wanted, ascii(text)
    assert [(origin, origin + 1) for origin in origins] == offsets(text, theirs), ascii(text)


def both(name: str) -> tuple[Any, Any]:
    if name == "Precompiled":
        return Precompiled(charsmap(KEYS)), normalizers.Precompiled(charsmap(KEYS))
    return UnicodeForm(name), getattr(normalizers, name)()


@pytest.mark.parametrize("name", [*FORMS, "Precompiled"])
def test_any_text_becomes_what_the_reference_makes_of_it(name: str) -> None:
    ours, theirs = both(name)
    draw = random.Random(name)
    points = [*range(0xD800), *range(0xE000, 0x20000)]
    for _ in range(4000):
        text = [draw.choice(CHARS) for _ in range(draw.randrange(8))]
        if draw.random() < 0.3:
            text.insert(draw.randrange(len(text) + 1), chr(draw.choice(points)))
        assert_equal(ours, theirs, "".join(text))


@pytest.mark.parametrize("name", [*FORMS, "Precompiled"])
def test_every_character_becomes_what_the_reference_makes_of_it(name: str) -> None:
    ours, theirs = both(name)
    points = [*range(0xD800), *range(0xE000, 0x20000), *range(0x2F800, 0x2FA20)]
    for first in range(0, len(points), 1024):
        chars = list(map(chr, points[first : first + 1024]))
        for form in ("{} ", "e{} ", "{}\u0301 ", "e{}\u0323\u0301 ", "\u1100{}\u11a8 "):
            text = "".join(map(form.format, chars))
            if ours(text) != theirs.normalize_str(text):
                pytest.fail(f"a character from U+{points[first]:04X} on differs in {form!r}")


def test_a_cluster_becomes_its_shortest_key_and_the_rest_is_lost() -> None:
    ours, theirs = both("Precompiled")
    for text, wanted in {
        "ab": "bb",  # two clusters, though "ab" is a key
        "a\u0300": "b",
        "a\u0300\u0300\u0300": "b\u0300\u0300\u0300",  # of seven bytes: character by character
        "\r\n": " ",
        "☎\u200d™\u0301": "☎\u200dTMx",
        "™\u0301": "TM",
    }.items():
        assert ours(text) == theirs.normalize_str(text) == wanted


def test_a_letter_is_never_its_own_key_by_chance() -> None:
    assert Precompiled(charsmap({"é": "e"}))("é\0a\U0010ffff") == "e\0a\U0010ffff"


@pytest.mark.parametrize("damage", [b"", b"\x04\0\0\0", b"\xff\xff\xff\xff" + b"\0" * 99,
                                    charsmap(KEYS)[:-1] + b"\xff"])  # fmt: skip
def test_a_damaged_map_is_a_value_error(damage: bytes) -> None:
    with pytest.raises(ValueError, match=r"cut short|utf-8"):
        Precompiled(damage)


def test_a_map_whose_places_lead_nowhere_changes_nothing() -> None:
    scrambled = bytearray(charsmap(KEYS))
    scrambled[4:8] = b"\xff\xff\xff\xff"
    assert Precompiled(bytes(scrambled))("aé\u0301") == "aé\u0301"


def test_a_map_pickles_without_what_it_remembers() -> None:
    ours = Precompiled(charsmap(KEYS))
    ours("a" * 10)
    assert pickle.loads(pickle.dumps(ours))("a") == "b"


def test_a_million_marks_take_no_quadratic_time() -> None:
    for name in FORMS:
        assert len(both(name)[0]("a" + "\u0301" * 200_000)) >= 200_000
