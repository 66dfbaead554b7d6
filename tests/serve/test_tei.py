import numpy as np
import pytest

TEXTS = ["hello world", "quick sort"]
LONG = "hello " * 100


def answer(reply):
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_embed_gives_a_list_of_vectors_for_one_text_too(client, embedder):
    for inputs, texts in (("hello", ["hello"]), (TEXTS, TEXTS)):
        found = answer(client.post("/embed", json={"inputs": inputs}))
        np.testing.assert_allclose(found, embedder.encode(texts), atol=1e-6)


def test_embed_normalizes_unless_told_not_to(serve, embedder, monkeypatch):
    monkeypatch.setattr(embedder, "heads", [])
    client = serve()
    raw = embedder.encode(TEXTS)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    found = answer(client.post("/embed", json={"inputs": TEXTS}))
    np.testing.assert_allclose(found, unit, atol=1e-6)
    found = answer(client.post("/embed", json={"inputs": TEXTS, "normalize": False}))
    np.testing.assert_allclose(found, raw, atol=1e-6)


def test_dimensions_are_cut_first_and_normalized_then(client, embedder):
    found = answer(client.post("/embed", json={"inputs": TEXTS, "dimensions": 5}))
    wanted = embedder.encode(TEXTS, truncate_dim=5, normalize_embeddings=True)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_prompt_goes_before_the_texts(client, embedder):
    found = answer(client.post("/embed", json={"inputs": TEXTS, "prompt_name": "query"}))
    np.testing.assert_allclose(found, embedder.encode_query(TEXTS), atol=1e-6)


def test_a_text_is_cut_at_the_side_that_is_asked_for(client, embedder):
    text = "a quick sort " + LONG
    left = {"inputs": text, "truncation_direction": "Left"}
    kept = embedder.tokenizer(text, truncation=True, max_length=64, truncation_side="left")
    wanted = embedder.encode_ids([kept["input_ids"]])
    np.testing.assert_allclose(answer(client.post("/embed", json=left)), wanted, atol=1e-6)
    found = answer(client.post("/embed", json={"inputs": text}))
    np.testing.assert_allclose(found, embedder.encode([text], truncate="silent"), atol=1e-6)


def test_embed_all_gives_a_vector_a_token(client, embedder):
    found = answer(client.post("/embed_all", json={"inputs": TEXTS}))
    wanted = embedder.encode(TEXTS, output_value="token_embeddings")
    assert len(found) == 2
    for rows, matrix in zip(found, wanted, strict=True):
        np.testing.assert_allclose(rows, matrix, atol=1e-5)


def test_similarity_is_the_cosine_with_the_source(client, embedder):
    inputs = {"source_sentence": "hello world", "sentences": TEXTS}
    found = answer(client.post("/similarity", json={"inputs": inputs, "parameters": {}}))
    wanted = embedder.similarity(embedder.encode("hello world"), embedder.encode(TEXTS))[0]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_similarity_names_the_text_that_is_too_long(client):
    for source, sentences, name in (
        ("a", [LONG], "inputs.sentences[0]"), (LONG, ["a"], "inputs.source_sentence"),
    ):  # fmt: skip
        inputs = {"source_sentence": source, "sentences": sentences}
        body = {"inputs": inputs, "parameters": {"truncate": False}}
        error = client.post("/similarity", json=body).json()["error"]
        assert error.startswith(f"{name} has more than 64 tokens")


def test_tokenize_gives_ids_texts_and_places_in_bytes(client, embedder):
    (tokens,) = answer(client.post("/tokenize", json={"inputs": "é hello"}))
    assert [token["id"] for token in tokens] == embedder.token_ids(["é hello"])[0]
    assert tokens[0] == {
        "id": tokens[0]["id"], "text": "[CLS]", "special": True, "start": None, "stop": None,
    }  # fmt: skip
    hello = tokens[-2]
    assert (hello["text"], hello["special"], hello["start"], hello["stop"]) == (
        "hello", False, 3, 8,
    )  # fmt: skip
    (bare,) = answer(
        client.post("/tokenize", json={"inputs": ["hello"], "add_special_tokens": False})
    )
    assert [token["text"] for token in bare] == ["hello"]


def test_decode_gives_texts_back(client, embedder):
    ids = embedder.token_ids(["hello world"])[0]
    assert answer(client.post("/decode", json={"ids": ids})) == ["hello world"]
    found = answer(client.post("/decode", json={"ids": [ids], "skip_special_tokens": False}))
    assert found == ["[CLS] hello world [SEP]"]


def test_rerank_sorts_by_score_and_is_sigmoid_unless_raw(client, cross_encoder):
    texts = ["hello world", "quick sort", "the capital of china"]
    body = {"query": "china", "texts": texts, "return_text": True}
    logits = cross_encoder.predict([("china", t) for t in texts], activation_fn=lambda x: x)
    order = np.argsort(-logits).tolist()
    raw = answer(client.post("/rerank", json={**body, "raw_scores": True}))
    assert [hit["index"] for hit in raw] == order
    assert [hit["text"] for hit in raw] == [texts[i] for i in order]
    np.testing.assert_allclose([hit["score"] for hit in raw], logits[order], atol=1e-5)
    found = answer(client.post("/rerank", json=body))
    wanted = 1 / (1 + np.exp(-logits[order]))
    np.testing.assert_allclose([hit["score"] for hit in found], wanted, atol=1e-5)


def test_info_tells_what_is_served(client):
    info = answer(client.get("/info"))
    assert info["model_id"] == "tiny"
    assert info["model_type"] == {"embedding": {"pooling": "mean"}}
    assert info["max_input_length"] == 64
    assert info["max_client_batch_size"] == 2048


@pytest.mark.parametrize(
    ("path", "body", "status", "kind", "message"),
    [
        ("/embed", {"inputs": ["a", 5]}, 422, "Validation", "inputs[1] is an integer"),
        ("/embed", {"inputs": []}, 400, "Empty", "inputs has 0 items"),
        ("/embed", {}, 422, "Validation", "inputs is missing"),
        ("/embed", {"inputs": "a", "dimensions": 99}, 422, "Validation", "dimensions is 99"),
        ("/embed", {"inputs": "a", "prompt_name": "x"}, 422, "Validation", "prompt_name is 'x'; "),
        ("/embed", {"inputs": LONG, "truncate": False}, 422, "Validation", "inputs has more than"),
        ("/decode", {"ids": [-1]}, 422, "Validation", "ids[0] is -1"),
        ("/rerank", {"query": "a"}, 400, None, "documents is missing"),
        ("/rerank", {"query": "a", "texts": ["a", 1]}, 422, "Validation", "texts[1] is an integer"),
    ],
)
def test_errors_are_teis(client, path, body, status, kind, message):
    reply = client.post(path, json=body)
    assert reply.status_code == status
    told = reply.json()
    assert told.get("error_type") == kind
    assert told.get("error", told.get("message")).startswith(message)


def test_a_kind_of_model_that_is_not_served_is_a_backend_error(serve):
    reply = serve(reranker=False).post("/rerank", json={"query": "a", "texts": ["b"]})
    assert reply.status_code == 424
    assert reply.json() == {"error": "no reranker is served here", "error_type": "Backend"}


@pytest.mark.parametrize("path", ["/health", "/ping", "/livez", "/readyz"])
def test_probes_are_empty_and_200(client, path):
    reply = client.get(path)
    assert (reply.status_code, reply.content) == (200, b"")
