"""What stands around a text, or around the two of a pair, as data: special tokens and type ids.

It comes from tokenizer.json's post_processor, or from the class that the files name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gtenp.tokenizer.characters import is_space


class Special(NamedTuple):
    """A special token of a template."""

    id: int
    type_id: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """A row, from left to right: ``before``, the first text, ``between``, the second, ``after``.

    Where a row has one text, nothing is between. ``type_ids`` are the texts' own, and
    ``overflow_type_ids`` those of the parts that overflow, to which the reference gives others.
    """

    before: tuple[Special, ...] = ()
    between: tuple[Special, ...] = ()
    after: tuple[Special, ...] = ()
    type_ids: tuple[int, int] = (0, 1)
    overflow_type_ids: tuple[int, int] = (0, 1)

    @property
    def special_tokens(self) -> tuple[Special, ...]:
        """All of them, from left to right."""
        return self.before + self.between + self.after

    def bare(self) -> Layout:
        """The same without special tokens."""
        return Layout(type_ids=self.type_ids)


@dataclass(frozen=True, slots=True)
class Template:
    """How rows of one text and rows of a pair are laid out; without arguments, texts alone.

    ``trims_offsets``: offsets leave out the spaces that a token itself begins or ends with;
    ``adds_prefix_space``: but not one at the start, which is not of the text.
    """

    single: Layout = field(default_factory=Layout)
    pair: Layout = field(default_factory=Layout)
    trims_offsets: bool = False
    adds_prefix_space: bool = False


def bert_template(cls: int, sep: int) -> Template:
    """``[CLS] A [SEP]``, ``[CLS] A [SEP] B [SEP]``; what belongs to B has type 1.

    >>> bert_template(2, 3).pair.special_tokens
    (Special(id=2, type_id=0), Special(id=3, type_id=0), Special(id=3, type_id=1))
    """
    before, behind = (Special(cls),), (Special(sep),)
    return Template(
        Layout(before, after=behind), Layout(before, between=behind, after=(Special(sep, 1),))
    )


def roberta_template(cls: int, sep: int, *, trims: bool, adds_prefix_space: bool) -> Template:
    """``<s> A </s>``, ``<s> A </s></s> B </s>``; all of type 0."""
    before, behind = (Special(cls),), (Special(sep),)
    return Template(
        Layout(before, (), behind, (0, 0), (0, 0)),
        Layout(before, behind * 2, behind, (0, 0), (0, 0)),
        trims,
        adds_prefix_space,
    )


def xlmr_template(cls: int, sep: int) -> Template:
    """The same in a row; what overflows has other types, and offsets are whole."""
    before, behind = (Special(cls),), (Special(sep),)
    return Template(Layout(before, after=behind), Layout(before, behind * 2, behind, (0, 0)))


def t5_template(eos: int) -> Template:
    """``A </s>``, ``A </s> B </s>``; all of type 0.

    >>> t5_template(1).pair.special_tokens
    (Special(id=1, type_id=0), Special(id=1, type_id=0))
    """
    behind = (Special(eos),)
    return Template(Layout(after=behind), Layout((), behind, behind, type_ids=(0, 0)))


def outer_spaces(token: str) -> tuple[int, int]:
    """How many spaces a token begins and ends with; byte-level BPE writes its own as Ġ.

    >>> outer_spaces("  <mask> "), outer_spaces("Ġthe")
    ((2, 1), (1, 0))
    """
    spaces = [char == "Ġ" or is_space(char) for char in token]
    leading = spaces.index(False) if False in spaces else len(spaces)
    spaces.reverse()
    return leading, spaces.index(False) if False in spaces else len(spaces)


class TemplateError(Exception):
    """A post_processor that can't be followed; its text goes on after "its post_processor"."""


def read_template(processor: dict[str, Any] | None) -> Template:
    """tokenizer.json's post_processor as a template; without one, texts stand alone.

    >>> read_template({"type": "BertProcessing", "cls": ["[CLS]", 2], "sep": ["[SEP]", 3]}) == (
    ...     bert_template(2, 3))
    True

    Raises TemplateError where it is of an unknown kind, or lays texts out in an order that none of
    the models here has.
    """
    if processor is None:
        return Template()
    match processor["type"]:
        case "BertProcessing":
            return bert_template(processor["cls"][1], processor["sep"][1])
        case "RobertaProcessing":
            return roberta_template(
                processor["cls"][1],
                processor["sep"][1],
                trims=processor["trim_offsets"],
                adds_prefix_space=processor["add_prefix_space"],
            )
        case "TemplateProcessing":
            ids = {name: token["ids"] for name, token in processor["special_tokens"].items()}
            return Template(
                _read_layout(processor["single"], ids, "A"),
                _read_layout(processor["pair"], ids, "AB"),
            )
        case "ByteLevel":  # changes offsets alone
            return Template(
                trims_offsets=processor["trim_offsets"],
                adds_prefix_space=processor["add_prefix_space"],
            )
        case "Sequence":
            return _read_sequence(processor["processors"])
        case kind:
            raise TemplateError(f"is {kind}, which gtenp does not know")


def _read_layout(parts: list[dict[str, Any]], ids: dict[str, list[int]], texts: str) -> Layout:
    """One of TemplateProcessing's two lists, which must hold the texts once each, in their order.

    >>> parts = [{"Sequence": {"id": "A", "type_id": 0}},
    ...          {"SpecialToken": {"id": "</s>", "type_id": 0}}]
    >>> _read_layout(parts, {"</s>": [1]}, "A").after
    (Special(id=1, type_id=0),)
    """
    stretches: list[tuple[Special, ...]] = [()]
    type_ids: list[int] = []
    found = ""
    for part in parts:
        if "Sequence" in part:
            found += part["Sequence"]["id"]
            type_ids.append(part["Sequence"]["type_id"])
            stretches.append(())
        else:
            token = part["SpecialToken"]
            stretches[-1] += tuple(Special(id, token["type_id"]) for id in ids[token["id"]])
    if found != texts:
        order = " ".join(found) or "none"
        raise TemplateError(f"has the texts in the order {order}, wanted {' '.join(texts)}")
    if texts == "A":
        return Layout(stretches[0], after=stretches[1], type_ids=(type_ids[0], 1))
    return Layout(stretches[0], stretches[1], stretches[2], (type_ids[0], type_ids[1]))


def _read_sequence(processors: list[dict[str, Any]]) -> Template:
    templates = [read_template(processor) for processor in processors]
    laying = [one for one in templates if (one.single, one.pair) != (Layout(), Layout())]
    trimming = [one for one in templates if one.trims_offsets]
    if len(laying) > 1 or len(trimming) > 1:
        kinds = ", ".join(processor["type"] for processor in processors)
        raise TemplateError(f"is a Sequence of {kinds}, of which only one may do the same work")
    layouts = laying[0] if laying else Template()
    offsets = trimming[0] if trimming else Template()
    return Template(layouts.single, layouts.pair, offsets.trims_offsets, offsets.adds_prefix_space)
