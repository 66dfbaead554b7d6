"""What other models change: BERT's relatives, told by their differences. Read bert.py first.

Each variation is a small function with its paper. ``run_layer`` and ``forward`` put them in
bert.py's place where a model's description (``config.arithmetic``) asks for them; where it is
BERT's, every number is bert.py's to the last bit.

    MPNet         a number added to each score, by how far a key stands from its query
    T5's encoder  the same in the positions' place; norms first, of root mean squares; no scale;
                  the feed-forward gated, in the later ones
    BLOOM         scores that fall with the distance; no token looks ahead; norms first
    NomicBERT     queries and keys turned by their place; the feed-forward gated
    GTE           the same, and the angles scaled
    ModernBERT    both; norms first; in two layers of three a token looks at its neighbours alone

Sources: Liu 2019, "RoBERTa" (arXiv:1907.11692); Conneau 2019, "XLM-RoBERTa" (arXiv:1911.02116);
Sanh 2019, "DistilBERT" (arXiv:1910.01108); Song 2020, "MPNet" (arXiv:2004.09297); Raffel 2019,
"T5" (arXiv:1910.10683); Zhang 2019, "Root Mean Square Layer Normalization" (arXiv:1910.07467);
Shazeer 2020, "GLU Variants Improve Transformer" (arXiv:2002.05202); Press 2021, "Train Short, Test
Long" (arXiv:2108.12409); Le Scao 2022, "BLOOM" (arXiv:2211.05100); Xiong 2020, "On Layer
Normalization in the Transformer Architecture" (arXiv:2002.04745); Su 2021, "RoFormer"
(arXiv:2104.09864); Nussbaum 2024, "Nomic Embed" (arXiv:2402.01613); Beltagy 2020, "Longformer"
(arXiv:2004.05150); Warner 2024, "ModernBERT" (arXiv:2412.13663); Zhang 2024, "mGTE"
(arXiv:2407.19669); Nogueira 2019, "Passage Re-ranking with BERT" (arXiv:1901.04085).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp.reference import bert
from gtenp.reference.bert import Array

if TYPE_CHECKING:
    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights, Classifier, Layer, LayerNorm
    from gtenp.model_files.config import Arithmetic, BertConfig


# ── Positions ────────────────────────────────────────────────────────────────────────────────────


def position_ids(input_ids: Int, arithmetic: Arithmetic) -> Int:
    """Each token's row of the position table: [S] -> [S].

    BERT counts from 0. RoBERTa's rows begin behind its padding token's id p: the first token has
    row p + 1. A padding token, wherever it stands, has row p and is not counted. No paper says so:
    it is how RoBERTa's authors numbered rows (fairseq, ``make_positions``), and its table is
    trained that way. Models without a table have one row of zeros, and all tokens that.

    >>> from gtenp.model_files.config import Arithmetic
    >>> position_ids(np.array([0, 7, 1, 8, 2]), Arithmetic()).tolist()
    [0, 1, 2, 3, 4]
    >>> roberta = Arithmetic(first_position=2, uncounted_token_id=1)
    >>> position_ids(np.array([0, 7, 1, 8, 2]), roberta).tolist()
    [2, 3, 1, 4, 5]
    """
    if not arithmetic.position_table and arithmetic.rotary_base is None:
        return np.zeros(len(input_ids), np.int64)
    before_first = arithmetic.first_position - 1
    counted = np.ones(len(input_ids), np.int64)
    if arithmetic.uncounted_token_id is not None:
        counted = (input_ids != arithmetic.uncounted_token_id).astype(np.int64)
    return before_first + counted * np.cumsum(counted)


# ── Norms ────────────────────────────────────────────────────────────────────────────────────────


def rms_norm(x: Array, weights: LayerNorm, eps: float) -> Array:
    """y = x / sqrt(mean(x²) + eps) · w, over each row: [S, H] -> [S, H] (Zhang 2019).

    A layer norm that leaves the mean where it is. T5 has no shift: its bias is 0.

    >>> from gtenp.model_files.checkpoint import LayerNorm
    >>> rms_norm(np.array([[1.0, 7.0]]), LayerNorm(np.array([5.0, 5.0]), np.zeros(2)), 0).tolist()
    [[1.0, 7.0]]
    """
    normed: Array = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return normed * weights.weight + weights.bias


def norm(x: Array, weights: LayerNorm, config: BertConfig) -> Array:
    """The model's kind of norm: [S, H] -> [S, H]."""
    function = rms_norm if config.arithmetic.norm == "rms" else bert.layer_norm
    return function(x, weights, config.layer_norm_eps)


