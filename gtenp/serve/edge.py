"""The edge function of gte-small's card: ``{"input": text}`` → ``{"embedding": […]}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.engine.pooling import normalize
from gtenp.serve.models import Input, Models, Work
from gtenp.serve.openai import shorten
from gtenp.serve.problem import EDGE
from gtenp.serve.route import Route
from gtenp.serve.schema import BOOLEAN, NUMBER, STRING, Schema, array, fields, one_of

if TYPE_CHECKING:
    from gtenp.engine.kernels import Float32


def _body(models: Models) -> Schema:
    text = {**STRING, "x-instead": {"array": "; POST /v1/embeddings takes lists"}}
    return fields(
        {"input": text},
        {
            "prompt_name": one_of(*models.prompt_names),
            "input_type": one_of("query", "document"),
            "truncate": BOOLEAN,
        },
    )


def _work(models: Models, body: dict[str, Any]) -> Work:
    def answer(vectors: list[Float32]) -> Any:
        return {"embedding": normalize(shorten(models, np.stack(vectors), None))[0]}

    prompt = models.prompt(body.get("prompt_name"), body.get("input_type"))
    given = Input.read(body["input"], "input")
    return models.embed(given, answer, prompt=prompt, truncate=body.get("truncate"))


EMBEDDING = Route(
    "/",
    "The vector of a text, of length 1, as gte-small's edge function gives it",
    EDGE,
    _body,
    fields({"embedding": array(NUMBER)}),
    _work,
)
