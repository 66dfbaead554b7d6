"""A page into a file: texts explained and compared, where they are not too long together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtenp.cross_encoder import CrossEncoder
from gtenp.errors import InputError
from gtenp.explain.explain import compare, explain
from gtenp.explain.page import page
from gtenp.model_files.folders import new_file
from gtenp.verify.trace import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gtenp.embedder import Embedder

# Attention weights in one page: L · A · S² a text. A text of 512 tokens through 12 layers of 12
# heads has 38 million. With all-MiniLM-L6-v2 the file takes 0.75 bytes for each.
MAX_WEIGHTS = 40_000_000


def write(
    target: Path | int, embedder: Embedder | CrossEncoder, model: str, texts: Sequence[str]
) -> None:
    """Explain the texts on a page, which appears whole or not at all; ``model`` is what to call it.
    Of a cross-encoder the first text is the query, each other one a document.

    InputError where the texts are too long together for one page.
    """
    with new_file(target) as file:
        file.write(explained(embedder, model, texts))


def explained(embedder: Embedder | CrossEncoder, model: str, texts: Sequence[str]) -> bytes:
    """The page that ``write`` writes."""
    config = embedder.config
    lengths = list(map(len, tokens(embedder, texts)[0]))
    weights = sum(
        config.num_hidden_layers * config.num_attention_heads * length**2 for length in lengths
    )
    if weights > MAX_WEIGHTS:
        raise InputError(
            f"texts of {' + '.join(map(str, lengths))} tokens have {weights:,} attention weights; "
            f"wanted at most {MAX_WEIGHTS:,} on a page: take fewer or shorter texts"
        )
    first, *others = explanations = explain(embedder, texts)
    if isinstance(embedder, CrossEncoder):
        return page(model, "score", explanations, [])
    comparisons = [compare(embedder, first, other) for other in others]
    return page(model, embedder.similarity_fn_name, explanations, comparisons)
