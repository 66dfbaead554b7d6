"""What belongs to a model, by what its files name."""

from __future__ import annotations

import pytest

from gtenp.model_files.contents import contents

ALL = {"config.json", "model.safetensors", "tokenizer.json"}


def found(files: dict[str, object]) -> list[str]:
    return contents(files.__contains__, files.__getitem__).of(files.__contains__)


def modules(**paths: object) -> list[dict[str, object]]:
    return [{"type": f"any.home.{kind}", "path": path} for kind, path in paths.items()]


@pytest.mark.parametrize("path", ["..", "../m", "/etc", "a/../..", "C:\\m", "a\0", 3, None, ["a"]])
@pytest.mark.parametrize("kind", ["Transformer", "Pooling", "Dense", "Normalize"])
def test_no_module_takes_a_name_out_of_the_folder(kind, path):
    files = {"modules.json": modules(**{kind: path})}
    model = contents(files.__contains__, files.__getitem__)
    expected = contents(set().__contains__, files.__getitem__)
    assert (model.required, model.optional) == (expected.required, expected.optional)


@pytest.mark.parametrize("part", ["../a.safetensors", "/a.safetensors", "a.bin", "b/a.safetensors"])
def test_no_index_takes_a_name_out_of_its_folder(part):
    index = {"weight_map": {"x": part, "y": "b.safetensors"}}
    files = {"model.safetensors.index.json": index, part: None, "b.safetensors": None}
    assert found(files) == ["model.safetensors.index.json", "b.safetensors"]


@pytest.mark.parametrize(
    "value", [None, 3, "a", {}, [3], [{}], [{"type": None}], [{"type": "any.Unknown", "path": "a"}]]
)
def test_a_list_of_modules_that_is_none_leaves_the_transformer_at_the_top(value):
    model = contents({"modules.json"}.__contains__, lambda _: value)
    assert model.required == ("config.json", "model.safetensors")
    assert model.missing(ALL.__contains__) == []


@pytest.mark.parametrize("value", [None, 3, [], {}, {"weight_map": 3}, {"weight_map": {"x": 3}}])
def test_an_index_that_is_none_is_left_for_the_loader_to_name(value):
    assert found({"model.safetensors.index.json": value}) == ["model.safetensors.index.json"]


def test_each_file_comes_after_those_that_it_vouches_for():
    listed = modules(Transformer="a", Pooling="z", Dense="./d/")
    index = {"weight_map": {"x": "2.safetensors", "y": "1.safetensors"}}
    files = {
        "a/config.json": None,
        "a/1.safetensors": None,
        "modules.json": listed,
        "z/config.json": None,
        "d/model.safetensors": None,
        "d/config.json": None,
        "a/2.safetensors": None,
        "a/model.safetensors.index.json": index,
        "a/vocab.txt": None,
        "a/notes.txt": None,
        "config.json": None,
    }
    assert found(files) == [
        "a/model.safetensors.index.json",
        "a/vocab.txt",
        "d/config.json",
        "z/config.json",
        "modules.json",
        "a/1.safetensors",
        "a/2.safetensors",
        "d/model.safetensors",
        "a/config.json",
    ]
