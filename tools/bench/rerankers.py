"""The runtimes as rerankers, and with cls pooling: what gains by computing less in the last layer.

Each is called as those of peers.py are. A text here is a query and a document.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import peers
from batches import Text, pair_of
from peers import Embed, Files, Peer, gtenp, padded

SEP = 102


def pairs_padded(batch: list[Text]) -> dict[str, np.ndarray]:
    """The three inputs of BERT with the types of pairs: int64 [B, S] each."""
    inputs = padded(batch)
    separators = inputs["input_ids"] == SEP
    second = np.cumsum(separators, axis=1) - separators > 0  # behind the first [SEP]
    return {**inputs, "token_type_ids": (second & (inputs["attention_mask"] > 0)).astype(np.int64)}


class GivenPairs:
    """Stands in the place of gtenp's tokenizer and knows each pair's tokens already."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[list[int], list[int]]] = {}

    def learn(self, texts: list[Text]) -> None:
        types = pairs_padded(texts)["token_type_ids"]
        for text, row in zip(texts, types, strict=True):
            size = len(text.input_ids)
            self.rows[pair_of(text)] = text.input_ids, row[:size].tolist()

    def __call__(self, first: list[str], second: list[str], **_: object) -> dict[str, Any]:
        rows = [self.rows[pair] for pair in zip(first, second, strict=True)]
        return {"input_ids": [ids for ids, _ in rows], "token_type_ids": [t for _, t in rows]}


def gtenp_from_text(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """gtenp as its users call it."""
    from gtenp import CrossEncoder

    encoder = CrossEncoder(files.folder, threads=threads)
    return lambda texts: encoder.predict([pair_of(text) for text in texts])[:, None]


def gtenp_reranker(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """gtenp after its tokenizer, as onnxruntime is given ids."""
    from gtenp import CrossEncoder

    encoder = CrossEncoder(files.folder, threads=threads)
    given = encoder.tokenizer = GivenPairs()

    def score(texts: list[Text]) -> np.ndarray:
        if any(pair_of(text) not in given.rows for text in texts):
            given.learn(texts)
        return encoder.predict([pair_of(text) for text in texts])[:, None]

    return score


def sentence_transformers(files: Files, threads: int, lanes: int) -> Embed:
    """sentence-transformers' CrossEncoder as its users call it."""
    import torch
    from sentence_transformers import CrossEncoder

    torch.set_num_threads(threads // lanes)
    encoder = CrossEncoder(str(files.folder), device="cpu", model_kwargs={"dtype": "float32"})
    return lambda texts: encoder.predict([pair_of(text) for text in texts])[:, None]


def onnxruntime(files: Files, threads: int, lanes: int, graph: str = "reranker") -> Embed:
    """ONNX Runtime as peers.py sets it up, on pairs."""
    return peers.onnxruntime(files, threads, lanes, graph, pairs_padded)


def onnxruntime_optimised(files: Files, threads: int, lanes: int) -> Embed:
    """… on the graph with BERT's fused operators."""
    return onnxruntime(files, threads, lanes, "reranker-optimised")


def onnxruntime_cls(files: Files, threads: int, lanes: int) -> Embed:
    """… of cls pooling."""
    return peers.onnxruntime(files, threads, lanes, "cls-optimised")


def onnxruntime_mean(files: Files, threads: int, lanes: int) -> Embed:
    """… of mean pooling."""
    return peers.onnxruntime(files, threads, lanes, "mean-optimised")


def reference(files: Files, threads: int, lanes: int) -> Embed:  # noqa: ARG001
    """gtenp's reference in float64: what the others' scores are compared with."""
    from gtenp.model_files.checkpoint import astype
    from gtenp.model_files.model import load_classifier, load_weights, read_config
    from gtenp.reference import variations

    config = read_config(files.folder)
    weights = astype(load_weights(files.folder, config), np.float64)
    classifier = astype(load_classifier(files.folder, config), np.float64)

    def score(batch: list[Text]) -> np.ndarray:
        types = pairs_padded(batch)["token_type_ids"]
        scores = []
        for text, row in zip(batch, types, strict=True):
            ids = np.array(text.input_ids)
            trace = variations.forward(weights, config, ids, row[: len(ids)])
            scores.append(variations.classify(trace.hidden_states[-1], classifier, config))
        return np.stack(scores)

    return score


_ONNXRUNTIME = ("onnxruntime", "tokenizers")
RERANKERS = {
    "gtenp reranker": Peer(gtenp_reranker, ("gtenp",), batches_itself=True),
    "gtenp reranker from text": Peer(
        gtenp_from_text, ("gtenp",), batches_itself=True, tokenizes=True
    ),
    "onnxruntime reranker": Peer(onnxruntime, _ONNXRUNTIME),
    "onnxruntime reranker optimised": Peer(onnxruntime_optimised, _ONNXRUNTIME),
    "sentence-transformers CrossEncoder": Peer(
        sentence_transformers, ("sentence-transformers",), batches_itself=True, tokenizes=True
    ),
}
POOLINGS = {
    "gtenp cls": Peer(partial(gtenp, pooling="cls"), ("gtenp",), batches_itself=True),
    "gtenp mean": Peer(partial(gtenp, pooling="mean"), ("gtenp",), batches_itself=True),
    "onnxruntime cls": Peer(onnxruntime_cls, _ONNXRUNTIME),
    "onnxruntime mean": Peer(onnxruntime_mean, _ONNXRUNTIME),
}
REFERENCE = {"reranker reference": Peer(reference, (), batches_itself=True)}
