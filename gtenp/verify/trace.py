"""Every intermediate value of the model, under names that stay: what a port is compared with.

The names are those of ``STEPS`` below, in the order in which the model computes them, layer by
layer: ``layer.*.query`` stands for ``layer.0.query``, ``layer.1.query`` and so on. The letters of
the shapes are those of ``reference/bert.py``. In a file that holds several texts each name begins
with its text's number, from 0: ``0.input_ids``, ``1.input_ids``; a single text's names stand bare.
No text is padded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gtenp import reference
from gtenp.cross_encoder import CrossEncoder
from gtenp.engine.pooling import LAYER_NORM_EPS, normalize, pool
from gtenp.errors import InputError, UnsupportedModelError
from gtenp.model_files.checkpoint import (
    BertWeights,
    astype,
    load_dense,
    load_layer_norm,
)
from gtenp.model_files.model import load_weights
from gtenp.model_files.sentence_config import (
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    SentenceConfig,
)
from gtenp.reference import variations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.batch import Int
    from gtenp.model_files.config import BertConfig

Array = npt.NDArray[Any]
Values = dict[str, Array]  # one text's values by name, in the model's order
Head: TypeAlias = "Callable[[Array], Array]"  # a module after the pooling: [n, H] -> [n, H']
Texts: TypeAlias = "Sequence[str | Sequence[str]]"  # texts, or pairs of them
Heads: TypeAlias = "tuple[tuple[str, Head], ...]"  # each with its step's name


class Step(NamedTuple):
    """A value that the model computes on its way."""

    name: str
    axes: str  # their letters, outermost first
    meaning: str


STEPS = (
    Step("input_ids", "S", "the text's tokens, [CLS] and [SEP] included"),
    Step("token_type_ids", "S", "each token's segment; all 0 for a single text"),
    Step("position_ids", "S", "0 to S - 1; RoBERTa's begin behind the padding token's id"),
    Step("embeddings.sum", "SH", "word + segment + position embedding"),
    Step("embeddings.output", "SH", "its layer norm: what layer 0 is given"),
    Step("layer.*.query", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.key", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.value", "ASD", "x Wᵀ + b, cut into heads"),
    Step("layer.*.scores", "ASS", "q kᵀ / √D: the rows look, the columns are looked at"),
    Step("layer.*.attention", "ASS", "the softmax of each row of scores"),
    Step("layer.*.context", "SH", "attention × value, the heads side by side again"),
    Step("layer.*.attention_dense", "SH", "context Wᵀ + b"),
    Step("layer.*.attention_output", "SH", "the layer norm of attention_dense + the layer's input"),
    Step("layer.*.intermediate", "SF", "attention_output Wᵀ + b"),
    Step("layer.*.gelu", "SF", "the GELU of intermediate, by erf"),
    Step("layer.*.output_dense", "SH", "gelu Wᵀ + b"),
    Step("layer.*.output", "SH", "the layer norm of output_dense + attention_output"),
    Step("pooled", "H", "the tokens' vectors as one, by the model's pooling mode"),
    Step("dense", "H", "where modules.json has it: activation(W pooled + b); H may change"),
    Step("layer_norm", "H", "where modules.json has it: the layer norm of the vector so far"),
    Step("normalized", "H", "the vector so far, divided by its Euclidean length"),
)
# What a cross-encoder computes of its ``pooled``: its first token's state, or the mean of all.
CLASSIFIER_STEPS = (
    Step("classifier.dense", "H", "pooled Wᵀ + b"),
    Step("classifier.activation", "H", "its tanh; DistilBERT's ReLU, ModernBERT's GELU"),
    Step("logits", "K", "classifier.activation Wᵀ + b: one for each of the K labels"),
    Step("scores", "K", "the logits, or what the model's files ask for, such as their sigmoid"),
)

# What models of other families compute beside these, each in its place among them.
MORE_STEPS = (
    Step("score_bias", "ASS", "what each layer adds to its scores, by distance; -∞ where unseen"),
    Step("layer.*.rotated_query", "ASD", "the query turned by its place: rotary positions"),
    Step("layer.*.rotated_key", "ASD", "the key, likewise"),
    Step("layer.*.attention_norm", "SH", "the norm of the layer's input, where norms come first"),
    Step("layer.*.feed_forward_norm", "SH", "the norm of attention_output, likewise"),
    Step("layer.*.up", "SF", "where the feed-forward is gated: the product that gelu scales"),
    Step("layer.*.gated", "SF", "gelu · up"),
    Step("final_norm", "SH", "the norm of the last layer's output, where norms come first"),
    Step("classifier.norm", "H", "the norm of classifier.activation; logits are made of it"),
)


def step_of(name: str) -> Step | None:
    """The step that a value's name belongs to; None for a name that isn't one.

    >>> step_of("layer.11.gelu").axes, step_of("layer.x.gelu")
    ('SF', None)
    >>> step_of("dense.1").name  # a model's second dense layer
    'dense'
    """
    generic = re.sub(r"^layer\.[0-9]+\.", "layer.*.", name)
    generic = re.sub(r"^(dense|layer_norm|normalized)\.[1-9][0-9]*$", r"\1", generic)
    known = (*STEPS, *MORE_STEPS, *CLASSIFIER_STEPS)
    return next((step for step in known if step.name == generic and "*" not in name), None)


# ── From texts to values ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Model:
    """What a trace is computed from, with weights in the float dtype of the result."""

    config: BertConfig
    sentence_config: SentenceConfig
    weights: BertWeights
    heads: Heads  # what follows the pooling

    @property
    def scores(self) -> bool:
        """Whether it is a cross-encoder, which gives scores in the place of a vector."""
        return any(name == "scores" for name, _ in self.heads)


def model_of(embedder: Embedder | CrossEncoder, dtype: npt.DTypeLike = np.float64) -> Model:
    """The model of an embedder or of a cross-encoder, with its weights in another float dtype.

    UnsupportedModelError where its pooling leaves prompts out: no step has a name for that.
    """
    if isinstance(embedder, CrossEncoder):
        return _cross_encoder_model(embedder, dtype)
    if not embedder.sentence_config.pooling.include_prompt:
        raise UnsupportedModelError(
            embedder.folder / "modules.json", "leaves prompts out of the pooling; not traced yet"
        )
    weights = astype(load_weights(embedder.transformer_folder, embedder.config), dtype)
    sentence = embedder.sentence_config
    functions = [_reference_head(head, dtype) for head in sentence.heads]
    heads = tuple(zip(head_names(sentence), functions, strict=True))
    return Model(embedder.config, sentence, weights, heads)


def _cross_encoder_model(encoder: CrossEncoder, dtype: npt.DTypeLike) -> Model:
    config, classifier = encoder.config, astype(encoder.classifier, dtype)
    heads: list[tuple[str, Head]] = [
        ("classifier.dense", lambda x: reference.linear(x, classifier.dense)),
        ("classifier.activation", variations.CLASSIFIER_ACTIVATIONS[classifier.activation]),
        ("logits", lambda x: reference.linear(x, classifier.output)),
        ("scores", HEAD_ACTIVATIONS[encoder.activation]),
    ]
    if classifier.norm is not None:
        norm = partial(variations.norm, weights=classifier.norm, config=config)
        heads.insert(2, ("classifier.norm", norm))
    weights = astype(load_weights(encoder.transformer_folder, config), dtype)
    return Model(config, SentenceConfig(encoder.pooling), weights, tuple(heads))


def final_name(embedder: Embedder | CrossEncoder) -> str:
    """The step that a text or a pair comes to: its vector, its scores."""
    if isinstance(embedder, CrossEncoder):
        return "scores"
    return ["pooled", *head_names(embedder.sentence_config)][-1]


def head_names(sentence_config: SentenceConfig) -> list[str]:
    """The name of each value behind the pooling; of a kind's second one with .1 behind it.

    >>> head_names(SentenceConfig(heads=(Normalize(), Normalize())))
    ['normalized', 'normalized.1']
    """
    kinds = {Dense: "dense", LayerNorm: "layer_norm", Normalize: "normalized"}
    names = [kinds[type(head)] for head in sentence_config.heads]
    counts = [names[:place].count(name) for place, name in enumerate(names)]
    return [f"{name}.{n}" if n else name for name, n in zip(names, counts, strict=True)]


def _reference_head(module: Dense | LayerNorm | Normalize, dtype: npt.DTypeLike) -> Head:
    """What a module after the pooling does, in another float dtype."""
    if isinstance(module, Dense):
        linear = astype(load_dense(module), dtype)
        activate = HEAD_ACTIVATIONS[module.activation]
        return lambda x: activate(reference.linear(x, linear))
    if isinstance(module, LayerNorm):
        norm = astype(load_layer_norm(module), dtype)
        return lambda x: reference.layer_norm(x, norm, LAYER_NORM_EPS)
    return normalize


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), for each number by itself."""
    y: Array = 1.0 / (1.0 + np.exp(-x))
    return y


