"""safetensors files byte by byte, for what the library would not write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


def as_bytes(header: Any, data: bytes, header_size: int | None = None) -> bytes:
    """A file of this header, bytes or JSON, and of this data."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if header_size is None else header_size
    return size.to_bytes(8, "little") + text + data


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """A file's header and its data."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def save_bfloat16(tensors: dict[str, np.ndarray], path: Path) -> None:
    """Write the upper half of each float32's bits, for which NumPy has no dtype."""
    header, data = {}, b""
    for name, tensor in tensors.items():
        halves = (np.ascontiguousarray(tensor).view("<u4") >> 16).astype("<u2").tobytes()
        offsets = [len(data), len(data) + len(halves)]
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": offsets}
        data += halves
    path.write_bytes(as_bytes(header, data))