# ── Rotary positions ─────────────────────────────────────────────────────────────────────────────


def rotate(x: Array, position_ids: Int, base: float, scale: float = 1.0) -> Array:
    """Each head's numbers, two at a time, turned as a hand of a clock by the token's place: [A, S,
    D] -> [A, S, D] (Su 2021, section 3.2.2).

    Numbers i and i + D/2 are one hand, which turns by place · base^(-2i/D): the first fast, the
    last hardly. A query's product with a key so hangs on how far they stand apart, for both may be
    turned back by the query's place. The paper's hands are neighbours, 2i and 2i + 1; the models
    were trained with halves. GTE divides all angles by a ``scale``, for texts longer than those
    that it read first. Angles are float32, as in the code that trained them.

    >>> quarter = rotate(np.array([[[1.0, 0.0], [1.0, 0.0]]]), np.array([0, 1]), 1.0)
    >>> quarter.round(4).tolist()  # turned by 0 and by 1, whose cosine and sine these are
    [[[1.0, 0.0], [0.5403, 0.8415]]]
    """
    size = x.shape[-1]
    exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
    frequencies = (1 / np.float32(base) ** exponents / np.float32(scale)).astype(np.float32)
    angles = position_ids.astype(np.float32)[:, None] * frequencies
    cos, sin = np.cos(angles.astype(x.dtype)), np.sin(angles.astype(x.dtype))
    first, second = x[..., : size // 2], x[..., size // 2 :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


# ── Scores ───────────────────────────────────────────────────────────────────────────────────────


def distances(length: int) -> Int:
    """j - i, how far a key stands behind its query: [S, S], the rows look.

    >>> distances(3).tolist()
    [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]]
    """
    places = np.arange(length)
    found: Int = places[None, :] - places[:, None]
    return found


def relative_buckets(distances: Int, buckets: int, max_distance: int) -> Int:
    """The row of the table of learned numbers that each distance has (Raffel 2019, section 2.1):
    any shape -> the same.

    Half of the rows are for keys before the query or at its place, half for those behind it. In
    each half, the first half of the rows is for one distance each, and in the rest distances share
    a row, the more the farther they are: with 32 rows, 0 to 7 stand alone, then 8 to 11, 12 to 15,
    16 to 22 … share, and all from 91 on. The next row would begin at max_distance, 128. The
    logarithm is float32, as in the code that the tables were trained with.

    >>> relative_buckets(np.array([0, -1, 1, -8, -11, -12, 200]), 32, 128).tolist()
    [0, 1, 17, 8, 8, 9, 31]
    """
    half, exact = buckets // 2, buckets // 4
    far = np.abs(distances)
    ratio = np.maximum(far, exact).astype(np.float32) / np.float32(exact)
    steps = np.log(ratio) / np.float32(math.log(max_distance / exact)) * np.float32(half - exact)
    shared = np.minimum(exact + steps.astype(np.int64), half - 1)
    rows: Int = np.where(far < exact, far, shared) + half * (distances > 0)
    return rows


def alibi_slopes(heads: int) -> Array:
    """How fast each head's scores fall with the distance: [A] (Press 2021, section 3).

    For 8 heads they are 1/2, 1/4 … 1/256, and so for each power of 2: from 2^(-8/A) to 2^-8. Other
    numbers of heads take those of the next smaller power, and of the next larger one the first,
    the third and so on, as the paper's own code does.

    >>> alibi_slopes(4).tolist()
    [0.25, 0.0625, 0.015625, 0.00390625]
    >>> np.log2(alibi_slopes(6)).tolist()
    [-2.0, -4.0, -6.0, -8.0, -1.0, -3.0]
    """
    power = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8 * i / power) for i in range(1, power + 1)]
    between = [2.0 ** (-8 * i / (2 * power)) for i in range(1, 2 * power, 2)]
    return np.array([*slopes, *between[: heads - power]])


