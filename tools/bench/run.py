"""Measure gtenp and its peers on this machine: `make bench`.

usage: python tools/bench/run.py MINILM_FOLDER WORK_FOLDER RESULTS_FOLDER [--quick] [--threads N]

WORK_FOLDER keeps the converted models between runs. RESULTS_FOLDER gets results.json, and from
report.py a README.md and the pictures.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import batches
import cold_start
import growth
import installed
import machine
import measure
import models
import psutil
import report
import rerank
import texts
from measure import Runtimes, Setting
from models import GTE_SHAPE, MINILM
from peers import PEERS, Files
from workers import ENVIRONMENT, HERE

STARTED = time.perf_counter()
CORPORA = ("mixed", "short", "chunks")
ALL = [peer for peer in PEERS if peer != "reference"]


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    mixed: int  # texts
    short: int
    chunks: int
    sizes: tuple[int, ...]  # texts of the corpora that grow
    rounds: int
    fewer_rounds: int  # of the second model, of cold starts, and with one thread
    latency_seconds: float  # of one runtime in one round
    repeats: int  # of each step of growth


FULL = Plan(
    mixed=200,
    short=512,
    chunks=16,
    sizes=(1_000, 10_000, 100_000),
    rounds=5,
    fewer_rounds=3,
    latency_seconds=0.3,
    repeats=3,
)
QUICK = Plan(
    mixed=48,
    short=96,
    chunks=8,
    sizes=(200, 2_000),
    rounds=2,
    fewer_rounds=1,
    latency_seconds=0.1,
    repeats=1,
)


def say(*words: object) -> None:
    """What is done, with the minutes since the start."""
    print(f"{(time.perf_counter() - STARTED) / 60:5.1f} min ", *words, flush=True)


def tune(runtimes: Runtimes, peers: list[str]) -> dict[str, dict[str, Setting]]:
    """Each runtime's best way to be called: corpus -> peer -> setting."""
    settings = {
        # Of the long texts all, for with few of them a large batch leaves a thread idle.
        corpus: {peer: measure.tune(runtimes, peer, corpus, step) for peer in peers}
        for corpus, step in (("mixed", 2), ("short", 2), ("chunks", 1))
    }
    say("each runtime's best batches")
    return settings


def compare(
    runtimes: Runtimes, settings: dict[str, dict[str, Setting]], plan: Plan, step: int
) -> dict[str, Any]:
    """Exactness, throughput and latency of one model, on every step-th text."""
    peers = runtimes.present(settings["mixed"])
    settings = {corpus: {p: chosen[p] for p in peers} for corpus, chosen in settings.items()}
    found: dict[str, Any] = {
        "errors": measure.errors(runtimes, settings["mixed"]),
        "layers": layer_errors(runtimes),
        "throughput": {},
        "latency": {},
    }
    say("errors")
    for corpus in CORPORA:
        found["throughput"][corpus] = measure.throughput(
            runtimes, settings[corpus], corpus, plan.rounds, step
        )
        say("throughput,", corpus)
    for length in measure.LATENCY_LENGTHS:
        found["latency"][str(length)] = measure.latency(
            runtimes, peers, length, plan.latency_seconds, plan.rounds
        )
    say("latency")
    return {**found, "missing": runtimes.missing}


