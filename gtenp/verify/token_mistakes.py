"""Mistakes on the way from a text to its tokens."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from gtenp.model_files.config import NO_LIMIT
from gtenp.tokenizer import Tokenizer
from gtenp.tokenizer.metaspace import Metaspace, WhitespaceSplit
from gtenp.tokenizer.split import PrefixSpace
from gtenp.verify.case import Case, Mistake, default_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.engine.batch import Int
    from gtenp.tokenizer.files import TokenizerSpec
    from gtenp.tokenizer.stages import Stages
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
    for what, change in _id_changes(case):
        yield f"tokens off: {what}", partial(_each, change)
    if case.texts is not None and not case.model.scores:
        yield from _length_changes(case)
        yield from _prompt_changes(case)
        for what, read in _READINGS.items():
            yield f"tokens off: {what}", partial(Case.ids_of, read=read)
        for what, spec in _other_tokenizers(case.embedder.tokenizer.spec):
            yield f"tokens off: {what}", partial(Case.ids_of, tokenizer=Tokenizer(spec))
    if all(ids is not None for ids in case.others_ids):
        what = "tokens off, in no known way: look at the tokenizer"
        yield what, lambda case: [ids for ids in case.others_ids if ids is not None]


def _id_changes(case: Case) -> Iterator[tuple[str, Callable[[Int], Int]]]:
    for ends in case.ends:
        yield f"{ends.names} {'are' if ends.count > 1 else 'is'} missing", ends.without
    for by, way in ((1, "high"), (-1, "low")):
        what = f"ids are 1 too {way}; the vocabulary's first line is 0"
        yield what, partial(_added, by)


def _added(by: int, ids: Int) -> Int:
    return ids + by


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
        yield f"{at}{should}; their start is kept", partial(Case.ids_of, most=length, side="right")
        if case.ends:
            what = f"{at}{should}; their start is kept, without {case.ends[-1].names}"
            yield what, partial(_cut_through, length)
        yield f"{at}{should}; their end is kept", partial(Case.ids_of, most=length, side="left")


def _cut_through(length: int, case: Case) -> list[Int]:
    """The first tokens, whatever they are."""
    return [ids[:length] for ids in case.ids_of(most=NO_LIMIT)]


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
        yield f"{what}; {should}", partial(Case.ids_of, prompt=prompt)
    for prompt in _USUAL_PROMPTS:
        if prompt not in prompts.values():
            what = f"tokens off: {prompt!r}, which is none of the model's prompts, stands before"
            yield f"{what} each text", partial(Case.ids_of, prompt=prompt)
    if own:
        what = f"tokens off: the model's default prompt {own!r} is missing before each text"
        yield what, partial(Case.ids_of, prompt="")


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
    "upper case is not kept": str.lower,
    # To byte-level BPE "the" and " the" are two words.
    "a space stands before each text; this model's tokenizer puts none there": " {}".format,
}


def _other_tokenizers(spec: TokenizerSpec) -> Iterator[tuple[str, TokenizerSpec]]:
    """The tokenizer with each of its settings turned round."""
    if spec.stages is not None:
        bare = _without_prefix(spec.stages)
        if bare.pre_tokenizers != spec.stages.pre_tokenizers:
            what = "no space goes before a text; this model's tokenizer puts one there"
            yield what, replace(spec, stages=bare)
        return  # the settings below are BERT's alone
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
        words = what.format("" if value else "not ")
        yield words, replace(spec, **settings)  # type: ignore[arg-type]


def _without_prefix(stages: Stages) -> Stages:
    """The same with no space of its own before a text, nor before each word."""
    kept = [
        replace(stage, prepend_scheme="never") if isinstance(stage, Metaspace) else stage
        for stage in stages.pre_tokenizers
        if not isinstance(stage, PrefixSpace | WhitespaceSplit)
    ]
    return replace(stages, pre_tokenizers=tuple(kept))