def score_bias(weights: BertWeights, config: BertConfig, length: int) -> Array | None:
    """What every layer adds to its scores: [A, S, S]; None where it is nothing.

    A key behind its query gets -∞ where the model looks only back, so that the softmax gives it 0.

    >>> from gtenp.model_files.checkpoint import BertWeights, LayerNorm
    >>> from gtenp.model_files.config import Arithmetic, BertConfig
    >>> weights = BertWeights(np.zeros((1, 1)), *3 * [np.zeros((1, 1))], layers=())
    >>> like_bloom = Arithmetic(score_bias="alibi", causal=True)
    >>> bloom = BertConfig(1, 1, 1, 1, 1, 1, 1, arithmetic=like_bloom)
    >>> (256 * score_bias(weights, bloom, 3)).tolist()  # one head, whose slope is 1/256
    [[[0.0, -inf, -inf], [-1.0, 0.0, -inf], [-2.0, -1.0, 0.0]]]
    """
    arithmetic, heads = config.arithmetic, config.num_attention_heads
    far, dtype = distances(length), weights.word_embeddings.dtype
    bias = np.zeros((heads, length, length), dtype)
    if arithmetic.score_bias == "buckets":
        table = weights.relative_attention_bias
        assert table is not None
        rows = relative_buckets(far, len(table), arithmetic.max_distance)
        bias = table[rows].transpose(2, 0, 1)
    elif arithmetic.score_bias == "alibi":
        bias = (alibi_slopes(heads)[:, None, None] * far).astype(dtype)
    elif not arithmetic.causal:
        return None
    if arithmetic.causal:
        bias = np.where(far > 0, -np.inf, bias).astype(dtype)
    return bias


def biased_scores(query: Array, key: Array, bias: Array | None, scaled: bool) -> Array:
    """q kᵀ / √D + bias: 2 × [A, S, D], [A, S, S] -> [A, S, S]. T5 has no √D, for its weights are
    trained without (Raffel 2019).

    >>> query, key = np.array([[[1.0, 0, 0, 0]]]), np.array([[[6.0, 0, 0, 0]]])
    >>> biased_scores(query, key, np.array([[[0.5]]]), True).tolist()
    [[[3.5]]]
    >>> biased_scores(query, key, None, False).tolist()
    [[[6.0]]]
    """
    scores = bert.attention_scores(query, key) if scaled else query @ key.transpose(0, 2, 1)
    return scores if bias is None else scores + bias


def within_window(scores: Array, window: int | None) -> Array:
    """The scores with -∞ where a key is more than ``window`` tokens away from its query, on either
    side: [A, S, S] -> [A, S, S] (Beltagy 2020, section 3.1). Without a window they stay.

    A layer so sees `2 · window + 1` tokens; what is farther comes by way of the layers below.

    >>> within_window(np.ones((1, 3, 3)), 1).tolist()
    [[[1.0, 1.0, -inf], [1.0, 1.0, 1.0], [-inf, 1.0, 1.0]]]
    """
    if window is None:
        return scores
    unseen = np.abs(distances(scores.shape[-1])) > window
    return np.where(unseen, -np.inf, scores).astype(scores.dtype)


# ── One layer, and all of them ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LayerTrace:
    """bert.LayerTrace, and what other models have beside it: None where a model hasn't."""

    attention_norm: Array | None  # [S, H], what queries, keys and values are made of
    query: Array  # [A, S, D]
    key: Array  # [A, S, D]
    value: Array  # [A, S, D]
    rotated_query: Array | None  # [A, S, D]
    rotated_key: Array | None  # [A, S, D]
    scores: Array  # [A, S, S], with what is added to them
    attention: Array  # [A, S, S]
    context: Array  # [S, A·D]
    attention_dense: Array  # [S, H]
    attention_output: Array  # [S, H], the sum, and its norm where that comes after
    feed_forward_norm: Array | None  # [S, H], what the feed-forward is given
    intermediate: Array  # [S, F]
    gelu: Array  # [S, F]
    up: Array | None  # [S, F]
    gated: Array | None  # [S, F], gelu · up
    output_dense: Array  # [S, H]
    output: Array  # [S, H]


