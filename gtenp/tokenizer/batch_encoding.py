"""From token sequences to what a call of the tokenizer returns: truncation, template, padding.

All of it works on lists and does not care what is in them: ids where only ids are wanted, ``Piece``
where the caller wants to know whence each token comes. Names, defaults and order of the result are
transformers'; ties in truncation and the order of overflowing rows are the Rust tokenizer's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gtenp.arguments import check_device, whole_number
from gtenp.errors import InputError
from gtenp.tokenizer.template import Layout, Special

if TYPE_CHECKING:
    from collections.abc import Callable

    from gtenp.tokenizer.files import TokenizerSpec

Token = TypeVar("Token")

# A model_max_length beyond this means that there is none; transformers' figure.
LARGEST_LENGTH = int(1e20)


class Piece(NamedTuple):
    """A token and whence it comes: its id, its (start, stop) in the text, its word's number.

    ``spaces``: how many it begins and ends with, where offsets leave these out.
    """

    id: int
    span: tuple[int, int]
    word: int | None
    spaces: tuple[int, int] = (0, 0)


class Row(NamedTuple):
    """One row of the result, before template and padding: ids or pieces of one or two texts.

    ``overflows``: whether each is a later part of a text that was too long.
    """

    sample: int
    first: list[Any]
    second: list[Any] | None
    overflows: tuple[bool, bool] = (False, False)

    def map(self, function: Callable[[list[Any]], list[Any]]) -> Row:
        """The row with something else in each text's place."""
        second = self.second and function(self.second)
        return Row(self.sample, function(self.first), second, self.overflows)


def offsets(pieces: list[Piece], adds_prefix_space: bool) -> list[tuple[int, int]]:
    """Where in their text the pieces stand, without the spaces that they begin and end with.

    One space before a text is left to its first piece where the tokenizer itself puts it there.

    >>> offsets([Piece(7, (0, 5), 0, (1, 2))], False), offsets([Piece(7, (0, 5), 0, (1, 2))], True)
    ([(1, 3)], [(0, 3)])
    >>> offsets([Piece(7, (0, 1), 0, (2, 2))], False)  # one character became two spaces
    [(1, 1)]
    """
    found = []
    for place, piece in enumerate(pieces):
        start, stop = piece.span
        leading, trailing = piece.spaces
        if adds_prefix_space and leading == 1 and (place == 0 or start == 0):
            leading = 0
        start = min(start + leading, stop)
        found.append((start, max(stop - trailing, start)))
    return found


def kept_lengths(first: int, second: int, room: int, strategy: str) -> tuple[int, int]:
    """How much of two texts that are too long together fits into ``room``.

    >>> kept_lengths(3, 9, 8, "longest_first"), kept_lengths(9, 9, 7, "longest_first")
    ((3, 5), (3, 4))
    >>> kept_lengths(3, 9, 8, "only_second")
    (3, 5)

    Raises InputError where the one text that may be cut is not longer than what must go.
    """
    excess = first + second - room
    if room == 0:
        return 0, 0
    if strategy == "longest_first":
        shorter, longer = sorted((first, second))
        longer = shorter if shorter > room else max(shorter, room - shorter)
        if shorter + longer > room:
            shorter = room // 2
            longer = shorter + room % 2
        # Of two equally long texts the second gets the odd token.
        return (longer, shorter) if first > second else (shorter, longer)
    length = first if strategy == "only_first" else second
    if length <= excess:
        raise InputError(
            f"truncation={strategy!r} can't bring a row of {first} + {second} tokens down to {room}"
            f" besides the special tokens; use 'longest_first' or a larger max_length"
        )
    return (first - excess, second) if strategy == "only_first" else (first, second - excess)


