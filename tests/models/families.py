"""A small model of each family, with its classifier and without a tokenizer: two layers, random."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.build import PREFIXES, classifier_tensors, family_tensors, hidden_size, shrunk
from models.published import bert, distilbert, xlm_roberta
from safetensors.numpy import save_file

LABELS = {"id2label": {"0": "a", "1": "b", "2": "c"}}

_SHORT = {"max_position_embeddings": 66}
FAMILIES: list[dict[str, Any]] = [
    shrunk({**config, **_SHORT, **LABELS}, 116)
    for config in (
        bert(384, 2, architectures=["BertForSequenceClassification"]),
        distilbert(2, architectures=["DistilBertForSequenceClassification"]),
        xlm_roberta(384, 2, architectures=["XLMRobertaForSequenceClassification"]),
        xlm_roberta(
            384,
            2,
            model_type="roberta",
            architectures=["RobertaForSequenceClassification"],
            pad_token_id=3,
        ),
        xlm_roberta(
            384, 2, model_type="camembert", architectures=["CamembertForSequenceClassification"]
        ),
    )
]


def write_family(folder: Path, config: dict[str, Any]) -> Path:
    """config.json and model.safetensors."""
    model_type, seed = config["model_type"], sum(config["model_type"].encode())
    prefix = PREFIXES.get(model_type, "roberta.")
    tensors = {f"{prefix}{name}": t for name, t in family_tensors(config, seed).items()}
    tensors |= classifier_tensors(model_type, hidden_size(config), 3, seed)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder
