import json
import os
import shutil

import numpy as np
import pytest
from models.layouts import all_files

from gtenp import Embedder
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import refuse_links_outside
from gtenp.model_files.model import read_config


def test_the_sizes_are_read_under_their_own_names(tiny):
    config = read_config(tiny)
    assert (config.hidden_size, config.num_hidden_layers, config.head_size) == (32, 2, 8)
    assert config.layer_norm_eps == 1e-12


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "electra"),
        ("hidden_act", "gelu_fast"),
        ("hidden_act", 3),
        ("position_embedding_type", "relative_key"),
        ("position_embedding_type", "relative_key_query"),
        ("position_embedding_type", "alibi"),
        ("is_decoder", True),
        ("add_cross_attention", True),
    ],
)
def test_what_would_change_the_arithmetic_is_refused_by_name(edit_json, key, value):
    with pytest.raises(UnsupportedModelError, match=f"config.json: {key} is {value!r}"):
        read_config(edit_json("config.json", **{key: value}))


@pytest.mark.parametrize("key", ["auto_map", "quantization_config", "pruned_heads"])
def test_what_a_model_brings_with_it_is_refused_by_name(edit_json, key):
    with pytest.raises(UnsupportedModelError, match=rf"config\.json: has {key}: "):
        read_config(edit_json("config.json", **{key: {"0": [1]}}))


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"])
def test_the_activation_is_read(edit_json, name):
    assert read_config(edit_json("config.json", hidden_act=name)).hidden_act == name


@pytest.mark.parametrize("value", [0, -1e-12, 10**400, "1e-12", True])
def test_a_layer_norm_eps_that_is_no_positive_float_is_an_error(edit_json, value):
    with pytest.raises(ModelFileError, match=r"config\.json: layer_norm_eps is"):
        read_config(edit_json("config.json", layer_norm_eps=value))


# Of transformers 5.23: vars(BertConfig()).
DEFAULTS = {
    "vocab_size": 30522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2,
    "layer_norm_eps": 1e-12, "hidden_act": "gelu",
}  # fmt: skip


def test_a_key_that_is_not_there_has_the_default_of_transformers(tiny):
    (tiny / "config.json").write_text('{"model_type": "bert"}')
    config = read_config(tiny)
    assert {key: getattr(config, key) for key in DEFAULTS} == DEFAULTS


def test_a_model_whose_config_leaves_defaults_out_gives_the_same_vectors(tiny, edit_json):
    expected = Embedder(tiny).encode("Beijing")
    values = json.loads((tiny / "config.json").read_text())
    left_out = {key for key in DEFAULTS if values[key] == DEFAULTS[key]}
    assert {"type_vocab_size", "hidden_act", "layer_norm_eps"} <= left_out
    found = Embedder(edit_json("config.json", **dict.fromkeys(left_out))).encode("Beijing")
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("key", [*DEFAULTS, "is_decoder", "add_cross_attention"])
def test_a_null_where_transformers_takes_none_is_refused(tiny, key):
    values = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**values, key: None}))
    with pytest.raises(ModelFileError, match=rf"config\.json: {key} is None"):
        read_config(tiny)


@pytest.mark.parametrize("key", ["model_type", "position_embedding_type", "pad_token_id"])
def test_a_null_that_transformers_takes_is_as_if_it_were_not_there(tiny, key):
    expected = read_config(tiny)
    values = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**values, key: None}))
    assert read_config(tiny) == expected


@pytest.mark.parametrize("value", [0, -1, 1.5, "12", True])
def test_a_size_that_is_no_positive_whole_number_is_an_error(edit_json, value):
    with pytest.raises(ModelFileError, match=r"config\.json: num_hidden_layers is"):
        read_config(edit_json("config.json", num_hidden_layers=value))


