"""Compare gtenp with the installed torch and transformers, on fresh random texts: `make parity`.

usage: python tools/parity.py MINILM_FOLDER [SEED]

For each folder of tests/models it prints the largest difference of the embeddings from those of
sentence-transformers, before and after save_pretrained; for each cross-encoder, that of the logits
and of the scores; for each family, and each folder with XLM-R's tokenizer, that of the hidden
states in float32 and in float64; for quantize_embeddings, whether all bytes
are equal; whether what torch.save writes converts to the same bits. For all-MiniLM-L6-v2 and for
gte-small's shape with random weights it prints, level by level, the largest and the mean absolute
difference of the hidden states: gtenp's float32 encoder against transformers' float32, and
reference/bert.py in float64 against torch's float64. Exit status 1 where token ids differ or a
tolerance is left.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

from make_goldens import (  # noqa: E402
    DTYPES,
    MULTILINGUAL_TEXTS,
    cross_encoder,
    family_ids,
    hidden_states,
    in_float64,
    load_encoder,
    load_model,
    load_tokenizer,
    readable,
    sentence_embeddings,
    tiny_vocabulary,
    views,
)
from models.build import build  # noqa: E402
from models.byte_level import (  # noqa: E402
    EMBEDDERS,
    MODERNBERT,
    MODERNBERT_RERANKERS,
    RERANKERS,
    build_byte_level,
    build_modernbert,
)
from models.families import FAMILIES, write_family  # noqa: E402
from models.published import (  # noqa: E402
    CROSS_ENCODERS,
    FORMS,
    MULTILINGUAL,
    MULTILINGUAL_RERANKERS,
    PUBLISHED,
    Model,
)
from models.unigram import words_of  # noqa: E402
from random_model import GTE_SMALL, write_model, write_sentence_files  # noqa: E402
from texts import golden_texts, paragraph  # noqa: E402

from gtenp import CrossEncoder, Embedder, quantize_embeddings, reference  # noqa: E402
from gtenp.engine.batch import pack  # noqa: E402
from gtenp.engine.encoder import Encoder  # noqa: E402
from gtenp.model_files.checkpoint import astype  # noqa: E402
from gtenp.model_files.model import load_weights, read_config  # noqa: E402
from gtenp.model_files.pickled import convert  # noqa: E402
from gtenp.reference import variations  # noqa: E402

FLOAT32_TOLERANCE = 2e-5
FLOAT64_TOLERANCE = 1e-10
EMBEDDING_TOLERANCE = 1e-6
SCORE_TOLERANCE = 2e-6  # of logits above 1, a share of the largest


def random_texts(rng: random.Random) -> list[str]:
    """Paragraphs of many lengths, and random slices of the golden texts glued together."""
    styles = golden_texts()
    glued = [
        " ".join(text[: rng.randrange(80)] for text in rng.sample(styles, rng.randrange(1, 6)))
        for _ in range(40)
    ]
    return [paragraph(rng, 1 + i // 2) for i in range(40)] + glued


class Differences:
    """The largest and the mean difference of each level, gathered over texts."""

    def __init__(self) -> None:
        self.largest: list[np.ndarray] = []
        self.mean: list[np.ndarray] = []

    def add(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        """Two times [L + 1, S, H]."""
        difference = np.abs(ours.astype(np.float64) - theirs)
        self.largest.append(difference.max(axis=(1, 2)))
        self.mean.append(difference.mean(axis=(1, 2)))

    def columns(self) -> tuple[np.ndarray, np.ndarray]:
        return np.max(self.largest, axis=0), np.mean(self.mean, axis=0)


def compare(title: str, folder: Path, texts: list[str]) -> bool:
    """Print the table of one model; True where every tolerance holds."""
    embedder, tokenizer = Embedder(folder), load_tokenizer(folder)
    limit = {"truncation": True, "max_length": embedder.max_seq_length}
    ids = tokenizer(texts, **limit)["input_ids"]
    equal = embedder.tokenizer(texts, **limit)["input_ids"] == ids
    weights = load_weights(folder, embedder.config)
    encoder, doubles = Encoder(weights, embedder.config), astype(weights, np.float64)
    single, double = load_model(folder, torch.float32), load_model(folder, torch.float64)

    float32, float64, expected = Differences(), Differences(), []
    for i, sequence in enumerate(ids):
        states = hidden_states(single, sequence)
        expected.append(states[-1].mean(axis=0))
        batch = pack([sequence])
        float32.add(np.stack(list(encoder.hidden_states(batch))), states)
        if i % 8 == 0:
            trace = reference.forward(doubles, embedder.config, batch.input_ids)
            float64.add(np.stack(trace.hidden_states), hidden_states(double, sequence))
    theirs = np.stack(expected)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    apart = float(np.abs(embedder.encode(texts, truncate="silent") - theirs).max())

    print(f"\n{title}: {len(texts)} texts, {sum(map(len, ids)):,} tokens")
    print(f"token ids {'equal' if equal else 'DIFFER'}")
    print("             encoder, float32         reference, float64")
    print("layer      max abs    mean abs       max abs    mean abs")
    (largest, mean), (largest64, mean64) = float32.columns(), float64.columns()
    for level in range(len(largest)):
        name = f"{level:5}" if level else "embed"
        print(
            f"{name}   {largest[level]:10.2e}  {mean[level]:10.2e}"
            f"    {largest64[level]:10.2e}  {mean64[level]:10.2e}"
        )
    print(f"sentence embeddings, in batches: max abs {apart:.2e}")
    return bool(
        equal
        and largest.max() <= FLOAT32_TOLERANCE
        and largest64.max() <= FLOAT64_TOLERANCE
        and apart <= EMBEDDING_TOLERANCE
    )


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, in units of the largest value or of 1."""
    return float(np.abs(found - expected).max() / max(1, np.abs(expected).max()))


