"""How far another implementation's values are from the reference's, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp.verify.trace import Values, step_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.reference import Array

# How large a step's relative error may be: of a text's mean error over its mean value and half its
# largest error over its largest value, the greater. float32 rounds to 6e-8, and thousands of
# roundings add up: over all steps of all-MiniLM-L6-v2, torch's came to 1.2e-6 at worst and NumPy's
# to 1.6e-6. Three times that leaves room for another order of summation. The mean sees a small
# mistake made everywhere (the tanh GELU: 2e-3 in that model's vectors), the largest a single one.
TOLERANCE = 5e-6

_IDS = ("input_ids", "token_type_ids", "position_ids")


@dataclass(frozen=True)
class Comparison:
    """How far a step's values are from the reference's, over all texts."""

    name: str
    max_abs: float
    mean_abs: float
    relative: float  # as TOLERANCE says
    problem: str | None  # what is wrong at the worst place; None within tolerance


def aligned(name: str, found: Array, expected: Array, pad_id: int = 0) -> Array | None:
    """The other's array in the reference's shape; None where it can't be brought there.

    Taken away are a batch axis of one text, and padding behind the text. Queries, keys and values
    may also be [S, H] or [S, A, D].

    >>> aligned("layer.0.query", np.arange(12).reshape(1, 3, 4), np.ones((2, 3, 2))).tolist()
    [[[0, 1], [4, 5], [8, 9]], [[2, 3], [6, 7], [10, 11]]]
    """
    step = step_of(name)
    assert step is not None
    while found.ndim > 1 and len(found) == 1 and found.shape != expected.shape:
        found = found[0]
    if step.axes == "ASD" and found.shape[1:] != expected.shape[1:]:
        heads, _, size = expected.shape
        if found.ndim == 2 and found.shape[1] == heads * size:
            found = found.reshape(-1, heads, size)
        if found.shape[1:] == (heads, size):
            found = found.transpose(1, 0, 2)
    if found.ndim != expected.ndim:
        return None
    inside = tuple(
        slice(size if axis == "S" else None)
        for axis, size in zip(step.axes, expected.shape, strict=True)
    )
    if name == "input_ids" and (found[inside[0].stop :] != pad_id).any():
        return None  # more tokens, not padding
    found = found[inside]
    return found if found.shape == expected.shape else None


def compare_step(
    name: str,
    expected: Sequence[Values],
    found: Sequence[Values],
    tolerance: float = TOLERANCE,
    pad_id: int = 0,
) -> Comparison | None:
    """One step over all texts that have it on both sides; None where there is none."""
    pairs = [
        (text, mine[name], aligned(name, theirs[name], mine[name], pad_id), theirs[name])
        for text, (mine, theirs) in enumerate(zip(expected, found, strict=True))
        if name in mine and name in theirs
    ]
    if not pairs:
        return None
    max_abs, total, count, relative, problem = 0.0, 0.0, 0, 0.0, ""
    for text, mine, theirs, raw in pairs:
        if theirs is None:
            step = step_of(name)
            assert step is not None
            wanted = f"[{', '.join(step.axes)}] = {mine.shape}"
            problem = f"text {text}: shape {raw.shape}, wanted {wanted}"
            return Comparison(name, np.inf, np.inf, np.inf, problem)
        error = np.abs(theirs.astype(np.float64) - mine)
        error[np.isnan(error)] = np.inf
        largest = float(error.max())
        size = np.abs(mine) + np.finfo(np.float64).tiny  # token types may all be 0
        share = float(max(error.mean() / size.mean(), largest / size.max() / 2))
        max_abs, total, count = (
            max(max_abs, largest),
            total + float(error.sum()),
            count + error.size,
        )
        if share > relative:
            place = np.unravel_index(error.argmax(), error.shape)
            where = f"text {text}, [{', '.join(map(str, place))}]"
            problem = f"{where}: {theirs[place]:.9g}, the reference has {mine[place]:.9g}"
            relative = share
    within = max_abs == 0 if name in _IDS else relative <= tolerance
    return Comparison(name, max_abs, total / count, relative, None if within else problem)


def compare(
    expected: Sequence[Values],
    found: Sequence[Values],
    tolerance: float = TOLERANCE,
    pad_id: int = 0,
) -> list[Comparison]:
    """Every step that both sides have, in the model's order."""
    names = dict.fromkeys(name for values in expected for name in values)
    steps = (compare_step(name, expected, found, tolerance, pad_id) for name in names)
    return [step for step in steps if step is not None]


def first_out(steps: Sequence[Comparison]) -> Comparison | None:
    """The first step that is out of tolerance."""
    return next((step for step in steps if step.problem), None)
