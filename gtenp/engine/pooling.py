"""Token vectors to sentence vectors: pooling, the modules that may follow it, and the smaller forms
of the result.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp.engine import kernels
from gtenp.errors import InputError, QuantizationWarning
from gtenp.model_files.sentence_config import Pooling

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from gtenp.engine.batch import Int
    from gtenp.engine.kernels import Float32
    from gtenp.model_files.checkpoint import Classifier, LayerNorm, Linear


def pool(
    hidden_states: Float32, cu_seqlens: Int, pooling: Pooling, prompt_length: int = 0
) -> Float32:
    """One vector a sequence: [T, H], cu_seqlens [B + 1] -> [B, modes · H].

    Where the pooling's ``include_prompt`` is false, the first ``prompt_length`` tokens of each
    sequence are left out, but for its last token. A sequence without tokens, which a tokenizer
    without special tokens makes of an empty text, has a vector of zeros.

    >>> hidden_states = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    >>> pool(hidden_states, np.array([0, 2, 3]), Pooling(("mean",))).tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    >>> pool(hidden_states, np.array([0, 2, 3]), Pooling(("cls", "lasttoken"))).tolist()
    [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 5.0, 6.0]]
    """
    starts, lengths = cu_seqlens[:-1], np.diff(cu_seqlens)
    if not lengths.all():
        there = lengths > 0
        found = np.concatenate(([0], np.cumsum(lengths[there])))
        size = len(pooling.modes) * hidden_states.shape[1]
        vectors = np.zeros((len(lengths), size), hidden_states.dtype)
        if there.any():
            vectors[there] = pool(hidden_states, found, pooling, prompt_length)
        return vectors
    positions = np.arange(len(hidden_states)) - np.repeat(starts, lengths)
    if prompt_length and not pooling.include_prompt:
        skipped = np.minimum(prompt_length, lengths - 1)
        kept = positions >= np.repeat(skipped, lengths)
        hidden_states, positions, lengths = hidden_states[kept], positions[kept], lengths - skipped
        starts = np.cumsum(lengths) - lengths

    def sums(values: Float32) -> Float32:
        """Over each sequence: [T, …] -> [B, …]."""
        return np.add.reduceat(values, starts, axis=0)

    def pool_by(mode: str) -> Float32:
        if mode == "cls":
            return hidden_states[starts]
        if mode == "lasttoken":
            return hidden_states[starts + lengths - 1]
        if mode == "max":
            return np.maximum.reduceat(hidden_states, starts, axis=0)
        if mode == "weightedmean":  # a token weighs as much as its place in the text, from 1
            weights = (positions + 1).astype(hidden_states.dtype)[:, None]
            return sums(hidden_states * weights) / sums(weights)
        count: Float32 = lengths.astype(hidden_states.dtype)[:, None]
        divisor: Float32 = count if mode == "mean" else np.sqrt(count)
        return sums(hidden_states) / divisor

    pooled = [pool_by(mode) for mode in pooling.modes]
    return pooled[0] if len(pooled) == 1 else np.concatenate(pooled, axis=1)


def rows_read(pooling: Pooling, cu_seqlens: Int, prompt_length: int = 0) -> Int | None:
    """The one row of each sequence that the pooling reads: cu_seqlens [B + 1] -> [B]; None where
    it reads more, or where a sequence has none.

    >>> rows_read(Pooling(("cls",)), np.array([0, 2, 3])).tolist()
    [0, 2]
    >>> rows_read(Pooling(("lasttoken",)), np.array([0, 2, 3])).tolist()
    [1, 2]
    """
    if not np.diff(cu_seqlens).all():
        return None
    if pooling.modes == ("lasttoken",):
        return cu_seqlens[1:] - 1
    if pooling.modes == ("cls",):
        skipped = 0 if pooling.include_prompt else prompt_length
        return np.minimum(cu_seqlens[:-1] + skipped, cu_seqlens[1:] - 1)
    return None


# ── What may follow ──────────────────────────────────────────────────────────────────────────────


def dense(embeddings: Float32, weights: Linear, activation: str) -> Float32:
    """activation(x Wᵀ + b): [B, in] -> [B, out]."""
    y: Float32 = embeddings @ weights.weight.T.astype(np.float32)
    y += weights.bias
    DENSE_ACTIVATIONS[activation](y)
    return y


LAYER_NORM_EPS = 1e-5  # PyTorch's default


def layer_norm(embeddings: Float32, weights: LayerNorm) -> Float32:
    """Each row at mean 0 and variance 1, then scaled and shifted: [B, H] -> [B, H]."""
    y = embeddings.copy()
    kernels.layer_norm_(y, weights.weight, weights.bias, LAYER_NORM_EPS)
    return y


def classify(states: Float32, classifier: Classifier, eps: float) -> Float32:
    """A cross-encoder's logits, of its pooled states: [B, H] -> [B, labels]."""
    hidden = dense(states, classifier.dense, classifier.activation)
    norm = classifier.norm
    if norm is not None:
        kernels.layer_norm_(hidden, norm.weight, norm.bias, eps)
    return dense(hidden, classifier.output, "Identity")


