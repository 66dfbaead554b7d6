"""Files of values: gtenp's own, and what other people's programs and servers write.

The .safetensors and .npz that gtenp writes say in their metadata whence they come:

    gtenp    the version that wrote it
    model    the model's name, as it was given
    dtype    float64 or float32, in which all was computed
    texts    JSON: the texts, in order; of a cross-encoder, the pairs
    shapes   JSON: each name in the model's order, with its sizes
    axes     JSON: each step's name with the letters of its axes
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gtenp import __version__
from gtenp.errors import InputError
from gtenp.model_files.folders import new_file
from gtenp.verify.answers import EMBEDDING, decode, read_json, read_text
from gtenp.verify.trace import CLASSIFIER_STEPS, MORE_STEPS, STEPS, Texts, Values, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_METADATA = "__metadata__"  # the metadata's place in a .npz, as JSON


@dataclass(frozen=True)
class TraceFile:
    """What a file of values holds."""

    values: Values
    texts: Texts | None  # where its metadata has them


def write(
    target: Path | int,
    texts: Texts,
    values: Sequence[Values],
    model: str,
    *,
    npz: bool = False,
) -> None:
    """Write the values of each text to a .safetensors or .npz file, which appears whole or not at
    all.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in joined(values).items()}
    steps = (*STEPS, *MORE_STEPS, *CLASSIFIER_STEPS)
    metadata = {
        "gtenp": __version__,
        "model": model,
        "dtype": str(values[0]["pooled"].dtype),
        "texts": json.dumps(list(texts), ensure_ascii=False),
        "shapes": json.dumps({name: array.shape for name, array in arrays.items()}),
        "axes": json.dumps({step.name: list(step.axes) for step in steps}),
    }
    with new_file(target) as file:
        if npz:
            arrays[_METADATA] = np.array(json.dumps(metadata))
            # Apart: a zip that could not be written whole complains once more when it is deleted.
            whole = io.BytesIO()
            np.savez(whole, **arrays)  # type: ignore[arg-type]
            file.write(whole.getbuffer())
        else:
            from safetensors.numpy import save

            file.write(save(arrays, metadata))


def read(path: Path) -> TraceFile:
    """Read a file of values by its name's ending, whoever wrote it; "-" is standard input.

    .safetensors and .npz hold values under their names, .npy vectors. .json and .jsonl are what
    ``answers.read_json`` takes, .txt, .csv, .tsv and standard input that or a vector of numbers a
    line. InputError where the file is damaged or holds something else.
    """
    place = "standard input" if path == Path("-") else str(path)
    ending = path.suffix.lower()
    if path != Path("-") and ending not in _READERS:
        raise InputError(f"{path}: its name ends in none of {', '.join(_READERS)}; rename it")
    try:
        if path == Path("-"):
            found = _read_text(io.BytesIO(sys.stdin.buffer.read()), place)
        else:
            with path.open("rb") as file:
                found = _READERS[ending](file, place)
    except OSError as error:
        raise InputError(f"{place}: can't be read ({error.strerror or error})") from error
    texts = _texts(found.pop(_METADATA, {}), place)
    for name, array in found.items():
        if array.dtype.kind not in "iuf":
            raise InputError(f"{place}: {name} holds {array.dtype}; wanted whole or real numbers")
        if not array.size:
            raise InputError(f"{place}: {name} is empty, of shape {array.shape}; wanted numbers")
    return TraceFile(found, texts)


def is_texts(value: Any) -> bool:
    """Whether it is a list of texts, or of pairs of them."""
    pairs = value if isinstance(value, list) else [None]
    return all(
        isinstance(text, str)
        for pair in pairs
        for text in (pair if isinstance(pair, list) and len(pair) == 2 else [pair])
    )


def _texts(metadata: Any, place: str) -> Texts | None:
    """The texts that metadata of gtenp's own names; None where it is somebody else's."""
    if not isinstance(metadata, dict) or "texts" not in metadata:
        return None
    try:
        texts = json.loads(metadata["texts"])
    except (TypeError, ValueError, RecursionError):
        texts = None
    if not is_texts(texts):
        raise InputError(f"{place}: its metadata's texts are no JSON list of texts")
    found: Texts = texts
    return found


def _read_safetensors(file: BinaryIO, place: str) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file.name, framework="np") as opened:
            values = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            return {**values, _METADATA: opened.metadata() or {}}
    except SafetensorError as error:
        raise InputError(f"{place}: is no sound safetensors file ({error})") from error
    except TypeError as error:  # a dtype that NumPy lacks
        raise InputError(f"{place}: {error}; wanted float64, float32 or float16") from error


def _read_npz(file: BinaryIO, place: str) -> dict[str, Any]:
    try:
        if not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("it is no archive")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            values = dict(archive)
        if _METADATA in values:
            values[_METADATA] = json.loads(str(values[_METADATA]))
    except _DAMAGED as error:
        raise InputError(f"{place}: is no sound .npz file ({error})") from error
    if any(isinstance(array, bytes) for array in values.values()):
        raise InputError(f"{place}: holds files that are no .npy")
    return values


def _read_npy(file: BinaryIO, place: str) -> dict[str, Any]:
    try:
        return {EMBEDDING: np.lib.format.read_array(file, allow_pickle=False)}
    except _DAMAGED as error:
        raise InputError(f"{place}: is no sound .npy file ({error})") from error


# What NumPy and zipfile raise, depending on where the damage is.
_DAMAGED = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def _read_json(file: BinaryIO, place: str) -> dict[str, Any]:
    return read_json(decode(file.read(), place), place)


def _read_text(file: BinaryIO, place: str) -> dict[str, Any]:
    return read_text(decode(file.read(), place), place)


_READERS: dict[str, Callable[[BinaryIO, str], dict[str, Any]]] = {
    ".safetensors": _read_safetensors,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".json": _read_json,
    ".jsonl": _read_json,
    ".ndjson": _read_json,
    ".txt": _read_text,
    ".csv": _read_text,
    ".tsv": _read_text,
}
