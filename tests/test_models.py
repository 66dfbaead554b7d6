"""Each model that people use, and each form that folders come in, against sentence-transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, Golden
from models.build import build
from models.published import CROSS_ENCODERS, FORMS, PUBLISHED, SEARCH
from places import DATA

from gtenp import Embedder
from gtenp.errors import UnsupportedModelError

WORDS = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
GOLDEN = Golden("models")
TEXTS = GOLDEN.facts["texts"]
MODELS = {model.name.rpartition("/")[2]: model for model in (*PUBLISHED, *FORMS)}


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def embedder(name, tmp_path_factory):
    return Embedder(build(MODELS[name], tmp_path_factory.mktemp("models"), WORDS))


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, in units of the largest value or of 1."""
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("task", ["encode", "encode_query", "encode_document"])
def test_a_folder_of_this_form_gives_the_vectors_of_sentence_transformers(name, embedder, task):
    found = getattr(embedder, task)(TEXTS, truncate="silent")
    assert apart(found, GOLDEN.arrays[f"{name}.{task}"]) <= EMBEDDING_TOLERANCE


def test_a_folder_of_this_form_states_its_length_and_its_dimension(name, embedder):
    model = MODELS[name]
    assert embedder.max_seq_length == model.transformer.get("max_seq_length", 512)
    expected = GOLDEN.arrays[f"{name}.encode"].shape[1]
    assert embedder.get_embedding_dimension() == expected


def test_a_folder_of_this_form_is_saved_whole(embedder, tmp_path):
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    for task in ("encode", "encode_query", "encode_document"):
        expected = getattr(embedder, task)(TEXTS, truncate="silent")
        found = getattr(again, task)(TEXTS, truncate="silent")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", list(MODELS)[: len(PUBLISHED)], indirect=True)
def test_what_marks_each_published_model_is_understood(name, embedder):
    sentence, heads = embedder.sentence_config, [h.summary for h in embedder.sentence_config.heads]
    modes = sentence.pooling.modes
    if name.startswith("bge"):
        assert (modes, heads, sentence.do_lower_case) == (("cls",), ["normalize"], True)
    elif name.startswith("e5"):
        assert embedder.known_prompts["query"] == embedder.prompts["query"] == "query: "
        assert embedder.prompts["passage"] == "passage: "
    elif name.startswith("snowflake"):
        assert (modes, heads) == (("cls",), ["normalize"])
        assert embedder.prompts == {"query": SEARCH}
    elif name.startswith("mxbai"):
        assert (modes, heads) == (("cls",), [])
        assert embedder.prompts == {"query": SEARCH, "passage": ""}
    elif name == "LaBSE":
        assert (modes, heads) == (("cls",), ["dense 48 → 24, Tanh", "normalize"])
        assert embedder.config.vocab_size == 501_153
        assert not embedder.tokenizer.spec.lowercase
    elif name in ("paraphrase-MiniLM-L6-v2", "contriever-base-msmarco"):
        assert (modes, heads) == (("mean",), [])
    elif name.startswith("distiluse"):
        assert (modes, heads) == (("mean",), ["dense 48 → 24, Tanh"])
    else:
        assert (modes, heads) == (("mean",), ["normalize"])


def test_a_cross_encoders_head_on_all_minilm_is_refused_with_a_sentence(tmp_path):
    folder = build(CROSS_ENCODERS[0], tmp_path, WORDS)
    with pytest.raises(UnsupportedModelError, match="cross-encoder, which scores two texts read"):
        Embedder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    assert "classifier.weight" in Embedder(folder).ignored_tensors
