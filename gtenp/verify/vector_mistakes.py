"""Mistakes that need no other pass through the model: from the layers' outputs to the vectors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gtenp import reference
from gtenp.engine.pooling import PRECISIONS, normalize, quantize_embeddings
from gtenp.model_files.checkpoint import Linear, read_safetensors, weight_files
from gtenp.model_files.sentence_config import POOLING_MODES, Pooling
from gtenp.verify.case import Case, Ends, Mistake
from gtenp.verify.trace import pooled_values, sentence_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.reference import Array
    from gtenp.verify.forms import Form
    from gtenp.verify.trace import Values


def pooling_mistakes(case: Case) -> Iterator[Mistake]:
    """What the text's vector is made of."""
    asked = case.model.sentence_config.pooling
    for mode in POOLING_MODES:
        if asked.modes != (mode,):
            yield Mistake(
                "pooled",
                f"pooling is {mode}; the model's files ask for {', '.join(asked.modes)}",
                _pooling(partial(by_mode, mode)),
            )
    for ends in case.ends:
        what = f"pooling leaves {ends.names} out"
        yield Mistake("pooled", what, _pooling(partial(_without, ends)))
    if asked.modes == ("mean",):
        what = "pooling adds the tokens up and doesn't divide by their number"
        yield Mistake("pooled", what, _pooling(partial(_divided_by, 1)))
        for length in sorted({len(ids) for ids in case.input_ids} | {128, 256, 512}):
            what = f"pooling divides by the padded length {length}, not by the text's"
            yield Mistake("pooled", what, _pooling(partial(_divided_by, length)))
    weights = pooler(case)
    if weights is not None:
        what = (
            "the vector is BERT's pooler_output, tanh(W h + b) of [CLS]; the model's files ask for "
            f"{', '.join(asked.modes)}"
        )
        yield Mistake("pooled", what, _pooling(partial(_pooler_output, weights)))
    layers = [f"layer.{n}.output" for n in range(case.model.config.num_hidden_layers - 1)]
    for name in reversed(["embeddings.output", *layers]):
        what = f"the vector is made of {name}, not of the last layer's, {case.last_layer}"
        yield Mistake("pooled", what, _pooling(partial(_of_layer, name)))


def _pooling(pool: Callable[[Case, Values], Values]) -> Callable[[Case], list[Values]]:
    return lambda case: case.run_pooling(pool)


def by_mode(mode: str, case: Case, values: Values) -> Values:
    """What another pooling makes of one text's last states."""
    model = case.model
    return sentence_values(values[case.last_layer], Pooling((mode,)), model.heads)


def _without(ends: Ends, case: Case, values: Values) -> Values:
    inner = ends.without(values[case.last_layer])
    return case.pooled(inner) if len(inner) else {}


def _divided_by(length: int, case: Case, values: Values) -> Values:
    count = len(values[case.last_layer])
    return pooled_values(values["pooled"] * count / length, case.model.heads)


def _of_layer(name: str, case: Case, values: Values) -> Values:
    return case.pooled(values[name])


def _pooler_output(weights: Linear, case: Case, values: Values) -> Values:
    first = values[case.last_layer][:1]
    return pooled_values(np.tanh(reference.linear(first, weights))[0], case.model.heads)


def pooler(case: Case) -> Linear | None:
    """The weights of BERT's own pooler, which no sentence vector depends on; None without them."""
    ends = ("pooler.dense.weight", "pooler.dense.bias")
    names = {end: name for name in case.model.weights.ignored for end in ends if name.endswith(end)}
    found: dict[str, Array] = {}
    if len(names) == len(ends):
        for path in weight_files(case.embedder.transformer_folder):
            found |= read_safetensors(path)
    weight, bias = (found.get(names.get(end, "")) for end in ends)
    if weight is None or bias is None or weight.shape != 2 * bias.shape:
        return None
    return Linear(weight.astype(np.float64), bias.astype(np.float64))


# ── What is done to the numbers ──────────────────────────────────────────────────────────────────


def scale_mistakes(case: Case) -> Iterator[Mistake]:
    """All vectors times one number. One text's pooling may do the same: ask for that first."""
    factor = _factor(case, [values.get(case.final, np.empty(0)) for values in case.found])
    if factor is not None:
        what = f"the vectors are {factor:.6g} times the model's"
        yield Mistake(case.final, what, partial(_scaled, factor))