# By the names of torch.nn's classes, as engine/pooling.py has them.
HEAD_ACTIVATIONS: dict[str, Head] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": reference.relu,
    "GELU": reference.gelu,
    "SiLU": reference.silu,
    "Sigmoid": sigmoid,
}


def token_ids(embedder: Embedder, texts: Sequence[str], truncate: str = "silent") -> list[Int]:
    """Each text's tokens as ``encode`` makes them, default prompt and cut: n texts -> n × [S].

    InputError for a text of no token, which goes through no layer.
    """
    rows = embedder.token_ids(list(texts), truncate)
    if not all(rows):
        raise InputError(
            f"texts[{rows.index([])}]: has no token, for this model puts none around a text; leave "
            "it out"
        )
    return [np.array(ids, np.int64) for ids in rows]


def tokens(
    embedder: Embedder | CrossEncoder, texts: Texts, truncate: str = "silent"
) -> tuple[list[Int], list[Int]]:
    """Each text's tokens and their types, n × [S] each; of a cross-encoder, each pair's."""
    if isinstance(embedder, CrossEncoder):
        rows = embedder.pair_tokens(pairs_of(texts))
        ids, types = ([np.array(row[place], np.int64) for row in rows] for place in (0, 1))
        return ids, types
    # What is no text is named there.
    ids = token_ids(embedder, texts, truncate)  # type: ignore[arg-type]
    return ids, [np.zeros_like(row) for row in ids]


