"""The models that are measured, as folders in each runtime's form."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from peers import Files
from safetensors.numpy import load_file, save_file
from workers import ENVIRONMENT, HERE

ROOT = HERE.parent.parent
sys.path.append(str(ROOT / "tests"))

from random_model import GTE_SMALL, write_model, write_sentence_files  # noqa: E402

MINILM = "all-MiniLM-L6-v2"
GTE_SHAPE = "gte-small's shape"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def prepare(minilm: Path, work: Path) -> dict[str, Files]:
    """Both models, converted; what an earlier run made is taken as it is."""
    shaped = work / "gte-small-shape"
    if not shaped.exists():
        _write_gte_shape(minilm, shaped)
    return {
        MINILM: Files(minilm, _convert(minilm, work / "minilm-converted")),
        GTE_SHAPE: Files(shaped, _convert(shaped, work / "gte-small-shape-converted")),
    }


def prepare_reranker(minilm: Path, work: Path) -> Files:
    """MiniLM with a cross-encoder's head, and its graphs."""
    folder = work / "minilm-reranker"
    if not folder.exists():
        _write_reranker(minilm, folder)
    target = work / "minilm-reranker-converted"
    return Files(folder, _convert(folder, target, "convert_reranker.py"))


def _write_reranker(minilm: Path, target: Path) -> None:
    """The encoder's own weights and pooler, a seeded classifier of one label."""
    partial = _begin(target)
    for name in TOKENIZER_FILES:
        shutil.copy(minilm / name, partial)
    tensors = {f"bert.{name}": t for name, t in load_file(minilm / "model.safetensors").items()}
    random = np.random.default_rng(1)
    tensors["classifier.weight"] = random.normal(0, 0.1, (1, 384)).astype(np.float32)
    tensors["classifier.bias"] = np.zeros(1, np.float32)
    save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((minilm / "config.json").read_text(encoding="utf-8"))
    config |= {
        "architectures": ["BertForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
    }
    (partial / "config.json").write_text(json.dumps(config), encoding="utf-8")
    partial.rename(target)


def halved(folder: Path, target: Path) -> Path:
    """The same model with its weights kept as float16."""
    if not target.exists():
        partial = _begin(target)
        shutil.copytree(folder, partial, dirs_exist_ok=True)
        tensors = load_file(folder / "model.safetensors")
        floats = {k: t.astype(np.float16) for k, t in tensors.items() if t.dtype == np.float32}
        save_file(tensors | floats, partial / "model.safetensors", metadata={"format": "pt"})
        partial.rename(target)
    return target


def _write_gte_shape(minilm: Path, target: Path) -> None:
    """Seeded random weights, float16 as the published ones are, and MiniLM's tokenizer, which
    has gte-small's vocabulary.
    """
    partial = _begin(target)
    vocabulary = (minilm / "vocab.txt").read_text(encoding="utf-8").splitlines()
    write_model(partial, GTE_SMALL, 1, vocabulary, np.float16)
    write_sentence_files(partial, max_seq_length=512)
    for name in TOKENIZER_FILES:
        shutil.copy(minilm / name, partial)
    partial.rename(target)


def _convert(folder: Path, target: Path, name: str = "convert.py") -> Path:
    """Run the script, in a process of its own: it imports all runtimes. Anew where it changed."""
    script, made = HERE / name, target / "convert.log"
    if not made.exists() or made.stat().st_mtime < script.stat().st_mtime:
        partial = _begin(target)
        with (partial / "convert.log").open("w") as log:
            done = subprocess.run(
                [sys.executable, str(script), str(folder), str(partial)],
                env=ENVIRONMENT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            raise SystemExit(f"{name} failed; its words are in {partial / 'convert.log'}")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    return target


def _begin(target: Path) -> Path:
    """An empty folder that becomes the target once it is whole."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial
