"""Random tensors of the families whose layers are not BERT's, under their own names."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_model import random_tensors

MPNET_NAMES = {
    "attention.self.query": "attention.attn.q",
    "attention.self.key": "attention.attn.k",
    "attention.self.value": "attention.attn.v",
    "attention.output.dense": "attention.attn.o",
    "attention.output.LayerNorm": "attention.LayerNorm",
}


def mpnet_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """BERT's, renamed, and the table of the buckets."""
    tensors = {}
    for name, tensor in random_tensors({**config, "type_vocab_size": 1}, seed).items():
        for bert, ours in MPNET_NAMES.items():
            name = name.replace(bert, ours)
        tensors[name] = tensor
    del tensors["embeddings.token_type_embeddings.weight"]
    random = np.random.RandomState(seed + 9)
    table = random.normal(0, 1, (32, config["num_attention_heads"])).astype(np.float32)
    return {**tensors, "encoder.relative_attention_bias.weight": table}


def t5_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """The encoder's, and a word of the decoder that no embedding depends on."""
    hidden, inner, heads = config["d_model"], config["d_ff"], config["num_heads"]
    width = heads * config["d_kv"]
    shapes = {"shared.weight": (config["vocab_size"], hidden)}
    for i in range(config["num_layers"]):
        attention = f"encoder.block.{i}.layer.0"
        shapes |= {f"{attention}.SelfAttention.{name}.weight": (width, hidden) for name in "qkv"}
        shapes[f"{attention}.SelfAttention.o.weight"] = (hidden, width)
        shapes[f"{attention}.layer_norm.weight"] = (hidden,)
        dense = f"encoder.block.{i}.layer.1"
        gated = config["feed_forward_proj"].startswith("gated")
        for name in ("wi_0", "wi_1") if gated else ("wi",):
            shapes[f"{dense}.DenseReluDense.{name}.weight"] = (inner, hidden)
        shapes[f"{dense}.DenseReluDense.wo.weight"] = (hidden, inner)
        shapes[f"{dense}.layer_norm.weight"] = (hidden,)
    table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    shapes[table] = (config["relative_attention_num_buckets"], heads)
    shapes["encoder.final_layer_norm.weight"] = (hidden,)
    return _filled(shapes, seed)


def bloom_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """All of the decoder's."""
    hidden = config["hidden_size"]
    shapes: dict[str, tuple[int, ...]] = {"word_embeddings.weight": (config["vocab_size"], hidden)}
    norms, linears = ["word_embeddings_layernorm", "ln_f"], {}
    for i in range(config["n_layer"]):
        norms += [f"h.{i}.input_layernorm", f"h.{i}.post_attention_layernorm"]
        linears |= {
            f"h.{i}.self_attention.query_key_value": (3 * hidden, hidden),
            f"h.{i}.self_attention.dense": (hidden, hidden),
            f"h.{i}.mlp.dense_h_to_4h": (4 * hidden, hidden),
            f"h.{i}.mlp.dense_4h_to_h": (hidden, 4 * hidden),
        }
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return _filled(shapes, seed)


def nomic_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """All of the encoder's."""
    hidden, inner = config["n_embd"], config["n_inner"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
    }
    norms = ["emb_ln"]
    for i in range(config["n_layer"]):
        at = f"encoder.layers.{i}"
        norms += [f"{at}.norm1", f"{at}.norm2"]
        shapes |= {
            f"{at}.attn.Wqkv.weight": (3 * hidden, hidden),
            f"{at}.attn.out_proj.weight": (hidden, hidden),
            f"{at}.mlp.fc11.weight": (inner, hidden),
            f"{at}.mlp.fc12.weight": (inner, hidden),
            f"{at}.mlp.fc2.weight": (hidden, inner),
        }
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    return _filled(shapes, seed)


def modernbert_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """All of the encoder's, which has no biases."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.tok_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.norm.weight": (hidden,),
        "final_norm.weight": (hidden,),
    }
    for i in range(config["num_hidden_layers"]):
        shapes |= {
            f"layers.{i}.attn.Wqkv.weight": (3 * hidden, hidden),
            f"layers.{i}.attn.Wo.weight": (hidden, hidden),
            f"layers.{i}.attn_norm.weight": (hidden,),
            f"layers.{i}.mlp.Wi.weight": (2 * inner, hidden),
            f"layers.{i}.mlp.Wo.weight": (hidden, inner),
            f"layers.{i}.mlp_norm.weight": (hidden,),
        }
    del shapes["layers.0.attn_norm.weight"]
    return _filled(shapes, seed)


def gte_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """All of the encoder's: biases everywhere but in the gated products."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden)
    }
    if config["type_vocab_size"]:
        types = (config["type_vocab_size"], hidden)
        shapes["embeddings.token_type_embeddings.weight"] = types
    norms, linears = ["embeddings.LayerNorm"], {}
    for i in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{i}"
        norms += [f"{at}.attn_ln", f"{at}.mlp_ln"]
        linears |= {
            f"{at}.attention.qkv_proj": (3 * hidden, hidden),
            f"{at}.attention.o_proj": (hidden, hidden),
            f"{at}.mlp.down_proj": (hidden, inner),
        }
        shapes[f"{at}.mlp.up_gate_proj.weight"] = (2 * inner, hidden)
    for name in norms:
        shapes |= {f"{name}.weight": (hidden,), f"{name}.bias": (hidden,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return _filled(shapes, seed)


def _filled(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    """Norms near 1, biases and all else spread, so that no mistake passes unseen."""
    random = np.random.RandomState(seed)

    def fill(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if any(norm in name for norm in ("norm", "Norm", "ln_f", "_ln")):
            mean, deviation = (0.85, 0.15) if name.endswith("weight") else (0.0, 0.15)
        elif name.endswith("relative_attention_bias.weight"):
            mean, deviation = 0.0, 1.0
        else:
            # Not so wide that a wide model's softmax chooses one token, which any rounding changes.
            mean, deviation = 0.0, min(0.15, shape[-1] ** -0.5)
        return (mean + deviation * random.standard_normal(shape)).astype(np.float32)

    return {name: fill(name, shape) for name, shape in shapes.items()}
