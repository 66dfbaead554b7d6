"""What the caller passed → samples: one text, or a pair, each a str or words; else an error that
names the place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from gtenp.arguments import as_list, as_texts, kind
from gtenp.errors import InputError

Text = str | list[str]  # a text, or one that the caller has split into words


class Sample(NamedTuple):
    """One text, or a pair of them."""

    first: Text
    second: Text | None


def read_samples(text: Any, text_pair: Any, split: bool) -> tuple[list[Sample], bool]:
    """Check what the caller passed; also, whether it is a batch.

    >>> read_samples("a", None, split=False)
    ([Sample(first='a', second=None)], False)

    Raises InputError where something in it is not a str; the message says where.
    """
    if split and not isinstance(text, str):
        text = as_list("text", text, "a list of words")
    batched = not isinstance(text, str) and not (split and (not text or isinstance(text[0], str)))
    texts = _texts("text", text, split, batched)
    # "" is no pair, as in transformers
    empty = not batched and isinstance(text_pair, (str, list, tuple)) and not text_pair
    if text_pair is None or empty:
        return [Sample(first, None) for first in texts], batched
    pairs = _texts("text_pair", text_pair, split, batched)
    if len(texts) != len(pairs):
        raise InputError(f"text has {len(texts)} texts, text_pair has {len(pairs)}")
    return list(map(Sample, texts, pairs)), batched


def _texts(name: str, value: Any, split: bool, batched: bool) -> list[Any]:
    """The texts of one side, each a str or, where they are split, a list of words."""
    if batched:
        if isinstance(value, str):
            raise InputError(f"{name} is {kind(value)}, a list was wanted, since text is one")
        if not split:
            return as_texts(name, value)
        return [
            _words(f"{name}[{place}]", words) for place, words in enumerate(as_list(name, value))
        ]
    if split:
        return [_words(name, value)]
    if not isinstance(value, str):
        raise InputError(f"{name} is {kind(value)}, a str was wanted, since text is one")
    return [value]


def _words(where: str, words: Any) -> list[str]:
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise InputError(f"{where} is {kind(words)}, a list of words was wanted")
    return as_texts(where, words)


def surrogate_error(sample: int, texts: Sample) -> InputError:
    """The error for a text with half a UTF-16 pair in it, which is no text."""
    for name, text in zip(("text", "text_pair"), texts, strict=True):
        for word in [text] if isinstance(text, str) else text or ():
            for position, char in enumerate(word):
                if "\ud800" <= char <= "\udfff":
                    return InputError(
                        f"{name} number {sample} has a lone surrogate, U+{ord(char):04X}, at "
                        f"position {position}; decode its source as UTF-8 or with "
                        "errors='replace'"
                    )
    raise AssertionError("no surrogate in the texts")
