"""Write a cross-encoder's graphs, and those of its encoder with mean and with cls pooling.

usage: python tools/bench/convert_reranker.py RERANKER_FOLDER TARGET_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from onnx_graphs import SentenceModel, export, fuse, load_bert
from transformers import BertForSequenceClassification


class Reranker(torch.nn.Module):
    """A cross-encoder's logits: 3 × [B, S] -> [B, 1]."""

    def __init__(self, model: BertForSequenceClassification) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).logits


def convert(folder: Path, target: Path) -> None:
    """reranker.onnx, cls.onnx and mean.onnx, and each of them fused."""
    bert = load_bert(folder, "eager")  # the form whose pattern the optimizer knows
    reranker = BertForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    sizes = (
        bert.config.num_attention_heads, bert.config.hidden_size, bert.config.num_hidden_layers,
    )  # fmt: skip
    for name, model in {
        "reranker": Reranker(reranker),
        "cls": SentenceModel(bert, "cls"),
        "mean": SentenceModel(bert),
    }.items():
        export(model, target / f"{name}.onnx")
        fuse(target / f"{name}.onnx", target / f"{name}-optimised.onnx", *sizes)


if __name__ == "__main__":
    convert(*map(Path, sys.argv[1:]))
