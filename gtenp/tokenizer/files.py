"""A model folder's tokenizer files → one frozen ``TokenizerSpec``.

Who wins where the files disagree, as in transformers:

1. ``tokenizer.json``, where it is there, is the vocabulary; ``vocab.txt``, ``vocab.json`` with
   ``merges.txt`` and ``sentencepiece.bpe.model`` or ``spiece.model`` are then not opened.
2. ``tokenizer_class``, of ``tokenizer_config.json`` or else ``config.json``, says who builds the
   tokenizer. BertTokenizer, also where none is named, puts [CLS] and [SEP] around a text whatever
   tokenizer.json says; XLMRobertaTokenizer, also where none is named and the model is an
   xlm-roberta, <s> and </s>, and takes of its stages the vocabulary and the character map alone
   (``stages.py``); CamembertTokenizer is XLM-R's with other ids; T5Tokenizer likewise, with </s>
   alone behind a text; MPNetTokenizer is BERT's with <s> and </s>; RobertaTokenizer, also where
   none is named and the model is a roberta, puts those around too, and takes the vocabulary and the
   merges alone; GPT2Tokenizer takes these and tokenizer.json's template; PreTrainedTokenizerFast
   and TokenizersBackend take tokenizer.json as it is, and so does a modernbert, whatever it names.
3. Special tokens' names: ``special_tokens_map.json`` (unless ``tokenizer_config.json`` has
   ``added_tokens_decoder``), ``tokenizer_config.json``, and for BertTokenizer its defaults.
4. Added tokens: ``added_tokens_decoder``, or where there is none tokenizer.json's and those of
   ``added_tokens.json``. tokenizer.json's own, where it is taken as it is, stay below these.
5. ``do_lower_case``, ``strip_accents`` and ``tokenize_chinese_chars`` that
   ``tokenizer_config.json`` states beat tokenizer.json's normalizer under BertTokenizer. What it
   does not state, tokenizer.json decides; transformers would take its own defaults.
"""

from __future__ import annotations

import gc
import struct
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import read_bytes, read_json, read_text
from gtenp.tokenizer.added_tokens import AddedToken
from gtenp.tokenizer.characters import all_spaces
from gtenp.tokenizer.template import (
    Template,
    TemplateError,
    read_template,
    roberta_template,
    t5_template,
    xlmr_template,
)

if TYPE_CHECKING:
    from pathlib import Path

    from gtenp.tokenizer.precompiled import Precompiled
    from gtenp.tokenizer.stages import Stages

# What transformers gives as the length of a model that states none.
NO_MAX_LENGTH = int(1e30)

# The classes that build BERT's tokenizer, normalizer and template, and take from the files the
# vocabulary and the options; each is also written with "Fast" behind it.
BERT_CLASSES = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer")
# The class that builds MPNet's likewise: BERT's words, RoBERTa's special tokens.
MPNET_CLASSES = ("MPNetTokenizer",)
WORDPIECE_CLASSES = BERT_CLASSES + MPNET_CLASSES
# The class that builds XLM-R's likewise, of Unigram; CamemBERT's does the same with ids of its own.
CAMEMBERT = "CamembertTokenizer"
XLMR_CLASSES = ("XLMRobertaTokenizer", CAMEMBERT)
# The class that builds T5's likewise: nothing before a text, </s> behind it.
T5_CLASSES = ("T5Tokenizer",)
# Where those of sentencepiece find their pieces, if there is no tokenizer.json.
PIECES = {
    **dict.fromkeys(XLMR_CLASSES, "sentencepiece.bpe.model"),
    **dict.fromkeys(T5_CLASSES, "spiece.model"),
}
# Those that build byte-level BPE: RoBERTa's, which has a template of its own, and GPT-2's.
ROBERTA_CLASSES = ("RobertaTokenizer",)
GPT2_CLASSES = ("GPT2Tokenizer",)
BPE_CLASSES = ROBERTA_CLASSES + GPT2_CLASSES
# By the model's type, where no file names a class; else BERT's.
USUAL_CLASSES = {
    "gte": XLMR_CLASSES[0],
    "mpnet": MPNET_CLASSES[0],
    "roberta": ROBERTA_CLASSES[0],
    "t5": T5_CLASSES[0],
    "camembert": CAMEMBERT,
    "xlm-roberta": XLMR_CLASSES[0],
}
# Those that take tokenizer.json as it is.
FILE_CLASSES = (
    *("PreTrainedTokenizer", "TokenizersBackend", "RetriBertTokenizer", "BloomTokenizer"),
)
# The types of models whose tokenizer.json is taken so whatever class is named.
TAKEN_AS_IT_IS = ("modernbert",)

