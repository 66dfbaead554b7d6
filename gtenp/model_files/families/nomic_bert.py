"""NomicBERT (Nussbaum 2024, arXiv:2402.01613): BERT with rotary positions and a gated feed-forward,
without biases but for the norms'.

Published folders name their own code in ``auto_map``, from before transformers had the family; it
is not run, here as there. Sizes go by GPT-2's names, by BERT's, or by both side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gtenp.model_files.checkpoint import BertWeights, Layer, Linear
from gtenp.model_files.config import (
    Arithmetic,
    BertConfig,
    refuse_what_changes_the_arithmetic,
    rotary_base,
)

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "bert."
ENCODER = r"encoder\.|embeddings\.|emb_ln\."

# What the family's own code can do otherwise, and no published model does.
_SUPPORTED = {
    "prenorm": False,
    "parallel_block": False,
    "use_rms_norm": False,
    "causal": False,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "rope_scaling": None,
    "qkv_proj_bias": False,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "num_experts": 0,
}


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for what no published model
    of the family has. What a missing key means are the defaults of transformers' NomicBertConfig.
    """
    refuse_what_changes_the_arithmetic(found, own_code=True)
    for key, supported in _SUPPORTED.items():
        found.refuse_all_but(key, supported)
    for key in ("hidden_act", "activation_function"):  # by both names it is the gate's silu
        found.refuse_others(key, ("silu", "swish", "swiglu"), null_is_missing=True)
    return BertConfig(
        vocab_size=found.positive_int("vocab_size", 30528),
        hidden_size=found.size(768, "hidden_size", "n_embd"),
        num_hidden_layers=found.size(12, "num_hidden_layers", "n_layer"),
        num_attention_heads=found.size(12, "num_attention_heads", "n_head"),
        intermediate_size=found.size(3072, "intermediate_size", "n_inner"),
        # Folders state both, and transformers asks the family's own name first.
        max_position_embeddings=found.positive_int(
            "max_position_embeddings" if found.get("n_positions") is None else "n_positions", 2048
        ),
        type_vocab_size=found.positive_int("type_vocab_size", 2),
        layer_norm_eps=found.positive_float(
            found.name_of("layer_norm_eps", "layer_norm_epsilon"), 1e-12
        ),
        hidden_act="silu",
        arithmetic=Arithmetic(position_table=False, rotary_base=_base(found), gated=True),
    )


def _base(found: JsonObject) -> float:
    """Of the rotary angles: where transformers reads it, and rotary_emb_base, which it leaves
    unread, must not say otherwise.
    """
    stated = found.get("rope_parameters")
    if stated is None:
        stated = {"rope_theta": found.get("rope_theta")}
    base = rotary_base(found.path, stated, 1000.0)
    found.refuse_all_but("rotary_emb_base", base)
    return base


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size

    def linear(name: str, size_out: int, size_in: int) -> Linear:
        return found.linear(name, size_out, size_in, bias=False)

    def layer(name: str) -> Layer:
        fused = linear(f"{name}.attn.Wqkv", 3 * hidden, hidden)
        weights, biases = np.split(fused.weight, 3), np.split(fused.bias, 3)
        query, key, value = map(Linear, weights, biases)
        return Layer(
            query=query,
            key=key,
            value=value,
            attention_output=linear(f"{name}.attn.out_proj", hidden, hidden),
            attention_norm=found.norm(f"{name}.norm1", hidden),
            intermediate=linear(f"{name}.mlp.fc12", inner, hidden),  # the gate is the second
            up=linear(f"{name}.mlp.fc11", inner, hidden),
            output=linear(f"{name}.mlp.fc2", hidden, inner),
            output_norm=found.norm(f"{name}.norm2", hidden),
        )

    words = found.take("embeddings.word_embeddings.weight", config.vocab_size, hidden)
    return BertWeights(
        word_embeddings=words,
        position_embeddings=np.zeros((1, hidden), words.dtype),
        token_type_embeddings=found.take(
            "embeddings.token_type_embeddings.weight", config.type_vocab_size, hidden
        ),
        embeddings_norm=found.norm("emb_ln", hidden),
        layers=tuple(layer(f"encoder.layers.{i}") for i in range(config.num_hidden_layers)),
    )