def layer_errors(runtimes: Runtimes) -> dict[str, dict[str, list[float]]]:
    """What exactness.py finds."""
    arguments = [str(HERE / "exactness.py"), str(runtimes.files.folder), str(runtimes.texts)]
    done = subprocess.run(
        [sys.executable, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout)


def grow(runtimes: Runtimes, many: Path, plan: Plan, settings: dict) -> dict[str, Any]:
    """All four growths, of one model."""
    found = {
        "length": {"x": growth.LENGTHS, "series": growth.with_length(runtimes, plan.repeats)},
        "batch": {"x": growth.BATCHES, "series": growth.with_batch(runtimes, plan.repeats)},
        "corpus": {
            "x": plan.sizes,
            "series": growth.with_corpus(runtimes.files, many, runtimes.threads, plan.sizes),
        },
        "threads": growth.with_threads(runtimes, settings, plan.fewer_rounds, step=2),
    }
    say("growth")
    return found


def start_cold(
    files: dict[str, Files], work: Path, threads: int, rounds: int, missing: Iterable[str]
) -> dict[str, Any]:
    """float32 and float16 files, both as published and converted."""
    minilm = files[MINILM]
    half = Files(models.halved(minilm.folder, work / "minilm-float16"), minilm.converted)
    found = {}
    for name, some in (
        (f"{MINILM}, float32", minilm),
        (f"{MINILM}, float16", half),
        (f"{GTE_SHAPE}, float16", files[GTE_SHAPE]),
    ):
        found[name] = cold_start.measure(some, threads, rounds, missing)
        say("cold start,", name)
    return found


def rerank_alone(minilm: Path, work: Path, folder: Path, threads: int, plan: Plan) -> None:
    """Print the rows of reranking; where the folder has other results, write them among these."""
    found = rerank.run(minilm, work, threads, plan.rounds)
    print(report.rerank(found))
    if (folder / "results.json").is_file():
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        report.save({**results, "rerank": found}, folder)
        report.write(folder)


def others_share(since: Any, wall: float) -> float:
    """The part of the machine's time that went to processes that are not ours."""
    now = psutil.cpu_times()
    busy = sum(now) - sum(since) - (now.idle - since.idle) - (now.iowait - since.iowait)
    usages = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return max(0.0, busy - own) / (wall * psutil.cpu_count())


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure gtenp and its peers on this machine.")
    parser.add_argument("minilm", type=Path, help="all-MiniLM-L6-v2's folder")
    parser.add_argument("work", type=Path, help="keeps the converted models between runs")
    parser.add_argument("results", type=Path, help="gets README.md, results.json, the pictures")
    parser.add_argument("--quick", action="store_true", help="a smoke run: its figures mean little")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--only", metavar="PEER,PEER", help="throughput and latency of these on all-MiniLM-L6-v2"
    )
    parser.add_argument(
        "--rerank", action="store_true", help="reranking alone, into the results that are there"
    )
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    since = psutil.cpu_times()

    options.work.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    if options.rerank:
        rerank_alone(options.minilm, options.work, options.results, options.threads, plan)
        return
    files = models.prepare(options.minilm, options.work)
    say("models converted")
    tokenizer_file = options.minilm / "tokenizer.json"
    made = texts.corpora(tokenizer_file, plan.mixed, plan.short, plan.chunks, max(plan.sizes))
    many, some = options.work / "many.json", options.work / "texts.json"
    batches.save({"many": made.pop("many")}, many)
    batches.save(made, some)
    say("texts drawn")

    results: dict[str, Any] = {
        "quick": options.quick,
        "plan": asdict(plan),
        "corpora": {name: texts.describe(made[name]) for name in CORPORA},
        "models": {},
    }
    with Runtimes(files[MINILM], some, options.threads) as runtimes:
        blas = runtimes.worker("gtenp").ask("blas")["blas"]
        results["machine"] = machine.describe(blas, options.threads)
        peers = options.only.split(",") if options.only else ALL
        settings = tune(runtimes, runtimes.present(peers))
        results["settings"] = settings
        results["models"][MINILM] = found = compare(runtimes, settings, plan, step=1)
        if options.only:
            print(report.speed(results, MINILM))
            return
        results["growth"] = grow(runtimes, many, plan, settings["mixed"])
    with Runtimes(files[GTE_SHAPE], some, options.threads) as runtimes:
        # Its layers have MiniLM's shapes, so the same settings are best; there are more of them.
        results["models"][GTE_SHAPE] = compare(
            runtimes, settings, replace(plan, rounds=plan.fewer_rounds), step=2
        )
    results["rerank"] = rerank.run(options.minilm, options.work, options.threads, plan.rounds)
    say("reranking")
    results["cold_start"] = start_cold(
        files, options.work, options.threads, plan.fewer_rounds, found["missing"]
    )
    bundles = dict.fromkeys(PEERS[peer].packages for peer in ALL)
    results["installed_mb"] = {" + ".join(b): installed.megabytes(b) for b in bundles if b}
    wall = time.perf_counter() - STARTED
    results["minutes"] = wall / 60
    results["others_share"] = others_share(since, wall)
    report.save(results, options.results)
    report.write(options.results)
    say("report written:", options.results / "README.md")


if __name__ == "__main__":
    main()
