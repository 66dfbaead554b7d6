"""The stages of a tokenizer.json as frozen values, and those that transformers' classes build.

transformers reads from the file of an XLMRobertaTokenizer or T5Tokenizer the vocabulary and the
character map alone; normalizer, pre-tokenizer and decoder are the class's own, and so they are
here. The two ways differ where a file has the newer form, with Metaspace alone as pre-tokenizer:
at white space that the character map leaves, such as U+0085, these classes split, the file doesn't.
Of a RobertaTokenizer's or GPT2Tokenizer's file it takes the vocabulary and the merges.

What is not known here is refused by name.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import shown
from gtenp.tokenizer.bpe import BpeModel
from gtenp.tokenizer.byte_level import BYTES, ByteLevelDecoder
from gtenp.tokenizer.edits import Lowercase, Prepend, Replace, Strip, read_pattern
from gtenp.tokenizer.metaspace import Metaspace, WhitespaceSplit
from gtenp.tokenizer.patterns import PatternError, compiled
from gtenp.tokenizer.precompiled import Precompiled
from gtenp.tokenizer.sentencepiece_decoder import (
    ByteFallback,
    Decoder,
    Fuse,
    MetaspaceDecoder,
    ReplaceDecoder,
    StripDecoder,
)
from gtenp.tokenizer.split import BEHAVIORS, WORDS, PrefixSpace, Split, digits
from gtenp.tokenizer.unicode_forms import UnicodeForm
from gtenp.tokenizer.unigram import UnigramModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Normalizer = Precompiled | UnicodeForm | Strip | Replace | Prepend | Lowercase
PreTokenizer = WhitespaceSplit | Metaspace | PrefixSpace | Split

MARK = "▁"


@dataclass(frozen=True, slots=True)
class Stages:
    """What becomes of a text between the added tokens and the template, but for the vocabulary."""

    normalizers: tuple[Normalizer, ...]
    pre_tokenizers: tuple[PreTokenizer, ...]
    decoders: tuple[Decoder | ByteLevelDecoder, ...]
    model: UnigramModel | BpeModel


def sentencepiece_stages(
    charsmap: Precompiled | None, add_prefix_space: bool, scores: Sequence[float], unk_id: int
) -> Stages:
    """The stages that XLMRobertaTokenizer and T5Tokenizer build."""
    scheme = "always" if add_prefix_space else "never"
    return Stages(
        () if charsmap is None else (charsmap,),
        (WhitespaceSplit(), Metaspace(MARK, scheme, split=True)),
        (MetaspaceDecoder(MARK, add_prefix_space),),
        UnigramModel(scores, unk_id),
    )


def byte_level_stages(merges: Iterable[tuple[str, str]], add_prefix_space: bool) -> Stages:
    """The stages that RobertaTokenizer and GPT2Tokenizer build."""
    words = Split(WORDS, "Isolated", invert=False)
    model = BpeModel({pair: rank for rank, pair in enumerate(merges)})
    pre_tokenizers = (PrefixSpace(), words) if add_prefix_space else (words,)
    return Stages((), pre_tokenizers, (ByteLevelDecoder(),), model)


def read_stages(path: Path, whole: dict[str, Any], scores: Sequence[float]) -> Stages:
    """The stages of a tokenizer.json whose model is Unigram, as the file has them.

    Raises UnsupportedModelError where one of them is not known.
    """
    model = whole["model"]
    return Stages(
        tuple(_read(path, "normalizer", whole.get("normalizer"), NORMALIZERS)),
        tuple(_read(path, "pre_tokenizer", whole.get("pre_tokenizer"), PRE_TOKENIZERS)),
        tuple(_read(path, "decoder", whole.get("decoder"), DECODERS)),
        UnigramModel(
            scores,
            model["unk_id"],
            _value({"type": "Unigram", "byte_fallback": False, **model}, "byte_fallback", bool),
        ),
    )


def read_byte_level_stages(path: Path, whole: dict[str, Any]) -> Stages:
    """The stages of a tokenizer.json whose model is BPE over bytes, as the file has them.

    Raises UnsupportedModelError where one of them is not known, or it is over characters.
    """
    *parts, last = _parts(whole.get("pre_tokenizer"), "pretokenizers") or [{}]
    if last.get("type") != "ByteLevel":
        raise UnsupportedModelError(
            path, "its model is BPE without ByteLevel behind its other pre_tokenizers; gtenp knows "
            "BPE over bytes alone"
        )  # fmt: skip
    unk_token, vocab = whole["model"].get("unk_token"), whole["model"]["vocab"]
    if unk_token is not None and unk_token not in vocab and not vocab.keys() >= BYTES.keys():
        raise ModelFileError(
            path,
            f"its model's unk_token is {unk_token!r}, which the vocabulary lacks; save it anew",
        )
    others = {"type": "Sequence", "pretokenizers": parts}
    model = {"type": "BPE", "ignore_merges": False, "fuse_unk": False, **whole["model"]}
    return Stages(
        tuple(_read(path, "normalizer", whole.get("normalizer"), NORMALIZERS)),
        (*_read(path, "pre_tokenizer", others, PRE_TOKENIZERS), *_read_byte_level(last)),
        tuple(_read(path, "decoder", whole.get("decoder"), DECODERS)),
        BpeModel(
            {pair: rank for rank, pair in enumerate(read_bpe(path, whole["model"]))},
            _value(model, "ignore_merges", bool),
            unk_token,
            _value(model, "fuse_unk", bool),
        ),
    )


def find_charsmap(path: Path, whole: dict[str, Any]) -> Precompiled | None:
    """The character map among a tokenizer.json's normalizers, whatever else is there."""
    for part in _parts(whole.get("normalizer"), "normalizers"):
        if part.get("type") == "Precompiled":
            return _read_precompiled(path, part)
    return None


