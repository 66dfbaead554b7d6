"""A port of BERT's relatives for the tests of verify, with one mistake where one is asked for.

Written token by token in loops, unlike the reference: whoever changes the one can't break both.
"""

from __future__ import annotations

import math

import numpy as np

from gtenp.verify.trace import token_ids


def vectors(embedder, weights, texts, bug="", ids=None):
    """Each text's vector, of its own tokens or of these: texts -> [n, H]."""
    rows = ids or token_ids(embedder, texts)
    rows = [_text(embedder, weights, np.array(row), bug) for row in rows]
    found = np.stack(rows)
    if embedder.sentence_config.normalizes:
        found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def bucket(distance, count, most):
    """One distance's row of the table."""
    half, exact, far = count // 2, count // 4, abs(distance)
    row = far
    if far >= exact:
        row = exact + int(math.log(far / exact) / math.log(most / exact) * (half - exact) + 1e-9)
    return min(row, half - 1) + (half if distance > 0 else 0)


def decoder_bucket(distance, count, most):
    """One row of a decoder's, whose keys all stand before the query."""
    exact, far = count // 2, max(0, -distance)
    if far < exact:
        return far
    row = exact + int(math.log(far / exact) / math.log(most / exact) * (count - exact) + 1e-9)
    return min(row, count - 1)


def _bias(embedder, weights, size, bug):
    """[A, S, S], number by number."""
    config = embedder.config
    kind, heads = config.arithmetic.score_bias, config.num_attention_heads
    bias = np.zeros((heads, size, size))
    slopes = [2.0 ** (-8 * (h + 1) / heads) for h in range(heads)]
    if heads & (heads - 1):
        low = 2 ** (heads.bit_length() - 1)
        slopes = [2.0 ** (-8 * (h + 1) / low) for h in range(low)]
        slopes += [2.0 ** (-4 * (2 * h + 1) / low) for h in range(heads - low)]
    if bug == "slope order":
        slopes = slopes[::-1]
    for i in range(size):
        for j in range(size):
            if kind == "buckets" and bug != "no bias":
                table, most = weights.relative_attention_bias, config.arithmetic.max_distance
                distance = i - j if bug == "bucket sign" else j - i
                of = decoder_bucket if bug == "decoder's buckets" else bucket
                row = of(distance, len(table), most)
                row += {"bucket too high": 1, "bucket too low": -1}.get(bug, 0)
                bias[:, i, j] = table[row % len(table)]
            if kind == "alibi":
                for h in range(heads):
                    bias[h, i, j] = slopes[h] * (i - j if bug == "slope sign" else j - i)
            if config.arithmetic.causal and j > i and bug != "not causal":
                bias[:, i, j] = -np.inf
    return bias


def _kind(config, number, bug):
    """How far a layer's tokens look, and by what base they turn."""
    full, window = config.arithmetic.rotary_base, None
    if not config.local_layers:
        return window, full
    local = config.layer_arithmetics[config.local_layers[0]]
    place = number + 1 if bug == "the last of three" else number
    if place % 3 == 0:
        return window, full
    window = {"no window": None, "wide window": 2 * local.window}.get(bug, local.window)
    if bug == "narrow window":
        window -= 1
    return window, full if bug == "one base" else local.rotary_base


def _turned(x, base, scale, bug):
    """[S, A, D], hand by hand, as complex numbers."""
    size = x.shape[-1]
    y = np.empty_like(x)
    base = {"rotation's base": 10000.0}.get(bug, base)
    for place in range(len(x)):
        for i in range(size // 2):
            a, b = (2 * i, 2 * i + 1) if bug == "rotary pairs" else (i, i + size // 2)
            turn = np.exp(1j * place * base ** (-2 * i / size) / scale)
            hand = (x[place, :, a] + 1j * x[place, :, b]) * turn
            y[place, :, a], y[place, :, b] = hand.real, hand.imag
    return y


def _text(embedder, weights, ids, bug):
    config, size = embedder.config, len(ids)
    arithmetic, eps = config.arithmetic, config.layer_norm_eps

    def norm(x, by):
        if arithmetic.norm == "layer" or bug == "layer norm":
            x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * by.weight + by.bias

    def dense(x, by):
        return np.einsum("si,oi->so", x, by.weight) + by.bias

    def activation(x):
        if config.hidden_act == "relu":
            return np.where(x > 0, x, 0)
        if config.hidden_act == "gelu_new":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        if config.hidden_act == "silu":
            return x / (1 + np.exp(-x))
        return x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.flat]).reshape(x.shape)

    x = weights.word_embeddings[ids].astype(np.float64)
    if arithmetic.position_table:
        place = before = (0 if bug == "position offset" else arithmetic.first_position) - 1
        for i, token in enumerate(ids):
            counts = bug == "pad counted" or token != arithmetic.uncounted_token_id
            place += counts
            x[i] += weights.position_embeddings[place if counts else before]
    x = x + weights.token_type_embeddings[0]
    if arithmetic.embeddings_norm:
        x = norm(x, weights.embeddings_norm)
    bias, heads = _bias(embedder, weights, size, bug), config.num_attention_heads
    first_layer = weights.layers[0]
    bare = config.local_layers and bug != "norm in layer 0"  # ModernBERT's first layer
    for number, layer in enumerate(weights.layers):
        window, base = _kind(config, number, bug)
        has_norm = arithmetic.norm_first and not (bare and layer is first_layer)
        y = norm(x, layer.attention_norm) if has_norm else x
        q, k, v = (
            dense(y, by).reshape(size, heads, -1) for by in (layer.query, layer.key, layer.value)
        )
        if base is not None and bug != "no rotation":
            scale = 1 if "scaling" in bug else arithmetic.rotary_scale
            if bug == "no scaling at all":
                base = base / arithmetic.rotary_scale ** (config.head_size / 2)
            q, k = (_turned(y, base, scale, bug) for y in (q, k))
        scores = np.einsum("iad,jad->aij", q, k)
        if arithmetic.scaled_scores != (bug == "scale"):
            scores /= math.sqrt(q.shape[-1])
        if layer is first_layer or bug != "table of layer 0":
            scores = scores + bias
        for i in range(size if window is not None else 0):
            scores[:, i, : max(0, i - window)] = scores[:, i, i + window + 1 :] = -np.inf
        e = np.exp(scores - scores.max(-1, keepdims=True))
        context = np.einsum("aij,jad->iad", e / e.sum(-1, keepdims=True), v).reshape(size, -1)
        x = x + dense(context, layer.attention_output)
        if not arithmetic.norm_first:
            x = norm(x, layer.attention_norm)
        y = norm(x, layer.output_norm) if arithmetic.norm_first else x
        gate, up = layer.intermediate, layer.up
        if bug == "gate and up":
            gate, up = up, gate
        inner = activation(dense(y, gate))
        if up is not None:
            inner = inner * dense(y, up)
        x = x + dense(inner, layer.output)
        if not arithmetic.norm_first:
            x = norm(x, layer.output_norm)
    if weights.final_norm is not None and bug != "final norm":
        x = norm(x, weights.final_norm)
    if bug == "without ends":
        return x[1:-1].mean(0)
    if embedder.sentence_config.pooling.modes == ("cls",):
        return x[0]
    if embedder.sentence_config.pooling.modes == ("weightedmean",) and bug != "mean":
        places = np.arange(1, size + 1)
        return (x * places[:, None]).sum(0) / places.sum()
    return x.mean(0)
