import numpy as np
import pytest
from conftest import DATA
from golden import EMBEDDING_TOLERANCE, Golden
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import CARD, golden_texts

from gtenp import Embedder
from gtenp.errors import InputError, ModelFileError

TINY = Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def real(minilm):
    return Embedder(minilm)


# ── the published weights ────────────────────────────────────────────────────────────────────────


def test_all_minilm_gives_the_ids_of_transformers_for_every_golden_text(real):
    golden = Golden("minilm")
    assert len(golden.facts["texts"]) >= 300
    assert real.tokenizer(golden.facts["texts"])["input_ids"] == golden.sequences()


def test_all_minilm_gives_the_embeddings_of_transformers_for_every_golden_text(real):
    golden = Golden("minilm")
    embeddings = real.encode(golden.facts["texts"])
    assert np.abs(embeddings - golden.arrays["embeddings"]).max() <= EMBEDDING_TOLERANCE


def test_the_golden_texts_are_those_of_this_suite():
    assert Golden("minilm").facts["texts"] == golden_texts()


def test_gte_smalls_shape_gives_the_embeddings_of_transformers(gte_small):
    golden = Golden("gte-small")
    embeddings = Embedder(gte_small).encode(golden.facts["texts"])
    assert np.abs(embeddings - golden.arrays["embeddings"]).max() <= EMBEDDING_TOLERANCE


def test_capitals_are_nearer_to_the_capital_question_than_algorithms(real):
    scores = real.similarity(*np.split(real.encode(CARD), [1]))[0]
    assert scores[1] > scores[2]


# ── shapes and dtypes ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sentences", "shape"),
    [
        ("one text", (32,)),
        ("", (32,)),
        (["one", "two", ""], (3, 32)),
        (["one"], (1, 32)),
        ([], (0, 32)),
        (("a", "tuple"), (2, 32)),
        (np.array(["an", "array", "of", "strings"]), (4, 32)),
        (np.array(["objects", "too"], dtype=object), (2, 32)),
        ((text for text in ["a", "generator"]), (2, 32)),
    ],
)
def test_a_str_gives_one_vector_and_any_list_gives_rows_of_float32(sentences, shape):
    embeddings = TINY.encode(sentences)
    assert embeddings.shape == shape
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()


def test_the_dimension_and_the_lengths_are_told():
    assert TINY.get_embedding_dimension() == 32
    assert TINY.max_seq_length == 64


def test_similarity_is_the_cosine():
    embeddings = TINY.encode(CARD)
    scores = TINY.similarity(embeddings, embeddings)
    assert scores.shape == (4, 4)
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)


def test_normalising_can_be_asked_for_and_declined(gte_small):
    plain, unit = TINY.encode(CARD[0]), TINY.encode(CARD[0], normalize_embeddings=True)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain), atol=1e-6)
    normalised = Embedder(gte_small).encode(CARD[0], normalize_embeddings=False)
    assert np.linalg.norm(normalised) > 2


def test_a_text_longer_than_max_seq_length_is_cut_there():
    embedder = Embedder(DATA / "tiny")
    embedder.max_seq_length = 5
    np.testing.assert_array_equal(embedder.encode("a b c d e f"), embedder.encode("a b c"))


@pytest.mark.parametrize("length", [2, 65, 0, -1, "8", 8.0, None])
def test_a_max_seq_length_that_the_model_cannot_do_is_an_error(length):
    with pytest.raises(InputError, match="wanted a whole number from 3 to 64"):
        Embedder(DATA / "tiny").max_seq_length = length


# ── batches ──────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(st.lists(st.text(max_size=80), max_size=12), st.none() | st.integers(1, 5))
def test_no_vector_depends_on_its_neighbours_or_on_the_batch_size(texts, batch_size):
    together = TINY.encode(texts, batch_size=batch_size, normalize_embeddings=True)
    for text, embedding in zip(texts, together, strict=True):
        alone = TINY.encode(text, normalize_embeddings=True)
        assert np.abs(embedding - alone).max() <= EMBEDDING_TOLERANCE


def test_a_hundred_thousand_empty_strings_are_embedded_alike():
    embeddings = TINY.encode([""] * 100_000)
    assert embeddings.shape == (100_000, 32)
    assert np.abs(embeddings - TINY.encode("")).max() <= EMBEDDING_TOLERANCE


def test_ten_megabytes_in_one_str_are_embedded():
    assert np.isfinite(TINY.encode("hello world " * 900_000)).all()


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "32"])
def test_a_batch_size_that_is_none_is_an_error(batch_size):
    with pytest.raises(InputError, match="batch_size"):
        TINY.encode(["a"], batch_size=batch_size)


def test_the_progress_bar_counts_texts(capsys):
    TINY.encode(["a", "b", "c"], show_progress_bar=True)
    assert "3/3" in capsys.readouterr().err


# ── bad input ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sentences", [None, 3, b"bytes", {"a": 1}, {"a"}, 1.5])
def test_what_is_no_text_and_no_list_is_named(sentences):
    with pytest.raises(InputError, match=f"found {type(sentences).__name__}, wanted a str"):
        TINY.encode(sentences)


@pytest.mark.parametrize("wrong", [None, 7, b"bytes", ["nested"], float("nan")])
def test_an_element_that_is_no_str_is_named_with_its_place(wrong):
    found = "None" if wrong is None else type(wrong).__name__
    with pytest.raises(InputError, match=rf"\[2\].*{found}"):
        TINY.encode(["fine", "fine too", wrong])


def test_an_array_of_numbers_or_of_two_dimensions_is_an_error():
    for wrong in (np.arange(3), np.array([["a", "b"], ["c", "d"]])):
        with pytest.raises(InputError, match="0"):
            TINY.encode(wrong)


def test_a_lone_surrogate_is_named_with_its_place():
    with pytest.raises(InputError, match=r"1.*surrogate"):
        TINY.encode(["fine", "half \ud83d of an emoji"])


def test_a_vocabulary_larger_than_the_embedding_table_is_an_error(tiny):
    words = (tiny / "vocab.txt").read_text(encoding="utf-8")
    (tiny / "vocab.txt").write_text(words + "extra\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="the tokenizer's ids go up to"):
        Embedder(tiny)
