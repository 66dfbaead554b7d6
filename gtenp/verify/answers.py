"""Vectors as text: the JSON that servers answer with, and plain numbers."""

from __future__ import annotations

import base64
import binascii
import codecs
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.verify.trace import Array, Values

# The name under which a .npy or a JSON list, which names nothing, is read.
EMBEDDING = "embedding"
# The same for vectors of tokens: the last layer's output of a text.
TOKEN_EMBEDDINGS = "token_embeddings"
# A reranker's answer, under its step's name.
SCORES = "scores"
_SCORE_NAMES = ("relevance_score", "score")

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",  # what PowerShell's > writes
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode(content: bytes, place: str) -> str:
    """A file's text, without a byte order mark; InputError where it is not Unicode."""
    marks = (encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    encoding = next(marks, "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place}: byte {error.start} is not {encoding.upper().removesuffix('-SIG')}; "
            "convert the file"
        ) from error


def read_text(text: str, place: str) -> Values:
    """JSON, or a vector of numbers a line."""
    return read_json(text, place) if text.lstrip()[:1] in ("[", "{") else read_numbers(text, place)


def read_numbers(text: str, place: str) -> Values:
    r"""A vector a line, its numbers parted by commas, tabs or spaces; blank lines are skipped.

    >>> read_numbers("0.5 1e-3\n2 3\n", "v.txt")["embedding"].tolist()
    [[0.5, 0.001], [2.0, 3.0]]
    """
    rows, places = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            at = f"{place}: line {number}"
            rows.append(np.array([_number(field, at) for field in _fields(line)]))
            places.append(at)
    return {EMBEDDING: _stacked(rows, places, place)}


def _fields(line: str) -> list[str]:
    mark = next((mark for mark in (",", "\t") if mark in line.strip()), None)
    return line.split(mark)


def _number(field: str, at: str) -> float:
    try:
        if "_" in field:  # which Python allows within its own numbers
            raise ValueError
        return float(field)
    except ValueError as error:
        raise InputError(
            f"{at}: found {_shown(field.strip())}, wanted numbers, parted by commas, tabs or spaces"
        ) from error


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────


def read_json(text: str, place: str) -> Values:
    """A vector, a list of vectors, one a line, an object of names, or a server's answer:

        {"data": [{"index": 0, "embedding": […] or base64}, …]}     OpenAI and its like
        {"embeddings": [[…], …]}, {"embedding": […]}                Ollama
        [[…], …]                                                    TEI's /embed
        [[[…], …], …]                                               TEI's /embed_all: token vectors
        [{"index": 0, "embedding": [[…]]}, …]                       llama.cpp
        [{"index": 0, "score": 0.9}, …]                             TEI's /rerank
        {"results": [{"index": 0, "relevance_score": 0.9}, …]}      Cohere's and Jina's rerank

    InputError says where it holds something else.
    """
    found = _parse(text, place)
    if isinstance(found, list):
        return _rows(found, f"{place}: ")
    if not isinstance(found, dict):
        raise InputError(f"{place}: found {_shown(found)}, wanted {_FORMS}")
    if isinstance(found.get("data"), list):
        return _rows(found["data"], f"{place}: data", indexed=True)
    if isinstance(found.get("results"), list):
        return _scores(found["results"], f"{place}: results")
    if isinstance(found.get("embeddings"), list):
        return _rows(found["embeddings"], f"{place}: embeddings")
    if "error" in found:
        raise InputError(f"{place}: is a server's error, {_shown(found['error'])}; ask it again")
    if isinstance(found.get(EMBEDDING), str):
        return {EMBEDDING: _vector(found[EMBEDDING], f"{place}: {EMBEDDING}")}
    if EMBEDDING in found:  # beside it a server says the model and how long it took
        found = {name: value for name, value in found.items() if isinstance(value, list)}
    return {name: _named(value, f"{place}: {name}") for name, value in found.items()}


_FORMS = (
    "a vector, a list of vectors of one length, a vector a line, an object of names, or a server's "
    "answer"
)


def _parse(text: str, place: str) -> Any:
    """The JSON of the whole text, or of each of its lines, in a list."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InputError(f"{place}: is nested too deeply; wanted {_FORMS}") from error
    except ValueError as error:
        whole = error
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                # Of a file that is one value, the place in the whole says more.
                at = f"line {number}: {error}" if found else str(whole)
                raise InputError(f"{place}: is not JSON ({at}); wanted {_FORMS}") from error
    if not found:
        raise InputError(f"{place}: is empty; wanted {_FORMS}") from whole
    return found


def _rows(items: list[Any], place: str, *, indexed: bool = False) -> Values:
    """A text each: its vector, its tokens' vectors, or an object with either."""
    if items and all(type(item) in (int, float) for item in items):
        return {EMBEDDING: np.array(items, np.float64)}
    if items and all(
        isinstance(item, dict) and EMBEDDING not in item and _score_name(item) for item in items
    ):
        return _scores(items, place)
    places = [f"{place}[{number}]" for number in range(len(items))]
    if indexed or any(isinstance(item, dict) for item in items):
        for number, item in enumerate(items):
            if not isinstance(item, dict) or EMBEDDING not in item:
                raise InputError(f"{places[number]}: has no {EMBEDDING}; found {_shown(item)}")
        if indexed or any("index" in item for item in items):
            items = _in_order(items, places)
        places = [f"{place}.{EMBEDDING}" for place in places]
        items = [item[EMBEDDING] for item in items]
    rows = [_vector(item, at) for item, at in zip(items, places, strict=True)]
    if rows and all(row.ndim == 2 for row in rows):
        if any(len(row) > 1 for row in rows):
            return _of_tokens(rows)
        rows = [row[0] for row in rows]
    for row, at in zip(rows, places, strict=True):
        if row.ndim != 1:
            raise InputError(f"{at}: is a list of vectors, the others are vectors; wanted {_FORMS}")
    return {EMBEDDING: _stacked(rows, places, place.removesuffix(": "))}


def _score_name(item: dict[str, Any]) -> str | None:
    return next((name for name in _SCORE_NAMES if name in item), None)


def _scores(items: list[Any], place: str) -> Values:
    """A reranker's answer: the documents' scores, in the order of the documents."""
    places = [f"{place}[{number}]" for number in range(len(items))]
    for item, at in zip(items, places, strict=True):
        name = _score_name(item) if isinstance(item, dict) else None
        if name is None:
            raise InputError(f"{at}: has no {' or '.join(_SCORE_NAMES)}; found {_shown(item)}")
        if type(item[name]) not in (int, float):
            raise InputError(f"{at}.{name}: found {_shown(item[name])}, wanted a number")
    if not items:
        raise InputError(f"{place}: holds no scores; wanted {_FORMS}")
    ordered = _in_order(items, places, "; ask for all documents, not for the best alone")
    scores = _vector([item[_score_name(item)] for item in ordered], place.removesuffix(": "))
    return {SCORES: scores if len(scores) == 1 else scores[:, None]}


def _in_order(items: list[Any], places: list[str], mend: str = "") -> list[Any]:
    """Sorted by their index, which must have each number once."""
    wanted = f"wanted each of 0 to {len(items) - 1} once{mend}"
    ordered: dict[int, Any] = {}
    for item, at in zip(items, places, strict=True):
        index = item.get("index")
        if "index" not in item:
            raise InputError(f"{at}: has no index; {wanted}")
        if type(index) is not int or not 0 <= index < len(items):
            raise InputError(f"{at}.index: found {_shown(index)}, {wanted}")
        if index in ordered:
            raise InputError(f"{at}.index: found {index} a second time, {wanted}")
        ordered[index] = item
    return [ordered[index] for index in range(len(items))]


def _vector(item: Any, at: str) -> Array:
    """One text's numbers: [H], or [S, H] where they are its tokens' vectors."""
    if isinstance(item, str):
        return _from_base64(item, at)
    if not isinstance(item, list) or not item:
        raise InputError(f"{at}: found {_shown(item)}, wanted a list of numbers")
    if isinstance(item[0], list):
        places = [f"{at}[{number}]" for number in range(len(item))]
        rows = [_vector(row, place) for row, place in zip(item, places, strict=True)]
        if any(row.ndim != 1 for row in rows):
            raise InputError(f"{at}: is nested too deeply; wanted {_FORMS}")
        return _stacked(rows, places, at)
    for number, value in enumerate(item):
        if type(value) not in (int, float):
            raise InputError(f"{at}[{number}]: found {_shown(value)}, wanted a number")
    try:
        return np.array(item, np.float64)
    except OverflowError as error:
        raise InputError(f"{at}: holds a whole number beyond all floats") from error


def _from_base64(text: str, at: str) -> Array:
    """float32, little-endian: OpenAI's encoding_format "base64".

    >>> _from_base64("AACAPwAAAEA=", "").tolist()
    [1.0, 2.0]
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(
            f"{at}: found {_shown(text)}, wanted a list of numbers or float32 in base64 ({error})"
        ) from error
    if not content or len(content) % 4:
        raise InputError(f"{at}: {len(content)} bytes in base64; wanted float32, 4 bytes a number")
    return np.frombuffer(content, "<f4").astype(np.float32)


def _of_tokens(texts: Sequence[Array]) -> Values:
    if len(texts) == 1:
        return {TOKEN_EMBEDDINGS: texts[0]}
    return {f"{number}.{TOKEN_EMBEDDINGS}": text for number, text in enumerate(texts)}


def _stacked(rows: Sequence[Array], places: Sequence[str], place: str) -> Array:
    """[n, H]; InputError where there are none, or lengths differ."""
    if not rows:
        raise InputError(f"{place}: holds no vectors; wanted {_FORMS}")
    for row, at in zip(rows, places, strict=True):
        if len(row) != len(rows[0]):
            raise InputError(
                f"{at} has {len(row)} numbers, {places[0].rpartition(': ')[2]} has {len(rows[0])}; "
                "wanted vectors of one length"
            )
    return np.stack(rows)


def _named(value: Any, at: str) -> Array:
    """A value of any shape, whole numbers kept whole."""
    try:
        return np.array(value)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{at}: has rows of different lengths; wanted an array") from error


def _shown(value: Any) -> str:
    """The start of a value, as JSON."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"
