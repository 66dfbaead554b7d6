"""Write the golden files under tests/data from torch and transformers: `make goldens`.

usage: python tools/make_goldens.py MINILM_FOLDER

Each file is a .safetensors whose metadata says which versions made it, from which texts:
  minilm.safetensors     all-MiniLM-L6-v2, its published weights: ids and embeddings
  gte-small.safetensors  gte-small's exact shape with seeded random float16 weights
  tiny.safetensors       tests/data/tiny, a 2-layer model that is committed whole
  families.safetensors   a small encoder and classifier of each family, from token ids
  cross-encoders.safetensors, models.safetensors
                         the folders of tests/models, by sentence-transformers
Nothing of gtenp is imported: what these files say is the other side's word.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sentence_transformers
import tokenizers
import torch
import transformers
from safetensors.numpy import save_file
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertModel

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
sys.path.insert(0, str(ROOT / "tests"))

from models.build import build  # noqa: E402
from models.families import FAMILIES, write_family  # noqa: E402
from models.published import CROSS_ENCODERS, FORMS, PUBLISHED, Model  # noqa: E402
from random_model import GTE_SMALL, TINY, write_model  # noqa: E402
from texts import CARD, golden_texts  # noqa: E402

VERSIONS = ", ".join(
    f"{name} {version}"
    for name, version in {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence-transformers": sentence_transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": np.__version__,
    }.items()
)

TINY_WORDS = (
    "the a of is to in and what how china capital be ##ij ##ing python quick sort ##ing ##s "
    "implement al ##go ##rith ##ms hello world un ##aff ##able ##ly new york ? ! . , - ' ( ) "
    "0 1 2 3 4 5 6 7 8 9 a b c d e f g h i j k l m n o p q r s t u v w x y z "
    "##a ##b ##c ##d ##e ##f ##g ##h ##i ##j ##k ##l ##m ##n ##o ##p ##q ##r ##s ##t ##u ##v ##w "
    "##x ##y ##z ##0 ##1 ##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9 中 国"
)


def tiny_vocabulary() -> list[str]:
    """The specials, then TINY_WORDS without its repetitions."""
    return list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *TINY_WORDS.split()]))


def load_tokenizer(folder: Path):
    """The fast tokenizer. Where there is only a vocab.txt, it is given as a dict: given as a file,
    transformers 5 silently makes a vocabulary of five words.
    """
    if (folder / "tokenizer.json").exists():
        return AutoTokenizer.from_pretrained(folder)
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    tokenizer = transformers.BertTokenizerFast(vocab={w: i for i, w in enumerate(words)})
    assert len(tokenizer) == len(words)
    return tokenizer


def load_model(folder: Path, dtype: torch.dtype) -> BertModel:
    """The model in eager attention, whose arithmetic is the paper's."""
    model = BertModel.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
    )
    return model.to(dtype).eval()


@torch.no_grad()
def hidden_states(model: BertModel, ids: list[int]) -> np.ndarray:
    """All levels of one text: token ids [S] -> [L + 1, S, H]."""
    output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return torch.cat(output.hidden_states).numpy()


def embedding(model: BertModel, ids: list[int]) -> np.ndarray:
    """The normalised mean of the last hidden states: token ids [S] -> [H]."""
    pooled = hidden_states(model, ids)[-1].mean(axis=0)
    return pooled / np.linalg.norm(pooled)


def packed(sequences: list[list[int]]) -> dict[str, np.ndarray]:
    """Ragged lists as two arrays."""
    return {
        "input_ids": np.concatenate([np.array(s, np.int32) for s in sequences]),
        "lengths": np.array([len(s) for s in sequences], np.int32),
    }


def write(name: str, arrays: dict[str, np.ndarray], **facts: object) -> None:
    """One golden file with its facts as metadata."""
    metadata = {"made_by": VERSIONS, **{k: json.dumps(v) for k, v in facts.items()}}
    arrays = {k: np.ascontiguousarray(v) for k, v in arrays.items()}
    save_file(arrays, DATA / f"{name}.safetensors", metadata=metadata)
    print(f"{name}: {(DATA / f'{name}.safetensors').stat().st_size:,} bytes")


def make_minilm(folder: Path) -> None:
    texts, tokenizer = golden_texts(), load_tokenizer(folder)
    model = load_model(folder, torch.float32)
    ids = tokenizer(texts)["input_ids"]
    cut = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
    embeddings = np.stack([embedding(model, s) for s in cut])
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    write("minilm", {**packed(ids), "embeddings": embeddings}, texts=texts, weights_sha256=sha256)


def make_gte_small() -> None:
    words = (DATA / "vocab-uncased.txt").read_text(encoding="utf-8").split("\n")[:-1]
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_model(Path(temporary), GTE_SMALL, 1, words, np.float16)
        sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        tokenizer = load_tokenizer(folder)
        single, double = load_model(folder, torch.float32), load_model(folder, torch.float64)
    texts = golden_texts()[::6]
    ids = tokenizer(texts, truncation=True, max_length=512)["input_ids"]
    arrays = packed(ids)
    arrays["embeddings"] = np.stack([embedding(single, s) for s in ids])
    for i, sequence in enumerate(tokenizer(CARD)["input_ids"]):
        arrays[f"hidden_states.{i}"] = hidden_states(single, sequence)
    arrays["hidden_states_float64.2"] = hidden_states(double, tokenizer(CARD[2])["input_ids"])
    write("gte-small", arrays, texts=texts, traced=CARD, seed=1, weights_sha256=sha256)


