"""The model run by gtenp, by transformers and by onnxruntime, for the values that all three show.

These are the embeddings, each layer's output and what pooling makes of the last; of a cross-encoder
its logits and scores. All three are given the same tokens, one text at a time, and compute in
float32. transformers with torch, and onnxruntime, are imported only here and only when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp.cross_encoder import CrossEncoder
from gtenp.engine.batch import pack
from gtenp.engine.pooling import classify, pool
from gtenp.errors import InputError, MissingPackageError
from gtenp.verify.trace import HEAD_ACTIVATIONS, head_names, last_states, sentence_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.verify.trace import Array, Values


def run_gtenp(
    embedder: Embedder | CrossEncoder,
    input_ids: Sequence[Int],
    token_type_ids: Sequence[Int] | None = None,
) -> list[Values]:
    """Each text through the model's own float32 encoder; ``token_type_ids`` default to 0."""
    texts = []
    for ids, types in zip(input_ids, token_type_ids or _zeros(input_ids), strict=True):
        batch = pack([ids.tolist()], [types.tolist()], embedder.config.arithmetic)
        texts.append(_values(embedder, list(embedder.encoder.hidden_states(batch))))
    return texts


def _zeros(input_ids: Sequence[Int]) -> list[Int]:
    return [np.zeros_like(ids) for ids in input_ids]


def run_transformers(
    embedder: Embedder | CrossEncoder,
    input_ids: Sequence[Int],
    token_type_ids: Sequence[Int] | None = None,
) -> list[Values]:
    """Each text through transformers' own model in eager attention, the arithmetic of the paper."""
    try:
        import torch
        from transformers import AutoModel, AutoModelForSequenceClassification
        from transformers.utils import logging
    except ImportError as error:
        raise MissingPackageError(
            f"--transformers runs torch and transformers, and {error.name} is not installed here: "
            "pip install torch transformers"
        ) from error
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    scores = isinstance(embedder, CrossEncoder)
    kind = AutoModelForSequenceClassification if scores else AutoModel
    try:
        model = kind.from_pretrained(
            embedder.transformer_folder,
            dtype=torch.float32,
            attn_implementation="eager",
            local_files_only=True,
        ).eval()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{embedder.transformer_folder}: transformers can't load it: {error}"
        ) from error
    texts = []
    with torch.no_grad():
        for ids, types in zip(input_ids, token_type_ids or _zeros(input_ids), strict=True):
            feed = {"input_ids": torch.from_numpy(ids[None])}
            if types.any():
                feed["token_type_ids"] = torch.from_numpy(types[None])
            out = model(**feed, output_hidden_states=True)
            logits = out.logits[0].numpy() if scores else None
            states = [state[0].numpy() for state in out.hidden_states]
            texts.append(_values(embedder, states, logits))
    return texts


def run_onnx(
    embedder: Embedder | CrossEncoder, input_ids: Sequence[Int], path: Path
) -> list[Values]:
    """Each text through an ONNX file of the model.

    The layers' outputs are those of its layer norms, which are made outputs of the graph.
    InputError where the file is not this model, and for a cross-encoder.
    """
    if isinstance(embedder, CrossEncoder):
        raise InputError(
            "--onnx runs models that give vectors; write a cross-encoder's values to a file"
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingPackageError(
            "--onnx runs onnxruntime, which is not installed here: pip install onnxruntime"
        ) from error
    content = path.read_bytes()
    layers = embedder.config.num_hidden_layers
    try:
        norms = layer_norms(content)
        if len(norms) != 2 * layers + 1:
            raise InputError(
                f"{path}: has {len(norms)} layer norms; a BERT of {layers} layers has "
                f"{2 * layers + 1}: name the --model that it was made of"
            )
        wanted = norms[::2]  # after the embeddings, then after each layer's feed-forward network
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(path.resolve().parent)
        )
        session = onnxruntime.InferenceSession(
            with_outputs(content, wanted), options, providers=["CPUExecutionProvider"]
        )
        texts = []
        for ids in input_ids:
            known = {
                "input_ids": ids[None],
                "attention_mask": np.ones_like(ids[None]),
                "token_type_ids": np.zeros_like(ids[None]),
            }
            feed = {i.name: known[i.name] for i in session.get_inputs()}
            texts.append(_values(embedder, [out[0] for out in session.run(wanted, feed)]))
        return texts
    except InputError:
        raise
    except Exception as error:  # onnxruntime's errors have no common base
        raise InputError(f"{path}: onnxruntime can't run it as BERT: {error}") from error


