"""BERT as its papers write it, one text at a time, in plain NumPy. Read it from top to bottom.

Nothing here is tuned: each function is one idea, works in the float dtype of what it is given, and
every intermediate value is kept. The fast forms, in the engine's kernels.py and encoder.py, are
tested against it. There is no padding, hence no attention mask, and no dropout, which is for
training alone.

The weights are those of model_files/checkpoint.py, where each has its shape beside it. The
tokenizer makes the token ids, engine/pooling.py a sentence's vector of the last states. `gtenp
explain "any text"` shows what each function here makes of a text.

The letters of every shape in gtenp:
    B sequences · T packed tokens · S one sequence's length · A heads · D head size
    H hidden size = A·D · F intermediate size · V vocabulary size · L layers

Sources: Vaswani 2017, "Attention Is All You Need" (arXiv:1706.03762); Devlin 2018, "BERT"
(arXiv:1810.04805); Ba 2016, "Layer Normalization" (arXiv:1607.06450); Hendrycks 2016, "Gaussian
Error Linear Units" (arXiv:1606.08415).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from gtenp.engine.batch import Int
    from gtenp.model_files.checkpoint import BertWeights, Layer, LayerNorm, Linear
    from gtenp.model_files.config import BertConfig

Array = npt.NDArray[Any]  # of any one float dtype


# ── The small functions ──────────────────────────────────────────────────────────────────────────


def linear(x: Array, weights: Linear) -> Array:
    """y = x Wᵀ + b: [S, in] -> [S, out]. W is stored [out, in], as PyTorch stores it.

    >>> from gtenp.model_files.checkpoint import Linear
    >>> double_and_sum = Linear(np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]]), np.zeros(3))
    >>> linear(np.array([[3.0, 4.0]]), double_and_sum).tolist()
    [[6.0, 8.0, 7.0]]
    """
    y: Array = x @ weights.weight.T + weights.bias
    return y


def layer_norm(x: Array, weights: LayerNorm, eps: float) -> Array:
    """y = (x - mean) / sqrt(var + eps) · w + b, over each row: [S, H] -> [S, H] (Ba 2016).

    The variance divides by H, not by H - 1.

    >>> from gtenp.model_files.checkpoint import LayerNorm
    >>> layer_norm(np.array([[1.0, 3.0]]), LayerNorm(np.ones(2), np.zeros(2)), eps=0.0).tolist()
    [[-1.0, 1.0]]
    """
    centred: Array = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    normed: Array = centred / np.sqrt(variance + eps)
    return normed * weights.weight + weights.bias


def gelu(x: Array) -> Array:
    """x · Φ(x) = x/2 · (1 + erf(x / √2)), for each number by itself (Hendrycks 2016).

    BERT's GELU is this one; the tanh form below differs by up to 5e-4. NumPy has no erf, so each
    number goes through the C library's.

    >>> gelu(np.array([-10.0, 0.0, 1.0, 10.0])).round(4).tolist()
    [-0.0, 0.0, 0.8413, 10.0]
    """
    erf = np.vectorize(math.erf, otypes=[x.dtype])
    y: Array = x * 0.5 * (1.0 + erf(x / math.sqrt(2.0)))
    return y


def gelu_tanh(x: Array) -> Array:
    """x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))): GPT-2's stand-in for the GELU (Hendrycks 2016,
    section 2), for models that were trained with it.

    >>> gelu_tanh(np.array([-10.0, 0.0, 1.0, 10.0])).round(4).tolist()
    [-0.0, 0.0, 0.8412, 10.0]
    """
    y: Array = 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))
    return y


def relu(x: Array) -> Array:
    """max(x, 0), for each number by itself.

    >>> relu(np.array([-2.0, 3.0])).tolist()
    [0.0, 3.0]
    """
    y: Array = np.maximum(x, 0)
    return y


def silu(x: Array) -> Array:
    """x · σ(x) = x / (1 + e⁻ˣ), also called swish (Hendrycks 2016, section 2).

    >>> silu(np.array([-1.0, 0.0, 1.0])).round(4).tolist()
    [-0.2689, 0.0, 0.7311]
    """
    y: Array = x / (1.0 + np.exp(-x))
    return y


# config.json's names for them. gelu_new and gelu_pytorch_tanh are one function, written twice.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": relu,
    "silu": silu,
    "swish": silu,
}


def softmax(scores: Array) -> Array:
    """exp(sᵢ) / Σⱼ exp(sⱼ) along the last axis. The maximum is taken away first: the quotient stays
    the same and nothing overflows.

    >>> softmax(np.array([1000.0, 1000.0, 1000.0 + np.log(2.0)])).round(6).tolist()
    [0.25, 0.25, 0.5]
    """
    exponentials: Array = np.exp(scores - scores.max(axis=-1, keepdims=True))
    sums: Array = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / sums


# ── Embeddings ───────────────────────────────────────────────────────────────────────────────────


def embed(weights: BertWeights, input_ids: Int, token_type_ids: Int, position_ids: Int) -> Array:
    """A token's vector is the sum of its word's, its position's and its segment's (Devlin 2018,
    figure 2): three times [S] -> [S, H]. A layer normalisation follows.

    >>> from gtenp.model_files.checkpoint import BertWeights, LayerNorm
    >>> words, positions = np.array([[10, 20], [30, 40]]), np.array([[1, 1], [2, 2]])
    >>> segments, norm = np.array([[0.5, 0.0]]), LayerNorm(np.ones(2), np.zeros(2))
    >>> weights = BertWeights(words, positions, segments, norm, layers=())
    >>> embed(weights, np.array([1, 0]), np.array([0, 0]), np.array([0, 1])).tolist()
    [[31.5, 41.0], [12.5, 22.0]]
    """
    return (
        weights.word_embeddings[input_ids]
        + weights.token_type_embeddings[token_type_ids]
        + weights.position_embeddings[position_ids]
    )


# ── Attention ────────────────────────────────────────────────────────────────────────────────────


def split_heads(x: Array, num_heads: int) -> Array:
    """Cut each token's vector into one piece a head: [S, H] -> [A, S, D].

    >>> split_heads(np.array([[1, 2, 3, 4], [5, 6, 7, 8]]), num_heads=2).tolist()
    [[[1, 2], [5, 6]], [[3, 4], [7, 8]]]
    """
    return x.reshape(len(x), num_heads, -1).transpose(1, 0, 2)


def merge_heads(x: Array) -> Array:
    """Put the heads' pieces side by side again: [A, S, D] -> [S, H].

    >>> merge_heads(np.array([[[1, 2], [5, 6]], [[3, 4], [7, 8]]])).tolist()
    [[1, 2, 3, 4], [5, 6, 7, 8]]
    """
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def attention_scores(query: Array, key: Array) -> Array:
    """q kᵀ / √D: how well each token's query fits each key: 2 × [A, S, D] -> [A, S, S] (Vaswani
    2017, section 3.2.1; its softmax says how much each token looks at each other).

    >>> attention_scores(np.array([[[1.0, 0, 0, 0]]]), np.array([[[6.0, 0, 0, 0]]])).tolist()
    [[[3.0]]]
    """
    scores: Array = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
    return scores


# ── One layer, and all of them ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class LayerTrace:
    """Every value that one layer computes, in the order in which it computes them."""

    query: Array  # [A, S, D]
    key: Array  # [A, S, D]
    value: Array  # [A, S, D]
    scores: Array  # [A, S, S], before the softmax
    attention: Array  # [A, S, S], each row sums to 1
    context: Array  # [S, H], the heads side by side
    attention_dense: Array  # [S, H], before the residual
    attention_output: Array  # [S, H], after the residual and its layer norm
    intermediate: Array  # [S, F], before the activation function, which is the GELU mostly
    gelu: Array  # [S, F], after it
    output_dense: Array  # [S, H], before the residual
    output: Array  # [S, H], the layer's result


@dataclass(frozen=True)
class Trace:
    """Every value of one forward pass."""

    input_ids: Int  # [S]
    token_type_ids: Int  # [S]
    position_ids: Int  # [S]
    embeddings_sum: Array  # [S, H], before the layer norm
    embeddings: Array  # [S, H]
    layers: tuple[LayerTrace, ...]  # L of them

    @property
    def hidden_states(self) -> tuple[Array, ...]:
        """L + 1 times [S, H]: the embeddings, then each layer's output."""
        return (self.embeddings, *(layer.output for layer in self.layers))


