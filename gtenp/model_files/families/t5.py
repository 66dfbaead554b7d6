"""T5's encoder (Raffel 2019, arXiv:1910.10683), as Sentence-T5 and GTR use it (Ni 2021,
arXiv:2108.08877 and arXiv:2112.07899).

Root mean squares before the products in the layer norms' place, no biases, no scale; positions
enter the scores alone, by a table of the first layer that serves all; heads may be wider together
than the states. Later versions gate the feed-forward with a GELU (Shazeer 2020, arXiv:2002.05202).
A file may hold the decoder too, which no embedding depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import BertWeights, Layer, LayerNorm
from gtenp.model_files.config import (
    ACTIVATIONS,
    Arithmetic,
    BertConfig,
    refuse_what_changes_the_arithmetic,
    shown,
)

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Linear, Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = ""
ENCODER = r"encoder\.(?!embed_tokens\.)"


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for another feed-forward than
    gtenp computes. What a missing key means are the defaults of transformers' T5Config.
    """
    refuse_what_changes_the_arithmetic(found)
    stated = found.get("feed_forward_proj", "relu")
    gate, dash, activation = str(stated).rpartition("-")
    if stated == "gated-gelu":
        activation = "gelu_new"
    if activation not in ACTIVATIONS or gate not in ("", "gated") or (dash and not gate):
        raise UnsupportedModelError(
            found.path,
            f"feed_forward_proj is {shown(stated)}; gtenp runs {', '.join(ACTIVATIONS)}, with "
            "gated- before it or without; pick another model",
        )
    # What transformers makes of feed_forward_proj, and writes beside it.
    found.refuse_all_but("dense_act_fn", activation)
    found.refuse_all_but("is_gated_act", gate == "gated")
    buckets = found.positive_int("relative_attention_num_buckets", 32)
    max_distance = found.positive_int("relative_attention_max_distance", 128)
    if buckets % 4 or max_distance <= buckets // 4:
        raise UnsupportedModelError(
            found.path,
            f"relative_attention_num_buckets is {buckets} and relative_attention_max_distance "
            f"{max_distance}; gtenp runs a multiple of 4, and more than a quarter of it; pick "
            "another model",
        )

    return BertConfig(
        vocab_size=found.positive_int("vocab_size", 32128),
        hidden_size=found.size(512, "d_model", "hidden_size"),
        num_hidden_layers=found.size(6, "num_layers", "num_hidden_layers"),
        num_attention_heads=found.size(8, "num_heads", "num_attention_heads"),
        intermediate_size=found.positive_int("d_ff", 2048),
        max_position_embeddings=1,
        type_vocab_size=1,
        layer_norm_eps=found.positive_float("layer_norm_epsilon", 1e-6),
        hidden_act=activation,
        stated_head_size=found.size(64, "d_kv", "head_dim"),
        relative_attention_num_buckets=buckets,
        arithmetic=Arithmetic(
            position_table=False,
            embeddings_norm=False,
            norm="rms",
            norm_first=True,
            scaled_scores=False,
            score_bias="buckets",
            max_distance=max_distance,
            gated=gate == "gated",
        ),
    )


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner, width = config.hidden_size, config.intermediate_size, config.attention_size

    def linear(name: str, size_out: int, size_in: int) -> Linear:
        return found.linear(name, size_out, size_in, bias=False)

    def norm(name: str) -> LayerNorm:
        return found.norm(name, hidden, bias=False)

    def layer(name: str) -> Layer:
        attention, dense = f"{name}.layer.0.SelfAttention", f"{name}.layer.1.DenseReluDense"
        gated = config.arithmetic.gated
        return Layer(
            query=linear(f"{attention}.q", width, hidden),
            key=linear(f"{attention}.k", width, hidden),
            value=linear(f"{attention}.v", width, hidden),
            attention_output=linear(f"{attention}.o", hidden, width),
            attention_norm=norm(f"{name}.layer.0.layer_norm"),
            intermediate=linear(f"{dense}.wi_0" if gated else f"{dense}.wi", inner, hidden),
            up=linear(f"{dense}.wi_1", inner, hidden) if gated else None,
            output=linear(f"{dense}.wo", hidden, inner),
            output_norm=norm(f"{name}.layer.1.layer_norm"),
        )

    # Files have the table under either name, or both.
    names = [name for name in ("shared.weight", "encoder.embed_tokens.weight") if found.has(name)]
    tables = [found.take(name, config.vocab_size, hidden) for name in names or ["shared.weight"]]
    word_embeddings = tables[0]
    if len(tables) > 1 and not np.array_equal(tables[0], tables[1]):
        raise ModelFileError(
            found.path, f"{' and '.join(names)} differ; wanted one table; copy the file anew"
        )
    none = np.zeros((1, hidden), word_embeddings.dtype)
    table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    return BertWeights(
        word_embeddings=word_embeddings,
        position_embeddings=none,
        token_type_embeddings=none,
        embeddings_norm=LayerNorm(none[0], none[0]),
        layers=tuple(layer(f"encoder.block.{i}") for i in range(config.num_hidden_layers)),
        relative_attention_bias=found.take_finite(
            table, config.relative_attention_num_buckets, config.num_attention_heads
        ),
        final_norm=norm("encoder.final_layer_norm"),
    )
