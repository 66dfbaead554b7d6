"""The fast forward pass: the arithmetic of reference/bert.py on a PackedBatch, in float32, and what
reference/variations.py changes of it where a model's description asks for that.

It differs from the reference in order, not in meaning. What each difference gains was measured by
taking it away: so much longer took mixed text (docstrings, median 27 tokens) and texts of 512
tokens, with all-MiniLM-L6-v2 and one thread, on a Zen 3 core (AVX2, OpenBLAS's Haswell kernel,
NumPy 2.4). What is for AVX-512 was measured on such a CPU.

                                                                        mixed    512
    no padding: products see all texts' tokens as one [T, H] matrix      23 %    0 %   (in rows)
    texts of one length attend together, in one call                      2 %    2 %   (short: 5 %)
    attention in slabs of queries and heads that stay near the core       1 %   20 %
    e^x or 2^x, whichever NumPy computes in the CPU's vector unit         3 %   13 %
    no maximum taken from the scores; the sums show where it was needed   2 %    5 %
    the softmax's division left to the context, D wide and not S          1 %   10 %
    rows summed as a product with ones                                    3 %    1 %
    GELU without an exponential                                           5 %    5 %
    layer norm with row sums as products                                  1 %    3 %
    weights in one array, which gets huge pages                           2 %      (8 tokens: 7 %)

Query, key and value are one product because that is simpler, and 1/√D is folded into the query's
weights, with log2(e) where the base is 2.

In a local layer, two of three in ModernBERT, queries go in blocks as wide as the window to one
side, and a block sees itself and its two neighbours: so the time grows with the length, not with
its square. A third of these scores is masked.

Where OpenBLAS has kernels for small products, as for AVX-512, weights are stored in blocks of
columns, each so wide that 8 rows of it are small: their product is 2.5 times as fast. The wider
the blocks, the faster are many rows, which are packed anew for each: of 128 and 64 columns in the
place of 32, mixed text took 0.84 of the time, 512 tokens 0.86, 64 short queries 0.80, one 0.97.
There keys are transposed once, which nearly doubles the speed of their product.

A single text is shared between threads by rows, or, where it is short, left to BLAS's own threads:
each share would read all weights. With two threads 8 tokens take 0.75 of the time so, and with
kernels for small products 24 take 0.76 of what shares take, 128 take 0.94. A layer makes
some 60 calls of NumPy, 0.5 to 1.5 µs each: a tenth of the time of 8 tokens, nothing at 512.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gtenp.engine import kernels
from gtenp.engine.parallel import (
    blas_libraries,
    blas_threads,
    default_threads,
    run_each,
    run_together,
)
from gtenp.engine.rotary import Rotary
from gtenp.engine.score_bias import ScoreBias
from gtenp.model_files.checkpoint import Linear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gtenp.engine.batch import Int, PackedBatch
    from gtenp.engine.kernels import Float32
    from gtenp.model_files.checkpoint import Array, BertWeights, Layer, LayerNorm
    from gtenp.model_files.config import BertConfig

# OpenBLAS takes a product of rows × columns × depth up to this to its small kernels, which read
# their operands in place instead of packing them first.
_SMALL_PRODUCT = 1_000_000

# Rows that a layer takes at once; it bounds memory, and gains nothing in time.
_TILE = 512

# Rows below which a thread's share costs more than it saves: the threads' many short calls of NumPy
# wait for each other.
_LEAST_SHARE = 128

# Attention scores worked on at once: 512 KiB of float32, which stay in or near an L2 cache.
_MAX_SCORES = 1 << 17


@functools.cache
def _small_kernels() -> bool:
    """Whether NumPy's BLAS is an OpenBLAS that has kernels for small products, as its AVX-512 ones
    have.
    """
    return any(
        library.get("architecture") in ("SkylakeX", "Cooperlake", "SapphireRapids")
        for library in blas_libraries().info()
    )


def _block_width(columns: int, depth: int) -> int:
    """Columns of a weight that are stored together.

    As many as make a product of 8 rows small, which is 2.5 times as fast so; no fewer, for the
    products of many rows pack their rows anew for each block. Elsewhere a weight is not cut.
    """
    if not _small_kernels():
        return columns
    widths = [width for width in (128, 64) if columns % width == 0]
    small = [width for width in widths if 8 * width * depth <= _SMALL_PRODUCT]
    return max(small or widths or [columns])


@dataclass(frozen=True)
class _Dense:
    """x @ weight + bias, for rows in tiles."""

    blocks: Float32  # [out / W, in, W] where W is the block's width
    bias: Float32  # [out]

    def __call__(self, x: Float32, out: Float32) -> None:
        """[rows, in] -> [rows, out]."""
        count, _, width = self.blocks.shape
        np.matmul(x, self.blocks, out=out.reshape(len(out), count, width).transpose(1, 0, 2))
        out += self.bias

    def columns(self, first: int, last: int) -> _Dense:
        """The product for some of its columns; both are multiples of a block's width."""
        width = self.blocks.shape[-1]
        return _Dense(self.blocks[first // width : last // width], self.bias[first:last])


@dataclass(frozen=True)
class _DenseInPlace:
    """The same with the matrices as they lie in the file, widened piece by piece as they are used.

    Of float16, a text of 8 tokens takes three times as long so, and one of 256 no longer.
    """

    parts: tuple[tuple[Linear, float], ...]  # side by side, each with what its result is scaled by

    def __call__(self, x: Float32, out: Float32) -> None:
        """[rows, in] -> [rows, out]."""
        stop = 0
        for linear, scale in self.parts:
            start, stop = stop, stop + len(linear.weight)
            part = out[:, start:stop]
            if linear.weight.dtype == np.float32:
                np.matmul(x, linear.weight.T, out=part)
            else:
                self._widen_and_multiply(x, linear.weight, part)
            part += linear.bias
            if scale != 1.0:
                part *= np.float32(scale)

    @staticmethod
    def _widen_and_multiply(x: Float32, weight: Array, out: Float32) -> None:
        """x weightᵀ in pieces that BLAS takes at its full speed: as wide as they are deep."""
        size, depth = weight.shape
        for first in range(0, depth, _DEPTH):
            for top in range(0, size, _MOST_WIDENED // _DEPTH):
                piece = weight[top : top + _MOST_WIDENED // _DEPTH, first : first + _DEPTH]
                wide = _workspace.array("widened", *piece.shape)
                np.copyto(wide, piece, casting="same_kind")
                some, to = x[:, first : first + _DEPTH], out[:, top : top + len(piece)]
                if first:
                    to += some @ wide.T
                else:
                    np.matmul(some, wide.T, out=to)

    def columns(self, first: int, last: int) -> _DenseInPlace:
        """The product for some of its parts; both are edges between two of them."""
        ends = np.cumsum([0, *(len(linear.bias) for linear, _ in self.parts)]).tolist()
        return _DenseInPlace(self.parts[ends.index(first) : ends.index(last)])


@dataclass(frozen=True)
class _Norm:
    weight: Float32  # [H]
    bias: Float32  # [H]
    eps: float

    def apply_(self, x: Float32) -> None:
        kernels.layer_norm_(x, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class _RmsNorm:
    weight: Float32  # [H]
    eps: float

    def apply_(self, x: Float32) -> None:
        kernels.rms_norm_(x, self.weight, self.eps)


@dataclass(frozen=True)
class _Places:
    """How the tokens' places enter a layer's attention."""

    rotary: Rotary | None
    score_bias: ScoreBias | None
    window: int | None  # how far a token looks to either side; None: everywhere


@dataclass(frozen=True)
class _Layer:
    places: _Places
    input_norm: _Norm | _RmsNorm | None  # before the attention, where norms come first
    query_key_value: _Dense | _DenseInPlace  # [H, 3·A·D]
    attention_output: _Dense | _DenseInPlace  # [A·D, H]
    attention_norm: _Norm | _RmsNorm  # behind it, where they don't
    intermediate: _Dense | _DenseInPlace  # [H, F]
    up: _Dense | _DenseInPlace | None  # [H, F]
    output: _Dense | _DenseInPlace  # [F, H]
    output_norm: _Norm | _RmsNorm
    final_norm: _Norm | _RmsNorm | None  # of the last layer, where norms come first


# Layers that would be larger in float32, in bytes, stay in the file: a model of a billion numbers
# is laid out anew, one of two billions is not.
_MOST_LAID_OUT = 6 << 30
# Numbers of a matrix that are widened at once, 8 MiB of float32, and how deep such a piece is.
_MOST_WIDENED = 1 << 21
_DEPTH = 1 << 11

# The largest array that a thread keeps, in float32: 16 MiB. encode's batches stay below it up to a
# width of 1,024. There are five arrays, so a thread keeps 80 MiB at most.
_MOST_KEPT = 1 << 22


class _Workspace(threading.local):
    """A thread's arrays: each is made once, grown when need be, and used again by every layer and
    every later pass. They are kept as long as the thread lives, but for those over _MOST_KEPT.
    """

    def array(self, name: str, *shape: int) -> Float32:
        size = math.prod(shape)
        if size > _MOST_KEPT:
            return np.empty(shape, np.float32)
        flat: Float32 | None = self.__dict__.get(name)
        if flat is None or flat.size < size:
            flat = self.__dict__[name] = np.empty(size, np.float32)
        return flat[:size].reshape(shape)


_workspace = _Workspace()


class Encoder:
    """BERT's forward pass over packed texts. Immutable once built: threads may share it."""

    def __init__(self, weights: BertWeights, config: BertConfig) -> None:
        self._config = config
        self._embeddings = replace(weights, layers=())
        self._embeddings_norm = None
        if config.arithmetic.embeddings_norm:
            self._embeddings_norm = _norm(weights.embeddings_norm, config)
        self._activate_ = kernels.ACTIVATIONS[config.hidden_act]
        self._finish_layer_ = self._norms_after_
        if config.arithmetic.norm_first:
            self._finish_layer_ = self._norms_before_
        self._layers = _layers(weights, config)

    def forward(self, batch: PackedBatch, threads: int = 1, wanted: Int | None = None) -> Float32:
        """The last layer's hidden states: PackedBatch -> [T, H].

        ``wanted`` names one row of each sequence [B], where no other's states are read: then the
        last layer is computed for these alone and the result is theirs, [B, H].

        With several threads, each takes a share of the rows; of few rows all are left to BLAS's
        own threads, for each share would read all weights. Where so many threads can't be started,
        this one does it all.
        """
        total = len(batch.input_ids)
        shares = _shares(total, threads)
        # With two buffers, one share may write the next layer's keys while another reads these.
        buffers = [self._buffer(total, _workspace, i) for i in range(min(2, len(shares)))]

        def run(rows: range, wait: Callable[[], object]) -> None:
            for _ in self._layers_over(rows, x, batch, buffers, wait, _workspace, wanted):
                pass

        with blas_threads(threads if len(shares) == 1 else 1):
            x = self._embed(batch)
            if not run_together(run, shares):
                return self.forward(batch, wanted=wanted)
        return x if wanted is None else x[wanted]

    def hidden_states(self, batch: PackedBatch) -> Iterator[Float32]:
        """The embeddings, then each layer's output: L + 1 times [T, H]."""
        x = self._embed(batch)
        yield x.copy()
        own = _Workspace()  # between two states the thread may run another pass
        rows, buffers = range(len(x)), [self._buffer(len(x), own, 0)]
        for _ in self._layers_over(rows, x, batch, buffers, lambda: None, own):
            yield x.copy()

    def _buffer(self, total: int, workspace: _Workspace, number: int) -> Float32:
        """Room for a layer's queries, keys and values: [T, 3·A·D]."""
        return workspace.array(f"query_key_value {number}", total, 3 * self._config.attention_size)

    def _embed(self, batch: PackedBatch) -> Float32:
        weights = self._embeddings
        x = _float32(weights.word_embeddings[batch.input_ids])
        x += weights.token_type_embeddings[batch.token_type_ids]
        if self._config.arithmetic.position_table:
            x += weights.position_embeddings[batch.position_ids]
        if self._embeddings_norm is not None:
            self._embeddings_norm.apply_(x)
        return x

    def _layers_over(
        self,
        rows: range,
        x: Float32,
        batch: PackedBatch,
        buffers: list[Float32],
        wait: Callable[[], object],
        workspace: _Workspace,
        wanted: Int | None = None,
    ) -> Iterator[None]:
        """Run each layer on some rows of x [T, H], in place; yields after each.

        Other threads run the other rows. All must have made a layer's keys and values before any
        attends to them: that is the one place where they wait.
        """
        tiles = [slice(i, min(i + _TILE, rows.stop)) for i in rows[::_TILE]]
        context = workspace.array("context", len(x), self._config.attention_size)
        for i, layer in enumerate(self._layers):
            query_key_value = buffers[i % len(buffers)]
            if wanted is not None and layer is self._layers[-1]:
                self._last_layer_(rows, tiles, x, batch, query_key_value, wait, workspace, wanted)
                return
            for tile in tiles:
                states = self._attention_input(x[tile], layer, workspace)
                layer.query_key_value(states, out=query_key_value[tile])
                if layer.places.rotary is not None:
                    queries_and_keys = self._heads(query_key_value[tile], 2)
                    layer.places.rotary.turn_(queries_and_keys, batch.position_ids[tile])
            wait()
            self._attend(query_key_value, rows, batch.cu_seqlens, layer.places, context)
            for tile in tiles:
                self._finish_layer_(x[tile], context[tile], layer, workspace)
            yield

    def _last_layer_(
        self,
        rows: range,
        tiles: list[slice],
        x: Float32,
        batch: PackedBatch,
        query_key_value: Float32,
        wait: Callable[[], object],
        workspace: _Workspace,
        wanted: Int,
    ) -> None:
        """The last layer for one row of each sequence: all keys and values, but of queries and of
        what follows the attention only that row's. x [T, H] is overwritten in the rows wanted [B].
        """
        layer, width = self._layers[-1], self._config.attention_size
        key_value = layer.query_key_value.columns(width, 3 * width)
        for tile in tiles:
            inputs = self._attention_input(x[tile], layer, workspace)
            key_value(inputs, out=query_key_value[tile, width:])
            if layer.places.rotary is not None:
                keys = self._heads(query_key_value[tile, width:], 1)
                layer.places.rotary.turn_(keys, batch.position_ids[tile])
        wait()
        own = wanted[(wanted >= rows.start) & (wanted < rows.stop)]
        states = x[own]
        query = workspace.array("last query", len(states), width)
        inputs = self._attention_input(states, layer, workspace)
        layer.query_key_value.columns(0, width)(inputs, out=query)
        if layer.places.rotary is not None:
            layer.places.rotary.turn_(self._heads(query, 1), batch.position_ids[own])
        context = workspace.array("last context", len(states), width)
        heads, size = self._config.num_attention_heads, self._config.head_size
        done = 0
        for start, count, length in self._runs(batch.cu_seqlens, rows, len(x)):
            if count == 1 and wanted[np.searchsorted(batch.cu_seqlens, start)] not in rows:
                continue  # another thread's
            some = slice(done, done + count)
            q, out = (array[some].reshape(count, heads, 1, size) for array in (query, context))
            _, key, value = (
                query_key_value[start : start + count * length]
                .reshape(count, length, 3, heads, size)
                .transpose(2, 0, 3, 1, 4)
            )
            bias = None
            if layer.places.score_bias is not None:
                looking = (own[some] - start) % length
                bias = layer.places.score_bias(length)[:, looking].swapaxes(0, 1)[:, :, None]
            kernels.attend(q, key.swapaxes(-1, -2), value, out, bias)
            done += count
        for first in range(0, len(own), _TILE):
            tile = slice(first, first + _TILE)
            self._finish_layer_(states[tile], context[tile], layer, workspace)
        x[own] = states

    def _heads(self, x: Float32, parts: int) -> Float32:
        """The first parts of those side by side, in heads: [rows, …] -> [rows, parts·A, D]."""
        heads, size = parts * self._config.num_attention_heads, self._config.head_size
        return x[:, : heads * size].reshape(len(x), heads, size)

    def _attend(
        self,
        query_key_value: Float32,
        rows: range,
        cu_seqlens: Int,
        places: _Places,
        context: Float32,
    ) -> None:
        """Attention within each sequence, for some rows' queries: [T, 3·A·D] -> [T, A·D]."""
        heads, size = self._config.num_attention_heads, self._config.head_size
        for start, count, length in self._runs(cu_seqlens, rows, len(query_key_value)):
            texts = slice(start, start + count * length)
            # [count, S, 3, A, D] -> 3 × [count, A, S, D], all of them views
            query, key, value = (
                query_key_value[texts]
                .reshape(count, length, 3, heads, size)
                .transpose(2, 0, 3, 1, 4)
            )
            key = key.swapaxes(-1, -2)
            if _small_kernels():
                key = np.ascontiguousarray(key)
            out = context[texts].reshape(count, length, heads, size).transpose(0, 2, 1, 3)
            bias = places.score_bias(length) if places.score_bias is not None else None
            window = places.window
            slab, together = self._slab(length, window)
            first, last = max(rows.start - start, 0), min(rows.stop - start, length)
            for i, h in itertools.product(range(first, last, slab), range(0, heads, together)):
                a, q = slice(h, h + together), slice(i, min(i + slab, last))
                k = slice(None)  # the keys that these queries look at
                if window is not None:
                    k = slice(max(0, i - window), q.stop + window)
                own = bias[a, q, k] if bias is not None else None
                kernels.attend(query[:, a, q], key[:, a, :, k], value[:, a, k], out[:, a, q], own)

    def _slab(self, length: int, window: int | None) -> tuple[int, int]:
        """How many queries, and of how many heads, attend at once in a text of this length.

        Those of a local layer are as many as its window is wide to one side: with what lies in it
        before and behind them they see three times as many keys, each of them two thirds of these.
        """
        heads, size = self._config.num_attention_heads, self._config.head_size
        queries = length if window is None else min(length, max(8, window))
        keys = length if window is None else min(length, queries + 2 * window)
        most = _MAX_SCORES // keys
        if _small_kernels():
            most = min(most, _SMALL_PRODUCT // (keys * size))
        slab = queries if queries <= most else max(8, most // 8 * 8)
        return slab, max(1, min(heads, _MAX_SCORES // (slab * keys)))

    def _runs(self, cu_seqlens: Int, rows: range, total: int) -> Iterator[tuple[int, int, int]]:
        """The sequences that own any of the rows, in runs of one length that attend together:
        (first row, number of sequences, length). Where rows are shared, a run is one sequence.
        """
        starts = cu_seqlens.tolist()
        sequences, heads = len(starts) - 1, self._config.num_attention_heads
        first = 0
        while first < sequences:
            start, length = starts[first], starts[first + 1] - starts[first]
            most = 1
            if len(rows) == total and length:
                most = max(1, _MAX_SCORES // (heads * length * length))
            end = first + 1
            while end < min(first + most, sequences) and starts[end + 1] - starts[end] == length:
                end += 1
            if length and start < rows.stop and starts[end] > rows.start:
                yield start, end - first, length
            first = end

    def _attention_input(self, x: Float32, layer: _Layer, workspace: _Workspace) -> Float32:
        """What queries, keys and values are made of: x itself, or its norm: [rows, H]."""
        if layer.input_norm is None:
            return x
        normed = workspace.array("normed", *x.shape)
        np.copyto(normed, x)
        layer.input_norm.apply_(normed)
        return normed

    def _norms_after_(
        self, x: Float32, context: Float32, layer: _Layer, workspace: _Workspace
    ) -> None:
        """What follows the attention, on a tile: x [rows, H], context [rows, A·D]."""
        attended = workspace.array("attended", *x.shape)
        layer.attention_output(context, out=attended)
        attended += x
        layer.attention_norm.apply_(attended)
        layer.output(self._activation(attended, layer, workspace), out=x)
        x += attended
        layer.output_norm.apply_(x)

    def _norms_before_(
        self, x: Float32, context: Float32, layer: _Layer, workspace: _Workspace
    ) -> None:
        """The same where norms come first: sums are left as they are."""
        attended = workspace.array("attended", *x.shape)
        layer.attention_output(context, out=attended)
        x += attended
        np.copyto(attended, x)
        layer.output_norm.apply_(attended)
        layer.output(self._activation(attended, layer, workspace), out=attended)
        x += attended
        if layer.final_norm is not None:
            layer.final_norm.apply_(x)

    def _activation(self, x: Float32, layer: _Layer, workspace: _Workspace) -> Float32:
        """The feed-forward's features, gated or not: [rows, H] -> [rows, F]."""
        activation = workspace.array("activation", len(x), self._config.intermediate_size)
        layer.intermediate(x, out=activation)
        self._activate_(activation)
        if layer.up is not None:
            up = workspace.array("up", *activation.shape)
            layer.up(x, out=up)
            activation *= up
        return activation


def _shares(total: int, threads: int) -> list[range]:
    """Cut the rows into shares of about the same size, one a thread: at least one share."""
    count = max(1, min(threads, total // _LEAST_SHARE))
    edges = [total * i // count for i in range(count + 1)]
    return [range(a, b) for a, b in itertools.pairwise(edges)]


def _layers(weights: BertWeights, config: BertConfig) -> list[_Layer]:
    """All layers' weights as the fast pass wants them, in one array: NumPy asks for huge pages for
    arrays of 4 MB or more, and a single weight is often too small. Where the array would be too
    large, the weights stay where they are.
    """
    hidden, inner = config.hidden_size, config.intermediate_size
    count, inners = len(weights.layers), 3 if config.arithmetic.gated else 2
    numbers = 4 * hidden * config.attention_size + inners * hidden * inner
    layers: dict[int, _Layer] = {}
    room = None
    if 4 * count * numbers <= _MOST_LAID_OUT:
        room = np.empty((count, numbers), np.float32)

    configs = [config.of_layer(i) for i in range(count)]
    kinds = {one.arithmetic: one for one in configs}
    places = {arithmetic: _places(weights, one) for arithmetic, one in kinds.items()}

    def make(i: int) -> None:
        own = configs[i]
        final_norm = weights.final_norm if i == count - 1 else None
        layers[i] = _layer(
            weights.layers[i],
            own,
            places[own.arithmetic],
            None if room is None else room[i],
            final_norm,
        )

    run_each(make, iter(range(count)), min(default_threads(), count))
    return [layers[i] for i in range(count)]


def _places(weights: BertWeights, config: BertConfig) -> _Places:
    """Those of a layer, whose configuration is given."""
    arithmetic = config.arithmetic
    rotary = None
    if arithmetic.rotary_base is not None:
        rotary = Rotary(arithmetic.rotary_base, config.head_size, arithmetic.rotary_scale)
    score_bias = None
    if arithmetic.score_bias or arithmetic.causal or arithmetic.window is not None:
        score_bias = ScoreBias(weights, config)
    return _Places(rotary, score_bias, arithmetic.window)


def _layer(
    layer: Layer,
    config: BertConfig,
    places: _Places,
    room: Float32 | None,
    final_norm: LayerNorm | None,
) -> _Layer:
    """The layer with its matrices laid out in the room: [numbers in all of them]."""
    scale = kernels.EXPONENT_SCALE
    if config.arithmetic.scaled_scores:
        scale /= math.sqrt(config.head_size)
    products = [
        (layer.query, layer.key, layer.value), (layer.attention_output,), (layer.intermediate,),
        (layer.output,), *([] if layer.up is None else [(layer.up,)]),
    ]  # fmt: skip
    dense: list[_Dense | _DenseInPlace]
    if room is None:
        first, *rest = products
        dense = [_in_place(first, scale), *map(_in_place, rest)]
    else:
        factor = np.float32(scale)
        query = Linear(layer.query.weight * factor, layer.query.bias * factor)
        products[0] = (query, layer.key, layer.value)
        sizes = [sum(linear.weight.size for linear in linears) for linears in products]
        dense = list(map(_dense, products, np.split(room, np.cumsum(sizes)[:-1])))
    query_key_value, attention_output, intermediate, output, *up = dense
    norm_first = config.arithmetic.norm_first and config.arithmetic.attention_norm
    attention_norm = _norm(layer.attention_norm, config)
    return _Layer(
        places=places,
        input_norm=attention_norm if norm_first else None,
        query_key_value=query_key_value,
        attention_output=attention_output,
        attention_norm=attention_norm,
        intermediate=intermediate,
        up=up[0] if up else None,
        output=output,
        output_norm=_norm(layer.output_norm, config),
        final_norm=None if final_norm is None else _norm(final_norm, config),
    )


def _in_place(linears: tuple[Linear, ...], scale: float = 1.0) -> _DenseInPlace:
    """The product with all of them; ``scale`` is the first one's."""
    scales = [scale, *[1.0] * (len(linears) - 1)]
    return _DenseInPlace(tuple(zip(linears, scales, strict=True)))


def _dense(linears: tuple[Linear, ...], room: Float32) -> _Dense:
    """The product with all of them at once."""
    size_in = linears[0].weight.shape[1]
    width = min(_block_width(len(linear.bias), size_in) for linear in linears)
    blocks = room.reshape(-1, size_in, width)
    at = 0
    for linear in linears:
        stored = linear.weight.reshape(-1, width, size_in)  # [out / W, W, in]
        blocks[at : at + len(stored)] = stored.transpose(0, 2, 1)
        at += len(stored)
    return _Dense(blocks, _float32(np.concatenate([linear.bias for linear in linears])))


def _norm(norm: LayerNorm, config: BertConfig) -> _Norm | _RmsNorm:
    if config.arithmetic.norm == "rms":
        return _RmsNorm(_float32(norm.weight), config.layer_norm_eps)
    return _Norm(_float32(norm.weight), _float32(norm.bias), config.layer_norm_eps)


def _float32(array: Array) -> Float32:
    return array.astype(np.float32, copy=False)
