"""The fast forms of reference.py's functions: float32, in place, in blocks that stay in cache.

A trailing underscore marks a function that overwrites its first argument, as in PyTorch. The errors
named here are against float64 and are asserted by tests/test_kernels.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

# 128 KiB of float32: three such blocks (the numbers and two scratch arrays) fit any L2 cache.
_BLOCK = 1 << 15

# log2(Φ(a) / Φ(-a)) = a · P(a²): the coefficients of P, lowest first. `python tools/fit_gelu.py`
# makes them; they keep the error of a · Φ(-a) under 7e-8.
_LOGIT = (
    2.3022072315216064,
    0.10483857989311218,
    -9.559292811900377e-05,
    -0.00015938941214699298,
    1.1452430044300854e-05,
    -3.8504501276293013e-07,
    5.209909392789314e-09,
)


def gelu_(x: Float32) -> None:
    """reference.gelu in place, for a C-contiguous array of any shape.

    Written as relu(x) - |x| · Φ(-|x|): the second term vanishes on both sides, so nothing cancels,
    as 1 + erf does for negative x. Max error: half a unit in the last place, and 1e-7.
    """
    flat = x.reshape(-1)
    magnitude, square, tail = np.empty((3, min(_BLOCK, flat.size)), np.float32)
    with np.errstate(over="ignore", under="ignore"):  # exp2 may reach inf: its quotient is 0
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            size = block.size
            _gelu_block_(block, magnitude[:size], square[:size], tail[:size])


def _gelu_block_(x: Float32, magnitude: Float32, square: Float32, tail: Float32) -> None:
    np.abs(x, out=magnitude)
    np.multiply(magnitude, magnitude, out=square)
    np.multiply(square, _LOGIT[-1], out=tail)
    for coefficient in _LOGIT[-2:0:-1]:
        tail += coefficient
        tail *= square
    tail += _LOGIT[0]
    tail *= magnitude
    np.exp2(tail, out=tail)
    tail += 1.0
    np.divide(magnitude, tail, out=tail)  # |x| · Φ(-|x|), since Φ(-a) = 1 / (1 + 2^logit)
    magnitude *= 0.5
    x *= 0.5
    x += magnitude  # relu(x): halves first, so that the largest floats don't overflow
    x -= tail


def gelu_tanh_(x: Float32) -> None:
    """reference.gelu_tanh in place, for a C-contiguous array of any shape.

    Written as x / (1 + e^-2u), for 1 + tanh(u) is 2 / (1 + e^-2u): so nothing cancels for negative
    x. Max error: 3e-7 of |x|.
    """

    def block_(x: Float32, scratch: Float32) -> None:
        np.multiply(x, x, out=scratch)
        scratch *= -2 * 0.044715 * _SQRT_2_BY_PI
        scratch -= 2 * _SQRT_2_BY_PI
        scratch *= x
        _divide_by_one_plus_exp_(x, scratch)

    _in_blocks_(x, block_)


def silu_(x: Float32) -> None:
    """reference.silu in place, for a C-contiguous array of any shape. Max error: 3e-7 of |x|."""

    def block_(x: Float32, scratch: Float32) -> None:
        np.negative(x, out=scratch)
        _divide_by_one_plus_exp_(x, scratch)

    _in_blocks_(x, block_)


def relu_(x: Float32) -> None:
    """reference.relu in place, exactly."""
    np.maximum(x, 0, out=x)


# config.json's names for them.
ACTIVATIONS: dict[str, Callable[[Float32], None]] = {
    "gelu": gelu_,
    "gelu_new": gelu_tanh_,
    "gelu_pytorch_tanh": gelu_tanh_,
    "relu": relu_,
    "silu": silu_,
    "swish": silu_,
}

_SQRT_2_BY_PI = 0.7978845608028654


def _divide_by_one_plus_exp_(x: Float32, exponent: Float32) -> None:
    np.exp(exponent, out=exponent)
    exponent += 1.0
    x /= exponent


def _in_blocks_(x: Float32, function: Callable[[Float32, Float32], None]) -> None:
    """Call the function on each block of x, with a scratch array of the block's size."""
    flat = x.reshape(-1)
    scratch = np.empty(min(_BLOCK, flat.size), np.float32)
    with np.errstate(over="ignore", under="ignore"):  # exp may reach inf: the quotient is 0
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            function(block, scratch[: block.size])


def layer_norm_(x: Float32, weight: Float32, bias: Float32, eps: float) -> None:
    """reference.layer_norm in place: x [T, H], weight [H], bias [H]."""
    average = np.full(x.shape[1], 1.0 / x.shape[1], np.float32)  # a product sums rows fastest
    x -= (x @ average)[:, None]
    x -= (x @ average)[:, None]  # what the first sum's rounding left: halves the largest error
    deviation = (x * x) @ average
    deviation += eps
    np.sqrt(deviation, out=deviation)
    x /= deviation[:, None]
    x *= weight
    x += bias


# Row sums of 2^score between which nothing was lost: no term was infinite, and a term too small
# for a float32 is less than 2^-26 of its row's sum.
_LEAST_SUM, _MOST_SUM = 2.0**-100, 2.0**100


def attend(query: Float32, key: Float32, value: Float32, scores: Float32, context: Float32) -> None:
    """Softmax attention in powers of 2: query [..., R, D], key [..., D, S], value [..., S, D] into
    context [..., R, D], with scores [..., R, S] as scratch. The query holds log2(e)/√D already.

    The maximum is not taken away beforehand: 2^score has room enough for the scores of a trained
    model, and the sums show where it hadn't. The division is left to the context, D wide and not S.
    """
    np.matmul(query, key, out=scores)
    with np.errstate(over="ignore", under="ignore"):
        np.exp2(scores, out=scores)
        sums = _row_sums(scores)
    if not (sums.min() > _LEAST_SUM and sums.max() < _MOST_SUM):
        np.matmul(query, key, out=scores)
        scores -= scores.max(axis=-1, keepdims=True)
        with np.errstate(under="ignore"):
            np.exp2(scores, out=scores)
        sums = _row_sums(scores)
    np.matmul(scores, value, out=context)
    context /= sums


def _row_sums(x: Float32) -> Float32:
    """[..., R, S] -> [..., R, 1], as a product with ones: five times as fast as sum(axis=-1)."""
    sums: Float32 = x.reshape(-1, x.shape[-1]) @ np.ones(x.shape[-1], np.float32)
    return sums.reshape(*x.shape[:-1], 1)
