"""Other people's clients: each gets the vectors that ``Embedder.encode`` gives, to 1e-6."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import subprocess
import sys
import urllib.request
import warnings
from pathlib import Path

import numpy as np
import pytest

from gtenp import CrossEncoder

DOCUMENTS = ["hello world", "quick sort", "the capital of china"]


def same(found, wanted):
    np.testing.assert_allclose(np.array(found, np.float32), wanted, atol=1e-6, rtol=0)


def logits_of(reranker_folder):
    pairs = [("china", document) for document in DOCUMENTS]
    return CrossEncoder(reranker_folder).predict(pairs, activation_fn=lambda x: x)


# ── OpenAI's SDK ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def openai(url):
    from openai import OpenAI

    with OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("format", [None, "float"])  # None: the SDK asks for base64 by itself
def test_openai(openai, texts, vectors, format):
    options = {"encoding_format": format} if format else {}
    reply = openai.embeddings.create(model="all-MiniLM-L6-v2", input=texts, **options)
    same([item.embedding for item in reply.data], vectors)
    assert reply.usage.total_tokens > 0
    reply = openai.embeddings.create(model="any", input=texts[0], dimensions=64)
    assert len(reply.data[0].embedding) == 64


def test_openai_asynchronous(url, texts, vectors):
    from openai import AsyncOpenAI

    async def ask():
        async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
            asked = (client.embeddings.create(model="any", input=text) for text in texts * 4)
            return [reply.data[0].embedding for reply in await asyncio.gather(*asked)]

    same(asyncio.run(ask()), np.tile(vectors, (4, 1)))


def test_openai_lists_the_models(openai):
    assert openai.models.list().data[0].id == "all-MiniLM-L6-v2"


def test_openai_raises_its_own_errors(openai):
    import openai as sdk

    with pytest.raises(sdk.BadRequestError, match="check_embedding_ctx_length=False"):
        openai.embeddings.create(model="any", input=[[15339]])
    with pytest.raises(sdk.BadRequestError) as caught:
        openai.embeddings.create(model="any", input=["a", "b"], dimensions=9999)
    assert caught.value.body["param"] == "dimensions"


def test_openai_with_our_own_fields(openai, minilm):
    from gtenp import Embedder

    body = {"input_type": "query"}
    reply = openai.embeddings.create(model="any", input="Beijing", extra_body=body)
    same(reply.data[0].embedding, Embedder(minilm).encode_query("Beijing"))


# ── Hugging Face, LangChain, LlamaIndex, Cohere ──────────────────────────────────────────────────


def test_huggingface_hub(url, texts, vectors):
    from huggingface_hub import InferenceClient

    client = InferenceClient(url)
    for text, vector in zip(texts, vectors, strict=True):
        same(client.feature_extraction(text, truncate=True)[0], vector)
    same(client.feature_extraction(texts, normalize=True), vectors)
    found = client.sentence_similarity(texts[0], other_sentences=texts)
    same(found, vectors @ vectors[0])


def test_langchain(url, texts, vectors):
    from langchain_openai import OpenAIEmbeddings

    embeddings = OpenAIEmbeddings(
        base_url=f"{url}/v1", api_key="none", check_embedding_ctx_length=False
    )
    same(embeddings.embed_documents(texts), vectors)
    same(embeddings.embed_query(texts[0]), vectors[0])


def test_llama_index(url, texts, vectors):
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding

    embedding = OpenAILikeEmbedding(api_base=f"{url}/v1", api_key="none", model_name="any")
    same(embedding.get_text_embedding_batch(texts[:2]), vectors[:2])
    same(embedding.get_query_embedding(texts[0]), vectors[0])


def test_cohere(url, reranker_folder):
    import cohere

    logits = logits_of(reranker_folder)
    order = np.argsort(-logits)
    for kind in (cohere.ClientV2, cohere.Client):
        client = kind("none", base_url=url)
        reply = client.rerank(model="any", query="china", documents=DOCUMENTS, top_n=2)
        assert [hit.index for hit in reply.results] == order[:2].tolist()
        scores = [hit.relevance_score for hit in reply.results]
        same(scores, 1 / (1 + np.exp(-logits[order[:2]])))
    with warnings.catch_warnings():  # the SDK leaves its sockets open
        warnings.simplefilter("ignore", ResourceWarning)
        del client
        gc.collect()


def test_open_webui(url, texts, minilm, reranker_folder):
    """Its requests, as docs/integrations.md sets it up; it is too large to be run here."""
    from gtenp import Embedder

    def ask(route, body):
        headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
        request = urllib.request.Request(url + route, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as reply:
            return json.load(reply)

    embedder = Embedder(minilm)
    for kind, encode in (("query", embedder.encode_query), ("document", embedder.encode_document)):
        reply = ask("/v1/embeddings", {"input": texts, "model": "any", "input_type": kind})
        same([item["embedding"] for item in reply["data"]], encode(texts, truncate="silent"))
    pairs = {"model": "any", "query": "china", "documents": DOCUMENTS, "top_n": len(DOCUMENTS)}
    hits = sorted(ask("/v1/rerank", pairs)["results"], key=lambda hit: hit["index"])
    scores = 1 / (1 + np.exp(-logits_of(reranker_folder)))
    same([hit["relevance_score"] for hit in hits], scores)


def test_dify(url, texts, vectors, reranker_folder):
    script = """