def build_any(model: Model, parent: Path) -> Path:
    """The model's folder, with its own kind of tokenizer."""
    if model in (*EMBEDDERS, *RERANKERS):
        return build_byte_level(model, parent)
    if model in (*MODERNBERT, *MODERNBERT_RERANKERS):
        return build_modernbert(model, parent)
    return build(readable(model), parent, tiny_vocabulary())


def compare_folders(texts: list[str]) -> bool:
    """Print a line for each folder of tests/models; True where every tolerance holds."""
    print(f"\nfolders of tests/models: {len(texts)} texts, three ways to encode")
    print("                                         as built       saved")
    worst = 0.0
    for model in (*PUBLISHED, *FORMS, *MULTILINGUAL, *EMBEDDERS, *MODERNBERT):
        with tempfile.TemporaryDirectory() as temporary:
            folder = build_any(model, Path(temporary))
            embedder = Embedder(folder)
            embedder.save_pretrained(Path(temporary, "saved"))
            theirs = sentence_embeddings(model, folder, texts)
            # Saved, the folder must give the same vectors without a word about dtypes or prompts.
            plain = replace(model, name="saved")
            saved = sentence_embeddings(plain, Path(temporary, "saved"), texts, dtype=None)
        ours = {task: getattr(embedder, task)(texts, truncate="silent") for task in theirs}
        differences = [
            max(relative(ours[task], expected[task]) for task in ours)
            for expected in (theirs, saved)
        ]
        worst = max(worst, *differences)
        print(f"{folder.name:38}{differences[0]:11.2e} {differences[1]:11.2e}")
    return worst <= EMBEDDING_TOLERANCE


def compare_cross_encoders(texts: list[str]) -> bool:
    """Print a line for each reranker of tests/models; True where logits and scores are theirs."""
    pairs = [(first, second) for first in texts[::4] for second in texts]
    print(f"\ncross-encoders: {len(pairs)} pairs                   logits      scores")
    worst = 0.0
    rerankers = (*CROSS_ENCODERS, *MULTILINGUAL_RERANKERS, *RERANKERS, *MODERNBERT_RERANKERS)
    for model in rerankers:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build_any(model, Path(temporary))
            ours, theirs = CrossEncoder(folder), cross_encoder(folder)
            longest = [(texts[0], words_of(ours.max_seq_length + 9))]  # no others padded to it
            differences = [
                max(
                    relative(
                        ours.predict(asked, activation_fn=mine),
                        theirs.predict(asked, activation_fn=their_own),
                    )
                    for asked in (pairs, longest)
                )
                for mine, their_own in ((lambda x: x, torch.nn.Identity()), (None, None))
            ]
        worst = max(worst, *differences)
        print(f"{folder.name:38}{differences[0]:11.2e} {differences[1]:11.2e}")
    return worst <= SCORE_TOLERANCE


def compare_families(rng: np.random.Generator) -> bool:
    """Print a line for each family and each folder with XLM-R's tokenizer; True where the hidden
    states of random tokens, padding among them, are within tolerance at every level.
    """
    print("\nhidden states, all levels                float32     float64")
    within = True
    for name, config in FAMILIES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_family(Path(temporary), config)
            within &= compare_states(name, folder, family_ids(rng, config))
    for model in MULTILINGUAL:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), [])
            tokenizer, most = AutoTokenizer.from_pretrained(folder), 512
            texts = [*MULTILINGUAL_TEXTS, words_of(most)]
            ids = tokenizer(texts, truncation=True, max_length=most)["input_ids"]
            within &= compare_states(folder.name, folder, ids)
    return within


