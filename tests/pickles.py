"""Files of ``torch.save`` byte by byte, without torch: sound ones, and what it never writes."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Global:
    """A name that unpickling would import: "os system"."""

    name: str


@dataclass(frozen=True)
class Call:
    """A function that unpickling would call, and its arguments."""

    function: Any
    arguments: Any


@dataclass(frozen=True)
class Stored:
    """A storage, by the tuple that names it."""

    identity: Any


def opcodes(value: Any) -> bytes:
    """The opcodes of protocol 2 that leave the value on the stack; bytes are opcodes already."""
    match value:
        case bytes():
            return value
        case Global(name):
            return b"c" + name.replace(" ", "\n").encode() + b"\n"
        case Call(function, arguments):
            return opcodes(function) + opcodes(arguments) + b"R"
        case Stored(identity):
            return opcodes(identity) + b"Q"
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            size = value.bit_length() // 8 + 1
            return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            text = value.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(text)) + text
        case tuple():
            return b"(" + b"".join(map(opcodes, value)) + b"t"
        case list():
            return b"](" + b"".join(map(opcodes, value)) + b"e"
        case dict():
            items = [opcodes(item) for pair in value.items() for item in pair]
            return b"}(" + b"".join(items) + b"u"
    raise TypeError(value)


# What torch.save wrote before it wrote zips begins with the pickle of a magic number.
OLD = b"\x80\x02" + opcodes(0x1950A86A20F9469CFC6C) + b"."
HOOKS = Call(Global("collections OrderedDict"), ())


def tensor(
    key: str,
    shape: Any,
    strides: Any,
    count: Any,
    offset: Any = 0,
    kind: str = "torch FloatStorage",
    *more: Any,
) -> Call:
    """A view of the storage ``key``, which is said to have ``count`` numbers."""
    storage = Stored(("storage", Global(kind), key, "cpu", count))
    arguments = (storage, offset, shape, strides, False, HOOKS, *more)
    return Call(Global("torch._utils _rebuild_tensor_v2"), arguments)


def saved(
    value: Any,
    storages: Mapping[str, bytes] | None = None,
    *,
    folder: str = "archive",
    compression: int = zipfile.ZIP_STORED,
    **others: bytes,
) -> bytes:
    """The zip of a pickle, which builds the value, and of its storages."""
    entries = {"data.pkl": b"\x80\x02" + opcodes(value) + b".", **others}
    entries |= {f"data/{key}": content for key, content in (storages or {}).items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"{folder}/{name}", content)
    return file.getvalue()


def saved_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A state dict of float32 arrays, each in a storage of its own."""
    tensors, storages = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        strides = tuple(step // 4 for step in array.strides)
        tensors[name] = tensor(str(number), array.shape, strides, array.size)
        storages[str(number)] = array.tobytes()
    return saved(tensors, storages, byteorder=b"little", version=b"3\n")
