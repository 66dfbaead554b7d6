"""From the vectors alone: each cause is planted by other means than verify's own, and exactly its
words come out.
"""

import json
import shutil
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from bert_port import port
from models.build import built
from places import DATA
from random_model import write_sentence_files
from safetensors.numpy import load_file, save_file

from gtenp import Embedder, quantize_embeddings
from gtenp.model_files.checkpoint import map_arrays
from gtenp.tokenizer import Tokenizer
from gtenp.verify.case import Case
from gtenp.verify.forms import ROUNDINGS
from gtenp.verify.model_mistakes import padding_mistakes
from gtenp.verify.trace import model_of
from gtenp.verify.vector_mistakes import order_words
from gtenp.verify.verify import verify

SHORT = ["Hello, new world!", "what is the capital of China?", "sorting"]
TEXTS = [*SHORT, "crème brûlée, naïve café 中国", "a quick sort in Python is how to do it. " * 10]
LENGTH = 48
PRODUCTS = ("query", "key", "value", "attention_output", "intermediate", "output")


@pytest.fixture(scope="module", params=["plain", "normalising"])
def embedder(request, tmp_path_factory):
    """tiny as it is, and with what sentence-transformers adds: a length, prompts, normalisation."""
    if request.param == "plain":
        embedder = Embedder(DATA / "tiny")
        embedder.max_seq_length = LENGTH
        return embedder
    folder = tmp_path_factory.mktemp("models") / "tiny"
    shutil.copytree(DATA / "tiny", folder)
    write_sentence_files(folder, max_seq_length=LENGTH, dimension=32)
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"query": "search: ", "document": "text: "}})
    )
    return Embedder(folder)


@pytest.fixture(scope="module")
def weights(embedder):
    return model_of(embedder, np.float32).weights


def ids_of(embedder, texts, tokenizer=None, **options):
    """As transformers cuts them."""
    options = {"truncation": True, "max_length": embedder.max_seq_length, **options}
    rows = (tokenizer or embedder.tokenizer)(list(texts), **options)["input_ids"]
    return [np.array(ids) for ids in rows]


def other_tokenizer(embedder, **settings):
    return Tokenizer(replace(embedder.tokenizer.spec, **settings))


def values_of(embedder, weights, name, *, texts=TEXTS, ids=None, bug=""):
    """One step of each text: n × [S, H] or n × [H]."""
    ids = ids_of(embedder, texts) if ids is None else ids
    values = port(embedder, weights, texts, ids=ids, bug=bug)
    return [values[f"{text}.{name}"] for text in range(len(texts))]


def finished(embedder, vectors):
    """What the model does at the end."""
    vectors = np.stack(vectors)
    return unit(vectors) if embedder.sentence_config.normalizes else vectors


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vectors_of(embedder, weights, **planted):
    return finished(embedder, values_of(embedder, weights, "pooled", **planted))


def cause(embedder, vectors, texts=TEXTS):
    """What is said, as one sentence."""
    diagnosis = verify(embedder, {"embedding": vectors}, texts).diagnosis
    if diagnosis is None:
        return None
    assert diagnosis.next is None or not diagnosis.certain
    return diagnosis.what


def test_without_a_mistake_nothing_is_said(embedder, weights):
    assert cause(embedder, vectors_of(embedder, weights)) is None
    assert cause(embedder, embedder.encode(TEXTS, truncate="silent")) is None


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (
            [1, 0, 2, 3, 4],
            "the rows are in another order: row 0 is text 1's, row 1 is text 0's",
        ),
        (
            [4, 3, 1, 0, 2],
            "the rows are in another order, sorted by length: row 0 is text 4's, row 1 is text "
            "3's, row 2 is text 1's, row 3 is text 0's, row 4 is text 2's",
        ),
        (
            [0, 0, 2, 3, 3],
            "rows hold other texts' vectors: row 1 is text 0's, row 4 is text 3's",
        ),
    ],
)
def test_rows_of_other_texts(embedder, weights, order, words):
    assert cause(embedder, vectors_of(embedder, weights)[order]) == words