def compare_states(title: str, folder: Path, rows: list[list[int]]) -> bool:
    """Print one line of ``compare_families``."""
    config = read_config(folder)
    weights = load_weights(folder, config)
    encoder, doubles = Encoder(weights, config), astype(weights, np.float64)
    single, double = load_encoder(folder, torch.float32), load_encoder(folder, torch.float64)
    float32 = float64 = 0.0
    for row in rows:
        batch = pack([row], arithmetic=config.arithmetic)
        ours = np.stack(list(encoder.hidden_states(batch)))
        float32 = max(float32, np.abs(ours - hidden_states(single, row)).max())
        trace = variations.forward(doubles, config, batch.input_ids)
        ours = np.stack(trace.hidden_states)
        with in_float64():
            float64 = max(float64, np.abs(ours - hidden_states(double, row)).max())
    print(f"{title:38}{float32:11.2e} {float64:11.2e}")
    return float32 <= FLOAT32_TOLERANCE and float64 <= FLOAT64_TOLERANCE


def compare_quantization(rng: np.random.Generator) -> bool:
    """Print whether each precision's bytes are those of sentence-transformers."""
    equal = True
    for shape in ((128, 384), (100, 37), (1000, 8)):
        embeddings = rng.normal(size=shape).astype(np.float32)
        sample = rng.normal(size=shape).astype(np.float32)
        ranges = np.stack((sample.min(axis=0), sample.max(axis=0)))
        for precision in ("float32", "int8", "uint8", "binary", "ubinary"):
            for options in ({}, {"ranges": ranges}, {"calibration_embeddings": sample}):
                ours = quantize_embeddings(embeddings, precision, **options)
                theirs = sentence_transformers.util.quantize_embeddings(
                    embeddings, precision, **options
                )
                equal = equal and ours.dtype == theirs.dtype and bool((ours == theirs).all())
    print(f"\nquantize_embeddings: {'equal' if equal else 'DIFFERS'}")
    return equal


def compare_pickles(folder: Path) -> bool:
    """Print whether what torch saves, of every dtype and layout, converts to the same bits."""
    pickle = folder / "pytorch_model.bin"
    equal = True
    for dtype in DTYPES:
        for protocol in range(2, 6):
            torch.save(views(dtype), pickle, pickle_protocol=protocol)
            ours = load_file(convert(pickle, folder / "ours.safetensors"))
            theirs = torch.load(pickle, weights_only=False)  # which reads protocol 2 only
            equal = equal and ours.keys() == theirs.keys()
            for name, tensor in theirs.items():
                same_form = (ours[name].dtype, ours[name].shape) == (tensor.dtype, tensor.shape)
                bits = [
                    t.detach().contiguous().view(-1).view(torch.uint8) for t in (ours[name], tensor)
                ]
                equal = equal and same_form and torch.equal(*bits)
    tied = transformers.BertForMaskedLM(transformers.BertConfig(**TIED))
    tied.config.save_pretrained(folder)
    torch.save(tied.state_dict(), pickle)
    convert(folder)
    loaded = transformers.BertForMaskedLM.from_pretrained(folder).state_dict()
    equal = equal and all(torch.equal(loaded[name], t) for name, t in tied.state_dict().items())
    print(
        f"\npickles of {len(DTYPES)} dtypes, and of tied weights: {'equal' if equal else 'DIFFER'}"
    )
    return equal


TIED = {
    "vocab_size": 50,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
}


def main(minilm: str, seed: str | None = None) -> int:
    chosen = int(seed) if seed else time.time_ns() % 1_000_000
    print(
        f"seed {chosen}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"sentence-transformers {sentence_transformers.__version__}"
    )
    transformers.utils.logging.set_verbosity_error()  # of heads that are left aside
    rng = random.Random(chosen)
    texts = random_texts(rng)
    numbers = np.random.default_rng(chosen)
    folders = [
        compare_folders([*texts[::8], *MULTILINGUAL_TEXTS]),
        compare_cross_encoders([*texts[::16], *MULTILINGUAL_TEXTS[::2]]),
        compare_families(numbers),
        compare_quantization(numbers),
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folders.append(compare_pickles(Path(temporary)))
        words = (ROOT / "tests/data/vocab-uncased.txt").read_text(encoding="utf-8").splitlines()
        shaped = write_model(Path(temporary, "gte-small"), GTE_SMALL, chosen, words, np.float16)
        write_sentence_files(shaped, max_seq_length=512)
        results = [
            *folders,
            compare("all-MiniLM-L6-v2", Path(minilm), random_texts(rng)),
            compare("gte-small's shape, random weights", shaped, random_texts(rng)[::2]),
        ]
    print("\nwithin tolerance" if all(results) else "\nOUT OF TOLERANCE")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
