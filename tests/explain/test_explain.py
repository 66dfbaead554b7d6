import json

import numpy as np
import pytest
from models.build import built
from places import DATA

from gtenp import Embedder, reference
from gtenp.engine.pooling import pool
from gtenp.explain.explain import compare, explain, token_weights
from gtenp.model_files.model import load_weights
from gtenp.model_files.sentence_config import Pooling

TEXTS = ["hello world", "a quick sort of the world"]


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def explained(embedder):
    return explain(embedder, TEXTS)


def with_pooling(folder, mode):
    path = folder / "1_Pooling" / "config.json"
    settings = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": False}
    path.write_text(json.dumps({**settings, f"pooling_mode_{mode}": True}))
    return Embedder(folder)


# ── one text ─────────────────────────────────────────────────────────────────────────────────────


def test_the_tokens_are_those_that_encode_makes(explained):
    assert explained[0].tokens == ("[CLS]", "hello", "world", "[SEP]")


def test_the_stages_are_run_layer_in_its_parts(embedder, explained):
    layer, stages = explained[0].trace.layers[0], explained[0].layer_stages
    expected = (
        np.stack((layer.query, layer.key, layer.value)), layer.scores, layer.attention,
        layer.context, layer.attention_output, layer.intermediate, layer.gelu, layer.output,
    )  # fmt: skip
    for stage, value in zip(stages, expected, strict=True):
        np.testing.assert_array_equal(stage.value, value, err_msg=stage.name)
    weights = load_weights(DATA / "tiny", embedder.config)
    whole = reference.run_layer(explained[0].trace.embeddings, weights.layers[0], embedder.config)
    np.testing.assert_array_equal(stages[-1].value, whole.output)


def test_the_embedding_stages_are_the_references(explained):
    summed, normed = explained[0].embedding_stages
    np.testing.assert_array_equal(summed.value, explained[0].trace.embeddings_sum)
    np.testing.assert_array_equal(normed.value, explained[0].trace.embeddings)


def test_the_letters_of_a_shape_are_as_many_as_its_sizes(embedder, explained):
    config = embedder.config
    sizes = {
        "3": 3, "S": 4, "A": config.num_attention_heads, "D": config.head_size,
        "H": config.hidden_size, "F": config.intermediate_size,
    }  # fmt: skip
    text = explained[0]
    for stage in text.embedding_stages + text.layer_stages + text.sentence_stages:
        assert stage.value.shape == tuple(sizes[axis] for axis in stage.axes), stage.name


def test_every_function_named_is_there_to_be_read(explained):
    from gtenp.engine import pooling

    text = explained[0]
    for stage in text.embedding_stages + text.layer_stages + text.sentence_stages:
        for name in stage.functions.split(", "):
            home = pooling if name.startswith("pooling.") else reference
            assert callable(getattr(home, name.removeprefix("pooling."))), name


def test_a_layers_flops_are_those_of_the_formula(embedder, explained):
    S, H, F = 4, embedder.config.hidden_size, embedder.config.intermediate_size
    layer = 8 * S * H**2 + 4 * S**2 * H + 4 * S * H * F
    assert explained[0].flops == embedder.config.num_hidden_layers * layer


def test_the_vector_is_the_engines(embedder, explained):
    vectors = np.stack([text.vector for text in explained])
    np.testing.assert_allclose(vectors, embedder.encode(TEXTS), atol=1e-5)


def test_a_vector_is_cut_where_the_model_cuts_it(embedder):
    embedder.truncate_dim = 8
    try:
        [explained] = explain(embedder, TEXTS[:1])
        np.testing.assert_allclose(explained.vector, embedder.encode(TEXTS[0]), atol=1e-6)
    finally:
        embedder.truncate_dim = None


def test_a_norm_is_the_length_of_a_tokens_state(explained):
    states = explained[0].trace.hidden_states
    assert explained[0].norms.shape == (3, 4)
    assert explained[0].norms[1, 2] == pytest.approx(np.linalg.norm(states[1][2]))


def test_a_text_of_one_word_has_no_look_between_two(embedder):
    (text,) = explain(embedder, ["hello"])
    assert [layer.strongest for layer in text.layers] == [None, None]


def test_a_look_has_its_weight_in_the_attention(explained):
    for layer, summary in enumerate(explained[1].layers):
        look = summary.strongest
        assert look.token != look.at
        assert {look.token, look.at} <= set(range(1, len(explained[1].tokens) - 1))
        weight = explained[1].attention[layer, look.head, look.token, look.at]
        assert look.weight == weight


