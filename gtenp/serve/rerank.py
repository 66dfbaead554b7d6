"""Cohere's and Jina's reranking: ``query`` and ``documents`` → scores, best first."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.serve.models import Input, Models, Work
from gtenp.serve.problem import COHERE
from gtenp.serve.route import Route
from gtenp.serve.schema import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Schema,
    any_of,
    array,
    fields,
    whole,
)

if TYPE_CHECKING:
    from gtenp.engine.kernels import Float32

_TEXT = fields({"text": STRING})
_MOST_WANTED = 2**31 - 1


def _body(models: Models) -> Schema:
    documents = array(any_of(STRING, _TEXT), 1, models.options.max_inputs)
    return fields(
        {"query": STRING, "documents": documents},
        {
            "model": STRING,
            "top_n": whole(1, _MOST_WANTED),
            "return_documents": BOOLEAN,
            "truncate": BOOLEAN,  # not theirs
        },
    )


def _work(models: Models, body: dict[str, Any]) -> Work:
    found = [d if isinstance(d, str) else d["text"] for d in body["documents"]]

    def answer(logits: list[Float32]) -> Any:
        scores = sigmoid(np.ravel(logits))
        wanted = int(body.get("top_n") or len(found))
        best = np.argsort(-np.ravel(logits), kind="stable")[:wanted].tolist()
        results = [{"index": i, "relevance_score": scores[i]} for i in best]
        if body.get("return_documents"):
            results = [{**hit, "document": {"text": found[hit["index"]]}} for hit in results]
        return {
            "id": str(uuid.uuid4()),
            "model": models.cross_encoder_name,
            "results": results,
            "usage": {"total_tokens": work.tokens},
        }

    given = Input(found, "documents[{}]".format)
    work = models.score(body["query"], given, answer, body.get("truncate"))
    return work


def sigmoid(logits: Float32) -> Float32:
    """From 0 to 1: [n] -> [n].

    >>> sigmoid(np.array([0, -1000], np.float32)).tolist()
    [0.5, 0.0]
    """
    with np.errstate(over="ignore"):
        scores: Float32 = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return scores


_HIT = fields({"index": INTEGER, "relevance_score": NUMBER}, {"document": _TEXT})
_REPLY = fields(
    {
        "id": STRING,
        "model": STRING,
        "results": array(_HIT),
        "usage": fields({"total_tokens": INTEGER}),
    }
)
ROUTES = tuple(
    Route(
        path,
        "Relevance of documents for a query, best first, as Cohere and Jina have it",
        COHERE,
        _body,
        _REPLY,
        _work,
        model="cross_encoder",
    )
    for path in ("/rerank", "/v1/rerank", "/v2/rerank")
)
