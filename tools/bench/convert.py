"""Write a model folder's weights in each runtime's own format.

usage: python tools/bench/convert.py MODEL_FOLDER TARGET_FOLDER

Mean pooling and normalisation are part of the ONNX and OpenVINO graphs: no runtime has to hand
its hidden states over to NumPy. ctranslate2 knows no such thing, so peers.py pools for it.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import ctranslate2
import openvino
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from transformers import BertModel

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class SentenceModel(torch.nn.Module):
    """BERT, the mean over the tokens, and length 1."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        """3 × [B, S] -> [B, H]."""
        hidden = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
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


def to_onnx(folder: Path, target: Path) -> None:
    """model.onnx, optimized.onnx with BERT's fused operators, and int8.onnx."""
    bert = load_bert(folder, "eager")  # the form whose pattern the optimizer knows
    torch.onnx.export(
        SentenceModel(bert),
        tuple(example().values()),
        target / "model.onnx",
        input_names=list(INPUTS),
        output_names=["embeddings"],
        dynamic_axes={
            **{name: {0: "batch", 1: "length"} for name in INPUTS},
            "embeddings": {0: "batch"},
        },
        dynamo=False,
        opset_version=17,
    )
    optimized = optimizer.optimize_model(
        str(target / "model.onnx"),
        model_type="bert",
        num_heads=bert.config.num_attention_heads,
        hidden_size=bert.config.hidden_size,
        opt_level=0,  # the rest is done when the graph is loaded
    )
    fused = optimized.get_fused_operator_statistics()
    if fused["Attention"] != bert.config.num_hidden_layers:
        raise SystemExit(f"onnxruntime.transformers fused only {fused}")
    optimized.save_model_to_file(str(target / "optimized.onnx"))
    # From the plain graph: quantised with its fused operators it is a tenth slower.
    quantize_dynamic(target / "model.onnx", target / "int8.onnx", weight_type=QuantType.QInt8)


def to_openvino(folder: Path, target: Path) -> None:
    """openvino.xml and openvino.bin, weights at float32."""
    model = SentenceModel(load_bert(folder, "sdpa"))  # which OpenVINO knows as one operation
    converted = openvino.convert_model(model, example_input=example())
    openvino.save_model(converted, target / "openvino.xml", compress_to_fp16=False)


def to_ctranslate2(folder: Path, target: Path) -> None:
    """ctranslate2/, by its own converter, from a copy whose config.json says what it asks for."""
    copy = target / "for-ctranslate2"
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    config = json.loads((copy / "config.json").read_text())
    config["position_embedding_type"] = "absolute"
    (copy / "config.json").write_text(json.dumps(config))
    converter = ctranslate2.converters.TransformersConverter(str(copy))
    converter.convert(str(target / "ctranslate2"), quantization="float32", force=True)
    shutil.rmtree(copy)


if __name__ == "__main__":
    source, destination = map(Path, sys.argv[1:])
    destination.mkdir(parents=True, exist_ok=True)
    for convert in (to_onnx, to_openvino, to_ctranslate2):
        convert(source, destination)
