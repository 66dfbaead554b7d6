import json

import numpy as np
import pytest
from places import DATA
from raw_safetensors import save_bfloat16
from safetensors.numpy import load_file, save_file

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.checkpoint import astype, is_finite, read_safetensors, weight_files
from gtenp.model_files.model import load_weights, read_config


def test_each_tensor_is_a_read_only_view_equal_to_what_safetensors_loads(tiny):
    path = tiny / "model.safetensors"
    tensors, expected = read_safetensors(path), load_file(path)
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert not tensor.flags.owndata
        assert not tensor.flags.writeable
        np.testing.assert_array_equal(tensor, expected[name])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_float_tensors_keep_the_dtype_of_their_file(tmp_path, dtype):
    values = np.array([[1.5, -2.0], [0.0, 65504.0]], dtype)
    save_file({"x": values}, tmp_path / "f.safetensors")
    found = read_safetensors(tmp_path / "f.safetensors")["x"]
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, values)


def test_bfloat16_is_widened_to_float32(tmp_path):
    header = b'{"x":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    bits = np.array([0x3F80, 0xC000, 0x3EAB], "<u2")  # 1, -2 and nearly a third
    content = len(header).to_bytes(8, "little") + header + bits.tobytes()
    (tmp_path / "f.safetensors").write_bytes(content)
    found = read_safetensors(tmp_path / "f.safetensors")["x"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.0, -2.0, 0.333984375]


def test_a_prefix_and_integer_position_ids_are_as_good(tiny):
    path = tiny / "model.safetensors"
    expected = load_weights(DATA / "tiny", read_config(tiny))
    tensors = {f"bert.{name}": tensor.copy() for name, tensor in load_file(path).items()}
    tensors["bert.embeddings.position_ids"] = np.arange(64)[None]
    save_file(tensors, path)
    found = load_weights(tiny, read_config(tiny))
    np.testing.assert_array_equal(found.layers[1].key.bias, expected.layers[1].key.bias)


def test_old_names_of_a_layer_norm_are_as_good(tiny):
    path = tiny / "model.safetensors"
    expected = load_weights(DATA / "tiny", read_config(tiny))
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path)
    found = load_weights(tiny, read_config(tiny))
    np.testing.assert_array_equal(found.embeddings_norm.weight, expected.embeddings_norm.weight)
    np.testing.assert_array_equal(
        found.layers[1].output_norm.bias, expected.layers[1].output_norm.bias
    )


def test_heads_and_buffers_are_left_aside_by_name(tiny):
    path = tiny / "model.safetensors"
    extra = {
        "pooler.dense.weight": np.ones((32, 32), np.float32),
        "cls.predictions.bias": np.ones(3, np.float32),
        "embeddings.position_ids": np.arange(64)[None],
    }
    save_file({**load_file(path), **extra}, path)
    assert load_weights(tiny, read_config(tiny)).ignored == (
        "cls.predictions.bias",
        "embeddings.position_ids",
        "pooler.dense.weight",
    )


def test_a_layer_that_the_config_does_not_know_of_is_an_error(edit_json):
    folder = edit_json("config.json", num_hidden_layers=1)
    with pytest.raises(ModelFileError, match=r"has encoder\.layer\.1\.\S+, for which the model"):
        load_weights(folder, read_config(folder))


@pytest.mark.parametrize(
    "double", ["bert.embeddings.LayerNorm.weight", "embeddings.LayerNorm.gamma"]
)
def test_a_tensor_under_two_names_is_an_error(tiny, double):
    path = tiny / "model.safetensors"
    save_file({**load_file(path), double: np.ones(32, np.float32)}, path)
    with pytest.raises(ModelFileError, match=r"gives embeddings\.LayerNorm\.weight a second time"):
        load_weights(tiny, read_config(tiny))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, "bfloat16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_is_named(tiny, dtype, value):
    path = tiny / "model.safetensors"
    name = "encoder.layer.1.intermediate.dense.weight"
    tensors = {key: tensor.copy() for key, tensor in load_file(path).items()}
    tensors[name][3, 5] = value
    if dtype == "bfloat16":
        save_bfloat16(tensors, path)
    else:
        save_file({key: tensor.astype(dtype) for key, tensor in tensors.items()}, path)
    with pytest.raises(ModelFileError, match=rf"{name} holds NaN or infinity"):
        load_weights(tiny, read_config(tiny))


@pytest.mark.parametrize("value", [1e30, -1e30, 65504.0])
def test_a_large_number_is_a_number(value):
    assert is_finite(np.array([value, 1.0], np.float32))


