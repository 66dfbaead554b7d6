"""Measure `gtenp serve` beside other servers on this machine: `make bench-serve`.

usage: python tools/bench/serve.py MINILM WORK RESULTS [--infinity COMMAND] [--quick]

The folder RESULTS gets serve.json and, made of it, serve.md. Each server is a process of its own
that is stopped (SIGSTOP) while another is asked; the clients are a process beside it, on loopback.
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import machine
import models
import numpy as np
import serve_load
from goals import Goal, ratio
from models import MINILM
from report import table
from threadpoolctl import threadpool_info
from workers import ENVIRONMENT, HERE

from gtenp import Embedder

OURS = "gtenp serve"
PEERS = ("gtenp, a lock", "sentence-transformers, a lock", "onnxruntime, a lock")
INFINITY = "infinity"  # an environment of its own, .venv-infinity, for it wants an older NumPy
# Connections × texts of a request.
LOADS = ((1, 1), (8, 1), (32, 1), (128, 1), (1, 64), (8, 64))
OVERHEAD = (1, 8, 64)  # texts of a request, by one connection


class Server:
    """A server that is stopped unless it is asked something."""

    def __init__(self, name: str, command: list[str], port: int = 0) -> None:
        """Without a port the server prints its address."""
        self.name = name
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL if port else subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
        )
        self.url = f"http://127.0.0.1:{port}"
        if not port:
            assert self.process.stdout is not None
            self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Server:
        self.process.send_signal(signal.SIGCONT)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def vectors(self, texts: list[str]) -> np.ndarray:
        """What it makes of them; asked again while it loads."""
        body = json.dumps({"input": texts, "encoding_format": "base64"}).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/embeddings", body, headers)
        for _ in range(600):
            try:
                with urllib.request.urlopen(request, timeout=60) as reply:
                    data = json.load(reply)["data"]
                return np.array(
                    [np.frombuffer(base64.b64decode(x["embedding"]), "<f4") for x in data]
                )
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer")

    def load(self, connections: int, texts: int, seconds: float) -> dict[str, float]:
        """What serve_load.py finds."""
        arguments = [self.port, connections, seconds, texts]
        done = subprocess.run(
            [sys.executable, str(HERE / "serve_load.py"), *map(str, arguments)],
            env=ENVIRONMENT, stdout=subprocess.PIPE, check=True, text=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    def end(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def start(minilm: Path, converted: Path, infinity: Path | None) -> list[Server]:
    """All servers that can be had here, stopped; infinity's by its command, where there is one."""
    gtenp = [sys.executable, "-m", "gtenp", "serve", "--model", str(minilm), "--port", "0"]
    commands = {OURS: [*gtenp, "--log-format", "none"]}
    for peer in PEERS:
        script = str(HERE / "serve_peers.py")
        commands[peer] = [sys.executable, script, peer, str(minilm), str(converted)]
    ports = dict.fromkeys(commands, 0)
    if infinity is not None:
        ports[INFINITY] = free_port()
        commands[INFINITY] = [
            str(infinity), "v2", "--model-id", str(minilm), "--device", "cpu", "--engine", "torch",
            "--url-prefix", "/v1", "--host", "127.0.0.1", "--port", str(ports[INFINITY]),
        ]  # fmt: skip
    servers = []
    for name, command in commands.items():
        server = Server(name, command, ports[name])
        server.vectors(["warm"])
        server.process.send_signal(signal.SIGSTOP)
        servers.append(server)
    return servers


def compare(servers: list[Server], rounds: int, seconds: float) -> dict[str, Any]:
    """Each load on each server in turn, and again: lists of a figure a round."""
    found: dict[str, Any] = {}
    for connections, texts in LOADS:
        of_load: dict[str, Any] = {server.name: {} for server in servers}
        for _ in range(rounds):
            for server in servers:
                with server:
                    figures = server.load(connections, texts, seconds)
                for name, value in figures.items():
                    of_load[server.name].setdefault(name, []).append(value)
        found[f"{connections} × {texts}"] = of_load
        print(f"{connections} connections, {texts} texts a request", flush=True)
    return found