def test_an_empty_text_is_explained(embedder):
    assert explain(embedder, [""])[0].tokens == ("[CLS]", "[SEP]")


def test_a_dense_module_is_a_stage_and_its_products_count(tmp_path):
    embedder = Embedder(built("LaBSE", tmp_path))
    first, other = explain(embedder, ["hello world", "a quick sort"])
    pooled, dense, normalized = first.sentence_stages
    assert [pooled.name, dense.name, normalized.name] == [
        "pooling: cls",
        "dense: Tanh",
        "normalize",
    ]
    assert dense.flops == 2 * 48 * 24
    assert first.flops == len(first.layers) * sum(s.flops for s in first.layer_stages) + dense.flops
    np.testing.assert_allclose(first.vector, embedder.encode("hello world"), atol=1e-6)
    assert compare(embedder, first, other).contributions is None


# ── two texts ────────────────────────────────────────────────────────────────────────────────────


def test_the_parts_of_all_token_pairs_sum_to_the_cosine_exactly(embedder, explained):
    first, other = explained
    found = compare(embedder, first, other)
    a, b = (text.trace.hidden_states[-1].astype(np.float64).mean(axis=0) for text in explained)
    cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    assert found.contributions.shape == (len(first.tokens), len(other.tokens))
    assert found.contributions.sum() == pytest.approx(cosine, abs=1e-12)
    assert found.score == pytest.approx(cosine, abs=1e-6)


def test_a_pairs_part_is_its_product_over_both_counts_and_lengths(embedder, explained):
    found = compare(embedder, *explained)
    h, g = (text.trace.hidden_states[-1].astype(np.float64) for text in explained)
    lengths = np.linalg.norm(h.mean(axis=0)) * np.linalg.norm(g.mean(axis=0))
    part = h[1] @ g[3] / (len(h) * len(g) * lengths)
    assert found.contributions[1, 3] == pytest.approx(part, abs=1e-12)


@pytest.mark.parametrize("measure", ["cosine", "dot"])
@pytest.mark.parametrize("dimension", [None, 5])
@pytest.mark.parametrize("mode", ["mean_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens"])
def test_every_average_sums_to_the_models_own_score(sentence_tiny, mode, dimension, measure):
    embedder = with_pooling(sentence_tiny, mode)
    embedder.truncate_dim, embedder.similarity_fn_name = dimension, measure
    found = compare(embedder, *explain(embedder, TEXTS))
    a, b = embedder.encode(TEXTS)
    assert found.contributions.sum() == pytest.approx(embedder.similarity(a, b)[0, 0], abs=1e-5)


def test_a_dot_product_of_vectors_that_are_not_normalised_is_such_a_sum_too(embedder, explained):
    try:
        embedder.similarity_fn_name = "dot"
        found = compare(embedder, *explained)
    finally:
        embedder.similarity_fn_name = "cosine"
    a, b = (text.vector.astype(np.float64) for text in explained)
    assert found.score == pytest.approx(a @ b, rel=1e-5)
    assert found.contributions.sum() == pytest.approx(a @ b, rel=1e-5)


@pytest.mark.parametrize("mode", ["mean", "mean_sqrt_len_tokens", "weightedmean"])
def test_a_tokens_weight_is_its_part_of_what_pooling_makes(mode):
    states = np.random.RandomState(0).standard_normal((5, 3))
    pooled = pool(states, np.array([0, 5]), Pooling((mode,)))[0]
    np.testing.assert_allclose(token_weights((mode,), 5) @ states, pooled)


@pytest.mark.parametrize("mode", ["cls_token", "max_tokens", "lasttoken"])
def test_another_pooling_is_no_sum_over_pairs(sentence_tiny, mode):
    embedder = with_pooling(sentence_tiny, mode)
    assert compare(embedder, *explain(embedder, TEXTS)).contributions is None


def test_a_distance_is_no_sum_over_pairs(sentence_tiny):
    embedder = Embedder(sentence_tiny)
    embedder.similarity_fn_name = "euclidean"
    found = compare(embedder, *explain(embedder, TEXTS))
    assert found.contributions is None
    assert found.score < 0


def test_the_cosines_are_those_of_two_tokens_at_each_level(embedder, explained):
    found = compare(embedder, *explained)
    a, b = explained[0].trace.hidden_states[1][2], explained[1].trace.hidden_states[1][3]
    expected = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    assert found.cosines[1, 2, 3] == pytest.approx(expected, abs=1e-6)