def run_layer(x: Array, layer: Layer, config: BertConfig) -> LayerTrace:
    """Attention and feed-forward, each added to its input and normalised: [S, H] -> [S, H] and all
    that lies between (Vaswani 2017, figure 1, left; the norms stand after the sums).

        context = softmax(q kᵀ / √D) v, in each head                         section 3.2
        y = norm(x + W context + b)                                          section 3.1
        z = norm(y + W₂ gelu(W₁ y + b₁) + b₂)                                section 3.3

    That section has a ReLU; BERT has the GELU in its place (Devlin 2018, appendix A.2).

    Here two tokens look at both alike, since all queries and keys are 0, and the other products
    change nothing:

    >>> from gtenp.model_files.checkpoint import Layer, LayerNorm, Linear
    >>> from gtenp.model_files.config import BertConfig
    >>> zero, same = Linear(np.zeros((2, 2)), np.zeros(2)), Linear(np.eye(2), np.zeros(2))
    >>> norm = LayerNorm(np.ones(2), np.zeros(2))
    >>> layer = Layer(zero, zero, same, same, norm, same, same, norm)
    >>> config = BertConfig(
    ...     vocab_size=2, hidden_size=2, num_hidden_layers=1, num_attention_heads=1,
    ...     intermediate_size=2, max_position_embeddings=2, type_vocab_size=1,
    ...     layer_norm_eps=0.0, hidden_act="relu",
    ... )
    >>> steps = run_layer(np.array([[1.0, 3.0], [5.0, 3.0]]), layer, config)
    >>> steps.attention.tolist(), steps.context.tolist()
    ([[[0.5, 0.5], [0.5, 0.5]]], [[3.0, 3.0], [3.0, 3.0]])
    >>> steps.attention_output.tolist()  # the norm of [4, 6] and of [8, 6]
    [[-1.0, 1.0], [1.0, -1.0]]
    >>> steps.gelu.tolist()  # the ReLU in this one
    [[0.0, 1.0], [1.0, 0.0]]
    >>> steps.output.tolist()  # the norm of [-1, 2] and of [2, -1]
    [[-1.0, 1.0], [1.0, -1.0]]
    """
    query = split_heads(linear(x, layer.query), config.num_attention_heads)
    key = split_heads(linear(x, layer.key), config.num_attention_heads)
    value = split_heads(linear(x, layer.value), config.num_attention_heads)
    scores = attention_scores(query, key)
    attention = softmax(scores)
    context = merge_heads(attention @ value)
    attention_dense = linear(context, layer.attention_output)
    attention_output = layer_norm(attention_dense + x, layer.attention_norm, config.layer_norm_eps)
    intermediate = linear(attention_output, layer.intermediate)
    activation = ACTIVATIONS[config.hidden_act](intermediate)
    output_dense = linear(activation, layer.output)
    output = layer_norm(output_dense + attention_output, layer.output_norm, config.layer_norm_eps)
    return LayerTrace(
        query, key, value, scores, attention, context, attention_dense,
        attention_output, intermediate, activation, output_dense, output,
    )  # fmt: skip


