import numpy as np
import pytest

DOCUMENTS = ["hello world", "quick sort", "the capital of china"]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_documents_come_best_first_with_scores_from_0_to_1(client, cross_encoder, path):
    body = {"model": "any", "query": "china", "documents": DOCUMENTS}
    reply = client.post(path, json=body).json()
    logits = cross_encoder.predict([("china", d) for d in DOCUMENTS], activation_fn=lambda x: x)
    order = np.argsort(-logits).tolist()
    assert [hit["index"] for hit in reply["results"]] == order
    scores = [hit["relevance_score"] for hit in reply["results"]]
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits[order])), atol=1e-5)
    assert reply["model"] == "tiny-reranker"
    assert reply["usage"]["total_tokens"] > 0


def test_the_best_few_and_their_texts(client):
    documents = [DOCUMENTS[0], {"text": DOCUMENTS[1]}, {"text": DOCUMENTS[2], "id": 3}]
    body = {"query": "china", "documents": documents, "top_n": 2, "return_documents": True}
    results = client.post("/v1/rerank", json=body).json()["results"]
    assert len(results) == 2
    for hit in results:
        assert hit["document"] == {"text": DOCUMENTS[hit["index"]]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": "a", "documents": ["b", 3]}, "documents[1] is an integer, a string was wanted"),
        ({"query": "a", "documents": [{"txt": "b"}]}, "documents[0].text is missing"),
        ({"query": "a", "documents": []}, "documents has 0 items, wanted 1 at least"),
        ({"documents": ["a"]}, "query is missing"),
        ({"query": "a", "documents": ["b"], "top_n": 0}, "top_n is 0, wanted from 1"),
    ],
)
def test_errors_have_a_message(client, body, message):
    reply = client.post("/v2/rerank", json=body)
    assert reply.status_code == 400
    assert reply.json()["message"].startswith(message)
