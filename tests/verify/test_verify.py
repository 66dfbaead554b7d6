"""Each mistake is planted in a port of its own, bert_port.py, and found again."""

from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from bert_port import port
from models.build import built
from places import DATA

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.model_files.config import Arithmetic
from gtenp.model_files.sentence_config import Pooling
from gtenp.verify.compare import TOLERANCE
from gtenp.verify.live import run_gtenp
from gtenp.verify.trace import head_names, joined, model_of, token_ids, trace
from gtenp.verify.verify import verify

TEXTS = ["Hello, new world!", "what is the capital of China?", "sorting"]


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def weights(embedder):
    return model_of(embedder, np.float32).weights


# Mistake, the first step that it changes, words of its name.
MISTAKES = [
    ("token type", "embeddings.sum", "token type embedding is missing"),
    ("positions", "embeddings.sum", "positions begin at 1"),
    ("eps", "embeddings.output", "eps is 1e-05; config.json has 1e-12"),
    ("bessel", "embeddings.output", "Bessel's correction"),
    ("transposed query", "layer.0.query", "every layer's query weight is transposed"),
    ("transposed value", "layer.0.value", "every layer's value weight is transposed"),
    ("transposed attention_output", "layer.0.attention_dense", "attention_output weight is transp"),
    ("transposed intermediate", "layer.0.intermediate", "intermediate weight is transposed"),
    ("transposed output", "layer.0.output_dense", "every layer's output weight is transposed"),
    ("no bias key", "layer.0.key", "every layer's key bias is left out"),
    ("scale", "layer.0.scores", "the scale is missing"),
    ("tanh", "layer.0.gelu", "the GELU is the tanh approximation"),
    ("sigmoid", "layer.0.gelu", "the GELU is the sigmoid approximation"),
    ("cls", "pooled", "pooling is cls; the model's files ask for mean"),
    ("no specials", "pooled", "pooling leaves [CLS] and [SEP] out"),
    ("pool padding", "pooled", "pooling goes over padding (texts padded to "),
    ("attention padding", "layer.0.attention", "attention looks at padding"),
    ("attention pool padding", "layer.0.attention", "attention and pooling go over padding"),
]


@pytest.mark.parametrize(("bug", "step", "words"), MISTAKES)
def test_a_planted_mistake_is_named_with_the_step_where_it_shows(
    embedder, weights, bug, step, words
):
    verdict = verify(embedder, port(embedder, weights, TEXTS, bug=bug), TEXTS)
    assert verdict.first.name == step
    assert words in verdict.diagnosis.what
    assert verdict.diagnosis.next is None


# A key's bias adds the same to all of a token's scores, and the softmax takes it away.
VISIBLE = [mistake for mistake in MISTAKES if mistake[0] != "no bias key"]


@pytest.mark.parametrize(("bug", "_", "words"), VISIBLE)
def test_a_planted_mistake_is_named_from_the_vectors_alone(embedder, weights, bug, _, words):
    values = port(embedder, weights, TEXTS, bug=bug)
    vectors = np.stack([values[f"{text}.pooled"] for text in range(len(TEXTS))])
    verdict = verify(embedder, {"embedding": vectors}, TEXTS)
    assert verdict.first.name == "pooled"
    assert words in verdict.diagnosis.what


def test_a_port_without_mistakes_is_within_tolerance(embedder, weights):
    for bug in ("", "padding"):
        verdict = verify(embedder, port(embedder, weights, TEXTS, bug=bug), TEXTS)
        assert verdict.first is None
        assert verdict.diagnosis is None
        assert len(verdict.steps) == 29


def test_a_weight_transposed_in_one_layer_is_named_with_its_layer(embedder, weights):
    def transposed(linear):
        return type(linear)(linear.weight.T, linear.bias)

    last = replace(weights.layers[1], key=transposed(weights.layers[1].key))
    wrong = replace(weights, layers=(weights.layers[0], last))
    verdict = verify(embedder, port(embedder, wrong, TEXTS), TEXTS)
    assert verdict.first.name == "layer.1.key"
    assert verdict.diagnosis.what.startswith("layer 1's key weight is transposed")


def test_a_mistake_of_no_known_kind_is_located_and_not_named(embedder, weights):
    values = port(embedder, weights, TEXTS)
    values["1.layer.1.context"] = values["1.layer.1.context"] + np.float32(0.01)
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first.name == "layer.1.context"
    assert verdict.first.problem.startswith("text 1, [")
    assert verdict.diagnosis is None


