"""MPNet (Song 2020, arXiv:2004.09297): BERT's layers, without token types, and with a number added
to each score by how far a key stands from its query.

One table of these numbers serves all layers. Positions begin at 2, and a padding token inside a
text is not counted, as in RoBERTa. In the place of the token types stands one row of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.errors import UnsupportedModelError
from gtenp.model_files.checkpoint import BertWeights, Layer
from gtenp.model_files.config import (
    Arithmetic,
    BertConfig,
    num_labels,
    refuse_what_changes_the_arithmetic,
)
from gtenp.model_files.families.roberta import read_classifier as read_classifier

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "mpnet."
ENCODER = r"encoder\.|embeddings\."

# What a missing key means: the defaults of transformers' MPNetConfig.
_SIZES = {
    "vocab_size": 30527,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
}
# Constants of transformers' MPNet: its table has as many rows as config.json says, but the buckets
# are always of 32; and its padding token's id is 1 whatever the file says.
_BUCKETS = 32
_PAD = 1


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for another activation or
    number of buckets than gtenp computes.
    """
    refuse_what_changes_the_arithmetic(found)
    if found.positive_int("relative_attention_num_buckets", _BUCKETS) != _BUCKETS:
        raise UnsupportedModelError(
            found.path,
            f"relative_attention_num_buckets is {found.get('relative_attention_num_buckets')}; "
            f"gtenp, as transformers, computes {_BUCKETS}; pick another model",
        )
    sizes: dict[str, Any] = {
        key: found.positive_int(key, default) for key, default in _SIZES.items()
    }
    return BertConfig(
        **sizes,
        type_vocab_size=1,
        layer_norm_eps=found.positive_float("layer_norm_eps", 1e-12),
        hidden_act=found.get("hidden_act", "gelu"),
        num_labels=num_labels(found),
        arithmetic=Arithmetic(
            first_position=_PAD + 1, uncounted_token_id=_PAD, score_bias="buckets"
        ),
    )


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size

    def layer(name: str) -> Layer:
        return Layer(
            query=found.linear(f"{name}.attention.attn.q", hidden, hidden),
            key=found.linear(f"{name}.attention.attn.k", hidden, hidden),
            value=found.linear(f"{name}.attention.attn.v", hidden, hidden),
            attention_output=found.linear(f"{name}.attention.attn.o", hidden, hidden),
            attention_norm=found.norm(f"{name}.attention.LayerNorm", hidden),
            intermediate=found.linear(f"{name}.intermediate.dense", inner, hidden),
            output=found.linear(f"{name}.output.dense", hidden, inner),
            output_norm=found.norm(f"{name}.output.LayerNorm", hidden),
        )

    words = found.take("embeddings.word_embeddings.weight", config.vocab_size, hidden)
    return BertWeights(
        word_embeddings=words,
        position_embeddings=found.take(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, hidden
        ),
        token_type_embeddings=np.zeros((1, hidden), words.dtype),
        embeddings_norm=found.norm("embeddings.LayerNorm", hidden),
        layers=tuple(layer(f"encoder.layer.{i}") for i in range(config.num_hidden_layers)),
        relative_attention_bias=found.take_finite(
            "encoder.relative_attention_bias.weight", _BUCKETS, config.num_attention_heads
        ),
    )
