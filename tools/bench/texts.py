"""The texts that every runtime is given, with their token ids: docstrings of the standard library.

They are on every machine that has Python, many, and of all lengths. `corpora` makes:
  mixed       whole docstrings, drawn at random: short ones mostly, and a long tail
  short       first lines of 8 to 16 tokens, as queries are
  chunks      512 tokens each, as long documents are cut
  exactly-N   texts of exactly N tokens, for latency and growth
  check       the few texts whose vectors are compared with the float64 reference
  many        as many first lines as asked for
"""

from __future__ import annotations

import ast
import random
import statistics
import sysconfig
import warnings
from pathlib import Path

from batches import MAX_LENGTH, Corpora, Text, pair_text
from tokenizers import Tokenizer

LENGTHS = (8, 16, 32, 64, 128, 256, 512)


def docstrings() -> list[str]:
    """Every docstring of the standard library, its tests left out, each once."""
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages", "test", "tests", "idle_test", "lib2to3"}
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*.py")):
        if left_out.isdisjoint(path.relative_to(root).parts):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # old escapes in other people's strings
                tree = ast.parse(path.read_bytes())
            for node in ast.walk(tree):
                if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                    found[ast.get_docstring(node) or ""] = None
    found.pop("", None)
    return list(found)


def corpora(tokenizer_file: Path, mixed: int, short: int, chunks: int, many: int) -> Corpora:
    """All corpora, of these sizes; the same at every call on the same Python."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_LENGTH)

    def tokenized(texts: list[str]) -> list[Text]:
        encodings = tokenizer.encode_batch(texts)
        return [Text(t, e.ids) for t, e in zip(texts, encodings, strict=True)]

    rng = random.Random(5)
    whole = docstrings()
    rng.shuffle(whole)
    lines = tokenized(list(dict.fromkeys(text.partition("\n")[0] for text in whole)))
    queries = [line for line in lines if 8 <= len(line.input_ids) <= 16]

    prose = "\n".join(whole[:4000])
    tokenizer.no_truncation()
    offsets = tokenizer.encode(prose, add_special_tokens=False).offsets
    tokenizer.enable_truncation(MAX_LENGTH)

    def exactly(length: int, count: int) -> list[Text]:
        """Slices of the prose; one that was cut within a word may be a token off and is passed."""
        kept: list[Text] = []
        size = length - 2  # without [CLS] and [SEP]
        for start in range(0, len(offsets) - size, size):
            begin, end = offsets[start][0], offsets[start + size - 1][1]
            (text,) = tokenized([prose[begin:end]])
            if len(text.input_ids) == length:
                kept.append(text)
            if len(kept) == count:
                return kept
        raise ValueError(f"only {len(kept)} texts of {length} tokens; wanted {count}")

    made = {
        "mixed": tokenized(whole[:mixed]),
        "short": queries[:short],
        "chunks": exactly(MAX_LENGTH, chunks),
        "many": [lines[i % len(lines)] for i in range(many)],
        **{f"exactly-{length}": exactly(length, 32) for length in LENGTHS},
    }
    made["exactly-32"] = exactly(32, 256)  # growth with the batch takes up to 256 of them
    by_length = sorted(made["mixed"], key=lambda t: len(t.input_ids))
    made["check"] = [*by_length[:: max(1, len(by_length) // 24)], *made["chunks"][:2]]
    return made


def pairs(tokenizer_file: Path, count: int, length: int) -> list[Text]:
    """One query with each of so many documents, in exactly so many tokens."""
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    query = "how does a program wait for another one to end?"
    prose = "\n".join(docstrings()[:4000])
    offsets = tokenizer.encode(prose, add_special_tokens=False).offsets
    size = length - len(tokenizer.encode(query, "").ids)
    found: list[Text] = []
    for start in range(0, len(offsets) - size, size):
        document = prose[offsets[start][0] : offsets[start + size - 1][1]]
        ids = tokenizer.encode(query, document).ids
        if len(ids) == length:  # a slice that was cut within a word may be a token off
            found.append(pair_text(query, document, ids))
        if len(found) == count:
            return found
    raise ValueError(f"only {len(found)} pairs of {length} tokens; wanted {count}")


def describe(texts: list[Text]) -> dict[str, int]:
    """How many texts and tokens, and how long they are."""
    lengths = sorted(len(text.input_ids) for text in texts)
    return {
        "texts": len(lengths),
        "tokens": sum(lengths),
        "median": int(statistics.median(lengths)),
        "p90": lengths[len(lengths) * 9 // 10],
        "max": lengths[-1],
    }