def read_unigram(path: Path, model: dict[str, Any]) -> tuple[dict[str, int], list[float]]:
    """The vocabulary of a Unigram model, piece → id, and each id's score.

    Raises ModelFileError where it is no list of pieces and scores, or without an unknown piece.
    """
    pairs, unk_id = model["vocab"], model.get("unk_id")
    pieces = [piece for piece, _ in pairs]
    scores = [score for _, score in pairs]
    if not {str} >= set(map(type, pieces)) or not {float, int} >= set(map(type, scores)):
        raise TypeError("model.vocab is no list of pieces and scores")
    if type(unk_id) is not int or not 0 <= unk_id < len(pieces):
        raise ModelFileError(
            path, f"its model's unk_id is {unk_id!r}, the place of a piece was wanted; save it anew"
        )
    return dict(zip(pieces, range(len(pieces)), strict=True)), scores


def read_bpe(path: Path, model: dict[str, Any]) -> list[tuple[str, str]]:
    """The merges of a BPE model.

    Raises UnsupportedModelError where it is not over bytes, or rolls dice, and ModelFileError where
    its merges are none of its vocabulary's.
    """
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(key):
            raise UnsupportedModelError(
                path, f"its model has {key} {model[key]!r}; gtenp knows BPE over bytes without it"
            )
    return check_merges(
        path,
        model["vocab"],
        [
            tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge)
            for merge in model["merges"]
        ],
    )


def check_merges(path: Path, vocab: dict[str, int], merges: list[Any]) -> list[tuple[str, str]]:
    """The merges, each of which must be of two pieces and make a third."""
    if not {int} >= set(map(type, vocab.values())):
        raise ModelFileError(path, "its vocabulary has ids that are no whole numbers; save it anew")
    for rank, pair in enumerate(merges):
        if len(pair) != 2:
            raise ModelFileError(
                path, f"its merge {rank} is {' '.join(pair)!r}, two pieces were wanted"
            )
        one, other = pair
        if not (one in vocab and other in vocab and one + other in vocab):
            (lacking, *_) = (piece for piece in (*pair, one + other) if piece not in vocab)
            raise ModelFileError(
                path,
                f"its merge {rank}, of {one!r} and {other!r}, needs {lacking!r}, which the "
                "vocabulary lacks; copy all tokenizer files from one place",
            )
    return merges


