"""The tokenizer: text → ``input_ids`` and back, under transformers' names.

It knows the added tokens, the template and the options of a call; what is between the added tokens
it leaves to its pipeline: BERT's in ``bert_pipeline.py`` or, for sentencepiece's models and
byte-level BPE, that of ``pipeline.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, partial
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gtenp.arguments import Foreign, kind, understands, whole_number
from gtenp.errors import InputError
from gtenp.tokenizer.added_tokens import AddedTokenMatcher
from gtenp.tokenizer.batch_encoding import (
    BatchEncoding,
    Origins,
    Piece,
    Plan,
    Row,
    as_arrays,
    as_columns,
    attention_mask,
    check_tensors,
    fill,
    lay_out,
    make_plan,
    offsets,
    pad_columns,
    special_id,
    token_type_ids,
    truncate,
)
from gtenp.tokenizer.bert_pipeline import BertPipeline
from gtenp.tokenizer.decoder import clean_up_spaces
from gtenp.tokenizer.files import TokenizerSpec, read_folder
from gtenp.tokenizer.memory import LoneSurrogateError
from gtenp.tokenizer.samples import Sample, read_samples, surrogate_error
from gtenp.tokenizer.template import Layout, bert_template, outer_spaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gtenp.tokenizer.pipeline import Pipeline
    from gtenp.tokenizer.samples import Text

    Encode = Callable[[str], list[Any]]  # a text → its ids, or its pieces

# In transformers' order.
_SPECIAL_NAMES = ("unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class Tokenizer:
    """A model's tokenizer. Immutable once loaded, so threads may share it; options are the call's.

    >>> words = "[PAD] [UNK] [CLS] [SEP] em ##bed me !".split()
    >>> tokenizer = Tokenizer(TokenizerSpec({word: id for id, word in enumerate(words)}))
    >>> tokenizer("Embed me!")["input_ids"]
    [2, 4, 5, 6, 7, 3]
    >>> tokenizer(["Embed me!", "me"], padding=True, return_tensors="np")["attention_mask"]
    array([[1, 1, 1, 1, 1, 1],
           [1, 1, 1, 0, 0, 0]])
    """

    is_fast = True  # transformers' word for a tokenizer that knows whence each token comes

    def __init__(self, spec: TokenizerSpec, folder: Path | None = None) -> None:
        self.spec = spec
        self._folder = folder  # whence the spec was read, for save_pretrained
        self._pipeline = make_pipeline(spec)
        tokens = spec.added_tokens
        raw = {token.content: token for token in tokens if not token.normalized}
        normalized = {self._pipeline.normalize(t.content): t for t in tokens if t.normalized}
        # What normalizes to nothing can't be found; the reference would find it everywhere.
        normalized.pop("", None)
        self._raw_tokens = AddedTokenMatcher(raw)
        self._normalized_tokens = AddedTokenMatcher(normalized)
        self._has_normalized_tokens = bool(normalized)
        # Where a text is cut at spaces that stand alone, a token of several is in nobody's way.
        lone = self._pipeline.cuts_at_lone_spaces
        self._characters_in_tokens = frozenset(
            chain(*(t for t in (*raw, *normalized) if not (lone and t[1:] and t.isspace())))
        )
        self._added_ids = {token.content: token.id for token in tokens}
        self._special_tokens = {token.content for token in tokens if token.special}
        self.unk_token = spec.unk_token
        self.cls_token = spec.cls_token
        self.sep_token = spec.sep_token
        self.pad_token = spec.pad_token
        self.mask_token = spec.mask_token
        self.unk_token_id = self._known_id(spec.unk_token)
        self.cls_token_id = self._known_id(spec.cls_token)
        self.sep_token_id = self._known_id(spec.sep_token)
        self.pad_token_id = self._known_id(spec.pad_token)
        self.mask_token_id = self._known_id(spec.mask_token)
        self.template = spec.template or bert_template(
            self.cls_token_id or 0, self.sep_token_id or 0
        )
        self.model_max_length = spec.model_max_length
        self.padding_side = spec.padding_side
        self.truncation_side = spec.truncation_side
        self.vocab_size = len(spec.vocab)  # without added tokens; len(tokenizer) is with them

    @classmethod
    def from_folder(cls, folder: Path) -> Tokenizer:
        """Load from a model folder: tokenizer.json, vocab.txt, vocab.json with merges.txt or
        sentencepiece.bpe.model, and what lies beside them.

        Raises ModelFileError where a file is missing, damaged or contradicts another, and
        UnsupportedModelError where the folder's tokenizer has a part that is not known here.
        """
        return cls(read_folder(folder), folder)

    @classmethod
    @understands(
        {"pretrained_model_name_or_path": "name_or_path"},
        use_fast=Foreign((None, True), "gtenp has one tokenizer, which is the fast one's equal"),
        trust_remote_code=Foreign((None, False), "gtenp runs no code that comes with a model"),
    )
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        revision: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        token: bool | str | None = None,
    ) -> Tokenizer:
        """Load by a model's name or path, as transformers does.

        ``cache_dir``, ``local_files_only`` and ``token`` say how a name is looked up, in
        huggingface_hub's words.

        Raises ModelNotFoundError where no folder answers to the name, and ModelFileError where a
        file is missing, damaged or contradicts another, and UnsupportedModelError where the model's
        tokenizer has a part that is not known here.
        """
        from gtenp.model_files import hub

        folder = hub.resolve(
            name_or_path,
            revision=revision,
            cache_folder=cache_dir,
            local_files_only=local_files_only,
            token=token,
        )
        return cls.from_folder(folder)

    def save_pretrained(self, path: str | Path) -> None:
        """Copy the tokenizer's files to a folder, from which transformers and gtenp load it.

        Raises InputError where other files of these names are there, and where the tokenizer was
        made of a spec, and so has no files.
        """
        from gtenp.model_files.contents import TOKENIZER_FILES
        from gtenp.model_files.folders import copy_beside

        if self._folder is None:
            raise InputError("save_pretrained: this tokenizer was not read from a folder's files")
        copy_beside(self._folder, Path(path), TOKENIZER_FILES)

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[TokenizerSpec, Path | None]]:
        return type(self), (self.spec, self._folder)  # what is remembered stays behind

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:  # else it would be taken, and the next call would not know of it
            raise InputError(
                f"{name} is what the model's files say and can't be set; the call takes "
                "padding_side, truncation_side and max_length"
            )
        super().__setattr__(name, value)

    # ── text → ids ──

    def _ids(self, text: str) -> list[int]:
        """The ids of a text, without special tokens around it."""
        if self._pipeline.needs_places:
            return [piece.id for piece in self._pieces(text)]
        ids: list[int] = []
        for start, stop, token in self._raw_tokens.split(text):
            if token is not None:
                ids.append(token.id)
            elif self._has_normalized_tokens:
                normal = self._pipeline.normalize(text[start:stop])
                for begin, end, inner in self._normalized_tokens.split(normal):
                    if inner is not None:
                        ids.append(inner.id)
                    else:
                        ids += self._pipeline.normal_ids(normal[begin:end])
            else:
                ids += self._pipeline.ids(text[start:stop])
        return ids

    def _first(self, text: str, wanted: int, encode: Encode) -> list[Any]:
        """At least the first tokens that are wanted, or all there are; little is read beyond."""
        size = 8 * wanted
        while size < len(text):
            tokens = encode(self._pipeline.head(text, size, self._characters_in_tokens))
            if len(tokens) >= wanted:
                return tokens
            size *= 4
        return encode(text)

    def _pieces(self, text: str) -> list[Piece]:
        """The tokens of a text and whence they come: all stages, one after the other."""
        pieces: list[Piece] = []
        word = count()
        spaces = outer_spaces if self.template.trims_offsets else _no_spaces
        for start, stop, token in self._raw_tokens.split(text):
            if token is not None:
                around = spaces(text[start:stop])
                pieces.append(Piece(token.id, (start, stop), next(word), around))
                continue
            normal, origins = self._pipeline.align(text[start:stop])
            zeros = 0 if start else origins.count(0)

            def span(first: int, last: int) -> tuple[int, int]:
                return start + origins[first], start + origins[last - 1] + 1  # noqa: B023

            for begin, end, token in self._normalized_tokens.split(normal):
                if token is not None:
                    around = spaces(normal[begin:end])
                    pieces.append(Piece(token.id, span(begin, end), next(word), around))
                    continue
                for cut in self._pipeline.words(normal, begin, end, zeros):
                    number = next(word)
                    pieces += [
                        Piece(id, span(first, last), number, spaces(self._tokens[id]))
                        for id, first, last in cut
                    ]
        return pieces

    # ── the call ──

    @understands(
        text_target=Foreign((None,), "BERT writes no text; tokenize it in a call of its own"),
        text_pair_target=Foreign((None,), "BERT writes no text; tokenize it in a call of its own"),
        return_length=Foreign((None, False), "take len() of each row of input_ids"),
        verbose=Foreign((None, False, True), "leave it out"),
    )
    def __call__(
        self,
        text: str | Sequence[Any],
        text_pair: str | Sequence[Any] | None = None,
        *,
        add_special_tokens: bool = True,
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        stride: int = 0,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        truncation_side: str | None = None,
        return_tensors: str | None = None,
        return_token_type_ids: bool = True,
        return_attention_mask: bool = True,
        return_overflowing_tokens: bool = False,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
    ) -> BatchEncoding:
        """Tokenize a text or a list of texts, or pairs of them; arguments as in transformers.

        A str gives flat lists, a list of str gives lists of lists. ``truncation=None`` truncates if
        ``max_length`` is given and ``padding`` is not. ``max_length`` counts special tokens.

        Raises InputError where a text is not a str, or an option's value is unknown or can't be
        met.
        """
        samples, batched = read_samples(text, text_pair, is_split_into_words)
        paired = bool(samples) and samples[0].second is not None
        layout = self.template.pair if paired else self.template.single
        plan = make_plan(
            self.spec,
            layout=layout if add_special_tokens else layout.bare(),
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            truncation_side=truncation_side,
            overflowing=return_overflowing_tokens,
        )
        check_tensors(return_tensors)

        rows = self._rows(samples, plan, self._pieces if return_offsets_mapping else self._ids)
        plan = plan.settled(rows)
        spans = rows
        if return_offsets_mapping:
            place = partial(offsets, adds_prefix_space=self.template.adds_prefix_space)
            spans = [row.map(place) for row in rows]
            rows = [row.map(lambda pieces: [piece.id for piece in pieces]) for row in rows]
        pad = self.pad_token_id or 0
        columns: dict[str, Any] = {"input_ids": lay_out(rows, plan, special_id, pad)}
        if return_token_type_ids:
            columns["token_type_ids"] = token_type_ids(rows, plan)
        if return_attention_mask:
            columns["attention_mask"] = attention_mask(rows, plan)
        if return_special_tokens_mask:
            columns["special_tokens_mask"] = lay_out(fill(rows, 0, 0), plan, lambda _: 1, 1)
        if return_offsets_mapping:
            columns["offset_mapping"] = lay_out(spans, plan, lambda _: (0, 0), (0, 0))
        if return_overflowing_tokens:
            columns["overflow_to_sample_mapping"] = [row.sample for row in rows]

        if return_tensors:
            columns = as_arrays(columns)
        elif not batched and not return_overflowing_tokens:
            columns = {name: column[0] for name, column in columns.items()}
        return BatchEncoding(columns, partial(self._origins, samples, plan))

    def _rows(self, samples: list[Sample], plan: Plan, encode: Encode) -> list[Row]:
        """Tokenize each sample and truncate it."""
        head_only = (
            plan.room is not None and plan.truncation_side == "right" and not plan.overflowing
        )
        rows: list[Row] = []
        for number, sample in enumerate(samples):
            first, second = sample
            try:
                if head_only and second is None and isinstance(first, str):
                    tokens = self._first(first, (plan.room or 0) + 1, encode)
                else:
                    tokens = encode_text(first, encode)
                pair = None if second is None else encode_text(second, encode)
            except LoneSurrogateError:
                raise surrogate_error(number, sample) from None
            rows += truncate(Row(number, tokens, pair), plan)
        return rows

    def _origins(self, samples: list[Sample], plan: Plan) -> Origins:
        rows = self._rows(samples, plan, self._pieces)
        ids = [row.map(lambda pieces: [piece.id for piece in pieces]) for row in rows]
        laid = lay_out(ids, plan, special_id, self.pad_token_id or 0)
        place = partial(offsets, adds_prefix_space=self.template.adds_prefix_space)
        spans = [row.map(place) for row in rows]
        words = [row.map(lambda pieces: [piece.word for piece in pieces]) for row in rows]
        return Origins(
            tokens=list(map(self.convert_ids_to_tokens, laid)),
            spans=lay_out(spans, plan, lambda _: None, None),
            word_ids=lay_out(words, plan, lambda _: None, None),
            sequence_ids=lay_out(fill(rows, 0, 1), plan, lambda _: None, None),
        )

    def encode(self, text: Any, text_pair: Any = None, **options: Any) -> Any:
        """The ``input_ids`` of a call with these ``options``.

        >>> words = "[PAD] [UNK] [CLS] [SEP] me".split()
        >>> tokenizer = Tokenizer(TokenizerSpec({word: id for id, word in enumerate(words)}))
        >>> tokenizer.encode("me"), tokenizer.tokenize("me too")
        ([2, 4, 3], ['me', '[UNK]'])
        """
        return self(text, text_pair, **options)["input_ids"]

    def tokenize(
        self, text: str, pair: str | None = None, add_special_tokens: bool = False
    ) -> list[str]:
        """The tokens of a text, or of two, as the vocabulary writes them, and none left out.

        Raises InputError where a text is not a str.
        """
        if not isinstance(text, str):
            raise InputError(f"text is {kind(text)}, a str was wanted; call once for each text")
        ids = self.encode(text, pair, add_special_tokens=add_special_tokens, truncation=False)
        tokens: list[str] = self.convert_ids_to_tokens(ids)
        return tokens

    def pad(
        self,
        encoded_inputs: Any,
        padding: bool | str = True,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool = True,
        return_tensors: str | None = None,
    ) -> BatchEncoding:
        """Fill rows that were tokenized without padding up to one length.

        ``encoded_inputs`` is what a call gave for a text or for several, or a list of what calls
        gave for one text each. Columns other than the tokenizer's stay as they are.

        Raises InputError where there are no ``input_ids``, or an option's value is unknown.
        """
        columns = as_columns(encoded_inputs)
        plan = make_plan(
            self.spec,
            layout=Layout(),
            padding=padding,
            truncation=False,
            max_length=max_length,
            stride=0,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            truncation_side=None,
            overflowing=False,
        )
        check_tensors(return_tensors)
        ids = columns["input_ids"]
        single = bool(ids) and not isinstance(ids[0], list)
        if single:
            columns = {name: [column] for name, column in columns.items()}
        if return_attention_mask and "attention_mask" not in columns and ids:
            columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
        columns = pad_columns(columns, plan, self.pad_token_id or 0)
        if return_tensors:
            columns = as_arrays(columns)
        if single:
            columns = {name: column[0].copy() for name, column in columns.items()}
        return BatchEncoding(columns)

    # ── the vocabulary ──

    def get_vocab(self) -> dict[str, int]:
        """Each token's id, added tokens included."""
        return {**self.spec.vocab, **self._added_ids}

    @property
    def vocab(self) -> dict[str, int]:
        """Each token's id, added tokens included."""
        return self.get_vocab()

    @property
    def special_tokens_map(self) -> dict[str, str]:
        """The special tokens that have a name, like "cls_token", by that name."""
        named = {name: getattr(self, name) for name in _SPECIAL_NAMES}
        return {name: token for name, token in named.items() if token is not None}

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens, first those that have a name."""
        others = (token.content for token in self.spec.added_tokens if token.special)
        return list(dict.fromkeys([*self.special_tokens_map.values(), *others]))

    @property
    def all_special_ids(self) -> list[int]:
        """Their ids."""
        ids = map(self._known_id, self.all_special_tokens)
        return [id for id in ids if id is not None]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """How many special tokens go around a text, or a pair of them."""
        layout = self.template.pair if pair else self.template.single
        return len(layout.special_tokens)

    # ── ids → text ──

    def decode(
        self,
        token_ids: Any,
        *,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """Ids → text; a list of lists (or a 2-D array) gives a list of texts.

        Ids that the vocabulary lacks are left out, as the reference does.

        Raises InputError where an id is not an int, or is negative.
        """
        ids = token_ids.tolist() if hasattr(token_ids, "tolist") else token_ids
        if isinstance(ids, dict):
            ids = ids["input_ids"]
        if isinstance(ids, (list, tuple)) and ids and _is_row(ids[0]):
            return [
                self.decode(
                    row,
                    skip_special_tokens=skip_special_tokens,
                    clean_up_tokenization_spaces=clean_up_tokenization_spaces,
                )
                for row in ids
            ]
        ids = ids if isinstance(ids, Iterable) else [ids]
        tokens = self.convert_ids_to_tokens(ids, skip_special_tokens=skip_special_tokens)
        text = self._pipeline.join([token for token in tokens if token is not None])
        clean_up = clean_up_tokenization_spaces
        if clean_up is None:
            clean_up = self.spec.clean_up_tokenization_spaces
        return clean_up_spaces(text) if clean_up else text

    def batch_decode(
        self,
        sequences: Any,
        *,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """``decode`` for several rows; always a list."""
        texts = self.decode(
            sequences,
            skip_special_tokens=skip_special_tokens,
            clean_up_tokenization_spaces=clean_up_tokenization_spaces,
        )
        return [texts] if isinstance(texts, str) else texts

    def convert_ids_to_tokens(self, ids: Any, *, skip_special_tokens: bool = False) -> Any:
        """An id → its token, a list of ids → a list of tokens; None for what the vocabulary lacks.

        Raises InputError where an id is not an int, or is negative.
        """
        if not isinstance(ids, Iterable):
            return self._token(ids)
        tokens = self._special_tokens if skip_special_tokens else ()
        return [token for token in map(self._token, ids) if token not in tokens]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """A token → its id, a list of tokens → a list of ids; unknown ones get [UNK]'s, or None
        where the vocabulary has nothing for the unknown.

        >>> words = "[PAD] [UNK] [CLS] [SEP] me".split()
        >>> tokenizer = Tokenizer(TokenizerSpec({word: id for id, word in enumerate(words)}))
        >>> tokenizer.convert_tokens_to_ids(["me", "you"]), tokenizer.convert_ids_to_tokens([4, 9])
        ([4, 1], ['me', None])
        """
        if isinstance(tokens, str):
            known = self._known_id(tokens)
            return self.unk_token_id if known is None else known
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def __len__(self) -> int:
        return len(self._tokens)

    def _known_id(self, token: str | None) -> int | None:
        known = self._added_ids.get(token or "")
        return self.spec.vocab.get(token or "") if known is None else known

    @cached_property
    def _tokens(self) -> dict[int, str]:
        """id → token."""
        tokens = {number: token for token, number in self.spec.vocab.items()}
        for token in self.spec.added_tokens:
            # As the reference gives it back: in the form in which it is matched.
            content = token.content
            tokens[token.id] = self._pipeline.normalize(content) if token.normalized else content
        return tokens

    def _token(self, number: Any) -> str | None:
        return self._tokens.get(whole_number("a token id", number, 0))


def _is_row(ids: Any) -> bool:
    return isinstance(ids, (list, tuple)) or getattr(ids, "ndim", 0) > 0


def _no_spaces(_: str) -> tuple[int, int]:
    return 0, 0


def make_pipeline(spec: TokenizerSpec) -> BertPipeline | Pipeline:
    """What stands between added tokens and template: BERT's stages or those that the files name."""
    if spec.stages is None:
        return BertPipeline(spec)
    from gtenp.tokenizer.pipeline import Pipeline  # which a BERT model need not load

    return Pipeline(spec.vocab, spec.stages)


def encode_text(text: Text, encode: Encode) -> list[Any]:
    """Tokenize a text, or the words that the caller has split it into, each on its own."""
    if isinstance(text, str):
        return encode(text)
    return [
        token._replace(word=number) if isinstance(token, Piece) else token
        for number, word in enumerate(text)
        for token in encode(word)
    ]
