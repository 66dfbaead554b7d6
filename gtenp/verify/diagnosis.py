"""The likely mistake behind the first value at which another implementation leaves the model.

Each known mistake is made on purpose in a copy of the reference, from the start: the one that
yields the other's value is named. Nothing is guessed from the size of a difference, but for what
no mistake yields: that is worded "looks like".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp.engine.parallel import blas_threads
from gtenp.engine.pooling import normalize
from gtenp.verify.case import Case, Mistake
from gtenp.verify.compare import Comparison, compare, compare_step, first_out
from gtenp.verify.forms import Form, forms, own_form
from gtenp.verify.model_mistakes import (
    embedding_mistakes,
    function_mistakes,
    linear_mistakes,
    local_mistakes,
    padding_mistakes,
    score_mistakes,
)
from gtenp.verify.pair_mistakes import classifier_mistakes, pair_mistakes
from gtenp.verify.precision import half_mistakes, int8_mistakes, looks_like
from gtenp.verify.token_mistakes import token_mistakes
from gtenp.verify.vector_mistakes import (
    pooling_mistakes,
    quantized_vectors,
    row_mistakes,
    scale_mistakes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gtenp.verify.trace import Values

# How many texts are enough to judge an arithmetic by.
_ENOUGH_TEXTS = 4


@dataclass(frozen=True)
class Diagnosis:
    """The mistake that yields the other's values, or what they look like."""

    what: str
    left: float  # what remains of the relative error with the mistake planted
    next: str | None  # the first step that is out of tolerance even so
    certain: bool = True  # whether the mistake, planted, yields the values


def diagnose(case: Case, first: Comparison, tolerance: float) -> Diagnosis | None:
    """The mistake that explains the first step out of tolerance; None where none is known."""
    simple = _without_numbers(case, first) or _in_whole_numbers(case, first)
    if simple:
        return simple
    # Of a few tokens, BLAS's threads would wait for each other longer than they work.
    few = max(map(len, case.input_ids)) < 64
    with blas_threads(1 if few else case.embedder.threads), np.errstate(all="ignore"):
        return _Search(case, first, tolerance).run()  # a mistake may well overflow


# ── Seen at once ─────────────────────────────────────────────────────────────────────────────────


def _without_numbers(case: Case, first: Comparison) -> Diagnosis | None:
    """A text's values that hold NaN, or nothing but zeros where the reference has others."""
    for text, (mine, theirs) in enumerate(zip(case.expected, case.found, strict=True)):
        found = theirs.get(first.name, np.ones(1))
        broken = found.size - int(np.isfinite(found).sum())
        if broken:
            what = (
                f"an overflow or a division by 0: of text {text}'s {found.size} numbers {broken} "
                "are NaN or infinite"
            )
        elif not found.any() and mine[first.name].any():
            what = f"values that were never computed: all of text {text}'s numbers are 0"
        else:
            continue
        return Diagnosis(what, first.relative, first.name, certain=False)
    return None


def _in_whole_numbers(case: Case, first: Comparison) -> Diagnosis | None:
    """Vectors that were quantised: to the steps of int8 or to bits, or times 127 and rounded."""
    found = [values.get(case.final, np.empty(0)).reshape(-1) for values in case.found]
    if first.name != case.final or len({row.size for row in found}) > 1:
        return None
    theirs = np.stack(found).astype(np.float64)
    if not theirs.size or (theirs != np.rint(theirs)).any():
        return None
    for what, planted in quantized_vectors(case, theirs):
        error = np.abs(theirs - planted)
        largest = np.abs(planted).max()
        # What lies between two steps may fall to either. Few steps would fit anything.
        if largest >= 10 and error.max() <= 1 and error.mean() < 0.05:
            return Diagnosis(what, float(error.max() / largest), None)
    return None


# ── The search ───────────────────────────────────────────────────────────────────────────────────


class _Search:
    """For the mistake that yields the other's values at the first step that is out."""

    def __init__(self, case: Case, first: Comparison, tolerance: float) -> None:
        self.case, self.first, self.tolerance = case, first, tolerance
        self.names = list(case.expected[0])  # every step, in the model's order
        self.forms = forms(case, first.name)
        self.best: Diagnosis | None = None

    def run(self) -> Diagnosis | None:
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
            scores = self.case.model.scores
            yield from (classifier_mistakes if scores else pooling_mistakes)(self.case)
        if self.first.name == self.case.final and not self.case.model.scores:
            yield from scale_mistakes(self.case)

    def _with_a_pass(self, everywhere: bool) -> Iterator[Mistake]:
        """A pass each, the longest last. Weights are rounded for every text, or for none."""
        case, name = self.case, self.first.name
        layer = int(name.split(".")[1]) if name.startswith("layer.") else None
        for mistakes in (
            pair_mistakes(case),
            token_mistakes(case),
            embedding_mistakes(case),
            function_mistakes(case),
            score_mistakes(case),
            local_mistakes(case),
            half_mistakes() if everywhere else (),
            linear_mistakes(case, layer),
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
    """Each vector's with the reference's; None where they are not of one size, or scores."""
    if case.model.scores:
        return None
    cosines = []
    for values, found in zip(case.expected, case.found, strict=True):
        mine, theirs = values[case.final], found.get(case.final, np.empty(0)).reshape(-1)
        if theirs.size == 0 or theirs.size > mine.size or not np.isfinite(theirs).all():
            return None
        pair = normalize(np.stack([mine[: theirs.size], theirs.astype(np.float64)]))
        cosines.append(float(pair[0] @ pair[1]))
    return cosines
