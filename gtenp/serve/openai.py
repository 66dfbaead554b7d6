"""OpenAI's embeddings: POST /v1/embeddings, GET /v1/models."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.engine.pooling import normalize
from gtenp.serve.models import Input, Models, Work
from gtenp.serve.problem import OPENAI
from gtenp.serve.route import Route, texts
from gtenp.serve.schema import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    Schema,
    any_of,
    array,
    fields,
    one_of,
    whole,
)

if TYPE_CHECKING:
    from gtenp.engine.kernels import Float32

_STARTED = int(time.time())


def _body(models: Models) -> Schema:
    assert models.embedder is not None
    return fields(
        {"input": texts(models)},
        {
            "model": STRING,  # whatever it says, the reply names the one that is served
            "encoding_format": one_of("float", "base64"),
            "dimensions": whole(1, models.embedder.get_embedding_dimension()),
            "user": STRING,
            # Not OpenAI's: which prompt goes before the texts, and whether they may be cut.
            "prompt_name": one_of(*models.prompt_names),
            "input_type": one_of("query", "document"),
            "truncate": BOOLEAN,
        },
    )


def _work(models: Models, body: dict[str, Any]) -> Work:
    as_base64 = body.get("encoding_format") == "base64"

    def answer(vectors: list[Float32]) -> Any:
        found = shorten(models, np.stack(vectors), body.get("dimensions"))
        rows = map(to_base64, found) if as_base64 else found
        return {
            "object": "list",
            "data": [
                {"object": "embedding", "index": i, "embedding": row} for i, row in enumerate(rows)
            ],
            "model": models.embedder_name,
            "usage": {"prompt_tokens": work.tokens, "total_tokens": work.tokens},
        }

    given = Input.read(body["input"], "input")
    prompt = models.prompt(body.get("prompt_name"), body.get("input_type"))
    work = models.embed(given, answer, prompt=prompt, truncate=body.get("truncate"))
    return work


def shorten(models: Models, vectors: Float32, dimensions: int | None) -> Float32:
    """The vectors' first values, [n, H] -> [n, dimensions], of length 1 again if they were."""
    assert models.embedder is not None
    size = int(dimensions or models.embedder.get_embedding_dimension())
    if size == vectors.shape[1]:
        return vectors
    kept = np.ascontiguousarray(vectors[:, :size])
    normalized = dimensions is not None and models.embedder.sentence_config.normalizes
    return normalize(kept) if normalized else kept


def to_base64(vector: Float32) -> str:
    """A vector's float32, little-endian.

    >>> to_base64(np.array([1, -2], np.float32))
    'AACAPwAAAMA='
    """
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _models(models: Models, _: dict[str, Any]) -> Work:
    names = [name for name in (models.embedder_name, models.cross_encoder_name) if name]
    data = [
        {"id": name, "object": "model", "created": _STARTED, "owned_by": "gtenp"}
        for name in dict.fromkeys(names)
    ]
    return Work(lambda _: {"object": "list", "data": data})


_EMBEDDING = fields(
    {"object": STRING, "index": INTEGER, "embedding": any_of(array(NUMBER), STRING)}
)
_MODEL = fields({"id": STRING, "object": STRING, "created": INTEGER, "owned_by": STRING})
_USAGE = fields({"prompt_tokens": INTEGER, "total_tokens": INTEGER})

_EMBEDDINGS = Route(
    "/v1/embeddings",
    "Vectors of texts, as OpenAI's API has it",
    OPENAI,
    _body,
    fields({"object": STRING, "data": array(_EMBEDDING), "model": STRING, "usage": _USAGE}),
    _work,
)
ROUTES = (
    _EMBEDDINGS,
    Route(
        "/v1/models",
        "The models served here",
        OPENAI,
        None,
        fields({"object": STRING, "data": array(_MODEL)}),
        _models,
        model="any",
    ),
)
