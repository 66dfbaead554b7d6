"""The fast forward pass: the arithmetic of reference.py on a PackedBatch, in float32.

It differs from the reference in order, not in meaning:
- no padding: the matrix products see all texts' tokens as one [T, H] matrix;
- query, key and value are one product, with 1/√D folded into the query's weights;
- weights are stored [in, out], the faster side for NumPy's matrix product;
- attention runs over runs of texts of equal length, a few at a time, so its scores stay in cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gtenp import kernels
from gtenp.checkpoint import Linear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gtenp.batch import Int, PackedBatch
    from gtenp.checkpoint import Array, BertWeights, Layer, LayerNorm
    from gtenp.config import BertConfig
    from gtenp.kernels import Float32

# Attention scores worked on at once: 1 MiB of float32, or one text's where that is more.
_MAX_SCORES = 1 << 18


@dataclass(frozen=True)
class _Dense:
    """x @ weight + bias."""

    weight: Float32  # [in, out]
    bias: Float32  # [out]

    def __call__(self, x: Float32) -> Float32:
        """[T, in] -> [T, out]."""
        y = x @ self.weight
        y += self.bias
        return y


@dataclass(frozen=True)
class _Norm:
    weight: Float32  # [H]
    bias: Float32  # [H]
    eps: float

    def apply_(self, x: Float32) -> None:
        kernels.layer_norm_(x, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _Layer:
    query_key_value: _Dense  # [H, 3·H]
    attention_output: _Dense  # [H, H]
    attention_norm: _Norm
    intermediate: _Dense  # [H, F]
    output: _Dense  # [F, H]
    output_norm: _Norm


class Encoder:
    """BERT's forward pass over packed texts. Immutable once built: threads may share it."""

    def __init__(self, weights: BertWeights, config: BertConfig) -> None:
        self._num_heads = config.num_attention_heads
        self._embeddings = weights
        self._embeddings_norm = _norm(weights.embeddings_norm, config)
        self._activate_ = kernels.ACTIVATIONS[config.hidden_act]
        self._layers = [_layer(layer, config) for layer in weights.layers]

    def forward(self, batch: PackedBatch) -> Float32:
        """The last layer's hidden states of every token: PackedBatch -> [T, H]."""
        for hidden in self.hidden_states(batch):  # noqa: B007
            pass
        return hidden

    def hidden_states(self, batch: PackedBatch) -> Iterator[Float32]:
        """The embeddings, then each layer's output: L + 1 times [T, H]."""
        x = self._embed(batch)
        yield x
        for layer in self._layers:
            x = self._run_layer(x, layer, batch.cu_seqlens)
            yield x

    def _embed(self, batch: PackedBatch) -> Float32:
        weights = self._embeddings
        x = _float32(weights.word_embeddings[batch.input_ids])
        x += weights.token_type_embeddings[batch.token_type_ids]
        x += weights.position_embeddings[batch.position_ids]
        self._embeddings_norm.apply_(x)
        return x

    def _run_layer(self, x: Float32, layer: _Layer, cu_seqlens: Int) -> Float32:
        """[T, H] -> [T, H]; x itself is left as it was."""
        context = self._attend(layer.query_key_value(x), cu_seqlens)
        attended = layer.attention_output(context)
        attended += x
        layer.attention_norm.apply_(attended)
        activation = layer.intermediate(attended)
        self._activate_(activation)
        y = layer.output(activation)
        y += attended
        layer.output_norm.apply_(y)
        return y

    def _attend(self, query_key_value: Float32, cu_seqlens: Int) -> Float32:
        """Attention within each sequence: [T, 3·H] -> [T, H]."""
        total, width = query_key_value.shape
        heads, head_size = self._num_heads, width // 3 // self._num_heads
        context = np.empty((total, width // 3), np.float32)
        for start, count, length in _equal_lengths(cu_seqlens, heads):
            rows = slice(start, start + count * length)
            # [count, S, 3, A, D] -> 3 × [count, A, S, D], all of them views
            query, key, value = (
                query_key_value[rows]
                .reshape(count, length, 3, heads, head_size)
                .transpose(2, 0, 3, 1, 4)
            )
            out = context[rows].reshape(count, length, heads, head_size).transpose(0, 2, 1, 3)
            kernels.attend(query, key, value, out)
        return context


def _equal_lengths(cu_seqlens: Int, heads: int) -> Iterator[tuple[int, int, int]]:
    """Cut the sequences into runs of one length: (first row, number of sequences, length)."""
    starts = cu_seqlens.tolist()
    sequences = len(starts) - 1
    first = 0
    while first < sequences:
        length = starts[first + 1] - starts[first]
        most = max(1, _MAX_SCORES // max(1, heads * length * length))
        end = first + 1
        while end < min(first + most, sequences) and starts[end + 1] - starts[end] == length:
            end += 1
        if length:
            yield starts[first], end - first, length
        first = end


def _layer(layer: Layer, config: BertConfig) -> _Layer:
    scale = 1.0 / np.sqrt(config.head_size)
    query = Linear(layer.query.weight * scale, layer.query.bias * scale)
    return _Layer(
        query_key_value=_dense(query, layer.key, layer.value),
        attention_output=_dense(layer.attention_output),
        attention_norm=_norm(layer.attention_norm, config),
        intermediate=_dense(layer.intermediate),
        output=_dense(layer.output),
        output_norm=_norm(layer.output_norm, config),
    )


def _dense(*linears: Linear) -> _Dense:
    """The product with all of them at once, its weight stored [in, out]."""
    size_in = linears[0].weight.shape[1]
    weight = np.empty((size_in, sum(len(linear.bias) for linear in linears)), np.float32)
    np.concatenate([linear.weight.T for linear in linears], axis=1, out=weight)
    return _Dense(weight, _float32(np.concatenate([linear.bias for linear in linears])))


def _norm(norm: LayerNorm, config: BertConfig) -> _Norm:
    return _Norm(_float32(norm.weight), _float32(norm.bias), config.layer_norm_eps)


def _float32(array: Array) -> Float32:
    return array.astype(np.float32, copy=False)
