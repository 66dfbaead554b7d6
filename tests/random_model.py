"""Model folders with seeded random weights that have a trained model's spread.

With weights as they are before training (norms of 1 and 0, biases of 0, tiny products) most
mistakes change nothing that a test could see; these are spread as a trained BERT's are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

GTE_SMALL: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 384,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}

TINY: dict[str, Any] = {
    **GTE_SMALL,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
}

# The mean and the deviation of each kind of tensor.
_SPREAD = {
    "word_embeddings.weight": (0.0, 0.06),
    "position_embeddings.weight": (0.0, 0.03),
    "token_type_embeddings.weight": (0.0, 0.03),
    "LayerNorm.weight": (0.85, 0.15),
    "LayerNorm.bias": (0.0, 0.15),
    "query.bias": (0.0, 0.5),
    "key.bias": (0.0, 0.2),
    "dense.weight": (0.0, 0.05),
    "weight": (0.0, 0.07),  # query, key, value
    "bias": (0.0, 0.1),
}


def random_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Every tensor of the checkpoint, float32. RandomState's stream is frozen across NumPy's
    versions (NEP 19), so a seed means the same weights anywhere.
    """
    random = np.random.RandomState(seed)
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for layer in range(config["num_hidden_layers"]):
        for name, out, into in (
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (out, into)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"encoder.layer.{layer}.{name}.weight"] = (hidden,)
            shapes[f"encoder.layer.{layer}.{name}.bias"] = (hidden,)
    tensors = {}
    for name, shape in shapes.items():
        mean, deviation = next(v for ending, v in _SPREAD.items() if name.endswith(ending))
        tensors[name] = (mean + deviation * random.standard_normal(shape)).astype(np.float32)
    return tensors


def write_model(
    folder: Path,
    config: dict[str, Any],
    seed: int,
    vocabulary: list[str],
    dtype: type[np.floating[Any]] = np.float32,
) -> Path:
    """Write config.json, model.safetensors, vocab.txt and tokenizer_config.json into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.astype(dtype) for name, t in random_tensors(config, seed).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"}) + "\n"
    )
    return folder


def write_sentence_files(folder: Path, max_seq_length: int, dimension: int = 384) -> None:
    """Write what sentence-transformers adds to a folder: mean pooling, then normalisation."""
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": "" if i == 0 else f"{i}_{kind}",
            "type": f"sentence_transformers.models.{kind}",
        }
        for i, kind in enumerate(kinds)
    ]
    (folder / "1_Pooling").mkdir()
    for name, content in {
        "modules.json": modules,
        "1_Pooling/config.json": {
            "word_embedding_dimension": dimension,
            "pooling_mode_mean_tokens": True,
        },
        "sentence_bert_config.json": {"max_seq_length": max_seq_length, "do_lower_case": False},
    }.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")