def test_equal_texts_are_in_no_order(embedder, weights):
    texts = [*SHORT, SHORT[0]]
    vectors = vectors_of(embedder, weights, texts=texts)
    assert cause(embedder, vectors[[3, 2, 1, 0]], texts) == (
        "the rows are in another order: row 1 is text 2's, row 2 is text 1's"
    )


def test_rows_in_another_order_are_named_where_tokens_are_given_too(embedder, weights):
    right = port(embedder, weights, SHORT, ids=ids_of(embedder, SHORT))
    moved = {
        f"{row}.{name.partition('.')[2]}": array
        for row, text in enumerate([2, 0, 1])
        for name, array in right.items()
        if name.startswith(f"{text}.")
    }
    verdict = verify(embedder, moved, SHORT)
    assert verdict.first.name == "input_ids"
    assert verdict.diagnosis.what.startswith("the rows are in another order")
    assert verdict.diagnosis.next is None


def test_rows_in_another_order_behind_right_tokens(embedder, weights):
    values = {f"{n}.input_ids": ids for n, ids in enumerate(ids_of(embedder, SHORT))}
    vectors = vectors_of(embedder, weights, texts=SHORT)
    values |= {f"{n}.embedding": vectors[(n + 1) % 3] for n in range(3)}
    diagnosis = verify(embedder, values, SHORT).diagnosis
    assert diagnosis.what.startswith("the rows are in another order")
    assert diagnosis.next is None


def test_two_lengths_make_no_order_by_length():
    assert order_words([1, 0], [5, 6]) == order_words([1, 0], [6, 5])
    assert "sorted" not in order_words([1, 0, 2], [5, 6, 5])


def test_of_many_rows_the_first_are_named():
    words = order_words([*range(1, 12), 0], [3] * 12)
    assert words.endswith("row 7 is text 8's and 4 more")


# ── the vectors' form ────────────────────────────────────────────────────────────────────────────


def wrong_normalisation(embedder):
    if embedder.sentence_config.normalizes:
        return "the vectors are not normalised; the model's files ask for it"
    return "the vectors are normalised already; the model's files don't ask for it"


def wrongly_finished(embedder, vectors):
    vectors = np.stack(vectors)
    return vectors if embedder.sentence_config.normalizes else unit(vectors)


def test_normalised_or_not(embedder, weights):
    pooled = values_of(embedder, weights, "pooled")
    assert cause(embedder, wrongly_finished(embedder, pooled)) == wrong_normalisation(embedder)


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        ("cls", "pooling is cls; the model's files ask for mean"),
        ("eps", "LayerNorm's eps is 1e-05"),
    ],
)
def test_a_mistake_shows_behind_vectors_that_are_normalised_or_not(embedder, weights, bug, words):
    pooled = values_of(embedder, weights, "pooled", bug=bug)
    found = cause(embedder, wrongly_finished(embedder, pooled))
    assert found.startswith(words)
    assert found.endswith(f"; besides, {wrong_normalisation(embedder)}")


CUT = "the vectors are cut to the first 20 of 32 dimensions"


def test_vectors_cut_to_fewer_dimensions(embedder, weights):
    vectors = vectors_of(embedder, weights)
    again = " again" if embedder.sentence_config.normalizes else ""
    assert cause(embedder, vectors[:, :20]) == CUT
    assert cause(embedder, unit(vectors[:, :20])) == f"{CUT} and normalised{again}"
    cls = vectors_of(embedder, weights, bug="cls")[:, :20]
    words = "pooling is cls; the model's files ask for mean"
    assert cause(embedder, cls) == f"{words}; besides, {CUT}"
    assert cause(embedder, unit(cls)) == f"{words}; besides, {CUT} and normalised{again}"
    if embedder.sentence_config.normalizes:
        pooled = np.stack(values_of(embedder, weights, "pooled"))
        assert cause(embedder, pooled[:, :20]) == f"{CUT}, and not normalised"


def test_a_cut_that_the_models_files_ask_for_is_none(embedder, weights):
    embedder.truncate_dim = 20
    try:
        vectors = vectors_of(embedder, weights)
        assert verify(embedder, {"embedding": vectors[:, :20]}, TEXTS).first is None
        assert verify(embedder, {"embedding": vectors}, TEXTS).first is None
        cls = vectors_of(embedder, weights, bug="cls")[:, :20]
        assert cause(embedder, cls) == "pooling is cls; the model's files ask for mean"
    finally:
        embedder.truncate_dim = None


