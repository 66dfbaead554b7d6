"""config.json as a frozen dataclass, and how every file of a model folder is read: within bounds,
and never outside the folder.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gtenp.errors import ModelFileError, UnsupportedModelError

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
shown = _SHORT.repr  # a value in a message: a hostile file's may be megabytes long

# The largest published file is a tokenizer.json of half a million words, 17 MB. The bounds keep a
# hostile file from filling the memory: JSON takes up to thirty times its size there.
_MAX_JSON = 64 << 20
MAX_SETTINGS = 4 << 20


def read_json(path: Path, max_size: int = _MAX_JSON) -> Any:
    """The value that a UTF-8 JSON file holds; ModelFileError where it isn't JSON, and where
    ``read_text`` raises one.
    """
    text = read_text(path, max_size)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"is not JSON ({error}); copy it anew") from error


def read_text(path: Path, max_size: int = _MAX_JSON) -> str:
    """What a UTF-8 file holds; ModelFileError where it is missing, a pointer of git LFS, of another
    encoding or larger than any such file need be.
    """
    try:
        if path.stat().st_size > max_size:
            raise ModelFileError(path, f"is larger than {max_size:,} bytes; copy it anew")
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(path, f"can't be read ({error.strerror}); copy it anew") from error
    refuse_pointer(path, content)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[:4].count(0) > 1:
        raise ModelFileError(path, "is UTF-16 or UTF-32; save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ModelFileError(path, "begins with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(path, f"is not UTF-8 (byte {error.start}); copy it anew") from error


LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def refuse_pointer(path: Path, start: bytes) -> None:
    """ModelFileError where a file that starts so is what git keeps of a large file's contents."""
    if start.startswith(LFS_POINTER):
        raise ModelFileError(
            path,
            "is a pointer of git LFS, not the file itself; run `git lfs pull` in the folder, or "
            "copy it anew",
        )


class JsonObject:
    """One JSON object and the file it came from, so that each wrong value can name its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values = read_json(path, MAX_SETTINGS)
        if not isinstance(self.values, dict):
            raise ModelFileError(path, "is not a JSON object; copy it anew")

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def refuse_all_but(self, key: str, supported: Any) -> None:
        """UnsupportedModelError where the key is set to anything else."""
        value = self.values.get(key)
        if value is not None and value != supported:
            raise UnsupportedModelError(
                self.path, f"sets {key} to {shown(value)}; gtenp knows {supported!r} only"
            )

    def positive_int(self, key: str, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if type(value) is not int or value < 1:
            raise ModelFileError(
                self.path, f"{key} is {shown(value)}; wanted a whole number from 1"
            )
        return value

    def positive_float(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if type(value) not in (int, float) or not 0 < value < 1e38:
            raise ModelFileError(self.path, f"{key} is {shown(value)}; wanted a positive number")
        return float(value)

    def boolean(self, key: str, default: bool = False) -> bool:
        value = self.values.get(key, default)
        if type(value) is not bool:
            raise ModelFileError(self.path, f"{key} is {shown(value)}; wanted true or false")
        return value

    def strings(self, key: str) -> list[str]:
        value = self.values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ModelFileError(self.path, f"{key} is {shown(value)}; wanted a list of strings")
        return value


# ── What a folder may not do ─────────────────────────────────────────────────────────────────────


def is_inside(path: Any) -> bool:
    r"""Whether a path that a file states stays within its folder, links aside.

    >>> [is_inside(path) for path in ("", "1_Pooling", "a/b", "..", "a/../../b", "/etc", "C:\\a")]
    [True, True, True, False, False, False, False]
    """
    return (
        isinstance(path, str)
        and not path.startswith("/")
        and ".." not in PurePosixPath(path).parts
        # Windows' separators and drives, and what no file's name can hold
        and not re.search(r"[\\:\0\ud800-\udfff]", path)
    )


def refuse_links_outside(
    folder: Path, within: str = "", suffixes: tuple[str, ...] = (".json", ".txt", ".safetensors")
) -> None:
    """ModelFileError where a file of the model, in the folder or in one within, lies elsewhere or
    is no regular file.

    In the Hub's cache, models--org--name/snapshots/<commit> holds links into
    models--org--name/blobs; these are fine.
    """
    home = os.path.realpath(folder)
    allowed = [home]
    for parent in Path(home).parents:  # the folder is the model's own, or a module's in it
        if parent.name == "snapshots":
            allowed.append(os.path.realpath(parent.with_name("blobs")))

    def check(path: Path) -> None:
        target = os.path.realpath(path)
        if target != home and not any(target.startswith(place + os.sep) for place in allowed):
            raise ModelFileError(
                path, f"is a link out of the folder, to {target}; copy the file itself here"
            )

    if within:
        check(folder / within)
    try:
        entries = list(os.scandir(folder / within))
    except OSError:
        return  # the reader of the first file says it better
    for entry in entries:
        path = Path(entry.path)
        if path.suffix in suffixes:
            if entry.is_symlink():
                check(path)
                if not os.path.exists(path):  # gone, or a link to itself
                    raise ModelFileError(
                        path,
                        f"is a link to {os.readlink(path)}, which leads to no file; copy the file "
                        "itself here",
                    )
            if not entry.is_file():
                raise ModelFileError(path, "is not a regular file; copy it anew")


# ── config.json ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class BertConfig:
    """The sizes of one BERT, under the names of its config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"
    architectures: tuple[str, ...] = ()

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_folder(cls, folder: Path) -> BertConfig:
        """Read config.json; a key that is not there has transformers' default.

        ModelFileError for a wrong value, UnsupportedModelError for another
        architecture, activation or position scheme than gtenp computes.
        """
        refuse_links_outside(folder)
        path = folder / "config.json"
        found = JsonObject(path)
        for key, supported in _SUPPORTED.items():
            value = found.get(key, supported[0])
            if value not in supported and not (value is None and key in _MAY_BE_NULL):
                wanted = " or ".join(map(repr, supported))
                raise UnsupportedModelError(
                    path, f"{key} is {shown(value)}; gtenp runs {wanted} only; pick another model"
                )
        for key, meaning in _REFUSED.items():
            if found.get(key):
                raise UnsupportedModelError(
                    path, f"has {key}: {meaning}, which gtenp does not do; pick another model"
                )
        config = cls(
            **{key: found.positive_int(key, default) for key, default in _SIZES.items()},
            layer_norm_eps=found.positive_float("layer_norm_eps", 1e-12),
            hidden_act=found.get("hidden_act", "gelu"),
            architectures=tuple(found.strings("architectures")),
        )
        if config.hidden_size % config.num_attention_heads:
            raise ModelFileError(
                path,
                f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
                f"{config.num_attention_heads}; copy the file anew",
            )
        return config


# What a missing key means: the defaults of transformers' BertConfig, those of bert-base-uncased.
# A null is refused, as it is there.
_SIZES = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}

# Every key that changes the arithmetic, with the values that gtenp computes. A missing key means
# the first of them to transformers too.
_SUPPORTED: dict[str, tuple[Any, ...]] = {
    "model_type": ("bert",),
    "hidden_act": ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
}
_MAY_BE_NULL = ("model_type", "position_embedding_type")  # as if they were not there
_REFUSED = {
    "auto_map": "the model brings its own code",
    "quantization_config": "the weights are quantized",
    "pruned_heads": "layers differ in their number of heads",
}
