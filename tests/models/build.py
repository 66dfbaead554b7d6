"""Write a folder of a model's form: its settings as published, seeded random weights, few layers.

What a smaller size does not change is kept: names, dtypes, modules, limits, prompts. Two layers of
4 numbers a head stand for the published ones (four in ModernBERT, whose layers differ), and 150
words or some 400 pieces for the vocabulary; the half million of LaBSE are kept, for there their
number is the point.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from charsmap import charsmap as charsmap_of
from charsmap import precompiled_json
from models import unigram
from models.published import (
    CROSS_ENCODERS,
    FORMS,
    MULTILINGUAL,
    MULTILINGUAL_RERANKERS,
    PUBLISHED,
    Model,
)
from models.relatives import (
    bloom_tensors,
    gte_tensors,
    modernbert_tensors,
    mpnet_tensors,
    nomic_tensors,
    t5_tensors,
)
from places import DATA
from random_model import random_tensors
from raw_safetensors import save_bfloat16
from safetensors.numpy import save_file
from sentencepiece_file import model_file

KINDS = {
    "Transformer": "base.modules.transformer",
    "Pooling": "sentence_transformer.modules.pooling",
    "Normalize": "base.modules.normalize",
}


def build(model: Model, parent: Path, words: list[str]) -> Path:
    """The folder, under the model's own name."""
    folder = parent / model.short_name
    folder.mkdir(parents=True)
    family = model.config["model_type"]
    if family == "mpnet":
        words = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", *words[5:], "<mask>"]
    if family == "t5":
        words = t5_pieces(words)
    if model.unigram is None and family == "bert" and model.config["vocab_size"] > 100_000:
        words = [*words, *(f"x{i}" for i in range(model.config["vocab_size"] - len(words)))]
    rows = unigram.rows(model.config["vocab_size"]) if model.unigram else len(words)
    config = shrunk(model.config, rows)
    seed = sum(model.name.encode())
    _write_weights(folder, model, config, seed)
    _write_json(folder / "config.json", config)
    if model.unigram:
        most = 8192 if config["max_position_embeddings"] >= 8192 else 512
        unigram.write_tokenizer(folder, model.unigram, model.tokenizer_class, most)
    elif family == "mpnet":
        _write_mpnet_tokenizer(folder, words)
    elif family == "t5":
        _write_t5_tokenizer(folder, words, alone=model.pieces_alone)
    else:
        _write_tokenizer(folder, words, model.lowercase)
    if model.defaults is not None:
        _write_json(folder / "config_sentence_transformers.json", model.defaults)
    if model.pooling is not None:
        _write_modules(folder, model, hidden_size(config), seed)
    return folder


