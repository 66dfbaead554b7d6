"""Which files are a model's: not those whose names look like it, but those that gtenp reads, as
modules.json and the weights' indexes name them. So a folder, a listing of the Hub and a wheel are
known for whole or half, and a copy loses nothing.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError
from gtenp.model_files.config import is_inside, read_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

# In one of these are the tokenizer's words.
_VOCABULARIES = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model"),
)
# What a tokenizer may be read from.
TOKENIZER_FILES = (
    *_VOCABULARIES,
    "merges.txt",  # which goes with vocab.json
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
# What may stand beside config.json and the weights, in the transformer's folder.
_OF_THE_TRANSFORMER = ("sentence_bert_config.json", *TOKENIZER_FILES)
# What may stand at the top; README.md for the licence.
_AT_THE_TOP = ("README.md", "config_sentence_transformers.json", "modules.json")


@dataclass(frozen=True)
class Contents:
    """The names of a model's files, relative to its folder."""

    config: str  # the transformer's config.json
    required: tuple[str, ...]  # that one, the weights, the modules' files
    optional: tuple[str, ...]
    vocabularies: tuple[str, ...]  # one of these must be there; they are optional ones

    def missing(self, there: Callable[[str], bool]) -> list[str]:
        """What half a model lacks, [] of a whole one."""
        missing = [name for name in self.required if not there(name)]
        if not any(map(there, self.vocabularies)):
            missing.append(" or ".join(self.vocabularies))
        return missing

    def of(self, there: Callable[[str], bool]) -> list[str]:
        """The files that there are, each after those that it vouches for.

        Whatever ends a download between two files, and whichever of them another program had left:
        a folder that lacks nothing has its settings too. So modules.json comes after them and its
        modules, then weights, then config.json.
        """

        def turn(name: str) -> tuple[bool, bool, bool, str]:
            return name == self.config, name.endswith(".safetensors"), name == "modules.json", name

        return sorted(filter(there, {*self.required, *self.optional}), key=turn)


def contents(there: Callable[[str], bool], read: Callable[[str], Any]) -> Contents:
    """What belongs to a model; ``there`` tells whether a file is, ``read`` gives its JSON value.

    Values of a wrong kind are passed over: the loader names them.

    >>> files = {"config.json", "pooling/config.json", "modules.json", "model.onnx"}
    >>> modules = [{"type": "models.Transformer"}, {"type": "models.Pooling", "path": "pooling"}]
    >>> found = contents(files.__contains__, lambda name: modules)
    >>> found.of(files.__contains__)
    ['pooling/config.json', 'modules.json', 'config.json']
    >>> found.missing(files.__contains__)[0]
    'model.safetensors'
    """

    def weights(folder: str) -> list[str]:
        """As checkpoint.weight_files chooses them."""
        index = _join(folder, INDEX)
        if there(_join(folder, WEIGHTS)) or not there(index):
            return [_join(folder, WEIGHTS)]
        value = read(index)
        parts = value.get("weight_map") if isinstance(value, dict) else None
        names = parts.values() if isinstance(parts, dict) else ()
        return [index, *(_join(folder, name) for name in sorted(set(filter(is_part, names))))]

    modules = _modules(read("modules.json") if there("modules.json") else None)
    transformer = next((path for kind, path in modules if kind == "Transformer"), "")
    required = [_join(transformer, "config.json"), *weights(transformer)]
    optional = [*_AT_THE_TOP, *(_join(transformer, name) for name in _OF_THE_TRANSFORMER)]
    for kind, path in modules:
        if kind in ("Pooling", "Dense", "LayerNorm"):
            required.append(_join(path, "config.json"))
        elif kind != "Transformer":  # versions before 6 write none for Normalize
            optional.append(_join(path, "config.json"))
        if kind in ("Dense", "LayerNorm"):
            required += weights(path)
    vocabularies = tuple(_join(transformer, name) for name in _VOCABULARIES)
    return Contents(required[0], tuple(required), tuple(optional), vocabularies)


def contents_of(folder: Path) -> Contents:
    """The same of a folder; ModelFileError where modules.json or an index is no JSON."""
    return contents(_there(folder), lambda name: read_json(folder / name))


def missing_files(folder: Path, *, modules_optional: bool) -> list[str]:
    """The files without which ``folder`` is half a model, [] where it is whole.

    modules.json must be there, unless the model is known to have none (``modules_optional``):
    transformers fetches config, tokenizer and weights alone, and such a folder would be pooled by
    a guess.
    """
    there = _there(folder)
    missing = contents_of(folder).missing(there)
    if not (modules_optional or there("modules.json")):
        missing.append("modules.json, or word from the Hub that the model has none")
    return missing


def copy_model(source: Path, folder: Path) -> None:
    """Copy a model's files, following links; ModelFileError where one has not come whole."""
    import shutil  # which no cold start needs

    for name in contents_of(source).of(_there(source)):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)
        if target.stat().st_size != (source / name).stat().st_size:
            raise ModelFileError(source / name, "changed while it was copied; try again")


def is_part(name: Any, suffix: str = ".safetensors") -> bool:
    """Whether an index may name this as a file of weights, which lies beside it.

    >>> [is_part(name) for name in ("a b.safetensors", "a.bin", "../a.safetensors", 3)]
    [True, False, False, False]
    """
    return is_inside(name) and "/" not in name and name.endswith(suffix)


def _modules(listed: Any) -> list[tuple[str, str]]:
    """The kind and the folder of each module."""
    return [
        (str(entry.get("type")).rpartition(".")[2], entry.get("path", ""))
        for entry in (listed if isinstance(listed, list) else ())
        if isinstance(entry, dict) and is_inside(entry.get("path", ""))
    ]


def _join(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))


def _there(folder: Path) -> Callable[[str], bool]:
    # False for a link whose target is gone
    return lambda name: os.path.isfile(os.path.join(folder, name))
