"""Character maps as sentencepiece writes them into a model, from small ones in plain sight."""

from __future__ import annotations

import base64
import struct
import unicodedata
from functools import cache

BLOCK = 256  # of a node's own: no two nodes' children ever collide


def charsmap(mapping: dict[str, str]) -> bytes:
    """A mapping as a double array of its keys' UTF-8 bytes, and the replacements behind it."""
    nodes: list[dict[int, int]] = [{}]
    ends: dict[int, int] = {}
    texts = bytearray()
    for key, form in mapping.items():
        node = 0
        for byte in key.encode():
            if byte not in nodes[node]:
                nodes[node][byte] = len(nodes)
                nodes.append({})
            node = nodes[node][byte]
        ends[node] = len(texts)
        texts += form.encode() + b"\0"
    units = [0] * (BLOCK * (len(nodes) + 1))

    def unit(place: int, node: int, label: int) -> None:
        offset = place ^ BLOCK * (node + 1)
        units[place] = offset << 10 | (node in ends) << 8 | label
        if node in ends:
            units[BLOCK * (node + 1)] = 1 << 31 | ends[node]

    unit(0, 0, 0)
    for node, children in enumerate(nodes):
        for label, child in children.items():
            unit(BLOCK * (node + 1) ^ label, child, label)
    return struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + texts


def precompiled_json(mapping: dict[str, str]) -> dict[str, str]:
    """The normalizer of a tokenizer.json that applies the mapping."""
    text = base64.b64encode(charsmap(mapping)).decode("ascii")
    return {"type": "Precompiled", "precompiled_charsmap": text}


@cache
def small_map() -> bytes:
    """A character map in the manner of nmt_nfkc's: single characters, what they decompose to, and
    two keys that begin alike.
    """
    spaces = "\t\n\r\u00a0\u1680\u2000\u2003\u2028\u202f\u3000\ufeff"
    mapping = {chr(point): "" for point in [*range(1, 9), *range(14, 32), 0x7F, 0xAD, 0x200B]}
    mapping |= dict.fromkeys(spaces, " ")
    points = [*range(0xA1, 0x250), *range(0x2100, 0x2190), *range(0x2460, 0x2480),
              *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF60), 0x0E33, 0x0958, 0xFDFA]  # fmt: skip
    for char in map(chr, points):
        form = unicodedata.normalize("NFKC", char)
        parts = unicodedata.normalize("NFD", char)
        if form != char:
            mapping[char] = form
        elif parts != char:
            mapping[parts] = char
    return charsmap(mapping | {"\u0340": "\u0300", "\u0340\u0301": "x"})
