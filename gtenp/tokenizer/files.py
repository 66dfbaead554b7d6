"""A model folder's tokenizer files → one frozen ``TokenizerSpec``.

Who wins where the files disagree:

1. ``tokenizer.json``, where it is there, is the vocabulary and the template; ``vocab.txt`` is then
   not opened. Its added tokens come first, those that only other files name come after them.
2. ``do_lower_case``, ``strip_accents`` and ``tokenize_chinese_chars`` that
   ``tokenizer_config.json`` states beat tokenizer.json's normalizer, as they do in transformers.
   What it does not state, tokenizer.json decides; transformers would take its own defaults.
3. Special tokens' names: ``tokenizer.json``'s template and model, then ``special_tokens_map.json``
   (unless ``tokenizer_config.json`` has ``added_tokens_decoder``), then ``tokenizer_config.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.config import read_json, read_text
from gtenp.tokenizer.added_tokens import AddedToken

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What transformers gives as the length of a model that states none.
NO_MAX_LENGTH = int(1e30)

# Tokenizers of other names that a vocab.txt can belong to cut words in other ways (BertJapanese
# asks MeCab), so a bare vocab.txt is taken for BERT's only under these names.
BERT_CLASSES = {
    "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer",
    "ConvBertTokenizer", "RetriBertTokenizer", "PreTrainedTokenizer", "TokenizersBackend",
}  # fmt: skip

DEFAULT_NAMES = {
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "mask_token": "[MASK]",
}


@dataclass(frozen=True, slots=True)
class TokenizerSpec:
    """All that the files say about the tokenizer."""

    vocab: dict[str, int]
    added_tokens: tuple[AddedToken, ...] = ()
    unk_token: str = "[UNK]"
    cls_token: str = "[CLS]"
    sep_token: str = "[SEP]"
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

    @property
    def strips_accents(self) -> bool:
        """Whether accents go; where nothing is said, a lowercasing tokenizer strips them."""
        return self.lowercase if self.strip_accents is None else self.strip_accents

    @property
    def unk_token_id(self) -> int:
        """The id of what the vocabulary lacks."""
        return self.vocab[self.unk_token]

    @property
    def largest_id(self) -> int:
        """The largest id that any text can get."""
        return max((*self.vocab.values(), *(token.id for token in self.added_tokens)))


def read_folder(folder: Path) -> TokenizerSpec:
    """Read whichever of the five files are there; tokenizer.json or vocab.txt must be.

    Raises ModelFileError where a file is missing, damaged or contradicts itself, and
    UnsupportedModelError where the tokenizer is not BERT's.
    """
    try:
        return _read_spec(folder)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # One type in another's place, somewhere deep in the files: they hold hundreds of values.
        raise ModelFileError(
            folder / "tokenizer.json",
            f"or a file beside it is not a tokenizer's ({type(error).__name__}: {error}); copy all "
            "tokenizer files anew",
        ) from error


def _read_spec(folder: Path) -> TokenizerSpec:
    config_path = folder / "tokenizer_config.json"
    config = _read_object(config_path) if config_path.is_file() else {}
    tokenizer_path = folder / "tokenizer.json"
    vocab_path = folder / "vocab.txt"
    if tokenizer_path.is_file():
        path = tokenizer_path
        says = _read_tokenizer_json(path)
    elif vocab_path.is_file():
        path = vocab_path
        _check_class(config_path, config)
        says = {"vocab": _read_vocab(path), "added_tokens": []}
    else:
        raise ModelFileError(
            tokenizer_path, "is missing, and so is vocab.txt; one of the two must be in the folder"
        )
    vocab: dict[str, int] = says.pop("vocab")
    entries: list[dict[str, Any]] = says.pop("added_tokens")
    try:
        names = DEFAULT_NAMES | _special_names(folder, config) | says.pop("names", {})
        contents: dict[str, Any] = {key: _special(name)["content"] for key, name in names.items()}
        entries += _other_tokens(folder, config)
        entries += map(_special, _extra_special_tokens(folder, config))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            config_path, f"or special_tokens_map.json or added_tokens.json is damaged ({error!r})"
        ) from error
    # A named token that the vocabulary lacks would get an id past the model's embedding table.
    entries += [entry for entry in map(_special, names.values()) if entry["content"] in vocab]
    added = _number(path, entries, vocab)
    contents_added = {token.content for token in added}
    for key, content in contents.items():
        if content in vocab or (content in contents_added and key != "unk_token"):
            continue
        if key in ("pad_token", "mask_token"):
            contents[key] = None
        else:
            raise ModelFileError(
                path, f"has no {content!r}, the {key}; copy the model's own vocabulary"
            )
    stated = {
        ours: config[theirs]
        for ours, theirs in {
            "lowercase": "do_lower_case",
            "strip_accents": "strip_accents",
            "handle_chinese_chars": "tokenize_chinese_chars",
            "padding_side": "padding_side",
            "truncation_side": "truncation_side",
            "clean_up_tokenization_spaces": "clean_up_tokenization_spaces",
        }.items()
        if theirs in config
    }
    spec = TokenizerSpec(
        vocab=vocab,
        added_tokens=added,
        model_max_length=_max_length(folder, config_path, config),
        **contents,
        **{**says, **stated},
    )
    _check_types(config_path if stated else path, spec)
    return spec


def _read_object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelFileError(path, f"holds a JSON {type(value).__name__}, an object was wanted")
    return value


def _read_vocab(path: Path) -> dict[str, int]:
    """vocab.txt: a token per line, its id the line's number. Of a token that comes twice the last
    holds, and a blank line only takes up its number, both as in the reference.
    """
    # Not splitlines(): vocabularies hold U+2028 and U+0085 as tokens.
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        del lines[-1]
    return dict(zip(lines, range(len(lines)), strict=True))


def _read_tokenizer_json(path: Path) -> dict[str, Any]:
    """tokenizer.json, as arguments of ``TokenizerSpec``; its truncation and padding are ignored,
    as they are in transformers: both are arguments of the call.
    """
    whole = _read_object(path)
    try:
        model = whole["model"]
        # The oldest files leave the model's type out; this key is WordPiece's alone.
        kind = model.get("type", "WordPiece" if "max_input_chars_per_word" in model else None)
        _refuse(path, "model", kind, "WordPiece")
        normalizer = whole["normalizer"] or {}
        _refuse(path, "normalizer", normalizer.get("type"), "BertNormalizer")
        splitter = whole["pre_tokenizer"] or {}
        _refuse(path, "pre_tokenizer", splitter.get("type"), "BertPreTokenizer")
        decoder = whole.get("decoder") or {}
        says = {
            "vocab": model["vocab"],
            "added_tokens": list(whole["added_tokens"]),
            "names": {"unk_token": model["unk_token"], **_template_names(path, whole)},
            "continuing_subword_prefix": model["continuing_subword_prefix"],
            "max_input_chars_per_word": model["max_input_chars_per_word"],
            "decoder_cleanup": decoder.get("cleanup", True),
        }
        if not isinstance(says["vocab"], dict):
            raise TypeError("model.vocab is not an object")
        if not all(isinstance(token["content"], str) for token in says["added_tokens"]):
            raise TypeError("an added token's content is not a text")
        options = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
        return says | {key: normalizer[key] for key in options}
    except KeyError as error:
        raise ModelFileError(path, f"has no {error}; save it anew with tokenizers") from error
    except (AttributeError, TypeError) as error:
        raise ModelFileError(
            path, f"is not a tokenizer's file ({error}); save it anew with tokenizers"
        ) from error


def _refuse(path: Path, part: str, found: object, wanted: str) -> None:
    if found != wanted:
        raise UnsupportedModelError(
            path, f"its {part} is {found or 'none'}, gtenp knows BERT's {wanted} only"
        )


def _template_names(path: Path, whole: dict[str, Any]) -> dict[str, str]:
    """The tokens that go around a text: ``{"cls_token": "[CLS]", "sep_token": "[SEP]"}``."""
    processor = whole.get("post_processor")
    if processor is None:
        return {}
    if processor["type"] == "BertProcessing":
        cls, sep = processor["cls"][0], processor["sep"][0]
    elif processor["type"] == "TemplateProcessing":
        cls, sep = (processor["single"][end].get("SpecialToken") for end in (0, -1))
        first, second = ({"Sequence": {"id": name, "type_id": type_id}}
                         for name, type_id in (("A", 0), ("B", 1)))  # fmt: skip
        single = [{"SpecialToken": cls}, first, {"SpecialToken": sep}]
        ends = [second, {"SpecialToken": {**(sep or {}), "type_id": 1}}]
        if not (cls and sep) or processor["single"] != single or processor["pair"] != single + ends:
            raise UnsupportedModelError(
                path, "its post_processor's template is not BERT's, [CLS] A [SEP] B [SEP]"
            )
        cls, sep = cls["id"], sep["id"]
    else:
        raise UnsupportedModelError(
            path, f"its post_processor is {processor['type']}, gtenp knows BERT's template only"
        )
    return {"cls_token": cls, "sep_token": sep}


def _check_class(path: Path, config: dict[str, Any]) -> None:
    name = config.get("tokenizer_class") or "BertTokenizer"
    if str(name).removesuffix("Fast") not in BERT_CLASSES:
        raise UnsupportedModelError(
            path, f"its tokenizer_class is {name}, gtenp knows BERT's WordPiece only"
        )


def _special_names(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What the two files call ``unk_token`` and so on; each a str or an added token's dict."""
    names = {key: config[key] for key in DEFAULT_NAMES if config.get(key)}
    special = _special_tokens_map(folder, config)
    return names | {key: special[key] for key in DEFAULT_NAMES if special.get(key)}