# In the order in which transformers adds them.
NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
BERT_NAMES = {
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
}
XLMR_NAMES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "cls_token": "<s>",
    "mask_token": "<mask>",
}
MPNET_NAMES = XLMR_NAMES | {"unk_token": "[UNK]"}
T5_NAMES = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
GPT2_NAMES = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
DEFAULT_NAMES = {
    **dict.fromkeys(BERT_CLASSES, BERT_NAMES),
    **dict.fromkeys(MPNET_CLASSES, MPNET_NAMES),
    **dict.fromkeys(XLMR_CLASSES + ROBERTA_CLASSES, XLMR_NAMES),
    **dict.fromkeys(T5_CLASSES, T5_NAMES),
    **dict.fromkeys(GPT2_CLASSES, GPT2_NAMES),
}
# What stands in the places of fairseq's own dictionary, before CamemBERT's pieces.
CAMEMBERT_UNUSED = ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")
# Where these classes have the unknown piece, whatever tokenizer.json says.
UNK_IDS = {**dict.fromkeys(XLMR_CLASSES, 3), **dict.fromkeys(T5_CLASSES, 2)}

# What tokenizer_config.json may state, ours → theirs.
CALL_OPTIONS = {
    name: name for name in ("padding_side", "truncation_side", "clean_up_tokenization_spaces")
}
NORMALIZER_OPTIONS = {
    "lowercase": "do_lower_case",
    "strip_accents": "strip_accents",
    "handle_chinese_chars": "tokenize_chinese_chars",
}


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """All that the files say about the tokenizer."""

    vocab: dict[str, int]
    added_tokens: tuple[AddedToken, ...] = ()
    unk_token: str | None = "[UNK]"
    cls_token: str | None = "[CLS]"
    sep_token: str | None = "[SEP]"
    pad_token: str | None = "[PAD]"
    mask_token: str | None = None
    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100
    model_max_length: int = NO_MAX_LENGTH
    padding_side: str = "right"
    truncation_side: str = "right"
    clean_up_tokenization_spaces: bool = False
    decoder_cleanup: bool = True
    template: Template | None = None  # None: BERT's, of cls_token and sep_token
    stages: Stages | None = None  # None: BERT's, of the options above

    @property
    def strips_accents(self) -> bool:
        """Whether accents go; where nothing is said, a lowercasing tokenizer strips them."""
        return self.lowercase if self.strip_accents is None else self.strip_accents

    @property
    def largest_id(self) -> int:
        """The largest id that any text can get."""
        return max((*self.vocab.values(), *(token.id for token in self.added_tokens)))


def read_folder(folder: Path) -> TokenizerSpec:
    """Read whichever of the files are there; tokenizer.json, or else vocab.txt, vocab.json with
    merges.txt or the class's file of sentencepiece, must be.

    Raises ModelFileError where a file is missing, damaged or contradicts itself, and
    UnsupportedModelError where the tokenizer has a part that is not known here.
    """
    # Unigram's vocabulary is a quarter of a million lists for a moment, BPE's merges are tens of
    # thousands of tuples: the collector would go through them, and all else that the process holds,
    # again and again, and find nothing.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _read_spec(folder)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # One type in another's place, somewhere deep in the files: they hold hundreds of values.
        raise ModelFileError(
            folder / "tokenizer.json",
            f"or a file beside it is not a tokenizer's ({type(error).__name__}: {error}); copy all "
            "tokenizer files anew",
        ) from error
    finally:
        if collects:
            gc.enable()


