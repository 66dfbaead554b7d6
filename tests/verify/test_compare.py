import numpy as np
import pytest
from places import DATA

from gtenp import Embedder
from gtenp.verify.compare import aligned, compare_step
from gtenp.verify.trace import model_of, token_ids, trace


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


def test_queries_may_be_cut_into_heads_or_not(embedder):
    right = trace(model_of(embedder), token_ids(embedder, ["Hello, new world!"])[0])
    query = right["layer.0.query"]
    tokens_first = query.transpose(1, 0, 2)
    for shape in (query, query[None], tokens_first, tokens_first.reshape(len(tokens_first), -1)):
        step = compare_step("layer.0.query", [right], [{"layer.0.query": shape}])
        assert step.problem is None


@pytest.mark.parametrize("shape", [(8, 31), (7, 32), (2, 8, 32), (32,), ()])
def test_a_shape_that_fits_in_no_way_is_said_with_the_one_wanted(embedder, shape):
    right = trace(model_of(embedder), token_ids(embedder, ["what is the capital of China?"])[0])
    size = len(right["input_ids"])
    step = compare_step("layer.0.output", [right], [{"layer.0.output": np.ones(shape)}])
    assert step.problem == f"text 0: shape {shape}, wanted [S, H] = ({size}, 32)"


def test_padding_behind_the_tokens_is_no_difference_but_other_tokens_are():
    ids = np.array([2, 7, 3])
    assert aligned("input_ids", np.array([2, 7, 3, 0, 0]), ids).tolist() == [2, 7, 3]
    assert aligned("input_ids", np.array([2, 7, 3, 3]), ids) is None


@pytest.mark.parametrize(
    ("found", "relative"),
    [
        ([1.0, 1.0, 1.0, 4.0], 0.0),
        ([1.1, 0.9, 1.1, 3.9], 0.1 / 1.75),  # the mean error over the mean value
        ([1.0, 1.0, 1.0, 2.0], 0.5 / 1.75),
        ([3.0, 1.0, 1.0, 4.0], 0.5 / 1.75),
    ],
)
def test_the_error_is_the_mean_ones_share_of_the_mean(found, relative):
    right = {"pooled": np.array([1.0, 1.0, 1.0, 4.0])}
    step = compare_step("pooled", [right], [{"pooled": np.array(found)}])
    assert step.relative == pytest.approx(relative)


def test_of_many_numbers_a_single_ones_error_is_half_its_share_of_the_largest():
    right = np.ones(1000)
    right[0] = 4
    found = right.copy()
    found[7] += 0.4
    step = compare_step("pooled", [{"pooled": right}], [{"pooled": found}])
    assert step.relative == pytest.approx(0.4 / 4 / 2)
    assert step.problem == "text 0, [7]: 1.4, the reference has 1"
    assert step.max_abs == pytest.approx(0.4)
    assert step.mean_abs == pytest.approx(0.4 / 1000)
