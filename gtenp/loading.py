"""What Embedder and CrossEncoder load alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gtenp.errors import ModelFileError
from gtenp.tokenizer import Tokenizer
from gtenp.tokenizer.files import read_folder

if TYPE_CHECKING:
    from pathlib import Path

    from gtenp.model_files.config import BertConfig


def load_tokenizer(folder: Path, config: BertConfig, do_lower_case: bool) -> Tokenizer:
    """The folder's tokenizer; ModelFileError where its ids are not the embedding table's rows."""
    spec = read_folder(folder)
    if do_lower_case and not spec.lowercase:  # accents are left to what the files say of them
        spec = replace(spec, lowercase=True, strip_accents=spec.strips_accents)
    rows = spec.largest_id + 1
    if rows > config.vocab_size:
        raise ModelFileError(
            folder / "config.json",
            f"vocab_size is {config.vocab_size}, but the tokenizer's ids go up to {rows - 1}; "
            "copy all files from the same model",
        )
    if not (folder / "tokenizer.json").exists():
        # Here a line's number is its id: one line too few or too many shifts all that follow.
        path = folder / "vocab.txt"
        if "" in spec.vocab or len(spec.vocab) <= max(spec.vocab.values()):
            raise ModelFileError(path, "has a blank line or the same line twice; copy it anew")
        if rows < config.vocab_size and config.vocab_size % 8:  # else the table may be padded
            raise ModelFileError(
                path, f"gives {rows} tokens, config.json wants {config.vocab_size}; copy it anew"
            )
    return Tokenizer(spec)
