"""The fast forms of reference/bert.py's functions: float32, in place, in blocks that stay in cache.

A trailing underscore marks a function that overwrites its first argument, as in PyTorch. The errors
named here are against float64 and are asserted by tests/engine/test_kernels.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib import introspect

Float32 = npt.NDArray[np.float32]


def _is_vectorised(function: str) -> bool:
    """Whether NumPy has a float32 form of it for this CPU's vector unit, beyond its baseline."""
    found = introspect.opt_func_info(f"^{function}$", "float32")[function]
    return not found["ff"]["current"].startswith("baseline")


# 128 KiB of float32: three such blocks (the numbers and two scratch arrays) fit most L2 caches.
_BLOCK = 1 << 15
_ZEROS = np.zeros(_BLOCK, np.float32)


def _constants(*values: float) -> tuple[Float32, ...]:
    """As arrays of no dimension, which a NumPy call takes half a microsecond sooner than floats."""
    return tuple(np.array(value, np.float32) for value in values)


# a · Φ(-a) = a / P(a)^8 for a ≥ 0: the coefficients of P, lowest first. `python tools/fit_gelu.py`
# makes them; they keep the error under 5e-8.
_GELU_ROOT = _constants(
    1.0905083417892456,
    0.10875221341848373,
    0.04886962100863457,
    0.009317236952483654,
    0.0011241595493629575,
    8.835249172989279e-05,
    0.00011779958731494844,
    -2.032891097769607e-05,
    3.3506339605082758e-06,
)


def gelu_(x: Float32) -> None:
    """reference.gelu in place, for a C-contiguous array of any shape.

    Written as relu(x) - |x| · Φ(-|x|): the second term vanishes on both sides, so nothing cancels,
    as 1 + erf does for negative x. Φ as a power of a polynomial's inverse is the form of Abramowitz
    and Stegun 7.1.28; NumPy takes it faster than anything with an exponential. Max error: half a
    unit in the last place, and 2e-7.
    """
    flat = x.reshape(-1)
    magnitude, tail = np.empty((2, min(_BLOCK, flat.size)), np.float32)
    with np.errstate(over="ignore", under="ignore"):  # the power may reach inf: its quotient is 0
        for start in range(0, flat.size, _BLOCK):
            block = flat[start : start + _BLOCK]
            _gelu_block_(block, magnitude[: block.size], tail[: block.size])


def _gelu_block_(x: Float32, magnitude: Float32, tail: Float32) -> None:
    np.abs(x, out=magnitude)
    np.multiply(magnitude, _GELU_ROOT[-1], out=tail)
    for coefficient in _GELU_ROOT[-2:0:-1]:
        tail += coefficient
        tail *= magnitude
    tail += _GELU_ROOT[0]
    for _ in range(3):
        tail *= tail
    np.divide(magnitude, tail, out=tail)
    np.maximum(x, _ZEROS[: x.size], out=x)  # three times as fast as with a scalar 0
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
    """reference.layer_norm in place: x [T, H], weight [H], bias [H]. Max error: 2e-6."""
    x -= (x @ _constant_row(x.shape[1], 1 / x.shape[1]))[:, None]  # a product sums rows fastest
    variance = np.vecdot(x, x) / np.float64(x.shape[1])  # double from here on: a number a row
    x *= (1.0 / np.sqrt(variance + eps)).astype(np.float32)[:, None]
    x *= weight
    x += bias


def rms_norm_(x: Float32, weight: Float32, eps: float) -> None:
    """variations.rms_norm in place, without its shift: x [T, H], weight [H]. Max error: 2e-6."""
    mean = np.vecdot(x, x) / np.float64(x.shape[1])  # double from here on: a number a row
    x *= (1.0 / np.sqrt(mean + eps)).astype(np.float32)[:, None]
    x *= weight


# The softmax's exponential: 2^x where NumPy computes it in the CPU's vector unit (AVX-512), at half
# the price of e^x; elsewhere e^x, for there 2^x is more than twice as dear. What a query is scaled
# by makes up for the base.
exponential = np.exp2 if _is_vectorised("exp2") else np.exp
EXPONENT_SCALE = math.log2(math.e) if exponential is np.exp2 else 1.0

# Row sums of exponentials between which nothing was lost: no term was infinite, and a term too
# small for a float32 is less than 2^-26 of its row's sum.
_LEAST_SUM, _MOST_SUM = 2.0**-100, 2.0**100


def attend(
    query: Float32, key: Float32, value: Float32, context: Float32, bias: Float32 | None = None
) -> None:
    """Softmax attention: query [..., R, D], key [..., D, S], value [..., S, D] into context
    [..., R, D]. The query holds EXPONENT_SCALE/√D already, and so does what is added to the scores,
    bias [..., R, S].

    The maximum is not taken away beforehand: the exponential has room enough for the scores of a
    trained model, and the sums show where it hadn't. The division is left to the context, D wide
    and not S.
    """
    scores = query @ key  # [..., R, S]
    if bias is not None:
        scores += bias
    with np.errstate(over="ignore", under="ignore"):
        exponential(scores, out=scores)
        sums = _row_sums(scores)
    if not (sums.min() > _LEAST_SUM and sums.max() < _MOST_SUM):
        np.matmul(query, key, out=scores)
        if bias is not None:
            scores += bias
        scores -= scores.max(axis=-1, keepdims=True)
        with np.errstate(under="ignore"):
            exponential(scores, out=scores)
        sums = _row_sums(scores)
    np.matmul(scores, value, out=context)
    context /= sums


def _row_sums(x: Float32) -> Float32:
    """[..., R, S] -> [..., R, 1], as a product with ones: five times as fast as sum(axis=-1)."""
    sums: Float32 = x.reshape(-1, x.shape[-1]) @ _constant_row(x.shape[-1], 1.0)
    return sums.reshape(*x.shape[:-1], 1)


@functools.lru_cache(maxsize=1024)
def _constant_row(size: int, value: float) -> Float32:
    return np.full(size, value, np.float32)