def _read_spec(folder: Path) -> TokenizerSpec:
    config_path = folder / "tokenizer_config.json"
    config = _read_object(config_path) if config_path.is_file() else {}
    model_path = folder / "config.json"
    model = _read_object(model_path) if model_path.is_file() else {}
    name = _class_name(folder, config, model)
    tokenizer_path = folder / "tokenizer.json"
    vocab_path = folder / "vocab.txt"
    pieces_path = folder / (
        "vocab.json" if name in BPE_CLASSES else PIECES.get(name, vocab_path.name)
    )
    if tokenizer_path.is_file():
        path = tokenizer_path
        says = _read_tokenizer_json(path, name, config)
    elif name in PIECES and pieces_path.is_file():
        path = pieces_path
        names = DEFAULT_NAMES[name] | _special_names(folder, config)
        says = _read_sentencepiece(path, name, names, config)
    elif name in BPE_CLASSES and pieces_path.is_file():
        path = pieces_path
        says = _read_vocab_and_merges(path, config)
    elif vocab_path.is_file() and name not in (*PIECES, *BPE_CLASSES):
        path = vocab_path
        name = name if name in MPNET_CLASSES else BERT_CLASSES[0]
        says = {"vocab": _read_vocab(path), "added_tokens": [], "names": {}}
    else:
        other = pieces_path.name
        raise ModelFileError(
            tokenizer_path, f"is missing, and so is {other}; one of the two must be in the folder"
        )
    builds_berts = name in WORDPIECE_CLASSES
    as_it_is = name in FILE_CLASSES
    vocab: dict[str, int] = says.pop("vocab")
    in_file: list[dict[str, Any]] = says.pop("added_tokens")
    try:
        named = DEFAULT_NAMES.get(name, {}) | _special_names(folder, config)
        if name in (*MPNET_CLASSES, CAMEMBERT) and isinstance(named["mask_token"], str):
            named["mask_token"] = {"content": named["mask_token"], "lstrip": True}
        contents: dict[str, Any] = {key: _special(name)["content"] for key, name in named.items()}
        entries = _other_tokens(folder, config, in_file)
        for entry in entries:
            if entry["content"] in contents.values():
                entry["special"] = True
        # A named token that the vocabulary lacks would get an id past the model's embedding table.
        rest = [entry for entry in map(_special, named.values()) if entry["content"] in vocab]
        rest += map(
            _special, _extra_special_tokens(folder, config) or _oldest_extra(folder, config)
        )
        rest += says.pop("more_tokens", [])
        if name in T5_CLASSES:
            rest += map(_special, _sentinels(config))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            config_path, f"or special_tokens_map.json or added_tokens.json is damaged ({error!r})"
        ) from error
    added = _number(path, [*(in_file if as_it_is else ()), *entries], rest, vocab)
    contents |= says.pop("names")
    contents_added = {token.content for token in added}
    # BPE over bytes knows whatever text there is; the other models need a piece for the unknown.
    over_bytes = name in BPE_CLASSES or says.pop("over_bytes", False)
    for key, optional in (
        ("unk_token", over_bytes),
        ("cls_token", as_it_is or name in T5_CLASSES + GPT2_CLASSES),
        ("sep_token", as_it_is or name in T5_CLASSES + GPT2_CLASSES),
        ("pad_token", True),
        ("mask_token", True),
    ):
        content = contents.setdefault(key, None)
        if content in vocab or (content in contents_added and (optional or key != "unk_token")):
            continue
        if not optional:
            raise ModelFileError(
                path, f"has no {content!r}, the {key}; copy the model's own vocabulary"
            )
        contents[key] = None
    options = CALL_OPTIONS | NORMALIZER_OPTIONS if builds_berts else CALL_OPTIONS
    stated = {ours: config[theirs] for ours, theirs in options.items() if theirs in config}
    if name == CAMEMBERT and vocab[contents["unk_token"]] != UNK_IDS[name]:
        raise ModelFileError(
            path,
            f"has {contents['unk_token']!r} at {vocab[contents['unk_token']]}; {name} has it at "
            f"{UNK_IDS[name]}: copy the model's own vocabulary",
        )
    if name in XLMR_CLASSES:
        ids = vocab | {token.content: token.id for token in added}
        around = (_id(path, ids, contents[key], key) for key in ("bos_token", "eos_token"))
        says["template"] = xlmr_template(*around)
    if name in T5_CLASSES:
        ids = vocab | {token.content: token.id for token in added}
        says["template"] = t5_template(_id(path, ids, contents["eos_token"], "eos_token"))
    if name in MPNET_CLASSES:
        ids = vocab | {token.content: token.id for token in added}
        around = (_id(path, ids, contents[key], key) for key in ("cls_token", "sep_token"))
        says["template"] = roberta_template(*around, trims=True, adds_prefix_space=False)
    if name in ROBERTA_CLASSES:
        ids = vocab | {token.content: token.id for token in added}
        says["template"] = roberta_template(
            *(_id(path, ids, contents[key], key) for key in ("cls_token", "sep_token")),
            trims=_flag(config_path, config, "trim_offsets", True),
            adds_prefix_space=_flag(config_path, config, "add_prefix_space", False),
        )
    spec = TokenizerSpec(
        vocab=vocab,
        added_tokens=added,
        model_max_length=_max_length(config_path, config, model),
        **{key: contents[key] for key in BERT_NAMES},
        **{**says, **stated},
    )
    _check_types(config_path if stated else path, spec)
    _check_template(path, spec)
    return spec


