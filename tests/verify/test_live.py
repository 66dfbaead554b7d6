"""The part that needs torch and onnxruntime runs in `make parity`, where they are."""

import warnings

import numpy as np
import pytest
from models.build import build
from models.published import CROSS_ENCODERS, MULTILINGUAL_RERANKERS
from places import DATA

from gtenp import CrossEncoder, Embedder
from gtenp.errors import InputError
from gtenp.verify import live
from gtenp.verify.trace import joined, token_ids, tokens
from gtenp.verify.verify import verify

TEXTS = ["hello world", "what is the capital of China?"]


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


def node(op_type, inputs, outputs):
    """A node of an ONNX graph, as bytes."""
    parts = [live._field(1, name.encode()) for name in inputs]
    parts += [live._field(2, name.encode()) for name in outputs]
    return live._field(1, b"".join([*parts, live._field(4, op_type.encode())]))


def model(*nodes, version=8):
    """An ONNX model with one output, as bytes; its first field has no length."""
    graph = b"".join(nodes) + live._field(12, live._field(1, b"out"))
    return b"\x08" + live._varint(version) + live._field(7, graph)


def test_gtenps_own_layers_are_within_tolerance(embedder):
    values = joined(live.run_gtenp(embedder, token_ids(embedder, TEXTS)))
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first is None
    assert [step.name for step in verdict.steps] == [
        "embeddings.output",
        "layer.0.output",
        "layer.1.output",
        "pooled",
        "normalized",
    ]


def test_layer_norms_are_found_as_one_node_and_as_nine():
    content = model(
        node("Sqrt", ["variance"], ["deviation"]),
        node("Div", ["centred", "deviation"], ["normed"]),
        node("Mul", ["normed", "weight"], ["scaled"]),
        node("Add", ["scaled", "bias"], ["first"]),
        node("Add", ["first", "x"], ["residual"]),
        node("LayerNormalization", ["residual"], ["second"]),
        node("SkipLayerNormalization", ["second", "x"], ["third", "mean"]),
    )
    assert live.layer_norms(content) == ["first", "second", "third"]


def test_outputs_are_added_to_a_model_and_none_twice():
    content = model(node("Add", ["a", "b"], ["c"]))
    assert live.with_outputs(content, ["out"]) == content + live._field(7, b"")
    more = live.with_outputs(content, ["c", "out"])
    graphs = [bytes(value) for field, value in live._fields(memoryview(more)) if field == 7]
    assert graphs[1] == live._field(12, live._field(1, b"c"))


# ── with torch and onnxruntime ───────────────────────────────────────────────────────────────────


def test_transformers_is_within_tolerance_at_every_layer(embedder):
    pytest.importorskip("transformers")
    values = joined(live.run_transformers(embedder, token_ids(embedder, TEXTS)))
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first is None
    assert len(verdict.steps) == 5


@pytest.mark.parametrize("model", [*CROSS_ENCODERS, MULTILINGUAL_RERANKERS[0]])
def test_transformers_scores_of_every_kind_of_cross_encoder_are_within_tolerance(model, tmp_path):
    pytest.importorskip("transformers")
    words = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    encoder = CrossEncoder(build(model, tmp_path, words))
    values = joined(live.run_transformers(encoder, *tokens(encoder, TEXTS)))
    verdict = verify(encoder, values, TEXTS)
    assert verdict.first is None
    assert [step.name for step in verdict.steps][-2:] == ["logits", "scores"]


def test_onnx_of_a_cross_encoder_is_refused(tmp_path):
    encoder = CrossEncoder(build(MULTILINGUAL_RERANKERS[0], tmp_path, []))
    with pytest.raises(InputError, match="--onnx runs models that give vectors"):
        live.run_onnx(encoder, [], tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def onnx_file(embedder, tmp_path_factory):
    """The tiny model, exported; opset 17 has layer norms as nodes, 14 in pieces."""
    pytest.importorskip("onnxruntime")
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("onnx")

    class Last(torch.nn.Module):
        def __init__(self, bert):
            super().__init__()
            self.bert = bert

        def forward(self, input_ids, attention_mask):
            return self.bert(input_ids=input_ids, attention_mask=attention_mask)[0]

    def export(opset, **changed):
        bert = transformers.BertModel.from_pretrained(
            embedder.folder, attn_implementation="eager", add_pooling_layer=False, **changed
        ).eval()
        path, ids = folder / f"{opset}.onnx", torch.tensor([[2, 5, 6, 3]])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Last(bert),
                (ids, torch.ones_like(ids)),
                path,
                input_names=["input_ids", "attention_mask"],
                output_names=["last_hidden_state"],
                dynamic_axes={"input_ids": {1: "S"}, "attention_mask": {1: "S"}},
                opset_version=opset,
                dynamo=False,
            )
        return path

    return export


@pytest.mark.parametrize("opset", [14, 17])
def test_an_onnx_file_is_within_tolerance_at_every_layer(embedder, onnx_file, opset):
    values = live.run_onnx(embedder, token_ids(embedder, TEXTS), onnx_file(opset))
    verdict = verify(embedder, joined(values), TEXTS)
    assert verdict.first is None
    assert len(verdict.steps) == 5


def test_an_onnx_file_with_the_tanh_gelu_is_told_so(embedder, onnx_file):
    path = onnx_file(17, hidden_act="gelu_new")
    values = joined(live.run_onnx(embedder, token_ids(embedder, TEXTS), path))
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first is not None
    assert "the GELU is the tanh approximation" in verdict.diagnosis.what


@pytest.mark.parametrize("content", [b"", b"rubbish!", b"\x08\x08"])
def test_a_file_that_is_no_onnx_is_named(embedder, tmp_path, content):
    pytest.importorskip("onnxruntime")
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"m\.onnx: "):
        live.run_onnx(embedder, [np.array([2, 3])], tmp_path / "m.onnx")
