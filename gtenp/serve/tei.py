"""The routes of Hugging Face's text-embeddings-inference, as its clients know them."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp import __version__
from gtenp.engine.pooling import normalize
from gtenp.serve.models import Input, Models, Work, finite
from gtenp.serve.openai import shorten
from gtenp.serve.problem import TEI
from gtenp.serve.rerank import sigmoid
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

_SIDES = one_of("Right", "right", "Left", "left")


def _truncation(models: Models) -> dict[str, Schema]:
    return {
        "truncate": BOOLEAN,
        "truncation_direction": _SIDES,
        "prompt_name": one_of(*models.prompt_names),
    }


def _embed(models: Models, given: Input, body: dict[str, Any], answer: Any, **how: Any) -> Work:
    return models.embed(
        given,
        answer,
        prompt=models.prompt(body.get("prompt_name")),
        truncate=body.get("truncate"),
        side=(body.get("truncation_direction") or "right").lower(),
        **how,
    )


# ── /embed, /embed_all, /similarity ──────────────────────────────────────────────────────────────


def _vectors_body(models: Models) -> Schema:
    assert models.embedder is not None
    dimensions = whole(1, models.embedder.get_embedding_dimension())
    return fields(
        {"inputs": texts(models)},
        {
            **_truncation(models),
            "normalize": BOOLEAN,
            "dimensions": dimensions,
            "encoding_format": one_of("float"),  # huggingface_hub sends it
        },
    )


def _vectors(models: Models, body: dict[str, Any]) -> Work:
    def answer(vectors: list[Float32]) -> Any:
        found = shorten(models, np.stack(vectors), body.get("dimensions"))
        return found if body.get("normalize") is False else normalize(found)

    return _embed(models, Input.read(body["inputs"], "inputs"), body, answer)


def _tokens_body(models: Models) -> Schema:
    return fields({"inputs": texts(models)}, _truncation(models))


def _token_vectors(models: Models, body: dict[str, Any]) -> Work:
    def answer(matrices: list[Float32]) -> Any:
        return [finite(matrix) for matrix in matrices]

    return _embed(models, Input.read(body["inputs"], "inputs"), body, answer, every_token=True)


def _similarity_body(models: Models) -> Schema:
    inputs = fields(
        {"source_sentence": STRING, "sentences": array(STRING, 1, models.options.max_inputs)}
    )
    return fields({"inputs": inputs}, {"parameters": fields({}, _truncation(models))})


def _similarity(models: Models, body: dict[str, Any]) -> Work:
    def answer(vectors: list[Float32]) -> Any:
        unit = normalize(np.stack(vectors))
        return unit[1:] @ unit[0]

    inputs = body["inputs"]
    given = Input(
        [inputs["source_sentence"], *inputs["sentences"]],
        lambda i: f"inputs.sentences[{i - 1}]" if i else "inputs.source_sentence",
    )
    return _embed(models, given, body.get("parameters") or {}, answer)


# ── /tokenize, /decode ───────────────────────────────────────────────────────────────────────────


def _tokenize_body(models: Models) -> Schema:
    return fields(
        {"inputs": any_of(STRING, array(STRING, 1, models.options.max_inputs))},
        {"add_special_tokens": BOOLEAN, "prompt_name": one_of(*models.prompt_names)},
    )


def _tokenize(models: Models, body: dict[str, Any]) -> Work:
    assert models.embedder is not None
    tokenizer = models.embedder.tokenizer
    prompt = models.prompt(body.get("prompt_name"))
    found = [prompt + text for text in Input.read(body["inputs"], "inputs").values]
    encoding = tokenizer(
        found,
        truncation=False,
        add_special_tokens=body.get("add_special_tokens") is not False,
        return_special_tokens_mask=True,
        return_offsets_mapping=True,
    )
    rows = [
        _tokens(text, tokenizer.convert_ids_to_tokens(ids), ids, special, spans)
        for text, ids, special, spans in zip(
            found,
            encoding["input_ids"],
            encoding["special_tokens_mask"],
            encoding["offset_mapping"],
            strict=True,
        )
    ]
    return Work(lambda _: rows)


def _tokens(
    text: str,
    tokens: list[str],
    ids: list[int],
    special: list[int],
    spans: list[tuple[int, int]],
) -> list[dict[str, Any]]:
    # The places are bytes of UTF-8.
    places = [0, *accumulate(len(char.encode()) for char in text)]
    return [
        {"id": id, "text": token, "special": True, "start": None, "stop": None}
        if is_special
        else {
            "id": id,
            "text": text[start:stop],
            "special": False,
            "start": places[start],
            "stop": places[stop],
        }
        for id, token, is_special, (start, stop) in zip(ids, tokens, special, spans, strict=True)
    ]


def _decode_body(models: Models) -> Schema:
    assert models.embedder is not None
    id = whole(0, models.embedder.config.vocab_size - 1)
    most = models.options.max_inputs
    return fields(
        {"ids": any_of(array(id, 1), array(array(id), 1, most))}, {"skip_special_tokens": BOOLEAN}
    )


def _decode(models: Models, body: dict[str, Any]) -> Work:
    assert models.embedder is not None
    rows = body["ids"] if isinstance(body["ids"][0], list) else [body["ids"]]
    skip = body.get("skip_special_tokens") is not False
    decode = models.embedder.tokenizer.decode
    found = [decode(list(map(int, ids)), skip_special_tokens=skip) for ids in rows]
    return Work(lambda _: found)


# ── /rerank ──────────────────────────────────────────────────────────────────────────────────────


def _rerank_body(models: Models) -> Schema:
    return fields(
        {"query": STRING, "texts": array(STRING, 1, models.options.max_inputs)},
        {
            "truncate": BOOLEAN,
            "truncation_direction": one_of("Right", "right"),  # the longer of the two is cut
            "raw_scores": BOOLEAN,
            "return_text": BOOLEAN,
        },
    )


def _rerank(models: Models, body: dict[str, Any]) -> Work:
    found = body["texts"]

    def answer(logits: list[Float32]) -> Any:
        raw = np.ravel(logits)
        scores = raw if body.get("raw_scores") else sigmoid(raw)
        hits = [{"index": int(i), "score": scores[i]} for i in np.argsort(-raw, kind="stable")]
        return [
            {**hit, "text": found[hit["index"]]} if body.get("return_text") else hit for hit in hits
        ]

    given = Input(found, "texts[{}]".format)
    return models.score(body["query"], given, answer, body.get("truncate"))


# ── /info ────────────────────────────────────────────────────────────────────────────────────────


def _info(models: Models, _: dict[str, Any]) -> Work:
    embedder, options = models.embedder, models.options
    model = embedder or models.cross_encoder
    assert model is not None
    kind: dict[str, Any] = {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    if embedder is not None:
        kind = {"embedding": {"pooling": "+".join(embedder.sentence_config.pooling.modes)}}
    name = models.embedder_name or models.cross_encoder_name
    info = {
        "model_id": name,
        "model_sha": None,
        "model_dtype": "float32",
        "served_model_name": name,
        "model_type": kind,
        "max_concurrent_requests": options.max_concurrent,
        "max_input_length": model.max_seq_length,
        "max_batch_tokens": models.max_batch_tokens,
        "max_batch_requests": None,
        "max_client_batch_size": options.max_inputs,
        "auto_truncate": options.auto_truncate,
        "tokenization_workers": model.threads,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }
    return Work(lambda _: info)


_VECTORS = array(array(NUMBER))
_NONE_OR_INTEGER = any_of(INTEGER, {"type": "null"})
_TOKEN = fields(
    {
        "id": INTEGER,
        "text": STRING,
        "special": BOOLEAN,
        "start": _NONE_OR_INTEGER,
        "stop": _NONE_OR_INTEGER,
    }
)
EMBED = Route("/embed", "A vector of each text", TEI, _vectors_body, _VECTORS, _vectors)
SIMILARITY = Route(
    "/similarity",
    "How alike each sentence is to the source sentence: cosines",
    TEI,
    _similarity_body,
    array(NUMBER),
    _similarity,
)
RERANK = Route(
    "/rerank",
    "Scores of texts for a query, best first",
    TEI,
    _rerank_body,
    array(fields({"index": INTEGER, "score": NUMBER}, {"text": STRING})),
    _rerank,
    model="cross_encoder",
)
ROUTES = (
    EMBED,
    Route(
        "/embed_all",
        "A vector of each token of each text",
        TEI,
        _tokens_body,
        array(_VECTORS),
        _token_vectors,
    ),
    SIMILARITY,
    Route("/tokenize", "Texts to tokens", TEI, _tokenize_body, array(array(_TOKEN)), _tokenize),
    Route("/decode", "Tokens to texts", TEI, _decode_body, array(STRING), _decode),
    Route("/info", "What is served, and how", TEI, None, {"type": "object"}, _info, model="any"),
)