def windows(tokens: list[Token], size: int, stride: int, side: str) -> list[list[Token]]:
    """Cut into windows of ``size`` that share ``stride`` tokens with their neighbours.

    >>> windows([1, 2, 3, 4, 5], 3, 1, "right"), windows([1, 2, 3, 4, 5], 3, 1, "left")
    ([[1, 2, 3], [3, 4, 5]], [[3, 4, 5], [1, 2, 3]])

    Raises InputError where the windows would not move on.
    """
    if len(tokens) <= size:
        return [tokens]
    if size == 0:
        return [[], tokens]
    if stride >= size:
        raise InputError(
            f"stride is {stride}, but a window has room for {size} tokens of the text; "
            "stride must be smaller"
        )
    cut = []
    if side == "right":
        for start in range(0, len(tokens), size - stride):
            cut.append(tokens[start : start + size])
            if start + size >= len(tokens):
                break
    else:
        for stop in range(len(tokens), 0, stride - size):
            cut.append(tokens[max(0, stop - size) : stop])
            if stop <= size:
                break
    return cut


def truncate(row: Row, plan: Plan) -> list[Row]:
    """The row cut down to the plan's room and, if wanted, the rows that overflow from it."""
    sample, first, second, _ = row
    if plan.room is None or len(first) + len(second or ()) <= plan.room:
        return [row]
    kept_first, kept_second = kept_lengths(len(first), len(second or ()), plan.room, plan.strategy)
    firsts = windows(first, kept_first, plan.stride, plan.truncation_side)
    if second is None:
        rows = [Row(sample, part, None, (n > 0, False)) for n, part in enumerate(firsts)]
    else:
        seconds = windows(second, kept_second, plan.stride, plan.truncation_side)
        # Every later window of the first text with each of the second's, and the head's row last.
        rows = [Row(sample, firsts[0], seconds[0])]
        for a in firsts[1:]:
            rows += [Row(sample, a, b, (True, n > 0)) for n, b in enumerate(seconds)]
        rows += [Row(sample, firsts[0], b, (False, True)) for b in seconds[1:]]
    return rows if plan.overflowing else rows[:1]


def lay_out(
    rows: list[Row], plan: Plan, special: Callable[[Special], Token], pad: Token
) -> list[list[Token]]:
    """Put the special tokens around each row's texts, as ``special`` shows them, and fill up.

    >>> plan = Plan(Layout((Special(101),), after=(Special(102),)), pad_to=6, padding_side="left")
    >>> lay_out([Row(0, [7], None), Row(1, [8, 9], None)], plan, special_id, pad=0)
    [[0, 0, 0, 101, 7, 102], [0, 0, 101, 8, 9, 102]]
    """
    layout = plan.layout
    before, between, after = (
        list(map(special, tokens)) for tokens in (layout.before, layout.between, layout.after)
    )
    laid = [[*before, *first, *between, *(second or ()), *after] for _, first, second, _ in rows]
    return fill_up(laid, plan, pad)


def special_id(token: Special) -> int:
    """How ``input_ids`` show a special token."""
    return token.id


def fill_up(laid: list[list[Token]], plan: Plan, pad: Token) -> list[list[Token]]:
    """Pad rows to the settled length; one that is longer stays as it is."""
    if not isinstance(plan.pad_to, int):
        return laid
    fillers = [[pad] * (plan.pad_to - len(row)) for row in laid]
    if plan.padding_side == "left":
        return [filler + row for filler, row in zip(fillers, laid, strict=True)]
    return [row + filler for filler, row in zip(fillers, laid, strict=True)]


def fill(rows: list[Row], first: int, second: int) -> list[Row]:
    """Rows of the same lengths with one value for each text's tokens.

    >>> fill([Row(0, [7, 8], [9])], 0, 1)
    [Row(sample=0, first=[0, 0], second=[1], overflows=(False, False))]
    """
    return [Row(n, [first] * len(a), b and [second] * len(b), late) for n, a, b, late in rows]


def token_type_ids(rows: list[Row], plan: Plan) -> list[list[int]]:
    """Each token's type: BERT's is 1 for the second text and its [SEP], otherwise 0.

    >>> token_type_ids([Row(0, [7, 8], [9])], Plan(Layout(after=(Special(3, 1),))))
    [[0, 0, 1, 1]]
    """
    of_heads, of_overflow = plan.layout.type_ids, plan.layout.overflow_type_ids
    typed = [
        Row(
            sample,
            [(of_overflow if late[0] else of_heads)[0]] * len(first),
            second and [(of_overflow if late[1] else of_heads)[1]] * len(second),
        )
        for sample, first, second, late in rows
    ]
    return lay_out(typed, plan, lambda token: token.type_id, 0)


