import numpy as np

from gtenp.pooling import normalize, pool


def test_the_mean_is_taken_over_each_sequences_own_tokens():
    rng = np.random.default_rng(0)
    hidden_states = rng.normal(size=(9, 5)).astype(np.float32)
    pooled = pool(hidden_states, np.array([0, 4, 5, 9]), "mean")
    expected = [hidden_states[a:b].mean(axis=0) for a, b in ((0, 4), (4, 5), (5, 9))]
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


def test_normalising_keeps_float32_and_leaves_zeros():
    rows = np.array([[1e-3, 0], [0, 0]], np.float32)
    assert normalize(rows).dtype == np.float32
    assert normalize(rows).tolist() == [[1, 0], [0, 0]]
