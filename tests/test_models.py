"""Each model that people use, and each form that folders come in, against sentence-transformers."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE, HIDDEN_TOLERANCE, Golden
from models.build import build
from models.published import CROSS_ENCODERS, FORMS, MULTILINGUAL, PUBLISHED, SEARCH
from models.unigram import words_of
from places import DATA, ROOT

from gtenp import Embedder
from gtenp.engine.batch import pack
from gtenp.errors import ModelFileError, UnsupportedModelError

WORDS = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
PLAIN, UNIGRAM = Golden("models"), Golden("multilingual")
MODELS = {model.short_name: model for model in (*PUBLISHED, *FORMS, *MULTILINGUAL)}
WITH_UNIGRAM = [name for name, model in MODELS.items() if model.unigram]


@pytest.fixture(scope="module", params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def golden(name):
    """What sentence-transformers made of the folder, and of which texts."""
    return UNIGRAM if MODELS[name].unigram else PLAIN


@pytest.fixture(scope="module")
def embedder(name, tmp_path_factory):
    return Embedder(build(MODELS[name], tmp_path_factory.mktemp("models"), WORDS))


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, in units of the largest value or of 1."""
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("task", ["encode", "encode_query", "encode_document"])
def test_a_folder_of_this_form_gives_the_vectors_of_sentence_transformers(
    name, embedder, golden, task
):
    found = getattr(embedder, task)(golden.facts["texts"], truncate="silent")
    assert apart(found, golden.arrays[f"{name}.{task}"]) <= EMBEDDING_TOLERANCE


def test_a_folder_of_this_form_states_its_length_and_its_dimension(name, embedder, golden):
    model = MODELS[name]
    assert embedder.max_seq_length == model.transformer.get("max_seq_length", 512)
    expected = golden.arrays[f"{name}.encode"].shape[1]
    assert embedder.get_embedding_dimension() == expected


def test_a_folder_of_this_form_is_saved_whole(embedder, golden, tmp_path):
    texts = golden.facts["texts"]
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    for task in ("encode", "encode_query", "encode_document"):
        expected = getattr(embedder, task)(texts, truncate="silent")
        found = getattr(again, task)(texts, truncate="silent")
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [n for n, m in MODELS.items() if "/" in m.name], indirect=True)
def test_what_marks_each_published_model_is_understood(name, embedder):
    sentence, heads = embedder.sentence_config, [h.summary for h in embedder.sentence_config.heads]
    modes = sentence.pooling.modes
    if name == "bge-m3":
        assert (modes, heads, embedder.max_seq_length) == (("cls",), ["normalize"], 8192)
    elif name.startswith("bge"):
        assert (modes, heads, sentence.do_lower_case) == (("cls",), ["normalize"], True)
    elif name.startswith(("e5", "multilingual-e5")):
        assert (modes, heads) == (("mean",), ["normalize"])
        assert embedder.known_prompts["query"] == embedder.prompts["query"] == "query: "
        assert embedder.prompts["passage"] == "passage: "
    elif name.startswith("snowflake"):
        assert (modes, heads) == (("cls",), ["normalize"])
        assert embedder.prompts == {"query": "query: " if name.endswith("-v2.0") else SEARCH}
    elif name.startswith("mxbai"):
        assert (modes, heads) == (("cls",), [])
        assert embedder.prompts == {"query": SEARCH, "passage": ""}
    elif name == "LaBSE":
        assert (modes, heads) == (("cls",), ["dense 48 → 24, Tanh", "normalize"])
        assert embedder.config.vocab_size == 501_153
        assert not embedder.tokenizer.spec.lowercase
    elif name == "multi-qa-mpnet-base-dot-v1":
        assert (modes, heads, embedder.similarity_fn_name) == (("cls",), [], "dot")
    elif name.startswith(("paraphrase", "contriever")):
        assert (modes, heads) == (("mean",), [])
    elif name in ("gte-base-en-v1.5", "gte-large-en-v1.5"):
        assert (modes, heads, embedder.max_seq_length) == (("cls",), [], 8192)
    elif name == "gte-multilingual-base":
        assert (modes, heads, embedder.max_seq_length) == (("cls",), ["normalize"], 8192)
    elif name.startswith("nomic"):
        assert (modes, heads) == (("mean",), [])
        assert embedder.prompts["query"] == "search_query: "
        assert embedder.prompts["document"] == "search_document: "
    elif "-t5-" in name:
        assert (modes, heads[1:]) == (("mean",), ["normalize"])
        assert heads[0].startswith("dense ")
        assert embedder.tokenizer.cls_token is None
        assert embedder.tokenizer("")["input_ids"] == [embedder.tokenizer.vocab["</s>"]]
    elif name.startswith("distiluse"):
        assert (modes, heads) == (("mean",), ["dense 48 → 24, Tanh"])
    else:
        assert (modes, heads) == (("mean",), ["normalize"])


