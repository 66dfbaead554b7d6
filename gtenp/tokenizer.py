"""Text → ``input_ids``: BERT's tokenizer, equal to the Rust one for every text.

Read it in the order in which a text goes through it::

    text ─ added tokens ─► the rest ─ normalize ─► plain text ─ split ─► words ─ WordPiece ─► ids

The reference is ``tokenizers`` as transformers' ``BertTokenizerFast`` sets it up: its
``AddedVocabulary``, ``BertNormalizer``, ``BertPreTokenizer`` and ``WordPiece``. Its Unicode is not
Python's; what it believes about each character is frozen in ``unicode_tables.py`` and looked up by
``characters.py``.

The files of a model folder are read in ``tokenizer_files.py``; truncation, padding and what a call
returns are in ``batch_encoding.py``.
"""

from __future__ import annotations

import re
from functools import cache, cached_property, partial
from itertools import accumulate, chain, count
from operator import index
from typing import TYPE_CHECKING, Any

from gtenp.batch_encoding import (
    BatchEncoding,
    Origins,
    Piece,
    Plan,
    Row,
    Sample,
    as_arrays,
    attention_mask,
    fill,
    lay_out,
    make_plan,
    read_samples,
    surrogate_error,
    token_type_ids,
    truncate,
)
from gtenp.characters import combining_classes, decompositions, entry, within
from gtenp.errors import InputError
from gtenp.tokenizer_files import AddedToken, TokenizerSpec, read_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gtenp.batch_encoding import Text

    Encode = Callable[[str], list[Any]]  # a text → its ids, or its pieces

# How many words, and how many chunks between spaces, are remembered with their ids, and of what
# length: at most some 20 MB each. A full memory starts anew, which is cheaper than keeping count of
# what was used last.
REMEMBERED = 65_536
REMEMBERED_LENGTH = 32

# ── Stage 1: added tokens, in the raw text ────────────────────────────────────────────────────────


