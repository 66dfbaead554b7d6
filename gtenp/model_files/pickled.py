"""pytorch_model.bin → model.safetensors, without running the pickle that is in it.

``torch.save`` writes a zip: data.pkl is a program for pickle's stack machine that builds a dict of
tensors, and data/0, data/1, … are the numbers, uncompressed. Whoever unpickles data.pkl runs
whatever it names. Here its opcodes are only read: those that build dicts, lists, tuples, strings
and numbers act on plain values, the few names that a dict of tensors needs stand for themselves,
and all else is refused by name. The opcodes: the standard library's ``pickletools``.

The file is mapped and its tensors are written one block at a time, so that a model converts in far
less memory than it takes on the disk.
"""

from __future__ import annotations

import io
import json
import mmap
import pickletools
import struct
import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from gtenp.errors import InputError, ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import MAX_HEADER, indexed_files
from gtenp.model_files.config import refuse_links_outside, shown
from gtenp.model_files.folders import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gtenp.model_files.checkpoint import Array

# BERT-large's data.pkl takes 47 kB, its zip's directory 25. A pickle of this size builds some 100
# MB of objects at the most.
_MAX_SIZE = 1 << 20

# Tied weights are one storage under several names, four in a T5, and each name gets its own copy.
# A view that repeats its numbers, as expand() makes it, could otherwise fill any disk.
_MAX_GROWTH = 8

_BLOCK = 16 << 20  # bytes written at a time


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of the file, in a dtype that NumPy may not have."""

    dtype: str  # as safetensors names it: "F32", "BF16", …
    bits: Array  # unsigned integers of that width, a read-only view into the file


def convert(
    source: Path, target: Path | int | None = None, *, show_progress_bar: bool = False
) -> Path | int:
    """Write the tensors of a pickle, or of a folder with one, as safetensors: what was written.

    Names, shapes, dtypes and every bit stay. Without ``target``, pytorch_model.bin becomes
    model.safetensors beside it, any other NAME.bin NAME.safetensors. A folder may hold the pickle
    in parts, with pytorch_model.bin.index.json: each becomes a safetensors file beside it, and
    model.safetensors.index.json, written last, is the path. ``target`` may be an open descriptor,
    which gets all at once.

    UnsupportedModelError where the pickle holds more than tensors, ModelFileError where it is
    damaged; InputError for a target that can't be. In none of these cases is anything written.
    """
    if source.is_dir():
        refuse_links_outside(source, suffixes=(".bin", ".json"))
        index = source / _INDEX
        source = index if index.exists() else source / "pytorch_model.bin"
        if not source.exists():  # asked before what stands beside it, which may be all there is
            raise ModelFileError(source, "is missing; there is nothing to convert")
    if source.name == _INDEX:
        if target is not None:
            raise InputError(f"{source} names several parts, which one file can't hold")
        return _convert_parts(source, show_progress_bar)
    if target is None:
        target = _beside(source)
    elif (
        not isinstance(target, int)
        and target.exists()
        and source.exists()
        and target.samefile(source)
    ):
        raise InputError(f"{target} is the file to be read; name another")
    _save(_read(source), target, show_progress_bar)
    return target


_INDEX = "pytorch_model.bin.index.json"


def _convert_parts(index: Path, show_progress_bar: bool) -> Path:
    """All parts are looked through before the first is written. The index, without which they are
    no model, comes last.
    """
    target = _free(index.with_name("model.safetensors.index.json"))
    parts = [(_read(path), _beside(path)) for path in indexed_files(index, ".bin")]
    weight_map: dict[str, str] = {}
    for state_dict, part in parts:
        for name in state_dict.tensors:
            if name in weight_map:
                raise ModelFileError(
                    state_dict.path, f"gives {shown(name)} a second time; copy the parts anew"
                )
            weight_map[name] = part.name
    for state_dict, part in parts:
        _save(state_dict, part, show_progress_bar)
    metadata = {"total_size": sum(state_dict.size for state_dict, _ in parts)}
    with new_file(target) as file:
        text = json.dumps({"metadata": metadata, "weight_map": weight_map}, indent=2)
        file.write(f"{text}\n".encode())
    return target


def _beside(source: Path) -> Path:
    return _free(source.with_name(f"{source.stem.removeprefix('pytorch_')}.safetensors"))


def _free(target: Path) -> Path:
    if target.exists():
        raise InputError(f"{target} is there already; remove it, or name another file")
    return target


# ── The file ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _StateDict:
    """A file's tensors, and its mapping, whose pages can be let go."""

    path: Path
    mapping: mmap.mmap
    tensors: dict[str, StoredTensor]

    @property
    def size(self) -> int:
        """Bytes of its tensors, each counted in full."""
        return sum(tensor.bits.nbytes for tensor in self.tensors.values())