def test_vectors_of_too_many_numbers_are_of_no_known_cause(embedder):
    assert cause(embedder, np.ones((5, 40))) is None


@pytest.mark.parametrize("decimals", [2, 3, 4])
def test_numbers_rounded_to_decimals(embedder, weights, decimals):
    vectors = vectors_of(embedder, weights).astype(np.float64)
    assert cause(embedder, vectors.round(decimals)) == (
        f"the numbers are rounded to {decimals} decimals"
    )


def test_numbers_rounded_to_half_precision(embedder, weights):
    vectors = vectors_of(embedder, weights)
    for rounded, name in ((float16(vectors), "float16"), (bfloat16(vectors), "bfloat16")):
        assert cause(embedder, rounded) == f"the numbers are rounded to {name}"
    cls = float16(vectors_of(embedder, weights, bug="cls"))
    assert cause(embedder, cls) == (
        "pooling is cls; the model's files ask for mean; besides, the numbers are rounded to "
        "float16"
    )


def test_numbers_cut_off_at_bfloat16s_digits(embedder, weights):
    vectors = vectors_of(embedder, weights)
    assert cause(embedder, cut(vectors)) == "the numbers are cut off at bfloat16's digits"


def cut(x):
    return (x.view(np.uint32) >> 16 << 16).view(np.float32)


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.037])
@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:1]], ids=["texts", "one text"])
def test_vectors_times_a_number(embedder, weights, factor, texts):
    vectors = factor * vectors_of(embedder, weights)[: len(texts)]
    assert cause(embedder, vectors, texts) == f"the vectors are {factor:g} times the model's"


@pytest.mark.parametrize("size", [32, 20])
def test_vectors_times_a_number_in_whole_numbers(embedder, weights, size):
    vectors = vectors_of(embedder, weights)
    times = int(127 / abs(vectors).max())
    vectors = np.rint(times * vectors)[:, :size].astype(np.int8)
    assert cause(embedder, vectors) == (
        f"the vectors are {times} times the model's, rounded to whole numbers"
    )


@pytest.mark.filterwarnings("ignore::gtenp.errors.QuantizationWarning")
@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_vectors_quantised_by_sentence_transformers_rules(embedder, weights, precision):
    vectors = quantize_embeddings(vectors_of(embedder, weights), precision)
    by = "" if "binary" in precision else ", by these texts' own ranges"
    assert cause(embedder, vectors) == f"the vectors are quantised to {precision}{by}"


def test_whole_numbers_that_are_not_the_models_vectors(embedder):
    assert cause(embedder, np.eye(5, 32)).startswith("another model, or other weights")


def test_a_vector_that_is_not_finite(embedder, weights):
    for value in (np.nan, np.inf):
        vectors = vectors_of(embedder, weights)
        vectors[1, 3:5] = value
        assert cause(embedder, vectors) == (
            "an overflow or a division by 0: of text 1's 32 numbers 2 are NaN or infinite"
        )


def test_a_vector_of_zeros(embedder, weights):
    vectors = vectors_of(embedder, weights)
    vectors[2] = 0
    assert cause(embedder, vectors) == (
        "values that were never computed: all of text 2's numbers are 0"
    )


def test_numbers_too_small_for_float16s_digits_are_rounded_too(embedder, weights):
    vectors = vectors_of(embedder, weights)
    small = float16(vectors * np.float32(1e-6))
    assert not any(rounding.holds(small) for rounding in ROUNDINGS if "decimals" in rounding.what)
    [rounding] = [rounding for rounding in ROUNDINGS if rounding.what.endswith(" float16")]
    nearest = rounding.nearest({"pooled": vectors.astype(np.float64) * 1e-6}, {"pooled": small})
    np.testing.assert_array_equal(nearest["pooled"], small)


