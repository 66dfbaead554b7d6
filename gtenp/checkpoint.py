"""model.safetensors → frozen dataclasses of weights. The only home of checkpoint tensor names.

The file is mapped, not read: each weight is a read-only view, and a page of it costs memory only
once it is touched. The format: https://huggingface.co/docs/safetensors (an 8-byte little-endian
length, a JSON header of that length, then the tensors' bytes).
"""

from __future__ import annotations

import json
import mmap
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from gtenp.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gtenp.config import BertConfig

Array = npt.NDArray[Any]  # a weight in whatever float dtype its file or its reader holds


@dataclass(frozen=True)
class Linear:
    """x @ weight.T + bias."""

    weight: Array  # [out, in]
    bias: Array  # [out]


@dataclass(frozen=True)
class LayerNorm:
    """Scale and shift of one layer normalisation."""

    weight: Array  # [H]
    bias: Array  # [H]


@dataclass(frozen=True)
class Layer:
    """One encoder layer: attention, then the feed-forward network."""

    query: Linear  # [H, H]
    key: Linear  # [H, H]
    value: Linear  # [H, H]
    attention_output: Linear  # [H, H]
    attention_norm: LayerNorm
    intermediate: Linear  # [F, H]
    output: Linear  # [H, F]
    output_norm: LayerNorm


@dataclass(frozen=True)
class BertWeights:
    """Everything that a forward pass reads, in the dtype of the file."""

    word_embeddings: Array  # [V, H]
    position_embeddings: Array  # [max_position_embeddings, H]
    token_type_embeddings: Array  # [type_vocab_size, H]
    embeddings_norm: LayerNorm
    layers: tuple[Layer, ...]  # L of them


def load_weights(folder: Path, config: BertConfig) -> BertWeights:
    """Map the folder's model.safetensors and check each tensor's shape against config.json.

    ModelFileError names the tensor that is missing or has another shape.
    """
    path = folder / "model.safetensors"
    tensors = read_safetensors(path)
    prefix = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
    hidden, inner = config.hidden_size, config.intermediate_size

    def tensor(name: str, *shape: int) -> Array:
        found = tensors.get(prefix + name)
        if found is None:
            raise ModelFileError(path, f"lacks the tensor {prefix}{name}; copy the file anew")
        if found.shape != shape:
            raise ModelFileError(
                path,
                f"{prefix}{name} has shape {found.shape}, config.json wants {shape}; "
                "copy both files from the same model",
            )
        return found

    def linear(name: str, size_out: int, size_in: int) -> Linear:
        return Linear(tensor(f"{name}.weight", size_out, size_in), tensor(f"{name}.bias", size_out))

    def norm(name: str) -> LayerNorm:
        return LayerNorm(tensor(f"{name}.weight", hidden), tensor(f"{name}.bias", hidden))

    def layer(name: str) -> Layer:
        return Layer(
            query=linear(f"{name}.attention.self.query", hidden, hidden),
            key=linear(f"{name}.attention.self.key", hidden, hidden),
            value=linear(f"{name}.attention.self.value", hidden, hidden),
            attention_output=linear(f"{name}.attention.output.dense", hidden, hidden),
            attention_norm=norm(f"{name}.attention.output.LayerNorm"),
            intermediate=linear(f"{name}.intermediate.dense", inner, hidden),
            output=linear(f"{name}.output.dense", hidden, inner),
            output_norm=norm(f"{name}.output.LayerNorm"),
        )

    return BertWeights(
        word_embeddings=tensor("embeddings.word_embeddings.weight", config.vocab_size, hidden),
        position_embeddings=tensor(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, hidden
        ),
        token_type_embeddings=tensor(
            "embeddings.token_type_embeddings.weight", config.type_vocab_size, hidden
        ),
        embeddings_norm=norm("embeddings.LayerNorm"),
        layers=tuple(layer(f"encoder.layer.{i}") for i in range(config.num_hidden_layers)),
    )


# BF16 is absent from NumPy: its bits are read as integers and widened.
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_safetensors(path: Path) -> dict[str, Array]:
    """The file's float tensors by name, each a read-only view into the mapped file.

    bfloat16 alone is copied, to float32. Tensors of other dtypes (old checkpoints carry an integer
    position_ids) are left out. ModelFileError where the file is not sound safetensors.
    """
    try:
        with safe_open(path, framework="np"):
            pass  # the reference reader checks header, offsets and length
        with path.open("rb") as file:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        reason = error.strerror or error
        raise ModelFileError(path, f"can't be read ({reason}); copy it anew") from error
    except SafetensorError as error:
        raise ModelFileError(path, f"is cut short or damaged ({error}); copy it anew") from error
    header_size = int.from_bytes(mapping[:8], "little")
    header = json.loads(mapping[8 : 8 + header_size])
    tensors = {}
    for name, entry in header.items():
        dtype = _DTYPES.get(entry.get("dtype"))
        if dtype is None:  # integers, and the header's own __metadata__
            continue
        start, end = entry["data_offsets"]
        count = (end - start) // np.dtype(dtype).itemsize
        values = np.frombuffer(mapping, dtype, count, 8 + header_size + start)
        if entry["dtype"] == "BF16":
            values = (values.astype("<u4") << 16).view("<f4")
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def astype(weights: BertWeights, dtype: npt.DTypeLike) -> BertWeights:
    """The same weights with every array in another float dtype."""
    converted: BertWeights = _map_arrays(weights, lambda array: array.astype(dtype))
    return converted


def _map_arrays(node: Any, function: Callable[[Array], Array]) -> Any:
    if isinstance(node, np.ndarray):
        return function(node)
    if isinstance(node, tuple):
        return tuple(_map_arrays(item, function) for item in node)
    changed = {f.name: _map_arrays(getattr(node, f.name), function) for f in fields(node)}
    return replace(node, **changed)
