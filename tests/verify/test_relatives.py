"""The mistakes that ports of BERT's relatives make, from the vectors alone: each is planted in a
port of its own, and exactly its words come out.
"""

import re

import numpy as np
import pytest
from golden import HIDDEN_TOLERANCE
from models.build import built
from models.byte_level import MODERNBERT, build_modernbert
from relatives_port import vectors

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
    *("all-mpnet-base-v2", "a-gated-t5", "blooms-layers", "nomic-embed-text-v1.5"),
    "gte-base-en-v1.5",
    "modernbert-with-narrow-windows",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Each with its weights in float64."""
    parent = tmp_path_factory.mktemp("models")
    folders = {name: built(name, parent) for name in MODELS[:-1]}
    folders[MODELS[-1]] = build_modernbert(MODERNBERT[-1], parent)
    embedders = {name: Embedder(folder) for name, folder in folders.items()}
    return {name: (e, model_of(e).weights) for name, e in embedders.items()}


@pytest.mark.parametrize("name", MODELS)
def test_without_a_mistake_nothing_is_said(models, name):
    embedder, weights = models[name]
    found = vectors(embedder, weights, TEXTS)
    assert np.abs(found - embedder.encode(TEXTS)).max() <= 2e-6
    assert verify(embedder, {"embedding": found}, TEXTS).diagnosis is None


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
    diagnosis = verify(
        embedder, {"embedding": vectors(embedder, weights, TEXTS, bug)}, TEXTS
    ).diagnosis
    assert diagnosis is not None
    assert (diagnosis.what, diagnosis.next) == (words, None)


# ── the steps of their own ───────────────────────────────────────────────────────────────────────

NORM_FIRST = {"layer.*.attention_norm", "layer.*.feed_forward_norm", "final_norm"}
ROTARY = {"layer.*.rotated_query", "layer.*.rotated_key", "layer.*.up", "layer.*.gated"}
OWN_STEPS = {
    "all-mpnet-base-v2": {"score_bias"},
    "a-gated-t5": {"score_bias", *NORM_FIRST, "layer.*.up", "layer.*.gated"},
    "blooms-layers": {"score_bias", *NORM_FIRST},
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
    rotary = name.startswith(("nomic", "gte", "modernbert"))
    assert ("score bias" in stages) != rotary
    assert ("rotated" in stages) == rotary
    assert ("attention norm" in stages) == (name in ("a-gated-t5", "blooms-layers"))
    assert ("gated" in stages) == (rotary or name == "a-gated-t5")
    assert np.abs(explanation.vector - embedder.encode(TEXTS[1])).max() <= 1e-5