def _read_object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelFileError(path, f"holds a JSON {type(value).__name__}, an object was wanted")
    return value


def _read_vocab(path: Path) -> dict[str, int]:
    """vocab.txt: a token per line, its id the line's number. Of a token that comes twice the last
    holds, a blank line only takes up its number, and white space at a line's end is not the
    token's, all as in the reference.
    """
    # Not splitlines(): vocabularies hold U+2028 and U+0085 within tokens.
    lines = read_text(path).split("\n")
    if not lines[-1]:
        del lines[-1]
    # Not a bare rstrip(): to Python, U+001C to U+001F are white space too.
    lines = [line.rstrip(all_spaces()) for line in lines]
    return dict(zip(lines, range(len(lines)), strict=True))


def _read_tokenizer_json(path: Path, name: str, config: dict[str, Any]) -> dict[str, Any]:
    """tokenizer.json, as arguments of ``TokenizerSpec``; its truncation and padding are ignored,
    as they are in transformers: both are arguments of the call.
    """
    whole = _read_object(path)
    try:
        model = whole["model"]
        # The oldest files leave the model's type out; this key is WordPiece's alone.
        kind = model.get("type", "WordPiece" if "max_input_chars_per_word" in model else None)
        if kind == "Unigram" and name in (*PIECES, *FILE_CLASSES):
            says = _read_unigram_json(path, whole, name, config)
        elif kind == "BPE" and name in BPE_CLASSES + FILE_CLASSES:
            says = _read_bpe_json(path, whole, name, config)
        else:
            wanted = "Unigram" if name in PIECES else "WordPiece"
            wanted = "BPE" if name in BPE_CLASSES else wanted
            known = f"{name}'s is {wanted}"
            if name in FILE_CLASSES:
                known = "gtenp knows WordPiece, Unigram and BPE"
            _refuse(path, "model", kind, wanted, known)
            says = _read_bert_json(path, whole)
        says["added_tokens"] = list(whole["added_tokens"])
        if not all(isinstance(token["content"], str) for token in says["added_tokens"]):
            raise TypeError("an added token's content is not a text")
        if name in FILE_CLASSES + GPT2_CLASSES:
            says["template"] = read_template(whole.get("post_processor"))
        if name not in FILE_CLASSES:
            says["names"] = {}
        return says
    except TemplateError as error:
        raise UnsupportedModelError(path, f"its post_processor {error}") from error
    except KeyError as error:
        raise ModelFileError(path, f"has no {error}; save it anew with tokenizers") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelFileError(
            path, f"is not a tokenizer's file ({error}); save it anew with tokenizers"
        ) from error


def _read_bert_json(path: Path, whole: dict[str, Any]) -> dict[str, Any]:
    """A WordPiece model and the stages around it, which must be BERT's."""
    model = whole["model"]
    normalizer = whole["normalizer"] or {}
    splitter = whole["pre_tokenizer"] or {}
    for part, found, wanted in (
        ("normalizer", normalizer.get("type"), "BertNormalizer"),
        ("pre_tokenizer", splitter.get("type"), "BertPreTokenizer"),
    ):
        _refuse(path, part, found, wanted, f"beside WordPiece gtenp knows {wanted}")
    if not isinstance(model["vocab"], dict):
        raise TypeError("model.vocab is not an object")
    options = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    return {
        "vocab": model["vocab"],
        "names": {"unk_token": model["unk_token"]},
        "continuing_subword_prefix": model["continuing_subword_prefix"],
        "max_input_chars_per_word": model["max_input_chars_per_word"],
        "decoder_cleanup": (whole.get("decoder") or {}).get("cleanup", True),
        **{key: normalizer[key] for key in options},
    }


