"""Find the first value at which another implementation leaves the model, and the likely mistake.

The other's values are compared with the float64 reference in the model's order; diagnosis.py looks
for what makes the first one that is out of tolerance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp.cross_encoder import CrossEncoder
from gtenp.errors import InputError
from gtenp.verify.answers import EMBEDDING, TOKEN_EMBEDDINGS
from gtenp.verify.case import Case
from gtenp.verify.compare import TOLERANCE, Comparison, compare, first_out
from gtenp.verify.diagnosis import Diagnosis, diagnose
from gtenp.verify.forms import own_form
from gtenp.verify.trace import (
    CLASSIFIER_STEPS,
    STEPS,
    Values,
    count_texts,
    final_name,
    last_states,
    model_of,
    pairs_of,
    split,
    step_of,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.reference import Array
    from gtenp.verify.trace import Texts


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
    embedder: Embedder | CrossEncoder,
    values: Values,
    texts: Texts | None = None,
    tolerance: float = TOLERANCE,
) -> Verdict:
    """Compare values, named as in a file (see trace.py), with the reference's for these texts.

    A cross-encoder's texts are pairs, or a query and the documents that it was read with. Without
    texts the values' own ``input_ids`` are run, with their ``token_type_ids``. InputError where
    neither is there, where no name is known, or where a text has no value.
    """
    if texts is not None and isinstance(embedder, CrossEncoder):
        texts = pairs_of(texts)
    found, ignored = _by_text(embedder, values, texts)
    given = [_without_pads(embedder, one.get("input_ids")) for one in found]
    if texts is None:
        ids = _known(embedder, given)
        types = _given_types(embedder, ids, found)
    else:
        ids, types = tokens(embedder, texts)
    case = Case(embedder, model_of(embedder), texts, ids, given, found, types)
    steps = compare(own_form(case).apply(case, case.expected), found, tolerance, case.pad_id)
    first = first_out(steps)
    diagnosis = diagnose(case, first, tolerance) if first else None
    return Verdict(tuple(steps), ignored, diagnosis)


# ── What is given ────────────────────────────────────────────────────────────────────────────────


def _by_text(
    embedder: Embedder | CrossEncoder, values: Values, texts: Texts | None
) -> tuple[list[Values], tuple[str, ...]]:
    """Each text's values under gtenp's names, and the names that are none of them."""
    if texts is not None:
        count = len(texts)
    elif values.get("input_ids", np.empty(0)).ndim == 2:
        count = len(values["input_ids"])
    else:
        count = count_texts(values)
    if EMBEDDING in values and isinstance(embedder, CrossEncoder) and embedder.num_labels == 1:
        values = {**values, EMBEDDING: values[EMBEDDING].reshape(-1, 1)}  # a score for each pair
    if EMBEDDING in values:
        values = {**values, EMBEDDING: _a_row_each(values[EMBEDDING], count)}
    own_names = {
        EMBEDDING: final_name(embedder),
        TOKEN_EMBEDDINGS: last_states(embedder.config),
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
            raise InputError(
                f"{len(vectors)} vectors for one text; name all texts, in the vectors' order: "
                "--texts FILE, or --text for each"
            )
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


def _is_known(embedder: Embedder | CrossEncoder, name: str) -> bool:
    step = step_of(name)
    if step is None or (step in CLASSIFIER_STEPS and not isinstance(embedder, CrossEncoder)):
        return False
    first, _, rest = name.partition(".")
    return first != "layer" or int(rest.split(".")[0]) < embedder.config.num_hidden_layers


def _without_pads(embedder: Embedder | CrossEncoder, ids: Array | None) -> Int | None:
    """The tokens that the other says it used, as one row without padding behind it."""
    if ids is None:
        return None
    row = ids.reshape(-1).astype(np.int64)
    tokens = np.flatnonzero(row != (embedder.tokenizer.pad_token_id or 0))
    return row[: tokens[-1] + 1] if len(tokens) else row[:0]


def _given_types(
    embedder: Embedder | CrossEncoder, ids: Sequence[Int], found: Sequence[Values]
) -> list[Int]:
    """The other's token types, where it says them and the model has them; else all 0."""
    types = []
    for row, values in zip(ids, found, strict=True):
        given = values.get("token_type_ids", row * 0).reshape(-1).astype(np.int64)[: len(row)]
        known = len(given) == len(row) and given.min() >= 0
        fits = known and given.max() < embedder.config.type_vocab_size
        types.append(given if fits else row * 0)
    return types


def _known(embedder: Embedder | CrossEncoder, given: Sequence[Int | None]) -> list[Int]:
    """The other's tokens as those to run; InputError where they are missing or can't be run."""
    most = embedder.config.max_tokens
    size = embedder.config.vocab_size
    known = []
    for number, ids in enumerate(given):
        if ids is None:
            raise InputError(
                f"text {number}: neither it nor its input_ids are known; name all texts, in the "
                "values' order: --texts FILE, or --text for each"
            )
        if not 0 < len(ids) <= most or ids.min() < 0 or ids.max() >= size:
            raise InputError(
                f"text {number}: wanted 1 to {most} input_ids from 0 to {size - 1}; name the "
                "texts to have the tokens compared as well"
            )
        known.append(ids)
    return known
