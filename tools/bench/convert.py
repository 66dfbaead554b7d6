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
from onnx_graphs import SentenceModel, example, export, fuse, load_bert
from onnxruntime.quantization import QuantType, quantize_dynamic


def to_onnx(folder: Path, target: Path) -> None:
    """model.onnx, optimized.onnx with BERT's fused operators, and int8.onnx."""
    bert = load_bert(folder, "eager")  # the form whose pattern the optimizer knows
    export(SentenceModel(bert), target / "model.onnx")
    config = bert.config
    sizes = (config.num_attention_heads, config.hidden_size, config.num_hidden_layers)
    fuse(target / "model.onnx", target / "optimized.onnx", *sizes)
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
