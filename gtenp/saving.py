"""A loaded model back to a folder, as sentence-transformers writes it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from gtenp import hub
from gtenp.config import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from gtenp.embedder import Embedder


def write_folder(embedder: Embedder, folder: Path) -> None:
    """Fill an empty folder with what Embedder.save_pretrained promises."""
    config = embedder.sentence_config
    for name in {"", *config.module_folders}:
        for path in (embedder.folder / name).glob("*"):  # none: a Normalize module has no folder
            if hub.is_needed(path.name) and path.is_file():
                (folder / name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / name / path.name)

    def write(name: str, values: Any, keep: bool = True) -> None:
        """A JSON file, with what else the model's own says."""
        path = folder / name
        if keep and path.exists():
            values = {**read_json(path), **values}
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    transformer = f"{config.transformer_folder}/" if config.transformer_folder else ""
    # transformers computes in the dtype that config.json names, under an old key or a new one.
    write(f"{transformer}config.json", {"torch_dtype": "float32", "dtype": "float32"})
    write(
        f"{transformer}sentence_bert_config.json",
        {"max_seq_length": embedder.max_seq_length, "do_lower_case": config.do_lower_case},
    )
    write(
        "config_sentence_transformers.json",
        {
            # sentence-transformers 6 looks for "document" alone: it always finds it, empty.
            "prompts": {**embedder.prompts, "document": embedder._document_prompt()},
            "default_prompt_name": embedder.default_prompt_name,
            "similarity_fn_name": embedder.similarity_fn_name,
            "truncate_dim": embedder.truncate_dim,
        },
    )
    if not config.has_modules:
        kinds = {"": "Transformer", "1_Pooling": "Pooling"}
        modules = [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(kinds.items())
        ]
        write("modules.json", modules, keep=False)
        write(
            "1_Pooling/config.json",
            {
                "word_embedding_dimension": embedder.config.hidden_size,
                "pooling_mode_mean_tokens": True,
            },
        )
