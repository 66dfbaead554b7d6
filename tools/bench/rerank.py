"""A query against 100 documents, and cls pooling: what `make bench-rerank` measures alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import batches
import measure
import models
import texts
from measure import Runtimes, Setting
from peers import Files
from rerankers import POOLINGS, RERANKERS

DOCUMENTS, LENGTH = 100, 128


def run(minilm: Path, work: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Each runtime's rounds, of the reranker and of the poolings, and the scores' errors."""
    reranker, path = models.prepare_reranker(minilm, work), work / "pairs.json"
    encoder = Files(minilm, reranker.converted)
    pairs = texts.pairs(minilm / "tokenizer.json", DOCUMENTS, LENGTH)
    batches.save({"pairs": pairs, "check": pairs[:: DOCUMENTS // 8]}, path)
    found: dict[str, Any] = {"documents": DOCUMENTS, "length": LENGTH}
    with Runtimes(reranker, path, threads) as runtimes:
        settings, found["scores"] = rates(runtimes, RERANKERS, rounds)
        found["errors"] = measure.errors(runtimes, settings, "reranker reference")
        found["missing"] = runtimes.missing
    with Runtimes(encoder, path, threads) as runtimes:
        _, found["poolings"] = rates(runtimes, POOLINGS, rounds)
        found["missing"] |= runtimes.missing
    return found


def rates(
    runtimes: Runtimes, peers: Iterable[str], rounds: int
) -> tuple[dict[str, Setting], dict[str, list[float]]]:
    """Each peer's best way to be called, and its tokens per second so: peer -> [rounds]."""
    settings = {peer: measure.tune(runtimes, peer, "pairs", 1) for peer in runtimes.present(peers)}
    return settings, measure.throughput(runtimes, settings, "pairs", rounds, 1)
