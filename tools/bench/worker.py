"""A process that loads one runtime and answers measuring commands, a line of JSON each.

usage: python tools/bench/worker.py PEER MODEL_FOLDER CONVERTED_FOLDER TEXTS CPUS LANES

CPUS is a list like 0,1: the process is held to them, whatever a runtime thinks of threads.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NAME, FOLDER, CONVERTED, TEXTS, CPUS, LANES = sys.argv[1:]
LANES = int(LANES)
THREADS = len(CPUS.split(","))

PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a stopped worker would stay for ever

# Before NumPy is imported: its BLAS counts the CPUs only once.
os.sched_setaffinity(0, map(int, CPUS.split(",")))
if not NAME.startswith("gtenp"):  # gtenp is to settle its threads itself
    os.environ["OMP_NUM_THREADS"] = str(THREADS // LANES)
    # Only the limit computes with NumPy; in the others' processes its idle threads would spin.
    os.environ["OPENBLAS_NUM_THREADS"] = str(THREADS // LANES) if NAME == "limit" else "1"

import numpy as np  # noqa: E402
from batches import Text, count_tokens, length_sorted, load  # noqa: E402
from peers import PEERS, Files  # noqa: E402
from rerankers import POOLINGS, REFERENCE, RERANKERS  # noqa: E402

TEXTS_BY_NAME = load(Path(TEXTS))
PEER = {**PEERS, **RERANKERS, **POOLINGS, **REFERENCE}[NAME]
EMBED = PEER.load(Files(Path(FOLDER), Path(CONVERTED)), THREADS, LANES)
POOL = ThreadPoolExecutor(LANES)


def embed_all(texts: list[Text], budget: int) -> np.ndarray:
    """The vectors of all texts, in their order: [B, H]."""
    if PEER.batches_itself:
        return EMBED(texts)
    batches = length_sorted(texts, budget)
    run = POOL.map if LANES > 1 else map
    results = list(run(EMBED, [[texts[i] for i in batch] for batch in batches]))
    vectors = np.empty((len(texts), results[0].shape[1]), np.float32)
    for batch, result in zip(batches, results, strict=True):
        vectors[batch] = result
    return vectors


def timed(texts: str, budget: int = 0, step: int = 1, first: int | None = None, repeats: int = 1):
    """Seconds for all texts of this name, or every step-th, or the first few; the peak memory
    meanwhile, and how much of it is the vectors that are returned.
    """
    chosen = TEXTS_BY_NAME[texts][:first:step]
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = embed_all(chosen, budget)
        seconds.append(time.perf_counter() - start)
    tokens = count_tokens(chosen)
    return {"seconds": seconds, "tokens": tokens, "vectors": found.nbytes, **memory()}


def latency(length: int, seconds: float):
    """Milliseconds of one text at a time, for that long and for 5 calls at least."""
    texts = TEXTS_BY_NAME[f"exactly-{length}"]
    for text in texts[:3]:
        EMBED([text])
    calls: list[float] = []
    end = time.perf_counter() + seconds
    while len(calls) < 5 or time.perf_counter() < end:
        text = [texts[len(calls) % len(texts)]]
        start = time.perf_counter()
        EMBED(text)
        calls.append((time.perf_counter() - start) * 1e3)
    return {"milliseconds": calls}


def vectors(texts: str, budget: int, to: str):
    """Write the vectors of all texts of this name."""
    np.save(to, embed_all(TEXTS_BY_NAME[texts], budget))
    return {}


def memory():
    """Resident bytes: now, and at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    sizes = {k: int(v.split()[0]) * 1024 for k, v in (x.split(":", 1) for x in lines) if "kB" in v}
    return {"resident": sizes["VmRSS"], "peak": sizes["VmHWM"]}


def blas():
    """The libraries with threads of their own that are loaded here."""
    from threadpoolctl import threadpool_info

    return {"blas": threadpool_info()}


COMMANDS = {f.__name__: f for f in (timed, latency, vectors, memory, blas)}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a runtime prints goes with its complaints
    print(json.dumps({"ready": NAME}), file=answers)
    for line in sys.stdin:
        command: dict[str, Any] = json.loads(line)
        print(json.dumps(COMMANDS[command.pop("do")](**command)), file=answers)


if __name__ == "__main__":
    main()