# ── pooling ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pool", "words"),
    [
        (lambda x: x[0], "pooling is cls; the model's files ask for mean"),
        (lambda x: x.max(axis=0), "pooling is max; the model's files ask for mean"),
        (lambda x: x[-1], "pooling is lasttoken; the model's files ask for mean"),
        (lambda x: x[1:-1].mean(axis=0), "pooling leaves [CLS] and [SEP] out"),
        (lambda x: x[1:].mean(axis=0), "pooling leaves [CLS] out"),
        (lambda x: x[:-1].mean(axis=0), "pooling leaves [SEP] out"),
    ],
)
def test_pooling(embedder, weights, pool, words):
    states = values_of(embedder, weights, "layer.1.output")
    assert cause(embedder, finished(embedder, [pool(x) for x in states])) == words


def test_a_sum_that_is_not_divided(weights, embedder):
    if embedder.sentence_config.normalizes:
        pytest.skip("the length is gone")
    states = values_of(embedder, weights, "layer.1.output")
    assert cause(embedder, np.stack([x.sum(axis=0) for x in states])) == (
        "pooling adds the tokens up and doesn't divide by their number"
    )
    assert cause(embedder, np.stack([x.sum(axis=0) / 256 for x in states])) == (
        "pooling divides by the padded length 256, not by the text's"
    )


@pytest.mark.parametrize("name", ["layer.0.output", "embeddings.output"])
def test_another_layer(embedder, weights, name):
    pooled = [x.mean(axis=0) for x in values_of(embedder, weights, name)]
    assert cause(embedder, finished(embedder, pooled)) == (
        f"the vector is made of {name}, not of the last layer's, layer.1.output"
    )


def test_berts_own_pooler(tmp_path):
    shutil.copytree(DATA / "tiny", tmp_path / "tiny")
    tensors = load_file(tmp_path / "tiny/model.safetensors")
    random = np.random.RandomState(3)
    weight, bias = random.standard_normal((32, 32)) * 0.2, random.standard_normal(32) * 0.1
    tensors |= {
        "pooler.dense.weight": weight.astype(np.float32),
        "pooler.dense.bias": bias.astype(np.float32),
    }
    save_file(tensors, tmp_path / "tiny/model.safetensors")
    embedder = Embedder(tmp_path / "tiny")
    weights = model_of(embedder, np.float32).weights
    first = np.stack([x[0] for x in values_of(embedder, weights, "layer.1.output")])
    assert cause(embedder, np.tanh(first @ weight.T + bias)) == (
        "the vector is BERT's pooler_output, tanh(W h + b) of [CLS]; the model's files ask for mean"
    )


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lowercase": False}, "upper case is kept"),
        ({"lowercase": False, "strip_accents": True}, "upper case is kept"),
        ({"strip_accents": False}, "accents are kept"),
        ({"handle_chinese_chars": False}, "each Chinese character is not a word of its own"),
    ],
)
def test_tokenizer(embedder, weights, settings, words):
    ids = ids_of(embedder, TEXTS, other_tokenizer(embedder, **settings))
    assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == f"tokens off: {words}"


def test_upper_case_not_kept(tmp_path):
    shutil.copytree(DATA / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny/tokenizer_config.json").write_text('{"do_lower_case": false}')
    embedder = Embedder(tmp_path / "tiny")
    ids = ids_of(embedder, [text.lower() for text in SHORT])
    vectors = vectors_of(embedder, model_of(embedder, np.float32).weights, texts=SHORT, ids=ids)
    assert cause(embedder, vectors, SHORT) == "tokens off: upper case is not kept"


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (
            lambda text: text.encode().decode("latin-1"),
            "the text's UTF-8 bytes were read as Latin-1",
        ),
        (
            lambda text: text.encode("ascii", "ignore").decode(),
            "characters beyond ASCII are dropped",
        ),
        (
            lambda text: "".join(c if ord(c) < 128 else "?" for c in text),
            "characters beyond ASCII became '?'",
        ),
    ],
)
def test_how_a_text_was_read(embedder, weights, read, words):
    ids = ids_of(embedder, map(read, TEXTS))
    assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == f"tokens off: {words}"


