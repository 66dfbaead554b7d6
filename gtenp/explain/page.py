"""One self-contained page of what ``explain.py`` finds: attention, norms, two texts' similarity.

The page is ``page.html``, which draws what stands in it as JSON. A matrix there is bytes, by
zlib and base64. An attention weight a is one byte, round(255 · √a): of 512 tokens most weights are
below 1/255, and the root keeps them apart. So a weight is shown within 0.004, a small one nearer.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.cross_encoder import CrossEncoder
from gtenp.errors import InputError
from gtenp.explain.explain import compare, explain
from gtenp.model_files.folders import new_file
from gtenp.verify.trace import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gtenp.embedder import Embedder
    from gtenp.explain.explain import Comparison, Explanation
    from gtenp.reference import Array

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


def page(
    model: str, measure: str, texts: Sequence[Explanation], comparisons: Sequence[Comparison]
) -> bytes:
    """The page in UTF-8; ``comparisons`` are those of the first text with each of the others."""
    data = {
        "model": model,
        "measure": measure,
        "texts": [_text(text) for text in texts],
        "comparisons": [_comparison(comparison) for comparison in comparisons],
    }
    # Nothing in the JSON can end its <script> or open a comment where there is no "<".
    script = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    template = resources.files("gtenp.explain").joinpath("page.html").read_text(encoding="utf-8")
    places = {"title": html.escape(f"{texts[0].text[:60]} · {model}"), "data": script}
    filled = re.sub(r"{{(\w+)}}", lambda place: places[place[1]], template)
    return filled.encode("utf-8", "replace")  # a folder's name may be no UTF-8


def _text(text: Explanation) -> dict[str, Any]:
    return {
        "text": text.text,
        "tokens": text.tokens,
        "norms": np.round(text.norms.astype(np.float64), 3).tolist(),
        "attention": packed(np.rint(255 * np.sqrt(text.attention)).astype(np.uint8)),
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    exact = found.contributions
    return {
        "score": round(found.score, 6),
        "cosines": packed(np.rint(127 * found.cosines.clip(-1, 1)).astype(np.int8)),
        "contributions": None if exact is None else packed(exact.astype("<f4")),
    }


def packed(array: Array) -> dict[str, Any]:
    """An array's shape and its bytes in base64 of zlib.

    >>> packed(np.zeros((2, 3), np.uint8))
    {'shape': (2, 3), 'zlib': 'eJxjYAABAAAGAAE='}
    """
    content = zlib.compress(np.ascontiguousarray(array).tobytes(), 6)
    return {"shape": array.shape, "zlib": base64.b64encode(content).decode("ascii")}