def _read_unigram_json(
    path: Path, whole: dict[str, Any], name: str, config: dict[str, Any]
) -> dict[str, Any]:
    """A Unigram model and the stages around it: the file's, or what its class builds."""
    from gtenp.tokenizer import stages

    vocab, scores = stages.read_unigram(path, whole["model"])
    if name in FILE_CLASSES:
        read = stages.read_stages(path, whole, scores)
        unk_token = whole["model"]["vocab"][whole["model"]["unk_id"]][0]
        return {"vocab": vocab, "names": {"unk_token": unk_token}, "stages": read}
    charsmap = stages.find_charsmap(path, whole)
    return {"vocab": vocab, "stages": _class_stages(path, name, charsmap, scores, config)}


def _read_bpe_json(
    path: Path, whole: dict[str, Any], name: str, config: dict[str, Any]
) -> dict[str, Any]:
    """A BPE model over bytes and the stages around it: the file's, or what its class builds."""
    from gtenp.tokenizer import stages

    vocab = whole["model"]["vocab"]
    if not isinstance(vocab, dict):
        raise TypeError("model.vocab is not an object")
    if name in FILE_CLASSES:
        read = stages.read_byte_level_stages(path, whole)
        return {"vocab": vocab, "names": {}, "stages": read, "over_bytes": True}
    merges = stages.read_bpe(path, whole["model"])
    prefix = _flag(path.with_name("tokenizer_config.json"), config, "add_prefix_space", False)
    return {"vocab": vocab, "stages": stages.byte_level_stages(merges, prefix)}


