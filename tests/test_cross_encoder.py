"""Rerankers, and classifiers of pairs, against sentence-transformers' CrossEncoder."""

import json

import numpy as np
import pytest
from golden import Golden
from models.build import build, built
from models.published import CROSS_ENCODERS, MULTILINGUAL_RERANKERS
from models.unigram import words_of
from places import DATA

import gtenp
from gtenp import CrossEncoder, Embedder
from gtenp.errors import InputError, ModelFileError, UnsupportedModelError

WORDS = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
GOLDEN = Golden("cross-encoders")
TEXTS = GOLDEN.facts["texts"]
PAIRS = [(first, second) for first in TEXTS for second in TEXTS]
MODELS = {model.short_name: model for model in CROSS_ENCODERS}
SCORES = {name: GOLDEN.arrays[f"{name}.scores"] for name in MODELS}
RERANKER = "ms-marco-MiniLM-L6-v2"
MULTILINGUAL = [model.short_name for model in MULTILINGUAL_RERANKERS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    parent = tmp_path_factory.mktemp("cross-encoders")
    every = (*CROSS_ENCODERS, *MULTILINGUAL_RERANKERS)
    return {model.short_name: build(model, parent, WORDS) for model in every}


@pytest.fixture(scope="module")
def reranker(folders):
    return CrossEncoder(folders[RERANKER])


def changed(folder, tmp_path, **changes):
    """A copy of a folder's files with other values in config.json."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
    return tmp_path


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_sentence_transformers(name, folders):
    found = CrossEncoder(folders[name]).predict(PAIRS)
    assert found.dtype == np.float32
    assert found.shape == SCORES[name].shape
    assert np.abs(found - SCORES[name]).max() <= 1e-5


@pytest.mark.parametrize("name", MULTILINGUAL)
def test_scores_in_other_languages_are_those_of_sentence_transformers(name, folders):
    golden = Golden("multilingual")
    model, texts = CrossEncoder(folders[name]), golden.facts["paired"]
    pairs = [(first, second) for first in texts for second in texts]
    pairs.append((texts[0], words_of(model.max_seq_length)))  # which is cut
    ids = model.tokenizer(*map(list, zip(*pairs, strict=True)), truncation=True)["input_ids"]
    assert ids == golden.sequences(f"{name}.")
    assert (model.activation, model.num_labels) == ("Sigmoid", 1)
    scores, logits = model.predict(pairs), model.predict(pairs, activation_fn=lambda x: x)
    assert np.abs(scores - golden.arrays[f"{name}.scores"]).max() <= 1e-6
    assert np.abs(logits - golden.arrays[f"{name}.logits"]).max() <= 1e-5


@pytest.mark.parametrize("name", MULTILINGUAL)
def test_a_pair_for_xlm_roberta_has_two_ends_between_its_texts_and_one_type(name, folders):
    tokenizer = CrossEncoder(folders[name]).tokenizer
    (first,), (second,) = tokenizer(["quick"])["input_ids"], tokenizer(["fox"])["input_ids"]
    pair = tokenizer(["quick"], ["fox"], return_token_type_ids=True)
    assert pair["input_ids"][0] == [0, *first[1:-1], 2, 2, *second[1:-1], 2]
    assert set(pair["token_type_ids"][0]) == {0}


def test_the_files_say_whether_scores_are_logits_or_go_through_a_sigmoid(folders):
    activations = {name: CrossEncoder(folders[name]).activation for name in MODELS}
    assert activations == {
        "ms-marco-MiniLM-L6-v2": "Identity",
        "ms-marco-TinyBERT-L2-v2": "Identity",
        "a-sigmoid-by-default": "Sigmoid",
        "three-labels": "Identity",
        "distilbert-with-two-labels": "Identity",
    }


def test_one_pair_gives_one_score_and_no_pairs_none(reranker):
    one = reranker.predict(PAIRS[1])
    assert one.shape == ()
    assert one == reranker.predict([PAIRS[1]])[0]
    assert reranker.predict([]).shape == (0,)


def test_several_labels_give_a_row_each(folders):
    model = CrossEncoder(folders["three-labels"])
    assert model.predict(PAIRS[:4]).shape == (4, 3)
    assert model.predict(PAIRS[0]).shape == (3,)
    assert model.predict([]).shape == (0, 3)
    shares = model.predict(PAIRS[:4], apply_softmax=True)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_the_callers_activation_takes_the_logits(folders):
    model = CrossEncoder(folders["a-sigmoid-by-default"])
    logits = model.predict(PAIRS, activation_fn=lambda x: x)
    np.testing.assert_allclose(model.predict(PAIRS), 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_pairs_may_be_lists_tuples_or_an_array(reranker):
    expected = reranker.predict(PAIRS[:3])
    for pairs in ([list(pair) for pair in PAIRS[:3]], tuple(PAIRS[:3]), np.array(PAIRS[:3])):
        np.testing.assert_array_equal(reranker.predict(pairs), expected)


def test_company_and_threads_change_a_score_by_rounding_alone(folders, reranker):
    expected = SCORES[RERANKER]
    for found in (
        reranker.predict(PAIRS, batch_size=1),
        reranker.predict(PAIRS[::-1])[::-1],
        CrossEncoder(folders[RERANKER], threads=1).predict(PAIRS),
        CrossEncoder(folders[RERANKER], threads=3).predict(PAIRS),
    ):
        assert np.abs(found - expected).max() <= 1e-5


def test_a_pair_that_is_too_long_loses_of_its_longer_text(reranker):
    long = "the capital of china " * 200
    expected = reranker.tokenizer("hello", long, truncation=True, max_length=512)["input_ids"]
    assert len(expected) == 512
    assert expected[:3] == reranker.tokenizer("hello")["input_ids"]
    both = reranker.predict([("hello", long), ("hello", long + " python")])
    assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_a_prompt_goes_before_the_first_text(folders, tmp_path):
    settings = {"model_type": "CrossEncoder", "prompts": {"query": "what is "}}
    folder = changed(folders[RERANKER], tmp_path)
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps({**settings, "default_prompt_name": "query"}))
    model = CrossEncoder(folder)
    expected = CrossEncoder(folders[RERANKER]).predict(("what is hello", "world"))
    for found in (
        model.predict(("hello", "world")),
        model.predict(("hello", "world"), prompt_name="query"),
        model.predict(("hello", "world"), prompt="what is "),
    ):
        assert found == expected
    with pytest.raises(InputError, match="prompt_name: 'passage'; the model has 'query'"):
        model.predict(("a", "b"), prompt_name="passage")


# ── rank ─────────────────────────────────────────────────────────────────────────────────────────


def test_rank_puts_the_best_first_and_names_places(reranker):
    hits = reranker.rank("hello", TEXTS)
    scores = reranker.predict([("hello", text) for text in TEXTS])
    assert [hit["corpus_id"] for hit in hits] == np.argsort(-scores, kind="stable").tolist()
    assert [hit["score"] for hit in hits] == sorted(scores.tolist(), reverse=True)
    assert all(type(hit["score"]) is float and type(hit["corpus_id"]) is int for hit in hits)


def test_rank_takes_the_best_few_and_their_texts(reranker):
    hits = reranker.rank("hello", TEXTS, top_k=2, return_documents=True)
    assert [hit["text"] for hit in hits] == [TEXTS[hit["corpus_id"]] for hit in hits]
    assert len(hits) == 2
    assert reranker.rank("hello", []) == []


def test_of_equal_scores_the_earlier_document_comes_first(folders, monkeypatch):
    scores = np.array([0.5, 0.75, 0.5, 0.5], np.float32)
    monkeypatch.setattr(CrossEncoder, "predict", lambda *_: scores)
    hits = CrossEncoder(folders[RERANKER]).rank("hello", ["a", "b", "c", "d"])
    assert [hit["corpus_id"] for hit in hits] == [1, 0, 2, 3]


def test_rank_of_several_labels_is_refused(folders):
    with pytest.raises(InputError, match="rank: the model has 3 labels, whose scores have no ord"):
        CrossEncoder(folders["three-labels"]).rank("hello", TEXTS)


@pytest.mark.parametrize("top_k", [0, -1, 1.5, "3"])
def test_a_top_k_that_is_no_count_is_refused(reranker, top_k):
    with pytest.raises(InputError, match=r"top_k: .* wanted a whole number from 1"):
        reranker.rank("hello", TEXTS, top_k=top_k)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("hello", "inputs: found str; wanted pairs of str"),
        (7, "inputs: found int; wanted pairs of str"),
        (["hello"], "inputs: found 1 of them; wanted a pair of str"),
        ([("a", "b"), ("a", "b", "c")], r"inputs\[1\]: found 3 of them; wanted a pair of str"),
        ([("a", "b"), "c"], r"inputs\[1\]: found 'c'; wanted a pair of str"),
        ([("a", None)], r"inputs\[0\]: found NoneType in a pair; wanted two str"),
        ([("a", b"b")], r"inputs\[0\]: found bytes in a pair; wanted two str"),
    ],
)
def test_what_is_no_pair_of_texts_is_refused_with_its_place(reranker, inputs, message):
    with pytest.raises(InputError, match=message):
        reranker.predict(inputs)


@pytest.mark.parametrize("name", ["tiny", "bge-m3"])
def test_an_embedders_folder_is_refused_with_a_pointer_to_embedder(name, tmp_path):
    folder = DATA / "tiny" if name == "tiny" else built(name, tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"no cross-encoder; gtenp\.Embedder opens"):
        CrossEncoder(folder)


@pytest.mark.parametrize("name", [*MODELS, *MULTILINGUAL])
def test_embedder_refuses_a_cross_encoder_with_a_pointer_to_it(name, folders):
    with pytest.raises(UnsupportedModelError, match=r"gtenp\.CrossEncoder and `gtenp rerank` open"):
        Embedder(folders[name])


def test_embedder_refuses_what_sentence_transformers_6_saved_as_a_cross_encoder(folders, tmp_path):
    folder = as_saved_by_6(folders[RERANKER], tmp_path)
    with pytest.raises(UnsupportedModelError, match=r"gtenp\.CrossEncoder and `gtenp rerank` open"):
        Embedder(folder)


def test_a_classifier_of_another_size_is_named(folders, tmp_path):
    folder = changed(folders[RERANKER], tmp_path, id2label={"0": "a", "1": "b"})
    with pytest.raises(ModelFileError, match=r"classifier\.weight has shape \(1, 48\), "):
        CrossEncoder(folder)


def test_an_activation_that_is_not_known_is_refused_by_name(folders, tmp_path):
    odd = {"activation_fn": "my_package.Odd"}
    folder = changed(folders[RERANKER], tmp_path, sentence_transformers=odd)
    with pytest.raises(UnsupportedModelError, match=r"activation_fn 'my_package\.Odd'"):
        CrossEncoder(folder)


# ── forms of folders ─────────────────────────────────────────────────────────────────────────────


def as_saved_by_6(folder, tmp_path):
    """The folder in the form that sentence-transformers 6 writes."""
    saved = changed(folder, tmp_path, sentence_transformers=None)
    transformer = "sentence_transformers.base.modules.transformer.Transformer"
    for name, content in {
        "modules.json": [{"idx": 0, "name": "0", "path": "", "type": transformer}],
        "sentence_bert_config.json": {
            "transformer_task": "sequence-classification",
            "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}},
            "module_output_name": "scores",
        },
        "config_sentence_transformers.json": {
            "activation_fn": "torch.nn.modules.linear.Identity",
            "default_prompt_name": None,
            "model_type": "CrossEncoder",
            "prompts": {},
        },
    }.items():
        (saved / name).write_text(json.dumps(content))
    return saved


def test_a_folder_as_sentence_transformers_6_saves_it_gives_the_same_scores(
    folders, reranker, tmp_path
):
    found = CrossEncoder(as_saved_by_6(folders[RERANKER], tmp_path))
    np.testing.assert_array_equal(found.predict(PAIRS), reranker.predict(PAIRS))


def test_it_is_a_public_name():
    assert gtenp.CrossEncoder is CrossEncoder


# ── calls that people have in their code ─────────────────────────────────────────────────────────


def test_the_options_of_sentence_transformers_are_taken_where_they_change_nothing(folders):
    model = CrossEncoder(
        model_name_or_path=folders[RERANKER], device="cpu", max_length=64, backend="torch"
    )
    assert model.max_seq_length == 64
    expected = model.predict(PAIRS[:3])
    found = model.predict(
        sentences=PAIRS[:3], batch_size=32, show_progress_bar=None, convert_to_tensor=False,
        device="cpu", num_workers=0,
    )  # fmt: skip
    np.testing.assert_array_equal(found, expected)
    assert model.predict(PAIRS[:3], convert_to_numpy=False) == list(expected)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"convert_to_tensor": True}, "convert_to_tensor=True: gtenp has no torch"),
        ({"device": "cuda"}, "device='cuda': gtenp computes on the CPU alone"),
        ({"pool": {}}, "pool={}: gtenp works in threads"),
        ({"batch_size": 0}, "batch_size: 0; wanted a whole number from 1"),
    ],
)
def test_what_would_need_torch_or_processes_is_refused_by_name(reranker, option, message):
    with pytest.raises(InputError, match=message):
        reranker.predict(PAIRS[:2], **option)


def test_an_activation_given_at_loading_takes_the_logits(folders):
    model = CrossEncoder(folders["a-sigmoid-by-default"], activation_fn=lambda x: 2 * x)
    plain = CrossEncoder(folders["a-sigmoid-by-default"])
    expected = 2 * plain.predict(PAIRS[:5], activation_fn=lambda x: x)
    np.testing.assert_array_equal(model.predict(PAIRS[:5]), expected)


@pytest.mark.parametrize(
    ("query", "documents", "message"),
    [
        ("a", "b", "wanted one query, a str, and a list of documents"),
        (["a"], ["b"], "wanted one query, a str, and a list of documents"),
        ("a", ["b", None], r"documents\[1\] is None, a str was wanted"),
        ("a", {"b": 1}, "documents"),
    ],
)
def test_rank_names_what_is_no_query_and_what_no_document(reranker, query, documents, message):
    with pytest.raises(InputError, match=message):
        reranker.rank(query, documents)


def test_a_prompt_that_is_no_str_is_refused(reranker):
    with pytest.raises(InputError, match="prompt: found int, wanted a str"):
        reranker.predict(PAIRS[:1], prompt=5)
