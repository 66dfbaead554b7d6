"""Traces of cross-encoders, what verify finds in others' scores, explain and info on them."""

import json

import numpy as np
import pytest
from command_line import run
from models.build import built
from models.byte_level import RERANKERS
from models.published import CROSS_ENCODERS, MULTILINGUAL_RERANKERS
from places import DATA

from gtenp import CrossEncoder, Embedder
from gtenp.errors import InputError
from gtenp.explain.explain import explain
from gtenp.explain.page_file import write as write_page
from gtenp.verify import live
from gtenp.verify.case import Case
from gtenp.verify.pair_mistakes import classifier_mistakes, pair_mistakes
from gtenp.verify.trace import (
    CLASSIFIER_STEPS,
    STEPS,
    joined,
    model_of,
    pairs_of,
    step_of,
    tokens,
    trace,
)
from gtenp.verify.verify import verify

MODELS = [
    model.short_name
    for model in (*CROSS_ENCODERS, *MULTILINGUAL_RERANKERS, *RERANKERS)
    if not model.name.endswith("v2-m3")
]
TEXTS = ["what is the capital of China?", "The fox", "hello world", "in python? quick"]
PAIRS = pairs_of(TEXTS)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    parent = tmp_path_factory.mktemp("models")
    return {name: CrossEncoder(built(name, parent)) for name in MODELS}


@pytest.fixture(params=MODELS)
def encoder(request, encoders):
    return encoders[request.param]


@pytest.fixture
def bert(encoders):
    return encoders["ms-marco-MiniLM-L6-v2"]


@pytest.fixture
def xlm_roberta(encoders):
    return encoders["bge-reranker-base"]


def traced(encoder, pairs=PAIRS):
    model = model_of(encoder)
    return [trace(model, *row) for row in zip(*tokens(encoder, pairs), strict=True)]


def what(encoder, values, texts=PAIRS):
    """The cause that verify names, which must be certain."""
    diagnosis = verify(encoder, values, texts).diagnosis
    assert diagnosis is not None
    assert diagnosis.certain
    return diagnosis.what


# ── trace ────────────────────────────────────────────────────────────────────────────────────────


def test_a_trace_ends_with_the_scores_that_predict_gives(encoder):
    scores = np.stack([values["scores"] for values in traced(encoder)])
    found = encoder.predict(PAIRS).reshape(scores.shape)
    np.testing.assert_allclose(found, scores, atol=1e-5)


def test_the_steps_of_the_head_follow_those_of_the_layers_and_no_vector_is_named(encoder):
    (values, *_) = traced(encoder)
    names = list(values)
    assert names[-4:] == [step.name for step in CLASSIFIER_STEPS]
    assert "normalized" not in names
    for name, array in values.items():
        assert len(step_of(name).axes) == array.ndim, name
    np.testing.assert_array_equal(values["pooled"], values["layer.1.output"][0])


def test_token_types_are_those_of_the_family(bert, xlm_roberta):
    assert set(traced(bert)[0]["token_type_ids"]) == {0, 1}
    assert set(traced(xlm_roberta)[0]["token_type_ids"]) == {0}
    assert traced(xlm_roberta)[0]["position_ids"][0] == 2


def test_the_steps_of_embedders_are_as_they_were():
    assert not {step.name for step in STEPS} & {step.name for step in CLASSIFIER_STEPS}


def test_texts_that_make_no_pairs_are_refused(bert):
    with pytest.raises(InputError, match="reads two texts together; wanted a query, then docu"):
        tokens(bert, ["a query alone"])
    with pytest.raises(InputError, match="wanted a query and documents, or pairs of texts alone"):
        tokens(bert, ["a query", ("a", "pair")])
    with pytest.raises(InputError, match="str"):
        tokens(Embedder(DATA / "tiny"), [("a", "pair")])


# ── verify ───────────────────────────────────────────────────────────────────────────────────────


def test_its_own_values_are_within_tolerance(encoder):
    values = joined(live.run_gtenp(encoder, *tokens(encoder, PAIRS)))
    verdict = verify(encoder, values, PAIRS)
    assert verdict.first is None
    assert [step.name for step in verdict.steps][-2:] == ["logits", "scores"]


def test_bare_numbers_are_the_scores_of_the_documents(bert):
    scores = np.concatenate([values["scores"] for values in traced(bert)])
    assert verify(bert, {"embedding": scores}, TEXTS).first is None
    order = np.argsort(-scores)
    found = what(bert, {"embedding": scores[order]}, TEXTS)
    assert found.startswith("the rows are in another order: ")


def test_without_texts_the_tokens_and_their_types_are_run(bert):
    values = joined(traced(bert))
    assert verify(bert, values).first is None


@pytest.mark.parametrize("name", ["bert", "xlm_roberta", "roberta", "distilbert", "three-labels"])
def test_each_mistake_of_pairs_and_heads_is_named(name, encoders):
    names = {
        "bert": "ms-marco-MiniLM-L6-v2",
        "xlm_roberta": "bge-reranker-base",
        "roberta": "stsb-distilroberta-base",
        "distilbert": "distilbert-with-two-labels",
    }
    encoder = encoders[names.get(name, name)]
    ids, types = tokens(encoder, PAIRS)
    case = Case(encoder, model_of(encoder), PAIRS, ids, [None] * 3, [{}] * 3, types)
    mistakes = [*pair_mistakes(case), *classifier_mistakes(case)]
    told = {mistake.what for mistake in mistakes}
    assert any("token types are all 0" in words for words in told) == (
        name in ("bert", "three-labels")
    )
    assert any("one separator" in words for words in told) == ("roberta" in name)
    for mistake in mistakes:
        scores = np.stack([values["scores"] for values in mistake.plant(case)])
        assert what(encoder, {"scores": scores}) == mistake.what