def test_a_tensor_of_whole_numbers_in_a_weights_place_is_an_error(tiny):
    path = tiny / "model.safetensors"
    tensors = dict(load_file(path))
    tensors["encoder.layer.0.output.dense.bias"] = np.ones(32, np.int8)
    save_file(tensors, path)
    with pytest.raises(ModelFileError, match=r"output\.dense\.bias has dtype int8; wanted floats"):
        load_weights(tiny, read_config(tiny))


# ── several files ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sharded(tiny):
    """The tiny model with its tensors in two files and an index."""
    path = tiny / "model.safetensors"
    tensors = load_file(path)
    path.unlink()
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[:20], names[20:]), start=1):
        shard = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in part}, tiny / shard)
        weight_map |= dict.fromkeys(part, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (tiny / "model.safetensors.index.json").write_text(json.dumps(index))
    return tiny


def test_a_model_in_several_files_is_read_by_its_index(sharded):
    expected = load_weights(DATA / "tiny", read_config(DATA / "tiny"))
    found = load_weights(sharded, read_config(sharded))
    np.testing.assert_array_equal(found.word_embeddings, expected.word_embeddings)
    np.testing.assert_array_equal(found.layers[1].key.weight, expected.layers[1].key.weight)


def test_a_tensor_in_two_files_is_an_error(sharded):
    path = sharded / "model-00002-of-00002.safetensors"
    double = {"embeddings.LayerNorm.bias": np.zeros(32, np.float32)}
    save_file({**load_file(path), **double}, path)
    with pytest.raises(
        ModelFileError, match=r"-of-00002.*gives embeddings\.LayerNorm\.bias a second"
    ):
        load_weights(sharded, read_config(sharded))


def test_a_missing_file_of_several_is_named(sharded):
    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"model-00002-of-00002\.safetensors: can't be read"):
        load_weights(sharded, read_config(sharded))


@pytest.mark.parametrize(
    "name",
    ["../model.safetensors", "/etc/passwd", "a/model.safetensors", "..", "C:\\x", "a.bin", 3, None],
)
def test_an_index_that_names_a_file_elsewhere_is_an_error(sharded, name):
    index = {"weight_map": {"embeddings.LayerNorm.bias": name}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(
        ModelFileError, match=r"index\.json: names .* not a .safetensors file beside it"
    ):
        load_weights(sharded, read_config(sharded))


def test_parts_are_read_in_the_order_of_their_names(tmp_path):
    parts = [f"{letter}.safetensors" for letter in "hgfedcba"]
    index = {"weight_map": {f"tensor {part}": part for part in parts}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert [path.name for path in weight_files(tmp_path)] == sorted(parts)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}])
def test_an_index_without_a_map_is_an_error(sharded, index):
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelFileError, match="has no weight_map"):
        load_weights(sharded, read_config(sharded))


def test_a_pickle_is_refused_with_the_reason_and_the_way(tiny):
    (tiny / "model.safetensors").rename(tiny / "pytorch_model.bin")
    with pytest.raises(UnsupportedModelError, match=rf"run any code .*gtenp convert {tiny} reads"):
        load_weights(tiny, read_config(tiny))


def test_a_folder_without_weights_says_so(tiny):
    (tiny / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"model\.safetensors: is missing"):
        load_weights(tiny, read_config(tiny))


# ── missing and damaged ──────────────────────────────────────────────────────────────────────────


def test_a_missing_tensor_is_named(tiny):
    path = tiny / "model.safetensors"
    tensors = dict(load_file(path))
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelFileError, match=r"lacks the tensor encoder\.layer\.1\.output\.dense"):
        load_weights(tiny, read_config(tiny))


def test_a_shape_that_contradicts_the_config_names_both(edit_json):
    folder = edit_json("config.json", intermediate_size=65)
    with pytest.raises(
        ModelFileError,
        match=r"intermediate\.dense\.weight has shape \(64, 32\), config",
    ):
        load_weights(folder, read_config(folder))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:4],
        lambda _: b"",
        lambda content: b"\xff" * 8 + content[8:],
        lambda content: content[:8] + b"}" + content[9:],
        lambda content: content + b"\0",
    ],
    ids=["half", "four bytes", "empty", "huge header", "no JSON", "a byte too many"],
)
def test_a_damaged_file_is_named_with_the_mend(tiny, damage):
    path = tiny / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFileError, match="copy it anew") as caught:
        read_safetensors(path)
    assert caught.value.path == path


def test_a_missing_file_is_named(tiny):
    (tiny / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"model\.safetensors: can't be read"):
        read_safetensors(tiny / "model.safetensors")


def test_astype_converts_every_array(tiny):
    doubles = astype(load_weights(tiny, read_config(tiny)), np.float64)
    assert doubles.word_embeddings.dtype == np.float64
    assert doubles.layers[1].output_norm.bias.dtype == np.float64
