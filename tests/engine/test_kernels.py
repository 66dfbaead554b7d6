import math

import numpy as np
import pytest

from gtenp import reference
from gtenp.engine import kernels
from gtenp.model_files.checkpoint import LayerNorm


def exact_gelu(x: np.ndarray) -> np.ndarray:
    """x · Φ(x) in float64, through erfc, which keeps its digits where 1 + erf loses them."""
    return np.array(
        [0.5 * v * math.erfc(-v / math.sqrt(2.0)) for v in x.astype(np.float64).tolist()]
    )


def test_gelu_is_within_its_stated_error_over_the_whole_float32_range():
    largest = float(np.finfo(np.float32).max)
    sizes = np.concatenate([np.linspace(0, 12, 120_001), np.geomspace(1e-38, largest, 20_000)])
    x = np.concatenate([sizes, -sizes]).astype(np.float32)
    expected = exact_gelu(x)
    found = x.copy()
    kernels.gelu_(found)
    with np.errstate(over="ignore"):  # beyond the largest float32 lies infinity
        half_ulp = np.spacing(np.abs(expected).astype(np.float32)) / 2
    assert (np.abs(found - expected) <= half_ulp + 2e-7).all()
    near = np.abs(x) <= 2  # where half an ulp is less than the error
    assert np.abs(found - expected)[near].max() <= 2e-7


def test_gelu_equals_the_reference_for_any_block_count():
    x = np.random.default_rng(0).normal(0, 2, (3, 40_001)).astype(np.float32)
    found = x.copy()
    kernels.gelu_(found)
    assert np.abs(found - reference.gelu(x.astype(np.float64))).max() <= 3.5e-7


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """reference.gelu_tanh without the digits that 1 + tanh loses for negative x."""
    return x / (1 + np.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("gelu_new", gelu_tanh),
        ("gelu_pytorch_tanh", gelu_tanh),
        ("silu", reference.silu),
        ("swish", reference.silu),
        ("relu", reference.relu),
    ],
)
def test_an_activation_is_within_its_stated_error_over_the_whole_float32_range(name, exact):
    sizes = np.concatenate([np.linspace(0, 12, 60_001), np.geomspace(1e-38, 1e38, 20_000)])
    x = np.concatenate([sizes, -sizes]).astype(np.float32)
    found = x.copy()
    kernels.ACTIVATIONS[name](found)
    with np.errstate(over="ignore"):  # exp reaches infinity, the quotient 0
        error = np.abs(found - exact(x.astype(np.float64)))
    assert (error <= 3e-7 * np.abs(x)).all()


def test_each_activation_has_a_fast_form_equal_to_the_reference():
    assert kernels.ACTIVATIONS.keys() == reference.ACTIVATIONS.keys()
    x = np.linspace(-6, 6, 1001)
    for name, activate in kernels.ACTIVATIONS.items():
        found = x.astype(np.float32)
        activate(found)
        np.testing.assert_allclose(found, reference.ACTIVATIONS[name](x), rtol=0, atol=1e-6)


def test_layer_norm_equals_the_reference():
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (50, 384)).astype(np.float32)
    weight, bias = rng.normal(1, 0.3, (2, 384)).astype(np.float32)
    expected = reference.layer_norm(
        x.astype(np.float64), LayerNorm(weight.astype(float), bias.astype(float)), 1e-12
    )
    kernels.layer_norm_(x, weight, bias, 1e-12)
    assert x.dtype == np.float32
    assert np.abs(x - expected).max() <= 2e-6


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_attention_equals_the_reference_and_does_not_overflow(size):
    rng = np.random.default_rng(2)
    query, key, value = rng.normal(0, 1, (3, 4, 7, 16)).astype(np.float32)
    query *= size
    context = np.empty_like(query)
    kernels.attend(
        query * np.float32(kernels.EXPONENT_SCALE), np.swapaxes(key, -1, -2), value, context
    )
    scores = query.astype(np.float64) @ key.astype(np.float64).transpose(0, 2, 1)
    expected = reference.softmax(scores) @ value
    assert np.abs(context - expected).max() <= 1e-6 * max(1.0, size)


@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e4])
def test_each_row_of_the_softmax_sums_to_one(size):
    rng = np.random.default_rng(3)
    query, key = rng.normal(0, 1, (2, 12, 40, 32)).astype(np.float32)
    query *= np.float32(size)
    context = np.empty_like(query)
    kernels.attend(query, np.swapaxes(key, -1, -2), np.ones_like(key), context)
    assert np.abs(context - 1).max() <= 1e-6  # of values that are all 1, each row's sum


@pytest.mark.parametrize("shift", [-300, -102, -95, -80, -60, 60, 83, 86, 300])
def test_what_all_scores_have_in_common_changes_no_softmax(shift):
    """Not where their exponentials lose digits or vanish, nor where they near infinity."""
    rng = np.random.default_rng(4)
    query, key, value = rng.normal(0, 1, (3, 2, 20, 8)).astype(np.float32)
    query[..., -1], key[..., -1], value = shift, 1, value * np.float32(100)
    context = np.empty_like(query)
    with np.errstate(all="raise"):
        kernels.attend(
            query * np.float32(kernels.EXPONENT_SCALE), np.swapaxes(key, -1, -2), value, context
        )
    scores = query.astype(np.float64) @ key.astype(np.float64).transpose(0, 2, 1)
    assert np.abs(context - reference.softmax(scores) @ value).max() <= 100 * 3e-7 * abs(shift)
