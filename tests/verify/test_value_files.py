import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from places import DATA
from safetensors import safe_open
from safetensors.numpy import save_file

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.verify.trace import count_texts, joined, model_of, split, token_ids, trace
from gtenp.verify.value_files import read, write

TEXTS = ["hello world", "a quick sort"]


@pytest.fixture(scope="module")
def values():
    embedder = Embedder(DATA / "tiny")
    model = model_of(embedder)
    return [trace(model, ids) for ids in token_ids(embedder, TEXTS)]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz"])
@pytest.mark.parametrize("count", [1, 2])
def test_what_is_written_reads_back(values, tmp_path, suffix, count):
    path = tmp_path / f"trace{suffix}"
    write(path, TEXTS[:count], values[:count], "tiny", npz=suffix == ".npz")
    found = read(path)
    assert found.texts == TEXTS[:count]
    assert count_texts(found.values) == count
    for text, expected in zip(split(found.values, count), values, strict=False):
        assert set(text) == set(expected)
        for name in expected:
            np.testing.assert_array_equal(text[name], expected[name])
    assert list(tmp_path.iterdir()) == [path]


def test_the_metadata_has_the_names_in_order_with_their_shapes(values, tmp_path):
    write(tmp_path / "t.safetensors", TEXTS, values, "tiny")
    with safe_open(tmp_path / "t.safetensors", framework="np") as file:
        metadata = file.metadata()
    shapes = json.loads(metadata["shapes"])
    assert list(shapes) == list(joined(values))
    assert shapes["1.layer.0.scores"] == [4, 5, 5]
    assert json.loads(metadata["axes"])["layer.*.scores"] == ["A", "S", "S"]
    assert metadata["dtype"] == "float64"
    assert metadata["model"] == "tiny"


@pytest.mark.parametrize(
    ("content", "shape"),
    [("[1, 2.5]", (2,)), ("[[1, 2], [3, 4]]", (2, 2)), ("[1, 2]\n[3, 4]\n", (2, 2))],
)
def test_vectors_are_read_from_json_in_each_of_its_forms(tmp_path, content, shape):
    (tmp_path / "v.json").write_text(content)
    assert read(tmp_path / "v.json").values["embedding"].shape == shape


def test_a_json_object_names_its_values(tmp_path):
    (tmp_path / "v.json").write_text(json.dumps({"pooled": [1, 2], "input_ids": [5]}, indent=1))
    assert set(read(tmp_path / "v.json").values) == {"pooled", "input_ids"}


def test_a_npy_holds_vectors(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((3, 4)))
    assert read(tmp_path / "v.npy").values["embedding"].shape == (3, 4)


@pytest.mark.parametrize("name", ["v.safetensors", "v.npz", "v.npy", "v.json"])
@pytest.mark.parametrize("content", [b"", b"rubbish!", b"\xff\xfe\x00", b"[[1, 2], [3]]"])
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / name))):
        read(tmp_path / name)


def test_an_unknown_ending_is_named_with_those_wanted(tmp_path):
    with pytest.raises(InputError, match=r"v\.bin: its name ends in none of \.safetensors, \.npz"):
        read(tmp_path / "v.bin")


def test_words_are_not_values(tmp_path):
    (tmp_path / "v.json").write_text('{"pooled": ["hello"]}')
    with pytest.raises(InputError, match="wanted whole or real numbers"):
        read(tmp_path / "v.json")


@pytest.mark.parametrize("name", ["V.NPY", "V.Json", "V.NPZ", "V.SAFETENSORS"])
def test_an_ending_may_be_in_capitals(tmp_path, name):
    vectors, path = np.ones((2, 3), np.float32), tmp_path / name
    with path.open("wb") as file:
        if name == "V.NPY":
            np.save(file, vectors)
        if name == "V.NPZ":
            np.savez(file, embedding=vectors)
        if name == "V.Json":
            file.write(json.dumps(vectors.tolist()).encode())
    if name == "V.SAFETENSORS":
        save_file({"embedding": vectors}, path)
    np.testing.assert_array_equal(read(path).values["embedding"], vectors)


@pytest.mark.parametrize("content", [b"[[1, 2]]", b"1 2\n", b"1\t2"])
def test_a_dash_is_standard_input(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert read(Path("-")).values["embedding"].tolist() == [[1, 2]]


def test_an_error_on_standard_input_says_so(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1 x")))
    with pytest.raises(InputError, match='standard input: line 1: found "x"'):
        read(Path("-"))


@pytest.mark.parametrize(("name", "save"), [("v.npz", np.save), ("v.npy", np.savez)])
def test_one_numpy_format_under_the_others_name_is_named(tmp_path, name, save):
    with (tmp_path / name).open("wb") as file:
        save(file, np.ones(3))
    with pytest.raises(InputError, match=rf"{name}: is no sound {name[1:]} file"):
        read(tmp_path / name)


def test_pickled_objects_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"v\.npy: is no sound"):
        read(tmp_path / "v.npy")


@pytest.mark.parametrize("texts", ["not JSON", "3", '["a", 1]'])
def test_metadata_whose_texts_are_none_is_named(tmp_path, texts):
    save_file({"pooled": np.ones(2)}, tmp_path / "v.safetensors", {"texts": texts})
    with pytest.raises(InputError, match="its metadata's texts are no JSON list of texts"):
        read(tmp_path / "v.safetensors")


def test_a_folder_under_a_files_name_is_named(tmp_path):
    (tmp_path / "v.json").mkdir()
    with pytest.raises(InputError, match=r"v\.json: can't be read \("):
        read(tmp_path / "v.json")


def test_an_empty_array_is_named(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((0, 3)))
    with pytest.raises(InputError, match=r"embedding is empty, of shape \(0, 3\)"):
        read(tmp_path / "v.npy")
