"""What a model folder's JSON files say, as frozen dataclasses; what gtenp can't do is refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path) -> Any:
    """The value that a UTF-8 JSON file holds; ModelFileError where it is missing or isn't JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFileError(path, f"can't be read ({error.strerror}); copy it anew") from error
    except UnicodeDecodeError as error:
        raise ModelFileError(path, f"is not UTF-8 (byte {error.start}); copy it anew") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"is not JSON ({error}); copy it anew") from error


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

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @classmethod
    def from_folder(cls, folder: Path) -> BertConfig:
        """Read config.json; ModelFileError for a wrong value, UnsupportedModelError for another
        architecture, activation or position scheme than BERT's own.
        """
        path = folder / "config.json"
        found = _JsonObject(path)
        for key, supported in _SUPPORTED.items():
            value = found.get(key, supported)
            if value != supported:
                raise UnsupportedModelError(
                    path, f"{key} is {value!r}; gtenp runs {supported!r} only; pick another model"
                )
        sizes = {key: found.positive_int(key) for key in _SIZES}
        config = cls(**sizes, layer_norm_eps=found.positive_float("layer_norm_eps", 1e-12))
        if config.hidden_size % config.num_attention_heads:
            raise ModelFileError(
                path,
                f"hidden_size {config.hidden_size} is not a multiple of num_attention_heads "
                f"{config.num_attention_heads}; copy the file anew",
            )
        return config


_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)

# Every key that changes the arithmetic, with the one value that gtenp computes. A missing key
# means this value to transformers too.
_SUPPORTED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}


@dataclass(frozen=True)
class SentenceConfig:
    """How token vectors become a sentence vector: modules.json and the files it names.

    The defaults are those of sentence-transformers for a folder without modules.json.
    """

    pooling_mode: str = "mean"
    normalize: bool = False
    max_seq_length: int | None = None

    @classmethod
    def from_folder(cls, folder: Path) -> SentenceConfig:
        """Read modules.json, the pooling's config.json and sentence_bert_config.json.

        ModelFileError for a damaged file; UnsupportedModelError for a module, a pooling mode or a
        setting that gtenp does not know: a vector pooled otherwise would be wrong without a sign.
        """
        path = folder / "modules.json"
        if not path.exists():
            return cls()
        modules = _read_modules(path)
        kinds = [kind for kind, _ in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise UnsupportedModelError(
                path,
                f"has the modules {', '.join(kinds)}; gtenp runs Transformer, Pooling and "
                "optionally Normalize, in this order; pick another model",
            )
        _refuse_other_defaults(folder / "config_sentence_transformers.json")
        return cls(
            pooling_mode=_read_pooling_mode(folder / modules[1][1] / "config.json"),
            normalize="Normalize" in kinds,
            max_seq_length=_read_max_seq_length(folder / "sentence_bert_config.json"),
        )


# The class paths that sentence-transformers writes: up to version 5, and from version 6.
_MODULE_KINDS = {
    "sentence_transformers.models.Transformer": "Transformer",
    "sentence_transformers.models.Pooling": "Pooling",
    "sentence_transformers.models.Normalize": "Normalize",
    "sentence_transformers.base.modules.transformer.Transformer": "Transformer",
    "sentence_transformers.sentence_transformer.modules.pooling.Pooling": "Pooling",
    "sentence_transformers.base.modules.normalize.Normalize": "Normalize",
}

_POOLING_MODES = ("mean", "cls")

_OLD_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def _read_modules(path: Path) -> list[tuple[str, str]]:
    """Each module's kind and its folder's name, in order."""
    listed = read_json(path)
    if not isinstance(listed, list):
        raise ModelFileError(path, "is not a JSON list; copy it anew")
    modules = []
    for index, entry in enumerate(listed):
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ModelFileError(path, f"entry {index} has no type; copy it anew")
        kind = _MODULE_KINDS.get(entry["type"])
        if kind is None:
            raise UnsupportedModelError(
                path,
                f"names the module {entry['type']}, which gtenp does not run; pick another model",
            )
        name = entry.get("path", "")
        if not isinstance(name, str) or name in (".", "..") or "/" in name or "\\" in name:
            raise ModelFileError(path, f"entry {index} has the path {name!r}, not a folder's name")
        modules.append((kind, name))
    return modules


def _read_pooling_mode(path: Path) -> str:
    """The one pooling mode of a pooling config, in its old form (flags) or its new one (a name)."""
    found = _JsonObject(path)
    mode = found.get("pooling_mode")
    if mode is None:
        active = [name for key, name in _OLD_POOLING_KEYS.items() if found.get(key)]
        mode = active or ["mean"]
    modes = [mode] if isinstance(mode, str) else mode
    if not isinstance(modes, list) or len(modes) != 1 or modes[0] not in _POOLING_MODES:
        raise UnsupportedModelError(
            path, f"asks for pooling {mode!r}; gtenp has {', '.join(_POOLING_MODES)}"
        )
    if found.get("include_prompt", True) is not True:
        raise UnsupportedModelError(
            path, "leaves prompts out of the pooling (include_prompt false); gtenp can't yet"
        )
    return str(modes[0])


def _read_max_seq_length(path: Path) -> int | None:
    """max_seq_length, in tokens, of sentence_bert_config.json; None where it is not said."""
    if not path.exists():
        return None
    found = _JsonObject(path)
    if found.get("do_lower_case"):
        raise UnsupportedModelError(path, "asks for do_lower_case before the tokenizer")
    if found.get("max_seq_length") is None:
        return None
    return found.positive_int("max_seq_length")


def _refuse_other_defaults(path: Path) -> None:
    """Refuse the defaults that would change vectors or scores and that gtenp does not apply."""
    if not path.exists():
        return
    found = _JsonObject(path)
    for key, supported in (
        ("default_prompt_name", None),
        ("truncate_dim", None),
        ("similarity_fn_name", "cosine"),
    ):
        if found.get(key) not in (None, supported):
            raise UnsupportedModelError(path, f"sets {key} to {found.get(key)!r}; gtenp can't yet")


class _JsonObject:
    """One JSON object and the file it came from, so that each wrong value can name its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values = read_json(path)
        if not isinstance(self.values, dict):
            raise ModelFileError(path, "is not a JSON object; copy it anew")

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def positive_int(self, key: str) -> int:
        value = self.values.get(key)
        if type(value) is not int or value < 1:
            raise ModelFileError(self.path, f"{key} is {value!r}; wanted a positive whole number")
        return value

    def positive_float(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise ModelFileError(self.path, f"{key} is {value!r}; wanted a positive number")
        return float(value)
