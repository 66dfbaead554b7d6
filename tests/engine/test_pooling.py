from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtenp.engine.pooling import (
    dense,
    layer_norm,
    normalize,
    pool,
    quantize_embeddings,
    rows_read,
)
from gtenp.errors import InputError, QuantizationWarning
from gtenp.model_files.checkpoint import LayerNorm, Linear
from gtenp.model_files.sentence_config import POOLING_MODES, Pooling

RNG = np.random.default_rng(0)
HIDDEN_STATES = RNG.normal(size=(12, 5)).astype(np.float32)
CU_SEQLENS = np.array([0, 4, 5, 12])

# One text at a time, [S, H] and the place of its first token, as sentence-transformers does it.
PLAIN = {
    "cls": lambda rows, _: rows[0],
    "max": lambda rows, _: rows.max(axis=0),
    "mean": lambda rows, _: rows.mean(axis=0),
    "mean_sqrt_len_tokens": lambda rows, _: rows.sum(axis=0) / np.sqrt(len(rows)),
    "weightedmean": lambda rows, first: np.average(
        rows, axis=0, weights=np.arange(len(rows)) + first + 1
    ),
    "lasttoken": lambda rows, _: rows[-1],
}


def plain_pool(mode: str, prompt_length: int) -> np.ndarray:
    pooled = []
    for start, end in pairwise(CU_SEQLENS):
        first = min(prompt_length, end - start - 1)
        pooled.append(PLAIN[mode](HIDDEN_STATES[start + first : end].astype(np.float64), first))
    return np.array(pooled)


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_each_mode_is_taken_over_each_sequences_own_tokens(mode):
    pooled = pool(HIDDEN_STATES, CU_SEQLENS, Pooling((mode,)), prompt_length=2)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, plain_pool(mode, 0), atol=1e-6)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_a_prompts_tokens_are_left_out_and_a_last_token_always_stays(mode):
    pooled = pool(HIDDEN_STATES, CU_SEQLENS, Pooling((mode,), include_prompt=False), 2)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, plain_pool(mode, 2), atol=1e-6)


@given(st.lists(st.sampled_from(POOLING_MODES), min_size=1, max_size=4))
def test_several_modes_stand_side_by_side_in_their_order(modes):
    pooled = pool(HIDDEN_STATES, CU_SEQLENS, Pooling(tuple(modes)))
    expected = np.concatenate([plain_pool(mode, 0) for mode in modes], axis=1)
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


# ── what follows ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("Identity", [-2.0, 0.0, 1.0]),
        ("Tanh", [-0.96402758, 0.0, 0.76159416]),
        ("ReLU", [0.0, 0.0, 1.0]),
        ("GELU", [-0.04550026, 0.0, 0.84134475]),
        ("SiLU", [-0.23840584, 0.0, 0.73105858]),
        ("Sigmoid", [0.11920292, 0.5, 0.73105858]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_dense_multiplies_adds_and_activates_in_float32(activation, expected, dtype):
    weights = Linear(np.array([[2], [1], [0]], dtype), np.array([0, 1, 1], dtype))
    found = dense(np.array([[-1.0]], np.float32), weights, activation)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_a_layer_norm_leaves_its_argument_alone():
    x = HIDDEN_STATES.copy()
    weights = LayerNorm(np.full(5, 2, np.float32), np.full(5, 1, np.float32))
    found = layer_norm(x, weights)
    np.testing.assert_array_equal(x, HIDDEN_STATES)
    np.testing.assert_allclose(found.mean(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found.std(axis=1), 2, atol=1e-4)


def test_normalising_keeps_float32_and_leaves_zeros():
    rows = np.array([[1e-3, 0], [0, 0]], np.float32)
    assert normalize(rows).dtype == np.float32
    assert normalize(rows).tolist() == [[1, 0], [0, 0]]


# ── smaller forms ────────────────────────────────────────────────────────────────────────────────

MANY = RNG.normal(size=(128, 20)).astype(np.float32)


def test_int8_spans_each_dimensions_own_range():
    small = quantize_embeddings(MANY, "int8")
    assert small.dtype == np.int8
    assert small.min(axis=0).tolist() == [-128] * 20
    assert small.max(axis=0).min() >= 126  # the last step is rounded down
    np.testing.assert_array_equal(quantize_embeddings(MANY, "uint8") - 128.0, small)


def test_ranges_and_calibration_embeddings_are_used():
    ranges = np.stack((MANY.min(axis=0), MANY.max(axis=0)))
    for options in ({"ranges": ranges}, {"calibration_embeddings": MANY}):
        found = quantize_embeddings(MANY[:1], "int8", **options)
        np.testing.assert_array_equal(found, quantize_embeddings(MANY, "int8")[:1])
    beyond = quantize_embeddings(MANY * 100, "uint8", ranges=ranges)
    assert set(beyond[np.abs(MANY) > 0.5].tolist()) == {0, 255}


def test_a_dimension_that_never_changes_is_0():
    assert quantize_embeddings(np.ones((100, 2), np.float32), "uint8").tolist() == [[0, 0]] * 100


def test_few_embeddings_are_warned_about_and_one_is_refused():
    with pytest.warns(QuantizationWarning, match="int8 ranges come from 99 embeddings") as caught:
        quantize_embeddings(MANY[:99], "int8")
    assert caught[0].filename == __file__
    for one in (MANY[0], MANY[:1]):
        with pytest.raises(InputError, match="one embedding has none"):
            quantize_embeddings(one, "uint8")


def test_binary_keeps_the_signs_eight_to_a_byte():
    signs = np.unpackbits(quantize_embeddings(MANY, "ubinary"), axis=1)[:, :20]
    np.testing.assert_array_equal(signs, MANY > 0)
    binary = quantize_embeddings(MANY, "binary")
    assert binary.dtype == np.int8
    np.testing.assert_array_equal(binary.astype(int) + 128, quantize_embeddings(MANY, "ubinary"))


@pytest.mark.parametrize(
    ("embeddings", "precision", "complaint"),
    [
        (MANY, "int4", "precision: 'int4'; wanted one of float32"),
        (np.ones((2, 2), np.int8), "binary", "embeddings: found int8"),
    ],
)
def test_what_cannot_be_quantized_is_an_error(embeddings, precision, complaint):
    with pytest.raises(InputError, match=complaint):
        quantize_embeddings(embeddings, precision)


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_a_sequence_without_tokens_has_a_vector_of_zeros_and_harms_no_other(mode):
    states = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    found = pool(states, np.array([0, 0, 3, 3, 4, 4]), Pooling((mode,)))
    expected = pool(states, np.array([0, 3, 4]), Pooling((mode,)))
    np.testing.assert_array_equal(found[[1, 3]], expected)
    assert not found[[0, 2, 4]].any()
    assert rows_read(Pooling((mode,)), np.array([0, 0, 3])) is None


def test_no_sequence_with_tokens_is_no_error():
    assert pool(np.empty((0, 2), np.float32), np.array([0, 0]), Pooling()).tolist() == [[0, 0]]
