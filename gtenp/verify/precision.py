"""Numbers of fewer bits, inside the model: what looks like a mistake and is a coarser arithmetic.

Rounded weights are planted like any mistake, and yield the other's values. Where activations are
rounded too, each runtime rounds at other places, and no plant yields the same numbers: there the
error is judged by its size and its direction, and the verdict says "looks like".
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gtenp import reference
from gtenp.model_files.checkpoint import Linear, map_arrays
from gtenp.reference import variations
from gtenp.verify.case import Case, Mistake, reference_with
from gtenp.verify.forms import cut_to_bfloat16, to_bfloat16, to_float16
from gtenp.verify.model_mistakes import LINEARS, with_linears

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights
    from gtenp.reference import Array
    from gtenp.verify.trace import Values

    Round = Callable[[Array], Array]


# ── Weights ──────────────────────────────────────────────────────────────────────────────────────


def to_int8(x: Array, axis: int | None = None) -> Array:
    """Each number's nearest of 255 even steps around 0; one scale for all, or for each row.

    >>> to_int8(np.array([[1.0, 0.5], [0.01, 0.0]])).round(4).tolist()
    [[1.0, 0.5039], [0.0079, 0.0]]
    >>> to_int8(np.array([[1.0, 0.5], [0.01, 0.0]]), axis=1).round(4).tolist()
    [[1.0, 0.5039], [0.01, 0.0]]
    """
    scale = np.abs(x).max(axis=axis, keepdims=True) / 127
    rounded: Array = _steps(x, scale) * scale
    return rounded


def to_uint8(x: Array) -> Array:
    """Each number's nearest of 256 even steps from the smallest, or 0, to the largest, or 0.

    >>> to_uint8(np.array([-1.0, 0.0, 3.0])).round(4).tolist()
    [-1.0039, 0.0, 2.9961]
    """
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = np.array((high - low) / 255)
    zero = _steps(np.array(-low), scale)
    steps: Array = np.clip(_steps(x, scale) + zero, 0, 255) - zero
    rounded: Array = steps * scale
    return rounded


def to_int8_blocks(x: Array) -> Array:
    """The same with a float16 scale for each 32 numbers of a row, as in GGUF's Q8_0."""
    size = 32 if x.shape[-1] % 32 == 0 else x.shape[-1]
    blocks = x.reshape(-1, size)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / 127
    return (_steps(blocks, scale) * to_float16(scale)).reshape(x.shape)


def _steps(x: Array, scale: Array) -> Array:
    """How many steps each number is, in float32, in which others round: a weight that lies between
    two steps would else be one step off now and then.
    """
    whole: Array = np.rint(x.astype(np.float32) / np.where(scale == 0, 1, scale).astype(np.float32))
    return whole.astype(np.float64)


HALVES: dict[str, Round] = {"float16": to_float16, "bfloat16": to_bfloat16}

INT8: dict[str, Round] = {
    "one scale a weight": to_int8,
    "one scale and zero point a weight": to_uint8,
    "a scale a row": partial(to_int8, axis=1),
    "a scale for each 32 numbers": to_int8_blocks,
}


def half_mistakes() -> Iterator[Mistake]:
    """Weights in half precision, and nothing else."""
    cut = ("cut off at bfloat16's digits", cut_to_bfloat16)
    for how, to_half in (*((f"rounded to {name}", half) for name, half in HALVES.items()), cut):
        what = f"the weights are {how}; the model's files have more digits"
        yield Mistake("embeddings.sum", what, partial(_run_rounded, to_half))


def int8_mistakes() -> Iterator[Mistake]:
    """Weights of 8 bits, and nothing else."""
    for scales, to_8_bits in INT8.items():
        for tables, begins, words in (
            (False, "layer.0.query", "weights of the products"),
            (True, "embeddings.sum", "weights of the products and the embedding tables"),
        ):
            what = f"the {words} are rounded to 8 bits, {scales}"
            yield Mistake(begins, what, partial(_run_8_bits, to_8_bits, tables))


def _run_rounded(to_half: Round, case: Case) -> list[Values]:
    return case.run(weights=in_half(case, to_half))


def _run_8_bits(to_8_bits: Round, tables: bool, case: Case) -> list[Values]:
    return case.run(weights=in_8_bits(case, to_8_bits, tables))


def in_8_bits(case: Case, to_8_bits: Round, tables: bool) -> BertWeights:
    """The weights with all products, and where asked the embedding tables, rounded."""
    weights = with_linears(
        case.model.weights, list(LINEARS), lambda w: Linear(to_8_bits(w.weight), w.bias)
    )
    return with_tables(weights, case.input_ids, to_8_bits) if tables else weights


def in_half(case: Case, to_half: Round) -> BertWeights:
    """All weights rounded."""
    weights = case.model.weights
    rest = replace(weights, word_embeddings=weights.word_embeddings[:0])
    half: BertWeights = map_arrays(rest, to_half)
    whole = replace(half, word_embeddings=weights.word_embeddings)
    return with_tables(whole, case.input_ids, to_half)


