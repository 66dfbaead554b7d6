"""The settings of a cross-encoder's folder: what becomes of its scores, lengths, prompts.

A folder has them in config.json alone, as sentence-transformers before 6 wrote it, or in
modules.json and the files that it names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gtenp.errors import UnsupportedModelError
from gtenp.model_files.config import JsonObject, refuse_links_outside
from gtenp.model_files.sentence_config import (
    read_modules,
    read_prompts,
    read_transformer_settings,
    torch_activation,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class CrossEncoderConfig:
    """How a pair of texts becomes token ids, and logits become scores."""

    activation: str | None = None  # a key of pooling.DENSE_ACTIVATIONS; None: no file states it
    transformer_folder: str = ""  # below the model's folder: config, weights and tokenizer
    max_seq_length: int | None = None
    do_lower_case: bool = False
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None


def is_cross_encoder(folder: Path) -> bool:
    """Whether the folder says that it holds a cross-encoder: an encoder with its classifier."""
    path = folder / "config_sentence_transformers.json"
    if path.exists() and JsonObject(path).get("model_type") == "CrossEncoder":
        return True
    config = folder / "config.json"
    names = JsonObject(config).strings("architectures") if config.exists() else []
    return any(name.endswith("ForSequenceClassification") for name in names)


def read_cross_encoder_config(folder: Path) -> CrossEncoderConfig:
    """Read them; ModelFileError for a damaged file, UnsupportedModelError for a module or a
    setting that gtenp does not know.
    """
    refuse_links_outside(folder)
    transformer_folder = _transformer_folder(folder)
    settings = {}
    path = folder / "config_sentence_transformers.json"
    if os.path.lexists(path):
        found = JsonObject(path)
        found.refuse_all_but("model_type", "CrossEncoder")
        settings = read_prompts(found)
    return CrossEncoderConfig(
        activation=_activation(folder, folder / transformer_folder),
        transformer_folder=transformer_folder,
        **read_transformer_settings(folder / transformer_folder, "sequence-classification"),
        **settings,
    )


def _transformer_folder(folder: Path) -> str:
    path = folder / "modules.json"
    if not os.path.lexists(path):
        return ""
    modules = read_modules(path)
    if [kind for kind, _ in modules] != ["Transformer"]:
        found = ", ".join(kind for kind, _ in modules) or "none"
        raise UnsupportedModelError(
            path,
            f"has the modules {found}; a cross-encoder that gtenp runs has a Transformer alone. "
            "gtenp.Embedder opens models with a Pooling",
        )
    refuse_links_outside(folder, modules[0][1])
    return modules[0][1]


def _activation(folder: Path, transformer_folder: Path) -> str | None:
    """What sentence-transformers puts logits through: the first that a file states."""
    path = folder / "config_sentence_transformers.json"
    stated = JsonObject(path).get("activation_fn") if os.path.lexists(path) else None
    if stated is not None:
        return torch_activation(path, "activation_fn", stated)
    config = JsonObject(transformer_folder / "config.json")
    nested = config.get("sentence_transformers")
    if isinstance(nested, dict) and nested.get("activation_fn") is not None:
        return torch_activation(config.path, "activation_fn", nested["activation_fn"])
    key = "sbert_ce_default_activation_function"
    if config.get(key) is not None:
        return torch_activation(config.path, key, config.get(key))
    return None
