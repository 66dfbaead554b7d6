"""BERT with what follows it as ONNX graphs, plain and with its operators fused."""

from __future__ import annotations

from pathlib import Path

import torch
from onnxruntime.transformers import optimizer
from transformers import BertModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class SentenceModel(torch.nn.Module):
    """BERT, the mean over the tokens or [CLS], and length 1."""

    def __init__(self, bert: BertModel, pooling: str = "mean") -> None:
        super().__init__()
        self.bert = bert
        self.pooling = pooling

    def forward(self, input_ids, attention_mask, token_type_ids):
        """3 × [B, S] -> [B, H]."""
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        if self.pooling == "cls":
            return torch.nn.functional.normalize(hidden[:, 0], dim=1)
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def load_bert(folder: Path, attention: str) -> BertModel:
    """The model at float32; `attention` is "eager" (the paper's sums) or "sdpa" (fused)."""
    return BertModel.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, add_pooling_layer=False
    ).eval()


def example() -> dict[str, torch.Tensor]:
    """Two texts, one of them padded."""
    ids = torch.tensor([[101, 2054, 2003, 102], [101, 2054, 102, 0]])
    mask = (ids > 0).long()
    return dict(zip(INPUTS, (ids, mask, torch.zeros_like(ids)), strict=True))


def export(model: torch.nn.Module, path: Path) -> None:
    """The graph of a model of these inputs and one output, of any batch and length."""
    torch.onnx.export(
        model,
        tuple(example().values()),
        path,
        input_names=list(INPUTS),
        output_names=["output"],
        dynamic_axes={
            **{name: {0: "batch", 1: "length"} for name in INPUTS},
            "output": {0: "batch"},
        },
        dynamo=False,
        opset_version=17,
    )


def fuse(path: Path, target: Path, heads: int, hidden: int, layers: int) -> None:
    """The same graph with BERT's fused operators."""
    optimized = optimizer.optimize_model(
        str(path),
        model_type="bert",
        num_heads=heads,
        hidden_size=hidden,
        opt_level=0,  # the rest is done when the graph is loaded
    )
    fused = optimized.get_fused_operator_statistics()
    if fused["Attention"] != layers:
        raise SystemExit(f"onnxruntime.transformers fused only {fused}")
    optimized.save_model_to_file(str(target))
