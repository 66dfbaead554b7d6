"""Measure gtenp and its peers on this machine: `make bench`.

usage: python tools/bench/run.py MINILM_FOLDER WORK_FOLDER [--quick] [--threads N]

WORK_FOLDER keeps the converted models; results.json is written there, and report.py reads it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import measure
import texts
from measure import Runtimes
from peers import PEERS
from workers import ENVIRONMENT, HERE

CORPORA = ("mixed", "short", "chunks")


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    mixed: int  # texts
    short: int
    chunks: int
    many: int
    rounds: int
    latency_seconds: float  # of one runtime in one round


FULL = Plan(mixed=512, short=1024, chunks=48, many=100_000, rounds=5, latency_seconds=1.0)
QUICK = Plan(mixed=96, short=128, chunks=6, many=2_000, rounds=2, latency_seconds=0.2)


def say(*words: object) -> None:
    print(f"[{time.perf_counter():6.0f} s]", *words, flush=True)


def convert(folder: Path, target: Path) -> None:
    """Fill the target with every runtime's format, unless that was done before."""
    done = target / "converted"
    if done.exists():
        return
    target.mkdir(parents=True, exist_ok=True)
    with (target / "convert.log").open("w") as log:
        subprocess.run(
            [sys.executable, str(HERE / "convert.py"), str(folder), str(target)],
            env=ENVIRONMENT,
            check=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    done.touch()


def compare(runtimes: Runtimes, made: texts.Corpora, plan: Plan, peers: list[str]) -> dict:
    """Exactness, throughput and latency of one model."""
    peers = runtimes.present(peers)
    settings = {
        corpus: {peer: measure.tune(runtimes, peer, corpus) for peer in peers} for corpus in CORPORA
    }
    say("tuned")
    found = {"settings": settings, "errors": measure.errors(runtimes, settings["mixed"])}
    found["throughput"] = {}
    for corpus in CORPORA:
        tokens = measure.tokens_of(made, corpus)
        found["throughput"][corpus] = measure.throughput(
            runtimes, settings[corpus], corpus, tokens, plan.rounds
        )
        say("throughput,", corpus)
    one_at_a_time = [peer for peer in peers if peer != "limit"]
    found["latency"] = {
        length: measure.latency(runtimes, one_at_a_time, length, plan.latency_seconds, plan.rounds)
        for length in measure.LATENCY_LENGTHS
    }
    say("latency")
    return {**found, "missing": runtimes.missing}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("minilm", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean little")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", help="only these, a list with commas", default="")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    peers = options.peers.split(",") if options.peers else [p for p in PEERS if p != "reference"]

    work = options.work
    convert(options.minilm, work / "minilm")
    say("converted")
    made = texts.corpora(
        options.minilm / "tokenizer.json", plan.mixed, plan.short, plan.chunks, plan.many
    )
    texts.save(made, work / "texts.json")
    say("texts")
    runtimes = Runtimes(options.minilm, work / "minilm", work / "texts.json", options.threads)
    try:
        results = {"all-MiniLM-L6-v2": compare(runtimes, made, plan, peers)}
    finally:
        runtimes.close()
    (work / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
