"""One text's way through the model, stage by stage, and the token pairs that make two texts alike.

Everything is computed by ``reference/bert.py``, ``variations.py`` for other families, and
``engine/pooling.py`` in float32; here it is only called in their order, timed and counted. The
letters of the shapes are the former's.

FLOPs are those of the matrix products alone: [m, k] × [k, n] makes m·n sums of k products, 2·m·k·n
in all. BERT's layer so takes 8·S·H² for its four products H to H, 4·S²·H for the scores and the
context, 4·S·H·F for the feed-forward. Softmax, GELU and norms add about a hundredth, yet take their
time.
"""

from __future__ import annotations

import html
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gtenp import reference
from gtenp.cross_encoder import CrossEncoder
from gtenp.engine.pooling import normalize, pool
from gtenp.explain.page import page
from gtenp.model_files.sentence_config import Dense, LayerNorm, Normalize
from gtenp.reference import variations
from gtenp.reference.variations import (
    biased_scores,
    norm,
    rotate,
    score_bias,
    within_window,
)
from gtenp.verify.trace import model_of, pairs_of, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import Layer, Linear
    from gtenp.model_files.checkpoint import LayerNorm as Norm
    from gtenp.model_files.config import BertConfig
    from gtenp.model_files.sentence_config import SentenceConfig
    from gtenp.reference import Array
    from gtenp.reference.variations import LayerTrace
    from gtenp.verify.trace import Model, Texts


@dataclass(frozen=True)
class Stage:
    """One step of the way: what it made, out of what it did."""

    name: str
    functions: str  # where to read it: in the reference, but for the pooling's
    what: str  # a sentence
    axes: tuple[str, ...]  # the letters of the shape
    value: Array
    flops: int
    seconds: float


@dataclass(frozen=True)
class Look:
    """A token's attention to another one."""

    head: int
    token: int  # the place of the token that looks
    at: int  # the place of the token that it looks at
    weight: float  # from 0 to 1


@dataclass(frozen=True)
class LayerSummary:
    """A layer in a few numbers."""

    norm: float  # the mean length of a token's state after it
    kept: float  # the mean cosine of a token's state before and after it
    strongest: Look | None  # between two tokens other than [CLS] and [SEP]
    seconds: float
    window: int | None  # how far its tokens look to either side; None: everywhere


@dataclass(frozen=True)
class Explanation:
    """One text and all that the model made of it."""

    text: str
    tokens: tuple[str, ...]  # S of them, [CLS] and [SEP] included
    trace: variations.Trace
    embedding_stages: tuple[Stage, ...]
    layer_stages: tuple[Stage, ...]  # of layer 0
    layers: tuple[LayerSummary, ...]  # L of them
    sentence_stages: tuple[Stage, ...]
    vector: Array  # [H], or the part of it that the model keeps; a cross-encoder's scores [K]
    engine_seconds: float  # the whole way in the fast engine, tokenizer to vector
    model: str  # its name

    @property
    def flops(self) -> int:
        """Of all matrix products: every layer's are those of layer 0."""
        layer = sum(stage.flops for stage in self.layer_stages)
        return len(self.layers) * layer + sum(stage.flops for stage in self.sentence_stages)

    @property
    def seconds(self) -> float:
        """The reference's time, from ids to vector."""
        stages = self.embedding_stages + self.sentence_stages
        return sum(stage.seconds for stage in stages) + sum(s.seconds for s in self.layers)

    @property
    def norms(self) -> Array:
        """The length of each token's state, after the embeddings and each layer: [L + 1, S]."""
        norms: Array = np.linalg.norm(np.stack(self.trace.hidden_states), axis=-1)
        return norms

    @property
    def attention(self) -> Array:
        """[L, A, S, S]: the rows look, the columns are looked at."""
        return np.stack([layer.attention for layer in self.trace.layers])

    def _repr_html_(self) -> str:
        """What a notebook shows: its page in a frame, where neither disturbs the other."""
        content = html.escape(page(self.model, "", [self], []).decode())
        style = "width: 100%; height: 45em; border: 0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{content}"></iframe>'


