import numpy as np
import pytest

from gtenp import cos_sim
from gtenp.errors import InputError


def test_one_vector_counts_as_one_row():
    assert cos_sim([1.0, 0.0], [2.0, 0.0]).tolist() == [[1.0]]
    assert cos_sim(np.eye(3), np.eye(3)[0]).shape == (3, 1)


def test_the_result_is_float32_whatever_comes_in():
    assert cos_sim(np.eye(2, dtype=np.float64), [[1, 2]]).dtype == np.float32


def test_a_zero_vector_is_like_nothing():
    assert cos_sim([0.0, 0.0], [1.0, 0.0]).tolist() == [[0.0]]


@pytest.mark.parametrize("other", [[1.0, 2.0, 3.0], [[[1.0, 2.0]]], 4.0])
def test_vectors_of_different_sizes_are_an_error(other):
    with pytest.raises(InputError, match="cos_sim: shapes"):
        cos_sim([1.0, 2.0], other)
