"""A small model of each family, with its classifier, without a tokenizer: a few random layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.build import PREFIXES, classifier_tensors, family_tensors, hidden_size, shrunk
from models.published import (
    bert,
    bloom,
    distilbert,
    gte,
    modernbert,
    mpnet,
    nomic,
    t5,
    xlm_roberta,
)
from safetensors.numpy import save_file

LABELS = {"id2label": {"0": "a", "1": "b", "2": "c"}}

_SHORT = {"max_position_embeddings": 66}
_LONG = {"max_position_embeddings": 302}  # for buckets, the last of which begins at 91 tokens
_MODERNBERT = {
    "architectures": ["ModernBertForSequenceClassification"],
    "num_attention_heads": 3,
    "num_hidden_layers": 4,
    "pad_token_id": 0,
}
FAMILIES: dict[str, dict[str, Any]] = {
    name: shrunk({**LABELS, **config}, 116)
    for name, config in {
        "bert": {**bert(384, 2, architectures=["BertForSequenceClassification"]), **_SHORT},
        "distilbert": {
            **distilbert(2, architectures=["DistilBertForSequenceClassification"]),
            **_SHORT,
        },
        "xlm-roberta": {
            **xlm_roberta(384, 2, architectures=["XLMRobertaForSequenceClassification"]),
            **_SHORT,
        },
        "roberta": xlm_roberta(
            384,
            2,
            model_type="roberta",
            architectures=["RobertaForSequenceClassification"],
            pad_token_id=3,
            **_SHORT,
        ),
        "camembert": xlm_roberta(
            384,
            2,
            model_type="camembert",
            architectures=["CamembertForSequenceClassification"],
            **_SHORT,
        ),
        "mpnet": mpnet(architectures=["MPNetForSequenceClassification"], **_LONG),
        "t5": t5(384, 2, d_kv=128),  # heads wider together than the states
        "t5-gated": t5(
            384,
            2,
            feed_forward_proj="gated-gelu",
            relative_attention_num_buckets=16,
            relative_attention_max_distance=64,
        ),
        "bloom": bloom(384, 2, 6),
        "nomic": nomic(384, 2),
        "gte": gte(384, 2, 8.0, 20000, architectures=["NewForSequenceClassification"]),
        # As transformers writes it, without code of its own.
        "gte-newer": {
            key: value
            for key, value in gte(
                384,
                2,
                8.0,
                20000,
                architectures=["GteForSequenceClassification"],
                model_type="gte",
                rope_parameters={"rope_type": "linear", "rope_theta": 9e4, "factor": 1.25},
                type_vocab_size=2,
            ).items()
            if key not in ("auto_map", "rope_scaling", "rope_theta")
        },
        "modernbert": modernbert(**_MODERNBERT),
        # As transformers 5 writes it, and with layers of its own choice: the last one is local.
        "modernbert-newer": {
            key: value
            for key, value in modernbert(
                **_MODERNBERT,
                classifier_pooling="cls",
                layer_types=["full_attention", *["sliding_attention"] * 3],
                local_attention=11,
                rope_parameters={
                    "full_attention": {"rope_theta": 80000.0, "rope_type": "default"},
                    "sliding_attention": {"rope_theta": 20000.0, "rope_type": "default"},
                },
            ).items()
            if not key.startswith(("global_", "local_rope"))
        },
    }.items()
}


def has_classifier(config: dict[str, Any]) -> bool:
    """Whether cross-encoders of the family are known."""
    (name,) = config["architectures"]
    return name.endswith("ForSequenceClassification")


def write_family(folder: Path, config: dict[str, Any]) -> Path:
    """config.json and model.safetensors."""
    model_type, seed = config["model_type"], sum(config["model_type"].encode())
    prefix = PREFIXES.get(model_type, "roberta.")
    tensors = {f"{prefix}{name}": t for name, t in family_tensors(config, seed).items()}
    if has_classifier(config):
        tensors |= classifier_tensors(model_type, hidden_size(config), 3, seed)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder
