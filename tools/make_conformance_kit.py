"""Write a folder with which a port of BERT, in any language, tests itself.

usage: python tools/make_conformance_kit.py FOLDER

It holds a tiny model, texts, and what must come of them: tokens with offsets, every intermediate
value, vectors. All of it is JSON and safetensors; the README that is written beside them says how
to read it and how exact a port has to be.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from random_model import write_sentence_files  # noqa: E402

from gtenp import Embedder, __version__  # noqa: E402
from gtenp.model_files.folders import locked, new_folder  # noqa: E402
from gtenp.verify import trace, value_files  # noqa: E402
from gtenp.verify.compare import TOLERANCE  # noqa: E402

TEXTS = [
    "hello world",
    "What is the capital of China?",
    "how to implement quick sort in python?",
    "",
    "Beijing",
    "New York, New York!",
    "unaffable algorithms: sorts, 1 + 2 = 3",
    "Crème brûlée",  # accents go, and so do the letters' upper case
    "中国 and 日本",  # each ideograph is a word; one is unknown
    "tab\tand\u00a0no-break space, zero\u200bwidth joins",
    "a [SEP] b",  # a special token in the text is that token
    "quick sort " * 40,  # more than 64 tokens: cut, [SEP] kept
]

README = """\
# Conformance kit for ports of BERT sentence embeddings

Written by gtenp {version}. A port that gives these values for these texts computes what
transformers and sentence-transformers compute. No Python is needed.

| file | what it holds |
|---|---|
| `model/` | a BERT of 2 layers with random weights, in the form of the Hub: \
`config.json`, `model.safetensors`, `vocab.txt`; mean pooling, then normalisation |
| `texts.json` | {count} texts |
| `tokens.json` | for each text its `tokens`, `input_ids` and `offsets`: \
where in the text each begins and ends, \
counted in Unicode code points; [0, 0] for [CLS] and [SEP]; {most} tokens at most |
| `expected.safetensors` | float64: every value on the way from each text to its vector; \
text 3's `layer.0.gelu` is `3.layer.0.gelu` |
| `vectors.json` | the vectors, a list of {hidden} numbers for each text |
| `tolerance.json` | the tolerance, for programs |

A .safetensors file is 8 bytes (the length N of the header, little-endian), N bytes of JSON (each
name's `dtype`, `shape` and `data_offsets`, counted from the header's end), and the numbers, row by
row, little-endian.

## The values, in the model's order

S is the number of a text's tokens; A = {A} heads of D = {D}; H = A·D = {H}; F = {F}. No text is
padded.

{table}

## How exact

Token ids and offsets: equal. All else, for each text and each value by itself:

- the mean of |port - expected| is at most {mean:g} × the mean of |expected|, and
- the largest |port - expected| is at most {largest:g} × the largest |expected|.

Why these: float32 keeps 24 bits, 6e-8, and a value of BERT is the end of thousands of roundings in
an order that each library chooses for itself. Over all values of a trained model of 6 layers,
PyTorch's own float32 leaves float64 by 1.2e-6 in this sense, NumPy's by 1.6e-6. Three times that is
room for another order of summation, and too little for a mistake: GELU in its tanh form leaves by
6e-5 where it is computed, an eps of 1e-5 in the layer norm by 1e-3. In float16 or with quantised
weights no port can be as near; then measure it, and name your own.

## With gtenp

Where Python is at hand, write what your port computes, all of it or some, under the names above
into a .safetensors, a .npz or a JSON object; or the vectors alone into a JSON list. Then

    gtenp verify --kit FOLDER answers.safetensors

names the first value that is out of tolerance and, where the mistake is a known one, the mistake.
"""


def write_kit(folder: Path) -> None:
    """Fill the folder."""
    model_folder = Path(shutil.copytree(ROOT / "tests/data/tiny", folder / "model"))
    write_sentence_files(model_folder, max_seq_length=64, dimension=32)
    embedder = Embedder(model_folder)
    model = trace.model_of(embedder)
    values = [trace.trace(model, ids) for ids in trace.token_ids(embedder, TEXTS)]
    value_files.write(folder / "expected.safetensors", TEXTS, values, "model")
    encoding = embedder.tokenizer(
        TEXTS,
        truncation=True,
        max_length=embedder.max_seq_length,
        return_offsets_mapping=True,
    )
    tokens = [
        {
            "tokens": embedder.tokenizer.convert_ids_to_tokens(ids),
            "input_ids": ids,
            "offsets": spans,
        }
        for ids, spans in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
    ]
    for name, content in {
        "texts.json": TEXTS,
        "tokens.json": tokens,
        "vectors.json": [one["normalized"].tolist() for one in values],
        "tolerance.json": {"mean": TOLERANCE, "largest": 2 * TOLERANCE},
    }.items():
        text = json.dumps(content, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    config = embedder.config
    readme = README.format(
        version=__version__,
        count=len(TEXTS),
        most=embedder.max_seq_length,
        hidden=config.hidden_size,
        A=config.num_attention_heads,
        D=config.head_size,
        H=config.hidden_size,
        F=config.intermediate_size,
        table=trace.axes_table(),
        mean=TOLERANCE,
        largest=2 * TOLERANCE,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")


def main(folder: str) -> None:
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        sys.exit(f"{target}: is not empty; name a new folder")
    with locked(target), new_folder(target) as part:
        write_kit(part)
    size = sum(path.stat().st_size for path in target.rglob("*"))
    print(f"{target}: {len(TEXTS)} texts, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
