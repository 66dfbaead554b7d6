"""A small model of each family, with its classifier and without a tokenizer: two layers, random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.build import PREFIXES, classifier_tensors, family_tensors, hidden_size, shrunk
from models.published import bert, bloom, distilbert, mpnet, nomic, t5, xlm_roberta
from safetensors.numpy import save_file

LABELS = {"id2label": {"0": "a", "1": "b", "2": "c"}}

_SHORT = {"max_position_embeddings": 66}
_LONG = {"max_position_embeddings": 302}  # for buckets, the last of which begins at 91 tokens
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
