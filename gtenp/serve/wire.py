"""Bytes to a request's body, and a reply to bytes."""

from __future__ import annotations

import json
from typing import Any

import orjson

from gtenp.serve.problem import RequestError
from gtenp.serve.schema import Place, written


def read(content: bytes) -> dict[str, Any]:
    r"""The JSON object that the bytes hold; RequestError where they hold none.

    >>> read(rb'{"input": "\ud800"}')
    Traceback (most recent call last):
    gtenp.serve.problem.RequestError: input holds half a surrogate pair, which is no text
    """
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        place = _place_of_half_a_pair(content)
        if place is not None:
            problem = f"{written(place)} holds half a surrogate pair, which is no text"
            raise RequestError("invalid", problem, written(place)) from None
        raise RequestError("malformed", f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise RequestError("invalid", "the body is no JSON object")
    return body


def _place_of_half_a_pair(content: bytes) -> Place | None:
    """Where a text stands that only Python's own reader takes; None: that is not what is wrong."""
    try:
        return _find_half_a_pair(json.loads(content), ())
    except (ValueError, RecursionError):
        return None


def _find_half_a_pair(value: Any, place: Place) -> Place | None:
    if isinstance(value, str):
        return place if any("\ud800" <= char <= "\udfff" for char in value) else None
    steps: Any = value.items() if isinstance(value, dict) else ()
    steps = enumerate(value) if isinstance(value, list) else steps
    for step, inner in steps:
        found = _find_half_a_pair(inner, (*place, step))
        if found is not None:
            return found
    return None


def write(reply: Any) -> bytes:
    """JSON of a reply, whose numbers may stand in NumPy's arrays."""
    return bytes(orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY))
