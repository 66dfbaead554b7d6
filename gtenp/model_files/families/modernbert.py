"""ModernBERT (Warner 2024, arXiv:2412.13663): BERT with what was learned since.

Rotary positions; norms first, and one more behind the embeddings, so that the first layer has none
before its attention; the feed-forward gated; no biases. In two layers of three a token looks at its
neighbours alone, as in Longformer (Beltagy 2020, arXiv:2004.05150), and turns by another base.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import BertWeights, Classifier, Layer, LayerNorm, Linear
from gtenp.model_files.config import (
    Arithmetic,
    BertConfig,
    num_labels,
    refuse_what_changes_the_arithmetic,
    rotary_base,
    shown,
)

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "model."
ENCODER = r"embeddings\.|layers\.|final_norm\."

# What transformers' code can do otherwise, or leaves unread, and no published model asks for.
_SUPPORTED = {
    "attention_bias": False,
    "mlp_bias": False,
    "norm_bias": False,
    "partial_rotary_factor": 1.0,
    "rope_scaling": None,
}
_MOST_LAYERS = 1000  # whose kinds are told one by one
# A layer's kind, the older name of its θ, and what a missing one means.
_FULL, _LOCAL = "full_attention", "sliding_attention"
_BASES = {_FULL: ("global_rope_theta", 160_000.0), _LOCAL: ("local_rope_theta", 10_000.0)}


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for what no published model
    of the family has. What a missing key means are the defaults of transformers' ModernBertConfig.
    """
    # Published folders state a type of positions, which means nothing.
    positions = ("absolute", "sans_pos")
    refuse_what_changes_the_arithmetic(found, "hidden_activation", positions=positions)
    for key, supported in _SUPPORTED.items():
        found.refuse_all_but(key, supported)
    if any(name.endswith("ForSequenceClassification") for name in found.strings("architectures")):
        found.refuse_all_but("classifier_bias", False)
        found.refuse_all_but("classifier_activation", "gelu")
        found.refuse_others("classifier_pooling", ("cls", "mean"))
    hidden = found.positive_int("hidden_size", 768)
    heads = found.positive_int("num_attention_heads", 12)
    found.refuse_all_but("head_dim", hidden // heads)
    window = found.positive_int("local_attention", 128) // 2
    found.refuse_all_but("sliding_window", window)

    bases = _rotary_bases(found)
    full = Arithmetic(position_table=False, norm_first=True, rotary_base=bases[_FULL], gated=True)
    local = replace(full, rotary_base=bases[_LOCAL], window=window)
    layers = [full if kind == _FULL else local for kind in _kinds(found)]
    layers[0] = replace(layers[0], attention_norm=False)
    return BertConfig(
        vocab_size=found.positive_int("vocab_size", 50368),
        hidden_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=heads,
        intermediate_size=found.positive_int("intermediate_size", 1152),
        max_position_embeddings=found.positive_int("max_position_embeddings", 8192),
        type_vocab_size=1,
        layer_norm_eps=found.positive_float("norm_eps", 1e-5),
        hidden_act=found.get("hidden_activation", "gelu"),
        num_labels=num_labels(found),
        arithmetic=full,
        layer_arithmetics=tuple(layers),
        classifier_pooling=found.get("classifier_pooling", "cls"),
    )


def _rotary_bases(found: JsonObject) -> dict[str, float]:
    """θ of each kind of layer: where transformers reads it, and its older name must not say
    otherwise.
    """
    stated = found.get("rope_parameters")
    stated = {} if stated is None else stated
    if not isinstance(stated, dict) or not stated.keys() <= _BASES.keys():
        raise ModelFileError(
            found.path,
            f"rope_parameters is {shown(stated)}; wanted an object with {' and '.join(_BASES)}",
        )
    bases = {}
    for kind, (older, default) in _BASES.items():
        entry = stated.get(kind)
        other = found.positive_float(older, default)
        bases[kind] = rotary_base(found.path, {} if entry is None else entry, other)
        found.refuse_all_but(older, bases[kind])
    return bases


def _kinds(found: JsonObject) -> list[str]:
    """Each layer's: layer_types, or the first of so many that look at all tokens."""
    count = found.positive_int("num_hidden_layers", 22)
    if count > _MOST_LAYERS:
        raise ModelFileError(
            found.path, f"num_hidden_layers is {count}; wanted {_MOST_LAYERS} at most"
        )
    every = found.positive_int("global_attn_every_n_layers", 3)
    usual = [_LOCAL if number % every else _FULL for number in range(count)]
    stated = found.get("layer_types")
    if stated is None:
        return usual
    if not isinstance(stated, list) or len(stated) != count:
        raise ModelFileError(
            found.path, f"layer_types is {shown(stated)}; wanted one of each of {count} layers"
        )
    if not all(kind in (_FULL, _LOCAL) for kind in stated):
        raise UnsupportedModelError(
            found.path,
            f"layer_types is {shown(stated)}; gtenp knows {_FULL} and {_LOCAL}; pick another model",
        )
    if found.get("global_attn_every_n_layers") is not None and stated != usual:
        raise ModelFileError(
            found.path,
            f"layer_types is {shown(stated)} and global_attn_every_n_layers is {every}, which says "
            "otherwise; leave the right one",
        )
    return stated


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size
    words = found.take("embeddings.tok_embeddings.weight", config.vocab_size, hidden)
    none = np.zeros((1, hidden), words.dtype)

    def parts(name: str, count: int, size_out: int) -> list[Linear]:
        """Products without biases that lie in one matrix."""
        fused = found.linear(name, count * size_out, hidden, bias=False)
        biases = np.split(fused.bias, count)
        return list(map(Linear, np.split(fused.weight, count), biases))

    def norm(name: str) -> LayerNorm:
        return found.norm(name, hidden, bias=False)

    def layer(name: str, arithmetic: Arithmetic) -> Layer:
        query, key, value = parts(f"{name}.attn.Wqkv", 3, hidden)
        first, gate = parts(f"{name}.mlp.Wi", 2, inner)
        has_norm = arithmetic.attention_norm
        return Layer(
            query=query,
            key=key,
            value=value,
            attention_output=found.linear(f"{name}.attn.Wo", hidden, hidden, bias=False),
            attention_norm=norm(f"{name}.attn_norm")
            if has_norm
            else LayerNorm(none[0] + 1, none[0]),
            intermediate=first,  # the activation is taken of the first half
            up=gate,
            output=found.linear(f"{name}.mlp.Wo", hidden, inner, bias=False),
            output_norm=norm(f"{name}.mlp_norm"),
        )

    return BertWeights(
        word_embeddings=words,
        position_embeddings=none,
        token_type_embeddings=none,
        embeddings_norm=norm("embeddings.norm"),
        layers=tuple(
            layer(f"layers.{number}", arithmetic)
            for number, arithmetic in enumerate(config.layer_arithmetics)
        ),
        final_norm=norm("final_norm"),
    )


def read_classifier(found: Tensors, config: BertConfig) -> Classifier:
    """A product, a GELU and a norm, of the first token's state or of the mean of all."""
    hidden = config.hidden_size
    return Classifier(
        dense=found.linear("head.dense", hidden, hidden, bias=False),
        activation="GELU",
        output=found.linear("classifier", config.num_labels, hidden),
        norm=found.norm("head.norm", hidden, bias=False),
    )
