"""The reference on given texts, as it is or with one thing changed: what a mistake is made in."""

from __future__ import annotations

import importlib.util
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp import reference
from gtenp.embedder import Embedder
from gtenp.reference import variations
from gtenp.verify.trace import (
    Model,
    Values,
    last_states,
    named,
    sentence_values,
    step_of,
    tokens,
    trace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gtenp.cross_encoder import CrossEncoder
    from gtenp.engine.batch import Int
    from gtenp.reference import Array
    from gtenp.tokenizer import Tokenizer
    from gtenp.verify.trace import Texts


def reference_with(**functions: Any) -> Any:
    """A copy of reference/variations.py, and of bert.py below it, with some of their functions, or
    the table of them, replaced.

    A mistake planted there stands in the very code that is right in all else.
    """
    copies = {name: _copied(f"gtenp.reference.{name}") for name in ("bert", "variations")}
    for module in copies.values():
        vars(module).update({name: f for name, f in functions.items() if name in vars(module)})
    copies["variations"].bert = copies["bert"]
    return copies["variations"]


def _copied(name: str) -> Any:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def _pass(source: Any, model: Model, ids: Int, types: Int) -> Values:
    """One text through a copy of the reference."""
    return named(source.forward(model.weights, model.config, ids, types), model)


@dataclass(frozen=True)
class Case:
    """What the reference is given, and what the other made of it."""

    embedder: Embedder | CrossEncoder
    model: Model  # in float64
    texts: Texts | None  # None where only the tokens are known
    input_ids: Sequence[Int]  # a text each, [S]
    others_ids: Sequence[Int | None]  # what the other made of them, where it says so
    found: Sequence[Values]  # the other's values, a text each
    token_type_ids: Sequence[Int] | None = None  # of pairs; all 0 without

    @property
    def pad_id(self) -> int:
        return self.embedder.tokenizer.pad_token_id or 0

    @property
    def types(self) -> Sequence[Int]:
        """The tokens' types, a text each."""
        return self.token_type_ids or [np.zeros_like(ids) for ids in self.input_ids]

    @cached_property
    def ends(self) -> list[Ends]:
        """What the model puts around a text: all of it, what is before it, what is behind it. Of a
        model that puts nothing there, none.
        """
        tokenizer = self.embedder.tokenizer
        template = tokenizer.template
        layout = template.pair if self.model.scores else template.single
        before, behind = (
            tuple(f"{tokenizer.convert_ids_to_tokens(special.id)}" for special in specials)
            for specials in (layout.before, layout.after)
        )
        found = [Ends(before, behind), Ends(before, ()), Ends((), behind)]
        return [ends for ends in dict.fromkeys(found) if ends.count]

    @property
    def last_layer(self) -> str:
        """The name of the tokens' last states."""
        return last_states(self.model.config)

    @property
    def final(self) -> str:
        """The name of the step that is the text's vector."""
        return vector_names(self.model)[-1]

    @cached_property
    def expected(self) -> list[Values]:
        """The reference's values, with nothing changed."""
        return self.run()

    def only(self, places: Iterable[int]) -> Case:
        """The same for some of the texts."""
        kept = list(places)
        return replace(
            self,
            texts=None if self.texts is None else [self.texts[i] for i in kept],
            input_ids=[self.input_ids[i] for i in kept],
            others_ids=[self.others_ids[i] for i in kept],
            found=[self.found[i] for i in kept],
            token_type_ids=[self.types[i] for i in kept],
        )

    def run(self, source: Any = variations, **changed: object) -> list[Values]:
        """The values with another source, config or weights."""
        model = replace(self.model, **changed)  # type: ignore[arg-type]
        rows = zip(self.input_ids, self.types, strict=True)
        return [_pass(source, model, ids, types) for ids, types in rows]

    def run_tokens(
        self, texts: Sequence[Int], token_type_ids: Sequence[Int] | None = None
    ) -> list[Values]:
        """With other tokens. A text without any, or with unknown ones, has no values.

        Types that are not given are the text's own where it has as many tokens, else all 0.
        """
        config = self.model.config
        own = token_type_ids or [
            types if len(types) == len(ids) else np.zeros_like(ids)
            for ids, types in zip(texts, self.types, strict=True)
        ]
        return [
            trace(self.model, ids, types)
            if 0 < len(ids) <= config.max_tokens
            and ids.min() >= 0
            and ids.max() < config.vocab_size
            else {}
            for ids, types in zip(texts, own, strict=True)
        ]

    def run_inputs(
        self, types: int | None = None, first_position: int | None = None
    ) -> list[Values]:
        """With one segment for all, or positions that begin elsewhere."""
        config, values = self.model.config, list[Values]()
        for ids, own in zip(self.input_ids, self.types, strict=True):
            positions = variations.position_ids(ids, config.arithmetic)
            if first_position is not None:
                positions = np.arange(first_position, first_position + len(ids))
            fits = (
                positions.max() < config.max_position_embeddings
                and (types or 0) < config.type_vocab_size
            )
            segments = own if types is None else np.full(len(ids), types)
            if not fits:
                values.append({})
                continue
            steps = variations.forward(self.model.weights, config, ids, segments, positions)
            values.append(named(steps, self.model))
        return values

    def run_padded(self, length: int, *, mask: bool, pool_padding: bool) -> list[Values]:
        """With every text padded to one length, and the padding let in here or there."""
        values = []
        for ids, types in zip(self.input_ids, self.types, strict=True):
            size = len(ids)
            behind = (0, max(0, length - size))
            padded = np.pad(ids, behind, constant_values=self.pad_id)
            source = reference_with(softmax=masked(size)) if mask else variations
            steps = _pass(source, self.model, padded, np.pad(types, behind))
            if not pool_padding:
                steps |= self.pooled(steps[self.last_layer][:size])
            values.append({name: without_padding(name, a, size) for name, a in steps.items()})
        return values

    def run_pooling(self, pool: Callable[[Case, Values], Values]) -> list[Values]:
        """With something else made of the layers' outputs."""
        return [values | pool(self, values) for values in self.expected]

    def pooled(self, hidden_states: Array) -> Values:
        """The steps from the last layer on: [S, H] -> the vectors."""
        return sentence_values(hidden_states, self.model.sentence_config.pooling, self.model.heads)

    def ids_of(
        self,
        prompt: str | None = None,
        tokenizer: Tokenizer | None = None,
        read: Callable[[str], str] = str,
        most: int | None = None,
        side: str | None = None,
    ) -> list[Int]:
        """Each text's tokens as ``encode`` makes them, but with another prompt, tokenizer or
        reading of the text, at most so many, or cut at another side.
        """
        embedder = copy(self.embedder)
        assert isinstance(embedder, Embedder)
        embedder.tokenizer = tokenizer or embedder.tokenizer
        before = default_prompt(embedder) if prompt is None else prompt
        texts = [read(text) for text in self.texts or () if isinstance(text, str)]
        rows = embedder.prompted_ids(texts, before, most or embedder.max_seq_length, side)
        return [np.array(ids, np.int64) for ids in rows]

    def run_pairs(self, pairs: Sequence[Sequence[str]]) -> list[Values]:
        """With other pairs of texts."""
        return self.run_tokens(*tokens(self.embedder, pairs))


@dataclass(frozen=True)
class Ends:
    """Special tokens around a text."""

    before: tuple[str, ...]
    behind: tuple[str, ...]

    @property
    def names(self) -> str:
        return " and ".join(self.before + self.behind)

    @property
    def count(self) -> int:
        return len(self.before + self.behind)

    def without(self, rows: Array) -> Array:
        """What is between them: [S] -> [S'], or [S, H] -> [S', H].

        >>> Ends(("[CLS]",), ("[SEP]",)).without(np.array([2, 7, 8, 3])).tolist()
        [7, 8]
        """
        return rows[len(self.before) : len(rows) - len(self.behind)]


class Mistake(NamedTuple):
    """A mistake that ports make."""

    begins: str  # the first step that it changes
    what: str  # a sentence
    plant: Callable[[Case], list[Values]]  # the reference's values with the mistake made


def default_prompt(embedder: Embedder | CrossEncoder) -> str:
    """What ``encode`` puts before a text where nothing else is asked for."""
    return embedder.prompts.get(embedder.default_prompt_name or "", "")


def vector_names(model: Model) -> list[str]:
    """The steps that are one vector a text, up to the one that the model gives."""
    return ["pooled", *(name for name, _ in model.heads)]


def masked(length: int) -> Callable[[Array], Array]:
    """A softmax that gives nothing to what is behind the text's length."""

    def softmax(scores: Array) -> Array:
        hidden = scores.copy()
        hidden[:, :, length:] = -np.inf
        return reference.softmax(hidden)

    return softmax


def without_padding(name: str, array: Array, length: int) -> Array:
    """The part of a step's array that belongs to the text. A copy: the rest can then go."""
    step = step_of(name)
    assert step is not None
    return array[tuple(slice(length if axis == "S" else None) for axis in step.axes)].copy()
