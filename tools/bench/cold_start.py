"""From nothing to the first vector: a fresh process each time, its files warm in the cache."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable

from peers import Files
from workers import ENVIRONMENT, HERE, cores

PEERS = (
    "gtenp from text",
    "onnxruntime",
    "onnxruntime optimised",
    "openvino",
    "ctranslate2",
    "transformers",
    "sentence-transformers",
)


def first_vector(peer: str, files: Files, threads: int) -> tuple[float, float]:
    """Seconds from the process's start to its vector, and its peak memory in MB."""
    cpus = ",".join(map(str, cores(threads)))
    arguments = [peer, str(files.folder), str(files.converted), cpus]
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, str(HERE / "first_vector.py"), *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        complaint = process.stderr.read()
    if not line:
        raise RuntimeError(f"{peer}: {complaint}")
    return seconds, int(line) * 1024 / 1e6


def measure(
    files: Files, threads: int, rounds: int, missing: Iterable[str]
) -> dict[str, dict[str, list[float]]]:
    """In turn, after a round that warms the disk's cache: peer -> seconds and MB, [rounds]."""
    peers = [peer for peer in PEERS if peer not in missing]
    found: dict[str, dict[str, list[float]]] = {p: {"seconds": [], "peak_mb": []} for p in peers}
    for turn in range(rounds + 1):
        for peer in peers:
            seconds, peak = first_vector(peer, files, threads)
            if turn:
                found[peer]["seconds"].append(seconds)
                found[peer]["peak_mb"].append(peak)
    return found