def _special_tokens_map(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    path = folder / "special_tokens_map.json"
    if "added_tokens_decoder" in config or not path.is_file():
        return {}
    return _read_object(path)


def _extra_special_tokens(folder: Path, config: dict[str, Any]) -> list[Any]:
    extra: list[Any] = []
    for says in (config, _special_tokens_map(folder, config)):
        for key in ("additional_special_tokens", "extra_special_tokens"):
            value = says.get(key) or []
            extra += value.values() if isinstance(value, dict) else value
    return extra


def _other_tokens(folder: Path, config: dict[str, Any]) -> list[dict[str, Any]]:
    """The added tokens of tokenizer_config.json, or else of added_tokens.json, by ascending id."""
    if "added_tokens_decoder" in config:
        by_id = {int(key): value for key, value in config["added_tokens_decoder"].items()}
        return [{**by_id[key], "id": key} for key in sorted(by_id)]
    path = folder / "added_tokens.json"
    ids: dict[str, int] = _read_object(path) if path.is_file() else {}
    named = [*_special_names(folder, config).values(), *_extra_special_tokens(folder, config)]
    special = {*DEFAULT_NAMES.values(), *(_special(value)["content"] for value in named)}
    return [
        {"content": content, "id": ids[content], "special": content in special}
        for content in sorted(ids, key=ids.__getitem__)
    ]


def _special(value: Any) -> dict[str, Any]:
    """A special token as a dict, whether the file writes it so or as a str."""
    return {**({"content": value} if isinstance(value, str) else value), "special": True}


def _number(
    path: Path, entries: Iterable[dict[str, Any]], vocab: dict[str, int]
) -> tuple[AddedToken, ...]:
    """Give each added token its id: the vocabulary's, or else the next one behind it.

    >>> entries = [{"content": "[SEP]"}, {"content": "<new>", "special": False}]
    >>> [(token.content, token.id) for token in _number(None, entries, {"a": 0, "[SEP]": 1})]
    [('[SEP]', 1), ('<new>', 2)]
    """
    tokens: dict[str, AddedToken] = {}
    for entry in entries:
        content = entry["content"]
        if not content or content in tokens:
            continue
        beyond = max((token.id + 1 for token in tokens.values()), default=0)
        number = vocab.get(content, max(beyond, len(vocab)))
        if entry.get("id", number) != number:
            # The reference numbers anew and goes on: the model would look up another token's row.
            raise ModelFileError(
                path,
                f"gives the added token {content!r} id {entry['id']}, but with this vocabulary "
                f"it has id {number}; copy all tokenizer files from one place",
            )
        special = entry.get("special", True)
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


def _max_length(folder: Path, config_path: Path, config: dict[str, Any]) -> int:
    """``model_max_length``, but no more than the model has position embeddings."""
    stated = config.get("model_max_length", config.get("max_len")) or NO_MAX_LENGTH
    if not isinstance(stated, (int, float)):
        raise ModelFileError(config_path, f"model_max_length is {stated!r}, a number was wanted")
    model_path = folder / "config.json"
    model = _read_object(model_path) if model_path.is_file() else {}
    positions = model.get("max_position_embeddings")
    return min(int(stated), positions) if isinstance(positions, int) else int(stated)


def _check_types(path: Path, spec: TokenizerSpec) -> None:
    """A value of the wrong type would be taken for true or false without a word."""
    for field in fields(spec):
        value = getattr(spec, field.name)
        wanted = {
            "bool": (bool,),
            "bool | None": (bool, type(None)),
            "int": (int,),
            "str": (str,),
        }.get(str(field.type))
        if wanted and not isinstance(value, wanted):
            raise ModelFileError(path, f"{field.name} is {value!r}, a {field.type} was wanted")
    for name in ("padding_side", "truncation_side"):
        if getattr(spec, name) not in ("left", "right"):
            raise ModelFileError(
                path, f"{name} is {getattr(spec, name)!r}, 'left' or 'right' was wanted"
            )
