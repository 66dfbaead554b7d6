import subprocess
import sys

import numpy as np
import pytest
from places import DATA

from gtenp import cos_sim, dot_score, semantic_search
from gtenp.errors import InputError
from gtenp.similarity import SIMILARITY, similarity_pairwise

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(7, 16)).astype(np.float32), RNG.normal(size=(9, 16)).astype(np.float32)

PLAIN = {
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    "dot": lambda a, b: a @ b,
    "euclidean": lambda a, b: -np.sqrt(((a - b) ** 2).sum()),
    "manhattan": lambda a, b: -np.abs(a - b).sum(),
}


@pytest.mark.parametrize("name", SIMILARITY)
def test_each_similarity_is_that_of_each_pair_of_rows(name):
    expected = [[PLAIN[name](a, b) for b in B] for a in A]
    found = SIMILARITY[name](A, B)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(similarity_pairwise(A, B[:7], name), np.diag(expected), atol=1e-5)


@pytest.mark.parametrize("name", ["euclidean", "manhattan"])
def test_distances_of_vectors_that_are_nearly_equal_do_not_cancel(name):
    near = A + np.float32(1e-4)
    expected = [PLAIN[name](a, b) for a, b in zip(A, near, strict=True)]
    np.testing.assert_allclose(np.diag(SIMILARITY[name](A, near)), expected, rtol=1e-5)


def test_pairs_want_as_many_rows_of_each():
    with pytest.raises(InputError, match="7 rows and 9; wanted as many of each"):
        similarity_pairwise(A, B)


# ── searching ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("score_function", [cos_sim, dot_score])
def test_search_gives_the_rows_of_the_largest_scores_best_first(score_function):
    corpus = RNG.normal(size=(20_000, 16)).astype(np.float32)  # more than one piece
    scores = score_function(A, corpus)
    found = semantic_search(A, corpus, top_k=5, score_function=score_function)
    order = np.argsort(-scores, axis=1)[:, :5]
    assert [[hit["corpus_id"] for hit in hits] for hits in found] == order.tolist()
    assert [hit["score"] for hit in found[3]] == pytest.approx(scores[3, order[3]].tolist())


def test_search_gives_what_there_is_where_that_is_less_than_top_k():
    found = semantic_search(A[0], B, top_k=100)
    assert sorted(hit["corpus_id"] for hit in found[0]) == list(range(9))
    assert semantic_search(A, np.empty((0, 16), np.float32)) == [[]] * 7
    assert semantic_search(np.empty((0, 16), np.float32), B) == []


def test_search_of_a_thousand_in_a_million_does_not_build_the_matrix_of_scores():
    # A corpus of strides 0: a million rows that take the memory of one, and 4 GB of scores.
    script = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
from peak_memory import peak_megabytes
from gtenp import semantic_search
rows = np.ones((1, 16), np.float32)
corpus = np.broadcast_to(rows, (1_000_000, 16))
queries = np.ones((1_000, 16), np.float32)
semantic_search(queries[:1], corpus[:10])
before = peak_megabytes()
found = semantic_search(queries, corpus, top_k=10)
assert len(found) == 1_000 and len(found[0]) == 10
print(peak_megabytes() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(DATA.parent)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert int(done.stdout) < 250


@pytest.mark.parametrize(
    ("queries", "corpus", "options", "complaint"),
    [
        (A, B, {"top_k": 0}, "top_k: 0"),
        (A, B[0], {}, "a corpus of shape"),
        (A, B[:, :5], {}, "semantic_search: shapes"),
    ],
)
def test_search_names_what_it_cannot_use(queries, corpus, options, complaint):
    with pytest.raises(InputError, match=complaint):
        semantic_search(queries, corpus, **options)


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────


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


def test_a_nan_in_the_corpus_is_named_with_its_row():
    corpus = np.eye(4, dtype=np.float32)
    corpus[2, 1] = np.nan
    with pytest.raises(InputError, match="corpus row 2 is NaN"):
        semantic_search([1.0, 0, 0, 0], corpus)


def test_an_unknown_pairwise_similarity_is_an_error():
    with pytest.raises(InputError, match="'dto'; wanted one of cosine"):
        similarity_pairwise([1.0], [1.0], "dto")