def test_of_two_mistakes_the_first_is_named_and_where_the_next_shows(embedder, weights):
    values = port(embedder, weights, TEXTS, bug="tanh")
    for text in range(3):
        values[f"{text}.pooled"] = values[f"{text}.layer.1.output"][0]
    verdict = verify(embedder, values, TEXTS)
    assert "tanh" in verdict.diagnosis.what
    assert verdict.diagnosis.next == "pooled"


def test_of_causes_that_explain_as_much_the_first_is_named(embedder, weights):
    values = port(embedder, weights, TEXTS, bug="transposed query")
    for text in range(3):
        values[f"{text}.layer.0.gelu"] = values[f"{text}.layer.0.gelu"] + np.float32(0.1)
    diagnosis = verify(embedder, values, TEXTS).diagnosis
    assert diagnosis.what.startswith("every layer's query weight is transposed")
    assert diagnosis.next == "layer.0.gelu"


def test_a_cause_must_explain_most_of_an_error_and_not_just_some_of_it(embedder, weights):
    right, wrong = (
        np.stack([port(embedder, weights, TEXTS, bug=bug)[f"{n}.pooled"] for n in range(3)])
        for bug in ("", "eps")
    )
    noise = np.random.RandomState(0).standard_normal(right.shape)
    noise *= np.abs(wrong - right).mean() / np.abs(noise).mean()
    [step] = verify(embedder, {"embedding": right + noise}, TEXTS).steps
    verdict = verify(embedder, {"embedding": wrong + noise}, TEXTS, tolerance=1.05 * step.relative)
    assert verdict.first is not None
    assert verdict.diagnosis is None


def test_a_number_that_is_none_is_out_of_tolerance(embedder, weights):
    values = port(embedder, weights, TEXTS)
    values["2.layer.0.scores"][0, 1, 1] = np.nan
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first.name == "layer.0.scores"
    assert verdict.first.problem.startswith("text 2, [0, 1, 1]: nan")


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ids: ids[1:-1], "[CLS] and [SEP] are missing"),
        (lambda ids: ids[1:], "[CLS] is missing"),
        (lambda ids: ids[:-1], "[SEP] is missing"),
        (lambda ids: ids + 1, "ids are 1 too high"),
        (lambda ids: ids - 1, "ids are 1 too low"),
    ],
)
def test_tokens_off_are_named_from_the_ids_and_from_the_vectors(embedder, weights, change, words):
    ids = [change(ids) for ids in token_ids(embedder, TEXTS)]
    values = port(embedder, weights, TEXTS, ids=ids)
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first.name == "input_ids"
    assert words in verdict.diagnosis.what
    assert verdict.diagnosis.next is None
    vectors = {name: a for name, a in values.items() if name.endswith("pooled")}
    assert words in verify(embedder, vectors, TEXTS).diagnosis.what


def test_upper_case_kept_is_named(embedder, weights):
    unknown, *rest = token_ids(embedder, TEXTS)
    unknown[1] = embedder.tokenizer.unk_token_id  # Hello
    rest[0][6] = embedder.tokenizer.unk_token_id  # China
    values = port(embedder, weights, TEXTS, ids=[unknown, *rest])
    assert "upper case is kept" in verify(embedder, values, TEXTS).diagnosis.what


def test_tokens_off_in_another_way_are_told_from_what_the_model_makes_of_them(embedder, weights):
    ids = token_ids(embedder, TEXTS)
    ids[1][3] = 50
    values = port(embedder, weights, TEXTS, bug="tanh", ids=ids)
    verdict = verify(embedder, values, TEXTS)
    assert verdict.first.name == "input_ids"
    assert verdict.first.problem.startswith("text 1, [3]: 50, the reference has ")
    assert verdict.diagnosis.what.startswith("tokens off, in no known way")
    assert verdict.diagnosis.next == "layer.0.gelu"


def test_without_texts_the_others_own_tokens_are_run(embedder, weights):
    assert verify(embedder, port(embedder, weights, TEXTS)).first is None
    padded = port(embedder, weights, TEXTS, bug="padding")
    batch = {
        name.removeprefix("0."): np.stack([padded[f"{n}.{name[2:]}"] for n in range(3)])
        for name in padded
        if name.startswith("0.")
    }
    assert batch["input_ids"].shape[0] == 3
    assert verify(embedder, batch).first is None


# ── what is given ────────────────────────────────────────────────────────────────────────────────


def test_names_that_are_none_of_gtenps_are_told(embedder, weights):
    values = port(embedder, weights, TEXTS[:1])
    values |= {"last_hidden_state": np.ones((3, 32)), "layer.2.query": np.ones((3, 32))}
    assert verify(embedder, values, TEXTS[:1]).ignored == ("last_hidden_state", "layer.2.query")


