"""A loaded model back to a folder, as sentence-transformers writes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from gtenp.errors import InputError, ModelFileError
from gtenp.model_files.config import read_json
from gtenp.model_files.contents import copy_model, missing_files
from gtenp.model_files.folders import locked, new_folder

if TYPE_CHECKING:
    from pathlib import Path

    from gtenp.model_files.sentence_config import SentenceConfig


def save(
    target: Path,
    source: Path,
    sentence_config: SentenceConfig,
    settings: dict[str, Any],
    *,
    max_seq_length: int,
    hidden_size: int,
) -> None:
    """Copy the model's files from ``source`` to a new folder, with other settings written down.

    ``settings`` are those of config_sentence_transformers.json. InputError where ``target`` holds
    something already or can't be written, ModelFileError where ``source`` is no longer whole.
    """
    if missing := missing_files(source, modules_optional=not sentence_config.has_modules):
        raise ModelFileError(source, f"lacks {', '.join(missing)}; copy the whole folder")
    try:
        with locked(target):
            if target.exists() and not (target.is_dir() and not any(target.iterdir())):
                raise InputError(f"{target} exists and is not an empty folder; name another one")
            with new_folder(target) as folder:
                copy_model(source, folder)
                _write_settings(folder, sentence_config, settings, max_seq_length)
                if not sentence_config.has_modules:
                    _write_modules(folder, hidden_size)
    except OSError as error:
        raise InputError(
            f"{target}: can't be written ({error.strerror or error}), and nothing is left there; "
            "make room, or name another folder"
        ) from error


def _write_settings(
    folder: Path, config: SentenceConfig, settings: dict[str, Any], max_seq_length: int
) -> None:
    transformer = folder / config.transformer_folder
    # transformers computes in the dtype that config.json names, under an old key or a new one.
    _update(transformer / "config.json", {"torch_dtype": "float32", "dtype": "float32"})
    _update(transformer / "sentence_bert_config.json", {"max_seq_length": max_seq_length})
    _update(folder / "config_sentence_transformers.json", settings)


def _write_modules(folder: Path, hidden_size: int) -> None:
    """The pooling that a model without modules.json gets: the mean."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    _write(folder / "modules.json", modules)
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": hidden_size, "pooling_mode_mean_tokens": True}
    _write(folder / "1_Pooling" / "config.json", pooling)


def _update(path: Path, values: dict[str, Any]) -> None:
    """Write the values into a JSON file, whose other keys stay."""
    _write(path, {**(read_json(path) if path.exists() else {}), **values})


def _write(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
