"""What users of other servers complained of most, in fifteen tests or groups of them."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gtenp import Embedder
from gtenp.serve.models import Models
from gtenp.serve.options import Options

TEXTS = ["hello world", "quick sort", "the capital of china"]
LONG = "hello " * 100


def embed(client, **body):
    reply = client.post("/v1/embeddings", json=body)
    assert reply.status_code == 200, reply.text
    return np.array([item["embedding"] for item in reply.json()["data"]], np.float32)


# 1. Another tokenizer's ids are taken for this one's.


@pytest.mark.parametrize("input", [[15339, 1917], [[15339, 1917], [9906]]])
def test_token_ids_are_refused_with_the_cure(client, input):
    reply = client.post("/v1/embeddings", json={"input": input})
    assert reply.status_code == 400
    assert "check_embedding_ctx_length=False" in reply.json()["error"]["message"]
    assert client.post("/embed", json={"inputs": input}).status_code == 422


def test_token_ids_are_taken_where_the_server_was_told_to(serve, embedder, monkeypatch):
    client = serve(accept_token_ids=True)
    bare = [ids[1:-1] for ids in embedder.token_ids(TEXTS)]
    np.testing.assert_allclose(embed(client, input=bare), embedder.encode(TEXTS), atol=1e-6)
    np.testing.assert_allclose(embed(client, input=bare[0]), embedder.encode(TEXTS[:1]), atol=1e-6)
    long = [embedder.tokenizer(LONG, add_special_tokens=False)["input_ids"]]
    wanted = embedder.encode([LONG], truncate="silent")
    np.testing.assert_allclose(embed(client, input=long), wanted, atol=1e-6)
    # A prompt goes before texts alone, so none of the ids are taken for its own.
    pooling = dataclasses.replace(embedder.sentence_config.pooling, include_prompt=False)
    config = dataclasses.replace(embedder.sentence_config, pooling=pooling)
    monkeypatch.setattr(embedder, "sentence_config", config)
    found = embed(client, input=bare, input_type="query")
    np.testing.assert_allclose(found, embedder.encode(TEXTS), atol=1e-6)
    reply = client.post("/v1/embeddings", json={"input": [[10**6]]})
    assert reply.status_code == 400
    assert "input[0][0] is 1000000" in reply.json()["error"]["message"]


# 2. Too long: an error where none was wanted, the flag ignored, or cut in silence.


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embed", "/embed_all"])
@pytest.mark.parametrize("as_list", [False, True])
def test_a_long_text_is_cut_and_counted_or_refused_as_asked(client, path, as_list):
    field = "input" if path == "/v1/embeddings" else "inputs"
    body = {field: ["a", LONG] if as_list else LONG}
    reply = client.post(path, json=body)
    assert reply.status_code == 200
    assert reply.headers["x-truncated-texts"] == "1"
    assert "gtenp_truncated_texts_total 1.0" in client.get("/metrics").text
    reply = client.post(path, json={**body, "truncate": False})
    assert reply.status_code in (400, 422)
    name = f"{field}[1]" if as_list else field
    assert f"{name} has more than 64 tokens" in reply.text


def test_the_server_may_refuse_what_is_too_long_and_a_request_have_it_cut(serve):
    client = serve(auto_truncate=False)
    assert client.post("/v1/embeddings", json={"input": LONG}).status_code == 400
    assert client.post("/rerank", json={"query": "a", "documents": [LONG * 10]}).status_code == 400
    for path, body in (
        ("/v1/embeddings", {"input": LONG}),
        ("/", {"input": LONG}),
        ("/rerank", {"query": "a", "documents": ["a", LONG * 10]}),
        ("/v2/rerank", {"query": "a", "documents": ["a", LONG * 10]}),
        ("/rerank", {"query": "a", "texts": ["a", LONG * 10]}),
    ):
        assert '\\"truncate\\": true' in client.post(path, json=body).text
        reply = client.post(path, json={**body, "truncate": True})
        assert (reply.status_code, reply.headers["x-truncated-texts"]) == (200, "1")
        assert client.post(path, json={**body, "truncate": False}).status_code in (400, 422)


def test_characters_have_no_limit_of_their_own(client):
    assert embed(client, input="a " * 500_000).shape == (1, 32)


# 3. One bad input fails the batch, and nobody says which.


@pytest.fixture(scope="module")
def damaged(folder, tmp_path_factory):
    """A model whose word "china" is NaN."""
    path = tmp_path_factory.mktemp("damaged") / "tiny"
    shutil.copytree(folder, path)
    weights = load_file(path / "model.safetensors")
    words = (path / "vocab.txt").read_text().split("\n")
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name][words.index("china")] = np.nan
    save_file(weights, path / "model.safetensors")
    return Models(Embedder(path), None, "damaged")


def test_an_input_that_fails_is_named_and_fails_its_request_alone(serve, damaged, embedder):
    client = serve(models=damaged)
    held, go_on = threading.Event(), threading.Event()
    compute = client.service.batcher._compute

    def hold(lane, items):
        held.set()
        go_on.wait(10)
        return compute(lane, items)

    client.service.batcher._compute = hold
    with ThreadPoolExecutor(9) as pool:
        replies = [
            pool.submit(client.post, "/v1/embeddings", json={"input": ["hello", text]})
            for text in ["world", "china", *["sort"] * 6]
        ]
        held.wait(10)
        go_on.set()
        replies = [reply.result() for reply in replies]
    assert [reply.status_code for reply in replies] == [200, 500] + [200] * 6
    error = replies[1].json()["error"]
    assert error["param"] == "input[1]"
    seconds = client.get("/metrics").text  # of those alone that got a result
    assert "gtenp_queue_seconds_count 7.0" in seconds
    assert "gtenp_compute_seconds_count 7.0" in seconds
    assert error["message"] == "input[1]: the model gives numbers that are not finite for it"
    found = [item["embedding"] for item in replies[0].json()["data"]]
    np.testing.assert_allclose(found, embedder.encode(["hello", "world"]), atol=1e-6)


def test_an_empty_text_is_a_text(client, embedder):
    np.testing.assert_allclose(embed(client, input=["a", ""])[1], embedder.encode(""), atol=1e-6)
    assert client.post("/embed", json={"inputs": ""}).status_code == 200


# 4. NaN becomes null, with status 200.


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", {"input": "china"}, 500),
        ("/v1/embeddings", {"input": "china", "encoding_format": "base64"}, 500),
        ("/embed", {"inputs": ["a", "china"]}, 424),
        ("/embed_all", {"inputs": ["a", "china"]}, 424),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["china"]}}, 424),
        ("/", {"input": "china"}, 500),
    ],
)
def test_nan_is_an_error_and_never_null(serve, damaged, path, body, status):
    reply = serve(models=damaged).post(path, json=body)
    assert reply.status_code == status
    assert "not finite" in reply.text
    assert "null" not in reply.json().get("embedding", "")
    assert str(damaged.embedder.folder) not in reply.text
    if status == 500:
        assert reply.headers["x-should-retry"] == "false"


# 5. Small batches.


def test_a_request_may_have_2048_texts(client, embedder):
    texts = [f"{i} sort" for i in range(2048)]
    np.testing.assert_allclose(embed(client, input=texts), embedder.encode(texts), atol=1e-6)


# 6. No base64, no dimensions.


def test_base64_and_dimensions_go_together(client, embedder):
    body = {"input": TEXTS, "encoding_format": "base64", "dimensions": 4}
    reply = client.post("/v1/embeddings", json=body).json()
    found = [np.frombuffer(base64.b64decode(x["embedding"]), "<f4") for x in reply["data"]]
    wanted = embedder.encode(TEXTS, truncate_dim=4, normalize_embeddings=True)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


# 7. Queries and documents can't be told apart.


def test_queries_documents_and_named_prompts_can_be_asked_for(client, embedder):
    for body, wanted in (
        ({"input_type": "query"}, embedder.encode_query(TEXTS)),
        ({"input_type": "document"}, embedder.encode_document(TEXTS)),
        ({"prompt_name": "shout"}, embedder.encode(TEXTS, prompt_name="shout")),
        ({"prompt_name": None}, embedder.encode(TEXTS)),
    ):
        np.testing.assert_allclose(embed(client, input=TEXTS, **body), wanted, atol=1e-6)
    reply = client.post("/v1/embeddings", json={"input": "a", "prompt_name": "whisper"})
    assert reply.status_code == 400
    assert "there is document, query, shout" in reply.json()["error"]["message"]


def test_a_prompt_can_be_the_servers_default(serve, folder):
    embedder = Embedder(folder, default_prompt_name="shout")
    client = serve(models=Models(embedder, None, "tiny"))
    np.testing.assert_allclose(embed(client, input=TEXTS), embedder.encode(TEXTS), atol=1e-6)
    assert not np.allclose(embed(client, input=TEXTS, prompt_name="query"), embedder.encode(TEXTS))


def test_a_prompt_of_the_empty_name_goes_before_no_text_that_does_not_ask_for_it(serve, folder):
    embedder = Embedder(folder, prompts={"": "hello "})
    client = serve(models=Models(embedder, None, "tiny"))
    np.testing.assert_allclose(embed(client, input=TEXTS), embedder.encode(TEXTS), atol=1e-6)
    wanted = embedder.encode(TEXTS, prompt_name="")
    found = embed(client, input=TEXTS, prompt_name="")
    np.testing.assert_allclose(found, wanted, atol=1e-6)


# 8. Memory grows with the workers: test_server.py shows that they share the weights.
# 9. No batching between requests.


def test_requests_that_come_together_are_computed_together(client, embedder):
    batches = []
    held, go_on = threading.Event(), threading.Event()
    compute = client.service.batcher._compute

    def seen(lane, items):
        batches.append(len(items))
        held.set()
        go_on.wait(10)
        return compute(lane, items)

    client.service.batcher._compute = seen
    with ThreadPoolExecutor(12) as pool:
        first = pool.submit(embed, client, input="hello")
        held.wait(10)
        others = [pool.submit(embed, client, input=TEXTS[i % 3]) for i in range(10)]
        while client.service.metrics.queue_requests._value.get() < 10:
            pass
        go_on.set()
        first.result()
        for i, other in enumerate(others):
            wanted = embedder.encode([TEXTS[i % 3]])
            np.testing.assert_allclose(other.result(), wanted, atol=1e-6)
    assert batches == [1, 10]


# 10. Overload: one text is turned away where a list waits; queues that hang.


def test_overload_is_429_for_a_text_and_a_list_alike_and_passes(serve):
    client = serve(max_concurrent=1)
    held, go_on = threading.Event(), threading.Event()
    compute = client.service.batcher._compute

    def hold(lane, items):
        held.set()
        go_on.wait(10)
        return compute(lane, items)

    client.service.batcher._compute = hold
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/embeddings", json={"input": TEXTS})
        held.wait(10)
        for path, body in (
            ("/v1/embeddings", {"input": "a"}),
            ("/v1/embeddings", {"input": ["a", "b"]}),
            ("/embed", {"inputs": "a"}),
            ("/rerank", {"query": "a", "documents": ["b"]}),
        ):
            reply = client.post(path, json=body)
            assert reply.status_code == 429
            assert reply.headers["retry-after"] == "1"
        assert client.get("/livez").status_code == 200
        go_on.set()
        assert first.result().status_code == 200
    assert client.post("/v1/embeddings", json={"input": "a"}).status_code == 200


# 11. Reranking that no client speaks.


def test_one_rerank_path_speaks_both_dialects(client):
    ours = client.post("/rerank", json={"query": "china", "documents": TEXTS}).json()["results"]
    teis = client.post("/rerank", json={"query": "china", "texts": TEXTS}).json()
    assert [hit["index"] for hit in ours] == [hit["index"] for hit in teis]
    assert [hit["relevance_score"] for hit in ours] == [hit["score"] for hit in teis]


# 12. Metrics that are not there until the first request; a queue that never empties.


def test_every_series_is_there_before_the_first_request(serve):
    client = serve(cors=("https://example.org",))
    before = re.findall(r"^gtenp\w+(?:{.*?})?", client.get("/metrics").text, re.MULTILINE)
    with contextlib.ExitStack():
        embed(client, input=TEXTS)
        client.get("/explain")
        client.get("/docs/")
        client.get("/embed")
        client.options("/", headers={"origin": "x", "access-control-request-method": "PUT"})
        client.service.draining = True
        client.get("/readyz")
        client.service.draining = False
        client.post("/v1/embeddings", json={"input": 5})
        client.post("/rerank", json={"query": "china", "texts": TEXTS})
        client.get("/nowhere")
    text = client.get("/metrics").text
    assert re.findall(r"^gtenp\w+(?:{.*?})?", text, re.MULTILINE) == before
    assert "gtenp_queue_requests 0.0" in text
    assert "gtenp_requests_in_flight 1.0" in text  # the one that asks


# 13. Probes that hang while the model loads.


def test_while_loading_it_lives_but_is_not_ready(embedder):
    from starlette.testclient import TestClient

    from gtenp.serve.app import create_app
    from gtenp.serve.service import Service

    go_on = threading.Event()

    def load():
        assert go_on.wait(10)
        return Models(embedder, None, "tiny")

    service = Service(Options(log_format="none"), load)
    with TestClient(create_app(service)) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/metrics").status_code == 200
        assert client.get("/readyz").status_code == 503
        reply = client.post("/v1/embeddings", json={"input": "a"})
        assert reply.status_code == 503
        assert reply.headers["retry-after"] == "1"
        assert client.get("/openapi.json").status_code == 503
        go_on.set()
        while not service.is_ready:
            pass
        assert client.get("/readyz").status_code == 200
        assert embed(client, input="a").shape == (1, 32)
        service.draining = True
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        assert client.post("/v1/embeddings", json={"input": "a"}).status_code == 503


# 14. What wants the network.


def test_a_folder_is_served_without_the_network(folder):
    code = (
        "import sys; from gtenp.serve import app; from gtenp.serve.models import Models;"
        f"Models.open({str(folder)!r}); print('huggingface_hub' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr


def test_no_page_asks_for_anything_from_elsewhere(client):
    for path in ("/", "/docs"):
        page = client.get(path).text
        assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
        assert not re.findall(r"""@import|url\((?!["']?data:)""", page)


# 15. Vectors that are not sentence-transformers'.


def test_vectors_are_as_the_models_own_files_make_them(serve, folder, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(folder, plain)
    modules = json.loads((plain / "modules.json").read_text())
    (plain / "modules.json").write_text(json.dumps(modules[:2]))  # without the normalisation
    for path in (folder, plain):
        embedder = Embedder(path)
        client = serve(models=Models(embedder, None, "tiny"))
        np.testing.assert_allclose(embed(client, input=TEXTS), embedder.encode(TEXTS), atol=1e-6)


def test_the_company_changes_no_bit_where_that_is_asked_for(serve, embedder):
    client = serve(batch_invariant=True)
    alone = embed(client, input="hello world")
    together = embed(client, input=["hello world", *TEXTS, LONG])
    assert together[0].tobytes() == alone[0].tobytes()
    wanted = embedder.encode(["hello world"], batch_invariant=True)
    assert alone.tobytes() == wanted.tobytes()
    body = {"query": "china", "texts": ["hello world"]}
    score = client.post("/rerank", json=body).json()[0]["score"]
    body["texts"] += [LONG, *TEXTS]
    scores = {hit["index"]: hit["score"] for hit in client.post("/rerank", json=body).json()}
    assert scores[0] == score


def test_real_connections_get_the_same(gtenp_serve, folder, embedder):
    process = gtenp_serve("--model", folder)
    request = urllib.request.Request(
        f"{process.url}/v1/embeddings", json.dumps({"input": TEXTS}).encode()
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        found = [item["embedding"] for item in json.load(reply)["data"]]
    np.testing.assert_allclose(found, embedder.encode(TEXTS), atol=1e-6)
