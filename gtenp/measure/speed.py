"""How fast gtenp is on this machine, and what bounds it: what ``gtenp bench`` measures.

A forward pass is matrix products and little else. How fast NumPy's BLAS takes these alone is the
limit; the share of it that is reached says how much all other work costs.
"""

from __future__ import annotations

import builtins
import math
import os
import platform
import re
import statistics
import threading
import time
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtenp.engine.parallel import blas_libraries, blas_threads
from gtenp.engine.schedule import MAX_TOKENS, run_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gtenp.embedder import Embedder
    from gtenp.engine.kernels import Float32
    from gtenp.model_files.config import BertConfig

SECONDS = 10.0  # for each line of figures
_ROUNDS = 4  # at least, the first of which is not counted
LATENCY_LENGTHS = (8, 32, 128, 512)

# Attention scores that are multiplied at once: 1 MiB of float32.
_MAX_SCORES = 1 << 18


@dataclass(frozen=True)
class Throughput:
    """Many texts in one call of encode."""

    name: str
    texts: int
    tokens: int
    rate: float  # tokens per second
    limit: float  # tokens per second of the matrix products alone

    @property
    def share(self) -> float:
        """Of the limit, from 0 to about 1."""
        return self.rate / self.limit


@dataclass(frozen=True)
class Latency:
    """One text in one call of encode."""

    tokens: int
    p50: float  # milliseconds
    p99: float
    calls: int


def throughput(
    embedder: Embedder, name: str, texts: Sequence[str], seconds: float = SECONDS
) -> Throughput:
    """Embed the texts, or as many as time allows, again and again, and take the matrix products
    alone in turn with it; medians.
    """
    texts = _thinned(embedder, texts, seconds / (2 * _ROUNDS))
    lengths = [len(ids) for ids in embedder.token_ids(list(texts))]
    products = MatrixProducts(embedder.config)

    def limit() -> None:
        run_batches(multiply, lengths, embedder.threads)

    def multiply(indices: list[int], threads: int) -> None:
        with blas_threads(threads):
            products([lengths[i] for i in indices])

    encode = partial(embedder.encode, texts, truncate="silent")
    ours, theirs = zip(*_rounds((encode, limit), seconds), strict=True)
    tokens = sum(lengths)
    return Throughput(
        name,
        len(texts),
        tokens,
        tokens / statistics.median(ours),
        tokens / statistics.median(theirs),
    )


def _thinned(embedder: Embedder, texts: Sequence[str], seconds: float) -> Sequence[str]:
    """Every second text, or third, and so on, so that to embed them all takes about so long; but
    enough for a batch, and one for each thread.
    """
    trial = text_of(min(128, embedder.max_seq_length), embedder)
    (took,) = min(_rounds((partial(embedder.encode, trial, truncate="silent"),), 0.0))
    of_trial, *of_texts = map(len, embedder.token_ids([trial, *texts]))
    wanted = max(of_trial * seconds / took, MAX_TOKENS)
    step = min(int(sum(of_texts) / wanted), len(texts) // embedder.threads)
    return texts[:: max(1, step)]


def latency(embedder: Embedder, text: str, seconds: float = SECONDS) -> Latency:
    """Embed one text again and again."""
    encode = partial(embedder.encode, text, truncate="silent")
    times = [took * 1e3 for (took,) in _rounds((encode,), seconds)]
    tokens = len(embedder.token_ids([text])[0])
    return Latency(
        tokens, float(np.percentile(times, 50)), float(np.percentile(times, 99)), len(times)
    )


def _rounds(runs: Sequence[Callable[[], object]], seconds: float) -> list[tuple[float, ...]]:
    """Call each in turn until so long has passed: what each call took, a row a round. The first
    round is left out, for what is new to the caches takes longer.
    """

    def timed(run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    rounds: list[tuple[float, ...]] = []
    end = time.perf_counter() + seconds
    while len(rounds) < _ROUNDS or time.perf_counter() < end:
        rounds.append(tuple(map(timed, runs)))
    return rounds[1:]


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────


def mixed_texts() -> list[str]:
    """The docstrings of Python's built-ins and their methods: on every machine, of all lengths."""
    owners = [owner for _, owner in sorted(vars(builtins).items())]
    methods = [value for owner in owners if isinstance(owner, type) for value in _values(owner)]
    texts = (getattr(value, "__doc__", None) for value in [*owners, *methods])
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))


def _values(owner: type) -> Iterable[object]:
    return [value for _, value in sorted(vars(owner).items())]


def text_of(tokens: int, embedder: Embedder | None = None) -> str:
    """A text of so many tokens, special ones included, in any vocabulary with the word "the"; for
    BERT's two special tokens where no model is given.
    """
    special = 2 if embedder is None else embedder.tokenizer.num_special_tokens_to_add()
    return " ".join(["the"] * (tokens - special))


