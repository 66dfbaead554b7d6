"""Embedders and rerankers with RoBERTa's tokenizer, against sentence-transformers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, Golden
from models.byte_level import EMBEDDERS, RERANKERS, build_byte_level

from gtenp import CrossEncoder, Embedder, Tokenizer

GOLDEN = Golden("byte-level")
TEXTS = GOLDEN.facts["texts"]
PAIRS = [(first, second) for first in TEXTS for second in TEXTS]
MODELS = {model.short_name: model for model in (*EMBEDDERS, *RERANKERS)}
NAMES = [list(MODELS)[: len(EMBEDDERS)], list(MODELS)[len(EMBEDDERS) :]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    parent = tmp_path_factory.mktemp("byte-level")
    return {name: build_byte_level(model, parent) for name, model in MODELS.items()}


@pytest.mark.parametrize("name", NAMES[0])
def test_a_folder_of_this_form_gives_the_vectors_of_sentence_transformers(name, folders, tmp_path):
    embedder = Embedder(folders[name])
    assert embedder.max_seq_length == 512
    found = embedder.encode(TEXTS, truncate="silent")
    wanted = GOLDEN.arrays[f"{name}.encode"]
    assert np.abs(found - wanted).max() <= EMBEDDING_TOLERANCE
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved").encode(TEXTS, truncate="silent")
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("name", NAMES[1])
def test_scores_are_those_of_sentence_transformers(name, folders):
    found = CrossEncoder(folders[name]).predict(PAIRS)
    wanted = GOLDEN.arrays[f"{name}.scores"]
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5


def test_one_label_goes_through_a_sigmoid_and_three_stay_logits(folders):
    activations = [CrossEncoder(folders[name]).activation for name in NAMES[1]]
    assert activations == ["Sigmoid", "Identity"]


@pytest.mark.parametrize("name", MODELS)
def test_the_tokenizer_of_each_is_that_of_transformers(name, folders):
    tokenizer = Tokenizer.from_folder(folders[name])
    wanted = GOLDEN.facts["tokenized"]
    for key, options in (
        ("texts", {"truncation": True}),
        ("pairs", {"truncation": True, "padding": True, "max_length": 24}),
    ):
        texts = [TEXTS] if key == "texts" else [list(side) for side in zip(*PAIRS, strict=True)]
        found = tokenizer(*texts, **options)
        for column, rows in wanted[key].items():
            assert found[column] == rows
    found = tokenizer(TEXTS, return_offsets_mapping=True)
    assert [list(map(list, row)) for row in found["offset_mapping"]] == wanted["offsets"]
    assert [found.word_ids(row) for row in range(len(TEXTS))] == wanted["word_ids"]
    assert tokenizer.decode(found["input_ids"]) == wanted["decoded"]


def test_the_merges_are_a_part_of_the_model_where_they_lie_apart(folders, tmp_path):
    embedder = Embedder(folders["vocab-and-merges-alone"])
    embedder.save_pretrained(tmp_path / "saved")
    saved = {path.name for path in (tmp_path / "saved").iterdir()}
    assert {"vocab.json", "merges.txt"} <= saved
    assert not {"tokenizer.json", "vocab.txt"} & saved
    config = json.loads((tmp_path / "saved/tokenizer_config.json").read_text())
    assert "tokenizer_class" not in config
