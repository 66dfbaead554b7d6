"""``torch.save``'s files to safetensors, bit by bit. Hostile ones: test_hostile_pickles.py."""

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from models.build import built
from pickles import HOOKS, OLD, Call, Global, opcodes, saved, saved_arrays, tensor
from places import DATA
from raw_safetensors import parts
from safetensors.numpy import load_file

from gtenp import Embedder
from gtenp.errors import InputError, ModelFileError, UnsupportedModelError
from gtenp.model_files import pickled
from gtenp.model_files.pickled import convert, read_state_dict

SIX = np.arange(6, dtype=np.float32)
SIX_BYTES = {"0": SIX.tobytes()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pytorch_model.bin"


def converted(path, content):
    """The arrays that a file of this content becomes."""
    path.write_bytes(content)
    target = path.with_name("model.safetensors")
    target.unlink(missing_ok=True)
    assert convert(path) == target
    return load_file(target)


def contents(path):
    """Dtype, shape and bytes of each tensor, whatever NumPy knows of its dtype."""
    header, data = parts(path)
    header.pop("__metadata__")
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
    }


# ── what torch writes ────────────────────────────────────────────────────────────────────────────


def test_every_dtype_and_layout_that_torch_wrote_is_the_same_to_the_bit(tmp_path):
    found = contents(convert(DATA / "pickled.bin", tmp_path / "ours.safetensors"))
    wanted = contents(DATA / "pickled.safetensors")
    assert found == wanted
    assert len({dtype for dtype, _, _ in found.values()}) == 18
    header, _ = parts(tmp_path / "ours.safetensors")
    assert header["__metadata__"] == {"format": "pt"}


def test_wide_numbers_come_first_so_that_all_begin_at_a_multiple_of_their_width(path):
    byte = tensor("0", (1,), (1,), 24, 0, "torch ByteStorage")
    path.write_bytes(saved({"byte": byte, "float": tensor("0", (6,), (1,), 6)}, SIX_BYTES))
    header, _ = parts(convert(path))
    assert header["float"]["data_offsets"] == [0, 24]
    assert header["byte"]["data_offsets"] == [24, 25]


def test_a_model_that_was_a_pickle_gives_the_same_vectors(tiny):
    texts = ["what is the capital of China?", ""]
    wanted = Embedder(tiny).encode(texts)
    weights = tiny / "model.safetensors"
    (tiny / "pytorch_model.bin").write_bytes(saved_arrays(load_file(weights)))
    weights.unlink()
    with pytest.raises(UnsupportedModelError, match="gtenp convert"):
        Embedder(tiny)
    assert convert(tiny) == weights
    np.testing.assert_array_equal(Embedder(tiny).encode(texts), wanted)


@pytest.mark.parametrize("block", [16, 1 << 24])
@pytest.mark.parametrize(
    ("shape", "strides", "offset", "wanted"),
    [
        ((2, 3), (3, 1), 0, SIX.reshape(2, 3)),
        ((3, 2), (1, 3), 0, SIX.reshape(2, 3).T),
        ((2, 1, 3), (1, 9, 2), 0, [[[0, 2, 4]], [[1, 3, 5]]]),
        ((2, 2), (2, 3), 0, [[0, 3], [2, 5]]),
        ((3,), (2,), 1, [1, 3, 5]),
        ((), (), 5, 5),
        ((1, 6), (2**62, 1), 0, SIX.reshape(1, 6)),
        ((3, 2), (0, 1), 4, [[4, 5]] * 3),
        ((2, 5), (1, 1), 0, [SIX[:5], SIX[1:]]),
        ((0, 4), (4, 1), 0, np.zeros((0, 4))),
        ((6, 0), (1, 1), 6, np.zeros((6, 0))),
    ],
    ids=str,
)
def test_a_view_becomes_an_array_of_its_own(
    path, monkeypatch, block, shape, strides, offset, wanted
):
    monkeypatch.setattr(pickled, "_BLOCK", block)
    found = converted(path, saved({"a": tensor("0", shape, strides, 6, offset)}, SIX_BYTES))
    np.testing.assert_array_equal(found["a"], np.asarray(wanted, np.float32), strict=True)


