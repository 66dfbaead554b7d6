"""Character maps as sentencepiece writes them into a model, from small ones in plain sight."""

from __future__ import annotations

import base64
import struct

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
