"""Every intermediate value of the model, under names that stay: what a port is compared with.

The names are those of ``STEPS`` below, in the order in which the model computes them, layer by
layer: ``layer.*.query`` stands for ``layer.0.query``, ``layer.1.query`` and so on. The letters of
the shapes are those of ``reference/bert.py``. In a file that holds several texts each name begins
with its text's number, from 0: ``0.input_ids``, ``1.input_ids``; a single text's names stand bare.
No text is padded.

A file is a .safetensors, a .npz, or, with final vectors alone, a .npy or JSON. The .safetensors
and .npz that gtenp writes say in their metadata whence they come:

    gtenp    the version that wrote it
    model    the model's name, as it was given
    dtype    float64 or float32, in which all was computed
    texts    JSON: the texts, in order
    shapes   JSON: each name in the model's order, with its sizes
    axes     JSON: each name of STEPS with the letters of its axes
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gtenp import __version__, reference
from gtenp.engine.pooling import LAYER_NORM_EPS, normalize, pool
from gtenp.errors import InputError, UnsupportedModelError
from gtenp.model_files.checkpoint import (
    BertWeights,
    astype,
    load_dense,
    load_layer_norm,
    load_weights,
)
from gtenp.model_files.folders import new_file
from gtenp.model_files.sentence_config import Dense, LayerNorm, Normalize, SentenceConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.model_files.config import BertConfig
    from gtenp.model_files.sentence_config import Pooling

Array = npt.NDArray[Any]
Values = dict[str, Array]  # one text's values by name, in the model's order
Head: TypeAlias = "Callable[[Array], Array]"  # a module after the pooling: [n, H] -> [n, H']
Heads: TypeAlias = "tuple[tuple[str, Head], ...]"  # each with its step's name


class Step(NamedTuple):
    """A value that the model computes on its way."""

    name: str
    axes: str  # their letters, outermost first
    meaning: str


STEPS = (
    Step("input_ids", "S", "the text's tokens, [CLS] and [SEP] included"),
    Step("token_type_ids", "S", "each token's segment; all 0 for a single text"),
    Step("position_ids", "S", "0 to S - 1"),
    Step("embeddings.sum", "SH", "word + segment + position embedding"),
    Step("embeddings.output", "SH", "its layer norm: what layer 0 is given"),
    Step("layer.*.query", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.key", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.value", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.scores", "ASS", "q kᵀ / √D: the rows look, the columns are looked at"),
    Step("layer.*.attention", "ASS", "the softmax of each row of scores"),
    Step("layer.*.context", "SH", "attention × value, the heads side by side again"),
    Step("layer.*.attention_dense", "SH", "context Wᵀ + b"),
    Step("layer.*.attention_output", "SH", "the layer norm of attention_dense + the layer's input"),
    Step("layer.*.intermediate", "SF", "attention_output Wᵀ + b"),
    Step("layer.*.gelu", "SF", "the GELU of intermediate, by erf"),
    Step("layer.*.output_dense", "SH", "gelu Wᵀ + b"),
    Step("layer.*.output", "SH", "the layer norm of output_dense + attention_output"),
    Step("pooled", "H", "the tokens' vectors as one, by the model's pooling mode"),
    Step("dense", "H", "where modules.json has it: activation(W pooled + b); H may change"),
    Step("layer_norm", "H", "where modules.json has it: the layer norm of the vector so far"),
    Step("normalized", "H", "the vector so far, divided by its Euclidean length"),
)


def step_of(name: str) -> Step | None:
    """The step that a value's name belongs to; None for a name that isn't one.

    >>> step_of("layer.11.gelu").axes, step_of("layer.x.gelu")
    ('SF', None)
    >>> step_of("dense.1").name  # a model's second dense layer
    'dense'
    """
    generic = re.sub(r"^layer\.[0-9]+\.", "layer.*.", name)
    generic = re.sub(r"^(dense|layer_norm|normalized)\.[1-9][0-9]*$", r"\1", generic)
    return next((step for step in STEPS if step.name == generic and "*" not in name), None)


# ── From texts to values ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Model:
    """What a trace is computed from, with weights in the float dtype of the result."""

    config: BertConfig
    sentence_config: SentenceConfig
    weights: BertWeights
    heads: Heads  # what follows the pooling


def model_of(embedder: Embedder, dtype: npt.DTypeLike = np.float64) -> Model:
    """The embedder's model, with its weights in another float dtype.

    UnsupportedModelError where its pooling leaves prompts out: no step has a name for that.
    """
    if not embedder.sentence_config.pooling.include_prompt:
        raise UnsupportedModelError(
            embedder.folder / "modules.json", "leaves prompts out of the pooling; not traced yet"
        )
    weights = astype(load_weights(embedder.transformer_folder, embedder.config), dtype)
    sentence = embedder.sentence_config
    functions = [_reference_head(head, dtype) for head in sentence.heads]
    heads = tuple(zip(head_names(sentence), functions, strict=True))
    return Model(embedder.config, sentence, weights, heads)


def head_names(sentence_config: SentenceConfig) -> list[str]:
    """The name of each value behind the pooling; of a kind's second one with .1 behind it.

    >>> head_names(SentenceConfig(heads=(Normalize(), Normalize())))
    ['normalized', 'normalized.1']
    """
    kinds = {Dense: "dense", LayerNorm: "layer_norm", Normalize: "normalized"}
    names = [kinds[type(head)] for head in sentence_config.heads]
    counts = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}.{n}" if n else name for name, n in zip(names, counts, strict=True)]


def _reference_head(module: Dense | LayerNorm | Normalize, dtype: npt.DTypeLike) -> Head:
    """What a module after the pooling does, in another float dtype."""
    if isinstance(module, Dense):
        linear = astype(load_dense(module), dtype)
        activate = HEAD_ACTIVATIONS[module.activation]
        return lambda x: activate(reference.linear(x, linear))
    if isinstance(module, LayerNorm):
        norm = astype(load_layer_norm(module), dtype)
        return lambda x: reference.layer_norm(x, norm, LAYER_NORM_EPS)
    return normalize


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), for each number by itself."""
    y: Array = 1.0 / (1.0 + np.exp(-x))
    return y


