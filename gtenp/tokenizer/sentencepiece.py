"""A model as sentencepiece writes it: its pieces, scores and character map, without its library.

The file is a protocol buffer: fields, each a number with a wire type and a value, one behind the
other; a field of the kind "bytes" may hold such a message in its turn.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
# A piece's types that stand for no text of their own.
CONTROL, USER_DEFINED = 3, 4


@dataclass(frozen=True, slots=True)
class SentencePieceModel:
    """What such a file says. ``types``: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte."""

    model_type: str
    pieces: list[str]
    scores: list[float]
    types: list[int]
    unk_id: int
    byte_fallback: bool
    charsmap: bytes


def read_sentencepiece(data: bytes) -> SentencePieceModel:
    """Read the bytes of a ``.model`` file.

    Raises ValueError where they are none: cut short, or no protocol buffer.
    """
    pieces: list[str] = []
    scores: list[float] = []
    types: list[int] = []
    model_type, unk_id, byte_fallback, charsmap = 1, 0, 0, b""
    for number, value in fields(data):
        if number == 1:
            piece, score, kind = b"", 0.0, 1
            for inner, part in fields(_message(value)):
                if inner == 1:
                    piece = _message(part)
                elif inner == 2:
                    (score,) = struct.unpack("<f", _message(part))
                elif inner == 3:
                    kind = _integer(part)
            pieces.append(piece.decode("utf-8"))
            scores.append(score)
            types.append(kind)
        elif number == 2:  # how it was trained
            trained = dict(fields(_message(value)))
            model_type = _integer(trained.get(3, model_type))
            byte_fallback = _integer(trained.get(35, byte_fallback))
            unk_id = _integer(trained.get(40, unk_id))
        elif number == 3:  # how it normalizes
            charsmap = _message(dict(fields(_message(value))).get(2, charsmap))
    if not pieces:
        raise ValueError("it has no pieces")
    return SentencePieceModel(
        MODEL_TYPES.get(model_type, str(model_type)),
        pieces, scores, types, unk_id, bool(byte_fallback), charsmap,
    )  # fmt: skip


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    r"""The fields of a message: their numbers and values, whole numbers or bytes.

    >>> list(fields(b"\x08\x96\x01\x12\x02hi"))
    [(1, 150), (2, b'hi')]

    Raises ValueError where the message is cut short or of another format.
    """
    place = 0
    size = len(data)
    while place < size:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field has wire type {kind}")
        if place + length > size:
            raise ValueError("it is cut short")
        yield key >> 3, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A whole number, seven bits a byte, the lowest first; and the place behind it."""
    value = shift = 0
    for place in range(place, min(place + 10, len(data))):  # noqa: B020
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
    raise ValueError("it is cut short")


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a field holds a number where bytes were wanted")
    return value


def _integer(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a field holds bytes where a number was wanted")
    return value
