"""The same model with its files under other names: modules.json and the indexes say which."""

from __future__ import annotations

import json
from pathlib import Path

from models.build import built


def _parts(folder: Path, names: list[str], beside: str = "") -> None:
    """Name the parts of the weights otherwise, in the folder and in the index."""
    index = folder / beside / "model.safetensors.index.json"
    text = index.read_text()
    for old, new in zip(sorted({*json.loads(text)["weight_map"].values()}), names, strict=True):
        (folder / beside / old).rename(folder / beside / new)
        text = text.replace(old, new)
    index.write_text(text)


def _move(folder: Path, moves: dict[str, str]) -> None:
    """Put modules into other folders, in the folder and in modules.json."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        old = module["path"]
        module["path"] = new = moves.get(old, old)
        if new == old:
            continue
        (folder / new).mkdir(parents=True)
        for path in [path for path in (folder / old).iterdir() if path.is_file()]:
            if old or path.name not in ("modules.json", "config_sentence_transformers.json"):
                path.rename(folder / new / path.name)
    (folder / "modules.json").write_text(json.dumps(modules))


def odd_parts(parent: Path) -> Path:
    folder = built("several-files", parent)
    _parts(folder, ["weights_a.safetensors", "weights b.safetensors", "é.safetensors"])
    return folder


def one_odd_part(parent: Path) -> Path:
    folder = built("dense-relu", parent)
    for beside in ("", "2_Dense"):
        (folder / beside / "model.safetensors").rename(folder / beside / "only.safetensors")
        index = {"metadata": {}, "weight_map": {"any": "only.safetensors"}}
        (folder / beside / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def an_index_beside_whole_weights(parent: Path) -> Path:
    """The weights in one file, which win, and an index whose parts are not there."""
    folder = built("gte-small", parent)
    index = {"weight_map": {"any": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def odd_module_folders(parent: Path) -> Path:
    folder = built("dense-gelu", parent)
    _move(folder, {"1_Pooling": "pooling", "2_Dense": "modules/the dense one"})
    return folder


def a_transformer_in_a_folder(parent: Path) -> Path:
    folder = built("several-files", parent)
    _move(folder, {"": "0_Transformer", "1_Pooling": "./pooling/"})
    _parts(folder, ["a.safetensors", "b.safetensors", "c.safetensors"], "0_Transformer")
    return folder


def all_files(parent: Path) -> Path:
    """A folder with every file that is read, but the weights in one."""
    folder = built("dense-silu", parent)
    _move(folder, {"1_Pooling": "pooling", "2_Dense": "dense"})
    (folder / "model.safetensors").rename(folder / "a.safetensors")
    index = {"metadata": {}, "weight_map": {"any": "a.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config_sentence_transformers.json").write_text("{}")
    (folder / "added_tokens.json").write_text("{}")
    return folder


LAYOUTS = [
    odd_parts,
    one_odd_part,
    an_index_beside_whole_weights,
    odd_module_folders,
    a_transformer_in_a_folder,
    all_files,
]
