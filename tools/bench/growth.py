"""How time and memory grow: with the texts' length, the batch, the corpus and the threads."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
from measure import Runtimes, Setting, throughput
from peers import Files

PEERS = ("gtenp", "onnxruntime optimised", "openvino", "transformers")
LENGTHS = (16, 32, 64, 128, 256, 512)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ONE_BATCH = 1 << 30  # a budget that nothing reaches

Series = dict[str, list[float]]


def slope(x: list[float], y: list[float]) -> float:
    """The exponent of growth, y ~ x ** slope, over the larger half of x: what is fixed for each
    call weighs on the smaller. Least squares of the logarithms.
    """
    half = (len(x) - 1) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def _grow(runtimes: Runtimes, peer: str, steps: list[dict]) -> Series:
    """A fresh worker takes ever larger steps: seconds, and MB above what it held once warm."""
    worker = runtimes.fresh(peer)
    worker.ask("timed", texts=steps[0]["texts"], first=1, budget=ONE_BATCH)
    warm = worker.ask("memory")["resident"]
    series: Series = {"seconds": [], "peak_mb": []}
    for step in steps:
        answer = worker.ask("timed", **step)
        series["seconds"].append(statistics.median(answer["seconds"]))
        series["peak_mb"].append((answer["peak"] - warm - answer["vectors"]) / 1e6)
    worker.close()
    return series


def _grow_each(
    runtimes: Runtimes, repeats: int, batches: list[tuple[str, int]]
) -> dict[str, Series]:
    """Ever larger batches, given as the texts' name and their number: peer -> its series."""
    steps = [
        {"texts": name, "first": number, "budget": ONE_BATCH, "repeats": repeats}
        for name, number in batches
    ]
    return {p: _grow(runtimes, p, steps) for p in PEERS if p not in runtimes.missing}


def with_length(runtimes: Runtimes, repeats: int) -> dict[str, Series]:
    """A batch of 8 texts of each length."""
    return _grow_each(runtimes, repeats, [(f"exactly-{n}", 8) for n in LENGTHS])


def with_batch(runtimes: Runtimes, repeats: int) -> dict[str, Series]:
    """Texts of 32 tokens, ever more of them in one batch."""
    return _grow_each(runtimes, repeats, [("exactly-32", n) for n in BATCHES])


def with_corpus(
    files: Files, many: Path, threads: int, sizes: tuple[int, ...]
) -> dict[str, Series]:
    """Ever more short texts in one call of encode. Memory: without the texts and the vectors."""
    runtimes = Runtimes(files, many, threads)
    steps = [{"texts": "many", "first": n} for n in sizes]
    return {"gtenp from text": _grow(runtimes, "gtenp from text", steps)}


def with_threads(
    runtimes: Runtimes, settings: dict[str, Setting], rounds: int, step: int
) -> dict[str, dict[str, list[float]]]:
    """Tokens per second of mixed text with one thread and with all, each in turn."""
    together = {peer: settings[peer] for peer in (*PEERS, "limit") if peer in settings}
    alone = {peer: Setting(1, setting.budget) for peer, setting in together.items()}
    rates: dict[str, dict[str, list[float]]] = {"1": {}, str(runtimes.threads): {}}
    with Runtimes(runtimes.files, runtimes.texts, 1) as one:
        for _ in range(rounds):
            for group, chosen in ((one, alone), (runtimes, together)):
                found = throughput(group, chosen, "mixed", 1, step)
                for peer, values in found.items():
                    rates[str(group.threads)].setdefault(peer, []).extend(values)
    return rates
