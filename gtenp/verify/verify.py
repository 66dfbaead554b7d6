"""Find the first value at which another implementation leaves the model, and the likely mistake.

The other's values are compared with the float64 reference in the model's order. Where the first one
is out of tolerance, each mistake of ``bugs`` is made on purpose in a copy of the reference, from
the start: the one that yields the other's value is named. Nothing is guessed from the size of a
difference.
"""

from __future__ import annotations

import importlib.util
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp import reference
from gtenp.engine.pooling import normalize
from gtenp.errors import InputError
from gtenp.model_files.checkpoint import Linear
from gtenp.model_files.sentence_config import Pooling
from gtenp.reference import Array, attention_scores
from gtenp.tokenizer import Tokenizer
from gtenp.verify.trace import (
    EMBEDDING,
    STEPS,
    Model,
    Values,
    count_texts,
    head_names,
    model_of,
    named,
    pooled_values,
    sentence_values,
    split,
    step_of,
    token_ids,
    trace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights, Layer, LayerNorm

# How large a step's relative error may be: of a text's mean error over its mean value and half its
# largest error over its largest value, the greater. float32 rounds to 6e-8, and thousands of
# roundings add up: over all steps of all-MiniLM-L6-v2, torch's came to 1.2e-6 at worst and NumPy's
# to 1.6e-6. Three times that leaves room for another order of summation. The mean sees a small
# mistake made everywhere (the tanh GELU: 2e-3 in that model's vectors), the largest a single one.
TOLERANCE = 5e-6

_IDS = ("input_ids", "token_type_ids", "position_ids")


# ── Comparing ────────────────────────────────────────────────────────────────────────────────────


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


# ── The known mistakes ───────────────────────────────────────────────────────────────────────────


class Bug(NamedTuple):
    """A mistake that ports make."""

    begins: str  # the first step that it changes
    what: str  # a sentence
    plant: Callable[[], list[Values]]  # the reference's values with the mistake made


def sigmoid_gelu(x: Array) -> Array:
    """The coarser approximation of Hendrycks 2016, section 2: [S, F] -> [S, F]."""
    y: Array = x / (1.0 + np.exp(-1.702 * x))
    return y


def bessel_layer_norm(x: Array, weights: LayerNorm, eps: float) -> Array:
    """With the variance of a sample, divided by H - 1: [S, H] -> [S, H]."""
    variance = x.var(axis=-1, keepdims=True, ddof=1)
    normed: Array = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + eps)
    return normed * weights.weight + weights.bias


def unscaled_scores(query: Array, key: Array) -> Array:
    """q kᵀ: 2 × [A, S, D] -> [A, S, S]."""
    scores: Array = query @ key.transpose(0, 2, 1)
    return scores


def masked_scores(length: int, query: Array, key: Array) -> Array:
    """q kᵀ / √D where no token looks at padding: 2 × [A, S, D] -> [A, S, S]."""
    scores = attention_scores(query, key)
    scores[:, :, length:] = -np.inf
    return scores


def transposed(linear: Linear) -> Linear:
    """The weight's bytes, stored [out, in], read as [in, out]."""
    return Linear(linear.weight.reshape(linear.weight.shape[::-1]).T, linear.bias)


def without_bias(linear: Linear) -> Linear:
    """The weight alone."""
    return Linear(linear.weight, np.zeros_like(linear.bias))


# Each product of a layer: its field in checkpoint.Layer and the step that it makes.
_LINEARS = {
    "query": "query",
    "key": "key",
    "value": "value",
    "attention_output": "attention_dense",
    "intermediate": "intermediate",
    "output": "output_dense",
}


def with_linears(
    weights: BertWeights,
    fields: Sequence[str],
    change: Callable[[Linear], Linear],
    only: int | None = None,
) -> BertWeights:
    """The weights with some products changed, in all layers or in one."""

    def changed(layer: Layer) -> Layer:
        linears: dict[str, Any] = {field: change(getattr(layer, field)) for field in fields}
        return replace(layer, **linears)

    layers = tuple(
        changed(layer) if only in (None, number) else layer
        for number, layer in enumerate(weights.layers)
    )
    return replace(weights, layers=layers)


def reference_with(**functions: Any) -> Any:
    """A copy of reference/bert.py with some of its functions, or its table of them, replaced.

    A mistake planted there stands in the very code that is right in all else.
    """
    spec = importlib.util.find_spec("gtenp.reference.bert")
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    vars(copy).update(functions)
    return copy