@dataclass(frozen=True)
class Trace:
    """bert.Trace, likewise."""

    input_ids: Int  # [S]
    token_type_ids: Int  # [S]
    position_ids: Int  # [S]
    embeddings_sum: Array  # [S, H]
    embeddings: Array  # [S, H]
    score_bias: Array | None  # [A, S, S], the same in each layer
    layers: tuple[LayerTrace, ...]  # L of them
    final_norm: Array | None  # [S, H], of the last layer's output

    @property
    def hidden_states(self) -> tuple[Array, ...]:
        """L + 1 times [S, H]: the embeddings, then each layer's output; of the last one its norm,
        where norms come first.
        """
        states = (self.embeddings, *(layer.output for layer in self.layers))
        return states if self.final_norm is None else (*states[:-1], self.final_norm)


def run_layer(
    x: Array,
    layer: Layer,
    config: BertConfig,
    bias: Array | None = None,
    position_ids: Int | None = None,
) -> LayerTrace:
    """bert.run_layer with its switches: [S, H] -> [S, H] and all that lies between. ``config`` is
    as this layer sees it.

    Where norms come first (Xiong 2020, figure 1, right), what is added up is never normed:

        y = x + W context(norm(x))                    instead of  norm(x + W context(x))
        z = y + W₂ gelu(W₁ norm(y))                   instead of  norm(y + W₂ gelu(W₁ y))

    Where the feed-forward is gated, gelu(W₁ y) · (W₃ y) stands in gelu(W₁ y)'s place (Shazeer
    2020, section 2).

    Here two tokens look at both alike, norms come first and the gate is open by 3:

    >>> from gtenp.model_files.checkpoint import Layer, LayerNorm, Linear
    >>> from gtenp.model_files.config import Arithmetic, BertConfig
    >>> zero, same = Linear(np.zeros((2, 2)), np.zeros(2)), Linear(np.eye(2), np.zeros(2))
    >>> by_3 = Linear(np.zeros((2, 2)), np.full(2, 3.0))
    >>> norm = LayerNorm(np.ones(2), np.zeros(2))
    >>> layer = Layer(zero, zero, same, same, norm, same, same, norm, up=by_3)
    >>> config = BertConfig(
    ...     vocab_size=2, hidden_size=2, num_hidden_layers=1, num_attention_heads=1,
    ...     intermediate_size=2, max_position_embeddings=2, type_vocab_size=1,
    ...     layer_norm_eps=0.0, hidden_act="relu",
    ...     arithmetic=Arithmetic(norm_first=True, gated=True),
    ... )
    >>> steps = run_layer(np.array([[1.0, 3.0], [5.0, 3.0]]), layer, config)
    >>> steps.context.tolist()  # the mean of [-1, 1] and [1, -1]
    [[0.0, 0.0], [0.0, 0.0]]
    >>> steps.gated.tolist(), steps.output.tolist()  # [0, 3] and [3, 0] come to [1, 3] and [5, 3]
    ([[0.0, 3.0], [3.0, 0.0]], [[1.0, 6.0], [8.0, 3.0]])
    """
    heads, arithmetic = config.num_attention_heads, config.arithmetic
    first = arithmetic.norm_first
    attention_norm = None
    if first and arithmetic.attention_norm:
        attention_norm = norm(x, layer.attention_norm, config)
    looking = x if attention_norm is None else attention_norm
    query = bert.split_heads(bert.linear(looking, layer.query), heads)
    key = bert.split_heads(bert.linear(looking, layer.key), heads)
    value = bert.split_heads(bert.linear(looking, layer.value), heads)
    seeking, offering, rotated_query, rotated_key = query, key, None, None
    if arithmetic.rotary_base is not None:
        places = np.arange(len(x)) if position_ids is None else position_ids
        angles = (places, arithmetic.rotary_base, arithmetic.rotary_scale)
        seeking = rotated_query = rotate(query, *angles)
        offering = rotated_key = rotate(key, *angles)
    scores = biased_scores(seeking, offering, bias, arithmetic.scaled_scores)
    scores = within_window(scores, arithmetic.window)
    attention = bert.softmax(scores)
    context = bert.merge_heads(attention @ value)
    attention_dense = bert.linear(context, layer.attention_output)
    summed = attention_dense + x
    attention_output = summed if first else norm(summed, layer.attention_norm, config)
    feed_forward_norm = norm(summed, layer.output_norm, config) if first else None
    given = attention_output if feed_forward_norm is None else feed_forward_norm
    intermediate = bert.linear(given, layer.intermediate)
    activation = bert.ACTIVATIONS[config.hidden_act](intermediate)
    up = None if layer.up is None else bert.linear(given, layer.up)
    gated = None if up is None else activation * up
    output_dense = bert.linear(activation if gated is None else gated, layer.output)
    output = output_dense + attention_output
    if not first:
        output = norm(output, layer.output_norm, config)
    return LayerTrace(
        attention_norm, query, key, value, rotated_query, rotated_key, scores, attention, context,
        attention_dense, attention_output, feed_forward_norm, intermediate, activation, up, gated,
        output_dense, output,
    )  # fmt: skip