@dataclass(frozen=True)
class Comparison:
    """How alike two texts are, and where that comes from."""

    score: float  # the model's similarity
    contributions: Array | None  # [S, S'], of each token pair to the score; None where it has none
    cosines: Array  # [L + 1, S, S'], of the two tokens' states at each level


def explain(embedder: Embedder | CrossEncoder, texts: Texts) -> list[Explanation]:
    """Take each text through the reference: n texts -> n explanations. A cross-encoder's texts are
    pairs, or a query and the documents that are read with it.

    UnsupportedModelError where ``trace.model_of`` refuses the model.
    """
    model = model_of(embedder, np.float32)
    rows = zip(*tokens(embedder, texts), strict=True)
    if isinstance(embedder, CrossEncoder):
        return [
            _explain_one(embedder, model, " · ".join(pair), *row, partial(embedder.predict, [pair]))
            for pair, row in zip(pairs_of(texts), rows, strict=True)
        ]
    embedder.encode(list(map(str, texts)))  # so that all is warm; tells also of texts that are cut
    return [
        _explain_one(
            embedder, model, str(text), *row, partial(embedder.encode, text, truncate="silent")
        )
        for text, row in zip(texts, rows, strict=True)
    ]


def _explain_one(
    embedder: Embedder | CrossEncoder,
    model: Model,
    text: str,
    input_ids: Int,
    token_type_ids: Int,
    engine: Callable[[], object],
) -> Explanation:
    # All is run more than once: the first time also reads the weights from the disk.
    trace = variations.forward(model.weights, model.config, input_ids, token_type_ids)
    engine_seconds = min(_seconds(engine) for _ in range(3))
    summaries = []
    states = trace.hidden_states[:-1]  # what each layer is given
    layers = zip(states, model.weights.layers, trace.layers, strict=True)
    for number, (x, layer, steps) in enumerate(layers):
        config = model.config.of_layer(number)
        others = (config, trace.score_bias, trace.position_ids)
        seconds = _seconds(partial(variations.run_layer, x, layer, *others))
        summaries.append(_summary(x, steps, seconds, config.arithmetic.window))
    last, sentence_stages = trace.hidden_states[-1], _final_stages(trace, model)
    if isinstance(embedder, CrossEncoder):
        sentence_stages += _classifier_stages(last, model, embedder)
        kept = None
    else:
        sentence_stages += _sentence_stages(last, model)
        kept = embedder.truncate_dim
    return Explanation(
        text,
        tuple(embedder.tokenizer.convert_ids_to_tokens(input_ids.tolist())),
        trace,
        _embedding_stages(model, trace),
        layer_stages(
            trace.embeddings, model.weights.layers[0], model.config.of_layer(0), trace.score_bias
        ),
        tuple(summaries),
        sentence_stages,
        sentence_stages[-1].value[:kept],
        engine_seconds,
        embedder.name_or_path,
    )


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _summary(x: Array, layer: LayerTrace, seconds: float, window: int | None) -> LayerSummary:
    kept = (normalize(x) * normalize(layer.output)).sum(axis=-1).mean()
    norm = np.linalg.norm(layer.output, axis=-1).mean()
    strongest = strongest_look(layer.attention)
    return LayerSummary(float(norm), float(kept), strongest, seconds, window)


def strongest_look(attention: Array) -> Look | None:
    """The largest weight between two tokens other than the first and last: [A, S, S]. None where
    there are no two. Most of BERT's attention goes to [CLS], [SEP] and the token itself.

    >>> attention = np.zeros((1, 4, 4))
    >>> attention[0, 1], attention[0, 2] = [0.6, 0.1, 0.3, 0.0], [0.1, 0.2, 0.7, 0.0]
    >>> strongest_look(attention)
    Look(head=0, token=1, at=2, weight=0.3)
    """
    size = attention.shape[-1]
    if size < 4:
        return None
    inner = np.where(np.eye(size - 2, dtype=bool), -1, attention[:, 1:-1, 1:-1])
    head, token, at = (int(i) for i in np.unravel_index(inner.argmax(), inner.shape))
    return Look(head, token + 1, at + 1, float(inner[head, token, at]))


# ── The stages ───────────────────────────────────────────────────────────────────────────────────