def test_a_text_read_as_windows_1252(embedder, weights):
    texts = ["naïve “5” – 3", *SHORT]
    ids = ids_of(embedder, ["naÃ¯ve â€œ5â€\x9d â€“ 3", *SHORT])
    vectors = vectors_of(embedder, weights, texts=texts, ids=ids)
    assert cause(embedder, vectors, texts) == (
        "tokens off: the text's UTF-8 bytes were read as Windows-1252"
    )


ASKED = f"; the model's files ask for {LENGTH}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 64}, f"texts are cut to 64 tokens{ASKED}; their start is kept"),
        ({"max_length": 32}, f"texts are cut to 32 tokens{ASKED}; their start is kept"),
        ({"truncation_side": "left"}, f"texts are cut to {LENGTH} tokens; their end is kept"),
        (
            {"truncation_side": "left", "max_length": 32},
            f"texts are cut to 32 tokens{ASKED}; their end is kept",
        ),
    ],
)
def test_where_texts_are_cut(embedder, weights, options, words):
    ids = ids_of(embedder, TEXTS, **options)
    assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == words


def test_texts_cut_without_sep(embedder, weights):
    ids = [ids[:LENGTH] for ids in ids_of(embedder, TEXTS, max_length=64)]
    assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == (
        f"texts are cut to {LENGTH} tokens; their start is kept, without [SEP]"
    )


def test_a_model_that_keeps_the_end_of_a_text(weights, embedder):
    other = copy(embedder)
    other.tokenizer = other_tokenizer(embedder, truncation_side="left")
    cased = other_tokenizer(embedder, truncation_side="left", lowercase=False)
    ids = ids_of(other, TEXTS, cased)
    assert cause(other, vectors_of(other, weights, ids=ids)) == "tokens off: upper case is kept"
    ids = ids_of(embedder, TEXTS)
    assert cause(other, vectors_of(other, weights, ids=ids)) == (
        f"texts are cut to {LENGTH} tokens; their start is kept"
    )


def test_more_tokens_than_the_model_has_places_for_are_located(embedder, weights):
    values = {
        "input_ids": np.arange(4, 84),
        "embedding": vectors_of(embedder, weights)[-1],
    }
    verdict = verify(embedder, values, TEXTS[-1:])
    assert verdict.first.name == "input_ids"
    assert verdict.first.problem.startswith("text 0: shape (80,), wanted [S] = (48,)")
    assert verdict.diagnosis is None


@pytest.mark.parametrize("prompt", ["query: ", "search_document: "])
def test_a_prompt_of_other_models(embedder, weights, prompt):
    ids = ids_of(embedder, [prompt + text for text in TEXTS])
    assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == (
        f"tokens off: {prompt!r}, which is none of the model's prompts, stands before each text"
    )


def test_prompts(embedder, weights):
    if not embedder.prompts:
        pytest.skip("it has none")
    for name, prompt in (("query", "search: "), ("document", "text: ")):
        ids = ids_of(embedder, [prompt + text for text in TEXTS])
        assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == (
            f"tokens off: the model's prompt for '{name}', '{prompt}', stands before each text; "
            "none should"
        )
    embedder.default_prompt_name = "query"
    try:
        assert cause(embedder, vectors_of(embedder, weights)) == (
            "tokens off: the model's default prompt 'search: ' is missing before each text"
        )
        ids = ids_of(embedder, [f"text: {text}" for text in TEXTS])
        assert cause(embedder, vectors_of(embedder, weights, ids=ids)) == (
            "tokens off: the model's prompt for 'document', 'text: ', stands before each text; "
            "'search: ' should"
        )
    finally:
        embedder.default_prompt_name = None


# ── padding ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bug", "words"),
    [
        (
            "attention padding",
            "attention looks at padding (texts padded to {} tokens); padded columns get -∞ before "
            "the softmax",
        ),
        ("pool padding", "pooling goes over padding (texts padded to {} tokens)"),
        ("attention pool padding", "attention and pooling go over padding (texts padded to {} tok"),
    ],
)
def test_padding(embedder, weights, bug, words):
    for texts, length in ((SHORT, 9), (TEXTS, LENGTH)):
        vectors = vectors_of(embedder, weights, texts=texts, bug=bug)
        assert cause(embedder, vectors, texts).startswith(words.format(length))