def _parts(part: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    """The parts of a stage, those of a Sequence one by one."""
    if part is None:
        return []
    if part["type"] != "Sequence":
        return [part]
    return [each for member in part[inner] for each in _parts(member, inner)]


def _read(
    path: Path, stage: str, part: dict[str, Any] | None, known: dict[str, Callable[..., Any]]
) -> list[Any]:
    inner = "pretokenizers" if stage == "pre_tokenizer" else f"{stage}s"
    read = []
    for each in _parts(part, inner):
        kind = each["type"]
        if kind not in known:
            raise UnsupportedModelError(
                path, f"its {stage} is {kind}; gtenp knows {', '.join(known)} and Sequence"
            )
        read.append(known[kind](path, each))
    return read


def _read_precompiled(path: Path, part: dict[str, Any]) -> Precompiled:
    try:
        return Precompiled(base64.b64decode(part["precompiled_charsmap"], validate=True))
    except ValueError as error:
        raise ModelFileError(path, f"its normalizer Precompiled is damaged ({error})") from error


def _read_replace(path: Path, part: dict[str, Any]) -> Replace:
    try:
        return Replace(read_pattern(part["pattern"]), _value(part, "content", str))
    except ValueError as error:
        raise UnsupportedModelError(
            path,
            f"it replaces {str(error)!r}; gtenp knows texts, and patterns of single characters "
            "with + or {n,m} behind them",
        ) from error


def _read_metaspace(path: Path, part: dict[str, Any]) -> Metaspace:
    scheme = part.get("prepend_scheme") or "always"
    if part.get("add_prefix_space") is False:
        scheme = "never"
    if scheme not in ("always", "never", "first"):
        raise UnsupportedModelError(
            path,
            f"its Metaspace has prepend_scheme {scheme!r}; gtenp knows always, never and first",
        )
    mark = _value(part, "replacement", str)
    if len(mark) != 1:
        raise ModelFileError(path, f"its Metaspace replaces by {mark!r}, a character was wanted")
    split = part.get("split")
    return Metaspace(mark, scheme, True if split is None else _value(part, "split", bool))


def _read_metaspace_decoder(path: Path, part: dict[str, Any]) -> MetaspaceDecoder:
    metaspace = _read_metaspace(path, part)
    return MetaspaceDecoder(metaspace.replacement, metaspace.prepend_scheme != "never")


def _read_byte_level(part: dict[str, Any]) -> list[PreTokenizer]:
    """What ByteLevel does before it writes bytes as characters, which BPE does here."""
    part = {"use_regex": True, **part}
    read: list[PreTokenizer] = []
    if _value(part, "add_prefix_space", bool):
        read.append(PrefixSpace())
    if _value(part, "use_regex", bool):
        read.append(Split(WORDS, "Isolated", invert=False))
    return read


def _read_split(path: Path, part: dict[str, Any]) -> Split:
    ((kind, pattern),) = part["pattern"].items()
    if kind not in ("String", "Regex") or not isinstance(pattern, str):
        raise TypeError(f"pattern of Split is {part['pattern']!r}")
    if kind == "String":
        pattern = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", pattern)
    try:
        compiled(pattern, "")
    except PatternError as error:
        raise UnsupportedModelError(
            path, f"it splits by {shown(pattern)}, which gtenp can't read: {error}"
        ) from error
    if part["behavior"] not in BEHAVIORS:
        raise UnsupportedModelError(
            path,
            f"its Split has behavior {part['behavior']!r}; gtenp knows {', '.join(BEHAVIORS)}",
        )
    return Split(pattern, part["behavior"], _value(part, "invert", bool))


def _value(part: dict[str, Any], key: str, kind: type) -> Any:
    value = part[key]
    if type(value) is not kind:
        raise TypeError(f"{key} of {part['type']} is {value!r}, wanted a {kind.__name__}")
    return value


NORMALIZERS: dict[str, Callable[[Path, dict[str, Any]], Normalizer]] = {
    "Precompiled": _read_precompiled,
    "NFC": lambda _, part: UnicodeForm(part["type"]),
    "NFD": lambda _, part: UnicodeForm(part["type"]),
    "NFKC": lambda _, part: UnicodeForm(part["type"]),
    "NFKD": lambda _, part: UnicodeForm(part["type"]),
    "Strip": lambda _, part: Strip(
        _value(part, "strip_left", bool), _value(part, "strip_right", bool)
    ),
    "Replace": _read_replace,
    "Prepend": lambda _, part: Prepend(_value(part, "prepend", str)),
    "Lowercase": lambda *_: Lowercase(),
}
PRE_TOKENIZERS: dict[str, Callable[[Path, dict[str, Any]], PreTokenizer]] = {
    "WhitespaceSplit": lambda *_: WhitespaceSplit(),
    "Metaspace": _read_metaspace,
    "Split": _read_split,
    "Digits": lambda _, part: digits(individual=_value(part, "individual_digits", bool)),
}
DECODERS: dict[str, Callable[[Path, dict[str, Any]], Decoder | ByteLevelDecoder]] = {
    "Metaspace": _read_metaspace_decoder,
    "Replace": lambda path, part: ReplaceDecoder(_read_replace(path, part)),
    "Strip": lambda _, part: StripDecoder(
        _value(part, "content", str), *(_value(part, key, int) for key in ("start", "stop"))
    ),
    "Fuse": lambda *_: Fuse(),
    "ByteFallback": lambda *_: ByteFallback(),
    "ByteLevel": lambda *_: ByteLevelDecoder(),
}