def matmul_flops(m: int, k: int, n: int) -> int:
    """Products and additions of [m, k] × [k, n].

    >>> matmul_flops(2, 3, 4)
    48
    """
    return 2 * m * k * n


def _stage(
    name: str, functions: str, what: str, axes: str, flops: int, run: Callable[[], Array]
) -> Stage:
    start = time.perf_counter()
    value = run()
    seconds = time.perf_counter() - start
    return Stage(name, functions, what, tuple(axes.split()), value, flops, seconds)


def _embedding_stages(model: Model, trace: variations.Trace) -> tuple[Stage, ...]:
    weights, config = model.weights, model.config
    has_positions = config.arithmetic.position_table
    rows = trace.position_ids if has_positions else np.zeros_like(trace.position_ids)
    ids = (trace.input_ids, trace.token_type_ids, rows)
    stages = [
        _stage(
            "embeddings", "embed",
            "each token's word, position and segment vector, added" if has_positions
            else "each token's word vector",
            "S H", 0, lambda: reference.embed(weights, *ids),
        ),
    ]  # fmt: skip
    if config.arithmetic.embeddings_norm:
        stages.append(_norm_stage("their norm", stages[0].value, weights.embeddings_norm, config))
    if trace.score_bias is not None:
        stages.append(
            _stage(
                "score bias", "score_bias", "what each layer adds to its scores, by distance",
                "A S S", 0, lambda: _array(score_bias(weights, config, len(trace.input_ids))),
            )
        )  # fmt: skip
    return tuple(stages)


def _array(found: Array | None) -> Array:
    assert found is not None
    return found


def _norm_stage(name: str, x: Array, weights: Norm, config: BertConfig) -> Stage:
    kind, what = "layer_norm", "each token to mean 0, variance 1; scaled, shifted"
    if config.arithmetic.norm == "rms":
        kind, what = "rms_norm", "each token to mean square 1; scaled"
    return _stage(name, kind, what, "S H", 0, lambda: norm(x, weights, config))


def _final_stages(trace: variations.Trace, model: Model) -> tuple[Stage, ...]:
    """The norm behind the last layer, where norms come first."""
    final = model.weights.final_norm
    if final is None:
        return ()
    return (_norm_stage("final norm", trace.layers[-1].output, final, model.config),)