def test_padding_to_the_models_length(embedder, weights):
    long = " ".join(["sort"] * (LENGTH - 2))
    vectors = vectors_of(embedder, weights, texts=[*SHORT, long], bug="pool padding")[:3]
    assert cause(embedder, vectors, SHORT) == (
        f"pooling goes over padding (texts padded to {LENGTH} tokens)"
    )


def test_padding_to_a_models_length_of_more_than_usual(tmp_path):
    embedder = Embedder(built("gte-small", tmp_path))
    ids = ids_of(embedder, SHORT)
    case = Case(embedder, model_of(embedder), SHORT, ids, [None] * 3, [{}] * 3)
    named = {mistake.what.partition("padded to ")[2] for mistake in padding_mistakes(case)}
    assert {words.partition(" ")[0] for words in named} == {"9", "128", "256", "512"}


# ── precision ────────────────────────────────────────────────────────────────────────────────────


def float16(x):
    return x.astype(np.float16).astype(np.float32)


def bfloat16(x):
    """The nearer of the two that a number lies between; of two as near, the even one."""
    low = (np.ascontiguousarray(x, np.float32).view(np.uint32) & 0xFFFF0000).astype(np.uint32)
    high = low + np.uint32(0x10000)
    even = (low >> 16 & 1) == 0
    low, high = low.view(np.float32), high.view(np.float32)
    below, above = np.abs(x - low), np.abs(high - x)
    return np.where((below < above) | (below == above) & even, low, high)


def one_scale(weight):
    scale = np.abs(weight).max() / np.float32(127)
    return np.round(weight / scale) * scale


def scale_a_row(weight):
    return np.stack([one_scale(row) for row in weight])


def blocks_of_32(weight):
    return np.stack([float16_scale(row) for row in weight.reshape(-1, 32)]).reshape(weight.shape)


def float16_scale(block):
    scale = np.abs(block).max() / np.float32(127)
    return np.round(block / scale) * float16(scale)


def zero_point(weight):
    low, high = min(weight.min(), 0), max(weight.max(), 0)
    scale = (high - low) / np.float32(255)
    zero = np.round(-low / scale)
    return (np.clip(np.round(weight / scale) + zero, 0, 255) - zero) * scale


def with_products(weights, change):
    def changed(linear):
        return type(linear)(change(linear.weight).astype(np.float32), linear.bias)

    layers = tuple(
        replace(layer, **{name: changed(getattr(layer, name)) for name in PRODUCTS})
        for layer in weights.layers
    )
    return replace(weights, layers=layers)


def test_weights_cut_off_at_bfloat16s_digits(embedder, weights):
    assert cause(embedder, vectors_of(embedder, map_arrays(weights, cut))) == (
        "the weights are cut off at bfloat16's digits; the model's files have more digits"
    )


@pytest.mark.parametrize("to_half", [float16, bfloat16])
def test_weights_in_half_precision(embedder, weights, to_half):
    vectors = vectors_of(embedder, map_arrays(weights, to_half))
    assert cause(embedder, vectors) == (
        f"the weights are rounded to {to_half.__name__}; the model's files have more digits"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (one_scale, "one scale a weight"),
        (scale_a_row, "a scale a row"),
        (blocks_of_32, "a scale for each 32 numbers"),
        (zero_point, "one scale and zero point a weight"),
    ],
)
def test_weights_of_8_bits(embedder, weights, change, words):
    rounded = with_products(weights, change)
    assert cause(embedder, vectors_of(embedder, rounded)) == (
        f"the weights of the products are rounded to 8 bits, {words}"
    )
    tables = ("word_embeddings", "position_embeddings", "token_type_embeddings")
    rounded = replace(rounded, **{name: change(getattr(weights, name)) for name in tables})
    assert cause(embedder, vectors_of(embedder, rounded)) == (
        f"the weights of the products and the embedding tables are rounded to 8 bits, {words}"
    )


def test_float16_all_along_is_no_cause_and_looks_like_it(embedder, weights):
    half = map_arrays(weights, lambda array: array.astype(np.float16))
    vectors = vectors_of(embedder, half).astype(np.float64) * (1 + 1e-7)
    diagnosis = verify(embedder, {"embedding": vectors}, TEXTS).diagnosis
    assert not diagnosis.certain
    assert diagnosis.what.startswith("float16 arithmetic: in every text the error has the directio")


