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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.explain.explain import Comparison, Explanation
    from gtenp.reference import Array


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