def read_state_dict(path: Path) -> dict[str, StoredTensor]:
    """The tensors of a file that ``torch.save`` wrote, by name.

    It holds a dict of tensors, or a dict that has one under "state_dict". UnsupportedModelError
    names what else it asks for; ModelFileError where it is not sound.
    """
    return _read(path).tensors


def _read(path: Path) -> _StateDict:
    try:
        archive = _Archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pickletools has doubts about backslashes in names
            value = _interpreted(archive.content("data.pkl"), path)
        found = archive.tensors(value)
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(path, f"can't be read ({reason}); copy it anew") from error
    except _DAMAGE as error:
        reason = (
            "the pickle takes what is not there"
            if isinstance(error, LookupError)
            else str(error)[:200]
        )
        raise ModelFileError(
            path, f"is not what torch.save writes, or damaged ({reason}); copy it anew"
        ) from error
    state_dict = _StateDict(path, archive.mapping, found)
    if state_dict.size > _MAX_GROWTH * len(archive.mapping):
        raise UnsupportedModelError(
            path,
            f"has {len(archive.mapping):,} bytes, of which its tensors would make "
            f"{state_dict.size:,}: they repeat the same numbers; save copies that are contiguous",
        )
    return state_dict


# What zipfile, pickletools, NumPy and _interpreted raise for bytes and sizes that make no sense.
_DAMAGE = (
    zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, LookupError, OverflowError,
)  # fmt: skip

# The pickle of a magic number, with which files begin that torch wrote before it wrote zips.
_OLD_FORM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"


