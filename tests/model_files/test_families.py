"""Each family's encoder and classifier against transformers, from the same token ids."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from golden import FLOAT64_TOLERANCE, HIDDEN_TOLERANCE, Golden
from models.build import SIZES
from models.families import FAMILIES as CONFIGS
from models.families import has_classifier, write_family
from safetensors.numpy import load_file, save_file

from gtenp.engine import encoder as encoder_module
from gtenp.engine.batch import pack
from gtenp.engine.encoder import Encoder
from gtenp.engine.pooling import classify, pool
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import astype
from gtenp.model_files.config import NO_LIMIT
from gtenp.model_files.model import load_classifier, load_weights, read_config
from gtenp.model_files.sentence_config import Pooling
from gtenp.reference import bert, variations

GOLDEN = Golden("families")


class Family:
    """A folder of the family, loaded, and what transformers made of it."""

    def __init__(self, name, folder):
        self.folder = write_family(folder, CONFIGS[name])
        self.config = read_config(folder)
        self.weights = load_weights(folder, self.config)
        self.name = name
        self.classifies = has_classifier(CONFIGS[name])
        self.classifier = load_classifier(folder, self.config) if self.classifies else None
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
    if not family.classifies:
        with pytest.raises(UnsupportedModelError, match="whose cross-encoders gtenp does not know"):
            load_classifier(family.folder, family.config)
        return
    config, pooling = family.config, Pooling((family.config.classifier_pooling,))
    batch = pack(family.rows, arithmetic=config.arithmetic)
    pooled = pool(Encoder(family.weights, config).forward(batch), batch.cu_seqlens, pooling)
    logits = classify(pooled, family.classifier, config.layer_norm_eps)
    for number, found in enumerate(logits):
        assert np.abs(found - family.golden(f"logits.{number}")).max() <= HIDDEN_TOLERANCE


def test_the_reference_in_float64_is_torchs(family):
    weights, expected = astype(family.weights, np.float64), family.golden("hidden_states_float64")
    (row,) = (row for row in family.rows if len(row) == len(expected))
    states = variations.forward(weights, family.config, np.array(row)).hidden_states[-1]
    assert np.abs(states - expected).max() <= FLOAT64_TOLERANCE
    if not family.classifies:
        return
    classifier = astype(family.classifier, np.float64)
    logits = variations.classify(states, classifier, family.config)
    assert np.abs(logits - family.golden("logits_float64")).max() <= FLOAT64_TOLERANCE


def test_engine_and_reference_number_positions_alike(family):
    batch = pack(family.rows, arithmetic=family.config.arithmetic)
    expected = [variations.position_ids(np.array(r), family.config.arithmetic) for r in family.rows]
    np.testing.assert_array_equal(batch.position_ids, np.concatenate(expected))


def test_where_the_arithmetic_is_berts_every_number_is(tmp_path):
    family = Family("bert", tmp_path)
    ids = np.array(family.rows[3])
    ours = variations.forward(family.weights, family.config, ids)
    theirs = bert.forward(family.weights, family.config, ids)
    assert (ours.score_bias, ours.final_norm) == (None, None)
    for found, expected in zip(ours.hidden_states, theirs.hidden_states, strict=True):
        np.testing.assert_array_equal(found, expected)
    for mine, layer in zip(ours.layers, theirs.layers, strict=True):
        names = {field.name for field in fields(layer)}
        for name in names:
            np.testing.assert_array_equal(getattr(mine, name), getattr(layer, name))
        others = {field.name for field in fields(mine)} - names
        assert {getattr(mine, name) for name in others} == {None}


def test_a_text_may_be_as_long_as_the_table_has_rows_behind_the_padding(family):
    if not family.config.arithmetic.position_table:
        most = 8192 if family.config.arithmetic.rotary_base else NO_LIMIT
        assert family.config.max_tokens == most
        return
    rows = CONFIGS[family.name]["max_position_embeddings"]
    most = rows - family.config.arithmetic.first_position
    assert family.config.max_tokens == most == len(family.rows[4])


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_missing_from_a_family_is_named_by_its_own_names(name, tmp_path):
    folder = write_family(tmp_path, CONFIGS[name])
    config = json.loads((folder / "config.json").read_text())
    layers = SIZES.get(config["model_type"], {}).get("num_hidden_layers", "num_hidden_layers")
    count = config[layers]
    config.pop("layer_types", None)  # ModernBERT may say of each what it is
    if layers != "num_hidden_layers":
        config.pop("num_hidden_layers", None)  # NomicBERT may have either name
    (folder / "config.json").write_text(json.dumps({**config, layers: count + 1}))
    where = {
        "distilbert": "transformer.layer",
        "t5": "encoder.block",
        "bloom": "h",
        "nomic_bert": "encoder.layers",
        "modernbert": "layers",
    }.get(config["model_type"], "encoder.layer")
    with pytest.raises(ModelFileError, match=rf"lacks the tensor {where}\.{count}\."):
        load_weights(folder, read_config(folder))
    (folder / "config.json").write_text(json.dumps({**config, layers: count - 1}))
    with pytest.raises(ModelFileError, match=rf"{where}\.{count - 1}\..*has no place"):
        load_weights(folder, read_config(folder))


@pytest.mark.parametrize("threads", [1, 3])
def test_one_row_of_each_text_may_be_wanted_and_threads_may_share(family, threads):
    rows = [*family.rows[:4], *[[7, 8, 9]] * 5, family.rows[4]]
    batch = pack(rows, arithmetic=family.config.arithmetic)
    encoder = Encoder(family.weights, family.config)
    whole = encoder.forward(batch)
    # The first, the last, and one that stands elsewhere in each text.
    middle = (batch.cu_seqlens[:-1] + batch.cu_seqlens[1:]) // 2
    for wanted in (batch.cu_seqlens[:-1], batch.cu_seqlens[1:] - 1, middle):
        found = encoder.forward(batch, threads, wanted)
        assert np.abs(found - whole[wanted]).max() <= HIDDEN_TOLERANCE
    assert np.abs(encoder.forward(batch, threads) - whole).max() <= HIDDEN_TOLERANCE
    *_, last = encoder.hidden_states(batch)
    assert np.abs(last - whole).max() <= HIDDEN_TOLERANCE


def test_weights_that_stay_in_the_file_give_the_same(family, monkeypatch):
    batch = pack(family.rows, arithmetic=family.config.arithmetic)
    expected = Encoder(family.weights, family.config).forward(batch)
    monkeypatch.setattr(encoder_module, "_MOST_LAID_OUT", 0)
    monkeypatch.setattr(encoder_module, "_MOST_WIDENED", 64)
    monkeypatch.setattr(encoder_module, "_DEPTH", 10)
    for weights in (family.weights, astype(family.weights, np.float16)):
        found = Encoder(weights, family.config).forward(batch)
        again = Encoder(astype(weights, np.float32), family.config).forward(batch)
        np.testing.assert_allclose(found, again, atol=1e-5)
        if weights is family.weights:
            assert np.abs(found - expected).max() <= HIDDEN_TOLERANCE


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("mpnet", {"relative_attention_num_buckets": 64}, "relative_attention_num_buckets is 64"),
        ("mpnet", {"hidden_act": "mish"}, "hidden_act is 'mish'"),
        ("t5", {"feed_forward_proj": "gated-mish"}, "feed_forward_proj is 'gated-mish'"),
        ("t5", {"feed_forward_proj": "twice-relu"}, "feed_forward_proj is 'twice-relu'"),
        ("t5", {"relative_attention_num_buckets": 30}, "relative_attention_num_buckets is 30"),
        ("t5", {"relative_attention_max_distance": 8}, "relative_attention_max_distance 8"),
        ("nomic", {"rotary_scaling_factor": 2}, "rotary_scaling_factor to 2"),
        ("nomic", {"rotary_emb_fraction": 0.5}, "rotary_emb_fraction to 0.5"),
        ("nomic", {"prenorm": True}, "prenorm to True"),
        ("nomic", {"num_experts": 8}, "num_experts to 8"),
        ("nomic", {"qkv_proj_bias": True}, "qkv_proj_bias to True"),
        ("nomic", {"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ("nomic", {"rope_parameters": {"rope_type": "yarn"}}, "rope_parameters is"),
        ("gte", {"logn_attention_scale": True}, "logn_attention_scale to True"),
        ("gte", {"logn_attention_clip1": True}, "logn_attention_clip1 to True"),
        ("gte", {"layer_norm_type": "rms_norm"}, "layer_norm_type to 'rms_norm'"),
        ("gte", {"pack_qkv": False}, "pack_qkv to False"),
        ("gte", {"position_embedding_type": "absolute"}, "position_embedding_type is 'absolute'"),
        ("gte", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "its angles are"),
        ("gte", {"rope_scaling": {"type": "ntk", "factor": 2.0, "mixed_b": 0.6}}, "its angles are"),
        ("modernbert", {"attention_bias": True}, "attention_bias to True"),
        ("modernbert", {"mlp_bias": True}, "mlp_bias to True"),
        ("modernbert", {"norm_bias": True}, "norm_bias to True"),
        ("modernbert", {"classifier_bias": True}, "classifier_bias to True"),
        ("modernbert", {"classifier_activation": "silu"}, "classifier_activation to 'silu'"),
        ("modernbert", {"classifier_pooling": "max"}, "classifier_pooling is 'max'"),
        ("modernbert", {"hidden_activation": "mish"}, "hidden_activation is 'mish'"),
        ("modernbert", {"head_dim": 8}, "head_dim to 8"),
        ("modernbert", {"partial_rotary_factor": 0.5}, "partial_rotary_factor to 0.5"),
        ("modernbert", {"rope_scaling": {"type": "ntk"}}, "rope_scaling to"),
        (
            "modernbert",
            {"rope_parameters": {"full_attention": {"type": "yarn"}}},
            "rope_parameters",
        ),
        ("modernbert", {"position_embedding_type": "alibi"}, "position_embedding_type is 'alibi'"),
        ("modernbert-newer", {"layer_types": ["chunked_attention"] * 4}, "layer_types is"),
        ("bert", {"auto_map": {"AutoModel": "own.Bert"}}, "has auto_map"),
        (
            "bloom",
            {"apply_residual_connection_post_layernorm": True},
            "apply_residual_connection_post_layernorm to True",
        ),
    ],
)
def test_what_would_change_a_familys_arithmetic_is_refused(name, changes, words, tmp_path):
    folder = write_family(tmp_path, CONFIGS[name])
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(UnsupportedModelError, match=words):
        read_config(folder)


def test_nomics_sizes_go_by_either_name_and_its_own_code_is_not_asked_for(tmp_path):
    folder = write_family(tmp_path, CONFIGS["nomic"])
    expected = read_config(folder)
    config = json.loads((folder / "config.json").read_text())
    older = [key for key in config if key.startswith(("hidden_", "num_", "rope_", "max_position"))]
    newer = [key for key in config if key.startswith(("n_", "rotary_", "activation"))]
    for left_out in (older, newer):
        kept = {key: value for key, value in config.items() if key not in left_out}
        kept["auto_map"] = {"AutoModel": "nomic-ai/nomic-bert-2048--modeling.NomicBertModel"}
        (folder / "config.json").write_text(json.dumps(kept))
        found = read_config(folder)
        assert replace(found, max_position_embeddings=8192, num_labels=2) == replace(
            expected, num_labels=2
        )


@pytest.mark.parametrize(
    ("name", "length"),
    [("t5", 600), ("bloom", 600), ("nomic", 2100), ("gte", 2100), ("modernbert", 2100)],
)
def test_a_text_longer_than_those_before_equals_the_reference(name, length, tmp_path):
    family = Family(name, tmp_path)
    ids = np.random.default_rng(3).integers(5, 100, length)
    batch = pack([ids.tolist()], arithmetic=family.config.arithmetic)
    found = Encoder(family.weights, family.config).forward(batch)
    exact = variations.forward(astype(family.weights, np.float64), family.config, ids)
    assert np.abs(found - exact.hidden_states[-1]).max() <= HIDDEN_TOLERANCE


def test_t5s_words_may_go_by_either_name(tmp_path):
    folder = write_family(tmp_path, CONFIGS["t5"])
    config = read_config(folder)
    expected = load_weights(folder, config).word_embeddings.copy()  # its file is written anew
    tensors = load_file(folder / "model.safetensors")
    tensors["decoder.block.0.layer.0.layer_norm.weight"] = np.ones(3, np.float32)
    tensors["lm_head.weight"] = np.ones((2, 2), np.float32)
    words = tensors.pop("shared.weight")
    other = "encoder.embed_tokens.weight"
    for names in ((other,), (other, "shared.weight")):
        save_file(tensors | dict.fromkeys(names, words), folder / "model.safetensors")
        found = load_weights(folder, config)
        np.testing.assert_array_equal(found.word_embeddings, expected)
        assert {"lm_head.weight", "decoder.block.0.layer.0.layer_norm.weight"} <= {*found.ignored}


def test_t5s_two_tables_of_words_must_be_one(tmp_path):
    folder = write_family(tmp_path, CONFIGS["t5"])
    tensors = load_file(folder / "model.safetensors")
    tensors["encoder.embed_tokens.weight"] = 3 * tensors["shared.weight"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ModelFileError, match=r"shared\.weight and .* differ; wanted one table"):
        load_weights(folder, read_config(folder))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("distilbert", {"num_hidden_layers": 99}),
        ("t5", {"num_hidden_layers": 99}),
        ("t5", {"head_dim": 99}),
        ("bloom", {"num_attention_heads": 99, "n_head": 4}),
        ("nomic", {"n_layer": 99, "num_hidden_layers": 2}),
    ],
)
def test_two_names_of_one_size_must_agree(family, changes, tmp_path):
    folder = write_family(tmp_path, {**CONFIGS[family], **changes})
    with pytest.raises(ModelFileError, match=r"means the same, is .*; leave the right one"):
        read_config(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layer_types": ["full_attention"] * 3}, "wanted one of each of 4 layers"),
        (
            {"global_attn_every_n_layers": 2},
            "every_n_layers is 2, which says otherwise",
        ),
        ({"rope_parameters": {"rope_theta": 10000.0}}, "an object with full_attention and sliding"),
        ({"rope_parameters": {"full_attention": 5}}, "rope_parameters is 5; wanted an object"),
        ({"rope_parameters": {"full_attention": {"rope_theta": -1}}}, "rope_theta is -1"),
        ({"num_hidden_layers": 10**9, "layer_types": None}, "num_hidden_layers is 1000000000"),
    ],
)
def test_what_modernbert_says_of_its_layers_must_make_sense(changes, words, tmp_path):
    folder = write_family(tmp_path, CONFIGS["modernbert-newer"])
    config = {**CONFIGS["modernbert-newer"], **changes}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFileError, match=words):
        read_config(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": None}, "hidden_size is None"),
        ({"rope_theta": None}, "rope_theta is None"),
        ({"rope_scaling": 8}, "rope_scaling is 8; wanted an object"),
        ({"rope_scaling": {"type": "ntk", "factor": 0}}, "factor is 0; wanted a positive number"),
        ({"rope_parameters": {"rope_theta": 1e4}}, "both rope_parameters and rope_scaling"),
        ({"type_vocab_size": -1}, "type_vocab_size is -1"),
        (
            {"hidden_size": 36, "num_attention_heads": 4},
            "hidden_size 36 in 4 heads leaves 9 values a head, whose positions turn pairs",
        ),
    ],
)
def test_what_gte_says_of_its_sizes_and_angles_must_be_whole(changes, words, tmp_path):
    folder = write_family(tmp_path, CONFIGS["gte"])
    (folder / "config.json").write_text(json.dumps({**CONFIGS["gte"], **changes}))
    with pytest.raises(ModelFileError, match=words):
        read_config(folder)


def test_a_theta_within_gtes_scaling_counts_and_may_not_differ_from_the_one_beside_it(tmp_path):
    folder = write_family(tmp_path, CONFIGS["gte"])
    published = read_config(folder).arithmetic
    inside = CONFIGS["gte"]["rope_scaling"] | {"rope_theta": 2 * CONFIGS["gte"]["rope_theta"]}
    config = CONFIGS["gte"] | {"rope_scaling": inside}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match="sets rope_theta to"):
        read_config(folder)
    del config["rope_theta"]
    (folder / "config.json").write_text(json.dumps(config))
    assert read_config(folder).arithmetic.rotary_base == 2 * published.rotary_base


def test_gtes_two_ways_to_say_its_angles_are_one(tmp_path):
    config = CONFIGS["gte"] | {"num_attention_heads": 1, "hidden_size": 64}
    folder = write_family(tmp_path, config)
    published = read_config(folder).arithmetic
    assert (published.rotary_base, published.rotary_scale) == (160000, 8 ** (2 / 64))
    same = {"rope_type": "linear", "rope_theta": 160000.0, "factor": 8 ** (2 / 64)}
    newer = CONFIGS["gte-newer"] | {**config, "model_type": "gte", "rope_parameters": same}
    for key in ("auto_map", "rope_scaling", "rope_theta"):
        del newer[key]
    (folder / "config.json").write_text(json.dumps(newer))
    assert read_config(folder).arithmetic == published


def test_of_modernberts_head_an_embedder_asks_nothing(tmp_path):
    config = CONFIGS["modernbert"] | {"architectures": ["ModernBertModel"]}
    folder = write_family(tmp_path, {**config, "classifier_activation": "silu"})
    assert read_config(folder).local_layers == (1, 2)
    newer = read_config(write_family(tmp_path, CONFIGS["modernbert-newer"]))
    assert newer.local_layers == (1, 2, 3)
    assert [one.window for one in newer.layer_arithmetics] == [None, 5, 5, 5]
    assert [one.rotary_base for one in newer.layer_arithmetics] == [80000, *[20000] * 3]
    assert [one.attention_norm for one in newer.layer_arithmetics] == [False, *[True] * 3]


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("t5", {"dense_act_fn": "silu"}),
        ("t5", {"is_gated_act": True}),
        ("nomic", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
        ("nomic", {"rotary_emb_base": 77, "rope_parameters": None}),
        ("nomic", {"rope_theta": 50.0, "rotary_emb_base": 1000, "rope_parameters": None}),
        ("nomic", {"activation_function": "gelu"}),
        ("modernbert", {"sliding_window": 128}),
        ("modernbert-newer", {"global_rope_theta": 160000.0}),
    ],
)
def test_what_contradicts_a_familys_own_keys_is_refused(family, changes, tmp_path):
    folder = write_family(tmp_path, {**CONFIGS[family], **changes})
    with pytest.raises(UnsupportedModelError, match="pick another model"):
        read_config(folder)


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