def with_tables(weights: BertWeights, input_ids: Sequence[Int], to_fewer: Round) -> BertWeights:
    """The weights with the embedding tables rounded; of the words', which is larger than all else,
    only the rows that are needed: the tokens' own, and those that settle one scale for all.
    """
    words = weights.word_embeddings
    ends = [words.argmin() // words.shape[1], words.argmax() // words.shape[1]]
    rows = np.unique(np.concatenate([*input_ids, np.array(ends)]))
    rounded = words.copy()
    rounded[rows] = to_fewer(words[rows])
    return replace(
        weights,
        word_embeddings=rounded,
        position_embeddings=to_fewer(weights.position_embeddings),
        token_type_embeddings=to_fewer(weights.token_type_embeddings),
    )


# ── Activations too ──────────────────────────────────────────────────────────────────────────────


def rounded_reference(to_half: Round) -> object:
    """The reference with the result of each function rounded."""

    def rounded(function: Callable[..., Array]) -> Callable[..., Array]:
        return lambda *arguments: to_half(function(*arguments))

    names = ("linear", "layer_norm", "softmax", "embed", "merge_heads")
    functions = {name: rounded(getattr(reference, name)) for name in names}
    more = ("rms_norm", "biased_scores")
    functions |= {name: rounded(getattr(variations, name)) for name in more}
    activations = {name: rounded(function) for name, function in reference.ACTIVATIONS.items()}
    return reference_with(**functions, ACTIVATIONS=activations)


def _run_half(to_half: Round, case: Case) -> list[Values]:
    return case.run(rounded_reference(to_half), weights=in_half(case, to_half))


def _run_dynamic(to_8_bits: Round, tables: bool, case: Case) -> list[Values]:
    def linear(x: Array, weights: Linear) -> Array:
        return reference.linear(to_uint8(x), weights)

    weights = in_8_bits(case, to_8_bits, tables)
    return case.run(reference_with(linear=linear), weights=weights)


# ── What it looks like ───────────────────────────────────────────────────────────────────────────

# Measured on all-MiniLM-L6-v2 with torch and onnxruntime: the errors of float16, bfloat16 and 8
# bits correlate with those of their plants at 0.25 to 1.0 and have 0.6 to 1.5 times their size.
# With other roundings, as with anything that they have nothing to do with, it is about 1/√n, n
# numbers being compared: four times that is no chance.
_NO_CHANCE = 4.0
_SAME_SIZE = 2.0


class Likeness(NamedTuple):
    """How an error compares with that of a plant."""

    correlation: float  # from -1 to 1, the least of all texts
    size: float  # how many times as large


def likeness(
    name: str, expected: Sequence[Values], planted: Sequence[Values], found: Sequence[Values]
) -> Likeness | None:
    """Of one step's errors; None where a text's values can't be compared."""
    theirs, ours, least = 0.0, 0.0, 1.0
    for right, plant, other in zip(expected, planted, found, strict=True):
        if name not in other or other[name].shape != right[name].shape:
            return None
        error = (other[name] - right[name]).reshape(-1)
        made = (plant[name] - right[name]).reshape(-1)
        sizes = float(np.linalg.norm(error)), float(np.linalg.norm(made))
        if not sizes[0] * sizes[1] > 0:
            return None
        least = min(least, float(error @ made) / (sizes[0] * sizes[1]))
        theirs, ours = theirs + sizes[0] ** 2, ours + sizes[1] ** 2
    return Likeness(least, (theirs / ours) ** 0.5)


def looks_like(case: Case, shape: Callable[[list[Values]], list[Values]], name: str) -> str | None:
    """The arithmetic whose errors at one step have this one's size and direction, in words; None
    where none has. ``shape`` brings planted values into the form of the other's.
    """
    expected = shape(case.expected)
    alike = _NO_CHANCE / expected[0][name].size ** 0.5
    best: tuple[float, str] | None = None
    for what, plant in _arithmetics():
        found = likeness(name, expected, shape(plant(case)), case.found)
        if found is None or found.correlation < alike:
            continue
        if 1 / _SAME_SIZE <= found.size <= _SAME_SIZE and found.correlation > (best or (0, ""))[0]:
            words = (
                f"{what}: in every text the error has the direction of the one that this makes in "
                f"the reference (correlation {found.correlation:.2f} or more), and "
                f"{found.size:.1f} times its size"
            )
            best = found.correlation, words
    return best[1] if best else None


def _arithmetics() -> Iterator[tuple[str, Callable[[Case], list[Values]]]]:
    for name, to_half in HALVES.items():
        for plant in (_run_half, _run_rounded):
            yield f"{name} arithmetic", partial(plant, to_half)
    for scales, to_8_bits in INT8.items():
        for tables in (False, True):
            for run in (_run_dynamic, _run_8_bits):
                yield f"weights of 8 bits, {scales}", partial(run, to_8_bits, tables)