def test_the_recipe_for_vectors_cut_short_is_that_of_nomics_card(tmp_path):
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    recipe = {"np": np}
    exec(re.search(r"^def matryoshka.*?(?=\n\n)", page, re.DOTALL | re.MULTILINE)[0], recipe)
    name = "nomic-embed-text-v1.5"
    embedder = Embedder(build(MODELS[name], tmp_path, WORDS))
    expected = PLAIN.arrays[f"{name}.matryoshka"]
    size = expected.shape[1]
    vectors = embedder.encode(PLAIN.facts["texts"], truncate="silent")
    assert apart(recipe["matryoshka"](vectors, size), expected) <= EMBEDDING_TOLERANCE
    # truncate_dim alone is not that, as it is not in sentence-transformers.
    options = {"truncate_dim": size, "normalize_embeddings": True, "truncate": "silent"}
    assert apart(embedder.encode(PLAIN.facts["texts"], **options), expected) > 1e-3


# ── XLM-R's tokenizer ────────────────────────────────────────────────────────────────────────────

with_unigram = pytest.mark.parametrize("name", WITH_UNIGRAM, indirect=True)


@with_unigram
def test_the_tokens_are_those_of_transformers(name, embedder):
    assert embedder.tokenizer(UNIGRAM.facts["texts"])["input_ids"] == UNIGRAM.sequences(f"{name}.")


@with_unigram
def test_each_layers_states_are_those_of_transformers(name, embedder):
    for number in UNIGRAM.facts["traced"]:
        ids = UNIGRAM.sequences(f"{name}.")[number]
        batch = pack([ids], arithmetic=embedder.config.arithmetic)
        found = np.stack(list(embedder.encoder.hidden_states(batch)))
        expected = UNIGRAM.arrays[f"{name}.hidden_states.{number}"]
        assert np.abs(found - expected).max() <= HIDDEN_TOLERANCE


@with_unigram
def test_a_text_may_have_a_token_at_the_last_position_and_one_more_is_cut(name, embedder):
    chosen = embedder.max_seq_length
    embedder.max_seq_length = most = embedder.config.max_tokens
    exact, longer = embedder.token_ids([words_of(most), words_of(most + 1)])
    found = embedder.encode(words_of(most), truncate="error")
    embedder.max_seq_length = chosen
    assert most == len(exact) == (8192 if MODELS[name].config["max_position_embeddings"] > 514
                                  else 512)  # fmt: skip
    assert longer == exact
    assert apart(found, UNIGRAM.arrays[f"{name}.longest"]) <= EMBEDDING_TOLERANCE


@with_unigram
def test_a_padding_token_in_a_text_is_a_token_of_it(embedder):
    ids = embedder.token_ids(["hello <pad> world"])[0]
    assert ids.count(embedder.tokenizer.pad_token_id) == 1
    assert embedder.tokenizer.pad_token_id == 1


def test_the_padding_of_berts_config_need_not_be_the_tokenizers(tmp_path):
    folder = build(MODELS["multilingual-e5-small"], tmp_path, [])
    config = json.loads((folder / "config.json").read_text())
    embedder = Embedder(folder)
    assert (config["pad_token_id"], embedder.tokenizer.pad_token_id) == (0, 1)
    assert embedder.config.vocab_size == embedder.tokenizer.vocab_size + 35


def test_pieces_alone_give_the_tokens_that_tokenizer_json_gives(tmp_path):
    folder = build(MODELS["pieces-alone"], tmp_path, [])
    assert not (folder / "tokenizer.json").exists()
    expected = UNIGRAM.sequences("multilingual-e5-base.")
    assert Embedder(folder).tokenizer(UNIGRAM.facts["texts"])["input_ids"] == expected


def test_camemberts_pieces_alone_give_the_same_tokens_too(tmp_path):
    model = MODELS["camembert-with-mean-pooling"]
    folder = build(replace(model, unigram="pieces"), tmp_path, [])
    assert not (folder / "tokenizer.json").exists()
    expected = UNIGRAM.sequences("camembert-with-mean-pooling.")
    assert expected[0][0] == 5  # where XLM-R has 0
    assert Embedder(folder).tokenizer(UNIGRAM.facts["texts"])["input_ids"] == expected
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("tokenizer_class")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert Embedder(folder).tokenizer(UNIGRAM.facts["texts"])["input_ids"] == expected


def test_an_unknown_piece_at_another_place_than_camemberts_is_refused(tmp_path):
    folder = build(MODELS["camembert-with-mean-pooling"], tmp_path, [])
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocab = content["model"]["vocab"]
    vocab[3], vocab[4] = vocab[4], vocab[3]
    content["added_tokens"] = []
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelFileError, match="has '<unk>' at 4; CamembertTokenizer has it at 3"):
        Embedder(folder)


# ── Cross-encoders ───────────────────────────────────────────────────────────────────────────────


def test_a_cross_encoders_head_on_all_minilm_is_refused_with_a_sentence(tmp_path):
    folder = build(CROSS_ENCODERS[0], tmp_path, WORDS)
    with pytest.raises(UnsupportedModelError, match="cross-encoder, which scores two texts read"):
        Embedder(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertModel"]}))
    assert "classifier.weight" in Embedder(folder).ignored_tensors