def test_tied_weights_stand_under_each_of_their_names(path):
    view = tensor("0", (2, 3), (3, 1), 6)
    found = converted(path, saved({"embed": view, "head": view}, SIX_BYTES))
    np.testing.assert_array_equal(found["embed"], found["head"], strict=True)


def test_a_state_dict_may_lie_in_a_training_checkpoint(path):
    optimizer = {"state": {0: {"step": 3}}, "lr": 1e-3, "betas": [0.9, (0.99, None, True)]}
    state_dict = {"a": tensor("0", (6,), (1,), 6)}
    found = converted(path, saved({"state_dict": state_dict, "optimizer": optimizer}, SIX_BYTES))
    assert list(found) == ["a"]


def test_parameters_and_the_versions_of_modules_are_seen_through(path):
    view = tensor("0", (6,), (1,), 6)
    parameter = Call(Global("torch._utils _rebuild_parameter"), (view, True, HOOKS))
    with_state = Global("torch._utils _rebuild_parameter_with_state")
    tagged = Call(with_state, (view, True, HOOKS, {"tag": 1}))
    items = b"".join(map(opcodes, ["a", parameter, "b", tagged]))
    versions = opcodes({"_metadata": {"": {"version": 1}}})
    state_dict = opcodes(HOOKS) + b"(" + items + b"u" + versions + b"b"
    assert sorted(converted(path, saved(state_dict, SIX_BYTES))) == ["a", "b"]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({}, "holds nothing"),
        ([], "holds a list"),
        (tensor("0", (6,), (1,), 6), "holds a tensor"),
        ({"epoch": 3}, "holds 3 under 'epoch'"),
        ({"a": {"b": tensor("0", (6,), (1,), 6)}}, "holds a dict under 'a'"),
        ({"a": Call(Global("numpy dtype"), ("f4",))}, r"asks for 'numpy\.dtype'; .* ran nothing"),
        (
            {"a": tensor("0", (6,), (1,), 6, 0, "torch ComplexDoubleStorage")},
            r"asks for 'torch\.ComplexDoubleStorage'",
        ),
        ({"a": Call(Global("torch._utils _rebuild_qtensor"), ())}, "_rebuild_qtensor"),
        (
            {"a": tensor("0", (6,), (1,), 6, 0, "torch FloatStorage", {"neg": True})},
            "conjugated or negated",
        ),
        (
            {"a": tensor("0", (10**6,), (0,), 6)},
            "they repeat the same numbers",
        ),
    ],
    ids=str,
)
def test_what_is_no_dict_of_plain_tensors_is_refused_by_name(path, value, found):
    path.write_bytes(saved(value, SIX_BYTES))
    with pytest.raises(UnsupportedModelError, match=found):
        convert(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (OLD, "before version 1.6"),
        (saved({"a": 1}, byteorder=b"big"), "another byte order"),
        (saved({"a": 1}, **{"constants.pkl": b""}), "a TorchScript program"),
    ],
    ids=["before zips", "big-endian", "TorchScript"],
)
def test_torchs_other_forms_are_refused(path, content, found):
    path.write_bytes(content)
    with pytest.raises(UnsupportedModelError, match=found):
        convert(path)


def test_no_file_is_written_over(path):
    path.write_bytes(saved_arrays({"a": SIX}))
    target = path.with_name("model.safetensors")
    target.write_bytes(b"published")
    with pytest.raises(InputError, match="is there already"):
        convert(path)
    assert target.read_bytes() == b"published"
    with pytest.raises(InputError, match="is the file to be read"):
        convert(path, path)


def test_a_file_of_another_name_keeps_it(path):
    other = path.with_name("head.pt")
    other.write_bytes(saved_arrays({"a": SIX}))
    assert convert(other) == path.with_name("head.safetensors")


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ModelFileError, match=r"pytorch_model\.bin: is missing"):
        convert(tmp_path)
    with pytest.raises(ModelFileError, match="is missing"):
        read_state_dict(tmp_path / "x")


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere.bin").write_bytes(saved_arrays({"a": SIX}))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "pytorch_model.bin").symlink_to(tmp_path / "elsewhere.bin")
    with pytest.raises(ModelFileError, match="a link out of the folder"):
        convert(folder)