def built(name: str, parent: Path) -> Path:
    """The folder of the published model, or the form, of that short name, with tiny's words or with
    byte-level pieces.
    """
    from models.byte_level import BUILDERS  # which goes on from this file

    if name in BUILDERS:
        return BUILDERS[name](parent)
    groups = (PUBLISHED, FORMS, MULTILINGUAL, CROSS_ENCODERS, MULTILINGUAL_RERANKERS)
    (model,) = (m for models in groups for m in models if m.short_name == name)
    return build(
        model, parent, (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    )


def hidden_size(config: dict[str, Any]) -> int:
    """The width, under either family's name."""
    names = SIZES.get(config["model_type"], {})
    width: int = config[names.get("hidden_size", "hidden_size")]
    return width


# Other families' names for BERT's sizes.
SIZES = {
    "distilbert": {
        "hidden_size": "dim",
        "intermediate_size": "hidden_dim",
        "num_hidden_layers": "n_layers",
        "num_attention_heads": "n_heads",
    },
    "t5": {
        "hidden_size": "d_model",
        "intermediate_size": "d_ff",
        "num_hidden_layers": "num_layers",
        "num_attention_heads": "num_heads",
    },
    "bloom": {"num_hidden_layers": "n_layer", "num_attention_heads": "n_head"},
    "nomic_bert": {
        "hidden_size": "n_embd",
        "intermediate_size": "n_inner",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
    },
}


def shrunk(config: dict[str, Any], vocab_size: int) -> dict[str, Any]:
    """The same configuration with 2 layers, or all kinds of them, and 4 numbers a head."""
    names = SIZES.get(config["model_type"], {})
    hidden = 4 * config[names.get("num_attention_heads", "num_attention_heads")]
    sizes = {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": 2}
    ours = {names.get(name, name): size for name, size in sizes.items()}
    if config["model_type"] == "t5":  # whose heads may be wider together than the states
        ours["d_kv"] = 4 if config["d_kv"] * config["num_heads"] == config["d_model"] else 12
    if config["model_type"] == "modernbert":  # of whose layers each third looks at all tokens
        ours["num_hidden_layers"] = 4
    if config["model_type"] == "nomic_bert":  # which has its sizes under either name
        ours |= sizes
    return {**config, **ours, "vocab_size": vocab_size}


def family_tensors(config: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Every tensor of the encoder under its family's names."""
    relatives = {
        "mpnet": mpnet_tensors,
        "t5": t5_tensors,
        "bloom": bloom_tensors,
        "nomic_bert": nomic_tensors,
        "modernbert": modernbert_tensors,
        "gte": gte_tensors,
        "new": gte_tensors,
    }
    if config["model_type"] in relatives:
        return relatives[config["model_type"]](config, seed)
    if config["model_type"] != "distilbert":
        return random_tensors(config, seed)
    as_bert = {bert: config[ours] for bert, ours in SIZES["distilbert"].items()}
    tensors = random_tensors({**config, **as_bert, "type_vocab_size": 1}, seed)
    del tensors["embeddings.token_type_embeddings.weight"]
    return {_distilbert_name(name): tensor for name, tensor in tensors.items()}


def _distilbert_name(name: str) -> str:
    for bert, ours in {
        "encoder.layer": "transformer.layer",
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm",
        "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2",
        "output.LayerNorm": "output_layer_norm",
    }.items():
        name = name.replace(bert, ours)
    return name


def classifier_tensors(model_type: str, hidden: int, labels: int, seed: int) -> dict[str, Any]:
    """A cross-encoder's head under its family's names; BERT's pooler has the encoder's prefix."""
    random = np.random.RandomState(seed + 3)
    names = {"bert": ("bert.pooler.dense", "classifier"),
             "distilbert": ("pre_classifier", "classifier"),
             "modernbert": ("head.dense", "classifier"),
             "gte": ("new.pooler.dense", "classifier"),
             "new": ("new.pooler.dense", "classifier")}  # fmt: skip
    dense, output = names.get(model_type, ("classifier.dense", "classifier.out_proj"))
    tensors = {
        f"{dense}.weight": random.normal(0, 0.3, (hidden, hidden)).astype(np.float32),
        f"{dense}.bias": random.normal(0, 0.3, hidden).astype(np.float32),
        f"{output}.weight": random.normal(0, 0.5, (labels, hidden)).astype(np.float32),
        f"{output}.bias": random.normal(0, 0.5, labels).astype(np.float32),
    }
    if model_type == "modernbert":
        del tensors["head.dense.bias"]
        tensors["head.norm.weight"] = random.normal(1, 0.2, hidden).astype(np.float32)
    return tensors


# Of a file with a head; else "roberta.".
PREFIXES = {
    "bert": "bert.",
    "bloom": "transformer.",
    "nomic_bert": "",
    "distilbert": "distilbert.",
    "modernbert": "model.",
    "gte": "new.",
    "new": "new.",
    "mpnet": "mpnet.",
    "t5": "",
}


# Families that have a pooler, which no embedding depends on.
POOLED = ("bert", "mpnet", "xlm-roberta")


def _write_weights(folder: Path, model: Model, config: dict[str, Any], seed: int) -> None:
    hidden = hidden_size(config)
    tensors = family_tensors(config, seed)
    random = np.random.RandomState(seed + 1)
    if config["model_type"] in POOLED and model.labels is None:
        tensors["pooler.dense.weight"] = random.standard_normal((hidden, hidden)).astype(np.float32)
        tensors["pooler.dense.bias"] = random.standard_normal(hidden).astype(np.float32)
    if model.labels is not None:
        prefix = PREFIXES.get(config["model_type"], "roberta.")
        tensors = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
        tensors |= classifier_tensors(config["model_type"], hidden, model.labels, seed)
    if model.tensor_names == "prefixed":
        tensors = {f"bert.{name}": tensor for name, tensor in tensors.items()}
        tensors["cls.predictions.bias"] = np.zeros(config["vocab_size"], np.float32)
        tensors["classifier.weight"] = np.ones((1, hidden), np.float32)
        tensors["classifier.bias"] = np.ones(1, np.float32)
    if model.tensor_names == "old":
        for new, old in (("weight", "gamma"), ("bias", "beta")):
            ending = f"LayerNorm.{new}"
            tensors = {
                name.removesuffix(new) + old if name.endswith(ending) else name: tensor
                for name, tensor in tensors.items()
            }
    positions = {}
    if "max_position_embeddings" in config:
        rows = np.arange(config["max_position_embeddings"])[None]
        positions = {"embeddings.position_ids": rows}
    names = sorted(tensors)
    shards = [names[i :: model.shards] for i in range(model.shards)]
    weight_map = {}
    for number, part in enumerate(shards, start=1):
        shard = f"model-{number:05}-of-{model.shards:05}.safetensors"
        path = folder / (shard if model.shards > 1 else "model.safetensors")
        floats = {name: tensors[name] for name in part}
        if model.dtype == "bfloat16":
            save_bfloat16(floats, path)
        else:
            floats = {name: tensor.astype(model.dtype) for name, tensor in floats.items()}
            save_file(floats | (positions if number == 1 else {}), path, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(floats, shard)
    if model.shards > 1:
        index = {"metadata": {}, "weight_map": weight_map}
        _write_json(folder / "model.safetensors.index.json", index)


def _write_tokenizer(folder: Path, words: list[str], lowercase: bool) -> None:
    """tokenizer.json and what stands beside it, as transformers writes them for BERT."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    piece = {name: {"SpecialToken": {"id": name, "type_id": 0}} for name in ("[CLS]", "[SEP]")}
    first = {"Sequence": {"id": "A", "type_id": 0}}
    second = {"Sequence": {"id": "B", "type_id": 1}}
    last = {"SpecialToken": {"id": "[SEP]", "type_id": 1}}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": words.index(name), "content": name, **flags, "special": True} for name in special
        ],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lowercase,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece["[CLS]"], first, piece["[SEP]"]],
            "pair": [piece["[CLS]"], first, piece["[SEP]"], second, last],
            "special_tokens": {
                name: {"id": name, "ids": [words.index(name)], "tokens": [name]}
                for name in ("[CLS]", "[SEP]")
            },
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: i for i, word in enumerate(words)},
        },
    }
    _write_json(folder / "tokenizer.json", tokenizer)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    settings = {"do_lower_case": lowercase, "model_max_length": 512}
    names = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
    names = {f"{key}_token": name for key, name in names.items()}
    _write_json(
        folder / "tokenizer_config.json",
        {**settings, **names, "tokenizer_class": "BertTokenizer"},
    )
    _write_json(folder / "special_tokens_map.json", names)


def _write_mpnet_tokenizer(folder: Path, words: list[str]) -> None:
    """BERT's with other special tokens, around which stand those of RoBERTa."""
    _write_tokenizer(folder, ["[PAD]", "[CLS]", "[SEP]", "[MASK]", *words], lowercase=True)
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokenizer["added_tokens"] = [
        {**flags, "id": words.index(name), "content": name, "special": True, **more}
        for name, more in {
            "<s>": {},
            "<pad>": {},
            "</s>": {},
            "<unk>": {"normalized": True},
            "[UNK]": {},
            "<mask>": {"lstrip": True},
        }.items()
    ]
    ends = {"sep": ["</s>", words.index("</s>")], "cls": ["<s>", words.index("<s>")]}
    tokenizer["post_processor"] = {
        "type": "RobertaProcessing", **ends, "trim_offsets": True, "add_prefix_space": False,
    }  # fmt: skip
    tokenizer["truncation"] = {"max_length": 128, "strategy": "LongestFirst", "stride": 0}
    tokenizer["model"]["vocab"] = {word: i for i, word in enumerate(words)}
    _write_json(folder / "tokenizer.json", tokenizer)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    names = {"bos": "<s>", "eos": "</s>", "unk": "[UNK]", "sep": "</s>", "pad": "<pad>",
             "cls": "<s>", "mask": "<mask>"}  # fmt: skip
    names = {f"{key}_token": name for key, name in names.items()}
    settings = {"do_lower_case": True, "strip_accents": None, "tokenize_chinese_chars": True}
    _write_json(
        folder / "tokenizer_config.json",
        {**settings, **names, "model_max_length": 512, "tokenizer_class": "MPNetTokenizer"},
    )
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False,
            "normalized": False}  # fmt: skip
    _write_json(folder / "special_tokens_map.json", {**names, "mask_token": mask})


def t5_pieces(words: list[str]) -> list[str]:
    """WordPiece's words as sentencepiece writes them, behind them the sentinels and free rows."""
    plain = [word for word in words[5:] if not word.startswith("##")]
    inner = [word.removeprefix("##") for word in words[5:] if word.startswith("##")]
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in plain), *inner, *plain]
    sentinels = [f"<extra_id_{i}>" for i in range(99, -1, -1)]
    return [*dict.fromkeys(pieces), *sentinels, *(f"free row {i}" for i in range(28))]


def _write_t5_tokenizer(folder: Path, words: list[str], *, alone: bool) -> None:
    """tokenizer.json as transformers writes it for T5, or spiece.model in its place."""
    first = words.index("<extra_id_99>")
    pieces = words[: first + 100]
    scores = [0.0] * 3 + [-3.0 - i / 32 for i in range(first - 3)] + [0.0] * 100
    charsmap = {"\t": " ", "\n": " ", "\u3000": " ", "Ａ": "A", "ﬁ": "fi"}
    names = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    settings = {"extra_ids": 100, "model_max_length": 512, "tokenizer_class": "T5Tokenizer"}
    _write_json(folder / "tokenizer_config.json", {**settings, **names})
    if alone:
        kinds = [3, 3, 2] + [1] * (first - 3)
        rows = list(zip(pieces[:first], scores[:first], kinds, strict=True))
        content = model_file(rows, charsmap_of(charsmap), unk_id=2)
        (folder / "spiece.model").write_bytes(content)
        return
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    special = [*pieces[:3], *pieces[first:]]
    metaspace = {"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}
    end = {"SpecialToken": {"id": "</s>", "type_id": 0}}
    texts = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": pieces.index(name), "content": name, **flags, "special": True}
            for name in special
        ],
        "normalizer": precompiled_json(charsmap),
        "pre_tokenizer": {
            "type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [texts[0], end],
            "pair": [texts[0], end, texts[1], end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}},
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram", "unk_id": 2, "byte_fallback": False,
            "vocab": [list(pair) for pair in zip(pieces, scores, strict=True)],
        },
    }  # fmt: skip
    _write_json(folder / "tokenizer.json", tokenizer)


