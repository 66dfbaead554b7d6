import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gtenp import Embedder

chromadb = pytest.importorskip("chromadb")

TEXTS = ["hello world", "a quick sort"]
LONG = "the capital of China is Beijing, and its sorting algorithms are quick. " * 30


@pytest.fixture
def function(prompted):
    from gtenp.integrations.chroma import GtenpEmbeddingFunction

    return GtenpEmbeddingFunction(str(prompted))


def test_chroma_gets_queries_and_documents_with_their_prompts(function, prompted):
    embedder = Embedder(prompted)
    assert np.array_equal(function(TEXTS), embedder.encode_document(TEXTS))
    assert np.array_equal(function.embed_query(TEXTS), embedder.encode_query(TEXTS))


def test_chroma_compares_as_the_model_does(function, prompted):
    from gtenp.integrations import chroma

    assert function.default_space() == "cosine"
    chroma._load(str(prompted)).similarity_fn_name = "dot"
    assert function.default_space() == "ip"


def test_a_chroma_collection_opens_by_its_name_in_another_process(function, prompted, tmp_path):
    client = chromadb.PersistentClient(str(tmp_path / "store"))
    collection = client.create_collection("texts", embedding_function=function)
    collection.add(ids=["1", "2"], documents=TEXTS)
    script = (
        "import chromadb, gtenp.integrations.chroma\n"
        f"client = chromadb.PersistentClient({str(tmp_path / 'store')!r})\n"
        "collection = client.get_collection('texts')\n"
        "found = collection.query(query_texts='hello world', n_results=1)\n"
        "print(found['ids'], found['distances'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    embedder = Embedder(prompted)
    distance = 1 - embedder.encode_query("hello world") @ embedder.encode_document("hello world")
    ids, _, distances = done.stdout.strip().partition(" ")
    assert ids == "[['1']]", done.stderr
    assert float(distances.strip("[]")) == pytest.approx(float(distance), abs=1e-5)


def test_chromas_own_function_through_onnxruntime_gives_the_same_vectors(
    minilm, tmp_path, monkeypatch
):
    """Chroma's archive can't be had everywhere: the same weights are exported by torch."""
    torch = pytest.importorskip("torch")
    from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

    folder = tmp_path / "onnx"
    folder.mkdir()
    for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json",
                 "tokenizer.json", "vocab.txt"):  # fmt: skip
        (folder / name).write_bytes((minilm / name).read_bytes())
    export(torch, minilm, folder / "model.onnx")
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path)

    client = chromadb.PersistentClient(str(tmp_path / "store"))
    collection = client.create_collection("texts")  # with the function that it has by default
    texts = [*TEXTS, "naïve cafés, 北京", LONG]
    collection.add(ids=list("abcd"), documents=texts)
    kept = collection.get(ids=list("abcd"), include=["embeddings"])["embeddings"]
    embedder = Embedder(minilm)
    ours = embedder.encode(texts, truncate="silent")
    assert np.abs(kept - ours).max() < 1e-6
    collection.add(ids=["e"], documents=["Beijing"], embeddings=embedder.encode(["Beijing"]))
    for query in ("query_texts", "query_embeddings"):
        asked = ["the city of Beijing"]
        asked = asked if query == "query_texts" else embedder.encode(asked)
        assert collection.query(**{query: asked}, n_results=1)["ids"] == [["e"]]


def export(torch, model: Path, target: Path) -> None:
    from transformers import BertModel

    class Graph(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = BertModel.from_pretrained(model, attn_implementation="eager").float()

        def forward(self, ids, mask, types):
            bert = self.bert(input_ids=ids, attention_mask=mask, token_type_ids=types)
            return bert.last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ids = torch.tensor([[101, 2054, 2003, 102], [101, 2054, 102, 0]])
    torch.onnx.export(
        Graph().eval(),
        (ids, (ids > 0).long(), torch.zeros_like(ids)),
        target,
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]},
        dynamo=False,
        opset_version=17,
    )