# ── The limit ────────────────────────────────────────────────────────────────────────────────────


class MatrixProducts:
    """The matrix products of a forward pass, on random numbers, and no other work between them."""

    def __init__(self, config: BertConfig) -> None:
        self._config = config
        hidden, inner, width = config.hidden_size, config.intermediate_size, config.attention_size
        shapes = [(hidden, 3 * width), (width, hidden), (hidden, inner), (inner, hidden)]
        if config.arithmetic.gated:
            shapes.append((hidden, inner))
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        room = np.full((config.num_hidden_layers, ends[-1]), 1e-3, np.float32)
        self._layers = [
            [
                part.reshape(shape)
                for part, shape in zip(np.split(row, ends[:-1]), shapes, strict=True)
            ]
            for row in room
        ]
        self._own = threading.local()

    def __call__(self, lengths: Sequence[int]) -> None:
        """Those of one batch of sequences, whose lengths are given."""
        total = sum(lengths)
        for number, layer in enumerate(self._layers):
            window = self._config.of_layer(number).arithmetic.window
            for weight in layer:
                size_in, size_out = weight.shape
                x = self._array(f"in {size_in}", total, size_in)
                np.matmul(x, weight, out=self._array(f"out {size_out}", total, size_out))
            for length, same in groupby(sorted(lengths)):
                keys = length if window is None else min(length, 2 * window + 1)
                self._attend(len(list(same)), length, keys)

    def _attend(self, count: int, length: int, keys: int) -> None:
        """Queries times so many keys each, and scores times values, of sequences of one length."""
        heads, size = self._config.num_attention_heads, self._config.head_size
        most = max(1, _MAX_SCORES // (heads * length * keys))  # scores stay in cache
        for first in range(0, count, most):
            texts = min(most, count - first)
            query, context = (self._array(name, texts, heads, length, size) for name in "qc")
            key, value = (self._array(name, texts, heads, keys, size) for name in "kv")
            scores = self._array("scores", texts, heads, length, keys)
            np.matmul(query, key.swapaxes(-1, -2), out=scores)
            np.matmul(scores, value, out=context)

    def _array(self, name: str, *shape: int) -> Float32:
        """An array of the calling thread, made once."""
        size = math.prod(shape)
        found: Float32 | None = self._own.__dict__.get(name)
        if found is None or found.size < size:
            found = self._own.__dict__[name] = np.full(size, 1e-3, np.float32)
        return found[:size].reshape(shape)


# ── The machine ──────────────────────────────────────────────────────────────────────────────────

# OpenBLAS's names for its x86 kernels, by the vector unit that they use.
_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")
_AVX2 = ("Haswell", "Zen", "Excavator")
_OLDER = (
    "Prescott", "Core2", "Penryn", "Dunnington", "Atom", "Nano", "Nehalem", "Sandybridge",
    "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat", "Bulldozer", "Piledriver", "Steamroller",
)  # fmt: skip


def cpu() -> str:
    """The CPU's name, as well as it can be had."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", path.read_text()) if path.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()


def blas() -> tuple[str, str]:
    """NumPy's BLAS with its version, and the kernel that it chose for this CPU."""
    for library in blas_libraries().info():
        name = f"{library['internal_api']} {library['version']}"
        return name, library.get("architecture") or "not known"
    return "not known", "not known"


def kernel_hint(kernel: str, features: Iterable[str], coretype: str | None) -> str | None:
    """What is wrong where OpenBLAS's kernel is not the best that the CPU has; None where it is.

    ``features`` are NumPy's names for the CPU's, ``coretype`` the value of OPENBLAS_CORETYPE.

    >>> kernel_hint("Haswell", ["AVX2", "AVX512_SKX"], "Haswell")
    "OpenBLAS's kernel is Haswell, though this CPU has AVX-512: unset OPENBLAS_CORETYPE"
    >>> kernel_hint("Haswell", ["AVX2"], None)
    """
    unit = None
    if not {"AVX512_SKX", "X86_V4"}.isdisjoint(features):
        unit = "AVX-512" if kernel in _AVX2 + _OLDER else None
    elif not {"AVX2", "X86_V3"}.isdisjoint(features):
        unit = "AVX2" if kernel in _OLDER else None
    if unit is None:
        return None
    mend = "unset OPENBLAS_CORETYPE" if coretype else "a newer NumPy may know it better"
    return f"OpenBLAS's kernel is {kernel}, though this CPU has {unit}: {mend}"


def machine_hint() -> str | None:
    """``kernel_hint`` of this process."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    features = [*found.get("baseline", ()), *found.get("found", ())]
    return kernel_hint(blas()[1], features, os.environ.get("OPENBLAS_CORETYPE"))
