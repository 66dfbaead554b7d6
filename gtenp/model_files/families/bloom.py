"""BLOOM (Le Scao 2022, arXiv:2211.05100), as SGPT makes sentence vectors of it (Muennighoff 2022,
arXiv:2202.08904).

A decoder: a token looks at none behind it. In the positions' place scores fall with the distance,
in each head by another slope (ALiBi, Press 2021, arXiv:2108.12409). Norms come first, and one more
behind the embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gtenp.model_files.checkpoint import BertWeights, Layer, Linear
from gtenp.model_files.config import (
    Arithmetic,
    BertConfig,
    refuse_what_changes_the_arithmetic,
)

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "transformer."
ENCODER = r"word_embeddings\.|word_embeddings_layernorm\.|h\.|ln_f\."


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for residuals that start at
    the norms. What a missing key means are the defaults of transformers' BloomConfig.
    """
    refuse_what_changes_the_arithmetic(found)
    found.refuse_all_but("apply_residual_connection_post_layernorm", False)

    hidden = found.size(64, "n_embed", "hidden_size")
    return BertConfig(
        vocab_size=found.positive_int("vocab_size", 250880),
        hidden_size=hidden,
        num_hidden_layers=found.size(2, "n_layer", "num_hidden_layers"),
        num_attention_heads=found.size(8, "n_head", "num_attention_heads"),
        intermediate_size=4 * hidden,
        max_position_embeddings=1,
        type_vocab_size=1,
        layer_norm_eps=found.positive_float("layer_norm_epsilon", 1e-5),
        hidden_act="gelu_new",
        arithmetic=Arithmetic(
            position_table=False, norm_first=True, score_bias="alibi", causal=True
        ),
    )


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The decoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size
    heads, size = config.num_attention_heads, config.head_size

    def layer(name: str) -> Layer:
        fused = found.linear(f"{name}.self_attention.query_key_value", 3 * hidden, hidden)
        # A head's queries, keys and values are neighbours: rows [A, 3, D], and not [3, A, D].
        weight = fused.weight.reshape(heads, 3, size, hidden)
        bias = fused.bias.reshape(heads, 3, size)
        query, key, value = (
            Linear(weight[:, i].reshape(hidden, hidden), bias[:, i].reshape(hidden))
            for i in range(3)
        )
        return Layer(
            query=query,
            key=key,
            value=value,
            attention_output=found.linear(f"{name}.self_attention.dense", hidden, hidden),
            attention_norm=found.norm(f"{name}.input_layernorm", hidden),
            intermediate=found.linear(f"{name}.mlp.dense_h_to_4h", inner, hidden),
            output=found.linear(f"{name}.mlp.dense_4h_to_h", hidden, inner),
            output_norm=found.norm(f"{name}.post_attention_layernorm", hidden),
        )

    words = found.take("word_embeddings.weight", config.vocab_size, hidden)
    none = np.zeros((1, hidden), words.dtype)
    return BertWeights(
        word_embeddings=words,
        position_embeddings=none,
        token_type_embeddings=none,
        embeddings_norm=found.norm("word_embeddings_layernorm", hidden),
        layers=tuple(layer(f"h.{i}") for i in range(config.num_hidden_layers)),
        final_norm=found.norm("ln_f", hidden),
    )
