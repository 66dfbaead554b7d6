"""A text with its token ids, and how texts become batches. Imports nothing that costs time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

MAX_LENGTH = 512


class Text(NamedTuple):
    """One text as people write it and as the models see it."""

    text: str
    input_ids: list[int]


def pair_of(text: Text) -> tuple[str, str]:
    """The query and the document of a text that `pair_text` made."""
    query, _, document = text.text.partition(_BETWEEN)
    return query, document


def pair_text(query: str, document: str, input_ids: list[int]) -> Text:
    """Both as one text."""
    return Text(query + _BETWEEN + document, input_ids)


_BETWEEN = "\0"  # which no text holds

Corpora = dict[str, list[Text]]


def save(corpora: Corpora, path: Path) -> None:
    """As JSON, for the workers."""
    path.write_text(json.dumps(corpora), encoding="utf-8")


def load(path: Path) -> Corpora:
    """What `save` wrote."""
    saved = json.loads(path.read_text(encoding="utf-8"))
    return {name: [Text(*pair) for pair in texts] for name, texts in saved.items()}


def count_tokens(texts: list[Text]) -> int:
    """Padding not counted."""
    return sum(len(text.input_ids) for text in texts)


def length_sorted(texts: list[Text], budget: int) -> list[list[int]]:
    """Batches of indices, longest text first, each of at most `budget` tokens with its padding:
    what serves a runtime that pads best.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(texts)), key=lambda i: -len(texts[i].input_ids)):
        if batches:
            longest = len(texts[batches[-1][0]].input_ids)
            if longest * (len(batches[-1]) + 1) <= budget:
                batches[-1].append(index)
                continue
        batches.append([index])
    return batches
