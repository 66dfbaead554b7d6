"""Tokens per second of gtenp, of the Rust tokenizer and of transformers' slow one, one thread each.

    python tools/bench_tokenizer.py [--vocab VOCAB_TXT | --folder FOLDER] [--rounds 4]

Each peer runs in a process of its own, ids only, without padding. Cold is the first pass of a
freshly loaded tokenizer over the texts, warm the best of the later passes, both in processor time,
which other work on the machine disturbs less than the clock on the wall. The slow tokenizer is
left out where transformers is not installed. With --folder the tokenizer is that of a folder, as
tools/make_xlmr_tokenizer.py and tools/make_gpt2_tokenizer.py write XLM-R's and RoBERTa's; there is
no slow one, and loading is measured too.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
PEERS = ("gtenp", "rust", "slow")
TEXTS = ("english", "mixed", "long")


def docstrings() -> list[str]:
    """The docstrings of Python's own library: English prose with some code in it."""
    found = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if "site-packages" in path.parts or "test" in path.parts:
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                text = ast.get_docstring(node)
                if text and text.isascii():
                    found.append(text)
    return found


def texts(kind: str) -> tuple[list[str], int | None]:
    """The texts, and to how many tokens they are truncated."""
    english = docstrings()
    if kind == "english":
        return english, None
    if kind == "mixed":
        accents = str.maketrans("aeiou", "áèîõü")
        chinese = str.maketrans({char: chr(0x4E00 + 37 * ord(char)) for char in "abcdefghijklmnop"})
        # Of every nine words one takes accents and one becomes Chinese.
        spoil = {4: accents, 8: chinese}
        return [
            " ".join(word.translate(spoil.get(n % 9, {})) for n, word in enumerate(text.split(" ")))
            for text in english
        ], None
    joined = "\n".join(english)
    return [(joined * (1 + 5_000_000 // len(joined)))[:5_000_000]], 512


def load(peer: str, path: Path, limit: int | None) -> Callable[[list[str]], list[list[int]]]:
    if peer == "gtenp":
        from gtenp.tokenizer import Tokenizer

        if path.is_dir():
            tokenizer = Tokenizer.from_folder(path)
        else:
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(path, Path(folder) / "vocab.txt")
                tokenizer = Tokenizer.from_folder(Path(folder))
        ids_only = {"return_token_type_ids": False, "return_attention_mask": False}
        return lambda batch: tokenizer(batch, truncation=bool(limit), max_length=limit, **ids_only)[
            "input_ids"
        ]
    if path.is_dir():
        return load_rust(path / "tokenizer.json", limit)
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    vocab = {word: number for number, word in enumerate(lines)}
    if peer == "rust":
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        os.environ["RAYON_NUM_THREADS"] = "1"
        import tokenizers
        from tokenizers import models, normalizers, pre_tokenizers, processors

        rust = tokenizers.Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
        rust.normalizer = normalizers.BertNormalizer(lowercase=True)
        rust.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        rust.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        rust.post_processor = processors.BertProcessing(
            ("[SEP]", vocab["[SEP]"]), ("[CLS]", vocab["[CLS]"])
        )
        if limit:
            rust.enable_truncation(limit)
        return lambda batch: [encoding.ids for encoding in rust.encode_batch_fast(batch)]
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    slow = BertTokenizerLegacy(str(path))
    # Its own stages only; its call would come on top.
    return lambda batch: [
        slow.convert_tokens_to_ids(["[CLS]", *slow.tokenize(text), "[SEP]"]) for text in batch
    ]


def load_rust(path: Path, limit: int | None) -> Callable[[list[str]], list[list[int]]]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tokenizers

    rust = tokenizers.Tokenizer.from_file(str(path))
    if limit:
        rust.enable_truncation(limit)
    return lambda batch: [encoding.ids for encoding in rust.encode_batch_fast(batch)]


def run(peer: str, kind: str, path: Path, rounds: int) -> dict[str, float]:
    batch, limit = texts(kind)
    # Loading is that of the files, not of the modules.
    importlib.import_module("gtenp.tokenizer.pipeline" if peer == "gtenp" else "tokenizers")
    start = time.process_time()
    encode = load(peer, path, limit)
    loading = time.process_time() - start
    seconds = []
    for _ in range(rounds if peer != "slow" else 1):
        start = time.process_time()
        ids = encode(batch)
        seconds.append(time.process_time() - start)
    tokens = sum(len(row) for row in ids)
    return {
        "tokens": tokens,
        "load": loading,
        "cold": seconds[0],
        "warm": min(seconds[1:] or seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    vocab = ROOT / "tests" / "data" / "vocab-uncased.txt"
    parser.add_argument("--vocab", type=Path, default=vocab, help="a vocab.txt")
    parser.add_argument("--folder", type=Path, help="a folder with a tokenizer.json")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--one", nargs=2, metavar=("PEER", "TEXTS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        path = arguments.folder or arguments.vocab
        print(json.dumps(run(*arguments.one, path, arguments.rounds)))
        return
    for kind in TEXTS:
        base: dict[str, float] = {}
        for peer in PEERS[:2] if arguments.folder else PEERS:
            command = [sys.executable, __file__, "--one", peer, kind]
            command += ["--vocab", str(arguments.vocab), "--rounds", str(arguments.rounds)]
            command += ["--folder", str(arguments.folder)] if arguments.folder else []
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{kind:8} {peer:6} left out: {done.stderr.strip().splitlines()[-1]}")
                continue
            found = json.loads(done.stdout)
            base = base or found
            speeds = {key: found["tokens"] / found[key] / 1e6 for key in ("cold", "warm")}
            print(
                f"{kind:8} {peer:6} load {found['load']:.2f} s {found['tokens']:9,} tokens  "
                + "  ".join(
                    f"{key} {speeds[key]:7.3f} M/s (gtenp × {found[key] / base[key]:.2f})"
                    for key in speeds
                )
            )


if __name__ == "__main__":
    main()
