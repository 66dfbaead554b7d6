"""model.safetensors → tensors by name, and the frozen dataclasses that a family fills with them.

The file is mapped, not read: each weight is a read-only view, and a page of it costs memory only
once it is touched. The format: https://huggingface.co/docs/safetensors (an 8-byte little-endian
length, a JSON header of that length, then the tensors' bytes).

Names come in several forms, from several years: with ``bert.`` or the like before them where a
head was trained on top, with ``gamma`` and ``beta`` for a layer norm's weight and bias. Here they
are one.
"""

from __future__ import annotations

import json
import math
import mmap
import re
import shlex
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import LFS_POINTER, JsonObject, refuse_pointer, shown
from gtenp.model_files.contents import INDEX, WEIGHTS, is_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gtenp.model_files import sentence_config

Array = npt.NDArray[Any]  # a weight in whatever float dtype its file or its reader holds


@dataclass(frozen=True)
class Linear:
    """x @ weight.T + bias; where a model has none, the bias is 0."""

    weight: Array  # [out, in]
    bias: Array  # [out]


@dataclass(frozen=True)
class LayerNorm:
    """Scale and shift of one normalisation; where a model has no shift, it is 0."""

    weight: Array  # [H]
    bias: Array  # [H]


@dataclass(frozen=True)
class Layer:
    """One encoder layer: attention, then the feed-forward network.

    The norms stand behind their part, or before it where ``arithmetic.norm_first`` says so.
    """

    query: Linear  # [A·D, H], and A·D is H in all but T5
    key: Linear  # [A·D, H]
    value: Linear  # [A·D, H]
    attention_output: Linear  # [H, A·D]
    attention_norm: LayerNorm
    intermediate: Linear  # [F, H], before the activation
    output: Linear  # [H, F]
    output_norm: LayerNorm
    up: Linear | None = None  # [F, H], what the activation scales where the feed-forward is gated


@dataclass(frozen=True)
class BertWeights:
    """Everything that a forward pass reads, in the dtype of the file.

    In a missing table's place stands one row of zeros, in a missing norm's one that is not used.
    """

    word_embeddings: Array  # [V, H]
    position_embeddings: Array  # [max_position_embeddings, H]
    token_type_embeddings: Array  # [type_vocab_size, H]
    embeddings_norm: LayerNorm
    layers: tuple[Layer, ...]  # L of them
    ignored: tuple[str, ...] = ()  # names, as the file writes them, that no embedding depends on
    relative_attention_bias: Array | None = None  # [buckets, A]
    final_norm: LayerNorm | None = None  # behind the last layer, where norms come first


@dataclass(frozen=True)
class Classifier:
    """A cross-encoder's head: scores = output(norm(activation(dense(h of the first token)))), or of
    the mean of all tokens, as ``classifier_pooling`` says; most have no norm.
    """

    dense: Linear  # [H, H]
    activation: str  # a key of pooling.DENSE_ACTIVATIONS
    output: Linear  # [labels, H]
    norm: LayerNorm | None = None


Weights = TypeVar("Weights", BertWeights, Classifier, Linear, LayerNorm)


def load_dense(module: sentence_config.Dense) -> Linear:
    """The weights of a Dense module; without a bias it is 0."""
    found = Tensors(weight_files(module.folder))
    return found.linear("linear", module.out_features, module.in_features, bias=module.bias)


def load_layer_norm(module: sentence_config.LayerNorm) -> LayerNorm:
    """The weights of a LayerNorm module."""
    return Tensors(weight_files(module.folder)).norm("norm", module.dimension)


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the files that model.safetensors.index.json names.

    Where there is neither, ModelFileError says how to make one.
    """
    path, index_path = folder / WEIGHTS, folder / INDEX
    if path.exists():
        return [path]
    if index_path.exists():
        return indexed_files(index_path)
    for name in ("pytorch_model.bin", "pytorch_model.bin.index.json"):
        if (folder / name).exists():
            raise UnsupportedModelError(
                folder / name,
                "is a pickle, and to load one may run any code that is in it; "
                f"gtenp convert {shlex.quote(str(folder))} reads it without running it and writes "
                "the model.safetensors that gtenp loads",
            )
    raise ModelFileError(path, "is missing; copy the whole folder")


def indexed_files(index: Path, suffix: str = ".safetensors") -> list[Path]:
    """The files beside an index among which its weight_map divides a model's tensors."""
    parts = JsonObject(index).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise ModelFileError(index, "has no weight_map; copy it anew")
    names = sorted(set(map(str, parts.values())))
    for name in names:
        if not is_part(name, suffix):
            raise ModelFileError(
                index, f"names {shown(name)}, which is not a {suffix} file beside it"
            )
    return [index.with_name(name) for name in names]


class Tensors:
    """The tensors of one model, from one file or several, under their plain names.

    ``prefix`` stands before the encoder's names in a file with a head, and is dropped.
    """

    def __init__(self, paths: list[Path], prefix: str = "") -> None:
        self.path = paths[0] if len(paths) == 1 else paths[0].parent / INDEX
        self._tensors: dict[str, Array] = {}
        self._written: dict[str, str] = {}  # plain name → name in the file
        for path in paths:
            for written, tensor in read_safetensors(path).items():
                name = _plain_name(written, prefix)
                if name in self._written:
                    raise ModelFileError(
                        path,
                        f"gives {name} a second time, as {shown(written)} beside "
                        f"{shown(self._written[name])}; copy the file anew",
                    )
                self._written[name] = written
                self._tensors[name] = tensor

    def has(self, name: str) -> bool:
        """Whether there is a tensor of that name that was not taken yet."""
        return name in self._tensors

    def take(self, name: str, *shape: int) -> Array:
        """A tensor of this shape, which from then on counts as used."""
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            raise ModelFileError(self.path, f"lacks the tensor {name}; copy the file anew")
        written = self._written[name]
        if tensor.dtype.kind != "f":
            raise ModelFileError(
                self.path, f"{written} has dtype {tensor.dtype}; wanted floats; copy the file anew"
            )
        if tensor.shape != shape:
            raise ModelFileError(
                self.path,
                f"{written} has shape {tensor.shape}, config.json wants {shape}; "
                "copy both files from the same model",
            )
        return tensor

    def take_finite(self, name: str, *shape: int) -> Array:
        """The same, and no number in it may be infinite or NaN."""
        tensor = self.take(name, *shape)
        if not is_finite(tensor):
            raise ModelFileError(
                self.path, f"{self._written[name]} holds NaN or infinity; copy the file anew"
            )
        return tensor

    def linear(self, name: str, size_out: int, size_in: int, *, bias: bool = True) -> Linear:
        """A product's weight and bias."""
        weight = self.take_finite(f"{name}.weight", size_out, size_in)
        return Linear(weight, self._shift(name, size_out, weight.dtype, bias))

    def norm(self, name: str, size: int, *, bias: bool = True) -> LayerNorm:
        """A norm's scale and shift."""
        weight = self.take_finite(f"{name}.weight", size)
        return LayerNorm(weight, self._shift(name, size, weight.dtype, bias))

    def _shift(self, name: str, size: int, dtype: npt.DTypeLike, there: bool) -> Array:
        return self.take_finite(f"{name}.bias", size) if there else np.zeros(size, dtype)

    def ignored(self, encoders_own: re.Pattern[str]) -> tuple[str, ...]:
        """What is left over: heads. ModelFileError where it is a part of the encoder itself."""
        for name in self._tensors:
            if encoders_own.match(name):
                raise ModelFileError(
                    self.path,
                    f"has {self._written[name]}, for which the model of config.json has no place; "
                    "copy both files from the same model",
                )
        return tuple(sorted(self._written[name] for name in self._tensors))


def _plain_name(written: str, prefix: str) -> str:
    """The name that transformers gives the tensor today.

    >>> _plain_name("bert.embeddings.LayerNorm.gamma", "bert.")
    'embeddings.LayerNorm.weight'
    """
    name = written.removeprefix(prefix)
    if name.endswith(("LayerNorm.gamma", "LayerNorm.beta")):
        name = name.removesuffix("gamma").removesuffix("beta")
        name += "weight" if written.endswith("gamma") else "bias"
    return name


def is_finite(tensor: Array) -> bool:
    """Whether it holds neither NaN nor infinity, in one pass and without a copy.

    >>> is_finite(np.array([1e30, -65504.0])), is_finite(np.array([1.0, np.nan]))
    (True, False)
    """
    flat = tensor.reshape(-1)
    if flat.dtype == np.float16:  # an exponent of all ones; a sum of halves would be slow
        return bool((flat.view(np.uint16) & 0x7FFF).max(initial=0) < 0x7C00)
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.dot(flat, flat)  # reads at the speed of memory; too large a sum proves nothing
    return math.isfinite(square) or bool(np.isfinite(flat).all())


# Of NumPy's dtypes; BF16, which it lacks, is read as integers and widened.
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip

# A BERT of 24 layers has a header of 45 kB. The format itself allows 100 MB, a gigabyte once read.
MAX_HEADER = 4 << 20


def read_safetensors(path: Path) -> dict[str, Array]:
    """The file's tensors by name, each a read-only view into the mapped file.

    bfloat16 alone is copied, to float32. Dtypes that NumPy lacks are left out. ModelFileError where
    the file is not sound safetensors.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
            refuse_pointer(path, start)
            header_size = int.from_bytes(start[:8], "little")
            if header_size > MAX_HEADER:
                raise ModelFileError(
                    path,
                    f"is damaged (a header of {header_size:,} bytes, {MAX_HEADER:,} at most were "
                    "expected); copy it anew",
                )
            file.seek(8)
            header = json.loads(file.read(header_size), object_pairs_hook=_without_doubles)
            with safe_open(path, framework="np"):
                pass  # the reference reader checks dtypes, shapes, offsets and length
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return {
            name: _view(mapping, 8 + header_size, entry)
            for name, entry in header.items()
            if entry.get("dtype") in _DTYPES  # the header's own __metadata__ has none
        }
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(path, f"can't be read ({reason}); copy it anew") from error
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ModelFileError(path, f"is cut short or damaged ({error}); copy it anew") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the header; of two entries of one name JSON's readers would drop the first."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        ((double, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{shown(double)} is there twice")
    return entries


def _view(mapping: mmap.mmap, data_start: int, entry: dict[str, Any]) -> Array:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    start, end = entry["data_offsets"]
    if start == end:
        return np.empty(entry["shape"], dtype)
    values = np.frombuffer(mapping, dtype, (end - start) // dtype.itemsize, data_start + start)
    if entry["dtype"] == "BF16":
        values = (values.astype("<u4") << 16).view("<f4")
    return values.reshape(entry["shape"])


def astype(weights: Weights, dtype: npt.DTypeLike) -> Weights:
    """The same weights with every array in another float dtype."""
    converted: Weights = map_arrays(weights, lambda array: array.astype(dtype, copy=False))
    return converted


def map_arrays(node: Any, function: Callable[[Array], Array]) -> Any:
    if isinstance(node, np.ndarray):
        return function(node)
    if node is None or isinstance(node, str):
        return node
    if isinstance(node, tuple):
        return tuple(map_arrays(item, function) for item in node)
    changed = {f.name: map_arrays(getattr(node, f.name), function) for f in fields(node)}
    return replace(node, **changed)
