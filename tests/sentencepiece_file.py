"""Files as sentencepiece writes them, field by field."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first."""
    done = bytearray()
    while value > 0x7F:
        done.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*done, value])


def field(number: int, value: int | float | bytes) -> bytes:
    """A field of a message: a whole number, a float of 32 bits, or bytes."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    return varint(number << 3) + varint(value)


def model_file(
    pieces: list[tuple[str, float, int]],
    charsmap: bytes = b"",
    *,
    model_type: int = 1,
    unk_id: int = 0,
    byte_fallback: bool = False,
) -> bytes:
    """A .model file of pieces, each with its score and type; type 1 goes without saying."""
    data = b"".join(
        field(
            1,
            field(1, piece.encode())
            + field(2, float(score))
            + (field(3, kind) if kind != 1 else b""),
        )
        for piece, score, kind in pieces
    )
    data += field(2, field(3, model_type) + field(35, int(byte_fallback)) + field(40, unk_id))
    return data + field(3, field(1, b"nmt_nfkc") + field(2, charsmap))