def forward(
    weights: BertWeights,
    config: BertConfig,
    input_ids: Int,
    token_type_ids: Int | None = None,
    position_ids_: Int | None = None,
) -> Trace:
    """One text through the model: token ids [S] -> every value on the way, in the weights' dtype.

    Segments default to all 0, positions to the family's.
    """
    if token_type_ids is None:
        token_type_ids = np.zeros(len(input_ids), np.int64)
    if position_ids_ is None:
        position_ids_ = position_ids(input_ids, config.arithmetic)
    has_table = config.arithmetic.position_table
    rows = position_ids_ if has_table else np.zeros_like(position_ids_)
    x = embeddings_sum = bert.embed(weights, input_ids, token_type_ids, rows)
    if config.arithmetic.embeddings_norm:
        x = norm(embeddings_sum, weights.embeddings_norm, config)
    embeddings, bias, layers = x, score_bias(weights, config, len(input_ids)), []
    for number, layer in enumerate(weights.layers):
        trace = run_layer(x, layer, config.of_layer(number), bias, position_ids_)
        layers.append(trace)
        x = trace.output
    final = weights.final_norm
    return Trace(
        input_ids,
        token_type_ids,
        position_ids_,
        embeddings_sum,
        embeddings,
        bias,
        tuple(layers),
        None if final is None else norm(x, final, config),
    )


# ── A cross-encoder's head ───────────────────────────────────────────────────────────────────────


def classify(hidden_states: Array, classifier: Classifier, config: BertConfig) -> Array:
    """The scores of a text, or of two read together: [S, H] -> [labels] (Nogueira 2019, section 2).

    The first token's state goes through one more product and its activation, then through the
    scores' own: BERT's pooler (tanh), RoBERTa's head (tanh), DistilBERT's (ReLU). ModernBERT's
    (GELU) has a norm between, and may take the mean of all states.

    >>> from gtenp.model_files.checkpoint import Classifier, Linear
    >>> from gtenp.model_files.config import BertConfig
    >>> same, total = Linear(np.eye(2), np.zeros(2)), Linear(np.ones((1, 2)), np.ones(1))
    >>> states, config = np.array([[2.0, -3.0], [9.0, 9.0]]), BertConfig(1, 2, 1, 1, 2, 2, 1)
    >>> classify(states, Classifier(same, "ReLU", total), config).tolist()
    [3.0]
    """
    pooled = hidden_states[:1]
    if config.classifier_pooling == "mean":
        pooled = hidden_states.mean(axis=0, keepdims=True)
    hidden = CLASSIFIER_ACTIVATIONS[classifier.activation](bert.linear(pooled, classifier.dense))
    if classifier.norm is not None:
        hidden = norm(hidden, classifier.norm, config)
    scores: Array = bert.linear(hidden, classifier.output)[0]
    return scores


CLASSIFIER_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "Tanh": np.tanh,
    "ReLU": bert.relu,
    "GELU": bert.gelu,
}
