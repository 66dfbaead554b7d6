"""Write the golden files under tests/data from torch and transformers: `make goldens`.

usage: python tools/make_goldens.py MINILM_FOLDER

Each file is a .safetensors whose metadata says which versions made it, from which texts:
  minilm.safetensors     all-MiniLM-L6-v2, its published weights: ids and embeddings
  gte-small.safetensors  gte-small's exact shape with seeded random float16 weights
  tiny.safetensors       tests/data/tiny, a 2-layer model that is committed whole
  families.safetensors   a small encoder and classifier of each family, from token ids
  cross-encoders.safetensors, models.safetensors
                         the folders of tests/models, by sentence-transformers
  multilingual.safetensors
                         those of them with XLM-R's tokenizer, which wants sentencepiece installed
  byte-level.safetensors, modernbert.safetensors
                         those with BPE over bytes: vectors, scores, tokens
  sgpt.safetensors       a decoder with BLOOM's layers and tokenizer, and brackets around texts
  calls.safetensors      all-MiniLM-L6-v2: further methods of transformers' tokenizer and model
  pickled.safetensors    what torch.save wrote to pickled.bin: each dtype, and views of all kinds
Nothing of gtenp is imported: what these files say is the other side's word.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import hashlib
import json
import math
import platform
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import sentence_transformers
import tokenizers
import torch
import transformers
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertModel,
)
from transformers.models.bloom import modeling_bloom
from transformers.models.gte import modeling_gte
from transformers.models.modernbert import modeling_modernbert
from transformers.models.nomic_bert import modeling_nomic_bert
from transformers.models.t5 import modeling_t5

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
sys.path.insert(0, str(ROOT / "tests"))

from models.build import build  # noqa: E402
from models.byte_level import (  # noqa: E402
    EMBEDDERS,
    MODERNBERT,
    MODERNBERT_RERANKERS,
    RERANKERS,
    build_byte_level,
    build_modernbert,
    build_sgpt,
)
from models.byte_level import words_of as byte_level_words  # noqa: E402
from models.families import FAMILIES, has_classifier, write_family  # noqa: E402
from models.published import (  # noqa: E402
    CROSS_ENCODERS,
    FORMS,
    MULTILINGUAL,
    MULTILINGUAL_RERANKERS,
    PUBLISHED,
    Model,
)
from models.unigram import words_of  # noqa: E402
from random_model import GTE_SMALL, TINY, write_model  # noqa: E402
from texts import CARD, SENTENCES, golden_texts  # noqa: E402

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


def load_encoder(folder: Path, dtype: torch.dtype) -> Any:
    """The encoder of any family, without a head, in eager attention."""
    for_transformers(folder)
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    names = json.loads((folder / "config.json").read_text()).get("architectures") or []
    # T5's own, for the other has a decoder too.
    kind = transformers.T5EncoderModel if "T5EncoderModel" in names else AutoModel
    return kind.from_pretrained(folder, **options).to(dtype).eval()


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


def for_transformers(folder: Path) -> None:
    """Rewrite GTE's config.json, which brings its own code, as transformers' own folders have it:
    there NTK's scaling of the angles is a linear one of another base.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["model_type"] not in ("gte", "new") or "auto_map" not in config:
        return
    theta, factor = config.pop("rope_theta"), config.pop("rope_scaling")["factor"]
    head_size = config["hidden_size"] // config["num_attention_heads"]
    config["rope_parameters"] = {
        "rope_type": "linear",
        "rope_theta": float(theta * factor),
        "factor": factor ** (2 / head_size),
    }
    del config["auto_map"]
    names = [name.replace("New", "Gte") for name in config["architectures"]]
    path.write_text(json.dumps({**config, "architectures": names, "model_type": "gte"}))


def sentence_model(folder: Path, dtype: torch.dtype | None) -> SentenceTransformer:
    for_transformers(folder)
    options = {} if dtype is None else {"dtype": dtype}
    return SentenceTransformer(
        str(folder), device="cpu", model_kwargs=options, local_files_only=True
    )


def cross_encoder(folder: Path) -> CrossEncoder:
    for_transformers(folder)
    return CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})


