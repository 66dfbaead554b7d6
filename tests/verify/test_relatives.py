"""The mistakes that ports of BERT's relatives make, from the vectors alone: each is planted in a
port of its own, and exactly its words come out.
"""

import json
import re
import shutil

import numpy as np
import pytest
import tokenizers
from golden import HIDDEN_TOLERANCE
from models.build import built
from relatives_port import vectors
from safetensors.numpy import load_file, save_file

from gtenp import Embedder
from gtenp.explain.explain import explain
from gtenp.verify.trace import (
    MORE_STEPS,
    STEPS,
    last_states,
    model_of,
    step_of,
    token_ids,
    trace,
)
from gtenp.verify.verify import verify

TEXTS = ["hello world", "what is the capital of China?", "a quick sort in Python is how to do it. "]
MODELS = (
    "all-mpnet-base-v2",
    "a-gated-t5",
    "blooms-layers",
    "nomic-embed-text-v1.5",
    "all-distilroberta-v1",
    "sgpt-bloom-7b1-msmarco",
    "multi-qa-distilbert-cos-v1",
    "multilingual-e5-base",
    "gte-base-en-v1.5",
    "modernbert-with-narrow-windows",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Each with its weights in float64."""
    parent = tmp_path_factory.mktemp("models")
    folders = {name: built(name, parent) for name in MODELS}
    embedders = {name: Embedder(folder) for name, folder in folders.items()}
    return {name: (e, model_of(e).weights) for name, e in embedders.items()}


@pytest.mark.parametrize("name", MODELS)
def test_without_a_mistake_nothing_is_said(models, name):
    embedder, weights = models[name]
    found = vectors(embedder, weights, TEXTS)
    assert np.abs(found - embedder.encode(TEXTS)).max() <= 2e-6
    assert verify(embedder, {"embedding": found}, TEXTS).diagnosis is None


def named(embedder, found, texts=TEXTS):
    """The mistake that verify finds in the vectors, behind which nothing is out."""
    diagnosis = verify(embedder, {"embedding": found}, texts).diagnosis
    assert diagnosis is not None
    assert diagnosis.next is None
    return diagnosis.what


SWAPPED = (
    "the buckets of keys before and behind a query are swapped; those behind it, j - i > 0, have "
    "the upper half"
)
ONE_LAYER = "the scores' table serves layer 0 alone; it serves all layers"
NO_BIAS = "what is added to the scores by their distance is missing"
SCALED = "this model's base is 1e+06, and its angles are divided by 1.414"
SIDES = "this model's local layers look at 4 to either side"
ANOTHER_BASE = "the rotation's base is 10000; the model's is 80000, in its local layers 10000"


@pytest.mark.parametrize(
    ("name", "bug", "words"),
    [
        (
            "all-distilroberta-v1",
            "position offset",
            "positions begin at 0; this model's begin at 2",
        ),
        (
            "all-distilroberta-v1",
            "without ends",
            "pooling leaves <s> and </s> out",
        ),
        (
            "multilingual-e5-base",
            "position offset",
            "positions begin at 0; this model's begin at 2",
        ),
        (
            "sgpt-bloom-7b1-msmarco",
            "mean",
            "pooling is mean; the model's files ask for weightedmean",
        ),
        (
            "sgpt-bloom-7b1-msmarco",
            "slope order",
            "ALiBi's slopes are in the wrong order; the first head's is the steepest",
        ),
        ("all-mpnet-base-v2", "position offset", "positions begin at 0; this model's begin at 2"),
        ("all-mpnet-base-v2", "scale", "the scale is missing: scores are divided by √D = √4"),
        ("all-mpnet-base-v2", "bucket sign", SWAPPED),
        ("all-mpnet-base-v2", "bucket too high", "the buckets are one too high"),
        ("all-mpnet-base-v2", "bucket too low", "the buckets are one too low"),
        ("all-mpnet-base-v2", "no bias", NO_BIAS),
        ("all-mpnet-base-v2", "table of layer 0", ONE_LAYER),
        ("a-gated-t5", "scale", "scores are divided by √D = √4; this model's have no scale"),
        ("a-gated-t5", "bucket sign", SWAPPED),
        (
            "a-gated-t5",
            "decoder's buckets",
            "the buckets are a decoder's, all for keys before the query; half are for those behind "
            "it",
        ),
        ("a-gated-t5", "table of layer 0", ONE_LAYER),
        (
            "a-gated-t5",
            "layer norm",
            "norms take the mean away, as a layer norm does; this model's divide by the root mean "
            "square alone",
        ),
        (
            "a-gated-t5",
            "gate and up",
            "gate and up are swapped: the activation is taken of the one that it scales",
        ),
        ("a-gated-t5", "final norm", "the norm behind the last layer is missing"),
        (
            "blooms-layers",
            "slope order",
            "ALiBi's slopes are in the wrong order; the first head's is the steepest",
        ),
        (
            "blooms-layers",
            "slope sign",
            "ALiBi's slopes are negated; scores fall with the distance",
        ),
        (
            "nomic-embed-text-v1.5",
            "rotary pairs",
            "the rotation turns neighbours, 2i with 2i + 1; this model's halves go together, i "
            "with i + D/2",
        ),
        ("nomic-embed-text-v1.5", "no rotation", "the rotation is missing"),
        (
            "nomic-embed-text-v1.5",
            "rotation's base",
            "the rotation's base is 10000; the model's is 1000",
        ),
        (
            "nomic-embed-text-v1.5",
            "gate and up",
            "gate and up are swapped: the activation is taken of the one that it scales",
        ),
        ("gte-base-en-v1.5", "no scaling", f"the rotation's angles are not scaled; {SCALED}"),
        (
            "gte-base-en-v1.5",
            "no scaling at all",
            f"the rotation is not scaled at all, its base is 500000; {SCALED}",
        ),
        ("modernbert-with-narrow-windows", "rotation's base", ANOTHER_BASE),
        (
            "modernbert-with-narrow-windows",
            "no window",
            f"every layer looks at all tokens; {SIDES}",
        ),
        (
            "modernbert-with-narrow-windows",
            "wide window",
            f"local layers look at 8 tokens to either side; {SIDES}",
        ),
        (
            "modernbert-with-narrow-windows",
            "narrow window",
            f"local layers look at 3 tokens to either side; {SIDES}",
        ),
        (
            "modernbert-with-narrow-windows",
            "one base",
            "local layers turn by the others' base, 80000; theirs is 10000",
        ),
        (
            "modernbert-with-narrow-windows",
            "the last of three",
            "the last of every 3 layers looks at all tokens; this model's is the first",
        ),
        (
            "modernbert-with-narrow-windows",
            "norm in layer 0",
            "layer 0 has a norm before its attention; this model's has none",
        ),
        (
            "modernbert-with-narrow-windows",
            "gate and up",
            "gate and up are swapped: the activation is taken of the one that it scales",
        ),
        (
            "modernbert-with-narrow-windows",
            "final norm",
            "the norm behind the last layer is missing",
        ),
        (
            "blooms-layers",
            "not causal",
            "tokens look at those behind them; this model's look back alone",
        ),
    ],
)
def test_each_mistake_is_named_from_the_vectors(models, name, bug, words):
    embedder, weights = models[name]
    assert named(embedder, vectors(embedder, weights, TEXTS, bug)) == words


@pytest.mark.parametrize("name", ["all-distilroberta-v1", "multilingual-e5-base"])
def test_padding_within_a_text_that_is_counted_is_named(models, name):
    embedder, weights = models[name]
    texts = [*TEXTS, "the <pad> capital"]
    assert verify(embedder, {"embedding": vectors(embedder, weights, texts)}, texts).first is None
    assert named(embedder, vectors(embedder, weights, texts, "pad counted"), texts) == (
        "padding tokens within a text are counted as any other; this model gives them position 1 "
        "and counts none"
    )


def test_robertas_own_pooler_is_named(models, tmp_path):
    folder = tmp_path / "roberta"
    shutil.copytree(models["all-distilroberta-v1"][0].folder, folder)
    tensors = load_file(folder / "model.safetensors")
    size = models["all-distilroberta-v1"][0].config.hidden_size
    random = np.random.RandomState(3)
    weight, bias = 0.2 * random.standard_normal((size, size)), 0.1 * random.standard_normal(size)
    own = {"pooler.dense.weight": weight.astype("f4"), "pooler.dense.bias": bias.astype("f4")}
    save_file(tensors | own, folder / "model.safetensors")
    embedder = Embedder(folder)
    states = embedder.encode(TEXTS, output_value="token_embeddings")
    found = np.stack([np.tanh(weight @ rows[0] + bias) for rows in states])
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    assert named(embedder, found).startswith("the vector is BERT's pooler_output")


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────

TOKEN_MISTAKES = {
    "space": "a space stands before each text; this model's tokenizer puts none there",
    "lower case": "upper case is not kept",
    "no ends": "<s> and </s> are missing",
    "no end": "</s> is missing",
}


def wrong_tokens(embedder, bug):
    tokenizer = embedder.tokenizer
    if bug == "space":
        return tokenizer([f" {text}" for text in TEXTS])["input_ids"]
    if bug == "lower case":
        return tokenizer([text.lower() for text in TEXTS])["input_ids"]
    rows = tokenizer(TEXTS)["input_ids"]
    return [row[1:-1] if bug == "no ends" else row[:-1] for row in rows]


@pytest.mark.parametrize(
    ("name", "bug"),
    [
        ("all-distilroberta-v1", "space"),
        ("all-distilroberta-v1", "lower case"),
        ("all-distilroberta-v1", "no ends"),
        ("all-distilroberta-v1", "no end"),
        ("sgpt-bloom-7b1-msmarco", "space"),
        ("a-gated-t5", "no end"),
    ],
)
def test_tokens_that_are_off_are_named(models, name, bug):
    embedder, weights = models[name]
    found = vectors(embedder, weights, TEXTS, ids=wrong_tokens(embedder, bug))
    assert named(embedder, found) == f"tokens off: {TOKEN_MISTAKES[bug]}"


def test_a_missing_space_before_a_text_is_named(models, tmp_path):
    words = "tokens off: no space goes before a text; this model's tokenizer puts one there"
    plain, weights = models["all-distilroberta-v1"]
    shutil.copytree(plain.folder, tmp_path / "roberta")
    path = tmp_path / "roberta/tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"add_prefix_space": True}))
    embedder = Embedder(tmp_path / "roberta")
    assert named(embedder, vectors(plain, weights, TEXTS)) == words

    embedder, weights = models["a-gated-t5"]
    tokenizer = tokenizers.Tokenizer.from_file(str(embedder.folder / "tokenizer.json"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="never")
    ids = [tokenizer.encode(text).ids for text in TEXTS]
    assert named(embedder, vectors(embedder, weights, TEXTS, ids=ids)) == words


# ── the steps of their own ───────────────────────────────────────────────────────────────────────

NORM_FIRST = {"layer.*.attention_norm", "layer.*.feed_forward_norm", "final_norm"}
ROTARY = {"layer.*.rotated_query", "layer.*.rotated_key", "layer.*.up", "layer.*.gated"}
OWN_STEPS = {
    "all-mpnet-base-v2": {"score_bias"},
    "a-gated-t5": {"score_bias", *NORM_FIRST, "layer.*.up", "layer.*.gated"},
    "blooms-layers": {"score_bias", *NORM_FIRST},
    "sgpt-bloom-7b1-msmarco": {"score_bias", *NORM_FIRST},
    "all-distilroberta-v1": set(),
    "multi-qa-distilbert-cos-v1": set(),
    "multilingual-e5-base": set(),
    "nomic-embed-text-v1.5": ROTARY,
    "gte-base-en-v1.5": ROTARY,
    "modernbert-with-narrow-windows": {*ROTARY, *NORM_FIRST},
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_a_family_computes_beside_berts_steps_has_its_names(models, name):
    embedder, _ = models[name]
    values = trace(model_of(embedder), token_ids(embedder, TEXTS[:1])[0])
    assert all(step_of(step) is not None for step in values)
    found = {re.sub(r"layer\.\d+\.", "layer.*.", step) for step in values}
    berts = {step.name for step in STEPS}
    assert found - berts == OWN_STEPS[name] <= {step.name for step in MORE_STEPS}
    assert berts - found == {"dense", "layer_norm"}
    last = values[last_states(embedder.config)]
    states = embedder.encode(TEXTS[0], output_value="token_embeddings")
    assert np.abs(last - states).max() <= HIDDEN_TOLERANCE


@pytest.mark.parametrize("name", MODELS)
def test_the_stages_of_explain_end_in_what_run_layer_gives(models, name):
    embedder, _ = models[name]
    (explanation,) = explain(embedder, [TEXTS[1]])
    last = explanation.layer_stages[-1].value
    assert np.abs(last - explanation.trace.layers[0].output).max() <= 1e-6
    stages = [stage.name for stage in explanation.embedding_stages + explanation.layer_stages]
    assert ("score bias" in stages) == ("score_bias" in OWN_STEPS[name])
    assert ("rotated" in stages) == ("layer.*.rotated_key" in OWN_STEPS[name])
    norm_first = OWN_STEPS[name] >= NORM_FIRST and not name.startswith(
        "modernbert"
    )  # not in layer 0
    assert ("attention norm" in stages) == norm_first
    assert ("gated" in stages) == ("layer.*.gated" in OWN_STEPS[name])
    assert np.abs(explanation.vector - embedder.encode(TEXTS[1])).max() <= 1e-5