def test_a_hidden_size_that_heads_do_not_divide_is_an_error(edit_json):
    with pytest.raises(ModelFileError, match="32 is not a multiple of num_attention_heads 5"):
        read_config(edit_json("config.json", num_attention_heads=5))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"\xff{}", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"", "is not JSON"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark; save it as UTF-8 without one"),
        (b"{}", "is an object without keys; copy it anew"),
        ("{}".encode("utf-16"), "is UTF-16 or UTF-32; save it as UTF-8"),
        ("{}".encode("utf-16-be"), "is UTF-16 or UTF-32; save it as UTF-8"),
        ("{}".encode("utf-32-le"), "is UTF-16 or UTF-32; save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_json_object_is_named(tiny, content, complaint):
    (tiny / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=complaint) as caught:
        read_config(tiny)
    assert caught.value.path == tiny / "config.json"


def test_a_missing_file_is_named(tiny):
    (tiny / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json: is missing; copy the whole folder"):
        read_config(tiny)


def test_a_value_of_a_megabyte_is_not_repeated_whole(edit_json):
    with pytest.raises(UnsupportedModelError) as caught:
        read_config(edit_json("config.json", model_type="x" * 1_000_000))
    assert len(str(caught.value)) < 500


def test_a_file_larger_than_any_such_file_is_not_read(tiny):
    with (tiny / "config.json").open("ab") as file:
        file.truncate(5 << 20)  # zeros, which a disk does not even store
    with pytest.raises(ModelFileError, match="is larger than 4,194,304 bytes"):
        read_config(tiny)


# ── git LFS ──────────────────────────────────────────────────────────────────────────────────────

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 90868376\n"


@pytest.mark.parametrize(
    "name",
    [
        "config.json", "model.safetensors.index.json", "a.safetensors", "tokenizer.json",
        "tokenizer_config.json", "modules.json", "sentence_bert_config.json",
        "config_sentence_transformers.json", "pooling/config.json", "dense/model.safetensors",
        "special_tokens_map.json", "added_tokens.json", "vocab.txt",
    ],
)  # fmt: skip
def test_a_pointer_of_git_lfs_is_called_one_whatever_file_it_stands_for(tmp_path, name):
    folder = all_files(tmp_path)
    if name in ("special_tokens_map.json", "added_tokens.json", "vocab.txt"):
        (folder / "tokenizer.json").unlink()  # else these need not be read
    (folder / name).write_bytes(POINTER)
    with pytest.raises(ModelFileError, match=r"is a pointer of git LFS.*`git lfs pull`") as caught:
        Embedder(folder)
    assert caught.value.path == folder / name


# ── links ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["vocab.txt", "gone"], ids=["itself", "nothing"])
def test_a_link_that_leads_to_no_file_is_called_one(tiny, target):
    (tiny / "vocab.txt").unlink()
    (tiny / "vocab.txt").symlink_to(target)
    with pytest.raises(ModelFileError, match=rf"vocab\.txt: is a link to {target}, which leads to"):
        refuse_links_outside(tiny)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_folder_in_a_files_place_is_an_error(tiny, name):
    (tiny / name).unlink()
    (tiny / name).mkdir()
    with pytest.raises(ModelFileError, match=rf"{name}: is not a regular file"):
        Embedder(tiny)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_link_out_of_the_folder_is_refused(tiny, name):
    outside = shutil.move(tiny / name, tiny.parent / "elsewhere")
    (tiny / name).symlink_to(outside)
    with pytest.raises(ModelFileError, match=rf"{name}: is a link out of the folder"):
        refuse_links_outside(tiny)


def test_a_link_within_the_folder_is_followed(tiny):
    (tiny / "config.json").rename(tiny / "settings.json")
    (tiny / "config.json").symlink_to("settings.json")
    assert read_config(tiny).hidden_size == 32


def test_a_folder_reached_by_a_link_is_its_own_home(tiny):
    (tiny.parent / "alias").symlink_to(tiny)
    assert read_config(tiny.parent / "alias").hidden_size == 32


@pytest.mark.parametrize("module", [".", "0_Transformer", "modules/bert"])
def test_the_hub_caches_links_into_its_blobs_are_followed(tiny, tmp_path, module):
    repository = tmp_path / "models--org--tiny"
    folder = repository / "snapshots" / "0123456789abcdef" / module
    folder.mkdir(parents=True)
    (repository / "blobs").mkdir()
    for path in tiny.iterdir():
        blob = path.rename(repository / "blobs" / path.name)
        (folder / path.name).symlink_to(os.path.relpath(blob, folder))
    assert read_config(folder).hidden_size == 32
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to("/etc/passwd")
    with pytest.raises(ModelFileError, match="is a link out of the folder, to /etc/passwd"):
        read_config(folder)


def test_a_link_into_a_folder_whose_name_begins_alike_is_refused(tiny):
    (tiny.parent / "tiny-secrets").mkdir()
    (tiny / "vocab.txt").rename(tiny.parent / "tiny-secrets" / "vocab.txt")
    (tiny / "vocab.txt").symlink_to("../tiny-secrets/vocab.txt")
    with pytest.raises(ModelFileError, match="is a link out of the folder"):
        refuse_links_outside(tiny)


def test_a_pipe_in_a_files_place_does_not_hang(tiny):
    (tiny / "config.json").unlink()
    os.mkfifo(tiny / "config.json")
    with pytest.raises(ModelFileError, match="is not a regular file"):
        read_config(tiny)