def test_an_error_of_the_size_of_float16_but_of_another_direction_is_not_named(embedder, weights):
    vectors = vectors_of(embedder, weights)
    noise = np.random.RandomState(0).standard_normal(vectors.shape)
    for size in (5e-4, 4e-3, 2e-2, 0.2):
        assert cause(embedder, vectors * (1 + size * noise)) is None


def test_an_error_of_float16s_direction_but_of_another_size_is_not_named(embedder, weights):
    vectors = vectors_of(embedder, weights)
    half = vectors_of(embedder, map_arrays(weights, float16))
    for times in (3, 0.3):
        assert cause(embedder, vectors + np.float64(times) * (half - vectors)) is None


def test_an_error_of_float16s_direction_in_all_texts_but_one_is_not_named(embedder, weights):
    vectors = vectors_of(embedder, weights, texts=TEXTS[:4]).astype(np.float64)
    half = vectors_of(embedder, map_arrays(weights, float16), texts=TEXTS[:4])
    for other in range(4):
        sign = np.where(np.arange(4) == other, -1, 1)[:, None]
        assert cause(embedder, vectors + sign * (half - vectors), TEXTS[:4]) is None


def test_of_one_text_a_chance_direction_is_not_named(embedder, weights):
    [vector] = vectors_of(embedder, weights, texts=SHORT[:2])[:1]
    random = np.random.RandomState(0)
    for _ in range(20):
        noise = 7e-4 * np.abs(vector).mean() * random.standard_normal(vector.shape)
        assert cause(embedder, vector + noise, SHORT[:1]) is None


def test_an_error_in_one_text_alone_looks_like_no_arithmetic(embedder, weights):
    vectors = vectors_of(embedder, weights)
    half = vectors_of(embedder, map_arrays(weights, float16))
    vectors[1] = half[1]
    assert cause(embedder, vectors) is None


# ── another model ────────────────────────────────────────────────────────────────────────────────


def test_another_model_of_the_same_size_looks_like_one(embedder, weights):
    random = np.random.RandomState(5)
    other = map_arrays(weights, lambda a: random.permutation(a.reshape(-1)).reshape(a.shape))
    diagnosis = verify(embedder, {"embedding": vectors_of(embedder, other)}, TEXTS).diagnosis
    assert not diagnosis.certain
    assert diagnosis.what.startswith("another model, or other weights: the vectors' cosines with")


# ── a trained model ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def trained(minilm):
    embedder = Embedder(minilm)
    return embedder, model_of(embedder, np.float32).weights


def test_causes_in_all_minilm(trained):
    embedder, weights = trained
    vectors = vectors_of(embedder, weights, texts=SHORT)
    assert cause(embedder, vectors, SHORT) is None
    assert cause(embedder, vectors[[1, 2, 0]], SHORT).startswith("the rows are in another order")
    assert cause(embedder, vectors.astype(float).round(2), SHORT) == (
        "the numbers are rounded to 2 decimals"
    )
    assert cause(embedder, unit(vectors[:, :128]), SHORT) == (
        "the vectors are cut to the first 128 of 384 dimensions and normalised again"
    )
    tanh = vectors_of(embedder, weights, texts=SHORT, bug="tanh")
    assert cause(embedder, tanh[:, :128], SHORT) == (
        "the GELU is the tanh approximation; BERT's is x/2 · (1 + erf(x/√2)); besides, the vectors "
        "are cut to the first 128 of 384 dimensions"
    )
    half = vectors_of(embedder, map_arrays(weights, bfloat16), texts=SHORT)
    assert cause(embedder, half, SHORT) == (
        "the weights are rounded to bfloat16; the model's files have more digits"
    )


def test_8_bits_in_all_minilm(trained):
    embedder, weights = trained
    rounded = vectors_of(embedder, with_products(weights, scale_a_row), texts=SHORT)
    assert cause(embedder, rounded, SHORT) == (
        "the weights of the products are rounded to 8 bits, a scale a row"
    )
