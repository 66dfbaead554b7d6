"""DistilBERT (Sanh 2019, arXiv:1910.01108): BERT of half the layers, without token types.

In the place of the token types stands a table of one row, of zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.model_files.checkpoint import BertWeights, Classifier, Layer
from gtenp.model_files.config import BertConfig, num_labels, refuse_what_changes_the_arithmetic

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "distilbert."
ENCODER = r"transformer\.|embeddings\."

# Under BERT's names, with what a missing key means to transformers.
_SIZES = {
    "vocab_size": ("vocab_size", 30522),
    "hidden_size": ("dim", 768),
    "num_hidden_layers": ("n_layers", 6),
    "num_attention_heads": ("n_heads", 12),
    "intermediate_size": ("hidden_dim", 3072),
    "max_position_embeddings": ("max_position_embeddings", 512),
}


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for another activation than
    gtenp computes. Sinusoidal positions are a table in the file as any.
    """
    refuse_what_changes_the_arithmetic(found, hidden_act="activation")
    sizes: dict[str, Any] = {
        ours: found.size(default, key, ours) for ours, (key, default) in _SIZES.items()
    }
    return BertConfig(
        **sizes,
        type_vocab_size=1,
        layer_norm_eps=1e-12,  # a constant in transformers
        hidden_act=found.get("activation", "gelu"),
        num_labels=num_labels(found),
    )


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size

    def layer(name: str) -> Layer:
        return Layer(
            query=found.linear(f"{name}.attention.q_lin", hidden, hidden),
            key=found.linear(f"{name}.attention.k_lin", hidden, hidden),
            value=found.linear(f"{name}.attention.v_lin", hidden, hidden),
            attention_output=found.linear(f"{name}.attention.out_lin", hidden, hidden),
            attention_norm=found.norm(f"{name}.sa_layer_norm", hidden),
            intermediate=found.linear(f"{name}.ffn.lin1", inner, hidden),
            output=found.linear(f"{name}.ffn.lin2", hidden, inner),
            output_norm=found.norm(f"{name}.output_layer_norm", hidden),
        )

    words = found.take("embeddings.word_embeddings.weight", config.vocab_size, hidden)
    return BertWeights(
        word_embeddings=words,
        position_embeddings=found.take(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, hidden
        ),
        token_type_embeddings=np.zeros((1, hidden), words.dtype),
        embeddings_norm=found.norm("embeddings.LayerNorm", hidden),
        layers=tuple(layer(f"transformer.layer.{i}") for i in range(config.num_hidden_layers)),
    )


def read_classifier(found: Tensors, config: BertConfig) -> Classifier:
    """A head with a ReLU."""
    hidden = config.hidden_size
    return Classifier(
        dense=found.linear("pre_classifier", hidden, hidden),
        activation="ReLU",
        output=found.linear("classifier", config.num_labels, hidden),
    )