def sentence_embeddings(
    model: Model, folder: Path, texts: list[str], dtype: torch.dtype | None = torch.float32
) -> dict[str, np.ndarray]:
    """What sentence-transformers makes of a folder: the arrays of its three ways to encode."""
    theirs = sentence_model(folder, dtype)
    ways = ("encode_query", "encode_document")
    # Their cards ask for these, their files don't.
    for pattern, prompts in {
        "intfloat/(multilingual-)?e5-": ("query: ", "passage: "),
        "nomic-ai/": ("search_query: ", "search_document: "),
    }.items():
        if re.match(pattern, model.name):
            by_prompt = {
                task: theirs.encode(texts, prompt=text)
                for task, text in zip(ways, prompts, strict=True)
            }
            return {"encode": theirs.encode(texts), **by_prompt}
    return {task: getattr(theirs, task)(texts) for task in ("encode", *ways)}


def readable(model: Model) -> Model:
    """The same with a tokenizer.json where it has sentencepiece's file alone, for which
    transformers wants a package that is not installed here.
    """
    return dataclasses.replace(model, pieces_alone=False)


def make_models() -> None:
    arrays = {}
    for model in (*PUBLISHED, *FORMS):
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(readable(model), Path(temporary), tiny_vocabulary())
            for task, embeddings in sentence_embeddings(model, folder, MODEL_TEXTS).items():
                arrays[f"{folder.name}.{task}"] = embeddings
            if folder.name == MATRYOSHKA:
                arrays[f"{folder.name}.matryoshka"] = matryoshka(arrays[f"{folder.name}.encode"])
    write("models", arrays, texts=MODEL_TEXTS)


MATRYOSHKA = "nomic-embed-text-v1.5"


