"""Mistakes between the tokens and the last layer's output."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gtenp import reference
from gtenp.model_files.checkpoint import Linear
from gtenp.model_files.config import NO_LIMIT
from gtenp.reference import variations
from gtenp.verify.case import Case, Mistake, reference_with

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights, Layer, LayerNorm
    from gtenp.model_files.config import Arithmetic, BertConfig
    from gtenp.reference import Array
    from gtenp.verify.trace import Values


def running(source: Any = variations, **changed: object) -> Callable[[Case], list[Values]]:
    """A mistake's way to plant itself: the whole model with another source, config or weights."""
    return lambda case: case.run(source, **changed)


def embedding_mistakes(case: Case) -> Iterator[Mistake]:
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
        yield Mistake("embeddings.sum", f"the {what}", running(weights=without))
    if not case.model.scores:
        what = "token types are 1; a single text's are 0"
        yield Mistake("token_type_ids", what, lambda case: case.run_inputs(types=1))
    if not case.model.config.arithmetic.position_table:
        return
    own = case.model.config.arithmetic.first_position
    whose = "BERT's" if own == 0 else "this model's"
    for first in (0, 1, 2):
        if first == own:
            continue
        what = f"positions begin at {first}; {whose} begin at {own}"
        yield Mistake("position_ids", what, partial(Case.run_inputs, first_position=first))
    pad = case.model.config.arithmetic.uncounted_token_id
    if pad is not None and any((ids == pad).any() for ids in case.input_ids):
        what = (
            "padding tokens within a text are counted as any other; this model gives them position "
            f"{own - 1} and counts none"
        )
        yield Mistake("position_ids", what, partial(Case.run_inputs, first_position=own))


def function_mistakes(case: Case) -> Iterator[Mistake]:
    """Layer norm, GELU and the scores' scale."""
    config = case.model.config
    for eps in (1e-12, 1e-7, 1e-6, 1e-5, 1e-3):
        if eps != config.layer_norm_eps:
            yield Mistake(
                "embeddings.output",
                f"LayerNorm's eps is {eps:g}; config.json has {config.layer_norm_eps:g}",
                running(config=replace(config, layer_norm_eps=eps)),
            )
    yield Mistake(
        "embeddings.output",
        "LayerNorm's variance is divided by H - 1 (Bessel's correction); BERT's by H",
        running(reference_with(layer_norm=bessel_layer_norm)),
    )
    arithmetic = config.arithmetic
    what = f"the scale is missing: scores are divided by √D = √{config.head_size}"
    if not arithmetic.scaled_scores:
        what = f"scores are divided by √D = √{config.head_size}; this model's have no scale"
    other = with_arithmetic(config, scaled_scores=not arithmetic.scaled_scores)
    yield Mistake("layer.0.scores", what, running(config=other))
    if arithmetic.norm == "rms":
        yield Mistake(
            "embeddings.output",
            "norms take the mean away, as a layer norm does; this model's divide by the root mean "
            "square alone",
            running(config=with_arithmetic(config, norm="layer")),
        )
    if config.arithmetic.gated:
        yield Mistake(
            "layer.0.intermediate",
            "gate and up are swapped: the activation is taken of the one that it scales",
            running(weights=gate_and_up_swapped(case.model.weights)),
        )
    final = case.model.weights.final_norm
    if final is not None:

        def norm(x: Array, weights: LayerNorm, config: BertConfig) -> Array:
            return x if weights is final else variations.norm(x, weights, config)

        what = "the norm behind the last layer is missing"
        yield Mistake("final_norm", what, running(reference_with(norm=norm)))
    if config.hidden_act == "gelu":
        for function, form in ((reference.gelu_tanh, "tanh"), (sigmoid_gelu, "sigmoid")):
            yield Mistake(
                "layer.0.gelu",
                f"the GELU is the {form} approximation; BERT's is x/2 · (1 + erf(x/√2))",
                running(reference_with(ACTIVATIONS={"gelu": function})),
            )