class _Archive:
    """The zip of ``torch.save``: names → bytes of the mapped file. No name is taken for a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise ModelFileError(path, "is missing, or no file; wanted a pytorch_model.bin")
        with path.open("rb") as file:
            if file.read(len(_OLD_FORM)) == _OLD_FORM:
                raise UnsupportedModelError(
                    path,
                    "has the form that torch wrote before version 1.6; where torch is installed, "
                    "torch.save(torch.load(FILE, weights_only=True), FILE) gives it today's",
                )
            if path.stat().st_size == 0:
                raise ModelFileError(path, "is empty; copy it anew")
            self.mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with _Directory(path) as directory, zipfile.ZipFile(directory) as archive:
            self._entries = {entry.filename: entry for entry in archive.infolist()}
            if len(self._entries) != len(archive.infolist()):
                raise ValueError("one name comes twice in the zip")
        self._folder = next(iter(self._entries), "").partition("/")[0]
        if self._has("constants.pkl"):
            raise UnsupportedModelError(
                path, "is a TorchScript program; wanted weights alone, as torch.save writes them"
            )
        if self._has("byteorder") and self.content("byteorder") != b"little":
            raise UnsupportedModelError(
                path, "has another byte order than little; save it on another machine"
            )

    def _has(self, name: str) -> bool:
        return f"{self._folder}/{name}" in self._entries

    def _place(self, name: str) -> tuple[int, int]:
        """Where an entry's bytes begin in the file, and how many they are."""
        if not self._has(name):
            raise ValueError(f"{shown(name)} is not in the zip")
        entry = self._entries[f"{self._folder}/{name}"]
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise ValueError(f"{name} is compressed or encrypted, which torch.save never does")
        # The entry's own header, which torch pads, says where it ends, not the zip's directory.
        header = self.mapping[entry.header_offset : entry.header_offset + 30]
        if header[:4] != b"PK\x03\x04":
            raise ValueError(f"{name} has no header in the zip")
        name_size, extra_size = struct.unpack("<HH", header[26:])
        start = entry.header_offset + 30 + name_size + extra_size
        if entry.file_size != entry.compress_size or start + entry.file_size > len(self.mapping):
            raise ValueError(f"{name} reaches beyond the end of the file")
        return start, entry.file_size

    def content(self, name: str) -> bytes:
        """A small entry's content."""
        start, size = self._place(name)
        if size > _MAX_SIZE:
            raise ValueError(f"{name} has {size:,} bytes; {_MAX_SIZE:,} at most were expected")
        return self.mapping[start : start + size]

    def tensors(self, value: Any) -> dict[str, StoredTensor]:
        """The state dict that data.pkl built, every tensor checked against its storage."""
        if isinstance(value, dict) and isinstance(value.get("state_dict"), dict):
            value = value["state_dict"]
        if not isinstance(value, dict) or not value:
            raise UnsupportedModelError(
                self._path, f"holds {_kind(value)}; wanted a dict of tensors, a state_dict"
            )
        for name, tensor in value.items():
            if not isinstance(tensor, _Tensor):
                raise UnsupportedModelError(
                    self._path,
                    f"holds {_kind(tensor)} under {shown(name)}; wanted tensors only. {_ALONE}",
                )
            if type(name) is not str or not name.isprintable() or name == "__metadata__":
                raise ValueError(f"{shown(name)} is no tensor's name")
        return {name: self._view(name, tensor) for name, tensor in value.items()}

    def _view(self, name: str, tensor: _Tensor) -> StoredTensor:
        dtype, width = tensor.dtype
        start, size = self._place(f"data/{tensor.storage.key}")
        if size != tensor.storage.size:
            raise ValueError(
                f"{shown(name)} wants a storage of {shown(tensor.storage.size)} bytes, "
                f"the zip has {size}"
            )
        shape, strides = tensor.shape, tensor.strides
        if min((tensor.offset, *shape, *strides)) < 0:
            raise ValueError(f"{shown(name)} has shape {shown(shape)}, strides {shown(strides)}")
        if 0 in shape:
            return StoredTensor(dtype, np.empty(shape, f"<u{width}"))
        last = tensor.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if (last + 1) * width > size:
            raise ValueError(f"{shown(name)} reaches beyond its storage")
        # torch leaves any stride to an axis of length 1
        steps = [step * width if n > 1 else 0 for n, step in zip(shape, strides, strict=True)]
        place = start + tensor.offset * width
        return StoredTensor(dtype, np.ndarray(shape, f"<u{width}", self.mapping, place, steps))


