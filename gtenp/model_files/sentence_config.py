"""modules.json and the files that it names, as frozen dataclasses: how token vectors become a
sentence vector, and of what prompts and lengths. What gtenp can't do is refused.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import (
    MAX_SETTINGS,
    JsonObject,
    is_inside,
    read_json,
    refuse_links_outside,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Pooling:
    """Token vectors → one vector; where there are several modes, their vectors side by side."""

    modes: tuple[str, ...] = ("mean",)
    include_prompt: bool = True


@dataclass(frozen=True)
class Dense:
    """activation(x Wᵀ + b), its weights in ``folder``."""

    folder: Path
    in_features: int
    out_features: int
    bias: bool
    activation: str  # a key of pooling.DENSE_ACTIVATIONS

    @property
    def summary(self) -> str:
        return f"dense {self.in_features} → {self.out_features}, {self.activation}"


@dataclass(frozen=True)
class LayerNorm:
    """A layer normalisation, its weights in ``folder``."""

    folder: Path
    dimension: int
    summary = "layer norm"


@dataclass(frozen=True)
class Normalize:
    """Division by the Euclidean length."""

    summary = "normalize"


@dataclass(frozen=True)
class SentenceConfig:
    """How a text becomes token ids and token vectors a sentence vector: modules.json, the files it
    names, and config_sentence_transformers.json.

    The defaults are those of sentence-transformers for a folder without modules.json.
    """

    pooling: Pooling = Pooling()
    heads: tuple[Dense | LayerNorm | Normalize, ...] = ()  # what follows the pooling, in order
    transformer_folder: str = ""  # below the model's folder: config, weights and tokenizer
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    similarity_fn_name: str = "cosine"
    truncate_dim: int | None = None
    module_folders: tuple[str, ...] = ()  # of all modules, in the order of modules.json

    @property
    def has_modules(self) -> bool:
        """Whether there was a modules.json."""
        return bool(self.module_folders)

    @classmethod
    def from_folder(cls, folder: Path) -> SentenceConfig:
        """Read all of them; ModelFileError for a damaged file, UnsupportedModelError for a module,
        a pooling mode or a setting that gtenp does not know: a vector made otherwise would be wrong
        without a sign.
        """
        refuse_links_outside(folder)
        defaults = _read_defaults(folder / "config_sentence_transformers.json")
        path = folder / "modules.json"
        if not os.path.lexists(path):
            # There sentence-transformers leaves config_sentence_transformers.json unread.
            return cls(**read_transformer_settings(folder))
        modules = read_modules(path)
        if len(modules) < 2:
            names = ", ".join(kind for kind, _ in modules) or "none"
            raise UnsupportedModelError(
                path,
                f"has the modules {names}; gtenp runs Transformer, then Pooling; pick another one",
            )
        (first, transformer_folder), (second, pooling_folder), *rest = modules
        if first != "Transformer" or second != "Pooling":
            raise UnsupportedModelError(
                path,
                f"begins with the modules {first}, {second}; gtenp runs Transformer, then Pooling; "
                "pick another model",
            )
        heads: list[Dense | LayerNorm | Normalize] = []
        for kind, name in rest:
            if kind not in _READERS:
                raise UnsupportedModelError(
                    path, f"has a second {kind}, which gtenp does not run; pick another model"
                )
            refuse_links_outside(folder, name)
            heads.append(_READERS[kind](folder / name))
        refuse_links_outside(folder, transformer_folder)
        refuse_links_outside(folder, pooling_folder)
        return cls(
            pooling=_read_pooling(folder / pooling_folder / "config.json"),
            heads=tuple(heads),
            transformer_folder=transformer_folder,
            module_folders=tuple(name for _, name in modules),
            **read_transformer_settings(folder / transformer_folder),
            **defaults,
        )

    @property
    def normalizes(self) -> bool:
        """Whether vectors leave with length 1."""
        return isinstance(next(iter(reversed(self.heads)), None), Normalize)

    def dimension(self, hidden_size: int) -> int:
        """The length of one sentence vector, before truncate_dim; ModelFileError where a module
        does not take what the one before it gives.
        """
        size = len(self.pooling.modes) * hidden_size
        for head in self.heads:
            if isinstance(head, Normalize):
                continue
            wanted = head.in_features if isinstance(head, Dense) else head.dimension
            if wanted != size:
                raise ModelFileError(
                    head.folder / "config.json",
                    f"takes vectors of length {wanted}, but is given {size}; copy the whole folder "
                    "from one model",
                )
            size = head.out_features if isinstance(head, Dense) else size
        return size


POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")

# In the order in which sentence-transformers puts the vectors of several modes side by side.
_OLD_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# torch.nn's classes that take no settings which change them.
DENSE_ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")

# Prompts that every model has; empty where its files don't state them.
EMPTY_PROMPTS = ("query", "document")

SIMILARITY_NAMES = ("cosine", "dot", "euclidean", "manhattan")

# The class paths that sentence-transformers has written over time.
_KINDS = {
    f"sentence_transformers.{home}.{kind}": kind
    for kind, file in {
        "Transformer": "transformer",
        "Pooling": "pooling",
        "Dense": "dense",
        "LayerNorm": "layer_norm",
        "Normalize": "normalize",
    }.items()
    for home in (
        "models",
        f"models.{kind}",
        f"base.modules.{file}",
        f"sentence_transformer.modules.{file}",
    )
}


def read_modules(path: Path) -> list[tuple[str, str]]:
    """Each module's kind and the path of its folder, in order."""
    listed = read_json(path, MAX_SETTINGS)
    if not isinstance(listed, list):
        raise ModelFileError(path, "is not a JSON list; copy it anew")
    modules = []
    for index, entry in enumerate(listed):
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise ModelFileError(path, f"entry {index} has no type; copy it anew")
        kind = _KINDS.get(entry["type"])
        if kind is None:
            raise UnsupportedModelError(
                path,
                f"names the module {shown(entry['type'])}, which gtenp does not run; "
                "pick another model",
            )
        folder = entry.get("path", "")
        if not is_inside(folder):
            raise ModelFileError(
                path, f"entry {index} has the path {shown(folder)}, not that of a folder within"
            )
        modules.append((kind, folder))
    return modules


