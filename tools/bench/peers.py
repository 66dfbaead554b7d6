"""One function a runtime: load it, and return what turns a batch of texts into vectors.

Each takes the model's files, the threads that it may use in all, and the lanes: how many Python
threads will call it at once, so that it takes threads // lanes of them for each call. Imports are
inside, since a process loads one runtime only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from batches import MAX_LENGTH, Text

Embed = Callable[[list[Text]], np.ndarray]


@dataclass(frozen=True)
class Files:
    """One model: the folder as published, and the folder that convert.py filled."""

    folder: Path
    converted: Path


@dataclass(frozen=True)
class Peer:
    load: Callable[[Files, int, int], Embed]
    packages: tuple[str, ...]  # what its users install
    batches_itself: bool = False  # takes all texts at once, as its users give them
    tokenizes: bool = False  # looks at the texts, not at their ids


def padded(batch: list[Text]) -> dict[str, np.ndarray]:
    """The three inputs of BERT: int64 [B, S] each."""
    lengths = np.array([len(text.input_ids) for text in batch])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = np.zeros_like(mask)
    for row, text in zip(ids, batch, strict=True):
        row[: len(text.input_ids)] = text.input_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


class GivenIds:
    """Stands in the place of gtenp's tokenizer and knows each text's ids already."""

    def __init__(self, tokenizer: Any) -> None:
        self.spec = tokenizer.spec
        self.ids: dict[str, list[int]] = {}

    def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
        return {"input_ids": [self.ids[text] for text in texts]}


def gtenp_from_text(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """gtenp as its users call it."""
    from gtenp import Embedder

    embedder = Embedder(files.folder, threads=threads)
    embedder.max_seq_length = MAX_LENGTH
    return lambda texts: embedder.encode([t.text for t in texts], truncate="silent")


def gtenp(
    files: Files,
    threads: int,
    lanes: int,  # noqa: ARG001
    pooling: str | None = None,
    **options: bool,
) -> Embed:
    """gtenp after its tokenizer: most of the others take ids, so it is given them too."""
    from gtenp import Embedder
    from gtenp.model_files.sentence_config import Pooling

    embedder = Embedder(files.folder, threads=threads)
    embedder.max_seq_length = MAX_LENGTH
    if pooling is not None:  # another one than the model's own
        config = replace(embedder.sentence_config, pooling=Pooling((pooling,)))
        embedder.sentence_config = config
    given = embedder.tokenizer = GivenIds(embedder.tokenizer)

    def embed(texts: list[Text]) -> np.ndarray:
        given.ids = dict(texts)
        return embedder.encode([t.text for t in texts], **options)

    return embed


def gtenp_batch_invariant(files: Files, threads: int, lanes: int) -> Embed:
    """… with vectors that are the same to the last bit in any company."""
    return gtenp(files, threads, lanes, batch_invariant=True)


def onnxruntime(
    files: Files, threads: int, lanes: int, graph: str = "model", inputs: Any = padded
) -> Embed:
    """ONNX Runtime's CPU provider with all of its own optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads // lanes
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        files.converted / f"{graph}.onnx", options, providers=["CPUExecutionProvider"]
    )
    return lambda batch: session.run(None, inputs(batch))[0]


def onnxruntime_optimized(files: Files, threads: int, lanes: int) -> Embed:
    """… on the graph with BERT's fused operators."""
    return onnxruntime(files, threads, lanes, "optimized")


def onnxruntime_int8(files: Files, threads: int, lanes: int) -> Embed:
    """… with int8 weights and activations quantised as they come."""
    return onnxruntime(files, threads, lanes, "int8")


def openvino_bf16(files: Files, threads: int, lanes: int, **settings: str) -> Embed:
    """OpenVINO as it comes: bfloat16 where the CPU has it."""
    import openvino

    settings |= {
        "PERFORMANCE_HINT": "LATENCY" if lanes == 1 else "THROUGHPUT",
        "INFERENCE_NUM_THREADS": str(threads),
        "NUM_STREAMS": str(lanes),
    }
    compiled = openvino.Core().compile_model(files.converted / "openvino.xml", "CPU", settings)
    own = threading.local()  # a request serves one thread

    def embed(batch: list[Text]) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return own.request.infer(padded(batch), share_inputs=True)[0]

    return embed