def _values(
    embedder: Embedder | CrossEncoder, hidden_states: Sequence[Array], logits: Array | None = None
) -> Values:
    """L + 1 times [S, H] under their names, and the vectors that pooling makes of the last, or a
    cross-encoder's logits, gtenp's where none are given, and its scores.
    """
    names = ["embeddings.output"]
    names += [f"layer.{n}.output" for n in range(embedder.config.num_hidden_layers - 1)]
    names += [last_states(embedder.config)]
    values = dict(zip(names, hidden_states, strict=True))
    if isinstance(embedder, CrossEncoder):
        if logits is None:
            last = hidden_states[-1]
            pooled = pool(last, np.array([0, len(last)]), embedder.pooling)
            eps = embedder.config.layer_norm_eps
            logits = classify(pooled, embedder.classifier, eps)[0]
        scores = HEAD_ACTIVATIONS[embedder.activation](logits)
        return {**values, "logits": logits, "scores": scores}
    heads = tuple(zip(head_names(embedder.sentence_config), embedder.heads, strict=True))
    return values | sentence_values(hidden_states[-1], embedder.sentence_config.pooling, heads)


# ── Just enough of ONNX ──────────────────────────────────────────────────────────────────────────
# A model is a protocol buffer (protobuf.dev/programming-guides/encoding): field numbers and bytes.
# The numbers below are those of github.com/onnx/onnx/blob/main/onnx/onnx.proto.

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_OUTPUT = 1, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE = 1, 2, 4
_VALUE_NAME = 1

_FUSED = {"LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization"}


class _Node(NamedTuple):
    op_type: str
    inputs: list[str]
    outputs: list[str]


def layer_norms(model: bytes) -> list[str]:
    """The names of the layer norms' results, in the order of the graph.

    A layer norm is one node, or the end of … Sqrt → Div → Mul → Add.
    """
    graph = next(value for field, value in _fields(memoryview(model)) if field == _MODEL_GRAPH)
    nodes = [_node(value) for field, value in _fields(graph) if field == _GRAPH_NODE]
    maker = {name: node for node in nodes for name in node.outputs}

    def ends(node: _Node, *op_types: str) -> bool:
        """Whether the node ends a chain of these, last first."""
        if node.op_type != op_types[0]:
            return False
        before = [maker[name] for name in node.inputs if name in maker]
        return len(op_types) == 1 or any(ends(one, *op_types[1:]) for one in before)

    return [
        node.outputs[0]
        for node in nodes
        if node.op_type in _FUSED or ends(node, "Add", "Mul", "Div", "Sqrt")
    ]


def with_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """The model with more outputs. Two messages one behind the other are one, merged."""
    outputs = b"".join(
        _field(_GRAPH_OUTPUT, _field(_VALUE_NAME, name.encode()))
        for name in names
        if name not in _outputs(model)
    )
    return model + _field(_MODEL_GRAPH, outputs)


def _outputs(model: bytes) -> set[str]:
    """The names of the graph's outputs."""
    graph = next(value for field, value in _fields(memoryview(model)) if field == _MODEL_GRAPH)
    return {
        bytes(value).decode()
        for field, output in _fields(graph)
        if field == _GRAPH_OUTPUT
        for inner, value in _fields(output)
        if inner == _VALUE_NAME
    }


def _node(message: memoryview) -> _Node:
    parts: dict[int, list[str]] = {_NODE_INPUT: [], _NODE_OUTPUT: [], _NODE_OP_TYPE: []}
    for field, value in _fields(message):
        if field in parts:
            parts[field].append(bytes(value).decode())
    return _Node(parts[_NODE_OP_TYPE][0], parts[_NODE_INPUT], parts[_NODE_OUTPUT])


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Each field's number and, for those that have a length, its bytes.

    >>> [(field, bytes(value)) for field, value in _fields(memoryview(_field(7, b"graph")))]
    [(7, b'graph')]
    """
    place = 0

    def varint() -> int:
        nonlocal place
        number = shift = 0
        while True:
            byte = message[place]
            place += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while place < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
        else:
            length = {1: 8, 5: 4}.get(kind) or varint()
            yield key >> 3, message[place : place + length]
            place += length


def _field(number: int, content: bytes) -> bytes:
    """A field with its length: the way back."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    r"""Seven bits a byte, the lowest first, a high bit on all but the last.

    >>> _varint(300)
    b'\xac\x02'
    """
    more, last = [], number
    while last >= 0x80:
        more.append(last & 0x7F | 0x80)
        last >>= 7
    return bytes([*more, last])
