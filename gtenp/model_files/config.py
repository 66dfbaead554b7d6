"""config.json as a frozen dataclass, and how every file of a model folder is read: within bounds,
and never outside the folder.
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from dataclasses import dataclass, replace
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
    """What a UTF-8 file holds; ModelFileError where it is of another encoding, and where
    ``read_bytes`` raises one.
    """
    content = read_bytes(path, max_size)
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or content[:4].count(0) > 1:
        raise ModelFileError(path, "is UTF-16 or UTF-32; save it as UTF-8")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ModelFileError(path, "begins with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(path, f"is not UTF-8 (byte {error.start}); copy it anew") from error


def read_bytes(path: Path, max_size: int = _MAX_JSON) -> bytes:
    """What a file holds; ModelFileError where it is missing, a pointer of git LFS or larger than
    any such file need be.
    """
    try:
        if path.stat().st_size > max_size:
            raise ModelFileError(path, f"is larger than {max_size:,} bytes; copy it anew")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(path, "is missing; copy the whole folder") from error
    except OSError as error:
        raise ModelFileError(path, f"can't be read ({error.strerror}); copy it anew") from error
    refuse_pointer(path, content)
    return content


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

    def name_of(self, *names: str) -> str:
        """Whichever of a setting's names the file has, the first where it has none; ModelFileError
        where two of them state different values.
        """
        stated = [name for name in names if self.values.get(name) is not None]
        for name in stated[1:]:
            first, value = self.values[stated[0]], self.values[name]
            if value != first:
                raise ModelFileError(
                    self.path,
                    f"{stated[0]} is {shown(first)} and {name}, which means the same, is "
                    f"{shown(value)}; leave the right one",
                )
        return stated[0] if stated else names[0]

    def refuse_all_but(self, key: str, supported: Any) -> None:
        """UnsupportedModelError where the key is set to anything else."""
        value = self.values.get(key)
        if value is not None and value != supported:
            raise UnsupportedModelError(
                self.path,
                f"sets {key} to {shown(value)}; gtenp knows {supported!r} only; pick another model",
            )

    def refuse_others(
        self, key: str, supported: tuple[Any, ...], *, null_is_missing: bool = False
    ) -> None:
        """UnsupportedModelError where the key is set to none of these; a missing key means the
        first.
        """
        value = self.values.get(key, supported[0])
        if value not in supported and not (value is None and null_is_missing):
            wanted = " or ".join(map(repr, supported))
            raise UnsupportedModelError(
                self.path, f"{key} is {shown(value)}; gtenp runs {wanted} only; pick another model"
            )

    def positive_int(self, key: str, default: int | None = None) -> int:
        value = self.values.get(key, default)
        if type(value) is not int or value < 1:
            raise ModelFileError(
                self.path, f"{key} is {shown(value)}; wanted a whole number from 1"
            )
        return value

    def size(self, default: int, *names: str) -> int:
        """A ``positive_int`` by whichever of its names the file has."""
        return self.positive_int(self.name_of(*names), default)

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
class Arithmetic:
    """Where a family's forward pass is not BERT's. The defaults are BERT's."""

    position_table: bool = True  # False: the table is one row of zeros
    token_types: bool = True  # likewise
    first_position: int = 0  # the row of the position table that a text's first token gets
    # The token that is no part of a text wherever it stands: it is not counted, and gets the row
    # before the first. None: every token is counted.
    uncounted_token_id: int | None = None
    embeddings_norm: bool = True  # whether a norm follows the embeddings' sum
    norm: str = "layer"  # or "rms": root mean squares
    # Whether norms stand before the products, and once more behind the last layer, and not after
    # the sums.
    norm_first: bool = False
    attention_norm: bool = True  # whether there is one before the attention, where they come first
    # θ, where queries and keys are turned by place · θ^(-2i/D) before they are multiplied.
    rotary_base: float | None = None
    rotary_scale: float = 1.0  # what these angles are divided by
    scaled_scores: bool = True  # whether q·k is divided by √D
    # What is added to the scores, by how far a key stands from a query: None, "buckets" of learned
    # numbers, or "alibi".
    score_bias: str | None = None
    max_distance: int = 128  # from which on all distances are in one bucket
    causal: bool = False  # whether a token looks at none that comes after it
    window: int | None = None  # how many tokens to either side a token looks at; None: at all
    gated: bool = False  # whether the feed-forward has a second product that its activation scales