import json, sys
from dify_plugin.interfaces.model.openai_compatible.rerank import OAICompatRerankModel
from dify_plugin.interfaces.model.openai_compatible.text_embedding import OAICompatEmbeddingModel
url, texts, documents = json.loads(sys.argv[1])
# Dify cuts by GPT-2's tokens, whose vocabulary it takes from the network.
OAICompatEmbeddingModel._get_num_tokens_by_gpt2 = lambda self, text: 1
credentials = {"endpoint_url": f"{url}/v1", "api_key": "none"}
embedding, reranker = OAICompatEmbeddingModel([]), OAICompatRerankModel([])
for model in (embedding, reranker):
    model.validate_credentials("any", credentials)
found = embedding.invoke("any", credentials, texts)
ranked = reranker.invoke("any", credentials, "china", documents)
print(json.dumps([found.embeddings, found.usage.tokens, [hit.index for hit in ranked.docs]]))
"""  # gevent, which it brings, changes all of its process
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps([url, texts, DOCUMENTS])],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, tokens, order = json.loads(done.stdout)
    same(found, vectors)
    assert tokens > len(texts)
    assert order == np.argsort(-logits_of(reranker_folder)).tolist()


# ── Node ─────────────────────────────────────────────────────────────────────────────────────────

MODULES = os.environ.get("GTENP_NODE_MODULES", "")
node = pytest.mark.skipif(
    shutil.which("node") is None or not Path(MODULES, "openai").is_dir(),
    reason="no Node, or GTENP_NODE_MODULES has no openai",
)


def run_node(tmp_path, script, **values):
    """What the module prints as JSON."""
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "script.mjs").write_text(script)
    done = subprocess.run(
        ["node", "script.mjs", json.dumps(values)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@node
def test_openai_of_npm(url, texts, vectors, tmp_path):
    script = """
      import OpenAI from "openai";
      const { url, texts } = JSON.parse(process.argv[2]);
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
      const reply = await client.embeddings.create({ model: "any", input: texts });
      console.log(JSON.stringify(reply.data.map((item) => Array.from(item.embedding))));
    """
    same(run_node(tmp_path, script, url=url, texts=texts), vectors)


@node
def test_supabase_functions(url, texts, vectors, tmp_path):
    script = """
      import { FunctionsClient } from "@supabase/functions-js";
      const { url, text } = JSON.parse(process.argv[2]);
      const client = new FunctionsClient(`${url}/functions/v1`, {
        headers: { Authorization: "Bearer none", apikey: "none" },
      });
      const good = await client.invoke("embed", { body: { input: text } });
      const bad = await client.invoke("embed", { body: { input: 5 } });
      console.log(JSON.stringify([good.data.embedding, bad.error.name]));
    """
    embedding, error = run_node(tmp_path, script, url=url, text=texts[0])
    same(embedding, vectors[0])
    assert error == "FunctionsHttpError"


# ── curl, Prometheus, the description ────────────────────────────────────────────────────────────


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl(url, texts, vectors):
    command = ["curl", "-sS", "--fail", url, "-d", json.dumps({"input": texts[0]})]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    same(json.loads(done.stdout)["embedding"], vectors[0])


def test_prometheus_reads_the_metrics(url):
    from prometheus_client.parser import text_string_to_metric_families

    with urllib.request.urlopen(f"{url}/metrics", timeout=20) as reply:
        families = {f.name: f for f in text_string_to_metric_families(reply.read().decode())}
    assert families["gtenp_requests"].type == "counter"
    assert families["gtenp_request_seconds"].type == "histogram"
    assert families["gtenp_queue_requests"].samples[0].value == 0
    for family in families.values():
        assert family.documentation


def test_the_description_is_kept(url, tmp_path):
    """Schemathesis sends what the description allows, and what it does not, to every route."""
    script = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    done = subprocess.run(
        [
            script, "run", f"{url}/openapi.json", "--url", url, "--checks", "all",
            "--max-examples", "20", "--seed", "1", "--phases", "examples,coverage,fuzzing",
            "--generation-database", "none", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