def overhead(server: Server, embedder: Embedder, rounds: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of a request and of ``encode`` on the same texts, a median a round."""
    found: dict[str, Any] = {}
    for texts in OVERHEAD:
        requests = [json.loads(body)["input"] for body in serve_load.bodies(texts)]
        served, direct = [], []
        for _ in range(rounds):
            with server:
                served.append(server.load(1, texts, seconds)["p50_ms"])
            times = []
            end = time.perf_counter() + seconds
            while (begun := time.perf_counter()) < end:
                embedder.encode(requests[len(times) % len(requests)])
                times.append(1e3 * (time.perf_counter() - begun))
            direct.append(statistics.median(times))
        found[str(texts)] = {"served": served, "direct": direct}
    return found


# ── The page ─────────────────────────────────────────────────────────────────────────────────────


def goals(results: dict[str, Any]) -> list[Goal]:
    """What the server sets out to reach."""
    found = []
    for load, of_load in results["loads"].items():
        connections = int(load.split(" ")[0])
        for peer, bound in (("sentence-transformers", 2.0), ("onnxruntime", 1.3)):
            theirs = of_load[f"{peer}, a lock"]["requests_per_second"]
            value = ratio(of_load[OURS]["requests_per_second"], theirs)
            wanted = bound if connections >= 8 else 0.8
            found.append(Goal(f"requests per second, {load}, {peer}", "≥", wanted, value))
    for texts, times in results["overhead"].items():
        value = ratio(times["served"], times["direct"])
        found.append(Goal(f"a request of {texts} texts against `encode`", "≤", 1.1, value))
    return found


def _loads(results: dict[str, Any]) -> str:
    rows = []
    for peer in results["errors"]:
        row = [f"**{peer}**" if peer == OURS else peer]
        for of_load in results["loads"].values():
            per_second, p50, p99 = (
                statistics.median(of_load[peer][name])
                for name in ("requests_per_second", "p50_ms", "p99_ms")
            )
            row.append(f"{per_second:,.1f} ({p50:,.0f}, {p99:,.0f})")
        rows.append([*row, f"{results['errors'][peer]:.0e}"])
    return table(["connections × texts", *results["loads"], "error"], rows)


def page(results: dict[str, Any]) -> str:
    """serve.md."""
    found = results["machine"]
    wanted = goals(results)
    rows = [
        [
            goal.what,
            f"{goal.sign} {goal.bound:g}",
            f"{goal.found:.3g}",
            "met" if goal.met else "**not met**",
        ]
        for goal in wanted
    ]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    parts = [
        "# How fast the server is",
        "Made by `make bench-serve`."
        + " **A quick run, to test the tool: its figures mean little.**" * results["quick"],
        f"- {found['cpu']}, {found['cpus']} CPUs, which the clients share with the server\n"
        f"- NumPy's BLAS: {found['blas']}, kernel {found['kernel']}\n"
        f"- {found['system']}; Python {found['python']}; {versions}",
        "Each connection asks again as soon as it is answered, for the vectors of short queries of "
        "four to ten words, in base64. The other servers are the same route around another "
        "runtime with a lock (tools/bench/serve_peers.py), and infinity as it comes, on torch, in "
        "an environment of its own. Servers take turns in each round; "
        "figures are medians over the rounds, ratios the medians of the rounds' ratios. *error* is "
        "the largest difference from `Embedder.encode`.",
        f"## The goals: {sum(g.met for g in wanted)} of {len(wanted)} met",
        table(["gtenp", "goal", "found", ""], rows),
        "## Requests per second (milliseconds of the median, of the slowest hundredth)",
        _loads(results),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("minilm", type=Path, help="all-MiniLM-L6-v2's folder")
    parser.add_argument("work", type=Path, help="keeps the converted model between runs")
    parser.add_argument("results", type=Path, help="gets serve.json and serve.md")
    parser.add_argument("--infinity", type=Path, help="the command infinity_emb")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    options = parser.parse_args()
    rounds, seconds = (2, 1.0) if options.quick else (5, 6.0)

    options.work.mkdir(parents=True, exist_ok=True)
    options.results.mkdir(parents=True, exist_ok=True)
    converted = models.prepare(options.minilm, options.work)[MINILM].converted
    embedder = Embedder(options.minilm)
    texts = ["how to find a train", "river " * 40, ""]
    wanted = embedder.encode(texts)
    infinity = options.infinity
    if infinity is not None and not infinity.exists():
        print(f"{infinity} is not there, so infinity is left out")
        infinity = None
    servers = start(options.minilm, converted, infinity)
    try:
        errors = {}
        for server in servers:
            with server:
                errors[server.name] = float(np.abs(server.vectors(texts) - wanted).max())
        results = {
            "quick": options.quick,
            "machine": machine.describe(threadpool_info(), embedder.threads),
            "errors": errors,
            "loads": compare(servers, rounds, seconds),
            "overhead": overhead(servers[0], embedder, rounds, seconds),
        }
    finally:
        for server in servers:
            server.end()
    content = json.dumps(results, indent=1, ensure_ascii=False)
    (options.results / "serve.json").write_text(content + "\n", encoding="utf-8")
    (options.results / "serve.md").write_text(page(results), encoding="utf-8")
    print(page(results))


if __name__ == "__main__":
    main()