def pairs_of(texts: Texts) -> list[tuple[str, str]]:
    """The pairs that texts for a cross-encoder are: pairs as they are, or a query and each of the
    documents behind it.

    >>> pairs_of(["query", "one", "two"]), pairs_of([("a", "b")])
    ([('query', 'one'), ('query', 'two')], [('a', 'b')])

    InputError where there is no document.
    """
    singles = [text for text in texts if isinstance(text, str)]
    if len(singles) == len(texts):
        if len(texts) < 2:
            raise InputError(
                "a cross-encoder reads two texts together; wanted a query, then documents"
            )
        return [(singles[0], document) for document in singles[1:]]
    if singles or any(len(pair) != 2 for pair in texts):
        raise InputError("wanted a query and documents, or pairs of texts alone")
    return [(pair[0], pair[1]) for pair in texts]


def trace(model: Model, input_ids: Int, token_type_ids: Int | None = None) -> Values:
    """The tokens of a text, or of a pair, through the reference: [S] -> every value, in the
    weights' dtype.
    """
    steps = variations.forward(model.weights, model.config, input_ids, token_type_ids)
    return named(steps, model)


def last_states(config: BertConfig) -> str:
    """The name of the step that the pooling is given: the tokens' last states."""
    if config.arithmetic.norm_first:
        return "final_norm"
    return f"layer.{config.num_hidden_layers - 1}.output"