class _Directory(io.FileIO):
    """The file for ``zipfile``, which would read a directory of any size at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = _MAX_SIZE + 1 if size is None or size < 0 else size
        if wanted > _MAX_SIZE + 1:
            raise ValueError(f"a directory of {size:,} bytes; {_MAX_SIZE:,} at most were expected")
        return super().read(wanted)


_ALONE = "Where the file is trusted, load it with torch and save the model's state_dict() alone"


def _kind(value: Any) -> str:
    if value == {}:
        return "nothing"
    names = {dict: "a dict", list: "a list", tuple: "a tuple", _Tensor: "a tensor"}
    return names.get(type(value)) or shown(value)


# ── The pickle ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Storage:
    """A run of numbers that tensors look into: an entry of the zip."""

    key: str
    dtype: tuple[str, int] | None  # None: bytes, and the tensor says of what dtype
    size: int  # in bytes


@dataclass(frozen=True)
class _Tensor:
    """A tensor as data.pkl states it, in elements of its storage. None of it is checked yet."""

    storage: _Storage
    dtype: tuple[str, int]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class _Name:
    """What data.pkl knows by a name, "torch FloatStorage": here a name it stays."""

    name: str


# Of torch's dtypes those that safetensors has: its name for them, and their width in bytes.
_DTYPES = {
    "torch float64": ("F64", 8), "torch float32": ("F32", 4),
    "torch float16": ("F16", 2), "torch bfloat16": ("BF16", 2),
    "torch int64": ("I64", 8), "torch int32": ("I32", 4),
    "torch int16": ("I16", 2), "torch int8": ("I8", 1),
    "torch uint64": ("U64", 8), "torch uint32": ("U32", 4),
    "torch uint16": ("U16", 2), "torch uint8": ("U8", 1),
    "torch bool": ("BOOL", 1), "torch complex64": ("C64", 8),
    "torch float8_e4m3fn": ("F8_E4M3", 1), "torch float8_e4m3fnuz": ("F8_E4M3FNUZ", 1),
    "torch float8_e5m2": ("F8_E5M2", 1), "torch float8_e5m2fnuz": ("F8_E5M2FNUZ", 1),
}  # fmt: skip

# A storage of bytes gets its dtype from each tensor; these older ones have one by their name.
_UNTYPED = "torch.storage UntypedStorage"
_STORAGES = {
    "torch DoubleStorage": _DTYPES["torch float64"],
    "torch FloatStorage": _DTYPES["torch float32"],
    "torch HalfStorage": _DTYPES["torch float16"],
    "torch BFloat16Storage": _DTYPES["torch bfloat16"],
    "torch LongStorage": _DTYPES["torch int64"],
    "torch IntStorage": _DTYPES["torch int32"],
    "torch ShortStorage": _DTYPES["torch int16"],
    "torch CharStorage": _DTYPES["torch int8"],
    "torch ByteStorage": _DTYPES["torch uint8"],
    "torch BoolStorage": _DTYPES["torch bool"],
    "torch ComplexFloatStorage": _DTYPES["torch complex64"],
}
_FUNCTIONS = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
)
_KNOWN = {*_FUNCTIONS, _UNTYPED, *_STORAGES, *_DTYPES}


def _interpreted(pickle: bytes, path: Path) -> Any:
    """What the pickle would build, of dicts, lists, tuples, plain values and ``_Tensor`` alone.

    UnsupportedModelError names whatever else it would call; ValueError and LookupError where its
    opcodes make no sense.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []  # a stack for each mark
    memo: dict[int, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(pickle):
        match opcode.name:
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode.name])
            case "MARK":
                below.append(stack)
                stack = []
            case "TUPLE":
                items, stack = stack, below.pop()
                stack.append(tuple(items))
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(opcode.name[-1]))]
                stack.append(tuple(reversed(items)))
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                _set_items(stack, [stack.pop(-2), stack.pop()])
            case "SETITEMS":
                items, stack = stack, below.pop()
                _set_items(stack, items)
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                _extend(stack, [stack.pop()])
            case "APPENDS":
                items, stack = stack, below.pop()
                _extend(stack, items)
            case "GLOBAL":
                stack.append(_named(argument, path))
            case "STACK_GLOBAL":
                name = stack.pop()
                stack.append(_named(f"{stack.pop()} {name}", path))
            case "BINPERSID":
                stack.append(_storage(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_called(stack.pop(), arguments, path))
            case "BUILD":  # attributes of an OrderedDict: _metadata, the versions of modules
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise ValueError(f"attributes for {_kind(stack[-1])}")
            case "PROTO" if 2 <= argument <= 5:
                pass
            case "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case name:
                raise ValueError(f"the opcode {name}, which builds no dict of tensors")
    raise ValueError("no end")


def _set_items(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], dict) or len(items) % 2:
        raise ValueError("items for what is no dict")
    for key in items[::2]:
        # Whole numbers, as optimizers' states have them, of no more bits than all hash apart.
        if type(key) is not str and not (type(key) is int and abs(key) <= 1 << 31):
            raise ValueError(f"{_kind(key)} for a key; wanted a name")
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _extend(stack: list[Any], items: list[Any]) -> None:
    if not isinstance(stack[-1], list):
        raise ValueError("items for what is no list")
    stack[-1].extend(items)


def _named(name: str, path: Path) -> _Name:
    if name not in _KNOWN:
        raise UnsupportedModelError(
            path,
            f"asks for {shown(name.replace(' ', '.'))}; gtenp understands plain tensors and dicts "
            f"of them alone, and ran nothing. {_ALONE}",
        )
    return _Name(name)


