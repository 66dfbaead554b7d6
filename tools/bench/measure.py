"""What is measured: each function takes its rounds in turn through the runtimes, A B C A B C."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peers import PEERS, Files, Peer
from rerankers import POOLINGS, REFERENCE, RERANKERS
from workers import Worker, WorkerError

ALL_PEERS: dict[str, Peer] = {**PEERS, **RERANKERS, **POOLINGS, **REFERENCE}
BUDGETS = (512, 2048, 8192)  # tokens of a batch, its padding counted
LATENCY_LENGTHS = (8, 32, 128, 512)


class Setting(NamedTuple):
    """How a runtime is called: from how many Python threads at once, with what batches."""

    lanes: int
    budget: int


class Runtimes:
    """The workers of one model, each started when it is first asked for."""

    def __init__(self, files: Files, texts: Path, threads: int) -> None:
        self.files, self.texts, self.threads = files, texts, threads
        self.missing: dict[str, str] = {}  # peer -> why it could not be measured
        self._workers: dict[tuple[str, int], Worker] = {}

    def fresh(self, peer: str, lanes: int = 1) -> Worker:
        """A worker of its own, which the caller closes."""
        return Worker(peer, self.files, self.texts, self.threads, lanes)

    def worker(self, peer: str, lanes: int = 1) -> Worker:
        """The one worker of this kind."""
        if (peer, lanes) not in self._workers:
            self._workers[peer, lanes] = self.fresh(peer, lanes)
        return self._workers[peer, lanes]

    def present(self, peers: Iterable[str]) -> list[str]:
        """Those of the peers that load here; the others are noted with their reason."""
        loaded = []
        for peer in peers:
            try:
                self.worker(peer)
            except WorkerError as error:
                self.missing[peer] = str(error)
            else:
                loaded.append(peer)
        return loaded

    def __enter__(self) -> Runtimes:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.close()


def tune(runtimes: Runtimes, peer: str, corpus: str, step: int) -> Setting:
    """The fastest way to call a peer: lanes first, then the budget."""
    if ALL_PEERS[peer].batches_itself:
        return Setting(1, 0)

    def seconds(setting: Setting) -> float:
        worker = runtimes.worker(peer, setting.lanes)
        worker.ask("timed", texts=corpus, budget=setting.budget, step=4 * step)
        return worker.ask("timed", texts=corpus, budget=setting.budget, step=step)["seconds"][0]

    middle = BUDGETS[len(BUDGETS) // 2]
    times = {
        setting: seconds(setting)
        for setting in (Setting(lanes, middle) for lanes in sorted({1, runtimes.threads}))
    }
    lanes = min(times, key=times.__getitem__).lanes
    times |= {s: seconds(s) for s in (Setting(lanes, b) for b in BUDGETS if b != middle)}
    return min(times, key=times.__getitem__)


def throughput(
    runtimes: Runtimes, settings: dict[str, Setting], corpus: str, rounds: int, step: int
) -> dict[str, list[float]]:
    """Tokens per second, padding not counted, on every step-th text: peer -> [rounds]."""
    rates: dict[str, list[float]] = {peer: [] for peer in settings}
    for turn in range(rounds + 1):
        for peer, (lanes, budget) in settings.items():
            worker = runtimes.worker(peer, lanes)
            warming = turn == 0
            sparse = step * 8 if warming else step
            answer = worker.ask("timed", texts=corpus, budget=budget, step=sparse)
            if not warming:
                rates[peer].append(answer["tokens"] / answer["seconds"][0])
    return rates


def latency(
    runtimes: Runtimes, peers: list[str], length: int, seconds: float, rounds: int
) -> dict[str, dict[str, float | list[float]]]:
    """Milliseconds of one text: peer -> p50 and p99 over all calls, and p50 of each round."""
    calls: dict[str, list[list[float]]] = {peer: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            answer = runtimes.worker(peer).ask("latency", length=length, seconds=seconds)
            calls[peer].append(answer["milliseconds"])
    return {
        peer: {
            "p50": float(np.percentile(np.concatenate(by_round), 50)),
            "p99": float(np.percentile(np.concatenate(by_round), 99)),
            "calls": sum(map(len, by_round)),
            "rounds": [statistics.median(times) for times in by_round],
        }
        for peer, by_round in calls.items()
    }


def errors(
    runtimes: Runtimes, settings: dict[str, Setting], reference: str = "reference"
) -> dict[str, float]:
    """The largest difference of any number of any vector from the float64 reference's."""

    def vectors(peer: str, setting: Setting) -> np.ndarray:
        to = runtimes.files.converted / "vectors.npy"
        worker = runtimes.worker(peer, setting.lanes)
        worker.ask("vectors", texts="check", budget=setting.budget, to=str(to))
        return np.load(to)

    wanted = vectors(reference, Setting(1, 0))
    return {
        peer: float(np.abs(vectors(peer, setting) - wanted).max())
        for peer, setting in settings.items()
        if peer != "limit"
    }