def test_a_failure_leaves_no_file(path, monkeypatch):
    path.write_bytes(saved_arrays({"a": SIX, "b": SIX}))

    def fail(_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(pickled, "_blocks", fail)
    with pytest.raises(OSError, match="full"):
        convert(path)
    assert list(path.parent.iterdir()) == [path]


# ── parts ────────────────────────────────────────────────────────────────────────────────────────


def write_parts(folder, parts):
    weight_map = {}
    for number, arrays in enumerate(parts, start=1):
        name = f"pytorch_model-{number:05}-of-{len(parts):05}.bin"
        (folder / name).write_bytes(saved_arrays(arrays))
        weight_map |= dict.fromkeys(arrays, name)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_parts_become_parts_with_an_index_that_loads(tiny):
    wanted = Embedder(tiny).encode("what is the capital of China?")
    arrays = load_file(tiny / "model.safetensors")
    names = sorted(arrays)
    halves = [{name: arrays[name] for name in names[i::2]} for i in range(2)]
    (tiny / "model.safetensors").unlink()
    index = write_parts(tiny, halves)
    with pytest.raises(UnsupportedModelError, match=r"index\.json: is a pickle.*gtenp convert"):
        Embedder(tiny)
    with pytest.raises(InputError, match="names several parts"):
        convert(index, tiny / "one.safetensors")

    assert convert(tiny) == tiny / "model.safetensors.index.json"
    assert sorted(path.name for path in tiny.glob("*.safetensors")) == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
    size = json.loads((tiny / "model.safetensors.index.json").read_text())["metadata"]["total_size"]
    assert size == sum(array.nbytes for array in arrays.values())
    np.testing.assert_array_equal(Embedder(tiny).encode("what is the capital of China?"), wanted)


def test_a_decoder_in_three_pickles_gives_the_same_vectors(tmp_path):
    folder = built("blooms-layers", tmp_path)
    texts = ["what is the capital of China?", ""]
    expected = Embedder(folder).encode(texts)
    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(arrays)
    write_parts(folder, [{name: arrays[name] for name in names[i::3]} for i in range(3)])
    with pytest.raises(UnsupportedModelError, match="gtenp convert"):
        Embedder(folder)
    convert(folder)
    assert len([*folder.glob("model-*.safetensors")]) == 3
    np.testing.assert_array_equal(Embedder(folder).encode(texts), expected)


def test_one_bad_part_leaves_none(tmp_path):
    index = write_parts(tmp_path, [{"a": SIX}, {"b": SIX}])
    (tmp_path / "pytorch_model-00002-of-00002.bin").write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"00002-of-00002\.bin: is empty"):
        convert(index)
    (tmp_path / "pytorch_model-00002-of-00002.bin").write_bytes(saved_arrays({"a": SIX}))
    with pytest.raises(ModelFileError, match="gives 'a' a second time"):
        convert(index)
    assert list(tmp_path.glob("*.safetensors*")) == []


def test_an_index_that_names_a_file_elsewhere_is_refused(tmp_path):
    index = write_parts(tmp_path, [{"a": SIX}])
    index.write_text('{"weight_map": {"a": "../pytorch_model.bin"}}')
    with pytest.raises(ModelFileError, match=r"not a \.bin file beside it"):
        convert(index)


# ── memory ───────────────────────────────────────────────────────────────────────────────────────

CONVERT = """
import sys
from pathlib import Path
from peak_memory import peak_megabytes
from gtenp.model_files.pickled import convert
before = peak_megabytes()
convert(Path(sys.argv[1]))
print(peak_megabytes() - before)
"""


def test_converting_takes_less_memory_than_the_file_has(path):
    size = 256 << 20
    value = {"a": tensor("0", (size // 4096, 1024), (1024, 1), size // 4)}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + opcodes(value) + b".")
        with archive.open("archive/data/0", "w", force_zip64=True) as storage:
            for number in range(size >> 20):
                storage.write(bytes([number]) * (1 << 20))
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, path],
        check=True, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert int(done.stdout) < 64
    found = load_file(path.with_name("model.safetensors"))["a"].reshape(-1).view(np.uint8)
    assert found[:: 1 << 20].tolist() == list(range(256))
