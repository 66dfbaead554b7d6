import numpy as np
import pytest


@pytest.mark.parametrize("path", ["/", "/functions/v1/embed"])
def test_input_is_the_cards_edge_function(client, embedder, path):
    reply = client.post(path, json={"input": "hello world"})
    assert list(reply.json()) == ["embedding"]
    found = np.array(reply.json()["embedding"], np.float32)
    np.testing.assert_allclose(found, embedder.encode("hello world"), atol=1e-6)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("path", ["/", "/functions/v1/embed"])
def test_inputs_are_embed_or_similarity_by_their_kind(client, embedder, path):
    found = client.post(path, json={"inputs": ["hello"]}).json()
    np.testing.assert_allclose(found, embedder.encode(["hello"]), atol=1e-6)
    inputs = {"source_sentence": "hello", "sentences": ["hello", "world"]}
    found = client.post(path, json={"inputs": inputs, "parameters": {}}).json()
    assert found[0] == pytest.approx(1, abs=1e-6)
    assert len(found) == 2


def test_errors_are_of_the_form_that_was_asked_for(client):
    reply = client.post("/", json={"input": ["a"]})
    assert reply.status_code == 400
    assert reply.json() == {
        "error": "input is an array, a string was wanted; POST /v1/embeddings takes lists"
    }
    reply = client.post("/", json={"inputs": [3]})
    assert reply.status_code == 422
    reply = client.post("/", json={})
    assert (reply.status_code, reply.json()["error"]) == (422, "inputs is missing")


def test_at_functions_what_is_wrong_before_the_body_is_read_has_the_edge_functions_form(serve):
    client = serve(api_keys=("key",))
    path = "/functions/v1/embed"
    reply = client.post(path, json={"input": "a"})
    assert (reply.status_code, list(reply.json())) == (401, ["error"])
    reply = client.post(path, content=b'{"input', headers={"apikey": "key"})
    assert (reply.status_code, list(reply.json())) == (400, ["error"])


def test_the_vectors_of_a_model_that_does_not_normalize_have_length_1_too(
    serve, embedder, monkeypatch
):
    monkeypatch.setattr(embedder, "heads", [])
    found = serve().post("/", json={"input": "hello world"}).json()["embedding"]
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)
