import re
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from models.build import built
from places import DATA

from gtenp import Embedder
from gtenp.cli import main
from gtenp.measure import speed as benchmark
from gtenp.model_files.model import read_config

TINY = DATA / "tiny"


def test_the_texts_are_many_and_of_all_lengths():
    texts = benchmark.mixed_texts()
    lengths = [len(text.split()) for text in texts]
    assert len(texts) == len(set(texts)) > 200
    assert min(lengths) < 5 < np.median(lengths) < 60 < max(lengths)


def test_a_text_has_as_many_tokens_as_asked_for(minilm):
    embedder = Embedder(minilm)
    for tokens in (8, 32, 128):
        assert len(embedder.token_ids([benchmark.text_of(tokens)])[0]) == tokens


def test_throughput_counts_the_tokens_of_all_texts():
    embedder = Embedder(TINY)
    found = benchmark.throughput(embedder, "two", ["hello", "hello world"], seconds=0.1)
    assert found.tokens == sum(map(len, embedder.token_ids(["hello", "hello world"])))
    assert found.texts == 2


@pytest.mark.parametrize(
    ("texts", "different"),
    [(["hello", "hello world"], 1), (["hello", "hello world " * 30] * 60, 3)],
)
def test_the_limit_is_taken_in_the_batches_of_encode(texts, different, monkeypatch):
    embedder = Embedder(TINY, threads=2)
    forward, encoded, multiplied = embedder._forward, set(), set()

    def note(ids, *rest):
        encoded.add(tuple(map(len, ids)))
        return forward(ids, *rest)

    monkeypatch.setattr(embedder, "_forward", note)
    monkeypatch.setattr(benchmark, "_thinned", lambda _, texts, __: texts)
    monkeypatch.setattr(
        benchmark.MatrixProducts, "__call__", lambda _, lengths: multiplied.add(tuple(lengths))
    )
    benchmark.throughput(embedder, "two", texts, seconds=0.01)
    assert multiplied == encoded
    assert len(encoded) == different


def test_throughput_takes_fewer_texts_where_the_model_is_slow():
    embedder = Embedder(TINY, threads=2)
    texts = ["hello world"] * 3000
    found = benchmark.throughput(embedder, "many", texts, seconds=1e-6)
    assert benchmark.MAX_TOKENS <= found.tokens <= 2 * benchmark.MAX_TOKENS
    long = [benchmark.text_of(60)] * 2
    assert benchmark.throughput(embedder, "a text a thread", long, seconds=1e-6).texts == 2


def test_latency_is_that_of_the_call(monkeypatch):
    embedder = Embedder(TINY)
    monkeypatch.setattr(embedder, "encode", lambda *_, **__: time.sleep(0.02))
    found = benchmark.latency(embedder, "hello", seconds=0.2)
    assert 20 <= found.p50 <= found.p99 < 200
    assert found.calls <= 10


def test_the_limit_multiplies_what_a_forward_pass_does(monkeypatch):
    config = read_config(TINY)
    products = []
    multiply = np.matmul

    def count(a, b, out):
        products.append(2 * out.size * a.shape[-1])
        return multiply(a, b, out=out)

    monkeypatch.setattr(benchmark.np, "matmul", count)
    benchmark.MatrixProducts(config)([3, 5, 5])
    hidden, inner = config.hidden_size, config.intermediate_size
    dense = 2 * 13 * (4 * hidden * hidden + 2 * hidden * inner)
    attention = 4 * hidden * (3 * 3 + 5 * 5 + 5 * 5)
    assert sum(products) == config.num_hidden_layers * (dense + attention)


@pytest.mark.parametrize(
    ("kernel", "features", "coretype", "words"),
    [
        ("Haswell", ["X86_V3"], None, None),
        ("Zen", ["AVX2"], None, None),
        ("SkylakeX", ["X86_V3", "X86_V4"], None, None),
        ("armv8", ["ASIMD"], None, None),
        ("not known", ["X86_V4"], None, None),
        ("Haswell", ["X86_V3", "X86_V4"], "Haswell", "AVX-512: unset OPENBLAS_CORETYPE"),
        ("Zen", ["AVX512_SKX"], None, "AVX-512: a newer NumPy"),
        ("Sandybridge", ["X86_V3"], "Sandybridge", "AVX2: unset OPENBLAS_CORETYPE"),
    ],
)
def test_a_kernel_below_what_the_cpu_has_is_named(kernel, features, coretype, words):
    hint = benchmark.kernel_hint(kernel, features, coretype)
    assert hint is None if words is None else words in hint


def test_the_command_prints_both_tables_and_the_kernel(monkeypatch):
    monkeypatch.setattr(benchmark, "SECONDS", 0.01)
    monkeypatch.setattr(benchmark, "machine_hint", lambda: "a hint")
    done = CliRunner().invoke(main, ["bench", "--model", str(TINY)])
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert "2 layers, 32 wide" in lines[0]
    assert f"kernel {benchmark.blas()[1]}" in lines[1]
    assert [line.split()[0] for line in lines if "docstrings" in line or "tokens " in line]
    assert lines[-1] == "a hint"


FAMILIES = [
    "all-mpnet-base-v2",
    "sentence-t5-base",
    "a-gated-t5",
    "nomic-embed-text-v1.5",
    "sgpt-bloom-7b1-msmarco",
    "all-distilroberta-v1",
    "multi-qa-distilbert-cos-v1",
    "multilingual-e5-base",
]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_command_measures_every_family(name, monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "SECONDS", 0.01)
    monkeypatch.setattr(benchmark, "mixed_texts", lambda: ["hello", "hello world"])
    monkeypatch.setattr(sys.modules["gtenp.cli.bench"], "_MOST", 64)
    done = CliRunner().invoke(main, ["bench", "--model", str(built(name, tmp_path))])
    assert done.exit_code == 0, done.output
    found = re.findall(r"^(\d+) tokens ", done.output, re.MULTILINE)
    assert found == ["64", "8", "32"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_measured_by_its_own_products_and_tokens(name, tmp_path):
    embedder = Embedder(built(name, tmp_path))
    for tokens in (8, 32):
        text = benchmark.text_of(tokens, embedder)
        assert benchmark.latency(embedder, text, seconds=0.01).tokens == tokens
    texts = ["hello", "hello world"]
    found = benchmark.throughput(embedder, "two", texts, seconds=0.01)
    assert found.tokens == sum(map(len, embedder.token_ids(texts)))
    assert found.share == found.rate / found.limit > 0