# By the names of torch.nn's classes, as engine/pooling.py has them.
HEAD_ACTIVATIONS: dict[str, Head] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": reference.relu,
    "GELU": reference.gelu,
    "SiLU": reference.silu,
    "Sigmoid": sigmoid,
}


def token_ids(embedder: Embedder, texts: Sequence[str]) -> list[Int]:
    """Each text's tokens as ``encode`` makes them, default prompt and cut: n texts -> n × [S]."""
    return [np.array(ids, np.int64) for ids in embedder.token_ids(list(texts))]


def trace(model: Model, input_ids: Int) -> Values:
    """One text's tokens through the reference: [S] -> every value, in the weights' dtype."""
    return named(reference.forward(model.weights, model.config, input_ids), model)


def named(steps: reference.Trace, model: Model) -> Values:
    """The values of one forward pass under their names, and what pooling makes of them."""
    values = {
        "input_ids": steps.input_ids,
        "token_type_ids": steps.token_type_ids,
        "position_ids": steps.position_ids,
        "embeddings.sum": steps.embeddings_sum,
        "embeddings.output": steps.embeddings,
    }
    for number, layer in enumerate(steps.layers):
        values |= {f"layer.{number}.{f.name}": getattr(layer, f.name) for f in fields(layer)}
    last, pooling = steps.hidden_states[-1], model.sentence_config.pooling
    return values | sentence_values(last, pooling, model.heads)


def sentence_values(hidden_states: Array, pooling: Pooling, heads: Heads) -> Values:
    """The steps from the last layer on: [S, H] -> pooled [H], and what follows it."""
    pooled = pool(hidden_states, np.array([0, len(hidden_states)]), pooling)
    return pooled_values(pooled[0], heads)


def pooled_values(pooled: Array, heads: Heads) -> Values:
    """The steps from the pooled vector on: [H] -> what each head makes of it, normalized last or
    at least given.
    """
    values, vector = {"pooled": pooled}, pooled[None]
    for name, head in heads:
        vector = head(vector)
        values[name] = vector[0]
    return {**values, "normalized": values.get("normalized", normalize(vector)[0])}


# ── Several texts in one file ────────────────────────────────────────────────────────────────────


def joined(texts: Sequence[Values]) -> Values:
    """The values of all texts in one dict, under the names that they have in a file.

    >>> one, two = {"pooled": np.zeros(2)}, {"pooled": np.ones(2)}
    >>> list(joined([one])), list(joined([one, two]))
    (['pooled'], ['0.pooled', '1.pooled'])
    """
    if len(texts) == 1:
        return dict(texts[0])
    return {f"{n}.{name}": a for n, values in enumerate(texts) for name, a in values.items()}


