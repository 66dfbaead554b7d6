import base64

import numpy as np
import pytest

TEXTS = ["hello world", "", "quick sort"]


def vectors(reply):
    assert reply.status_code == 200, reply.text
    return np.array([item["embedding"] for item in reply.json()["data"]], np.float32)


def test_a_list_gives_its_vectors_in_order(client, embedder):
    reply = client.post("/v1/embeddings", json={"model": "any", "input": TEXTS})
    np.testing.assert_allclose(vectors(reply), embedder.encode(TEXTS), atol=1e-6)
    body = reply.json()
    assert [item["index"] for item in body["data"]] == [0, 1, 2]
    assert {item["object"] for item in body["data"]} == {"embedding"}
    assert body["object"] == "list"
    assert body["model"] == "tiny"
    tokens = sum(map(len, embedder.token_ids(TEXTS)))
    assert body["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_one_text_gives_one_vector(client, embedder):
    reply = client.post("/v1/embeddings", json={"input": "hello"})
    np.testing.assert_allclose(vectors(reply)[0], embedder.encode("hello"), atol=1e-6)


def test_base64_is_float32_little_endian(client, embedder):
    reply = client.post("/v1/embeddings", json={"input": "hello", "encoding_format": "base64"})
    content = base64.b64decode(reply.json()["data"][0]["embedding"])
    found = np.frombuffer(content, "<f4")
    np.testing.assert_allclose(found, embedder.encode("hello"), atol=1e-6)


def test_dimensions_cut_the_vectors_and_keep_their_length(client, embedder):
    found = vectors(client.post("/v1/embeddings", json={"input": TEXTS, "dimensions": 8}))
    wanted = embedder.encode(TEXTS, truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("dimensions", [0, 33, 2.5, "8", True])
def test_dimensions_that_the_model_has_not_are_refused(client, dimensions):
    reply = client.post("/v1/embeddings", json={"input": "a", "dimensions": dimensions})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "dimensions"


def test_errors_are_nested_and_say_what_and_where(client):
    reply = client.post("/v1/embeddings", json={"input": ["a", None]})
    assert reply.status_code == 400
    assert reply.json() == {
        "error": {
            "message": "input[1] is null, a string was wanted",
            "type": "invalid_request_error",
            "param": "input[1]",
            "code": "invalid",
        }
    }


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 400, "the body is no JSON"),
        (b"{", 400, "the body is no JSON"),
        (b"\xff", 400, "the body is no JSON"),
        (b"[1]", 400, "the body is no JSON object"),
        (b'{"input": NaN}', 400, "the body is no JSON"),
        (b"[" * 100_000, 400, "the body is no JSON"),
        (b'{"input": ["a", "\\udc00"]}', 400, "input[1] holds half a surrogate pair"),
        (b"{}", 400, "input is missing"),
        (b'{"input": []}', 400, "input has 0 items"),
        (b'{"input": "a", "encoding_format": "int8"}', 400, "encoding_format is 'int8'"),
    ],
)
def test_a_body_that_asks_for_nothing_is_refused(client, content, status, message):
    reply = client.post("/v1/embeddings", content=content)
    assert reply.status_code == status
    assert reply.json()["error"]["message"].startswith(message)


def test_more_inputs_than_allowed_are_refused(serve):
    reply = serve(max_inputs=2).post("/v1/embeddings", json={"input": ["a"] * 3})
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "input has 3 items, wanted 2 at most"


def test_the_models_are_listed(client):
    body = client.get("/v1/models").json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ["tiny", "tiny-reranker"]
    assert {(m["object"], m["owned_by"], type(m["created"])) for m in body["data"]} == {
        ("model", "gtenp", int)
    }


def test_without_an_embedding_model_there_are_no_vectors(serve, cross_encoder):
    from gtenp.serve.models import Models

    reply = serve(models=Models(None, cross_encoder, "", "reranker")).post(
        "/v1/embeddings", json={"input": "a"}
    )
    assert reply.status_code == 404
    assert reply.json()["error"]["message"] == "no embedding model is served here"


def test_a_prompt_with_an_end_stands_on_both_sides_of_a_text(embedder, serve, monkeypatch):
    monkeypatch.setattr(embedder, "prompt_ends", {"the capital of ": " the"})
    client = serve()
    body = {"input": ["china"], "prompt_name": "query"}
    reply = client.post("/v1/embeddings", json=body).json()
    wanted = embedder.encode_query(["china"])[0]
    np.testing.assert_allclose(reply["data"][0]["embedding"], wanted, atol=1e-6)
    monkeypatch.setattr(embedder, "prompt_ends", {})
    assert not np.allclose(embedder.encode_query(["china"])[0], wanted, atol=1e-3)