@torch.no_grad()
def make_tiny() -> None:
    words = tiny_vocabulary()
    folder = write_model(DATA / "tiny", {**TINY, "vocab_size": len(words)}, 2, words)
    tokenizer = load_tokenizer(folder)
    single, double = load_model(folder, torch.float32), load_model(folder, torch.float64)
    batch = tokenizer(CARD, CARD[::-1], padding=True, return_tensors="pt")
    arrays = {name: tensor.numpy().astype(np.int64) for name, tensor in batch.items()}
    for name, model in (("float32", single), ("float64", double)):
        output = model(**batch, output_hidden_states=True, output_attentions=True)
        arrays[f"hidden_states_{name}"] = torch.stack(output.hidden_states).numpy()
        arrays[f"attentions_{name}"] = torch.stack(output.attentions).numpy()
    write("tiny", arrays, texts=CARD, pairs=CARD[::-1], seed=2)


# Short, long, empty, of other scripts, with capitals, and more than any model's tokens.
MODEL_TEXTS = [
    *CARD,
    "Hello World, É and 中国! " * 3,
    "",
    "x7 X7 x500000 hello",
    "the capital of China is new york? " * 90,
]


def sentence_embeddings(
    model: Model, folder: Path, texts: list[str], dtype: torch.dtype | None = torch.float32
) -> dict[str, np.ndarray]:
    """What sentence-transformers makes of a folder: the arrays of its three ways to encode."""
    options = {} if dtype is None else {"dtype": dtype}
    theirs = SentenceTransformer(
        str(folder), device="cpu", model_kwargs=options, local_files_only=True
    )
    prompts = {"encode_query": "query: ", "encode_document": "passage: "}
    if model.name.startswith("intfloat/e5-"):  # their cards ask for these, their files don't
        by_prompt = {task: theirs.encode(texts, prompt=text) for task, text in prompts.items()}
        return {"encode": theirs.encode(texts), **by_prompt}
    return {task: getattr(theirs, task)(texts) for task in ("encode", *prompts)}


def make_models() -> None:
    arrays = {}
    for model in (*PUBLISHED, *FORMS):
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), tiny_vocabulary())
            for task, embeddings in sentence_embeddings(model, folder, MODEL_TEXTS).items():
                arrays[f"{folder.name}.{task}"] = embeddings
    write("models", arrays, texts=MODEL_TEXTS)


def family_ids(rng: np.random.Generator, config: dict[str, Any]) -> list[list[int]]:
    """Texts of one token to as many as the model takes, with padding tokens inside two of them."""
    pad = config["pad_token_id"]
    most = config["max_position_embeddings"] - (pad + 1 if config["model_type"] in ROBERTAS else 0)
    rows = [rng.integers(5, 100, size).tolist() for size in (1, 2, 9, 17, most)]
    rows[2][3] = rows[3][0] = rows[3][7] = rows[3][8] = pad
    return rows


ROBERTAS = ("camembert", "roberta", "xlm-roberta")


@torch.no_grad()
def make_families() -> None:
    """The encoder and the classifier of each family, apart from any tokenizer."""
    arrays = {}
    for config in FAMILIES:
        name = config["model_type"]
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_family(Path(temporary), config)
            options = {"dtype": torch.float32, "attn_implementation": "eager"}
            model = AutoModelForSequenceClassification.from_pretrained(folder, **options).eval()
            rows = family_ids(np.random.default_rng(7), config)
            encoder = model.base_model
            arrays |= {f"{name}.{key}": array for key, array in packed(rows).items()}
            for number, row in enumerate(rows):
                ids = torch.tensor([row])
                arrays[f"{name}.hidden_states.{number}"] = encoder(ids)[0][0].numpy()
                arrays[f"{name}.logits.{number}"] = model(ids).logits[0].numpy()
            double, ids = model.to(torch.float64), torch.tensor([rows[3]])
            arrays[f"{name}.hidden_states_float64"] = double.base_model(ids)[0][0].numpy()
            arrays[f"{name}.logits_float64"] = double(ids).logits[0].numpy()
    write("families", arrays)


def make_cross_encoders() -> None:
    pairs = [(first, second) for first in MODEL_TEXTS for second in MODEL_TEXTS]
    arrays = {}
    for model in CROSS_ENCODERS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), tiny_vocabulary())
            options = {"dtype": torch.float32}
            theirs = CrossEncoder(str(folder), device="cpu", model_kwargs=options)
            arrays[f"{folder.name}.scores"] = theirs.predict(pairs)
    write("cross-encoders", arrays, texts=MODEL_TEXTS)


if __name__ == "__main__":
    make_families()
    make_cross_encoders()
    make_models()
    make_tiny()
    make_minilm(Path(sys.argv[1]))
    make_gte_small()