def _storage(identity: Any) -> _Storage:
    """("storage", its kind, its entry's name below data/, a device, how many numbers it has)."""
    match identity:
        case ("storage", _Name(kind), str(key), str(), int(count)):
            if kind == _UNTYPED:
                return _Storage(key, None, count)
            if kind in _STORAGES:
                return _Storage(key, _STORAGES[kind], count * _STORAGES[kind][1])
    raise ValueError("a storage of no known kind")


def _called(function: Any, arguments: Any, path: Path) -> Any:
    """What REDUCE leaves on the stack. Of names that stand for a function there are five."""
    if not isinstance(function, _Name):
        raise ValueError(f"a call of {_kind(function)}")
    match function.name, arguments:
        case "collections OrderedDict", ():
            return {}
        case "torch._utils _rebuild_parameter", (_Tensor() as tensor, _, _):
            return tensor
        case "torch._utils _rebuild_parameter_with_state", (_Tensor() as tensor, _, _, _):
            return tensor
        case (
            "torch._utils _rebuild_tensor_v2",
            (_Storage(dtype=(_, _) as dtype) as storage, offset, shape, strides, _, _, *metadata),
        ):
            tensor = _Tensor(storage, dtype, offset, shape, strides)
        case (
            "torch._utils _rebuild_tensor_v3",
            (_Storage(dtype=None) as storage, offset, shape, strides, _, _, _Name(name), *metadata),
        ) if name in _DTYPES:
            tensor = _Tensor(storage, _DTYPES[name], offset, shape, strides)
        case _:
            raise ValueError(f"a call of {function.name} with other arguments than its own")
    if not (type(shape) is type(strides) is tuple and len(shape) == len(strides) <= 64):
        raise ValueError("a tensor without shape and strides, or with more than 64 axes")
    if not all(type(number) is int for number in (offset, *shape, *strides)):
        raise ValueError("a tensor whose shape and strides are no whole numbers")
    if metadata not in ([], [{}]):
        raise UnsupportedModelError(
            path, "has a tensor that is conjugated or negated once it is read; save a clone of it"
        )
    return tensor


# ── The new file ─────────────────────────────────────────────────────────────────────────────────


def _save(state_dict: _StateDict, target: Path | int, show_progress_bar: bool) -> None:
    """Write safetensors, a block at a time, whole or not at all.

    safetensors' own writer wants all of a file in memory, and has no bfloat16 for NumPy.
    """
    # The widest numbers first: then all begin at a multiple of their width.
    ordered = sorted(state_dict.tensors.items(), key=lambda item: -item[1].bits.itemsize)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.bits.nbytes
        header[name] = {
            "dtype": tensor.dtype,
            "shape": tensor.bits.shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER:
        raise UnsupportedModelError(
            state_dict.path,
            f"has names and shapes of {len(text):,} bytes; {MAX_HEADER:,} at most were expected",
        )
    with (
        new_file(target) as file,
        tqdm(total=end, unit="B", unit_scale=True, disable=not show_progress_bar) as bar,
    ):
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            for block in _blocks(tensor.bits):
                file.write(block.data)
                bar.update(block.nbytes)
                if hasattr(mmap, "MADV_DONTNEED"):
                    # What was read is never read again, and would fill the memory page by page.
                    state_dict.mapping.madvise(mmap.MADV_DONTNEED)


def _blocks(bits: Array) -> Iterator[Array]:
    """The array's numbers in their order, in contiguous pieces of _BLOCK bytes at the most."""
    if bits.nbytes <= _BLOCK:
        yield np.ascontiguousarray(bits)
    elif bits.flags.c_contiguous:
        flat, step = bits.reshape(-1), _BLOCK // bits.itemsize
        yield from (flat[start : start + step] for start in range(0, bits.size, step))
    elif rows := _BLOCK // (bits.nbytes // len(bits)):
        for row in range(0, len(bits), rows):
            yield np.ascontiguousarray(bits[row : row + rows])
    else:
        for row in bits:
            yield from _blocks(row)