def _read_vocab_and_merges(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """vocab.json and merges.txt beside it, as arguments of ``TokenizerSpec``."""
    from gtenp.tokenizer import stages

    merges_path = path.with_name("merges.txt")
    if not merges_path.is_file():
        raise ModelFileError(merges_path, "is missing, which goes with vocab.json")
    for key in ("add_bos_token", "add_eos_token"):  # a tokenizer.json is not asked for these
        if config.get(key):
            raise UnsupportedModelError(
                path.with_name("tokenizer_config.json"),
                f"has {key} true, which gtenp does not know beside vocab.json",
            )
    vocab = _read_object(path)
    lines = read_text(merges_path).removesuffix("\n").split("\n")
    merges = [line.split(" ") for line in lines if line and not line.startswith("#version")]
    pairs = stages.check_merges(merges_path, vocab, [tuple(merge) for merge in merges])
    prefix = _flag(path.with_name("tokenizer_config.json"), config, "add_prefix_space", False)
    return {
        "vocab": vocab,
        "stages": stages.byte_level_stages(pairs, prefix),
        "template": Template(),
        "added_tokens": [],
        "names": {},
    }


def _flag(path: Path, config: dict[str, Any], key: str, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise ModelFileError(path, f"{key} is {value!r}, true or false was wanted")
    return value


def _read_sentencepiece(
    path: Path, name: str, names: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    """A file of sentencepiece, as arguments of ``TokenizerSpec``.

    XLM-R's ids are fairseq's: four special tokens, the pieces but for the first three, the mask.
    CamemBERT's: five that stand for fairseq's, the pieces but for the first, the mask.
    T5's are the pieces as they stand, and the sentinels behind them, the last one first.
    """
    from gtenp.tokenizer.precompiled import Precompiled
    from gtenp.tokenizer.sentencepiece import CONTROL, USER_DEFINED, read_sentencepiece

    try:
        model = read_sentencepiece(read_bytes(path))
        charsmap = Precompiled(model.charsmap) if model.charsmap else None
    except (ValueError, struct.error) as error:
        raise ModelFileError(path, f"is not sentencepiece's ({error}); copy it anew") from error
    _refuse(path, "model", model.model_type, "unigram", "gtenp knows sentencepiece's unigram")
    if name in T5_CLASSES:
        behind = list(reversed(_sentinels(config)))
        pieces = [*model.pieces, *behind]
        scores = [*model.scores, *[0.0] * len(behind)]
    else:
        special = [_special(names[key])["content"] for key in XLMR_NAMES]
        bos, eos, unk, _, pad, _, mask = special
        pieces = [bos, pad, eos, unk, *model.pieces[3:], mask]
        scores = [0.0] * 4 + model.scores[3:] + [0.0]
        if name == CAMEMBERT:
            unused, unused_end, unused_unk = CAMEMBERT_UNUSED
            pieces = [unused, pad, unused_end, unk, unused_unk, *model.pieces[1:], mask]
            scores = [0.0] * 4 + [-100.0, *model.scores[1:], 0.0]
    return {
        "vocab": dict(zip(pieces, range(len(pieces)), strict=True)),
        "stages": _class_stages(path, name, charsmap, scores, config),
        "added_tokens": [],
        "more_tokens": [
            {"content": piece, "special": kind == CONTROL, "normalized": False}
            for piece, kind in zip(model.pieces, model.types, strict=True)
            if kind in (CONTROL, USER_DEFINED)
        ],
        "names": {},
    }


def _sentinels(config: dict[str, Any]) -> list[str]:
    """T5's tokens for what is masked in training: <extra_id_0>, <extra_id_1> …"""
    count = config.get("extra_ids", 100)
    if type(count) is not int or not 0 <= count <= 10_000:
        raise ValueError(f"extra_ids is {count!r}")
    return [f"<extra_id_{i}>" for i in range(count)]


def _class_stages(
    path: Path,
    name: str,
    charsmap: Precompiled | None,
    scores: list[float],
    config: dict[str, Any],
) -> Stages:
    from gtenp.tokenizer.stages import sentencepiece_stages

    unk_id = UNK_IDS[name]
    if len(scores) <= unk_id:
        raise ModelFileError(path, f"has {len(scores)} pieces, of which none can be <unk>")
    says_so = config if name in XLMR_CLASSES else {}
    prefix = _flag(path.with_name("tokenizer_config.json"), says_so, "add_prefix_space", True)
    return sentencepiece_stages(charsmap, prefix, scores, unk_id)


def _refuse(path: Path, part: str, found: object, wanted: str, known: str) -> None:
    if found != wanted:
        raise UnsupportedModelError(path, f"its {part} is {found or 'none'}; {known}")


def _class_name(folder: Path, config: dict[str, Any], model: dict[str, Any]) -> str:
    """The class that the files name, without "Fast"; where they name none, the model type's.

    Raises UnsupportedModelError where it is not known.
    """
    kind = str(model.get("model_type"))
    if kind in TAKEN_AS_IT_IS:
        return FILE_CLASSES[0]
    name, path = config.get("tokenizer_class"), folder / "tokenizer_config.json"
    if not name:
        path = folder / "config.json"
        name = model.get("tokenizer_class") or USUAL_CLASSES.get(kind, BERT_CLASSES[0])
    name = str(name).removesuffix("Fast")
    if name not in (*DEFAULT_NAMES, *FILE_CLASSES):
        raise UnsupportedModelError(
            path,
            f"its tokenizer_class is {name}, gtenp knows {', '.join(DEFAULT_NAMES)} "
            "and, where tokenizer.json is to be taken as it is, PreTrainedTokenizerFast",
        )
    return name


def _special_names(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What the two files call ``unk_token`` and so on; each a str or an added token's dict."""
    stated = config | _special_tokens_map(folder, config)
    return {key: stated[key] for key in NAMES if stated.get(key)}


def _special_tokens_map(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    path = folder / "special_tokens_map.json"
    if "added_tokens_decoder" in config or not path.is_file():
        return {}
    return _read_object(path)


def _extra_special_tokens(folder: Path, config: dict[str, Any]) -> list[Any]:
    stated = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    more = _special_tokens_map(folder, config).get("extra_special_tokens") or []
    return [
        token
        for tokens in (stated, more)
        for token in (tokens.values() if isinstance(tokens, dict) else tokens)
    ]


def _oldest_extra(folder: Path, config: dict[str, Any]) -> list[Any]:
    """What special_tokens_map.json of before transformers 5 adds, where nothing newer is stated."""
    return list(_special_tokens_map(folder, config).get("additional_special_tokens") or [])


def _other_tokens(
    folder: Path, config: dict[str, Any], in_file: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The added tokens of tokenizer_config.json, or else of added_tokens.json and tokenizer.json
    (``in_file``), by ascending id.
    """
    if "added_tokens_decoder" in config:
        by_id = {int(key): value for key, value in config["added_tokens_decoder"].items()}
    else:
        path = folder / "added_tokens.json"
        ids: dict[str, int] = _read_object(path) if path.is_file() else {}
        named = [*_special_names(folder, config).values(), *_extra_special_tokens(folder, config)]
        special = {_special(value)["content"] for value in named}
        by_id = {
            number: {
                "content": content,
                "special": content in special,
                "normalized": content not in special,
            }
            for content, number in ids.items()
        }
        by_id |= {entry["id"]: entry for entry in in_file}
    return [{**by_id[key], "id": key} for key in sorted(by_id)]


def _special(value: Any) -> dict[str, Any]:
    """A special token as a dict, whether the file writes it so or as a str."""
    return {**({"content": value} if isinstance(value, str) else value), "special": True}


def _number(
    path: Path,
    entries: list[dict[str, Any]],
    rest: list[dict[str, Any]],
    vocab: dict[str, int],
) -> tuple[AddedToken, ...]:
    """Give each added token its id: the vocabulary's, or else the next one behind it.

    Of entries with the same content the last holds; the rest adds only what no entry has.

    >>> entries = [{"content": "[SEP]"}, {"content": "<new>", "special": True}]
    >>> [(token.content, token.id) for token in _number(None, entries, [], {"a": 0, "[SEP]": 1})]
    [('[SEP]', 1), ('<new>', 2)]
    """
    tokens: dict[str, AddedToken] = {}
    beyond = len(vocab)
    taken = {entry["content"] for entry in entries}
    for entry in [*entries, *(entry for entry in rest if entry["content"] not in taken)]:
        content = entry["content"]
        if not content:
            continue
        known = tokens.get(content)
        number = known.id if known else vocab.get(content, beyond)
        if entry.get("id", number) != number:
            # The reference numbers anew and goes on: the model would look up another token's row.
            raise ModelFileError(
                path,
                f"gives the added token {content!r} id {entry['id']}, but with this vocabulary "
                f"it has id {number}; copy all tokenizer files from one place",
            )
        beyond = max(beyond, number + 1)
        special = entry.get("special", False)
        tokens[content] = AddedToken(
            content,
            number,
            entry.get("single_word", False),
            entry.get("lstrip", False),
            entry.get("rstrip", False),
            entry.get("normalized", not special),
            special,
        )
    return tuple(tokens.values())


def _id(path: Path, ids: dict[str, int], content: str, key: str) -> int:
    if content not in ids:
        raise ModelFileError(
            path, f"has no {content!r}, the {key}; copy the model's own vocabulary"
        )
    return ids[content]


def _max_length(config_path: Path, config: dict[str, Any], model: dict[str, Any]) -> int:
    """``model_max_length``, but no more than the model has position embeddings."""
    stated = config.get("model_max_length", config.get("max_len")) or NO_MAX_LENGTH
    if not isinstance(stated, (int, float)):
        raise ModelFileError(config_path, f"model_max_length is {stated!r}, a number was wanted")
    positions = model.get("max_position_embeddings")
    return min(int(stated), positions) if isinstance(positions, int) else int(stated)


def _check_template(path: Path, spec: TokenizerSpec) -> None:
    """A special token of the template needs a row of the model's embedding table."""
    template = spec.template or Template()
    added = {token.id for token in spec.added_tokens}
    for layout in (template.single, template.pair):
        for token in layout.special_tokens:
            if token.id not in added and token.id not in spec.vocab.values():
                raise ModelFileError(
                    path,
                    f"its post_processor has a special token with id {token.id}, which is no "
                    "token's; copy all tokenizer files from one place",
                )


def _check_types(path: Path, spec: TokenizerSpec) -> None:
    """A value of the wrong type would be taken for true or false without a word."""
    for field in fields(spec):
        value = getattr(spec, field.name)
        wanted = {
            "bool": (bool,),
            "bool | None": (bool, type(None)),
            "int": (int,),
            "str": (str,),
            "str | None": (str, type(None)),
        }.get(str(field.type))
        if wanted and not isinstance(value, wanted):
            raise ModelFileError(path, f"{field.name} is {value!r}, a {field.type} was wanted")
    for name in ("padding_side", "truncation_side"):
        if getattr(spec, name) not in ("left", "right"):
            raise ModelFileError(
                path, f"{name} is {getattr(spec, name)!r}, 'left' or 'right' was wanted"
            )