def layer_stages(
    x: Array, layer: Layer, config: BertConfig, bias: Array | None = None
) -> tuple[Stage, ...]:
    """``run_layer`` in its parts: [S, H] -> the stages, the last of which is [S, H]."""
    tokens, arithmetic = len(x), config.arithmetic
    heads, size = config.num_attention_heads, config.head_size
    products = (layer.query, layer.key, layer.value)
    stages: list[Stage] = []

    def add(stage: Stage) -> Array:
        stages.append(stage)
        return stage.value

    def linear_flops(weights: Linear) -> int:
        out_size, in_size = weights.weight.shape
        return matmul_flops(tokens, in_size, out_size)

    def summed(y: Array, weights: Norm) -> Array:
        return y if arithmetic.norm_first else norm(y, weights, config)

    looking = x
    if arithmetic.norm_first and arithmetic.attention_norm:
        looking = add(_norm_stage("attention norm", x, layer.attention_norm, config))
    qkv = add(_stage(
        "query, key, value", "linear, split_heads",
        "what a token seeks, offers, says; cut into heads",
        "3 A S D", sum(map(linear_flops, products)),
        lambda: np.stack(
            [reference.split_heads(reference.linear(looking, w), heads) for w in products]
        ),
    ))  # fmt: skip
    if arithmetic.rotary_base is not None:
        angles = (np.arange(tokens), arithmetic.rotary_base, arithmetic.rotary_scale)
        turned = add(_stage(
            "rotated", "rotate", "queries and keys, turned by their place", "2 A S D", 0,
            lambda: np.stack([rotate(part, *angles) for part in qkv[:2]]),
        ))  # fmt: skip
        qkv = np.concatenate([turned, qkv[2:]])
    query, key, value = qkv
    look_flops = heads * matmul_flops(tokens, size, tokens)
    formula = "q kᵀ / √D" if arithmetic.scaled_scores else "q kᵀ"
    formula += "" if bias is None else " + bias"
    scores = add(_stage(
        "scores", "attention_scores" if bias is None else "biased_scores",
        f"{formula}, how well each query fits each key", "A S S", look_flops,
        lambda: within_window(
            biased_scores(query, key, bias, arithmetic.scaled_scores), arithmetic.window
        ),
    ))  # fmt: skip
    attention = add(_stage(
        "attention", "softmax", "each row of scores becomes shares that sum to 1",
        "A S S", 0, lambda: reference.softmax(scores),
    ))  # fmt: skip
    context = add(_stage(
        "context", "merge_heads", "attention × value: of what all say, each takes its shares",
        "S H" if config.attention_size == config.hidden_size else "S A·D", look_flops,
        lambda: reference.merge_heads(attention @ value),
    ))  # fmt: skip
    after = ("linear", "") if arithmetic.norm_first else ("linear, layer_norm", ", normed")
    attended = add(_stage(
        "attention output", after[0], f"heads mixed, added to the input{after[1]}",
        "S H", linear_flops(layer.attention_output),
        lambda: summed(reference.linear(context, layer.attention_output) + x, layer.attention_norm),
    ))  # fmt: skip
    given = attended
    if arithmetic.norm_first:
        given = add(_norm_stage("feed-forward norm", attended, layer.output_norm, config))
    intermediate = add(_stage(
        "intermediate", "linear", "each token by itself is spread over F features",
        "S F", linear_flops(layer.intermediate),
        lambda: reference.linear(given, layer.intermediate),
    ))  # fmt: skip
    activate = reference.ACTIVATIONS[config.hidden_act]
    features = add(_stage(
        "activation", activate.__name__, "a feature passes where it is large; a negative one fades",
        "S F", 0, lambda: activate(intermediate),
    ))  # fmt: skip
    if layer.up is not None:
        up, gate = layer.up, features
        features = add(_stage(
            "gated", "linear", "and is multiplied by what a second product says",
            "S F", linear_flops(up), lambda: gate * reference.linear(given, up),
        ))  # fmt: skip
    add(_stage(
        "output", after[0], f"a state again, added to what went in{after[1]}",
        "S H", linear_flops(layer.output),
        lambda: summed(reference.linear(features, layer.output) + attended, layer.output_norm),
    ))  # fmt: skip
    return tuple(stages)


def _sentence_stages(hidden_states: Array, model: Model) -> tuple[Stage, ...]:
    sentence = model.sentence_config
    modes = " and ".join(sentence.pooling.modes)
    pooled = _stage(
        f"pooling: {modes}", "pooling.pool", "the tokens' states become one vector", "H", 0,
        lambda: pool(hidden_states, np.array([0, len(hidden_states)]), sentence.pooling)[0],
    )  # fmt: skip
    stages = [pooled]
    for module, (_, head) in zip(sentence.heads, model.heads, strict=True):
        vector = stages[-1].value[None]
        run = partial(lambda head, vector: head(vector)[0], head, vector)
        stages.append(_stage(*_head_words(module), "H", _head_flops(module), run))
    return tuple(stages)


def _classifier_stages(
    hidden_states: Array, model: Model, encoder: CrossEncoder
) -> tuple[Stage, ...]:
    """A cross-encoder's head: [S, H] -> the stages, the last of which is [K]."""
    classifier = encoder.classifier
    labels, hidden = classifier.output.weight.shape
    ends = "as they are" if encoder.activation == "Identity" else f"through a {encoder.activation}"
    words = {
        "classifier.dense": ("linear", "one more product", "H", matmul_flops(1, hidden, hidden)),
        "classifier.activation": (classifier.activation.lower(), "of each number", "H", 0),
        "classifier.norm": ("variations.norm", "to mean 0, variance 1; scaled, shifted", "H", 0),
        "logits": ("linear", "a number for each label", "K", matmul_flops(1, hidden, labels)),
        "scores": ("trace.HEAD_ACTIVATIONS", f"the logits {ends}", "K", 0),
    }
    first, what = "first token", "of all states the first token's alone"
    if encoder.pooling.modes == ("mean",):
        first, what = "mean", "of all tokens' states"
    stages = [
        _stage(
            first, "variations.classify", what, "H", 0,
            lambda: pool(hidden_states, np.array([0, len(hidden_states)]), encoder.pooling)[0],
        )
    ]  # fmt: skip
    for name, head in model.heads:
        functions, what, axes, flops = words[name]
        vector = stages[-1].value[None]
        run = partial(lambda head, vector: head(vector)[0], head, vector)
        stages.append(_stage(name.removeprefix("classifier."), functions, what, axes, flops, run))
    return tuple(stages)