def _write_modules(folder: Path, model: Model, hidden: int, seed: int) -> None:
    """modules.json, the folders that it names, and sentence_bert_config.json."""
    random = np.random.RandomState(seed + 2)
    kinds = ["Transformer", "Pooling", *model.after]
    entries = []
    for i, kind in enumerate(kinds):
        path = f"{i}_{kind}" if i else ""
        home = f"{KINDS[kind]}" if model.new_class_paths else "models"
        entries.append(
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.{home}.{kind}"}
        )
        (folder / path).mkdir(exist_ok=True)
        assert model.pooling is not None
        if kind == "Pooling":
            pooling = {**model.pooling}
            size = "embedding_dimension" if model.new_class_paths else "word_embedding_dimension"
            _write_json(folder / path / "config.json", {**pooling, size: hidden})
        if kind == "Dense":
            sizes = {"in_features": hidden, "out_features": hidden // 2}
            _write_json(folder / path / "config.json", {**sizes, **model.dense})
            weight = random.normal(0, 0.3, (hidden // 2, hidden)).astype(np.float32)
            bias = random.normal(0, 0.3, hidden // 2).astype(np.float32)
            tensors = {"linear.weight": weight, "linear.bias": bias}
            if not model.dense["bias"]:
                del tensors["linear.bias"]
            save_file(tensors, folder / path / "model.safetensors", metadata={"format": "pt"})
        if kind == "LayerNorm":
            _write_json(folder / path / "config.json", {"dimension": hidden})
            weight, bias = random.normal(1, 0.3, (2, hidden)).astype(np.float32)
            tensors = {"norm.weight": weight, "norm.bias": bias}
            save_file(tensors, folder / path / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "modules.json", entries)
    _write_json(folder / "sentence_bert_config.json", model.transformer)


def _write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
