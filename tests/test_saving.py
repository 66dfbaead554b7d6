"""A saved folder is a model, whatever its files were called, or it is not there at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from models.build import built
from models.layouts import LAYOUTS
from places import DATA

from gtenp import BertModel, Embedder, Tokenizer, saving
from gtenp.errors import InputError, ModelFileError
from gtenp.verify.trace import model_of

TEXTS = ["what is the capital of China?", "", "Beijing"]


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_whose_files_have_other_names_is_saved_whole(layout, tmp_path):
    embedder = Embedder(layout(tmp_path))
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    np.testing.assert_array_equal(again.encode(TEXTS), embedder.encode(TEXTS))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_saved_folder_holds_what_is_read_and_no_more(layout, tmp_path):
    folder = layout(tmp_path)
    for name in ("pytorch_model.bin", "notes.json", "onnx/config.json", "other.safetensors"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    Embedder(folder).save_pretrained(tmp_path / "saved")
    for name in names(tmp_path / "saved"):
        original = (tmp_path / "saved" / name).read_bytes()
        (tmp_path / "saved" / name).unlink()
        if name.endswith(".safetensors") or name.endswith("index.json"):
            with pytest.raises(ModelFileError):
                Embedder(tmp_path / "saved")
        (tmp_path / "saved" / name).write_bytes(original)
    assert not names(tmp_path / "saved") & {
        "pytorch_model.bin", "notes.json", "onnx/config.json", "other.safetensors"
    }  # fmt: skip


def test_a_model_of_a_relative_path_is_saved_from_another_folder(tmp_path, monkeypatch):
    built("dense-relu", tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")
    embedder = Embedder("dense-relu")
    tokenizer = Tokenizer.from_pretrained("dense-relu")
    model = BertModel.from_pretrained("dense-relu")
    (tmp_path / "b").mkdir()
    os.chdir(tmp_path / "b")
    embedder.save_pretrained("../copy")
    np.testing.assert_array_equal(Embedder("../copy").encode(TEXTS), embedder.encode(TEXTS))
    # nor does anything else that was loaded look where the process is now
    batch = tokenizer(TEXTS, padding=True, return_tensors="np")
    assert model(**batch).last_hidden_state.shape[0] == len(TEXTS)
    assert embedder.folder == tmp_path / "a" / "dense-relu"
    assert model_of(embedder) is not None


def test_the_home_folders_sign_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Embedder(DATA / "tiny").save_pretrained("~/saved")
    assert Embedder("~/saved").folder == tmp_path / "saved"
    assert not Path("~").exists()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "2_Dense/config.json", "config.json", "modules.json"]
)
def test_a_model_whose_folder_lost_a_file_is_not_saved_in_part(name, tmp_path):
    folder = built("dense-relu", tmp_path)
    embedder = Embedder(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=f"dense-relu: lacks {name}.*; copy the whole folder"):
        embedder.save_pretrained(tmp_path / "new" / "saved")
    assert {path.name for path in tmp_path.iterdir()} == {"dense-relu"}


def test_a_model_whose_vocabulary_is_gone_is_not_saved_in_part(tiny, tmp_path):
    embedder = Embedder(tiny)
    for name in ("vocab.txt", "tokenizer.json"):
        (tiny / name).unlink(missing_ok=True)
    with pytest.raises(ModelFileError, match=r"lacks tokenizer\.json or vocab\.txt"):
        embedder.save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_file_that_arrives_shorter_is_an_error_that_leaves_nothing(tmp_path, monkeypatch):
    copy = shutil.copyfile

    def cut(source, target):
        copy(source, target)
        if target.name == "model.safetensors":
            os.truncate(target, 100)

    embedder = Embedder(DATA / "tiny")
    monkeypatch.setattr(shutil, "copyfile", cut)
    with pytest.raises(ModelFileError, match=r"model\.safetensors: changed while it was copied"):
        embedder.save_pretrained(tmp_path / "saved")
    assert list(tmp_path.iterdir()) == []


def test_an_index_or_a_list_of_modules_cannot_name_files_elsewhere(tmp_path):
    folder = built("several-files", tmp_path)
    embedder = Embedder(folder)
    (tmp_path / "secret.safetensors").write_bytes(b"!")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "config.json").write_text("{}")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"]["more"] = "../secret.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"path": "../secret", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))
    embedder.save_pretrained(tmp_path / "new" / "saved")
    assert not [name for name in names(tmp_path / "new") if "secret" in name]


def test_a_place_that_takes_no_folder_is_named_and_not_a_temporary_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file.copy: can't be written .*name another folder"):
        Embedder(DATA / "tiny").save_pretrained(tmp_path / "file" / "copy")


def test_a_disk_that_fills_up_while_saving_leaves_nothing(tmp_path, monkeypatch):
    def fill(*_, **__):
        raise OSError(28, "No space left on device", str(tmp_path / ".copy.part-x" / "config.json"))

    embedder = Embedder(DATA / "tiny")
    monkeypatch.setattr(saving, "copy_model", fill)
    with pytest.raises(InputError, match=r"copy: can't be written \(No space left.*make room"):
        embedder.save_pretrained(tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path):
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "thesis.txt").write_text("!")
    with pytest.raises(InputError, match="exists and is not an empty folder; name another one"):
        Embedder(DATA / "tiny").save_pretrained(tmp_path / "saved")
    assert names(tmp_path) == {"saved/thesis.txt"}


def test_a_saved_folder_asks_for_float32_whatever_the_weights_are_kept_in(tmp_path):
    Embedder(built("gte-small", tmp_path)).save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert (config["torch_dtype"], config["dtype"]) == ("float32", "float32")
    with (tmp_path / "saved" / "model.safetensors").open("rb") as file:
        assert b'"F16"' in file.read(1000)


def test_a_saved_folder_lowers_what_the_model_lowered(tmp_path):
    folder = built("lowered-before-a-cased-tokenizer", tmp_path)
    Embedder(folder).save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved")
    np.testing.assert_array_equal(again.encode("THE Capital"), again.encode("the capital"))