def attention_mask(rows: list[Row], plan: Plan) -> list[list[int]]:
    """1 for every token, 0 for padding.

    >>> attention_mask([Row(0, [7, 8], None)], Plan(Layout((Special(2),)), pad_to=6))
    [[1, 1, 1, 0, 0, 0]]
    """
    return lay_out(fill(rows, 1, 1), plan, lambda _: 1, 0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call's options come to, once they are checked."""

    layout: Layout
    room: int | None = None  # tokens of the texts that a row may keep; None: all
    strategy: str = "longest_first"
    stride: int = 0
    truncation_side: str = "right"
    overflowing: bool = False
    pad_to: int | str | None = None  # None, "longest" or a length
    pad_to_multiple_of: int = 1
    padding_side: str = "right"

    def settled(self, rows: list[Row]) -> Plan:
        """The plan with the length that these rows are filled up to.

        >>> plan = Plan(Layout((Special(2),)), pad_to="longest", pad_to_multiple_of=8)
        >>> [plan.settled([Row(0, [7] * length, None)]).pad_to for length in (7, 8)]
        [8, 16]
        """
        if self.pad_to is None:
            return self
        length = self.pad_to
        if isinstance(length, str):
            # What overflows does not count: where a row keeps nothing of a text, it is longer.
            heads = (row for n, row in enumerate(rows) if not n or rows[n - 1].sample != row.sample)
            length = max((len(row.first) + len(row.second or ()) for row in heads), default=0)
            length += len(self.layout.special_tokens)
        multiple = self.pad_to_multiple_of
        return replace(self, pad_to=-(-length // multiple) * multiple)


def make_plan(
    spec: TokenizerSpec,
    *,
    layout: Layout,
    padding: bool | str,
    truncation: bool | str | None,
    max_length: int | None,
    stride: int,
    pad_to_multiple_of: int | None,
    padding_side: str | None,
    truncation_side: str | None,
    overflowing: bool,
) -> Plan:
    """Check a call's options and settle what they leave open, as transformers does.

    Raises InputError where a value is unknown, or the values can't be met together.
    """
    paddings = {False: None, True: "longest", "longest": "longest", "max_length": "max_length",
                "do_not_pad": None}  # fmt: skip
    strategies = {False: None, True: "longest_first", "do_not_truncate": None} | {
        name: name for name in ("longest_first", "only_first", "only_second")
    }
    if truncation is None:
        truncation = max_length is not None and padding is False
    pad_to: int | str | None = _choice("padding", padding, paddings)
    strategy = _choice("truncation", truncation, strategies)
    sides = {None: None, "left": "left", "right": "right"}
    stride = whole_number("stride", stride, 0)
    if pad_to_multiple_of is not None:
        pad_to_multiple_of = whole_number("pad_to_multiple_of", pad_to_multiple_of, 1)

    length = None if max_length is None else whole_number("max_length", max_length, 0)
    if length is None and spec.model_max_length <= LARGEST_LENGTH:
        length = spec.model_max_length
    if length is None:  # neither the caller nor the model says how long: transformers does neither
        strategy = None
        pad_to = None if pad_to == "max_length" else pad_to
    room = None
    if strategy is not None and length is not None:
        special_tokens = len(layout.special_tokens)
        room = length - special_tokens
        if room < 0:
            raise InputError(
                f"max_length is {length}, but the special tokens alone are {special_tokens}; "
                "raise it or pass add_special_tokens=False"
            )
        if pad_to is not None and pad_to_multiple_of and length % pad_to_multiple_of:
            raise InputError(
                f"max_length is {length}, which is no multiple of pad_to_multiple_of, "
                f"{pad_to_multiple_of}: rows could not be both truncated and padded"
            )
    if pad_to is not None and spec.pad_token is None:
        raise InputError("padding was asked for, but the vocabulary has no padding token")
    return Plan(
        layout=layout,
        room=room,
        strategy=strategy or "longest_first",
        stride=stride,
        truncation_side=_choice("truncation_side", truncation_side, sides) or spec.truncation_side,
        overflowing=overflowing,
        pad_to=length if pad_to == "max_length" else pad_to,
        pad_to_multiple_of=pad_to_multiple_of or 1,
        padding_side=_choice("padding_side", padding_side, sides) or spec.padding_side,
    )


def _choice(name: str, value: Any, choices: dict[Any, str | None]) -> str | None:
    # By type too: 1 == True, and an unhashable value must not be looked up.
    if isinstance(value, (bool, str, type(None))) and value in choices:
        return choices[value]
    wanted = ", ".join(map(repr, choices))
    raise InputError(f"{name} is {value!r}, wanted one of {wanted}")


class Span(NamedTuple):
    """Where something starts, and the place behind its last."""

    start: int
    end: int


class Origins(NamedTuple):
    """Whence the tokens of each row come, one list a row."""

    tokens: list[list[str]]
    spans: list[list[tuple[int, int] | None]]
    word_ids: list[list[int | None]]
    sequence_ids: list[list[int | None]]


class BatchEncoding(dict[str, Any]):
    """What a call of the tokenizer returns: a dict of lists (or arrays), ready for ``**batch``. Its
    keys are attributes too: ``batch.input_ids``.

    Whence each token comes is worked out when it is first asked for. Methods that take a row and a
    place within it take the place alone where the row is the first, as in transformers:
    ``token_to_chars(3)`` is ``token_to_chars(0, 3)``. They give None where there is nothing:
    special tokens and padding come from no word and no character.
    """

    def __init__(
        self, columns: dict[str, Any], origins: Callable[[], Origins] | Origins | None = None
    ) -> None:
        super().__init__(columns)
        self._origins = origins

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"a BatchEncoding of {', '.join(self) or 'nothing'} has no {name}")

    @property
    def data(self) -> dict[str, Any]:
        """The columns, as a dict: itself."""
        return self

    def to(self, device: object) -> BatchEncoding:
        """Itself, for the arrays are on the CPU; InputError for another device."""
        check_device(device)
        return self

    def tokens(self, batch_index: int = 0) -> list[str]:
        """Each token as the vocabulary writes it, special tokens and padding included."""
        return self._row("tokens", batch_index)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Each token's word, counted from 0 within its text; None for special tokens and padding.

        With ``is_split_into_words`` these are the caller's words, else words and punctuation.
        """
        return self._row("word_ids", batch_index)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """0 for tokens of ``text``, 1 for those of ``text_pair``, None for special and padding."""
        return self._row("sequence_ids", batch_index)

    def token_to_sequence(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> int | None:
        """The text that a token is of: 0, or 1 for ``text_pair``."""
        found: int | None = self._of_token("sequence_ids", batch_or_token_index, token_index)
        return found

    def token_to_word(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> int | None:
        """The word that a token is of."""
        found: int | None = self._of_token("word_ids", batch_or_token_index, token_index)
        return found

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> Span | None:
        """The characters of its text that a token stands for."""
        span = self._of_token("spans", batch_or_token_index, token_index)
        return None if span is None else Span(*span)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """The tokens of a word."""
        row, word = _row_and_place(batch_or_word_index, word_index)
        origins = zip(self.sequence_ids(row), self.word_ids(row), strict=True)
        places = [i for i, origin in enumerate(origins) if origin == (sequence_index, word)]
        return Span(places[0], places[-1] + 1) if places else None

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """The characters of its text that a word stands for."""
        row, word = _row_and_place(batch_or_word_index, word_index)
        tokens = self.word_to_tokens(row, word, sequence_index)
        if tokens is None:
            return None
        spans = self._row("spans", row)
        return Span(spans[tokens.start][0], spans[tokens.end - 1][1])

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The first token that a character is in; None for one that is in none, like a space."""
        row, char = _row_and_place(batch_or_char_index, char_index)
        spans = zip(self.sequence_ids(row), self._row("spans", row), strict=True)
        for token, (sequence, span) in enumerate(spans):
            if sequence == sequence_index and span[0] <= char < span[1]:
                return token
        return None

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The word that a character is in."""
        row, char = _row_and_place(batch_or_char_index, char_index)
        token = self.char_to_token(row, char, sequence_index)
        return None if token is None else self.token_to_word(row, token)

    def _row(self, what: str, batch_index: int) -> list[Any]:
        """One row of what the origins hold."""
        if callable(self._origins):
            self._origins = self._origins()
        if self._origins is None:
            raise InputError("a batch that was padded or copied has no texts; ask the first one")
        rows: list[list[Any]] = getattr(self._origins, what)
        return rows[whole_number("batch_index", batch_index, -len(rows), len(rows) - 1)]

    def _of_token(self, what: str, batch_or_token_index: int, token_index: int | None) -> Any:
        row, place = _row_and_place(batch_or_token_index, token_index)
        values = self._row(what, row)
        return values[place] if place < len(values) else None


def _row_and_place(first: int, second: int | None) -> tuple[int, int]:
    """The two places that a method is given, of which the row may be left out."""
    row, place = (0, first) if second is None else (first, second)
    return row, whole_number("index", place, 0)


def pad_columns(
    columns: dict[str, list[list[Any]]], plan: Plan, pad_token_id: int
) -> dict[str, list[list[Any]]]:
    """Rows that were tokenized before, filled up to one length; other columns stay.

    >>> columns = {"input_ids": [[7, 8], [9]], "attention_mask": [[1, 1], [1]], "labels": [3, 4]}
    >>> pad_columns(columns, Plan(Layout(), pad_to="longest"), pad_token_id=0)
    {'input_ids': [[7, 8], [9, 0]], 'attention_mask': [[1, 1], [1, 0]], 'labels': [3, 4]}
    """
    plan = plan.settled([Row(n, ids, None) for n, ids in enumerate(columns["input_ids"])])
    fillers = {
        "input_ids": pad_token_id,
        "attention_mask": 0,
        "token_type_ids": 0,
        "special_tokens_mask": 1,
    }
    return {
        name: fill_up(rows, plan, fillers[name]) if name in fillers else rows
        for name, rows in columns.items()
    }


def as_columns(encoded_inputs: Any) -> dict[str, Any]:
    """What calls of the tokenizer gave, in one dict of lists.

    >>> as_columns([{"input_ids": [7, 8]}, {"input_ids": [9]}])
    {'input_ids': [[7, 8], [9]]}

    Raises InputError where there are no ``input_ids``.
    """

    def plain(values: Any) -> Any:
        values = values.tolist() if hasattr(values, "tolist") else values
        return [plain(value) for value in values] if isinstance(values, (list, tuple)) else values

    rows = encoded_inputs if isinstance(encoded_inputs, (list, tuple)) else [encoded_inputs]
    if not rows or not all(isinstance(row, Mapping) and "input_ids" in row for row in rows):
        raise InputError("encoded_inputs: wanted a dict with input_ids, or a list of them")
    if rows is not encoded_inputs:
        return {name: plain(values) for name, values in encoded_inputs.items()}
    if any(row.keys() != rows[0].keys() for row in rows):
        raise InputError("encoded_inputs: the dicts have different keys; wanted the same in each")
    return {name: [plain(row[name]) for row in rows] for name in rows[0]}


def check_tensors(kind: str | None) -> None:
    """InputError for a kind of arrays that is not NumPy's."""
    if kind not in (None, "np"):
        raise InputError(f"return_tensors is {kind!r}, wanted one of None, 'np'")


def as_arrays(columns: dict[str, Any]) -> dict[str, Any]:
    """Every column as an int64 array.

    Raises InputError where the rows differ in length.
    """
    import numpy as np

    lengths = {len(row) for row in columns["input_ids"]}
    if len(lengths) > 1:
        raise InputError(
            f"return_tensors='np' wants rows of one length, found {min(lengths)} to {max(lengths)} "
            "tokens; pass padding=True"
        )
    arrays = {name: np.array(column, dtype=np.int64) for name, column in columns.items()}
    return arrays if lengths else {name: np.zeros((0, 0), np.int64) for name in arrays}
