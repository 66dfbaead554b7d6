"""Mistakes in reading two texts together, and in a cross-encoder's head."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gtenp.verify.case import Case, Mistake
from gtenp.verify.trace import HEAD_ACTIVATIONS, pairs_of, pooled_values
from gtenp.verify.vector_mistakes import by_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gtenp.engine.batch import Int
    from gtenp.verify.trace import Head, Values


def pair_mistakes(case: Case) -> Iterator[Mistake]:
    """Those that change a pair's tokens or their types; none of single texts."""
    if any(types.any() for types in case.types):
        what = "token types are all 0; those of a pair's second text are 1"
        yield Mistake("token_type_ids", what, partial(Case.run_inputs, types=0))
    if not case.model.scores:
        return
    if case.texts is not None:
        what = "tokens off: the texts of each pair stand in the other order"
        yield Mistake("input_ids", what, _run_swapped)
        for place, name in enumerate(("first", "second")):
            what = f"tokens off: the {name} text of each pair is read alone"
            yield Mistake("input_ids", what, partial(_run_alone, place))
    if any(len(ids) for ids in _doubled_separators(case)):
        what = "tokens off: one separator stands between the texts; this model's are two"
        yield Mistake("input_ids", what, _run_with_one_separator)


def _run_swapped(case: Case) -> list[Values]:
    return case.run_pairs([(second, first) for first, second in pairs_of(case.texts or ())])


def _run_alone(place: int, case: Case) -> list[Values]:
    texts = [pair[place] for pair in pairs_of(case.texts or ())]
    most = case.embedder.max_seq_length
    rows = case.embedder.tokenizer(texts, truncation=True, max_length=most)["input_ids"]
    ids = [np.array(row, np.int64) for row in rows]
    return case.run_tokens(ids, [np.zeros_like(row) for row in ids])


def _run_with_one_separator(case: Case) -> list[Values]:
    places = zip(case.input_ids, _doubled_separators(case), strict=True)
    return case.run_tokens([np.delete(ids, doubled[:1]) for ids, doubled in places])


def _doubled_separators(case: Case) -> list[Int]:
    """Of each pair, the places of separators that another one follows."""
    separator = case.embedder.tokenizer.sep_token_id
    return [
        np.flatnonzero((ids[:-1] == separator) & (ids[1:] == separator)) for ids in case.input_ids
    ]


# ── The head ─────────────────────────────────────────────────────────────────────────────────────

_SCORES = {"Identity": "the logits as they are", "Sigmoid": "the logits' sigmoid"}


def classifier_mistakes(case: Case) -> Iterator[Mistake]:
    """What a cross-encoder makes of the first token's state."""
    asked = dict(case.model.heads)["scores"]
    files = next((w for name, w in _SCORES.items() if HEAD_ACTIVATIONS[name] is asked), "another")
    same = HEAD_ACTIVATIONS["Identity"]
    for name, words in _SCORES.items():
        if HEAD_ACTIVATIONS[name] is not asked:
            what = f"the scores are {words}; the model's files ask for {files}"
            yield _with_heads("scores", what, {"scores": HEAD_ACTIVATIONS[name]})
    what = "the classifier's activation is missing between its two products"
    yield _with_heads("classifier.activation", what, {"classifier.activation": same})
    what = "the classifier's first product and its activation, BERT's pooler, are missing"
    without = {"classifier.dense": same, "classifier.activation": same}
    yield _with_heads("classifier.dense", what, without)
    if "classifier.norm" in dict(case.model.heads):
        what = "the classifier's norm is missing before its second product"
        yield _with_heads("classifier.norm", what, {"classifier.norm": same})
    of_mean, of_first = "the mean of all tokens", "the first token's state"
    given, wanted, mode = of_mean, of_first, "mean"
    if case.model.sentence_config.pooling.modes == ("mean",):
        given, wanted, mode = of_first, of_mean, "cls"
    what = f"the classifier is given {given}; it wants {wanted}"
    yield Mistake("pooled", what, lambda case: case.run_pooling(partial(by_mode, mode)))


def _with_heads(begins: str, what: str, changed: dict[str, Head]) -> Mistake:
    """A mistake in some of the steps behind the layers."""

    def pooled(case: Case, values: Values) -> Values:
        heads = tuple((name, changed.get(name, head)) for name, head in case.model.heads)
        return pooled_values(values["pooled"], heads)

    return Mistake(begins, what, lambda case: case.run_pooling(pooled))