def _read_pooling(path: Path) -> Pooling:
    """A pooling config, in its old form (flags) or its new one (names)."""
    found = JsonObject(path)
    modes = found.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLD_POOLING_KEYS.items() if found.boolean(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes or any(mode not in POOLING_MODES for mode in modes):
        raise UnsupportedModelError(
            path, f"asks for pooling {shown(modes)}; gtenp has {', '.join(POOLING_MODES)}"
        )
    if len(modes) > len(POOLING_MODES):
        raise ModelFileError(path, f"names {len(modes)} pooling modes; copy it anew")
    return Pooling(tuple(modes), found.boolean("include_prompt", True))


def _read_dense(folder: Path) -> Dense:
    found = JsonObject(folder / "config.json")
    found.refuse_all_but("module_input_name", "sentence_embedding")
    found.refuse_all_but("module_output_name", "sentence_embedding")
    found.refuse_all_but("use_residual", False)
    name = found.get("activation_function", "torch.nn.modules.activation.Tanh")
    return Dense(
        folder,
        found.positive_int("in_features"),
        found.positive_int("out_features"),
        found.boolean("bias", True),
        torch_activation(found.path, "activation_function", name),
    )


def torch_activation(path: Path, key: str, name: object) -> str:
    """The class of torch.nn that a file names; UnsupportedModelError where gtenp lacks it."""
    match = re.fullmatch(r"torch\.nn\.(?:modules\.(?:activation|linear)\.)?(\w+)", str(name))
    if match is None or match[1] not in DENSE_ACTIVATIONS:
        raise UnsupportedModelError(
            path,
            f"asks for the {key} {shown(name)}; gtenp has torch.nn's "
            f"{', '.join(DENSE_ACTIVATIONS)}; pick another model",
        )
    return match[1]


def _read_layer_norm(folder: Path) -> LayerNorm:
    return LayerNorm(folder, JsonObject(folder / "config.json").positive_int("dimension"))


def _read_normalize(folder: Path) -> Normalize:
    if os.path.lexists(folder / "config.json"):  # versions before 6 write none
        found = JsonObject(folder / "config.json")
        found.refuse_all_but("module_input_name", "sentence_embedding")
        found.refuse_all_but("module_output_name", "sentence_embedding")
    return Normalize()


_READERS: dict[str, Callable[[Path], Dense | LayerNorm | Normalize]] = {
    "Dense": _read_dense,
    "LayerNorm": _read_layer_norm,
    "Normalize": _read_normalize,
}


# Of what task a Transformer module may be: its result's name in transformers, and here.
_TASKS = {
    "feature-extraction": ("last_hidden_state", "token_embeddings"),
    "sequence-classification": ("logits", "scores"),
}


def read_transformer_settings(folder: Path, task: str = "feature-extraction") -> dict[str, Any]:
    """max_seq_length, in tokens, and do_lower_case of sentence_bert_config.json."""
    path = folder / "sentence_bert_config.json"
    if not os.path.lexists(path):
        return {}
    found = JsonObject(path)
    output, name = _TASKS[task]
    found.refuse_all_but("transformer_task", task)
    found.refuse_all_but("module_output_name", name)
    text = {"method": "forward", "method_output_name": output}
    found.refuse_all_but("modality_config", {"text": text})
    for key in _TRANSFORMER_ARGUMENTS:
        if found.get(key):
            raise UnsupportedModelError(
                path, f"sets {key} to {shown(found.get(key))}, which gtenp does not know"
            )
    stated = found.get("max_seq_length") is not None
    return {
        "max_seq_length": found.positive_int("max_seq_length") if stated else None,
        "do_lower_case": found.boolean("do_lower_case"),
    }


# What sentence-transformers hands on to transformers, or does for models of several vectors.
_TRANSFORMER_ARGUMENTS = (
    "model_args",
    "model_kwargs",
    "tokenizer_args",
    "processor_kwargs",
    "config_args",
    "config_kwargs",
    "processing_kwargs",
    "tokenizer_name_or_path",
    "query_length",
    "document_length",
    "query_expansion",
)


def _read_defaults(path: Path) -> dict[str, Any]:
    """The prompts and defaults of config_sentence_transformers.json."""
    if not os.path.lexists(path):
        return {}
    found = JsonObject(path)
    if found.get("model_type") == "CrossEncoder":
        raise UnsupportedModelError(
            path,
            "is a cross-encoder's, which scores two texts read together and has no sentence "
            "vectors. gtenp.CrossEncoder and `gtenp rerank` open it",
        )
    found.refuse_all_but("model_type", "SentenceTransformer")
    name = found.get("similarity_fn_name") or "cosine"
    if name not in SIMILARITY_NAMES:
        raise UnsupportedModelError(
            path, f"similarity_fn_name is {shown(name)}; gtenp has {', '.join(SIMILARITY_NAMES)}"
        )
    stated = found.get("truncate_dim") is not None
    return {
        **read_prompts(found),
        "similarity_fn_name": name,
        "truncate_dim": found.positive_int("truncate_dim") if stated else None,
    }


def read_prompts(found: JsonObject) -> dict[str, Any]:
    """``prompts`` and ``default_prompt_name`` of config_sentence_transformers.json."""
    prompts = found.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(
        isinstance(prompt, str | None) for prompt in prompts.values()
    ):
        raise ModelFileError(found.path, "prompts is not an object of strings; copy it anew")
    prompts = {name: prompt or "" for name, prompt in prompts.items()}
    default = found.get("default_prompt_name")
    if default is not None and default not in (*prompts, *EMPTY_PROMPTS):
        raise ModelFileError(
            found.path,
            f"default_prompt_name is {shown(default)}, which prompts does not have; copy it anew",
        )
    return {"prompts": prompts, "default_prompt_name": default}


# Models whose cards ask for prompts that their files don't state.
_KNOWN_PROMPTS = {
    r"(multilingual-)?e5-(small|base|large)(-v2)?": {
        "query": "query: ",
        "document": "passage: ",
        "passage": "passage: ",
    },
    r"nomic-embed-text-v1(\.5)?": {"query": "search_query: ", "document": "search_document: "},
    r"sgpt-bloom-.*msmarco": {"query": "[", "document": "{"},
}

# Models whose cards ask for something behind a text too, for which sentence-transformers' files
# have no place: what ends which prompt.
_KNOWN_ENDS = {r"sgpt-bloom-.*msmarco": {"[": "]", "{": "}"}}


def known_prompts(name: str, folder: Path, stated: dict[str, str]) -> dict[str, str]:
    """Prompts that go with a model's name, where its files state none."""
    return {} if any(stated.values()) else _known(_KNOWN_PROMPTS, name, folder)


def known_ends(name: str, folder: Path) -> dict[str, str]:
    """What stands behind a text, by the prompt before it, where a model's name tells so."""
    return _known(_KNOWN_ENDS, name, folder)


def _known(table: dict[str, dict[str, str]], name: str, folder: Path) -> dict[str, str]:
    place = folder.resolve()
    names = {Path(name).name, place.name}
    if place.parent.name == "snapshots":  # of models--org--name in the Hub's cache
        names.add(place.parent.parent.name.rpartition("--")[2])
    if (folder / "gtenp.json").is_file():  # what `gtenp pull --to` leaves
        names.add(str(JsonObject(folder / "gtenp.json").get("model")).rpartition("/")[2])
    for pattern, found in table.items():
        if any(re.fullmatch(pattern, name) for name in names):
            return found
    return {}
