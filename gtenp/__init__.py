"""gtenp: BERT sentence embeddings in pure NumPy.

Text goes one way: tokenizer, batch, encoder, pooling. To read the model itself, begin with
``gtenp/reference/bert.py``. Names load on first use, so ``import gtenp`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtenp.bert import BertModel as BertModel
    from gtenp.cross_encoder import CrossEncoder as CrossEncoder
    from gtenp.embedder import Embedder as Embedder
    from gtenp.engine.pooling import quantize_embeddings as quantize_embeddings
    from gtenp.errors import GtenpError as GtenpError
    from gtenp.errors import QuantizationWarning as QuantizationWarning
    from gtenp.errors import TruncationWarning as TruncationWarning
    from gtenp.jobs.index import Index as Index
    from gtenp.similarity import cos_sim as cos_sim
    from gtenp.similarity import dot_score as dot_score
    from gtenp.similarity import semantic_search as semantic_search
    from gtenp.tokenizer import Tokenizer as Tokenizer

__version__ = "0.1.0"

_HOME = {
    "BertModel": "gtenp.bert",
    "CrossEncoder": "gtenp.cross_encoder",
    "Embedder": "gtenp.embedder",
    "GtenpError": "gtenp.errors",
    "Index": "gtenp.jobs.index",
    "QuantizationWarning": "gtenp.errors",
    "Tokenizer": "gtenp.tokenizer",
    "TruncationWarning": "gtenp.errors",
    "cos_sim": "gtenp.similarity",
    "dot_score": "gtenp.similarity",
    "quantize_embeddings": "gtenp.engine.pooling",
    "semantic_search": "gtenp.similarity",
}

__all__ = [
    "BertModel",
    "CrossEncoder",
    "Embedder",
    "GtenpError",
    "Index",
    "QuantizationWarning",
    "Tokenizer",
    "TruncationWarning",
    "cos_sim",
    "dot_score",
    "quantize_embeddings",
    "semantic_search",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gtenp' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