def sigmoid_gelu(x: Array) -> Array:
    """The coarser approximation of Hendrycks 2016, section 2: [S, F] -> [S, F]."""
    y: Array = x / (1.0 + np.exp(-1.702 * x))
    return y


def bessel_layer_norm(x: Array, weights: LayerNorm, eps: float) -> Array:
    """With the variance of a sample, divided by H - 1: [S, H] -> [S, H]."""
    variance = x.var(axis=-1, keepdims=True, ddof=1)
    normed: Array = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + eps)
    return normed * weights.weight + weights.bias


def gate_and_up_swapped(weights: BertWeights) -> BertWeights:
    """With the feed-forward's two products in each other's place."""
    layers = tuple(
        replace(layer, intermediate=layer.up, up=layer.intermediate)
        for layer in weights.layers
        if layer.up is not None
    )
    return replace(weights, layers=layers)


# ── What is added to the scores ──────────────────────────────────────────────────────────────────


def score_mistakes(case: Case) -> Iterator[Mistake]:
    """Buckets, slopes and who looks at whom."""
    config, weights = case.model.config, case.model.weights
    arithmetic = config.arithmetic

    def buckets(change: Callable[[Int, int], Int]) -> Callable[[Case], list[Values]]:
        def changed(distances: Int, count: int, max_distance: int) -> Int:
            return change(variations.relative_buckets(distances, count, max_distance), count)

        return running(reference_with(relative_buckets=changed))

    if arithmetic.score_bias is not None:
        what = "what is added to the scores by their distance is missing"
        without = with_arithmetic(config, score_bias=None)
        yield Mistake("score_bias", what, running(config=without))
    if arithmetic.score_bias == "buckets":
        for what, plant in (
            (
                "the buckets of keys before and behind a query are swapped; those behind it, j - i "
                "> 0, have the upper half",
                buckets(lambda rows, count: np.where(rows, (rows + count // 2) % count, 0)),
            ),
            ("the buckets are one too high", buckets(lambda rows, count: (rows + 1) % count)),
            ("the buckets are one too low", buckets(lambda rows, count: (rows - 1) % count)),
            (
                "the buckets are a decoder's, all for keys before the query; half are for those "
                "behind it",
                running(reference_with(relative_buckets=decoder_buckets)),
            ),
        ):
            yield Mistake("score_bias", what, plant)
        if len(weights.layers) > 1:

            def run_layer(
                x: Array, layer: Layer, config: BertConfig, bias: Array | None, places: Int
            ) -> Any:
                own = bias if layer is case.model.weights.layers[0] else None
                return variations.run_layer(x, layer, config, own, places)

            yield Mistake(
                "layer.1.scores",
                "the scores' table serves layer 0 alone; it serves all layers",
                running(reference_with(run_layer=run_layer)),
            )
    if arithmetic.rotary_base is not None:
        for what, rotate in (
            (
                "turns neighbours, 2i with 2i + 1; this model's halves go together, i with i + D/2",
                rotate_neighbours,
            ),
            ("is missing", lambda x, *_: x),
        ):
            source = reference_with(rotate=rotate)
            yield Mistake("layer.0.rotated_query", f"the rotation {what}", running(source))
        base, scale = arithmetic.rotary_base, arithmetic.rotary_scale
        if scale != 1:
            factor = scale ** (config.head_size / 2)
            whole = f"this model's base is {base:g}, and its angles are divided by {scale:.4g}"
            for what, plain in (
                ("the rotation's angles are not scaled", base),
                (
                    f"the rotation is not scaled at all, its base is {base / factor:g}",
                    base / factor,
                ),
            ):
                other = with_arithmetic(config, rotary_base=plain, rotary_scale=1.0)
                plant = running(config=other)
                yield Mistake("layer.0.rotated_query", f"{what}; {whole}", plant)
        local = config.layer_arithmetics[config.local_layers[0]] if config.local_layers else None
        for base in (1000.0, 10000.0, 160000.0, 500000.0):
            if base != arithmetic.rotary_base:
                what = f"the rotation's base is {base:g}; the model's is {arithmetic.rotary_base:g}"
                if local is not None:
                    what += f", in its local layers {local.rotary_base:g}"
                plant = running(config=with_arithmetic(config, rotary_base=base))
                yield Mistake("layer.0.rotated_query", what, plant)
    if arithmetic.score_bias == "alibi":
        for what, slopes in (
            ("in the wrong order; the first head's is the steepest", alibi_reversed),
            ("negated; scores fall with the distance", alibi_negated),
        ):
            source = reference_with(alibi_slopes=slopes)
            yield Mistake("score_bias", f"ALiBi's slopes are {what}", running(source))
    if arithmetic.causal:
        yield Mistake(
            "score_bias",
            "tokens look at those behind them; this model's look back alone",
            running(config=with_arithmetic(config, causal=False)),
        )


def local_mistakes(case: Case) -> Iterator[Mistake]:
    """Which layers are local, how wide their windows are, what they turn by."""
    config = case.model.config
    if not config.local_layers:
        return
    full, kinds, first = config.arithmetic, config.layer_arithmetics, config.local_layers[0]
    local, window = kinds[first], kinds[first].window or 0

    def with_kinds(kind: Callable[[int], Arithmetic]) -> Callable[[Case], list[Values]]:
        """With layers of other kinds, but for the norm that layer 0 has or hasn't."""
        others = (
            replace(kind(number), attention_norm=own.attention_norm)
            for number, own in enumerate(kinds)
        )
        return running(config=replace(config, layer_arithmetics=tuple(others)))

    def with_local(**changes: Any) -> Callable[[Case], list[Values]]:
        other = replace(local, **changes)
        return with_kinds(lambda number: other if number in config.local_layers else full)

    own = f"this model's local layers look at {window} to either side"
    for other, what in (
        (None, "every layer looks at all tokens"),
        (2 * window, f"local layers look at {2 * window} tokens to either side"),
        (window - 1, f"local layers look at {window - 1} tokens to either side"),
    ):
        yield Mistake(f"layer.{first}.scores", f"{what}; {own}", with_local(window=other))
    yield Mistake(
        f"layer.{first}.rotated_query",
        f"local layers turn by the others' base, {full.rotary_base:g}; theirs is "
        f"{local.rotary_base:g}",
        with_local(rotary_base=full.rotary_base),
    )
    count = len(kinds)
    every = next((n for n in range(1, count) if n not in config.local_layers), count)
    if all((number % every == 0) != (number in config.local_layers) for number in range(count)):
        yield Mistake(
            "layer.0.rotated_query",
            f"the last of every {every} layers looks at all tokens; this model's is the first",
            with_kinds(lambda number: local if (number + 1) % every else full),
        )
    if not kinds[0].attention_norm:
        yield Mistake(
            "layer.0.query",
            "layer 0 has a norm before its attention; this model's has none",
            running(config=with_arithmetic(config, attention_norm=True)),
        )


def with_arithmetic(config: BertConfig, **changes: Any) -> BertConfig:
    """The configuration with the arithmetic of all layers changed."""
    return replace(
        config,
        arithmetic=replace(config.arithmetic, **changes),
        layer_arithmetics=tuple(replace(one, **changes) for one in config.layer_arithmetics),
    )


def decoder_buckets(distances: Int, buckets: int, max_distance: int) -> Int:
    """Those of T5's decoder, where no key is behind its query: any shape -> the same."""
    back = np.minimum(distances, 0)
    return variations.relative_buckets(back, 2 * buckets, max_distance)


def rotate_neighbours(x: Array, position_ids: Int, base: float, scale: float) -> Array:
    """As the paper has it, numbers 2i and 2i + 1 as one hand: [A, S, D] -> [A, S, D]."""
    halves = np.concatenate([x[..., ::2], x[..., 1::2]], axis=-1)
    turned = variations.rotate(halves, position_ids, base, scale)
    y = np.empty_like(x)
    y[..., ::2], y[..., 1::2] = np.split(turned, 2, axis=-1)
    return y


def alibi_reversed(heads: int) -> Array:
    """[A], the flattest first."""
    return variations.alibi_slopes(heads)[::-1]


def alibi_negated(heads: int) -> Array:
    """[A], so that scores rise with the distance."""
    slopes: Array = -variations.alibi_slopes(heads)
    return slopes


# ── Products ─────────────────────────────────────────────────────────────────────────────────────

# Each product of a layer: its field in checkpoint.Layer and the step that it makes.
LINEARS = {
    "query": "query",
    "key": "key",
    "value": "value",
    "attention_output": "attention_dense",
    "intermediate": "intermediate",
    "up": "up",
    "output": "output_dense",
}


def linear_mistakes(case: Case, layer: int | None) -> Iterator[Mistake]:
    """A weight read the wrong way round, a bias left out: of all products, of one, in one layer."""
    some = case.model.weights.layers[0]
    there = [field for field in LINEARS if getattr(some, field) is not None]
    for change, what in (
        (transposed, "weight is transposed; it is stored [out, in], as in PyTorch: y = x Wᵀ + b"),
        (without_bias, "bias is left out"),
    ):
        places: list[tuple[str, list[str], int | None]] = [("every product", there, None)]
        for field in there:
            places.append((f"every layer's {field}", [field], None))
            if layer is not None:
                places.append((f"layer {layer}'s {field}", [field], layer))
        for place, fields, only in places:
            yield Mistake(
                f"layer.{only or 0}.{LINEARS[fields[0]]}",
                f"{place} {what}",
                partial(_run_with_linears, fields, change, only),
            )


def _run_with_linears(
    fields: Sequence[str], change: Callable[[Linear], Linear], only: int | None, case: Case
) -> list[Values]:
    return case.run(weights=with_linears(case.model.weights, fields, change, only))


def with_linears(
    weights: BertWeights,
    fields: Sequence[str],
    change: Callable[[Linear], Linear],
    only: int | None = None,
) -> BertWeights:
    """The weights with some products changed, in all layers or in one."""

    def changed(layer: Layer) -> Layer:
        found = {field: getattr(layer, field) for field in fields}
        linears: dict[str, Any] = {
            field: change(linear) for field, linear in found.items() if linear is not None
        }
        return replace(layer, **linears)

    layers = tuple(
        changed(layer) if only in (None, number) else layer
        for number, layer in enumerate(weights.layers)
    )
    return replace(weights, layers=layers)


def transposed(linear: Linear) -> Linear:
    """The weight's bytes, stored [out, in], read as [in, out]."""
    return Linear(linear.weight.reshape(linear.weight.shape[::-1]).T, linear.bias)


def without_bias(linear: Linear) -> Linear:
    """The weight alone."""
    return Linear(linear.weight, np.zeros_like(linear.bias))


# ── Padding ──────────────────────────────────────────────────────────────────────────────────────


def padding_mistakes(case: Case) -> Iterator[Mistake]:
    """Padding that is looked at, or counts in the pooling."""
    for length in _padded_lengths(case):
        padded = f"(texts padded to {length} tokens)"
        for begins, mask, pool_padding, what in (
            ("pooled", True, True, f"pooling goes over padding {padded}"),
            ("layer.0.attention", False, True, f"attention and pooling go over padding {padded}"),
            (
                "layer.0.attention",
                False,
                False,
                f"attention looks at padding {padded}; padded columns get -∞ before the softmax",
            ),
        ):
            plant = partial(Case.run_padded, length=length, mask=mask, pool_padding=pool_padding)
            yield Mistake(begins, what, plant)


def _padded_lengths(case: Case) -> list[int]:
    """To how many tokens a port may have padded: the longest text's, and usual ones."""
    lengths = {len(ids) for ids in case.input_ids}
    most = case.embedder.max_seq_length
    usual = {min(length, most) for length in (128, 256)} | ({most} - {NO_LIMIT})
    longest = max(lengths)
    padded = {length for length in usual if length >= longest} | {longest}
    return sorted(padded - (lengths if len(lengths) == 1 else set()))
