import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from gtenp.checkpoint import astype, load_weights, read_safetensors
from gtenp.config import BertConfig
from gtenp.errors import ModelFileError


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
    expected = load_weights(tiny, BertConfig.from_folder(tiny))
    tensors = {f"bert.{name}": tensor.copy() for name, tensor in load_file(path).items()}
    tensors["bert.embeddings.position_ids"] = np.arange(64)[None]
    save_file(tensors, path)
    found = load_weights(tiny, BertConfig.from_folder(tiny))
    np.testing.assert_array_equal(found.layers[1].key.bias, expected.layers[1].key.bias)


def test_a_missing_tensor_is_named(tiny):
    path = tiny / "model.safetensors"
    tensors = dict(load_file(path))
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, path)
    with pytest.raises(ModelFileError, match=r"lacks the tensor encoder\.layer\.1\.output\.dense"):
        load_weights(tiny, BertConfig.from_folder(tiny))


def test_a_shape_that_contradicts_the_config_names_both(edit_json):
    folder = edit_json("config.json", intermediate_size=65)
    with pytest.raises(
        ModelFileError,
        match=r"intermediate\.dense\.weight has shape \(64, 32\), config",
    ):
        load_weights(folder, BertConfig.from_folder(folder))


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
    doubles = astype(load_weights(tiny, BertConfig.from_folder(tiny)), np.float64)
    assert doubles.word_embeddings.dtype == np.float64
    assert doubles.layers[1].output_norm.bias.dtype == np.float64
