"""GTE's own encoder (Zhang 2024, arXiv:2407.19669), of gte-multilingual and gte-v1.5: BERT with
rotary positions and a gated feed-forward.

Published folders say "new", or "gte" with their own code in ``auto_map``, which is not run. Their
angles are scaled for longer texts than the model first read ("NTK"); transformers' own folders
write the same as a linear scaling of another base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import BertWeights, Layer, Linear
from gtenp.model_files.config import (
    Arithmetic,
    BertConfig,
    num_labels,
    refuse_what_changes_the_arithmetic,
    rotary_base,
    shown,
)
from gtenp.model_files.families.bert import read_classifier as read_classifier

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "new."
ENCODER = r"encoder\.|embeddings\."

# What the family's own code can do otherwise, and no published model does.
_SUPPORTED = {
    "layer_norm_type": "layer_norm",
    "logn_attention_scale": False,
    "logn_attention_clip1": False,
    "pack_qkv": True,
    "partial_rotary_factor": 1.0,
}
# What a missing key means: the defaults of transformers' GteConfig.
_SIZES = {
    "vocab_size": 250048,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 8192,
}
_BASE = 160_000.0


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for what no published model
    of the family has.
    """
    refuse_what_changes_the_arithmetic(found, own_code=True, positions=("rope",))
    for key, supported in _SUPPORTED.items():
        found.refuse_all_but(key, supported)
    # Folders that say "new" are read by code of their own, whose defaults are not known here.
    known = found.get("model_type") == "gte"
    sizes: dict[str, Any] = {
        key: found.positive_int(key, size if known else None) for key, size in _SIZES.items()
    }
    head_size = sizes["hidden_size"] // sizes["num_attention_heads"]
    found.refuse_all_but("head_dim", head_size)
    base, scale = _angles(found, head_size)
    types = found.get("type_vocab_size", 1)
    if types != 0:
        types = found.positive_int("type_vocab_size", 1)
    return BertConfig(
        **sizes,
        type_vocab_size=types or 1,
        layer_norm_eps=found.positive_float("layer_norm_eps", 1e-12),
        hidden_act=found.get("hidden_act", "gelu"),
        num_labels=num_labels(found),
        arithmetic=Arithmetic(
            position_table=False,
            token_types=types > 0,
            rotary_base=base,
            rotary_scale=scale,
            gated=True,
        ),
    )


def _angles(found: JsonObject, head_size: int) -> tuple[float, float]:
    """θ of the angles, and what they are divided by.

    Stated as rope_parameters, or as rope_theta and rope_scaling. "ntk" of a factor f multiplies θ
    by f and divides the angles by f^(2/D); "linear" divides them by f.
    """
    stated, scaling = found.get("rope_parameters"), found.get("rope_scaling")
    if stated is not None and scaling is not None:
        raise ModelFileError(
            found.path, "has both rope_parameters and rope_scaling; leave the right one"
        )
    for key, value in (("rope_parameters", stated), ("rope_scaling", scaling)):
        if not isinstance(value, (dict, type(None))):
            raise ModelFileError(found.path, f"{key} is {shown(value)}; wanted an object")
    default = _BASE if found.get("model_type") == "gte" else None
    if stated is None:
        stated = {"rope_theta": found.get("rope_theta", default), **(scaling or {})}
    found.refuse_all_but("rope_theta", stated.get("rope_theta"))
    kind = stated.get("rope_type", stated.get("type", "default"))
    base = rotary_base(found.path, {"rope_theta": stated.get("rope_theta")}, default)
    if kind == "default":
        return base, 1.0
    factor = stated.get("factor")
    known = {"rope_type", "type", "rope_theta", "factor"}
    if kind not in ("ntk", "linear") or not known >= {
        k for k, v in stated.items() if v is not None
    }:
        raise UnsupportedModelError(
            found.path,
            f"its angles are {shown(stated)}; gtenp knows the types 'default', 'ntk' and 'linear', "
            "with a factor; pick another model",
        )
    if type(factor) not in (int, float) or not 0 < factor < 1e6:
        raise ModelFileError(found.path, f"factor is {shown(factor)}; wanted a positive number")
    if kind == "linear":
        return base, float(factor)
    return base * factor, factor ** (2 / max(1, head_size))


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size

    def parts(fused: Linear, count: int) -> list[Linear]:
        """Products that lie in one matrix."""
        biases = np.split(fused.bias, count)
        return list(map(Linear, np.split(fused.weight, count), biases))

    def layer(name: str) -> Layer:
        attention, dense = f"{name}.attention", f"{name}.mlp"
        query, key, value = parts(found.linear(f"{attention}.qkv_proj", 3 * hidden, hidden), 3)
        both = found.linear(f"{dense}.up_gate_proj", 2 * inner, hidden, bias=False)
        up, gate = parts(both, 2)
        return Layer(
            query=query,
            key=key,
            value=value,
            attention_output=found.linear(f"{attention}.o_proj", hidden, hidden),
            attention_norm=found.norm(f"{name}.attn_ln", hidden),
            intermediate=gate,  # the activation is taken of the second half
            up=up,
            output=found.linear(f"{dense}.down_proj", hidden, inner),
            output_norm=found.norm(f"{name}.mlp_ln", hidden),
        )

    words = found.take("embeddings.word_embeddings.weight", config.vocab_size, hidden)
    none = np.zeros((1, hidden), words.dtype)
    types = none
    if config.arithmetic.token_types:
        name = "embeddings.token_type_embeddings.weight"
        types = found.take(name, config.type_vocab_size, hidden)
    return BertWeights(
        word_embeddings=words,
        position_embeddings=none,
        token_type_embeddings=types,
        embeddings_norm=found.norm("embeddings.LayerNorm", hidden),
        layers=tuple(layer(f"encoder.layer.{i}") for i in range(config.num_hidden_layers)),
    )