@dataclass(frozen=True)
class Case:
    """What the reference is given, and so what a mistake can be made in."""

    embedder: Embedder
    model: Model  # in float64
    texts: Sequence[str] | None  # None where only the tokens are known
    input_ids: Sequence[Int]  # a text each, [S]
    others_ids: Sequence[Int | None]  # what the other made of them, where it says so

    @property
    def pad_id(self) -> int:
        return self.embedder.tokenizer.pad_token_id or 0

    def run(self, source: Any = reference, **changed: object) -> list[Values]:
        """The values with another source, config or weights."""
        model = replace(self.model, **changed)  # type: ignore[arg-type]
        return [
            named(source.forward(model.weights, model.config, ids), model) for ids in self.input_ids
        ]

    def run_tokens(self, texts: Sequence[Int]) -> list[Values]:
        """With other tokens. A text without any, or with unknown ones, has no values."""
        size = self.model.config.vocab_size
        return [
            trace(self.model, ids) if len(ids) and ids.min() >= 0 and ids.max() < size else {}
            for ids in texts
        ]

    def run_inputs(self, types: int = 0, first_position: int = 0) -> list[Values]:
        """With another segment, or positions that begin elsewhere."""
        config, values = self.model.config, []
        for ids in self.input_ids:
            positions = np.arange(first_position, first_position + len(ids))
            fits = positions[-1] < config.max_position_embeddings and types < config.type_vocab_size
            segments = np.full(len(ids), types)
            steps = fits and reference.forward(self.model.weights, config, ids, segments, positions)
            values.append(named(steps, self.model) if steps else {})
        return values

    def run_tokenizer(self, **changed: object) -> list[Values]:
        """With other settings of the tokenizer."""
        other = copy(self.embedder)
        other.tokenizer = Tokenizer(replace(other.tokenizer.spec, **changed))  # type: ignore[arg-type]
        return [trace(self.model, ids) for ids in token_ids(other, self.texts or ())]

    def run_padded(self, length: int, *, mask: bool, pool_padding: bool) -> list[Values]:
        """With every text padded to one length, and the padding let in here or there."""
        values = []
        for ids in self.input_ids:
            size = len(ids)
            padded = np.pad(ids, (0, max(0, length - size)), constant_values=self.pad_id)
            source = reference
            if mask:
                source = reference_with(attention_scores=partial(masked_scores, size))
            steps = named(source.forward(self.model.weights, self.model.config, padded), self.model)
            hidden = steps[f"layer.{self.model.config.num_hidden_layers - 1}.output"]
            if not pool_padding:
                steps |= self.pooled(hidden[:size])
            values.append({name: without_padding(name, a, size) for name, a in steps.items()})
        return values

    def pooled(self, hidden_states: Array) -> Values:
        """The steps from the last layer on: [S, H] -> the vectors."""
        return sentence_values(hidden_states, self.model.sentence_config.pooling, self.model.heads)

    def run_pooling(self, pool: Callable[[Case, Values, Array], Values]) -> list[Values]:
        """With something else made of the last layer's output."""
        last = f"layer.{self.model.config.num_hidden_layers - 1}.output"
        return [values | pool(self, values, values[last]) for values in self.run()]


def without_padding(name: str, array: Array, length: int) -> Array:
    """The part of a step's array that belongs to the text. A copy: the rest can then go."""
    step = step_of(name)
    assert step is not None
    return array[tuple(slice(length if axis == "S" else None) for axis in step.axes)].copy()


def bugs(case: Case, layer: int | None = None) -> Iterator[Bug]:
    """Every known mistake, in the model's order; those of a single layer for ``layer`` alone."""
    yield from token_bugs(case)
    yield from embedding_bugs(case)
    yield from layer_norm_bugs(case)
    yield from attention_bugs(case)
    yield from linear_bugs(case, layer)
    if case.model.config.hidden_act == "gelu":
        for function, form in ((reference.gelu_tanh, "tanh"), (sigmoid_gelu, "sigmoid")):
            yield Bug(
                "layer.0.gelu",
                f"the GELU is the {form} approximation; BERT's is x/2 · (1 + erf(x/√2))",
                partial(case.run, reference_with(ACTIVATIONS={"gelu": function})),
            )
    yield from pooling_bugs(case)


