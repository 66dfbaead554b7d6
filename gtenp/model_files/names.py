"""The names that models go by: short ones, ids of the Hub, and slips of the pen."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_MODEL = "Supabase/gte-small"

SHORT_NAMES = {
    "gte-small": "Supabase/gte-small",
    "gte-base": "thenlper/gte-base",
    "gte-large": "thenlper/gte-large",
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
}

# What a name that can't be had may have been meant for: models that people use and gtenp runs.
KNOWN = (
    *SHORT_NAMES.values(),
    "thenlper/gte-small",
    "intfloat/e5-small-v2",
    "intfloat/e5-base-v2",
    "intfloat/e5-large-v2",
    "BAAI/bge-small-en-v1.5",
    "BAAI/bge-base-en-v1.5",
    "BAAI/bge-large-en-v1.5",
    "Snowflake/snowflake-arctic-embed-xs",
    "Snowflake/snowflake-arctic-embed-s",
    "Snowflake/snowflake-arctic-embed-m",
    "mixedbread-ai/mxbai-embed-large-v1",
    "nthakur/contriever-base-msmarco",
    "sentence-transformers/all-MiniLM-L12-v2",
    "sentence-transformers/multi-qa-MiniLM-L6-cos-v1",
    "sentence-transformers/msmarco-MiniLM-L6-cos-v5",
    "sentence-transformers/paraphrase-MiniLM-L6-v2",
    "sentence-transformers/LaBSE",
    "sentence-transformers/multi-qa-distilbert-cos-v1",
    "sentence-transformers/all-mpnet-base-v2",
    "nomic-ai/nomic-embed-text-v1.5",
    "Alibaba-NLP/gte-base-en-v1.5",
    "Alibaba-NLP/gte-large-en-v1.5",
    "Alibaba-NLP/gte-modernbert-base",
    "Alibaba-NLP/gte-multilingual-base",
    "sentence-transformers/sentence-t5-base",
    "sentence-transformers/gtr-t5-base",
    "sentence-transformers/multi-qa-mpnet-base-dot-v1",
    "sentence-transformers/paraphrase-mpnet-base-v2",
    "sentence-transformers/distiluse-base-multilingual-cased-v2",
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
    "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
    "intfloat/multilingual-e5-small",
    "intfloat/multilingual-e5-base",
    "intfloat/multilingual-e5-large",
    "BAAI/bge-m3",
    "Snowflake/snowflake-arctic-embed-l-v2.0",
    "Snowflake/snowflake-arctic-embed-m-v2.0",
    "cross-encoder/ms-marco-MiniLM-L6-v2",
    "cross-encoder/ms-marco-MiniLM-L12-v2",
    "cross-encoder/ms-marco-TinyBERT-L2-v2",
    "BAAI/bge-reranker-base",
    "BAAI/bge-reranker-v2-m3",
    "Alibaba-NLP/gte-multilingual-reranker-base",
    "Alibaba-NLP/gte-reranker-modernbert-base",
)

_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)

# The Hub's first models have no organisation; those that gtenp could be asked for are named so.
# bert-base-nli-mean-tokens and its like are sentence-transformers' own.
_WITHOUT_ORGANISATION = re.compile(
    r"(distil)?bert-(base|large)(-german|-dbmdz|-multilingual)*-(cased|uncased|chinese)"
    r"(-whole-word-masking)?(-(finetuned|distilled)-.*)?"
    r"|(distil|xlm-)?roberta-(base|large)|camembert-base"
)


def hub_id(name: str) -> str:
    """The Hub's name of a model; InputError for what can't be one.

    A name without an organisation that is not one of the short names is taken for one of
    sentence-transformers' own models, as sentence-transformers takes it; its rerankers are kept
    apart, under cross-encoder/.

    >>> hub_id("gte-small"), hub_id("paraphrase-MiniLM-L6-v2"), hub_id("bert-base-uncased")
    ('Supabase/gte-small', 'sentence-transformers/paraphrase-MiniLM-L6-v2', 'bert-base-uncased')
    >>> hub_id("ms-marco-MiniLM-L6-v2")
    'cross-encoder/ms-marco-MiniLM-L6-v2'
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if not _HUB_ID.fullmatch(name):
        what = "a folder that is here already, not" if os.path.isdir(name) else "not"
        raise InputError(
            f"{name!r} is {what} a model's name: wanted a Hub id like {DEFAULT_MODEL},"
            f" or one of {', '.join(SHORT_NAMES)}"
        )
    if "/" in name or _WITHOUT_ORGANISATION.fullmatch(name):
        return name
    return f"{_organisation(name)}/{name}"


def _organisation(name: str) -> str:
    return "cross-encoder" if name.startswith("ms-marco-") else "sentence-transformers"


def is_known(name: str) -> bool:
    """Whether it is a known model's name, with its organisation or without."""
    return name in SHORT_NAMES or name in KNOWN or f"{_organisation(name)}/{name}" in KNOWN


def similar(model: str, here: Iterable[str] = ()) -> list[str]:
    """Up to three names that an unknown Hub id may have been meant for, the likeliest first.

    They come from the known models and from those that are ``here``; of a known id there is none.

    >>> similar("sentence-transformers/ALL-MINILM-L6-V2")
    ['all-MiniLM-L6-v2', 'sentence-transformers/all-MiniLM-L12-v2']
    >>> similar("Supabase/gte-smal"), similar("sentence-transformers/bge-large-en")
    (['gte-small'], ['BAAI/bge-large-en-v1.5'])
    >>> similar("org/mine"), similar("thenlper/gte-base")
    ([], [])
    """
    from difflib import SequenceMatcher

    if model in KNOWN:
        return []
    asked = model.rpartition("/")[2].lower()
    likeness: dict[str, tuple[float, str]] = {}
    for other in (*here, *KNOWN):
        name = other.rpartition("/")[2].lower()
        score = SequenceMatcher(None, asked, name).ratio()
        score += len(asked) > 3 and asked in name
        if score >= 0.8 and other != model and name not in likeness:
            likeness[name] = score, other
    short = {long: name for name, long in SHORT_NAMES.items()}
    found = [other for _, other in sorted(likeness.values(), key=lambda pair: -pair[0])]
    return [short.get(other, other) for other in found[:3]]
