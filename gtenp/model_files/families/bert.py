"""BERT (Devlin 2018, arXiv:1810.04805): what all others are told apart from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gtenp.model_files.checkpoint import BertWeights, Classifier, Layer
from gtenp.model_files.config import BertConfig, num_labels, refuse_what_changes_the_arithmetic

if TYPE_CHECKING:
    from gtenp.model_files.checkpoint import Tensors
    from gtenp.model_files.config import JsonObject

PREFIX = "bert."  # before the encoder's names where a head was trained on top
ENCODER = r"encoder\.|embeddings\."

# What a missing key means: the defaults of transformers' BertConfig, those of bert-base-uncased.
# A null is refused, as it is there.
_SIZES = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}


def read_config(found: JsonObject) -> BertConfig:
    """Raises ModelFileError for a wrong value, UnsupportedModelError for another activation or
    position scheme than gtenp computes.
    """
    refuse_what_changes_the_arithmetic(found)
    sizes: dict[str, Any] = {
        key: found.positive_int(key, default) for key, default in _SIZES.items()
    }
    return BertConfig(
        **sizes,
        layer_norm_eps=found.positive_float("layer_norm_eps", 1e-12),
        hidden_act=found.get("hidden_act", "gelu"),
        num_labels=num_labels(found),
    )


def read_weights(found: Tensors, config: BertConfig) -> BertWeights:
    """The encoder's tensors, each by its name and its shape."""
    hidden, inner = config.hidden_size, config.intermediate_size

    def layer(name: str) -> Layer:
        return Layer(
            query=found.linear(f"{name}.attention.self.query", hidden, hidden),
            key=found.linear(f"{name}.attention.self.key", hidden, hidden),
            value=found.linear(f"{name}.attention.self.value", hidden, hidden),
            attention_output=found.linear(f"{name}.attention.output.dense", hidden, hidden),
            attention_norm=found.norm(f"{name}.attention.output.LayerNorm", hidden),
            intermediate=found.linear(f"{name}.intermediate.dense", inner, hidden),
            output=found.linear(f"{name}.output.dense", hidden, inner),
            output_norm=found.norm(f"{name}.output.LayerNorm", hidden),
        )

    return BertWeights(
        word_embeddings=found.take("embeddings.word_embeddings.weight", config.vocab_size, hidden),
        position_embeddings=found.take(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, hidden
        ),
        token_type_embeddings=found.take(
            "embeddings.token_type_embeddings.weight", config.type_vocab_size, hidden
        ),
        embeddings_norm=found.norm("embeddings.LayerNorm", hidden),
        layers=tuple(layer(f"encoder.layer.{i}") for i in range(config.num_hidden_layers)),
    )


def read_classifier(found: Tensors, config: BertConfig) -> Classifier:
    """The pooler, tanh, and the scores' product."""
    hidden = config.hidden_size
    return Classifier(
        dense=found.linear("pooler.dense", hidden, hidden),
        activation="Tanh",
        output=found.linear("classifier", config.num_labels, hidden),
    )