def _factor(case: Case, found: Sequence[Array]) -> float | None:
    """How many times as large as the model's the vectors are, by least squares; their first
    dimensions' where they have fewer.
    """
    theirs = np.concatenate([row.reshape(-1) for row in found]).astype(np.float64)
    pairs = zip(case.expected, found, strict=True)
    mine = np.concatenate([values[case.final][: row.size] for values, row in pairs])
    factor = float(mine @ theirs / (mine @ mine)) if mine.shape == theirs.shape else 0.0
    return factor if np.isfinite(factor) and factor != 0 else None


def _scaled(factor: float, case: Case) -> list[Values]:
    return [{**values, case.final: factor * values[case.final]} for values in case.expected]


def quantized_vectors(case: Case, found: Array) -> Iterator[tuple[str, Array]]:
    """What whole numbers [n, H] may be: how the model's vectors became them, and these [n, H]."""
    vectors = np.stack([values[case.final] for values in case.expected]).astype(np.float32)
    ranges = np.stack((vectors.min(axis=0), vectors.max(axis=0)))
    for precision in PRECISIONS[1:]:  # float32 is none
        planted = quantize_embeddings(vectors, precision, ranges)
        if planted.shape == found.shape:
            by = "" if "binary" in precision else ", by these texts' own ranges"
            yield f"the vectors are quantised to {precision}{by}", planted.astype(np.float64)
    factor = _factor(case, list(found))
    if factor is not None:
        whole = np.rint(factor)
        what = f"the vectors are {whole:.6g} times the model's, rounded to whole numbers"
        yield what, np.rint(whole * vectors[:, : found.shape[1]])


# ── Which row is whose ───────────────────────────────────────────────────────────────────────────


def row_mistakes(case: Case, form: Form, first: str) -> Iterator[Mistake]:
    """Rows that hold other texts' vectors. ``first`` is the first step out of tolerance."""
    owners = owners_of(case, form)
    if owners is None or owners == list(range(len(owners))):
        return

    def plant(case: Case) -> list[Values]:
        planted = []
        for mine, other in zip(case.expected, (case.expected[i] for i in owners), strict=True):
            names = list(mine)
            later = names[names.index(first) :]
            planted.append({**mine, **{name: other[name] for name in later}})
        return planted

    yield Mistake(first, order_words(owners, [len(ids) for ids in case.input_ids]), plant)


def owners_of(case: Case, form: Form) -> list[int] | None:
    """The text whose vector each row is nearest to; its own where it is as near. None where there
    are no vectors to tell it from.
    """
    mine = [form.shape(values, case.model)[case.final] for values in case.expected]
    theirs = [found.get(case.final, np.empty(0)).reshape(-1) for found in case.found]
    if len(mine) < 2 or any(a.shape != b.shape for a, b in zip(mine, theirs, strict=True)):
        return None
    if case.model.scores and mine[0].size == 1:  # which the size alone tells apart
        apart = np.abs(np.concatenate(theirs)[:, None] - np.concatenate(mine))
        nearest: list[int] = (apart - 1e-9 * np.eye(len(mine))).argmin(axis=1).tolist()
        return nearest
    rows: Array = np.nan_to_num(np.stack(theirs).astype(np.float64))
    cosines = normalize(rows) @ normalize(np.stack(mine)).T
    owners: list[int] = (cosines + 1e-6 * np.eye(len(mine))).argmax(axis=1).tolist()
    return owners


def order_words(owners: Sequence[int], lengths: Sequence[int]) -> str:
    """What to say of rows that are these texts'; ``lengths`` has each text's tokens.

    >>> order_words([1, 0, 2], [5, 6, 7])
    "the rows are in another order: row 0 is text 1's, row 1 is text 0's"
    >>> order_words([2, 0, 1], [6, 7, 5])
    "the rows are in another order, sorted by length: row 0 is text 2's, row 1 is text 0's, row 2 \
is text 1's"
    >>> order_words([0, 0], [5, 6])
    "rows hold other texts' vectors: row 1 is text 0's"
    """
    moved = [(row, text) for row, text in enumerate(owners) if row != text]
    named = ", ".join(f"row {row} is text {text}'s" for row, text in moved[:8])
    more = f" and {len(moved) - 8} more" if len(moved) > 8 else ""
    if sorted(owners) != list(range(len(owners))):
        return f"rows hold other texts' vectors: {named}{more}"
    sizes = [lengths[text] for text in owners]
    by_length = len(set(sizes)) > 2 and sizes in (sorted(sizes), sorted(sizes, reverse=True))
    return f"the rows are in another order{', sorted by length' * by_length}: {named}{more}"
