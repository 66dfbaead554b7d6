"""The form of another's vectors: cut to fewer dimensions, normalised or not, rounded.

What is done to a finished vector hides no other mistake, and shows in the vector itself: in its
size and in the numbers that it holds. So every mistake is looked for in that form.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gtenp.cross_encoder import CrossEncoder
from gtenp.engine.pooling import normalize
from gtenp.verify.case import vector_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gtenp.reference import Array
    from gtenp.verify.case import Case
    from gtenp.verify.trace import Model, Values


class Form(NamedTuple):
    """What the other did to the finished vectors."""

    what: str  # a sentence; "" for what the model does
    size: int | None  # how many dimensions are left; None for all
    normalized: bool | None  # True: at the end, False: not even by the model, None: as it does
    rounding: Rounding | None

    def shape(self, values: Values, model: Model) -> Values:
        """One text's values with its vector cut and normalised so."""
        names = vector_names(model)
        if names[-1] not in values:
            return values
        vector = values[names[-2] if self.normalized is False else names[-1]][: self.size]
        if self.normalized:
            vector = normalize(vector[None])[0]
        return {**values, names[-1]: vector}

    def apply(self, case: Case, planted: Sequence[Values]) -> list[Values]:
        """All texts' values in this form."""
        shaped = [self.shape(values, case.model) for values in planted]
        if self.rounding is None:
            return shaped
        pairs = zip(shaped, case.found, strict=True)
        return [self.rounding.nearest(values, found) for values, found in pairs]


class Rounding(NamedTuple):
    """Numbers written with fewer digits."""

    what: str
    half: Callable[[Array], Array]  # how far from a number what it was rounded from may lie
    holds: Callable[[Array], bool]  # whether all of the numbers may have come of it

    def nearest(self, values: Values, found: Values) -> Values:
        """The other's numbers where they may be these, rounded; else what comes next to them."""
        rounded = {
            name: np.clip(found[name], array - self.half(array), array + self.half(array))
            for name, array in values.items()
            if name in found
            and array.dtype.kind == "f"
            and found[name].shape == array.shape
            and self.holds(found[name])
        }
        return {**values, **rounded}


def to_bfloat16(x: Array) -> Array:
    """Each number's nearest bfloat16, in the array's own dtype; NumPy has none.

    >>> to_bfloat16(np.array([1.0, 1.003, 1.006])).tolist()
    [1.0, 1.0, 1.0078125]
    """
    bits = x.astype(np.float32).view(np.uint32)
    upper = (bits + 0x7FFF + (bits >> 16 & 1)) & np.uint32(0xFFFF0000)  # half to even
    rounded: Array = upper.view(np.float32).astype(x.dtype)
    return rounded


def cut_to_bfloat16(x: Array) -> Array:
    """The upper half of each number's bits, as if the lower half were not there.

    >>> cut_to_bfloat16(np.array([1.0, 1.003, 1.006])).tolist()
    [1.0, 1.0, 1.0]
    """
    upper = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    cut: Array = upper.view(np.float32).astype(x.dtype)
    return cut


def to_float16(x: Array) -> Array:
    """Each number's nearest float16, in the array's own dtype.

    >>> to_float16(np.array([1.0, 1.0004, 1.0006])).tolist()
    [1.0, 1.0, 1.0009765625]
    """
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(x.dtype)


def _has_decimals(count: int, x: Array) -> bool:
    """Whether all numbers have no more, but for what float32 adds to each."""
    scaled = x.astype(np.float64) * 10**count
    added = 1e-7 * np.abs(scaled)
    # Of large numbers float32 has no such decimal: then any number would seem to.
    return bool((np.abs(scaled - np.rint(scaled)) <= added).all() and added.mean() < 0.2)


def _is_bfloat16(x: Array) -> bool:
    return bool((cut_to_bfloat16(x) == x).all())


ROUNDINGS = (
    *(
        Rounding(
            f"are rounded to {count} decimals",
            lambda x, count=count: np.full_like(x, 0.5 * 10.0**-count),  # type: ignore[misc]
            lambda x, count=count: _has_decimals(count, x),  # type: ignore[misc]
        )
        for count in range(1, 7)
    ),
    # Before float16, which holds all but the smallest and largest of these.
    Rounding("are rounded to bfloat16", lambda x: np.abs(x) * 2.0**-8, _is_bfloat16),
    Rounding("are cut off at bfloat16's digits", lambda x: np.abs(x) * 2.0**-7, _is_bfloat16),
    Rounding(
        "are rounded to float16",
        lambda x: np.abs(x) * 2.0**-11 + 2.0**-25,
        lambda x: bool((to_float16(x) == x).all()),
    ),
)


def own_form(case: Case) -> Form:
    """What the model does; the truncate_dim of its files may be kept or not."""
    own = None if isinstance(case.embedder, CrossEncoder) else case.embedder.truncate_dim
    return Form("", own if _sizes(case) == {own} else None, None, None)


def forms(case: Case, first: str) -> list[Form]:
    """The forms that the other's vectors may have; ``first`` is the first step out of tolerance."""
    roundings = _roundings([values[first] for values in case.found if first in values])
    found = []
    for form, rounding in itertools.product(_shapes(case), roundings):
        words = f"the numbers {rounding.what}" if rounding else ""
        what = "; besides, ".join(filter(None, (form.what, words)))
        found.append(form._replace(what=what, rounding=rounding))
    return found


def _shapes(case: Case) -> list[Form]:
    """Those of them that fit the vectors' size."""
    own, sizes = own_form(case), _sizes(case)
    full = case.expected[0][case.final].size
    if case.model.scores or len(sizes) != 1 or not 0 < min(sizes) <= full:
        return [own]
    cut = min(sizes) if min(sizes) < full else None
    kept = "" if cut == own.size else f"the vectors are cut to the first {cut} of {full} dimensions"
    normalizes = case.model.sentence_config.normalizes
    shapes = [Form(kept, cut, None, None)]
    if cut or not normalizes:
        again = "normalised again" if normalizes else "normalised"
        alone = "the vectors are normalised already; the model's files don't ask for it"
        shapes.append(Form(f"{kept} and {again}" if kept else alone, cut, True, None))
    if normalizes:
        alone = "the vectors are not normalised; the model's files ask for it"
        shapes.append(Form(f"{kept}, and not normalised" if kept else alone, cut, False, None))
    return shapes


def _roundings(arrays: Sequence[Array]) -> Sequence[Rounding | None]:
    """The coarsest that all numbers may have come of, likelier first; [None] where there is none,
    and for whole numbers.
    """
    if all((array == np.rint(array)).all() for array in arrays):
        return [None]
    coarsest = next((r for r in ROUNDINGS if all(r.holds(array) for array in arrays)), None)
    return [r for r in ROUNDINGS if coarsest and r.holds is coarsest.holds] or [None]


def _sizes(case: Case) -> set[int]:
    return {found[case.final].size if case.final in found else 0 for found in case.found}