def openvino(files: Files, threads: int, lanes: int) -> Embed:
    """OpenVINO held to float32."""
    return openvino_bf16(files, threads, lanes, INFERENCE_PRECISION_HINT="f32")


def ctranslate2(files: Files, threads: int, lanes: int) -> Embed:
    """CTranslate2's encoder; the mean is NumPy's."""
    import ctranslate2

    encoder = ctranslate2.Encoder(
        str(files.converted / "ctranslate2"),
        device="cpu",
        compute_type="float32",
        inter_threads=lanes,
        intra_threads=threads // lanes,
    )

    def embed(batch: list[Text]) -> np.ndarray:
        output = encoder.forward_batch([text.input_ids for text in batch])
        hidden = np.array(output.last_hidden_state)
        mask = padded(batch)["attention_mask"].astype(np.float32)
        sums = np.matmul(mask[:, None, :], hidden)[:, 0]
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    return embed


def transformers(files: Files, threads: int, lanes: int) -> Embed:
    """transformers on torch, its fused attention, batches sorted by length."""
    import torch
    from onnx_graphs import SentenceModel, load_bert

    model = SentenceModel(load_bert(files.folder, "sdpa"))

    def embed(batch: list[Text]) -> np.ndarray:
        torch.set_num_threads(threads // lanes)  # OpenMP keeps it for each calling thread
        with torch.inference_mode():
            return model(**{k: torch.from_numpy(v) for k, v in padded(batch).items()}).numpy()

    return embed


def sentence_transformers(files: Files, threads: int, lanes: int) -> Embed:
    """sentence-transformers as its users call it: texts in, its own batches of 32."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads // lanes)
    # float32 said aloud: a float16 file would otherwise be computed in float16, and slowly.
    model = SentenceTransformer(str(files.folder), device="cpu", model_kwargs={"dtype": "float32"})
    model.max_seq_length = MAX_LENGTH
    return lambda texts: model.encode([text.text for text in texts])


def reference(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """gtenp's reference/bert.py in float64: what all others are compared with."""
    from gtenp import reference
    from gtenp.model_files.checkpoint import astype
    from gtenp.model_files.model import load_weights, read_config

    config = read_config(files.folder)
    weights = astype(load_weights(files.folder, config), np.float64)

    def embed(batch: list[Text]) -> np.ndarray:
        means = []
        for text in batch:
            trace = reference.forward(weights, config, np.array(text.input_ids))
            means.append(trace.hidden_states[-1].mean(axis=0))
        return np.stack(means) / np.linalg.norm(means, axis=1, keepdims=True)

    return embed


def limit(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """The matrix products of the forward pass and nothing else, at NumPy's speed: what is left
    when all the rest of the model costs no time. Its vectors mean nothing.
    """
    from gtenp.measure.speed import MatrixProducts
    from gtenp.model_files.model import read_config

    config = read_config(files.folder)
    products = MatrixProducts(config)

    def embed(batch: list[Text]) -> np.ndarray:
        products([len(text.input_ids) for text in batch])
        return np.zeros((len(batch), config.hidden_size), np.float32)

    return embed


PEERS = {
    "gtenp": Peer(gtenp, ("gtenp",), batches_itself=True),
    "gtenp batch-invariant": Peer(gtenp_batch_invariant, ("gtenp",), batches_itself=True),
    "gtenp from text": Peer(gtenp_from_text, ("gtenp",), batches_itself=True, tokenizes=True),
    "onnxruntime": Peer(onnxruntime, ("onnxruntime", "tokenizers")),
    "onnxruntime optimised": Peer(onnxruntime_optimized, ("onnxruntime", "tokenizers")),
    "onnxruntime int8": Peer(onnxruntime_int8, ("onnxruntime", "tokenizers")),
    "openvino": Peer(openvino, ("openvino", "tokenizers")),
    "openvino bf16": Peer(openvino_bf16, ("openvino", "tokenizers")),
    "ctranslate2": Peer(ctranslate2, ("ctranslate2", "tokenizers")),
    "transformers": Peer(transformers, ("transformers", "torch")),
    "sentence-transformers": Peer(
        sentence_transformers, ("sentence-transformers",), batches_itself=True, tokenizes=True
    ),
    "limit": Peer(limit, ()),
    "reference": Peer(reference, (), batches_itself=True),
}