def normalize(embeddings: Float32) -> Float32:
    """Each row divided by its Euclidean length: [B, H] -> [B, H]. A row of zeros stays zeros.

    >>> normalize(np.array([[3, 4], [0, 0]], np.float32)).round(4).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(embeddings, axis=-1, keepdims=True)
    normed: Float32 = np.divide(embeddings, np.maximum(lengths, 1e-12))  # PyTorch's own floor
    return normed


def _tanh_(x: Float32) -> None:
    np.tanh(x, out=x)


def _sigmoid_(x: Float32) -> None:
    x *= 0.5  # σ(x) = (1 + tanh(x/2)) / 2, which can't overflow
    np.tanh(x, out=x)
    x += 1.0
    x *= 0.5


# By the names of torch.nn's classes; each overwrites its argument.
DENSE_ACTIVATIONS: dict[str, Callable[[Float32], None]] = {
    "Identity": lambda _: None,
    "Tanh": _tanh_,
    "ReLU": kernels.relu_,
    "GELU": kernels.gelu_,
    "SiLU": kernels.silu_,
    "Sigmoid": _sigmoid_,
}

# ── Smaller forms ────────────────────────────────────────────────────────────────────────────────

PRECISIONS = ("float32", "int8", "uint8", "binary", "ubinary")


def quantize_embeddings(
    embeddings: npt.ArrayLike,
    precision: str,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: npt.ArrayLike | None = None,
) -> npt.NDArray[Any]:
    """float32 [n, H] in fewer bytes, as sentence_transformers.quantize_embeddings gives it.

    "int8" and "uint8": each dimension cut into 256 steps between the smallest and the largest value
    of ``ranges`` [2, H], or of ``calibration_embeddings`` [m, H], or of the embeddings themselves.
    These are warned about where they are fewer than 100 (QuantizationWarning) and refused where
    there is one (InputError): vectors cut by different ranges can't be compared. "binary" and
    "ubinary": the sign of each value, eight to a byte, [n, ⌈H/8⌉] as int8 or uint8.

    >>> embeddings = np.array([[0.1, -0.2, 0.3, -0.4]], np.float32)
    >>> quantize_embeddings(embeddings, "ubinary").tolist()  # 1010 0000
    [[160]]
    >>> quantize_embeddings(embeddings, "uint8", ranges=[[-1] * 4, [1] * 4]).tolist()
    [[140, 101, 165, 76]]
    """
    values = np.asarray(embeddings)
    if precision not in PRECISIONS:
        raise InputError(f"precision: {precision!r}; wanted one of {', '.join(PRECISIONS)}")
    if values.dtype.kind != "f":
        raise InputError(f"embeddings: found {values.dtype}; wanted floats, not yet quantized")
    if precision == "float32":
        return values.astype(np.float32, copy=False)
    if precision == "binary":
        return (np.packbits(values > 0, axis=-1) ^ np.uint8(128)).astype(np.int8)
    if precision == "ubinary":
        return np.packbits(values > 0, axis=-1)
    if ranges is None:
        ranges = _ranges(values, precision, calibration_embeddings)
    starts, ends = np.asarray(ranges, np.float32)
    steps = (ends - starts) / 255
    steps[steps == 0] = 1
    levels: npt.NDArray[Any] = np.clip(np.floor((values - starts) / steps), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


def _ranges(
    embeddings: npt.NDArray[Any], precision: str, calibration_embeddings: npt.ArrayLike | None
) -> npt.NDArray[Any]:
    """Each dimension's smallest and largest value: [2, H]."""
    if calibration_embeddings is not None:
        embeddings = np.asarray(calibration_embeddings)
    elif embeddings.ndim == 1 or len(embeddings) == 1:
        raise InputError(
            f"precision: {precision} needs the range of each dimension, and one embedding has none;"
            " quantize_embeddings takes ranges or calibration_embeddings"
        )
    elif 0 < len(embeddings) < 100:
        warnings.warn(
            f"{precision} ranges come from {len(embeddings)} embeddings; quantize_embeddings takes "
            "ranges, or calibration_embeddings from a larger sample",
            QuantizationWarning,
            stacklevel=3,
        )
    if not len(embeddings):
        return np.zeros((2, embeddings.shape[-1]), np.float32)
    return np.stack((embeddings.min(axis=0), embeddings.max(axis=0)))