class AddedTokenMatcher:
    """Finds added tokens such as ``[SEP]``: the leftmost first, and of these the longest.

    >>> matcher = AddedTokenMatcher({"[SEP]": AddedToken("[SEP]", 102)})
    >>> [(start, stop, token and token.id) for start, stop, token in matcher.split("a[SEP] b")]
    [(0, 1, None), (1, 6, 102), (6, 8, None)]
    """

    def __init__(self, tokens: dict[str, AddedToken]) -> None:
        self._tokens = tokens
        longest_first = sorted(tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if tokens else None

    def found_in(self, text: str) -> bool:
        """Whether the text holds any of them."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def split(self, text: str) -> Iterator[tuple[int, int, AddedToken | None]]:
        """Cover the text with spans: (start, stop, the added token there or None)."""
        done = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            start, stop = match.span()
            token = self._tokens[match.group()]
            if token.single_word and (
                (start > 0 and within("WORD", text[start - 1]))
                or (stop < len(text) and within("WORD", text[stop]))
            ):
                continue
            if token.lstrip:
                # Not further back than the last token, which may have taken these spaces already.
                while start > done and is_space(text[start - 1]):
                    start -= 1
                start = max(start, done)
            if token.rstrip:
                while stop < len(text) and is_space(text[stop]):
                    stop += 1
            if done < start:
                yield done, start, None
            if start < stop:
                yield start, stop, token
            done = stop
        if done < len(text):
            yield done, len(text), None


# ── Stage 2: normalize, one character at a time ───────────────────────────────────────────────────
# Each step says what comes in a character's place. The order is the reference's.


def clean(char: str) -> str:
    r"""Remove controls, so that their neighbours join, and make every space the same.

    >>> clean("\u200b"), clean("\t"), clean("x")
    ('', ' ', 'x')
    """
    if within("CONTROLS", char):
        return ""
    return " " if within("SPACES", char) else char


def space_out_cjk(char: str) -> str:
    """Put spaces around a CJK ideograph, which makes it a word. Kana and Hangul stay together.

    >>> space_out_cjk("中"), space_out_cjk("か")
    (' 中 ', 'か')
    """
    return f" {char} " if within("CJK", char) else char


def decompose(char: str) -> str:
    """The character's full canonical decomposition (NFD).

    >>> [f"{ord(part):x}" for part in decompose("ế")]
    ['65', '302', '301']
    >>> [f"{ord(part):x}" for part in decompose("각")]
    ['1100', '1161', '11a8']
    """
    if char.isascii():  # a process that sees only ASCII need not parse the largest table
        return char
    syllable = ord(char) - 0xAC00
    if 0 <= syllable < 11172:  # Hangul syllables: section 3.12 of the Unicode standard
        lead, rest = divmod(syllable, 21 * 28)
        vowel, tail = divmod(rest, 28)
        jamo = chr(0x1100 + lead) + chr(0x1161 + vowel)
        return jamo + chr(0x11A7 + tail) if tail else jamo
    return decompositions().get(ord(char), char)


def strip_accents(char: str) -> str:
    """Decompose, then drop the nonspacing marks. Only what is a base and a mark loses anything.

    >>> strip_accents("é"), strip_accents("≠"), strip_accents("ø")
    ('e', '=', 'ø')
    """
    return "".join(part for part in decompose(char) if not within("MARKS", part))


def lowercase(char: str) -> str:
    """Lowercase without a look at the neighbours: a final sigma stays σ, unlike in Python.

    >>> lowercase("Σ"), "ΟΔΟΣ".lower()
    ('σ', 'οδος')
    """
    if char == "\u0130":  # İ, the only one that becomes two characters
        return "i\u0307"
    run = entry("LOWERCASE", char)
    if run is None:
        return char
    first, _, step, lowered = run
    distance = ord(char) - first
    return char if distance % step else chr(lowered + distance)


def normalize(char: str, spec: TokenizerSpec) -> str:
    """All of stage 2 for one character.

    >>> spec = TokenizerSpec(vocab={})
    >>> normalize("É", spec), normalize("中", spec)
    ('e', ' 中 ')
    """
    text = clean(char) if spec.clean_text else char
    if spec.handle_chinese_chars:
        text = "".join(map(space_out_cjk, text))
    if spec.strips_accents:
        text = "".join(map(strip_accents, text))
    if spec.lowercase:
        text = "".join(map(lowercase, text))
    return text


# One thing does not go character by character: NFD also sorts neighbouring marks. The nonspacing
# ones are dropped right afterwards, so it shows only in marks that survive (Javanese, musical
# notation, marks younger than the tables). A text without these never comes here.


@cache
def sortable_marks() -> frozenset[str]:
    """The characters that are, or contain, a mark that NFD sorts and that survives."""
    sortable = {mark for mark in combining_classes() if not within("MARKS", mark)}
    sortable |= {chr(p) for p, parts in decompositions().items() if sortable.intersection(parts)}
    return frozenset(sortable)


def sort_marks(text: str) -> tuple[str, list[int]]:
    r"""Decompose and sort marks by combining class; also, whence each character comes.

    The origins go by position, not by character, for that is how the reference counts them.

    >>> text, origins = sort_marks("a\u302e\U0001d165b")
    >>> [f"{ord(char):x}" for char in text], origins
    (['61', '1d165', '302e', '62'], [0, 1, 2, 3])
    """
    parts = [(part, n == 0) for char in text for n, part in enumerate(decompose(char))]
    classes = [combining_classes().get(part, 0) for part, _ in parts]
    # What has class 0 stays where it is, and the marks stay behind it.
    bases = accumulate(number == 0 for number in classes)
    keys = list(zip(bases, classes, strict=True))
    order = sorted(range(len(parts)), key=keys.__getitem__)
    positions = list(accumulate((parts[n][1] for n in order), initial=-1))
    return "".join(parts[n][0] for n in order), positions[1:]


# ── Stage 3: split into words ─────────────────────────────────────────────────────────────────────


def isolate(char: str) -> str:
    r"""Put spaces around punctuation, which makes it a word, and make every space the same.

    >>> isolate("-"), isolate("a"), isolate("\u00a0")
    (' - ', 'a', ' ')
    """
    return f" {char} " if within("PUNCTUATION", char) else " " if is_space(char) else char


def is_space(char: str) -> bool:
    """White space in Unicode's sense. VT, FF and NEL are, though stage 2 removes them."""
    return within("SPACES", char) or char in "\v\f\x85"


# For ASCII text, in which stage 2 has left no space but " ".
ASCII_WORDS = re.compile(r"[^ !-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]")


# ── Stage 4: WordPiece ────────────────────────────────────────────────────────────────────────────


def wordpiece(word: str, vocab: Mapping[str, int], prefix: str, longest: int) -> list[str]:
    """Cut a word into pieces of the vocabulary, each the longest that fits; [] where none does.

    >>> vocab = {"em": 0, "##bed": 1, "##ding": 2, "##dings": 3}
    >>> wordpiece("embeddings", vocab, "##", longest=7), wordpiece("bed", vocab, "##", longest=7)
    (['em', '##bed', '##dings'], [])

    ``longest`` is the length of the longest piece: without it, long words cost their square.
    """
    pieces: list[str] = []
    start = 0
    while start < len(word):
        for stop in range(min(len(word), start + longest), start, -1):
            piece = prefix + word[start:stop] if start else word[:stop]
            if piece in vocab:
                break
        else:
            return []
        pieces.append(piece)
        start = stop
    return pieces


# ── Remembering ───────────────────────────────────────────────────────────────────────────────────


class CharTable(dict[int, str]):
    """A function of one character, remembered; ``str.translate`` takes it as it is.

    >>> "a-b".translate(CharTable(isolate))
    'a - b'
    """

    def __init__(self, function: Callable[[str], str]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, point: int) -> str:
        if 0xD800 <= point < 0xE000:
            raise LoneSurrogateError
        if len(self) >= REMEMBERED:
            self.clear()
        form = self[point] = self._function(chr(point))
        return form


class StrIds(dict[str, tuple[int, ...]]):
    """A function from a piece of text to its ids, remembered for pieces of a usual length.

    >>> lengths = StrIds(lambda text: (len(text),))
    >>> lengths["ab"], len(lengths), lengths["c" * 99], len(lengths)
    ((2,), 1, (99,), 1)
    """

    def __init__(self, function: Callable[[str], tuple[int, ...]]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, text: str) -> tuple[int, ...]:
        ids = self._function(text)
        if len(text) <= REMEMBERED_LENGTH:
            if len(self) >= REMEMBERED:
                self.clear()
            self[text] = ids
        return ids


class LoneSurrogateError(Exception):
    """Half a UTF-16 pair: not text, and the reference can't take it either."""


# ── The way back ──────────────────────────────────────────────────────────────────────────────────


def join_pieces(tokens: list[str], prefix: str, clean_up: bool) -> str:
    """Tokens → text, as the reference's WordPiece decoder joins them.

    >>> join_pieces(["em", "##bed", "this", "!"], "##", clean_up=True)
    'embed this!'
    """
    parts = []
    for place, token in enumerate(tokens):
        part = token
        if place:
            part = token.removeprefix(prefix) if token.startswith(prefix) else f" {token}"
        # Piece by piece: " n't" goes only where it is one piece.
        parts.append(clean_up_spaces(part.replace(" do not", " don't")) if clean_up else part)
    return "".join(parts)


def clean_up_spaces(text: str) -> str:
    """Take out the spaces that English does not write; transformers' list.

    >>> clean_up_spaces("it 's done , is n't it ?")
    "it's done, isn't it?"
    """
    for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
        text = text.replace(spaced, spaced.strip())
    return text


# ── All stages ────────────────────────────────────────────────────────────────────────────────────


class Tokenizer:
    """BERT's tokenizer. Immutable once loaded, so threads may share it; options are the call's.

    >>> words = "[PAD] [UNK] [CLS] [SEP] em ##bed me !".split()
    >>> tokenizer = Tokenizer(TokenizerSpec({word: id for id, word in enumerate(words)}))
    >>> tokenizer("Embed me!")["input_ids"]
    [2, 4, 5, 6, 7, 3]
    >>> tokenizer(["Embed me!", "me"], padding=True, return_tensors="np")["attention_mask"]
    array([[1, 1, 1, 1, 1, 1],
           [1, 1, 1, 0, 0, 0]])
    """

    def __init__(self, spec: TokenizerSpec) -> None:
        self.spec = spec
        self._longest = max(map(len, spec.vocab))
        # Words, and what stands between two spaces: a word with its punctuation, mostly.
        self._word_ids = StrIds(self._ids_of_word)
        self._chunk_ids = StrIds(self._ids_of_chunk)
        self._normal = CharTable(partial(normalize, spec=spec))
        self._isolated = CharTable(isolate)
        # Stages 2 and 3 in one: what str.translate() puts in a character's place.
        self._split = CharTable(lambda char: normalize(char, spec).translate(self._isolated))
        # Stage 2 for ASCII, where one character stays one or goes: translate() is then 20 times
        # faster. Punctuation is left for ASCII_WORDS to isolate.
        self._ascii = {
            point: (" " if is_space(form) else form) if form else None
            for point in range(128)
            for form in [self._normal[point]]
        }
        tokens = spec.added_tokens
        raw = {token.content: token for token in tokens if not token.normalized}
        normalized = {t.content.translate(self._normal): t for t in tokens if t.normalized}
        # What normalizes to nothing can't be found; the reference would find it everywhere.
        normalized.pop("", None)
        self._raw_tokens = AddedTokenMatcher(raw)
        self._normalized_tokens = AddedTokenMatcher(normalized)
        self._has_normalized_tokens = bool(normalized)
        self._characters_in_tokens = frozenset(chain(*raw, *normalized))
        self._added_ids = {token.content: token.id for token in tokens}
        self._special_tokens = {token.content for token in tokens if token.special}
        self.unk_token_id = self._id(spec.unk_token)
        self.cls_token_id = self._id(spec.cls_token)
        self.sep_token_id = self._id(spec.sep_token)
        self.pad_token_id = None if spec.pad_token is None else self._id(spec.pad_token)
        self.mask_token_id = None if spec.mask_token is None else self._id(spec.mask_token)
        self.model_max_length = spec.model_max_length
        self.vocab_size = len(spec.vocab)  # without added tokens; len(tokenizer) is with them

    @classmethod
    def from_folder(cls, folder: Path) -> Tokenizer:
        """Load from a model folder: tokenizer.json or vocab.txt, and what lies beside them.

        Raises ModelFileError where a file is missing, damaged or contradicts another, and
        UnsupportedModelError where the folder's tokenizer is not BERT's.
        """
        return cls(read_folder(folder))

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, revision: str | None = None) -> Tokenizer:
        """Load by a model's name or path, as transformers does.

        Raises ModelNotFoundError where no folder answers to the name, and ModelFileError where a
        file is missing, damaged or contradicts another, and UnsupportedModelError where the model's
        tokenizer is not BERT's.
        """
        from gtenp import hub

        return cls.from_folder(hub.resolve(name_or_path, revision=revision))

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[TokenizerSpec]]:
        return type(self), (self.spec,)  # what is remembered stays behind

    # ── text → ids ──

    def _ids(self, text: str) -> list[int]:
        """The ids of a text, without special tokens around it."""
        if self._has_normalized_tokens or self._raw_tokens.found_in(text):
            return [piece.id for piece in self._pieces(text)]
        if text.isascii():
            text = text.translate(self._ascii)
        # No stage looks across a space. Not split(): it would also part words at U+001C, which
        # stage 2 may remove.
        return list(chain.from_iterable(map(self._chunk_ids.__getitem__, text.split(" "))))

    def _ids_of_chunk(self, chunk: str) -> tuple[int, ...]:
        """The ids of what stands between two spaces."""
        if chunk.isascii():
            words: Iterable[str] = ASCII_WORDS.findall(chunk.translate(self._ascii))
        else:
            words = filter(None, self._sorted(chunk)[0].translate(self._split).split(" "))
        return tuple(chain.from_iterable(map(self._word_ids.__getitem__, words)))

    def _first(self, text: str, wanted: int, encode: Encode) -> list[Any]:
        """At least the first tokens that are wanted, or all there are; little is read beyond."""
        size = 8 * wanted
        while size < len(text):
            tokens = encode(self._head(text, size))
            if len(tokens) >= wanted:
                return tokens
            size *= 4
        return encode(text)

    def _head(self, text: str, size: int) -> str:
        """The start of a text, up to where a cut changes nothing: behind a character that is always
        a word's end and that no added token holds.
        """
        for stop in range(size, 0, -1):
            form = self._split[ord(text[stop - 1])]
            if form.endswith(" ") and self._characters_in_tokens.isdisjoint(text[stop - 1] + form):
                return text[:stop]
        return ""

    def _ids_of_word(self, word: str) -> tuple[int, ...]:
        """Stage 4: a word's ids, [UNK]'s where it can't be cut."""
        pieces = self._wordpieces(word)
        return tuple(map(self.spec.vocab.__getitem__, pieces)) or (self.unk_token_id,)

    def _wordpieces(self, word: str) -> list[str]:
        """The word's pieces; [] where it is unknown or too long."""
        spec = self.spec
        if len(word) > spec.max_input_chars_per_word:
            return []
        return wordpiece(word, spec.vocab, spec.continuing_subword_prefix, self._longest)

    def _pieces(self, text: str) -> list[Piece]:
        """The tokens of a text and whence they come: all stages, one after the other."""
        pieces: list[Piece] = []
        word = count()
        for start, stop, token in self._raw_tokens.split(text):
            if token is not None:
                pieces.append(Piece(token.id, (start, stop), next(word)))
                continue
            normal, origins = self._normalized(text[start:stop])

            def span(first: int, last: int) -> tuple[int, int]:
                return start + origins[first], start + origins[last - 1] + 1  # noqa: B023

            for begin, end, token in self._normalized_tokens.split(normal):
                if token is not None:
                    pieces.append(Piece(token.id, span(begin, end), next(word)))
                    continue
                for first, last in self._words(normal, begin, end):
                    number = next(word)
                    for id, a, b in self._cut(normal[first:last]):
                        pieces.append(Piece(id, span(first + a, first + b), number))
        return pieces

    def _sorted(self, text: str) -> tuple[str, Sequence[int]]:
        """The text with its marks in the order into which stage 2 puts them, and its origins."""
        if not self.spec.strips_accents or sortable_marks().isdisjoint(text):
            return text, range(len(text))
        removed = self.spec.clean_text
        kept = [n for n, char in enumerate(text) if not (removed and within("CONTROLS", char))]
        text, positions = sort_marks("".join(text[n] for n in kept))
        return text, [kept[position] for position in positions]

    def _normalized(self, text: str) -> tuple[str, list[int]]:
        """Stage 2: the normalized text, and for each of its characters whence it comes."""
        text, origins = self._sorted(text)
        forms = [self._normal[ord(char)] for char in text]
        return "".join(forms), [
            origin for form, origin in zip(forms, origins, strict=True) for _ in form
        ]

    def _words(self, text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Stage 3: where the words of a normalized text begin and end."""
        for position in range(start, stop):
            form = self._isolated[ord(text[position])]
            if len(form) == 1 and form != " ":
                continue
            if start < position:
                yield start, position
            if form != " ":
                yield position, position + 1
            start = position + 1
        if start < stop:
            yield start, stop

    def _cut(self, word: str) -> Iterator[tuple[int, int, int]]:
        """Stage 4: a word's ids, each with the piece's start and stop within the word."""
        pieces = self._wordpieces(word)
        if not pieces:
            yield self.unk_token_id, 0, len(word)
        stop = 0
        for piece in pieces:
            start = stop
            stop += len(piece) - (len(self.spec.continuing_subword_prefix) if start else 0)
            yield self.spec.vocab[piece], start, stop

    # ── the call ──

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
        plan = make_plan(
            self.spec,
            special_tokens=(3 if paired else 2) if add_special_tokens else 0,
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            stride=stride,
            pad_to_multiple_of=pad_to_multiple_of,
            padding_side=padding_side,
            truncation_side=truncation_side,
            overflowing=return_overflowing_tokens,
        )
        if return_tensors not in (None, "np"):
            raise InputError(f"return_tensors is {return_tensors!r}, wanted one of None, 'np'")

        rows = self._rows(samples, plan, self._pieces if return_offsets_mapping else self._ids)
        plan = plan.settled(rows)
        spans = rows
        if return_offsets_mapping:
            spans = [row.map(lambda piece: piece.span) for row in rows]
            rows = [row.map(lambda piece: piece.id) for row in rows]
        pad = self.pad_token_id or 0
        columns: dict[str, Any] = {
            "input_ids": lay_out(rows, plan, self.cls_token_id, self.sep_token_id, pad)
        }
        if return_token_type_ids:
            columns["token_type_ids"] = token_type_ids(rows, plan)
        if return_attention_mask:
            columns["attention_mask"] = attention_mask(rows, plan)
        if return_special_tokens_mask:
            columns["special_tokens_mask"] = lay_out(fill(rows, 0, 0), plan, 1, 1, 1)
        if return_offsets_mapping:
            columns["offset_mapping"] = lay_out(spans, plan, (0, 0), (0, 0), (0, 0))
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
        words = [row.map(lambda piece: piece.word) for row in rows]
        return Origins(
            word_ids=lay_out(words, plan, None, None, None),
            sequence_ids=lay_out(fill(rows, 0, 1), plan, None, None, None),
        )

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
        if isinstance(ids, (list, tuple)) and ids and isinstance(ids[0], (list, tuple)):
            return [
                self.decode(
                    row,
                    skip_special_tokens=skip_special_tokens,
                    clean_up_tokenization_spaces=clean_up_tokenization_spaces,
                )
                for row in ids
            ]
        ids = [ids] if isinstance(ids, int) else ids
        tokens = self.convert_ids_to_tokens(ids, skip_special_tokens=skip_special_tokens)
        text = join_pieces(
            [token for token in tokens if token is not None],
            self.spec.continuing_subword_prefix,
            self.spec.decoder_cleanup,
        )
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
        if isinstance(ids, int):
            return self._token(ids)
        tokens = self._special_tokens if skip_special_tokens else ()
        return [token for token in map(self._token, ids) if token not in tokens]

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> Any:
        """A token → its id, a list of tokens → a list of ids; unknown ones get [UNK]'s.

        >>> words = "[PAD] [UNK] [CLS] [SEP] me".split()
        >>> tokenizer = Tokenizer(TokenizerSpec({word: id for id, word in enumerate(words)}))
        >>> tokenizer.convert_tokens_to_ids(["me", "you"]), tokenizer.convert_ids_to_tokens([4, 9])
        ([4, 1], ['me', None])
        """
        if isinstance(tokens, str):
            return self._id(tokens)
        return [self.convert_tokens_to_ids(token) for token in tokens]

    def __len__(self) -> int:
        return len(self._tokens)

    def _id(self, token: str) -> int:
        known = self._added_ids.get(token)
        if known is None:
            known = self.spec.vocab.get(token)
        return self.spec.vocab[self.spec.unk_token] if known is None else known

    @cached_property
    def _tokens(self) -> dict[int, str]:
        """id → token."""
        tokens = {number: token for token, number in self.spec.vocab.items()}
        for token in self.spec.added_tokens:
            # As the reference gives it back: in the form in which it is matched.
            form = token.content.translate(self._normal) if token.normalized else token.content
            tokens[token.id] = form
        return tokens

    def _token(self, number: Any) -> str | None:
        if not hasattr(number, "__index__") or number < 0:
            raise InputError(f"a token id is {number!r}, an int of 0 or more was wanted")
        return self._tokens.get(index(number))


def encode_text(text: Text, encode: Encode) -> list[Any]:
    """Tokenize a text, or the words that the caller has split it into, each on its own."""
    if isinstance(text, str):
        return encode(text)
    return [
        token._replace(word=number) if isinstance(token, Piece) else token
        for number, word in enumerate(text)
        for token in encode(word)
    ]