def test_other_token_types_are_named(embedder, weights):
    values = port(embedder, weights, TEXTS[:1])
    values["token_type_ids"] = np.ones(len(values["input_ids"]), np.int32)
    verdict = verify(embedder, values, TEXTS[:1])
    assert verdict.first.name == "token_type_ids"
    assert verdict.diagnosis.what.startswith("token types are 1")
    assert verdict.diagnosis.next == "embeddings.sum"


def test_a_text_without_values_is_an_error_and_not_a_success(embedder, weights):
    values = port(embedder, weights, TEXTS)
    values = {name: a for name, a in values.items() if not name.startswith("1.")}
    with pytest.raises(InputError, match=r"text 1 has no value .* found none, wanted any of input"):
        verify(embedder, values, TEXTS)


def test_vectors_without_texts_are_an_error(embedder):
    with pytest.raises(InputError, match="text 0: neither it nor its input_ids are known"):
        verify(embedder, {"embedding": np.ones(32)})


def test_more_vectors_than_texts_are_an_error(embedder):
    with pytest.raises(InputError, match="2 vectors for one text"):
        verify(embedder, {"embedding": np.ones((2, 32))}, ["hello"])


# ── modules after the pooling ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["LaBSE", "layer-norm-and-normalize", "dense-gelu"])
def test_vectors_of_a_model_with_modules_after_the_pooling_are_compared(name, tmp_path):
    embedder = Embedder(built(name, tmp_path))
    verdict = verify(embedder, {"embedding": embedder.encode(TEXTS)}, TEXTS)
    assert verdict.first is None
    assert [step.name for step in verdict.steps] == [head_names(embedder.sentence_config)[-1]]
    ids = token_ids(embedder, TEXTS)
    assert verify(embedder, joined(run_gtenp(embedder, ids)), TEXTS).first is None


def test_a_mistake_before_a_dense_module_is_named_from_the_vectors(tmp_path):
    embedder = Embedder(built("LaBSE", tmp_path))
    model = model_of(embedder)
    other = replace(model, sentence_config=replace(model.sentence_config, pooling=Pooling()))
    vectors = [trace(other, ids)["normalized"] for ids in token_ids(embedder, TEXTS)]
    verdict = verify(embedder, {"embedding": np.stack(vectors)}, TEXTS)
    assert verdict.diagnosis.what == "pooling is mean; the model's files ask for cls"


# ── the tolerance ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["tiny", "minilm"])
def test_float32_stays_under_half_of_the_tolerance(name, request):
    folder = DATA / "tiny" if name == "tiny" else request.getfixturevalue(name)
    embedder = Embedder(folder)
    texts = [*TEXTS, "Crème brûlée " * 20]
    model = model_of(embedder, np.float32)
    values = joined([trace(model, ids) for ids in token_ids(embedder, texts)])
    verdict = verify(embedder, values, texts)
    assert max(step.relative for step in verdict.steps) < TOLERANCE / 2


def test_a_looser_tolerance_lets_a_coarser_port_pass(embedder, weights):
    values = {
        name: a if name.endswith("ids") else a.astype(np.float16)
        for name, a in port(embedder, weights, TEXTS).items()
    }
    assert verify(embedder, values, TEXTS).first.name == "embeddings.sum"
    assert verify(embedder, values, TEXTS, tolerance=2e-3).first is None


# ── other families ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def distilbert(tmp_path_factory):
    return Embedder(built("multi-qa-distilbert-cos-v1", tmp_path_factory.mktemp("distilbert")))


def test_a_distilbert_is_compared_and_its_mistakes_named(distilbert):
    ids = token_ids(distilbert, TEXTS)
    assert verify(distilbert, joined(run_gtenp(distilbert, ids)), TEXTS).first is None
    model = model_of(distilbert)
    other = replace(
        model, sentence_config=replace(model.sentence_config, pooling=Pooling(("cls",)))
    )
    vectors = np.stack([trace(other, i)["normalized"] for i in ids])
    verdict = verify(distilbert, {"embedding": vectors}, TEXTS)
    assert verdict.diagnosis.what == "pooling is cls; the model's files ask for mean"


def test_positions_that_do_not_begin_behind_the_padding_are_named(distilbert):
    arithmetic = Arithmetic(first_position=2, uncounted_token_id=1)
    roberta = copy(distilbert)
    roberta.config = replace(distilbert.config, arithmetic=arithmetic)
    vectors = distilbert.encode(TEXTS)  # whose positions begin at 0
    verdict = verify(roberta, {"embedding": vectors}, TEXTS)
    assert verdict.diagnosis.what == "positions begin at 0; this model's begin at 2"
