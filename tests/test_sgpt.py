"""SGPT's form, whole: BLOOM's layers in parts, its tokenizer, a weighted mean, brackets."""

import json
import re

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, Golden
from models.byte_level import build_sgpt
from pickles import saved_arrays
from safetensors.numpy import load_file

from gtenp import Embedder
from gtenp.errors import UnsupportedModelError
from gtenp.model_files.pickled import convert
from gtenp.verify.trace import model_of, token_ids, trace

GOLDEN = Golden("sgpt")
TEXTS = GOLDEN.facts["texts"]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return Embedder(build_sgpt(tmp_path_factory.mktemp("models")))


@pytest.mark.parametrize("task", ["encode", "encode_query", "encode_document"])
def test_vectors_are_those_of_sentence_transformers_and_of_the_card(embedder, task):
    found = getattr(embedder, task)(TEXTS, truncate="silent")
    expected = GOLDEN.arrays[task]
    assert np.abs(found - expected).max() / np.abs(expected).max() <= EMBEDDING_TOLERANCE


def test_its_settings_are_understood(embedder):
    assert embedder.sentence_config.pooling.modes == ("weightedmean",)
    assert embedder.max_seq_length == 300
    assert embedder.prompts == {"query": "[", "document": "{"}
    assert embedder.tokenizer("")["input_ids"] == []
    assert not embedder.encode("").any()


def test_the_same_from_three_pickles(embedder, tmp_path):
    folder = build_sgpt(tmp_path)
    index = folder / "model.safetensors.index.json"
    for path in folder.glob("model-*.safetensors"):
        name = path.name.replace("model", "pytorch_model").replace(".safetensors", ".bin")
        arrays = {k: np.ascontiguousarray(a) for k, a in load_file(path).items()}
        (folder / name).write_bytes(saved_arrays(arrays))
        path.unlink()
    text = re.sub(r"model-(\d+-of-\d+)\.safetensors", r"pytorch_model-\1.bin", index.read_text())
    assert len({*json.loads(text)["weight_map"].values()}) == 3
    (folder / "pytorch_model.bin.index.json").write_text(text)
    index.unlink()
    with pytest.raises(UnsupportedModelError, match="gtenp convert"):
        Embedder(folder)
    convert(folder)
    found, expected = (e.encode(TEXTS, truncate="silent") for e in (Embedder(folder), embedder))
    np.testing.assert_array_equal(found, expected)


def test_its_steps_are_traced(embedder):
    ids = token_ids(embedder, TEXTS[:1])[0]
    values = trace(model_of(embedder), ids)
    assert np.abs(values["pooled"] - embedder.encode(TEXTS[0])).max() <= 1e-5
    assert np.isneginf(values["score_bias"][0, 0, 1])


def test_a_text_without_tokens_goes_through_no_layer(tmp_path):
    from gtenp.errors import InputError
    from gtenp.verify.trace import token_ids

    embedder = Embedder(build_sgpt(tmp_path))
    assert not embedder.encode("").any()
    with pytest.raises(InputError, match=r"texts\[1\]: has no token"):
        token_ids(embedder, ["hello", ""])
