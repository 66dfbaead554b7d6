"""Each family's encoder and classifier against transformers, from the same token ids."""

import json

import numpy as np
import pytest
from golden import FLOAT64_TOLERANCE, HIDDEN_TOLERANCE, Golden
from models.families import FAMILIES, write_family

from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.engine.pooling import dense
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.model import load_classifier, load_weights, read_config
from gtenp.reference import bert, variations

GOLDEN = Golden("families")
CONFIGS = {config["model_type"]: config for config in FAMILIES}


class Family:
    """A folder of the family, loaded, and what transformers made of it."""

    def __init__(self, name, folder):
        self.folder = write_family(folder, CONFIGS[name])
        self.config = read_config(folder)
        self.weights = load_weights(folder, self.config)
        self.classifier = load_classifier(folder, self.config)
        self.rows = GOLDEN.sequences(f"{name}.")
        self.golden = lambda key: GOLDEN.arrays[f"{name}.{key}"]


@pytest.fixture(scope="module", params=CONFIGS)
def family(request, tmp_path_factory):
    return Family(request.param, tmp_path_factory.mktemp(request.param))


def test_hidden_states_are_those_of_transformers_for_every_length(family):
    batch = pack(family.rows, arithmetic=family.config.arithmetic)
    states = Encoder(family.weights, family.config).forward(batch)
    for number, found in enumerate(batch.split(states)):
        expected = family.golden(f"hidden_states.{number}")
        assert np.abs(found - expected).max() <= HIDDEN_TOLERANCE


def test_logits_are_those_of_transformers(family):
    batch = pack(family.rows, arithmetic=family.config.arithmetic)
    first = Encoder(family.weights, family.config).forward(batch, wanted=batch.cu_seqlens[:-1])
    hidden = dense(first, family.classifier.dense, family.classifier.activation)
    logits = dense(hidden, family.classifier.output, "Identity")
    for number, found in enumerate(logits):
        assert np.abs(found - family.golden(f"logits.{number}")).max() <= HIDDEN_TOLERANCE


def test_the_reference_in_float64_is_torchs(family):
    weights, classifier = (astype(w, np.float64) for w in (family.weights, family.classifier))
    trace = variations.forward(weights, family.config, np.array(family.rows[3]))
    states = trace.hidden_states[-1]
    assert np.abs(states - family.golden("hidden_states_float64")).max() <= FLOAT64_TOLERANCE
    logits = variations.classify(states, classifier)
    assert np.abs(logits - family.golden("logits_float64")).max() <= FLOAT64_TOLERANCE


def test_engine_and_reference_number_positions_alike(family):
    batch = pack(family.rows, arithmetic=family.config.arithmetic)
    expected = [variations.position_ids(np.array(r), family.config.arithmetic) for r in family.rows]
    np.testing.assert_array_equal(batch.position_ids, np.concatenate(expected))


def test_where_the_arithmetic_is_berts_every_number_is(tmp_path):
    family = Family("bert", tmp_path)
    ids = np.array(family.rows[3])
    ours = variations.forward(family.weights, family.config, ids).hidden_states
    for found, expected in zip(
        ours, bert.forward(family.weights, family.config, ids).hidden_states, strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_text_may_be_as_long_as_the_table_has_rows_behind_the_padding(family):
    most = 66 - family.config.arithmetic.first_position
    assert family.config.max_tokens == most == len(family.rows[4])


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_missing_from_a_family_is_named_by_its_own_names(name, tmp_path):
    folder = write_family(tmp_path, CONFIGS[name])
    config = json.loads((folder / "config.json").read_text())
    layers = "n_layers" if name == "distilbert" else "num_hidden_layers"
    (folder / "config.json").write_text(json.dumps({**config, layers: 3}))
    where = "transformer" if name == "distilbert" else "encoder"
    with pytest.raises(ModelFileError, match=rf"lacks the tensor {where}\.layer\.2\.attention"):
        load_weights(folder, read_config(folder))
    (folder / "config.json").write_text(json.dumps({**config, layers: 1}))
    with pytest.raises(ModelFileError, match=rf"{where}\.layer\.1\..*has no place"):
        load_weights(folder, read_config(folder))


def test_a_family_that_is_not_known_is_refused_by_name(tmp_path):
    folder = write_family(tmp_path, {**CONFIGS["bert"], "model_type": "electra"})
    with pytest.raises(UnsupportedModelError, match="model_type is 'electra'; gtenp runs"):
        read_config(folder)


@pytest.mark.parametrize("value", ["relative_key", "relative_key_query"])
def test_positions_that_roberta_may_have_otherwise_are_refused(value, tmp_path):
    folder = write_family(tmp_path, {**CONFIGS["roberta"], "position_embedding_type": value})
    with pytest.raises(UnsupportedModelError, match=f"position_embedding_type is '{value}'"):
        read_config(folder)


@pytest.mark.parametrize("pad", [-1, "1", None, True, 64, 65])
def test_a_padding_id_that_leaves_no_positions_is_refused(pad, tmp_path):
    folder = write_family(tmp_path, {**CONFIGS["roberta"], "pad_token_id": pad})
    with pytest.raises(ModelFileError, match=r"pad_token_id is|leaves no room for a text"):
        read_config(folder)
