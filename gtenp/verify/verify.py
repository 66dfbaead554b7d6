"""Find the first value at which another implementation leaves the model, and the likely mistake.

The other's values are compared with the float64 reference in the model's order. Where the first one
is out of tolerance, each known mistake is made on purpose in a copy of the reference, from the
start: the one that yields the other's value is named. Nothing is guessed from the size of a
difference, but for what precision.py says: that is worded "looks like".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp.engine.parallel import blas_threads
from gtenp.engine.pooling import normalize
from gtenp.errors import InputError
from gtenp.verify.answers import EMBEDDING, TOKEN_EMBEDDINGS
from gtenp.verify.case import Case, Mistake
from gtenp.verify.compare import TOLERANCE, Comparison, compare, compare_step, first_out
from gtenp.verify.forms import Form, forms, own_form
from gtenp.verify.model_mistakes import (
    embedding_mistakes,
    function_mistakes,
    linear_mistakes,
    padding_mistakes,
)
from gtenp.verify.precision import half_mistakes, int8_mistakes, looks_like
from gtenp.verify.token_mistakes import token_mistakes
from gtenp.verify.trace import (
    STEPS,
    Values,
    count_texts,
    head_names,
    model_of,
    split,
    step_of,
    token_ids,
)
from gtenp.verify.vector_mistakes import pooling_mistakes, row_mistakes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.reference import Array

# How many texts are enough to judge an arithmetic by.
_ENOUGH_TEXTS = 4


@dataclass(frozen=True)
class Diagnosis:
    """The mistake that yields the other's values, or what they look like."""

    what: str
    left: float  # what remains of the relative error with the mistake planted
    next: str | None  # the first step that is out of tolerance even so
    certain: bool = True  # whether the mistake, planted, yields the values


@dataclass(frozen=True)
class Verdict:
    """What came of comparing one implementation's values with the reference."""

    steps: tuple[Comparison, ...]  # those that were given, in the model's order
    ignored: tuple[str, ...]  # names that are none of gtenp's
    diagnosis: Diagnosis | None  # where a step is out of tolerance and a known mistake fits

    @property
    def first(self) -> Comparison | None:
        """The first step out of tolerance; None where all is well."""
        return first_out(self.steps)