def token_bugs(case: Case) -> Iterator[Bug]:
    """Tokens off."""
    changed = {
        "[CLS] and [SEP] are missing": [ids[1:-1] for ids in case.input_ids],
        "[CLS] is missing": [ids[1:] for ids in case.input_ids],
        "[SEP] is missing": [ids[:-1] for ids in case.input_ids],
        "ids are 1 too high; the vocabulary's first line is 0": [i + 1 for i in case.input_ids],
        "ids are 1 too low; the vocabulary's first line is 0": [i - 1 for i in case.input_ids],
    }
    for what, texts in changed.items():
        yield Bug("input_ids", f"tokens off: {what}", partial(case.run_tokens, texts))
    if case.texts is not None:
        spec = case.embedder.tokenizer.spec
        for setting, value, what in (
            ("lowercase", spec.lowercase, "upper case is {}kept"),
            ("strip_accents", spec.strips_accents, "accents are {}kept"),
        ):
            yield Bug(
                "input_ids",
                f"tokens off: {what.format('' if value else 'not ')}",
                partial(case.run_tokenizer, **{setting: not value}),
            )
    given = [ids for ids in case.others_ids if ids is not None]
    if len(given) == len(case.input_ids):
        what = "tokens off, in no known way: look at the tokenizer"
        yield Bug("input_ids", what, partial(case.run_tokens, given))


def embedding_bugs(case: Case) -> Iterator[Bug]:
    """What is added to the word's embedding."""
    weights = case.model.weights
    for what, without in (
        (
            "token type embedding is missing; a single text's tokens are of type 0, which has one",
            replace(weights, token_type_embeddings=np.zeros_like(weights.token_type_embeddings)),
        ),
        (
            "position embedding is missing",
            replace(weights, position_embeddings=np.zeros_like(weights.position_embeddings)),
        ),
    ):
        yield Bug("embeddings.sum", f"the {what}", partial(case.run, weights=without))
    what = "token types are 1; a single text's are 0"
    yield Bug("token_type_ids", what, partial(case.run_inputs, types=1))
    for first in (1, 2):
        what = f"positions begin at {first}; BERT's begin at 0"
        yield Bug("position_ids", what, partial(case.run_inputs, first_position=first))


def layer_norm_bugs(case: Case) -> Iterator[Bug]:
    """The layer norm's eps and its variance."""
    config = case.model.config
    for eps in (1e-12, 1e-7, 1e-6, 1e-5, 1e-3):
        if eps != config.layer_norm_eps:
            yield Bug(
                "embeddings.output",
                f"LayerNorm's eps is {eps:g}; config.json has {config.layer_norm_eps:g}",
                partial(case.run, config=replace(config, layer_norm_eps=eps)),
            )
    yield Bug(
        "embeddings.output",
        "LayerNorm's variance is divided by H - 1 (Bessel's correction); BERT's by H",
        partial(case.run, reference_with(layer_norm=bessel_layer_norm)),
    )


def attention_bugs(case: Case) -> Iterator[Bug]:
    """The scores' scale, and padding that is looked at."""
    yield Bug(
        "layer.0.scores",
        f"the scale is missing: scores are divided by √D = √{case.model.config.head_size}",
        partial(case.run, reference_with(attention_scores=unscaled_scores)),
    )
    for length in _padded_lengths(case):
        yield Bug(
            "layer.0.attention",
            f"attention looks at padding (texts padded to {length} tokens); padded columns get "
            "-∞ before the softmax",
            partial(case.run_padded, length, mask=False, pool_padding=False),
        )


def linear_bugs(case: Case, layer: int | None) -> Iterator[Bug]:
    """A weight read the wrong way round, a bias left out: of all products, of one, in one layer."""
    for change, what in (
        (transposed, "weight is transposed; it is stored [out, in], as in PyTorch: y = x Wᵀ + b"),
        (without_bias, "bias is left out"),
    ):
        places: list[tuple[str, list[str], int | None]] = [("every product", list(_LINEARS), None)]
        for field in _LINEARS:
            places.append((f"every layer's {field}", [field], None))
            if layer is not None:
                places.append((f"layer {layer}'s {field}", [field], layer))
        for place, fields, only in places:
            yield Bug(
                f"layer.{only or 0}.{_LINEARS[fields[0]]}",
                f"{place} {what}",
                partial(case.run, weights=with_linears(case.model.weights, fields, change, only)),
            )


