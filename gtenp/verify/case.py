"""The reference on given texts, as it is or with one thing changed: what a mistake is made in."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp import reference
from gtenp.reference import variations
from gtenp.verify.trace import (
    Model,
    Values,
    head_names,
    last_states,
    named,
    sentence_values,
    step_of,
    trace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.reference import Array
    from gtenp.tokenizer import Tokenizer


def reference_with(**functions: Any) -> Any:
    """A copy of reference/variations.py, and of bert.py below it, with some of their functions, or
    the table of them, replaced.

    A mistake planted there stands in the very code that is right in all else.
    """
    copies = {name: _copied(f"gtenp.reference.{name}") for name in ("bert", "variations")}
    for copy in copies.values():
        vars(copy).update({name: f for name, f in functions.items() if name in vars(copy)})
    copies["variations"].bert = copies["bert"]
    return copies["variations"]


def _copied(name: str) -> Any:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def _pass(source: Any, model: Model, ids: Int) -> Values:
    """One text through a copy of the reference."""
    return named(source.forward(model.weights, model.config, ids), model)


@dataclass(frozen=True)
class Case:
    """What the reference is given, and what the other made of it."""

    embedder: Embedder
    model: Model  # in float64
    texts: Sequence[str] | None  # None where only the tokens are known
    input_ids: Sequence[Int]  # a text each, [S]
    others_ids: Sequence[Int | None]  # what the other made of them, where it says so
    found: Sequence[Values]  # the other's values, a text each

    @property
    def pad_id(self) -> int:
        return self.embedder.tokenizer.pad_token_id or 0

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
        )

    def run(self, source: Any = variations, **changed: object) -> list[Values]:
        """The values with another source, config or weights."""
        model = replace(self.model, **changed)  # type: ignore[arg-type]
        return [_pass(source, model, ids) for ids in self.input_ids]

    def run_tokens(self, texts: Sequence[Int]) -> list[Values]:
        """With other tokens. A text without any, or with unknown ones, has no values."""
        config = self.model.config
        return [
            trace(self.model, ids)
            if 0 < len(ids) <= config.max_tokens
            and ids.min() >= 0
            and ids.max() < config.vocab_size
            else {}
            for ids in texts
        ]

    def run_inputs(self, types: int = 0, first_position: int | None = None) -> list[Values]:
        """With another segment, or positions that begin elsewhere."""
        config, values = self.model.config, list[Values]()
        for ids in self.input_ids:
            positions = variations.position_ids(ids, config.arithmetic)
            if first_position is not None:
                positions = np.arange(first_position, first_position + len(ids))
            fits = (
                positions.max() < config.max_position_embeddings and types < config.type_vocab_size
            )
            segments = np.full(len(ids), types)
            if not fits:
                values.append({})
                continue
            steps = variations.forward(self.model.weights, config, ids, segments, positions)
            values.append(named(steps, self.model))
        return values

    def run_padded(self, length: int, *, mask: bool, pool_padding: bool) -> list[Values]:
        """With every text padded to one length, and the padding let in here or there."""
        values = []
        for ids in self.input_ids:
            size = len(ids)
            padded = np.pad(ids, (0, max(0, length - size)), constant_values=self.pad_id)
            source = reference_with(softmax=masked(size)) if mask else variations
            steps = _pass(source, self.model, padded)
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
    ) -> list[Int]:
        """Each text's tokens, uncut: with another prompt, tokenizer or reading of the text."""
        embedder = self.embedder
        before = default_prompt(embedder) if prompt is None else prompt
        texts = [before + read(text) for text in self.texts or ()]
        rows = (tokenizer or embedder.tokenizer)(texts)["input_ids"]
        return [np.array(ids, np.int64) for ids in rows]


class Mistake(NamedTuple):
    """A mistake that ports make."""

    begins: str  # the first step that it changes
    what: str  # a sentence
    plant: Callable[[Case], list[Values]]  # the reference's values with the mistake made


def default_prompt(embedder: Embedder) -> str:
    """What ``encode`` puts before a text where nothing else is asked for."""
    return embedder.prompts.get(embedder.default_prompt_name or "", "")


def vector_names(model: Model) -> list[str]:
    """The steps that are one vector a text, up to the one that the model gives."""
    return ["pooled", *head_names(model.sentence_config)]


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