def split(values: Values, count: int) -> list[Values]:
    """The way back: the values of each of ``count`` texts.

    A bare name among several texts is one array of all of them, a batch: its first axis counts
    the texts. InputError where it doesn't, or where a number is none of a text.

    >>> split({"pooled": np.eye(2), "1.input_ids": np.array([101, 102])}, 2)[1]
    {'pooled': array([0., 1.]), 'input_ids': array([101, 102])}
    """
    texts: list[Values] = [{} for _ in range(count)]
    for full_name, array in values.items():
        number, dot, name = full_name.partition(".")
        if dot and number.isdecimal():
            if int(number) >= count:
                raise InputError(f"{full_name}: there are {count} texts, numbered from 0")
            texts[int(number)][name] = array
        elif count == 1:
            texts[0][full_name] = array
        elif array.ndim and len(array) == count:
            for text, part in zip(texts, array, strict=True):
                text[full_name] = part
        else:
            raise InputError(
                f"{full_name}: shape {array.shape} for {count} texts; wanted the texts along the "
                "first axis, or a name for each text: "
                f"0.{full_name} to {count - 1}.{full_name}"
            )
    return texts


def count_texts(values: Values) -> int:
    """How many texts a file's names speak of.

    >>> count_texts({"0.pooled": np.zeros(2), "1.pooled": np.zeros(2)})
    2
    """
    numbers = [int(m.group()) for name in values if (m := re.match(r"[0-9]+(?=\.)", name))]
    return max(numbers, default=0) + 1


# ── Files ────────────────────────────────────────────────────────────────────────────────────────

# The name under which a .npy or a JSON list, which names nothing, is read.
EMBEDDING = "embedding"
_METADATA = "__metadata__"  # the metadata's place in a .npz, as JSON


@dataclass(frozen=True)
class TraceFile:
    """What a file of values holds."""

    values: Values
    texts: list[str] | None  # where its metadata has them


def write(
    target: Path | int,
    texts: Sequence[str],
    values: Sequence[Values],
    model: str,
    *,
    npz: bool = False,
) -> None:
    """Write the values of each text to a .safetensors or .npz file, which appears whole or not at
    all.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in joined(values).items()}
    metadata = {
        "gtenp": __version__,
        "model": model,
        "dtype": str(values[0]["pooled"].dtype),
        "texts": json.dumps(list(texts), ensure_ascii=False),
        "shapes": json.dumps({name: array.shape for name, array in arrays.items()}),
        "axes": json.dumps({step.name: list(step.axes) for step in STEPS}),
    }
    with new_file(target) as file:
        if npz:
            arrays[_METADATA] = np.array(json.dumps(metadata))
            np.savez(file, **arrays)  # type: ignore[arg-type]
        else:
            from safetensors.numpy import save

            file.write(save(arrays, metadata))


def read(path: Path) -> TraceFile:
    """Read .safetensors, .npz, .npy or JSON, whoever wrote it.

    JSON is an object of names, a vector, a list of vectors, or a vector a line. InputError where
    the file is damaged or holds something else.
    """
    readers = {
        ".safetensors": _read_safetensors,
        ".npz": _read_npz,
        ".npy": _read_npy,
        ".json": _read_json,
        ".jsonl": _read_json,
    }
    if path.suffix not in readers:
        raise InputError(f"{path}: its name ends in none of {', '.join(readers)}; rename it")
    found = readers[path.suffix](path)
    metadata = found.pop(_METADATA, {})
    texts = json.loads(metadata["texts"]) if "texts" in metadata else None
    for name, array in found.items():
        if array.dtype.kind not in "iuf":
            raise InputError(f"{path}: {name} holds {array.dtype}; wanted whole or real numbers")
    return TraceFile(found, texts)


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            values = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return {**values, _METADATA: file.metadata() or {}}
    except SafetensorError as error:
        raise InputError(f"{path}: is no sound safetensors file ({error})") from error
    except TypeError as error:  # a dtype that NumPy lacks
        raise InputError(f"{path}: {error}; wanted float64, float32 or float16") from error


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            values = dict(file)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: is no sound .npz file ({error})") from error
    if _METADATA in values:
        values[_METADATA] = json.loads(str(values[_METADATA]))
    return values


def _read_npy(path: Path) -> dict[str, Any]:
    try:
        return {EMBEDDING: np.load(path, allow_pickle=False)}
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: is no sound .npy file ({error})") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = path.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in content.splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; convert the file") from error
    except ValueError:
        lines = []
    try:
        found = lines if len(lines) > 1 else json.loads(content)
        named = found if isinstance(found, dict) else {EMBEDDING: found}
        return {name: np.array(numbers) for name, numbers in named.items()}
    except ValueError as error:  # not JSON, or rows of different lengths
        raise InputError(
            f"{path}: {error}; wanted a vector, a list of vectors of one length, a vector a line, "
            "or an object of names"
        ) from error


def axes_table(steps: Iterable[Step] = STEPS) -> str:
    """The names, shapes and meanings as a Markdown table."""
    rows = [f"| `{s.name}` | [{', '.join(s.axes)}] | {s.meaning} |" for s in steps]
    return "\n".join(["| name | shape | meaning |", "|---|---|---|", *rows])