def pooling_bugs(case: Case) -> Iterator[Bug]:
    """From the tokens' vectors to the text's."""
    asked = case.model.sentence_config
    for mode in ("mean", "cls"):
        if asked.pooling.modes != (mode,):
            yield Bug(
                "pooled",
                f"pooling is {mode}; the model's files ask for {', '.join(asked.pooling.modes)}",
                partial(case.run, sentence_config=replace(asked, pooling=Pooling((mode,)))),
            )
    for length in _padded_lengths(case):
        padded = f"(texts padded to {length} tokens)"
        yield Bug(
            "pooled",
            f"pooling goes over padding {padded}",
            partial(case.run_padded, length, mask=True, pool_padding=True),
        )
        yield Bug(
            "layer.0.attention",
            f"attention and pooling go over padding {padded}",
            partial(case.run_padded, length, mask=False, pool_padding=True),
        )
        yield Bug(
            "pooled",
            f"pooling divides by the padded length {length}, not by the text's",
            partial(case.run_pooling, partial(_divided_by, length)),
        )
    for begins, what, pool in (
        ("pooled", "pooling leaves [CLS] and [SEP] out", _without_specials),
        ("normalized", "the vectors are not normalised", _not_normalized),
        ("pooled", "the vectors are normalised already", _normalized_early),
    ):
        yield Bug(begins, what, partial(case.run_pooling, pool))


def _divided_by(length: int, case: Case, values: Values, hidden_states: Array) -> Values:
    return pooled_values(values["pooled"] * len(hidden_states) / length, case.model.heads)


def _without_specials(case: Case, _: Values, hidden_states: Array) -> Values:
    inner = hidden_states[1:-1]
    return case.pooled(inner) if len(inner) else {}


def _not_normalized(case: Case, values: Values, _: Array) -> Values:
    names = ["pooled", *head_names(case.model.sentence_config), "normalized"]
    return {"normalized": values[names[names.index("normalized") - 1]]}


def _normalized_early(case: Case, values: Values, _: Array) -> Values:
    return pooled_values(normalize(values["pooled"][None])[0], case.model.heads)


def _padded_lengths(case: Case) -> list[int]:
    """To how many tokens a port may have padded: the longest text's, and two usual ones."""
    lengths = {len(ids) for ids in case.input_ids}
    usual = {min(128, case.embedder.max_seq_length), min(256, case.embedder.max_seq_length)}
    return sorted({max(lengths), *usual} - ({max(lengths)} if len(lengths) == 1 else set()))


# ── The verdict ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Diagnosis:
    """The mistake that yields the other's values."""

    what: str
    left: float  # what remains of the relative error with the mistake planted
    next: str | None  # the first step that is out of tolerance even so


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
    case = Case(embedder, model_of(embedder), texts, ids, given)
    expected = case.run()
    steps = compare(expected, found, tolerance, case.pad_id)
    first = first_out(steps)
    diagnosis = diagnose(case, list(expected[0]), found, first, tolerance) if first else None
    return Verdict(tuple(steps), ignored, diagnosis)


def diagnose(
    case: Case, names: list[str], found: Sequence[Values], first: Comparison, tolerance: float
) -> Diagnosis | None:
    """The known mistake that yields the other's values at the first step that is out.

    Of several the one that explains most of what follows; the first, where they are even.
    ``names`` has every step in the model's order.
    """
    best, reach = None, -1
    layer = int(first.name.split(".")[1]) if first.name.startswith("layer.") else None
    for bug in bugs(case, layer):
        if names.index(bug.begins) > names.index(first.name):
            continue
        planted = bug.plant()
        there = compare_step(first.name, planted, found, tolerance, case.pad_id)
        # Within tolerance, and nearer by far: two small errors must not pass for each other.
        if there is None or there.problem or there.relative > first.relative / 4:
            continue
        left = first_out(compare(planted, found, tolerance, case.pad_id))
        if left is None:
            return Diagnosis(bug.what, there.relative, None)
        if names.index(left.name) > reach:
            best = Diagnosis(bug.what, there.relative, left.name)
            reach = names.index(left.name)
    return best


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
    if EMBEDDING in values and count == 1 and values[EMBEDDING].ndim == 2:
        if len(values[EMBEDDING]) != 1:
            raise InputError(f"{len(values[EMBEDDING])} vectors for one text; name all texts")
        values = {**values, EMBEDDING: values[EMBEDDING][0]}
    final = ["pooled", *head_names(embedder.sentence_config)][-1]
    found: list[Values] = []
    ignored: dict[str, None] = {}
    for number, given in enumerate(split(values, count)):
        one = {final if name == EMBEDDING else name: array for name, array in given.items()}
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
    most = embedder.config.max_position_embeddings
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