def named(steps: variations.Trace, model: Model) -> Values:
    """The values of one forward pass under their names, and what pooling makes of them."""
    values = {
        "input_ids": steps.input_ids,
        "token_type_ids": steps.token_type_ids,
        "position_ids": steps.position_ids,
        "embeddings.sum": steps.embeddings_sum,
        "embeddings.output": steps.embeddings,
    }
    if steps.score_bias is not None:
        values["score_bias"] = steps.score_bias
    for number, layer in enumerate(steps.layers):
        found = {f.name: getattr(layer, f.name) for f in fields(layer)}
        values |= {f"layer.{number}.{name}": a for name, a in found.items() if a is not None}
    if steps.final_norm is not None:
        values["final_norm"] = steps.final_norm
    last, pooling = steps.hidden_states[-1], model.sentence_config.pooling
    return values | sentence_values(last, pooling, model.heads)


def sentence_values(hidden_states: Array, pooling: Pooling, heads: Heads) -> Values:
    """The steps from the last layer on: [S, H] -> pooled [H], and what follows it."""
    pooled = pool(hidden_states, np.array([0, len(hidden_states)]), pooling)
    return pooled_values(pooled[0], heads)


def pooled_values(pooled: Array, heads: Heads) -> Values:
    """The steps from the pooled vector on: [H] -> what each head makes of it; of a vector,
    normalized last or at least given.
    """
    values, vector = {"pooled": pooled}, pooled[None]
    for name, head in heads:
        vector = head(vector)
        values[name] = vector[0]
    if "scores" in values:
        return values
    return {**values, "normalized": values.get("normalized", normalize(vector)[0])}


# ── Several texts in one file ────────────────────────────────────────────────────────────────────


def joined(texts: Sequence[Values]) -> Values:
    """The values of all texts in one dict, under the names that they have in a file.

    >>> one, two = {"pooled": np.zeros(2)}, {"pooled": np.ones(2)}
    >>> list(joined([one])), list(joined([one, two]))
    (['pooled'], ['0.pooled', '1.pooled'])
    """
    if len(texts) == 1:
        return dict(texts[0])
    return {f"{n}.{name}": a for n, values in enumerate(texts) for name, a in values.items()}


def split(values: Values, count: int) -> list[Values]:
    """The way back: the values of each of ``count`` texts.

    A bare name among several texts is one array of all of them, a batch: its first axis counts
    the texts. InputError where it doesn't, or where a number is none of a text.

    >>> split({"pooled": np.eye(2), "1.input_ids": np.array([101, 102])}, 2)[1]
    {'pooled': array([0., 1.]), 'input_ids': array([101, 102])}
    """
    texts: list[Values] = [{} for _ in range(count)]
    for full_name, array in values.items():
        number, dot, name = full_name.partition(".")
        if dot and number.isdecimal():
            if int(number) >= count:
                raise InputError(f"{full_name}: there are {count} texts, numbered from 0")
            texts[int(number)][name] = array
        elif count == 1:
            texts[0][full_name] = array
        elif array.ndim and len(array) == count:
            for text, part in zip(texts, array, strict=True):
                text[full_name] = part
        else:
            raise InputError(
                f"{full_name}: shape {array.shape} for {count} texts; wanted the texts along the "
                "first axis, or a name for each text: "
                f"0.{full_name} to {count - 1}.{full_name}"
            )
    return texts


def count_texts(values: Values) -> int:
    """How many texts a file's names speak of.

    >>> count_texts({"0.pooled": np.zeros(2), "1.pooled": np.zeros(2)})
    2
    """
    numbers = [int(m.group()) for name in values if (m := re.match(r"[0-9]+(?=\.)", name))]
    return max(numbers, default=0) + 1


def axes_table(steps: Iterable[Step] = STEPS) -> str:
    """The names, shapes and meanings as a Markdown table."""
    rows = [f"| `{s.name}` | [{', '.join(s.axes)}] | {s.meaning} |" for s in steps]
    return "\n".join(["| name | shape | meaning |", "|---|---|---|", *rows])