def test_logits_for_scores_and_scores_for_logits_are_told_apart(bert, xlm_roberta):
    logits, sigmoid = "the logits as they are", "the logits' sigmoid"
    scores = np.stack([values["logits"] for values in traced(xlm_roberta)])
    found = what(xlm_roberta, {"scores": scores})
    assert found == f"the scores are {logits}; the model's files ask for {sigmoid}"
    scores = 1 / (1 + np.exp(-np.stack([values["logits"] for values in traced(bert)])))
    found = what(bert, {"scores": scores})
    assert found == f"the scores are {sigmoid}; the model's files ask for {logits}"


def test_a_mistake_within_the_layers_is_found_through_the_scores(xlm_roberta):
    model = model_of(xlm_roberta)
    ids, types = tokens(xlm_roberta, PAIRS)
    case = Case(xlm_roberta, model, PAIRS, ids, [None] * 3, [{}] * 3, types)
    scores = np.stack([values["scores"] for values in case.run_inputs(first_position=0)])
    assert what(xlm_roberta, {"scores": scores}) == (
        "positions begin at 0; this model's begin at 2"
    )


# ── the command line ─────────────────────────────────────────────────────────────────────────────


def test_a_trace_on_the_command_line_is_verified_by_its_own_pairs(encoder, tmp_path):
    file = str(tmp_path / "trace.safetensors")
    done = run("trace", *TEXTS, "--model", str(encoder.folder), "-o", file)
    assert done.exit_code == 0
    assert " of 3 pairs" in done.stderr
    assert run("verify", file, "--model", str(encoder.folder)).exit_code == 0


def test_scores_in_json_are_verified_on_the_command_line(bert, tmp_path):
    (tmp_path / "scores.json").write_text(json.dumps(bert.predict(PAIRS).tolist()))
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS))
    options = ["--model", str(bert.folder), "--texts", str(tmp_path / "pairs.json")]
    done = run("verify", str(tmp_path / "scores.json"), *options)
    assert done.exit_code == 0, done.stdout
    assert "scores" in done.stdout


@pytest.mark.parametrize("form", ["tei", "cohere"])
def test_a_servers_answer_is_verified_on_the_command_line(form, bert, xlm_roberta, tmp_path):
    (tmp_path / "texts.json").write_text(json.dumps(TEXTS))

    def answer(scores):
        order = np.argsort(-scores).tolist()
        name = {"tei": "score", "cohere": "relevance_score"}[form]
        hits = [{"index": i, name: float(scores[i])} for i in order]
        return json.dumps(hits if form == "tei" else {"results": hits})

    def verified(encoder, scores):
        (tmp_path / "answer.json").write_text(answer(scores))
        options = ["--model", str(encoder.folder), "--texts", str(tmp_path / "texts.json")]
        return run("verify", str(tmp_path / "answer.json"), *options)

    assert verified(xlm_roberta, xlm_roberta.predict(PAIRS)).exit_code == 0
    # These servers take the sigmoid of any model's logits.
    done = verified(bert, 1 / (1 + np.exp(-bert.predict(PAIRS).astype(np.float64))))
    assert done.exit_code == 1
    assert "the scores are the logits' sigmoid; the model's files ask for the logits" in done.stdout
    done = verified(bert, bert.predict(PAIRS)[:2])
    assert done.exit_code == 2
    assert "scores: shape (2, 1) for 3 texts" in done.stderr


def test_a_rerankers_answer_is_none_of_an_embedders(tmp_path):
    (tmp_path / "answer.json").write_text('[{"index": 0, "score": 0.5}]')
    options = ["--model", str(DATA / "tiny"), "--text", "hello"]
    done = run("verify", str(tmp_path / "answer.json"), *options)
    assert done.exit_code == 2
    assert "text 0 has no value under a name of gtenp's; found scores" in done.stderr


def test_info_tells_a_cross_encoder_and_what_becomes_of_its_first_token(bert, xlm_roberta):
    told = json.loads(run("info", str(xlm_roberta.folder), "--json").stdout)
    assert (told["kind"], told["labels"], told["family"]) == ("cross-encoder", 1, "xlm-roberta")
    assert (told["tokenizer"], told["scores"]) == ("Unigram", "Sigmoid")
    assert told["classifier"] == ["the first token's state", "dense 48 → 48, Tanh", "dense 48 → 1"]
    assert "dimension" not in told
    assert "pooling" not in told
    told = json.loads(run("info", str(bert.folder), "--json").stdout)
    assert (told["tokenizer"], told["scores"]) == ("WordPiece, uncased", "the logits")
    assert "gtenp rerank" in told["notes"][0]


def test_explain_ends_with_the_scores(encoder):
    first, *_ = explain(encoder, TEXTS)
    names = [stage.name for stage in first.sentence_stages]
    assert names == ["first token", "dense", "activation", "logits", "scores"]
    np.testing.assert_allclose(first.vector, np.atleast_1d(encoder.predict(PAIRS[0])), atol=1e-5)
    assert sum(stage.flops for stage in first.sentence_stages) == 2 * (
        encoder.config.hidden_size * (encoder.config.hidden_size + encoder.num_labels)
    )


def test_explain_on_the_command_line_shows_each_pair(bert, tmp_path):
    done = run("explain", *TEXTS, "--model", str(bert.folder))
    assert done.exit_code == 0
    assert "Text 3  what is the capital of China? · in python? quick" in done.stdout
    assert "  scores [1]: " in done.stdout
    write_page(tmp_path / "page.html", bert, "a reranker", TEXTS)
    assert '"comparisons":[]' in (tmp_path / "page.html").read_text(encoding="utf-8")
