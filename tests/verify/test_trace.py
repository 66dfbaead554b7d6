import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from golden import FLOAT64_TOLERANCE, Golden
from models.build import built
from places import DATA
from random_model import write_sentence_files

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.verify.trace import (
    STEPS,
    head_names,
    model_of,
    pooled_values,
    split,
    step_of,
    token_ids,
    trace,
)

TEXTS = ["hello world", "a quick sort"]


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def values(embedder):
    model = model_of(embedder)
    return [trace(model, ids) for ids in token_ids(embedder, TEXTS)]


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def test_the_names_are_those_of_the_table_in_its_order(values):
    names = list(values[0])
    generic = [re.sub(r"layer\.\d+\.", "layer.*.", name) for name in names]
    every_model = [step.name for step in STEPS if step.name not in ("dense", "layer_norm")]
    assert list(dict.fromkeys(generic)) == every_model
    assert names.index("layer.0.output") < names.index("layer.1.query")
    assert len(names) == 5 + 2 * 12 + 2


def test_the_shapes_are_those_of_the_table(embedder, values):
    config = embedder.config
    sizes = {
        "S": 4,
        "A": config.num_attention_heads,
        "D": config.head_size,
        "H": config.hidden_size,
        "F": config.intermediate_size,
    }
    for name, array in values[0].items():
        assert array.shape == tuple(sizes[axis] for axis in step_of(name).axes), name


@pytest.mark.parametrize("name", ["layer.*.query", "layer.0.embeddings", "last_hidden_state", ""])
def test_another_name_is_no_step(name):
    assert step_of(name) is None


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def test_each_value_follows_from_those_before_it(embedder, values):
    text, weights = values[1], model_of(embedder).weights
    layer = weights.layers[1]
    size = embedder.config.head_size
    heads = text["layer.1.query"] @ text["layer.1.key"].swapaxes(1, 2) / np.sqrt(size)
    np.testing.assert_allclose(text["layer.1.scores"], heads)
    np.testing.assert_allclose(text["layer.1.attention"].sum(axis=-1), 1)
    np.testing.assert_allclose(
        text["layer.1.attention_dense"],
        text["layer.1.context"] @ layer.attention_output.weight.T + layer.attention_output.bias,
    )
    np.testing.assert_allclose(
        text["layer.1.output_dense"],
        text["layer.1.gelu"] @ layer.output.weight.T + layer.output.bias,
    )
    np.testing.assert_allclose(text["pooled"], text["layer.1.output"].mean(axis=0))
    np.testing.assert_allclose(np.linalg.norm(text["normalized"]), 1)


def test_float64_equals_torchs_and_the_last_step_is_what_encode_gives(embedder, gte_small):
    golden = Golden("gte-small")
    embedder = Embedder(gte_small)
    text = golden.facts["traced"][2]
    model = model_of(embedder)
    values = trace(model, token_ids(embedder, [text])[0])
    states = golden.arrays["hidden_states_float64.2"]
    assert np.abs(values["layer.11.output"] - states[12]).max() <= FLOAT64_TOLERANCE
    assert np.abs(values["normalized"] - embedder.encode(text)).max() <= 1e-6


def test_float32_stays_float32(embedder):
    model = model_of(embedder, np.float32)
    values = trace(model, token_ids(embedder, ["hello"])[0])
    assert {a.dtype for name, a in values.items() if not name.endswith("_ids")} == {
        np.dtype(np.float32)
    }


def test_texts_are_cut_where_encode_cuts_them(embedder):
    assert len(token_ids(embedder, ["a " * 500])[0]) == embedder.max_seq_length


AFTER = {
    "LaBSE": ["pooled", "dense", "normalized"],
    "layer-norm-and-normalize": ["pooled", "layer_norm", "normalized"],
    "dense-sigmoid": ["pooled", "dense", "normalized"],
    "dense-gelu": ["pooled", "dense", "normalized"],
    "dense-identity": ["pooled", "dense", "normalized"],
    "dense-relu": ["pooled", "dense", "normalized"],
    "dense-silu": ["pooled", "dense", "normalized"],
}


@pytest.mark.parametrize("name", AFTER)
def test_what_follows_the_pooling_has_its_steps_and_ends_in_what_encode_gives(name, tmp_path):
    embedder = Embedder(built(name, tmp_path))
    values = trace(model_of(embedder), token_ids(embedder, ["hello world"])[0])
    assert list(values)[-3:] == AFTER[name]
    last = ["pooled", *head_names(embedder.sentence_config)][-1]
    assert values[last].dtype == np.float64
    vector = embedder.encode("hello world")
    assert np.abs(values[last] - vector).max() <= 1e-6 * max(1, np.abs(vector).max())
    assert step_of(AFTER[name][1]).name == AFTER[name][1]


def test_a_second_module_of_a_kind_is_numbered(tmp_path):
    embedder = Embedder(built("layer-norm-and-normalize", tmp_path))
    twice = replace(embedder.sentence_config, heads=embedder.sentence_config.heads * 2)
    assert head_names(twice) == ["layer_norm", "normalized", "layer_norm.1", "normalized.1"]
    assert step_of("layer_norm.1").name == "layer_norm"
    assert step_of("layer_norm.0") is None


def test_a_normalisation_before_the_last_module_keeps_its_own_value():
    heads = (("normalized", lambda x: x / np.linalg.norm(x)), ("dense", lambda x: x * [2.0, 1.0]))
    values = pooled_values(np.array([3.0, 4.0]), heads)
    np.testing.assert_allclose(values["normalized"], [0.6, 0.8])
    np.testing.assert_allclose(values["dense"], [1.2, 0.8])


# ── several texts ──────────────────────────────────────────────────────────────────────────────


def test_a_batch_axis_is_taken_apart():
    batch = {"pooled": np.arange(6).reshape(3, 2), "1.normalized": np.ones(2)}
    assert [text["pooled"].tolist() for text in split(batch, 3)] == [[0, 1], [2, 3], [4, 5]]


def test_a_first_axis_that_does_not_count_the_texts_is_named():
    with pytest.raises(InputError, match=r"pooled: shape \(2, 3\) for 3 texts; wanted"):
        split({"pooled": np.ones((2, 3))}, 3)


def test_a_number_beyond_the_texts_is_named():
    with pytest.raises(InputError, match=r"5\.pooled: there are 2 texts"):
        split({"5.pooled": np.ones(3)}, 2)


def test_a_default_prompt_and_a_folder_of_its_own_are_traced_as_they_are_encoded(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(DATA / "tiny", folder / "0_Transformer")
    write_sentence_files(folder, max_seq_length=64)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling/config.json").write_text(
        '{"embedding_dimension": 32, "pooling_mode": "mean"}'
    )
    (folder / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "hello "}, "default_prompt_name": "query"}'
    )
    embedder = Embedder(folder)
    [ids] = token_ids(embedder, ["world"])
    values = trace(model_of(embedder), ids)
    assert np.abs(values["normalized"] - embedder.encode("world")).max() <= 1e-6