def forward(
    weights: BertWeights,
    config: BertConfig,
    input_ids: Int,
    token_type_ids: Int | None = None,
    position_ids: Int | None = None,
) -> Trace:
    """One text through the model: token ids [S] -> every value on the way, in the weights' dtype.

    Segments default to all 0 (a single text), positions to 0 … S-1. For float64 give it
    ``checkpoint.astype(weights, np.float64)``.

    Two layers whose products are all 0 leave each token as the embeddings' norm made it:

    >>> from gtenp.model_files.checkpoint import BertWeights, Layer, LayerNorm, Linear
    >>> from gtenp.model_files.config import BertConfig
    >>> zero, norm = Linear(np.zeros((2, 2)), np.zeros(2)), LayerNorm(np.ones(2), np.zeros(2))
    >>> layer = Layer(zero, zero, zero, zero, norm, zero, zero, norm)
    >>> words, positions, segments = np.array([[1, 3], [9, 5]]), np.zeros((2, 2)), np.zeros((1, 2))
    >>> weights = BertWeights(words, positions, segments, norm, (layer, layer))
    >>> config = BertConfig(
    ...     vocab_size=2, hidden_size=2, num_hidden_layers=2, num_attention_heads=1,
    ...     intermediate_size=2, max_position_embeddings=2, type_vocab_size=1, layer_norm_eps=0.0,
    ... )
    >>> [states.tolist() for states in forward(weights, config, np.array([1, 0])).hidden_states]
    [[[1.0, -1.0], [-1.0, 1.0]], [[1.0, -1.0], [-1.0, 1.0]], [[1.0, -1.0], [-1.0, 1.0]]]
    """
    if token_type_ids is None:
        token_type_ids = np.zeros(len(input_ids), np.int64)
    if position_ids is None:
        position_ids = np.arange(len(input_ids))
    embeddings_sum = embed(weights, input_ids, token_type_ids, position_ids)
    embeddings = layer_norm(embeddings_sum, weights.embeddings_norm, config.layer_norm_eps)
    x, layers = embeddings, []
    for layer in weights.layers:
        trace = run_layer(x, layer, config)
        layers.append(trace)
        x = trace.output
    return Trace(input_ids, token_type_ids, position_ids, embeddings_sum, embeddings, tuple(layers))