def matryoshka(embeddings: np.ndarray) -> np.ndarray:
    """The first half of each vector as that model's card makes it: [n, H] -> [n, H / 2]."""
    width = embeddings.shape[1]
    normed = torch.nn.functional.layer_norm(torch.from_numpy(embeddings), (width,))
    return torch.nn.functional.normalize(normed[:, : width // 2], p=2, dim=1).numpy()


# Texts and pairs whose tokens are asked whence they come: tokenizer(*texts, **options).
ALIGNED: list[tuple[list, dict]] = [
    ([["Unaffable naïve!", "a  b", ""]], {"padding": True}),
    ([["Unaffable naïve!", "中国 [MASK]"], ["x y", ""]], {"padding": True, "padding_side": "left"}),
    ([["one two three four five"]], {"truncation": True, "max_length": 5}),
    ([[["unaffable", "", "naïve cafés"]]], {"is_split_into_words": True}),
]
# Calls whose results are compared as they are: a method's name, arguments and options.
CALLS: list[tuple[str, list, dict]] = [
    ("tokenize", ["Unaffable naïve! 中国"], {}),
    ("tokenize", ["a b", "c"], {"add_special_tokens": True}),
    ("encode", ["a b"], {}),
    ("encode", ["a b", "c"], {}),
    ("encode", [["a", "b c"]], {"padding": True}),
    ("encode", ["a b c d"], {"max_length": 4, "truncation": True, "add_special_tokens": False}),
    ("pad", [{"input_ids": [[101, 1037, 102], [101, 102]]}], {}),
    ("pad", [[{"input_ids": [5, 6], "token_type_ids": [0, 1], "labels": 3},
              {"input_ids": [7], "token_type_ids": [0], "labels": 4}]], {"pad_to_multiple_of": 4}),
    ("pad", [{"input_ids": [5, 6], "special_tokens_mask": [0, 1]}],
     {"padding": "max_length", "max_length": 5, "padding_side": "left"}),
    ("pad", [{"input_ids": [[5, 6], [7]]}], {"padding": False}),
    ("pad", [{"input_ids": []}], {}),
    ("num_special_tokens_to_add", [], {}),
    ("num_special_tokens_to_add", [True], {}),
    ("convert_ids_to_tokens", [[101, 5, 102]], {"skip_special_tokens": True}),
]  # fmt: skip
ATTRIBUTES = (
    "special_tokens_map", "all_special_tokens", "all_special_ids", "is_fast", "padding_side",
    "truncation_side", "model_max_length", "vocab_size", "cls_token", "sep_token", "pad_token",
    "unk_token", "mask_token", "cls_token_id", "sep_token_id", "pad_token_id", "unk_token_id",
    "mask_token_id",
)  # fmt: skip


def origins(batch, row: int, texts: list, sequence: int) -> dict[str, list]:
    """Whence the tokens of one text of a row come, asked by token, by character and by word."""
    size = max(map(len, texts)) + 1 if isinstance(texts, list) else len(texts) + 1
    words = 1 + max([w for w in batch.word_ids(row) if w is not None], default=-1)
    tokens = range(len(batch.tokens(row)) + 1)
    known = [w for w in range(words) if batch.word_to_tokens(row, w, sequence)]
    return {
        "tokens": batch.tokens(row),
        "token_to_sequence": [batch.token_to_sequence(row, t) for t in tokens],
        "token_to_word": [batch.token_to_word(row, t) for t in tokens],
        "token_to_chars": [batch.token_to_chars(row, t) for t in tokens],
        "char_to_token": [batch.char_to_token(row, c, sequence) for c in range(size)],
        "char_to_word": [batch.char_to_word(row, c, sequence) for c in range(size)],
        "word_to_tokens": [batch.word_to_tokens(row, w, sequence) for w in range(words + 1)],
        # transformers raises a TypeError for a word that is not there.
        "word_to_chars": [[w, batch.word_to_chars(row, w, sequence)] for w in known],
    }


def make_calls(folder: Path) -> None:
    """What transformers' tokenizer and model answer to the rest of their public names."""
    tokenizer = load_tokenizer(folder)
    aligned = []
    for texts, options in ALIGNED:
        batch = tokenizer(*texts, **options)
        rows = [
            [row, sequence, origins(batch, row, text, sequence)]
            for sequence, side in enumerate(texts)
            for row, text in enumerate(side)
        ]
        aligned.append([texts, options, rows])
    found = [
        [name, arguments, options, getattr(tokenizer, name)(*copy.deepcopy(arguments), **options)]
        for name, arguments, options in CALLS
    ]
    found = [
        [*call, dict(result) if hasattr(result, "items") else result] for *call, result in found
    ]
    model = BertModel.from_pretrained(folder, dtype=torch.float32).eval()
    batch = tokenizer(CARD, padding=True, return_tensors="pt")
    with torch.inference_mode():
        pooled = model(**batch).pooler_output.numpy()
    write(
        "calls",
        {"pooler_output": pooled},
        texts=CARD,
        aligned=aligned,
        calls=found,
        attributes={name: getattr(tokenizer, name) for name in ATTRIBUTES},
    )


DTYPES = (
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool,
    torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint64, torch.uint32, torch.uint16, torch.uint8,
    torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz,
)  # fmt: skip


def views(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Tensors of every layout over one storage of random bits."""
    bits = torch.Generator().manual_seed(len(str(dtype)))
    high = 2 if dtype == torch.bool else 256
    numbers = torch.randint(0, high, (24 * dtype.itemsize,), generator=bits, dtype=torch.uint8)
    whole = numbers.view(dtype).reshape(2, 3, 4)
    return {
        "whole": whole,
        "again": whole,
        "parameter": torch.nn.Parameter(whole, requires_grad=False),
        "row": whole[1],
        "column": whole[:, :, 2],
        "step": whole[:, ::2, 1:],
        "transposed": whole.transpose(0, 2),
        "overlapping": whole.as_strided((2, 3), (1, 1), 3),
        "expanded": whole[:, :1].expand(2, 3, 4),
        "scalar": whole[1, 1, 1],
        "empty": whole[:0],
    }


def make_pickles() -> None:
    tensors = {f"{dtype}": views(dtype)["whole"] for dtype in DTYPES}
    for dtype in (torch.float32, torch.bfloat16):
        tensors |= {f"{dtype}.{name}": view for name, view in views(dtype).items()}
    state_dict = torch.nn.Linear(2, 3).state_dict()  # with its versions, which BUILD sets
    state_dict.clear()
    state_dict.update(tensors)
    torch.save(state_dict, DATA / "pickled.bin")
    copies = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    save_torch(copies, DATA / "pickled.safetensors", metadata={"made_by": VERSIONS})


def family_ids(rng: np.random.Generator, config: dict[str, Any]) -> list[list[int]]:
    """Texts of one token to as many as the model takes, with padding tokens inside two of them."""
    pad = config["pad_token_id"]
    most = min(config.get("max_position_embeddings", 300), 302)
    most -= pad + 1 if config["model_type"] in ROBERTAS else 0
    rows = [rng.integers(5, 100, size).tolist() for size in (1, 2, 9, 17, most)]
    rows[2][3] = rows[3][0] = rows[3][7] = rows[3][8] = pad
    return rows


ROBERTAS = ("camembert", "mpnet", "roberta", "xlm-roberta")


@contextlib.contextmanager
def in_float64() -> Iterator[None]:
    """T5's norm, BLOOM's slopes, softmax and GELU, all rotary sines, ModernBERT's turns and softmax
    in the dtype of what they are given: the code computes them in float32, and with a constant of
    8 digits, whatever the model's.
    """
    t5, bloom = modeling_t5.T5LayerNorm, modeling_bloom

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.pow(2).mean(-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(mean + self.variance_epsilon))

    def slopes(heads: int, device: Any) -> torch.Tensor:
        del device
        power = 2 ** math.floor(math.log2(heads))
        exponents = [-8 * i / power for i in range(1, power + 1)]
        exponents += [-4 * (2 * i - 1) / power for i in range(1, heads - power + 1)]
        return 2.0 ** torch.tensor(exponents, dtype=torch.float64)

    def softmax(x: torch.Tensor, dim: int, dtype: torch.dtype) -> torch.Tensor:
        del dtype
        return torch.softmax(x, dim)

    def gelu(x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.gelu(x, approximate="tanh")

    def turns(self, x: torch.Tensor, position_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        angles = (position_ids[..., None].float() * self.inv_freq.float()).to(x.dtype)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos(), angles.sin()

    def turns_of(
        self, x: torch.Tensor, position_ids: torch.Tensor, layer_type: str
    ) -> tuple[torch.Tensor, ...]:
        frequencies = types.SimpleNamespace(inv_freq=getattr(self, f"{layer_type}_inv_freq"))
        return turns(frequencies, x, position_ids)

    def turned(q, k, cos, sin, unsqueeze_dim: int = 1) -> tuple[torch.Tensor, ...]:
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        half = modeling_modernbert.rotate_half
        return q * cos + half(q) * sin, k * cos + half(k) * sin

    def attend(_, query, key, value, mask, scaling, **__) -> tuple[torch.Tensor, ...]:
        scores = query @ key.transpose(2, 3) * scaling
        weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    modern = modeling_modernbert
    functional = types.SimpleNamespace(**{**vars(bloom.F), "softmax": softmax})
    with (
        mock.patch.object(t5, "forward", norm),
        mock.patch.object(bloom, "_get_alibi_slopes", slopes),
        mock.patch.object(bloom, "F", functional),
        mock.patch.object(bloom, "bloom_gelu_forward", gelu),
        mock.patch.object(modeling_nomic_bert.NomicBertRotaryEmbedding, "forward", turns),
        mock.patch.object(modeling_gte.GteRotaryEmbedding, "forward", turns),
        mock.patch.object(modern.ModernBertRotaryEmbedding, "forward", turns_of),
        mock.patch.object(modern, "apply_rotary_pos_emb", turned),
        mock.patch.object(modern, "eager_attention_forward", attend),
    ):
        yield


@torch.no_grad()
def make_families() -> None:
    """The encoder and the classifier of each family, apart from any tokenizer."""
    arrays = {}
    for name, config in FAMILIES.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_family(Path(temporary), config)
            for_transformers(folder)
            options = {"dtype": torch.float32, "attn_implementation": "eager"}
            (architecture,) = json.loads((folder / "config.json").read_text())["architectures"]
            model = getattr(transformers, architecture).from_pretrained(folder, **options).eval()
            rows = family_ids(np.random.default_rng(7), config)
            classifies = has_classifier(config)
            encoder = model.base_model if classifies else model
            arrays |= {f"{name}.{key}": array for key, array in packed(rows).items()}
            for number, row in enumerate(rows):
                ids = torch.tensor([row])
                arrays[f"{name}.hidden_states.{number}"] = encoder(ids)[0][0].numpy()
                if classifies:
                    arrays[f"{name}.logits.{number}"] = model(ids).logits[0].numpy()
            model.to(torch.float64)
            # The longest one where its distances count: there the table is read to its end.
            whole = not classifies or config["model_type"] in ("mpnet", "modernbert")
            ids = torch.tensor([rows[4] if whole else rows[3]])
            with in_float64():
                arrays[f"{name}.hidden_states_float64"] = encoder(ids)[0][0].numpy()
                if classifies:
                    arrays[f"{name}.logits_float64"] = model(ids).logits[0].numpy()
    write("families", arrays)


def make_cross_encoders() -> None:
    pairs = [(first, second) for first in MODEL_TEXTS for second in MODEL_TEXTS]
    arrays = {}
    for model in CROSS_ENCODERS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), tiny_vocabulary())
            arrays[f"{folder.name}.scores"] = cross_encoder(folder).predict(pairs)
    write("cross-encoders", arrays, texts=MODEL_TEXTS)


# Of many languages; with special tokens in the text, which a model of RoBERTa's kind does not count
# where they are <pad>; without a token; of spaces and characters that the map changes; too long for
# some of the models.
MULTILINGUAL_TEXTS = [
    *SENTENCES,
    "hello <pad> world",
    "<pad>",
    "<pad><pad> The quick <pad>brown fox",
    "",
    "ﬁ é\x85 <mask>x</s> ",
    "  two  spaces　and\tmore\n",
    f"{SENTENCES[0]} {SENTENCES[2]} " * 12,
]
TRACED = (0, 5, 12, 14, 16)  # of these, every hidden state


@torch.no_grad()
def make_multilingual() -> None:
    """The folders with XLM-R's tokenizer: ids, vectors, hidden states, and the longest text."""
    arrays = {}
    for model in MULTILINGUAL:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), [])
            name, theirs = folder.name, sentence_model(folder, torch.float32)
            ids = theirs.tokenizer(MULTILINGUAL_TEXTS)["input_ids"]
            arrays |= {f"{name}.{key}": array for key, array in packed(ids).items()}
            found = sentence_embeddings(model, folder, MULTILINGUAL_TEXTS)
            arrays |= {f"{name}.{task}": array for task, array in found.items()}
            encoder = load_encoder(folder, torch.float32)
            for number in TRACED:
                arrays[f"{name}.hidden_states.{number}"] = hidden_states(encoder, ids[number])
            arrays[f"{name}.longest"] = embedding_of_the_longest(theirs, encoder.config)
    texts = MULTILINGUAL_TEXTS[::2]
    for model in MULTILINGUAL_RERANKERS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = build(model, Path(temporary), [])
            name, theirs = folder.name, cross_encoder(folder)
            pairs = [(first, second) for first in texts for second in texts]
            pairs.append((texts[0], words_of(theirs.max_length)))
            ids = theirs.tokenizer(*zip(*pairs, strict=True), truncation=True)["input_ids"]
            arrays |= {f"{name}.{key}": array for key, array in packed(ids).items()}
            alone = {"batch_size": 1}  # else all are padded to the longest
            arrays[f"{name}.scores"] = theirs.predict(pairs, **alone)
            identity = torch.nn.Identity()
            arrays[f"{name}.logits"] = theirs.predict(pairs, activation_fn=identity, **alone)
    write("multilingual", arrays, texts=MULTILINGUAL_TEXTS, traced=TRACED, paired=texts)


def embedding_of_the_longest(model: SentenceTransformer, config: Any) -> np.ndarray:
    """The vector of a text of as many tokens as there are positions, and that of one token more,
    which is cut and so the same.
    """
    first = 0 if config.model_type in ("bert", "gte") else config.pad_token_id + 1
    model.max_seq_length = most = config.max_position_embeddings - first
    texts = [words_of(most), words_of(most + 1)]
    assert [len(ids) for ids in model.tokenizer(texts)["input_ids"]] == [most, most + 1]
    exact, cut = (model.encode([text])[0] for text in texts)
    np.testing.assert_array_equal(exact, cut)
    return exact


# Characters whose bytes are cut, spaces, special tokens in the text.
BYTE_LEVEL_TEXTS = [
    *MODEL_TEXTS,
    " the Capital  of\tChina<mask> is <s>Beijing</s>\n\n it's 12 '34' 😀é",
]
# With tokens of its own in the text, runs of spaces, a character in two parts.
MODERNBERT_TEXTS = [
    *MODEL_TEXTS,
    " the Capital  of\tChina[MASK] is [CLS]Beijing|||IP_ADDRESS|||\n\n    it's e\u0301 😀[unused1]",
]


def make_byte_level() -> None:
    """Embedders, rerankers and the one tokenizer of all: of RoBERTa's kind, and of ModernBERT's."""
    arrays, tokenized = byte_level(EMBEDDERS, RERANKERS, build_byte_level, BYTE_LEVEL_TEXTS)
    write("byte-level", arrays, texts=BYTE_LEVEL_TEXTS, tokenized=tokenized)
    models = (MODERNBERT, MODERNBERT_RERANKERS)
    arrays, tokenized = byte_level(*models, build_modernbert, MODERNBERT_TEXTS)
    with tempfile.TemporaryDirectory() as temporary:
        theirs = sentence_model(build_modernbert(MODERNBERT[0], Path(temporary)), torch.float32)
        arrays["longest"] = theirs.encode(byte_level_words(8192))
    write("modernbert", arrays, texts=MODERNBERT_TEXTS, tokenized=tokenized)


def byte_level(
    embedders: list[Model],
    rerankers: list[Model],
    build_one: Callable[[Model, Path], Path],
    texts: list[str],
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What their folders give, and the tokens that all of them make of the texts."""
    pairs = [(first, second) for first in texts for second in texts]
    arrays: dict[str, np.ndarray] = {}
    tokenized: dict[str, Any] = {}
    for model in (*embedders, *rerankers):
        with tempfile.TemporaryDirectory() as temporary:
            folder = build_one(model, Path(temporary))
            if model in embedders:
                found = sentence_embeddings(model, folder, texts)
                arrays[f"{folder.name}.encode"] = found["encode"]
            else:
                options = {"dtype": torch.float32}
                theirs = CrossEncoder(str(folder), device="cpu", model_kwargs=options)
                arrays[f"{folder.name}.scores"] = theirs.predict(pairs)
            tokenizer = AutoTokenizer.from_pretrained(folder)
        options = {"truncation": True, "padding": True, "max_length": 24}
        whole = tokenizer(texts, return_offsets_mapping=True)
        found = {
            "texts": dict(tokenizer(texts, truncation=True)),
            "pairs": dict(tokenizer(*map(list, zip(*pairs, strict=True)), **options)),
            "offsets": whole["offset_mapping"],
            "word_ids": [whole.word_ids(row) for row in range(len(texts))],
            "decoded": tokenizer.batch_decode(whole["input_ids"]),
        }
        if tokenized not in ({}, found):
            raise SystemExit(f"{model.name} has another tokenizer than the models before it")
        tokenized = found
    return arrays, tokenized


@torch.no_grad()
def make_sgpt() -> None:
    """SGPT's form: texts as they are by sentence-transformers; and, as its card puts them, queries
    in [ ] and documents in { }, whose ids stand around those of the text.
    """
    texts = [text for text in BYTE_LEVEL_TEXTS if text]
    with tempfile.TemporaryDirectory() as temporary:
        folder = build_sgpt(Path(temporary))
        theirs = sentence_model(folder, torch.float32)
        arrays = {"encode": theirs.encode(texts)}
        tokenizer, model = theirs.tokenizer, theirs[0].auto_model
        most = theirs.max_seq_length - 2
        for name, marks in (("encode_query", "[]"), ("encode_document", "{}")):
            before, behind = tokenizer.convert_tokens_to_ids(list(marks))
            rows = []
            for text in texts:
                ids = tokenizer(text, truncation=True, max_length=most)["input_ids"]
                states = model(torch.tensor([[before, *ids, behind]]))[0][0]
                places = torch.arange(1, len(states) + 1)[:, None]
                rows.append(((states * places).sum(0) / places.sum()).numpy())
            arrays[name] = np.stack(rows)
    write("sgpt", arrays, texts=texts)


if __name__ == "__main__":
    make_sgpt()
    make_byte_level()
    make_families()
    make_cross_encoders()
    make_multilingual()
    make_pickles()
    make_models()
    make_tiny()
    make_minilm(Path(sys.argv[1]))
    make_calls(Path(sys.argv[1]))
    make_gte_small()