def _head_words(module: Dense | LayerNorm | Normalize) -> tuple[str, str, str]:
    """The name of the stage, its functions, and a sentence."""
    if isinstance(module, Dense):
        return (f"dense: {module.activation}", "pooling.dense", "one more product, of the vector")
    if isinstance(module, LayerNorm):
        return ("layer norm", "pooling.layer_norm", "to mean 0, variance 1; scaled, shifted")
    what = "divided by its length: a dot product is now a cosine"
    return ("normalize", "pooling.normalize", what)


def _head_flops(module: Dense | LayerNorm | Normalize) -> int:
    if isinstance(module, Dense):
        return matmul_flops(1, module.in_features, module.out_features)
    return 0


# ── Two texts ────────────────────────────────────────────────────────────────────────────────────


def compare(embedder: Embedder, first: Explanation, other: Explanation) -> Comparison:
    """The similarity of two texts, and each token pair's part in it.

    Where the pooling is an average and the similarity a product (dot or cosine), the sentence
    vector is a sum of one part a token, so the score is exactly the sum, over all pairs, of their
    parts' products: for the mean and the cosine, of (h · h') / (S · S' · |a| · |b|).
    """
    states, others = (np.stack(text.trace.hidden_states) for text in (first, other))
    score = float(embedder.similarity(first.vector, other.vector)[0, 0])
    parts = [_token_parts(embedder, text.trace.hidden_states[-1]) for text in (first, other)]
    exact = None if parts[0] is None or parts[1] is None else parts[0] @ parts[1].T
    return Comparison(score, exact, normalize(states) @ normalize(others).transpose(0, 2, 1))


def _token_parts(embedder: Embedder, hidden_states: Array) -> Array | None:
    """Each token's part of the sentence vector, float64: [S, H] -> [S, H], whose sum it is. None
    where the vector is no such sum, or the similarity no product.
    """
    sentence, name = embedder.sentence_config, embedder.similarity_fn_name
    weights = token_weights(sentence.pooling.modes, len(hidden_states))
    if weights is None or name not in ("cosine", "dot") or not is_average(sentence):
        return None
    parts = weights[:, None] * hidden_states.astype(np.float64)
    if sentence.normalizes:
        parts /= np.linalg.norm(parts.sum(axis=0))
    parts = parts[:, : embedder.truncate_dim]
    if name == "cosine":
        parts /= np.linalg.norm(parts.sum(axis=0))
    return parts


def is_average(sentence: SentenceConfig) -> bool:
    """Whether nothing but a normalisation follows the pooling, which leaves a sum a sum."""
    return all(isinstance(head, Normalize) for head in sentence.heads)


def token_weights(modes: Sequence[str], length: int) -> Array | None:
    """How much each token counts in the pooled vector: [S]; None where that is no average.

    >>> token_weights(("mean",), 4).tolist(), token_weights(("weightedmean",), 4).tolist()
    ([0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4])
    """
    if modes == ("mean",):
        return np.full(length, 1 / length)
    if modes == ("mean_sqrt_len_tokens",):
        return np.full(length, length**-0.5)
    if modes == ("weightedmean",):
        places = np.arange(1, length + 1)
        weights: Array = places / places.sum()
        return weights
    return None


def largest(matrix: Array, count: int) -> list[tuple[int, int]]:
    """The places of the largest values, largest first: [m, n] -> at most ``count`` pairs.

    >>> largest(np.array([[1.0, 4.0], [3.0, 2.0]]), 2)
    [(0, 1), (1, 0)]
    """
    order = np.argsort(-matrix, axis=None, kind="stable")[:count]
    return [(int(i), int(j)) for i, j in zip(*np.unravel_index(order, matrix.shape), strict=True)]