@dataclass(frozen=True)
class BertConfig:
    """The sizes of one BERT, or of a relative, under the names of BERT's config.json."""

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
    model_type: str = "bert"  # for those that read the files; no arithmetic asks for it
    num_labels: int = 2  # of a classifier
    stated_head_size: int | None = None  # where it is not hidden_size / num_attention_heads
    relative_attention_num_buckets: int = 32
    arithmetic: Arithmetic = Arithmetic()
    layer_arithmetics: tuple[Arithmetic, ...] = ()  # of each layer, where they differ
    classifier_pooling: str = "cls"  # what a cross-encoder reads: the first token, or the "mean"

    def of_layer(self, number: int) -> BertConfig:
        """The same as one layer sees it: with its own arithmetic."""
        if not self.layer_arithmetics:
            return self
        return replace(self, arithmetic=self.layer_arithmetics[number])

    @property
    def local_layers(self) -> tuple[int, ...]:
        """The numbers of those in which a token looks at its neighbours alone."""
        layers = enumerate(self.layer_arithmetics)
        return tuple(number for number, one in layers if one.window is not None)

    @property
    def head_size(self) -> int:
        return self.stated_head_size or self.hidden_size // self.num_attention_heads

    @property
    def attention_size(self) -> int:
        """The heads side by side: A·D, which is H where no head size is stated."""
        return self.num_attention_heads * self.head_size

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text there are positions for; NO_LIMIT where there are none."""
        if not self.arithmetic.position_table and self.arithmetic.rotary_base is None:
            return NO_LIMIT
        return self.max_position_embeddings - self.arithmetic.first_position


NO_LIMIT = int(1e9)  # tokens, more than any text has


ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish")


def refuse_what_changes_the_arithmetic(
    found: JsonObject,
    hidden_act: str = "hidden_act",
    *,
    own_code: bool = False,
    positions: tuple[str, ...] = ("absolute",),
) -> None:
    """UnsupportedModelError for a key, common to the families, whose value gtenp does not compute.

    A missing key means the first of the supported values to transformers too. ``own_code``: the
    family's folders name code of their own that says what transformers' says. ``positions``: what
    the family calls its kind of positions.
    """
    supported_by_key = {
        hidden_act: ACTIVATIONS,
        "position_embedding_type": positions,
        "is_decoder": (False,),
        "add_cross_attention": (False,),
    }
    for key, supported in supported_by_key.items():
        found.refuse_others(key, supported, null_is_missing=key == "position_embedding_type")
    for key, meaning in _REFUSED.items():
        if found.get(key) and not (own_code and key == "auto_map"):
            raise UnsupportedModelError(
                found.path, f"has {key}: {meaning}, which gtenp does not do; pick another model"
            )


_REFUSED = {
    "auto_map": "the model brings its own code",
    "quantization_config": "the weights are quantized",
    "pruned_heads": "layers differ in their number of heads",
}


def rotary_base(path: Path, stated: Any, default: float | None) -> float:
    """θ of the rotary angles, of an object as rope_parameters is or has.

    UnsupportedModelError for angles that are computed otherwise; ModelFileError for what is no
    such object.
    """
    if not isinstance(stated, dict):
        raise ModelFileError(path, f"rope_parameters is {shown(stated)}; wanted an object")
    if stated.get("rope_type", stated.get("type", "default")) != "default":
        raise UnsupportedModelError(
            path,
            f"rope_parameters is {shown(stated)}; gtenp knows the type 'default' only; pick "
            "another model",
        )
    base: Any = stated.get("rope_theta")
    base = default if base is None else base
    if type(base) not in (int, float) or not 0 < base < 1e38:
        raise ModelFileError(path, f"rope_theta is {shown(base)}; wanted a positive number")
    return float(base)


def num_labels(found: JsonObject) -> int:
    """How many scores a classifier gives: the entries of id2label, or transformers' 2."""
    labels = found.get("id2label")
    if labels is None:
        return found.positive_int("num_labels") if found.get("num_labels") is not None else 2
    if not isinstance(labels, dict) or not labels:
        raise ModelFileError(found.path, f"id2label is {shown(labels)}; wanted an object of labels")
    return len(labels)


def check_sizes(path: Path, config: BertConfig) -> BertConfig:
    """The config; ModelFileError where its sizes don't fit together."""
    if config.stated_head_size is None and config.hidden_size % config.num_attention_heads:
        raise ModelFileError(
            path,
            f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
            f"{config.num_attention_heads}; copy the file anew",
        )
    if config.arithmetic.rotary_base is not None and config.head_size % 2:
        raise ModelFileError(
            path,
            f"hidden_size {config.hidden_size} in {config.num_attention_heads} heads leaves "
            f"{config.head_size} values a head, whose positions turn pairs; copy the file anew",
        )
    if config.max_tokens < 3:
        raise ModelFileError(
            path,
            f"max_position_embeddings is {config.max_position_embeddings}, which leaves no room "
            "for a text; copy the file anew",
        )
    return config
