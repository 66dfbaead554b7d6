"""A port of BERT for the tests of verify, with one mistake where one is asked for."""

import math

import numpy as np

from gtenp.verify.trace import joined, token_ids

PAD = 0


def port(embedder, weights, texts, *, bug="", ids=None):
    """A port of BERT in float32 with one mistake: texts -> its values, named as in a file."""
    ids = [list(i) for i in (ids or token_ids(embedder, texts))]
    longest = max(map(len, ids))
    values = []
    for row in ids:
        real = len(row)
        row = row + [PAD] * (longest - real) if "padding" in bug else row
        values.append(port_one(embedder.config, weights, np.array(row), real, bug))
    return joined(values)


def port_one(config, weights, ids, real, bug):
    """One text, by einsum over [S, A, D]. ``real`` tokens are no padding."""
    eps = 1e-5 if bug == "eps" else config.layer_norm_eps
    divisor = config.hidden_size - (bug == "bessel")

    def norm(x, norm):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).sum(-1, keepdims=True) / divisor + eps) * norm.weight + norm.bias

    def dense(x, linear, name):
        weight = linear.weight
        if bug == f"transposed {name}":
            weight = weight.reshape(weight.shape[::-1]).T
        return np.einsum("si,oi->so", x, weight) + linear.bias * (bug != f"no bias {name}")

    def gelu(x):
        if bug == "tanh":
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        if bug == "sigmoid":
            return x / (1 + np.exp(-1.702 * x))
        return x * np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.flat]).reshape(x.shape)

    first = 1 if bug == "positions" else 0
    x = weights.word_embeddings[ids] + weights.position_embeddings[first : first + len(ids)]
    if bug != "token type":
        x = x + weights.token_type_embeddings[0]
    v = {"input_ids": ids, "embeddings.sum": x}
    x = v["embeddings.output"] = norm(x, weights.embeddings_norm)
    heads = config.num_attention_heads
    for i, layer in enumerate(weights.layers):
        at = f"layer.{i}."
        q, k, u = (dense(x, getattr(layer, name), name) for name in ("query", "key", "value"))
        v |= {at + "query": q, at + "key": k, at + "value": u}
        q, k, u = (y.reshape(len(x), heads, -1) for y in (q, k, u))
        scores = np.einsum("iad,jad->aij", q, k) / (1 if bug == "scale" else math.sqrt(q.shape[-1]))
        v[at + "scores"] = scores
        if "attention" not in bug:
            scores = np.where(np.arange(len(x)) < real, scores, -1e4)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        v[at + "attention"] = e / e.sum(-1, keepdims=True)
        context = np.einsum("aij,jad->iad", v[at + "attention"], u).reshape(x.shape)
        y = dense(context, layer.attention_output, "attention_output")
        v |= {at + "context": context, at + "attention_dense": y}
        x = v[at + "attention_output"] = norm(x + y, layer.attention_norm)
        inner = v[at + "intermediate"] = dense(x, layer.intermediate, "intermediate")
        inner = v[at + "gelu"] = gelu(inner)
        y = v[at + "output_dense"] = dense(inner, layer.output, "output")
        x = v[at + "output"] = norm(x + y, layer.output_norm)
    kept = x if "pool" in bug else x[:real]
    v["pooled"] = kept[0] if bug == "cls" else kept.mean(0)
    if bug == "no specials":
        v["pooled"] = x[1 : real - 1].mean(0)
    if bug == "divides by padded":
        v["pooled"] = x[:real].sum(0) / len(x)
    v["normalized"] = v["pooled"] / np.linalg.norm(v["pooled"])
    return {
        name: np.asarray(array, None if "ids" in name else np.float32) for name, array in v.items()
    }