def verify(
    embedder: Embedder,
    values: Values,
    texts: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """Compare values, named as in a file (see trace.py), with the reference's for these texts.

    Without texts the values' own ``input_ids`` are run. InputError where neither is there, where
    no name is known, or where a text has no value.
    """
    found, ignored = _by_text(embedder, values, texts)
    given = [_without_pads(embedder, one.get("input_ids")) for one in found]
    ids = _known(embedder, given) if texts is None else token_ids(embedder, texts)
    case = Case(embedder, model_of(embedder), texts, ids, given, found)
    steps = compare(own_form(case).apply(case, case.expected), found, tolerance, case.pad_id)
    first = first_out(steps)
    diagnosis = None
    if first:
        # Of a few tokens, BLAS's threads would wait for each other longer than they work.
        threads = 1 if max(map(len, ids)) < 64 else embedder.threads
        with blas_threads(threads), np.errstate(all="ignore"):  # a mistake may well overflow
            diagnosis = _Search(case, first, tolerance).diagnose()
    return Verdict(tuple(steps), ignored, diagnosis)


# ── The search ───────────────────────────────────────────────────────────────────────────────────


class _Search:
    """For the mistake that yields the other's values at the first step that is out."""

    def __init__(self, case: Case, first: Comparison, tolerance: float) -> None:
        self.case, self.first, self.tolerance = case, first, tolerance
        self.names = list(case.expected[0])  # every step, in the model's order
        self.forms = forms(case, first.name)
        self.best: Diagnosis | None = None

    def diagnose(self) -> Diagnosis | None:
        """The mistake after which all is within tolerance; else the one that explains most of what
        follows the first step, the first of them where they are even; else what it looks like.
        """
        for mistake in self._without_a_pass():
            if self._explains_all(mistake):
                return self.best
        out = self._places_out()
        sample = self._sample(out)
        everywhere = len(out) == sum(self.first.name in values for values in self.case.found)
        for mistake in self._with_a_pass(everywhere):
            if sample and not self._nearer(sample, mistake.plant(sample)):
                continue
            if self._explains_all(mistake):
                return self.best
        if self.best is None and everywhere:
            self.best = self._likeness()
        return self.best

    def _without_a_pass(self) -> Iterator[Mistake]:
        """The vectors' form alone, and what goes wrong behind the layers: no pass of the model."""
        if self.first.name == self.case.final:
            yield Mistake(self.case.final, "", lambda case: case.expected)
        for form in self.forms:
            yield from row_mistakes(self.case, form, self.first.name)
        if self._may_begin("pooled"):
            yield from pooling_mistakes(self.case)

    def _with_a_pass(self, everywhere: bool) -> Iterator[Mistake]:
        """A pass each, the longest last. Weights are rounded for every text, or for none."""
        case, name = self.case, self.first.name
        layer = int(name.split(".")[1]) if name.startswith("layer.") else None
        for mistakes in (
            token_mistakes(case),
            embedding_mistakes(case),
            function_mistakes(case),
            half_mistakes() if everywhere else (),
            linear_mistakes(layer),
            int8_mistakes() if everywhere else (),
            padding_mistakes(case),
        ):
            yield from (mistake for mistake in mistakes if self._may_begin(mistake.begins))

    def _may_begin(self, step: str) -> bool:
        """Whether what changes this step first may be the mistake."""
        return self.names.index(step) <= self.names.index(self.first.name)

    def _places_out(self) -> list[int]:
        """The texts that are out of tolerance at the first step that is."""
        case = self.case
        expected = own_form(case).apply(case, case.expected)
        return [
            place
            for place in range(len(expected))
            if (step := self._compared(case.only([place]), [expected[place]])) and step.problem
        ]

    def _sample(self, out: Sequence[int]) -> Case | None:
        """The shortest text that is out: a mistake that does not explain it is not tried on all."""
        if len(self.case.input_ids) == 1 or not out or self.first.name == "input_ids":
            return None
        return self.case.only([min(out, key=lambda place: len(self.case.input_ids[place]))])

    def _compared(self, case: Case, values: Sequence[Values]) -> Comparison | None:
        return compare_step(self.first.name, values, case.found, self.tolerance, case.pad_id)

    def _nearer(self, case: Case, planted: list[Values]) -> list[tuple[Form, Comparison]]:
        """The forms in which the planted values are the other's: nearer by far than the
        reference's, for two small errors must not pass for each other.
        """
        right = self._compared(case, own_form(case).apply(case, case.expected))
        assert right is not None
        compared = ((form, self._compared(case, form.apply(case, planted))) for form in self.forms)
        return [
            (form, step)
            for form, step in compared
            if step is not None and not step.problem and step.relative <= right.relative / 4
        ]

    def _explains_all(self, mistake: Mistake) -> bool:
        """Whether it leaves nothing out of tolerance. ``best`` is it where none explained more."""
        planted = mistake.plant(self.case)
        for form, step in self._nearer(self.case, planted):
            what = "; besides, ".join(filter(None, (mistake.what, form.what)))
            values = form.apply(self.case, planted)
            steps = compare(values, self.case.found, self.tolerance, self.case.pad_id)
            left = first_out(steps)
            found = Diagnosis(what, step.relative, left.name if left else None)
            if self._reach(found) > self._reach(self.best):
                self.best = found
            if left is None:
                return True
        return False

    def _reach(self, diagnosis: Diagnosis | None) -> int:
        """How far the model's steps are right with a mistake planted."""
        if diagnosis is None:
            return -1
        return self.names.index(diagnosis.next) if diagnosis.next else len(self.names)

    def _likeness(self) -> Diagnosis | None:
        """What values look like that no mistake yields."""
        name = self.first.name
        places = [place for place, values in enumerate(self.case.found) if name in values]
        places.sort(key=lambda place: len(self.case.input_ids[place]))
        case = self.case.only(places[:_ENOUGH_TEXTS])
        for form in self.forms:
            words = looks_like(case, lambda planted: form.apply(case, planted), name)  # noqa: B023
            what = "; besides, ".join(filter(None, (words, form.what)))
            if words:
                return Diagnosis(what, self.first.relative, name, certain=False)
        cosines = _cosines(self.case) if name == self.case.final else None
        if cosines and max(map(abs, cosines)) < 3 / self.case.found[0][name].size ** 0.5:
            what = (
                "another model, or other weights: the vectors' cosines with the reference's are "
                f"{min(cosines):.2f} to {max(cosines):.2f}, as those of vectors that have "
                "nothing to do with each other"
            )
            return Diagnosis(what, self.first.relative, name, certain=False)
        return None


def _cosines(case: Case) -> list[float] | None:
    """Each vector's with the reference's; None where they are not of one size."""
    cosines = []
    for values, found in zip(case.expected, case.found, strict=True):
        mine, theirs = values[case.final], found.get(case.final, np.empty(0)).reshape(-1)
        if theirs.size == 0 or theirs.size > mine.size or not np.isfinite(theirs).all():
            return None
        pair = normalize(np.stack([mine[: theirs.size], theirs.astype(np.float64)]))
        cosines.append(float(pair[0] @ pair[1]))
    return cosines


# ── What is given ────────────────────────────────────────────────────────────────────────────────


def _by_text(
    embedder: Embedder, values: Values, texts: Sequence[str] | None
) -> tuple[list[Values], tuple[str, ...]]:
    """Each text's values under gtenp's names, and the names that are none of them."""
    if texts is not None:
        count = len(texts)
    elif values.get("input_ids", np.empty(0)).ndim == 2:
        count = len(values["input_ids"])
    else:
        count = count_texts(values)
    if EMBEDDING in values:
        values = {**values, EMBEDDING: _a_row_each(values[EMBEDDING], count)}
    own_names = {
        EMBEDDING: ["pooled", *head_names(embedder.sentence_config)][-1],
        TOKEN_EMBEDDINGS: f"layer.{embedder.config.num_hidden_layers - 1}.output",
    }
    found: list[Values] = []
    ignored: dict[str, None] = {}
    for number, given in enumerate(split(values, count)):
        one = {own_names.get(name, name): array for name, array in given.items()}
        known = {name: array for name, array in one.items() if _is_known(embedder, name)}
        ignored |= dict.fromkeys(name for name in one if name not in known)
        if not known:
            raise InputError(
                f"text {number} has no value under a name of gtenp's; found "
                f"{', '.join(list(one)[:5]) or 'none'}, wanted any of "
                f"{', '.join(step.name for step in STEPS)}"
            )
        found.append(known)
    return found, tuple(ignored)


def _a_row_each(vectors: Array, count: int) -> Array:
    """The vectors of so many texts; InputError where they are more, fewer or in one row."""
    if count == 1 and vectors.ndim == 2:
        if len(vectors) != 1:
            raise InputError(f"{len(vectors)} vectors for one text; name all texts")
        row: Array = vectors[0]
        return row
    if count > 1 and vectors.ndim == 1:
        size, rest = divmod(len(vectors), count)
        found = f"{EMBEDDING}: one row of {len(vectors)} numbers for {count} texts"
        if rest:
            raise InputError(f"{found}; wanted a vector for each text")
        raise InputError(
            f"{found}; wanted a vector for each text. Where these are {count} vectors of {size} "
            f"one behind the other, reshape them to [{count}, {size}]"
        )
    return vectors


def _is_known(embedder: Embedder, name: str) -> bool:
    if step_of(name) is None:
        return False
    first, _, rest = name.partition(".")
    return first != "layer" or int(rest.split(".")[0]) < embedder.config.num_hidden_layers


def _without_pads(embedder: Embedder, ids: Array | None) -> Int | None:
    """The tokens that the other says it used, as one row without padding behind it."""
    if ids is None:
        return None
    row = ids.reshape(-1).astype(np.int64)
    tokens = np.flatnonzero(row != (embedder.tokenizer.pad_token_id or 0))
    return row[: tokens[-1] + 1] if len(tokens) else row[:0]


def _known(embedder: Embedder, given: Sequence[Int | None]) -> list[Int]:
    """The other's tokens as those to run; InputError where they are missing or can't be run."""
    most = embedder.config.max_tokens
    size = embedder.config.vocab_size
    known = []
    for number, ids in enumerate(given):
        if ids is None:
            raise InputError(
                f"text {number}: neither it nor its input_ids are known; name all texts"
            )
        if not 0 < len(ids) <= most or ids.min() < 0 or ids.max() >= size:
            raise InputError(
                f"text {number}: wanted 1 to {most} input_ids from 0 to {size - 1}; name the "
                "texts to have the tokens compared as well"
            )
        known.append(ids)
    return known
