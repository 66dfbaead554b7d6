from dataclasses import replace

import numpy as np
import pytest
from models.families import FAMILIES, write_family

from gtenp import reference
from gtenp.engine import kernels
from gtenp.engine.score_bias import ScoreBias, alibi_slopes, relative_buckets
from gtenp.model_files.checkpoint import LayerNorm, astype
from gtenp.model_files.config import Arithmetic
from gtenp.model_files.model import load_weights, read_config
from gtenp.reference import variations


@pytest.mark.parametrize(
    ("buckets", "most"), [(32, 128), (16, 64), (64, 256), (64, 128), (8, 20), (32, 512)]
)
def test_buckets_in_whole_numbers_are_those_of_the_logarithm(buckets, most):
    distances = np.arange(-3000, 3001)
    found = relative_buckets(distances, buckets, most)
    np.testing.assert_array_equal(found, variations.relative_buckets(distances, buckets, most))
    assert set(found) == set(range(buckets)) - {buckets // 2}  # a distance of 0 has the lower half


def test_the_edges_of_t5s_32_buckets_are_powers_of_the_root_of_2():
    far = relative_buckets(-np.arange(200), 32, 128)
    first = [int(np.flatnonzero(far == row)[0]) for row in range(16)]
    assert first == [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12, 16, 32, 112])
def test_slopes_are_the_references(heads):
    np.testing.assert_allclose(alibi_slopes(heads), variations.alibi_slopes(heads), rtol=1e-7)


@pytest.mark.parametrize("name", ["mpnet", "t5", "t5-gated", "bloom"])
@pytest.mark.parametrize("length", [1, 2, 50, 300, 700])
def test_the_view_is_what_the_reference_adds(name, length, tmp_path):
    folder = write_family(tmp_path, FAMILIES[name])
    config = read_config(folder)
    weights = load_weights(folder, config)
    bias = ScoreBias(weights, config)
    expected = variations.score_bias(weights, config, length)
    for _ in range(2):  # longer texts than those before, then shorter ones
        found = bias(length)
        assert (found.dtype, found.shape) == (np.float32, expected.shape)
        scaled = expected * np.float32(kernels.EXPONENT_SCALE)
        np.testing.assert_allclose(found, scaled, rtol=1e-6)
        bias(2000)


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_a_bias_is_added_wherever_the_scores_end_up(size, tmp_path):
    folder = write_family(tmp_path, FAMILIES["bloom"])
    config = read_config(folder)
    weights = astype(load_weights(folder, config), np.float64)
    rng = np.random.default_rng(2)
    query, key, value = rng.normal(0, 1, (3, 6, 40, 4)).astype(np.float32)
    query *= np.float32(size)
    context = np.empty_like(query)
    kernels.attend(
        query * np.float32(kernels.EXPONENT_SCALE),
        np.swapaxes(key, -1, -2),
        value,
        context,
        ScoreBias(weights, config)(40),
    )
    exact = query.astype(np.float64) @ key.astype(np.float64).transpose(0, 2, 1)
    scores = exact + variations.score_bias(weights, config, 40)
    assert np.abs(context - reference.softmax(scores) @ value).max() <= 1e-6 * size


def test_who_looks_only_back_needs_no_other_bias(tmp_path):
    folder = write_family(tmp_path, FAMILIES["bert"])
    config = replace(read_config(folder), arithmetic=Arithmetic(causal=True))
    found = ScoreBias(load_weights(folder, config), config)(3)[0]
    assert found.tolist() == [[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]]


def test_the_root_mean_square_equals_the_reference():
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, (50, 384)).astype(np.float32)
    weight = rng.normal(1, 0.3, 384).astype(np.float32)
    weights = LayerNorm(weight.astype(float), np.zeros(384))
    expected = variations.rms_norm(x.astype(np.float64), weights, 1e-6)
    kernels.rms_norm_(x, weight, 1e-6)
    assert x.dtype == np.float32
    assert np.abs(x - expected).max() <= 2e-6
