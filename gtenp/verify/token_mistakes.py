"""Mistakes on the way from a text to its tokens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gtenp.tokenizer import Tokenizer
from gtenp.verify.case import Case, Mistake, default_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.engine.batch import Int
    from gtenp.verify.trace import Values

    Change = Callable[[Case], list[Int]]  # each text's tokens with the mistake made


def token_mistakes(case: Case) -> Iterator[Mistake]:
    """Those that change the tokens of these texts."""
    seen = {_key(case.input_ids)}
    for what, change in _changes(case):
        key = _key(change(case))
        if key not in seen:
            seen.add(key)
            yield Mistake("input_ids", what, partial(_run, change))


def _run(change: Change, case: Case) -> list[Values]:
    return case.run_tokens(change(case))


def _key(texts: Sequence[Int]) -> tuple[bytes, ...]:
    return tuple(ids.tobytes() for ids in texts)


def _changes(case: Case) -> Iterator[tuple[str, Change]]:
    for what, change in _ID_CHANGES.items():
        yield f"tokens off: {what}", partial(_each, change)
    if case.texts is not None and not case.model.scores:
        yield from _length_changes(case)
        yield from _prompt_changes(case)
        for what, read in _READINGS.items():
            yield f"tokens off: {what}", partial(_read, read)
        yield from _tokenizer_changes(case)
    if all(ids is not None for ids in case.others_ids):
        what = "tokens off, in no known way: look at the tokenizer"
        yield what, lambda case: [ids for ids in case.others_ids if ids is not None]


_ID_CHANGES: dict[str, Callable[[Int], Int]] = {
    "[CLS] and [SEP] are missing": lambda ids: ids[1:-1],
    "[CLS] is missing": lambda ids: ids[1:],
    "[SEP] is missing": lambda ids: ids[:-1],
    "ids are 1 too high; the vocabulary's first line is 0": lambda ids: ids + 1,
    "ids are 1 too low; the vocabulary's first line is 0": lambda ids: ids - 1,
}


def _each(change: Callable[[Int], Int], case: Case) -> list[Int]:
    return [change(ids) for ids in case.input_ids]


# ── Where a text is cut ──────────────────────────────────────────────────────────────────────────


def _length_changes(case: Case) -> Iterator[tuple[str, Change]]:
    """At other lengths, usual ones and the model's own limits; without [SEP]; the tail kept."""
    embedder = case.embedder
    own = embedder.max_seq_length
    most = embedder.config.max_tokens
    lengths = dict.fromkeys((own, most, embedder.tokenizer.model_max_length, 512, 256, 128, 64, 32))
    for length in (length for length in lengths if length <= most):
        at = f"texts are cut to {length} tokens"
        should = "" if length == own else f"; the model's files ask for {own}"
        for change, kept in (
            (head, "their start is kept"),
            (head_without_sep, "their start is kept, without [SEP]"),
            (tail, "their end is kept"),
        ):
            yield f"{at}{should}; {kept}", partial(_cut, change, length)


def _cut(cut: Callable[[Int, int], Int], length: int, case: Case) -> list[Int]:
    return [cut(ids, length) for ids in case.ids_of()]


def head(ids: Int, length: int) -> Int:
    """The first tokens, and [SEP] behind them.

    >>> head(np.array([2, 7, 8, 9, 3]), 4).tolist()
    [2, 7, 8, 3]
    """
    return ids if len(ids) <= length else np.append(ids[: length - 1], ids[-1])


def head_without_sep(ids: Int, length: int) -> Int:
    """The first tokens.

    >>> head_without_sep(np.array([2, 7, 8, 9, 3]), 4).tolist()
    [2, 7, 8, 9]
    """
    return ids[:length]


def tail(ids: Int, length: int) -> Int:
    """The last tokens, and [CLS] before them.

    >>> tail(np.array([2, 7, 8, 9, 3]), 4).tolist()
    [2, 8, 9, 3]
    """
    return ids if len(ids) <= length else np.append(ids[:1], ids[1 - length :])


# ── What is read ─────────────────────────────────────────────────────────────────────────────────


# What other models want, and servers put before texts for all.
_USUAL_PROMPTS = (
    "query: ",
    "passage: ",
    "search_query: ",
    "search_document: ",
    "Represent this sentence for searching relevant passages: ",
    "Represent this sentence: ",
)


def _prompt_changes(case: Case) -> Iterator[tuple[str, Change]]:
    """Each of the model's prompts, or none; each of other models'."""
    own = default_prompt(case.embedder)
    prompts = {name: prompt for name, prompt in case.embedder.prompts.items() if prompt}
    for name, prompt in prompts.items():
        should = f"{own!r} should" if own else "none should"
        what = f"tokens off: the model's prompt for {name!r}, {prompt!r}, stands before each text"
        yield f"{what}; {should}", partial(_prompted, prompt)
    for prompt in _USUAL_PROMPTS:
        if prompt not in prompts.values():
            what = f"tokens off: {prompt!r}, which is none of the model's prompts, stands before"
            yield f"{what} each text", partial(_prompted, prompt)
    if own:
        what = f"tokens off: the model's default prompt {own!r} is missing before each text"
        yield what, partial(_prompted, "")


def _prompted(prompt: str, case: Case) -> list[Int]:
    return _kept(case, case.ids_of(prompt=prompt))


def _kept(case: Case, texts: list[Int]) -> list[Int]:
    """As the model cuts them."""
    cut = tail if case.embedder.tokenizer.spec.truncation_side == "left" else head
    return [cut(ids, case.embedder.max_seq_length) for ids in texts]


def _as_latin_1(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")


def _as_windows_1252(text: str) -> str:
    """Windows reads the five bytes that its table leaves open as control characters."""
    return "".join(
        bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode("utf-8")
    )


_READINGS: dict[str, Callable[[str], str]] = {
    "the text's UTF-8 bytes were read as Latin-1": _as_latin_1,
    "the text's UTF-8 bytes were read as Windows-1252": _as_windows_1252,
    "characters beyond ASCII are dropped": lambda text: text.encode("ascii", "ignore").decode(),
    "characters beyond ASCII became '?'": lambda text: text.encode("ascii", "replace").decode(),
}


def _read(read: Callable[[str], str], case: Case) -> list[Int]:
    return _kept(case, case.ids_of(read=read))


def _tokenizer_changes(case: Case) -> Iterator[tuple[str, Change]]:
    """With each setting of the tokenizer turned round."""
    spec = case.embedder.tokenizer.spec
    if spec.stages is not None:
        return  # these settings are BERT's alone
    both = {"lowercase": not spec.lowercase, "strip_accents": spec.strips_accents}
    for settings, value, what in (
        ({"lowercase": not spec.lowercase}, spec.lowercase, "upper case is {}kept"),
        (both, spec.lowercase, "upper case is {}kept"),
        ({"strip_accents": not spec.strips_accents}, spec.strips_accents, "accents are {}kept"),
        (
            {"handle_chinese_chars": not spec.handle_chinese_chars},
            not spec.handle_chinese_chars,
            "each Chinese character is {}a word of its own",
        ),
    ):
        tokenizer = Tokenizer(replace(spec, **settings))  # type: ignore[arg-type]
        words = what.format("" if value else "not ")
        yield f"tokens off: {words}", partial(_tokenized, tokenizer)


def _tokenized(tokenizer: Tokenizer, case: Case) -> list[Int]:
    return _kept(case, case.ids_of(tokenizer=tokenizer))
