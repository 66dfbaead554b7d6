"""Ill-treat a `gtenp serve` while good requests go on, none of which may fail.

    python tools/serve_faults.py MODEL [--drops 1000] [--bodies 10000] [--slow 200] [--seconds 600]

Clients that drop their connections mid-request, bodies that are no request, clients that send a
byte a second, a worker killed, and --seconds of full load, after which the memory must be what it
was. All on loopback. Exits with 1, and says why, where a good request fails, a status is none of
the documented ones, or something is left in the queue.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

GOOD = json.dumps({"input": ["a good request", "of two texts"]}).encode()
DOCUMENTED = {200, 400, 401, 404, 405, 408, 413, 422, 424, 429, 503}
PATHS = ("/v1/embeddings", "/", "/embed", "/embed_all", "/similarity", "/tokenize", "/decode")
MAX_GROWTH = 16  # MB, of the server's memory under load


class Server:
    """A `gtenp serve` as a process of its own."""

    def __init__(self, model: str, workers: int = 1) -> None:
        command = [sys.executable, "-m", "gtenp", "serve", "--model", model, "--port", "0"]
        command += ["--log-format", "none", "--workers", str(workers)]
        self.log = Path(f"serve-faults-{os.getpid()}.log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2])
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5).close()
                return
            time.sleep(0.05)
        raise SystemExit("the server did not become ready")

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=30) as reply:
            found = re.search(rf"^{name} (\S+)$", reply.read().decode(), re.MULTILINE)
        assert found, name
        return float(found[1])

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found
        return int(found[1]) / 1000

    def end(self) -> str:
        """Stop it; what it complained of."""
        self.process.terminate()
        status = self.process.wait(60)
        complaints = self.log.read_text()
        self.log.unlink()
        if status:
            raise SystemExit(f"SIGTERM ended it with status {status}\n{complaints[-2000:]}")
        return complaints


class Good:
    """Good requests, one after the other, for as long as the block runs."""

    def __init__(self, url: str) -> None:
        self.url, self.asked, self.failures = url, 0, list[str]()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        first = None
        while not self._over.is_set():
            self.asked += 1
            try:
                with urllib.request.urlopen(f"{self.url}/v1/embeddings", GOOD, 60) as reply:
                    data = json.load(reply)["data"]
            except OSError as error:
                self.failures.append(repr(error))
                continue
            found = [number for item in data for number in item["embedding"]]
            first = first or found
            if max(abs(a - b) for a, b in zip(first, found, strict=True)) > 1e-6:
                self.failures.append("other vectors")

    def __enter__(self) -> Good:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────


def request(path: str, body: bytes, length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length or len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def drop(port: int, chance: random.Random) -> None:
    """Send a request or a part of it, and go."""
    texts = ["a text that nobody waits for " * chance.randint(1, 8)] * chance.randint(1, 64)
    content = request("/v1/embeddings", json.dumps({"input": texts}).encode())
    sent = content[: chance.choice([len(content), chance.randint(1, len(content))])]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    with contextlib.suppress(OSError):
        await writer.drain()
        await asyncio.sleep(chance.random() * 0.02)
    writer.transport.abort()  # with a reset, as a process that was killed


async def drops(port: int, count: int) -> None:
    chance = random.Random(1)
    for _ in range(0, count, 20):
        await asyncio.gather(*(drop(port, chance) for _ in range(20)))


def malformed(chance: random.Random) -> bytes:
    """A body that is hardly a request."""
    good = json.dumps({
        chance.choice(["input", "inputs", "ids", "query", "x"]): chance.choice(
            [None, 5, "a", ["a", None], [[1, "a"]], {}, [], ["\ud800"], [1e308], {"sentences": 3}]
        ),
        "dimensions": chance.choice([None, 0, -1, 10**30, "8", 2.5]),
        "encoding_format": chance.choice([None, "base64", "nonsense", 3]),
    }).encode()  # fmt: skip
    if chance.random() < 0.5:
        return good
    place, cut = chance.randrange(len(good)), chance.randrange(len(good))
    return chance.choice([
        good[:place], good[:place] + chance.randbytes(5) + good[place:], good[cut:],
        chance.randbytes(chance.randint(0, 99)), b"[" * chance.randint(1, 5000),
        good.replace(b"null", b"NaN"),
    ])  # fmt: skip


async def bodies(port: int, count: int) -> dict[int, int]:
    """How often each status came."""
    chance = random.Random(2)
    found: dict[int, int] = {}

    async def ask(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(number):
            writer.write(request(chance.choice(PATHS), malformed(chance)))
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            found[status] = found.get(status, 0) + 1
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert length, head
            await reader.readexactly(int(length[1]))
        writer.close()

    await asyncio.gather(*(ask(count // 8) for _ in range(8)))
    return found


async def slow(port: int, count: int, seconds: float) -> None:
    """Clients that send a byte a second: half of them of the head, half of the body."""

    async def one(number: int) -> None:
        content = request("/v1/embeddings", GOOD)
        sent = 10 if number % 2 else content.index(b"\r\n\r\n") + 8
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(content[:sent])
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                await asyncio.sleep(1)
                writer.write(content[sent : sent + 1])
                sent += 1
                await writer.drain()
        writer.transport.abort()

    await asyncio.gather(*(one(number) for number in range(count)))


def load(port: int, seconds: float) -> None:
    """All that 16 connections can ask for, by a process of its own."""
    client = Path(__file__).parent / "bench" / "serve_load.py"
    command = [sys.executable, str(client), str(port), "16", str(seconds), "4"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


# ── All of it ────────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """Run all faults; exit with 1 where a good request suffers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--drops", type=int, default=1000)
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600)
    options = parser.parse_args()
    problems = []

    server = Server(options.model)
    load(server.port, 2)
    with Good(server.url) as good:
        asyncio.run(drops(server.port, options.drops))
        print(f"{options.drops} connections dropped, {good.asked} good requests meanwhile")
        statuses = asyncio.run(bodies(server.port, options.bodies))
        print(f"{sum(statuses.values())} malformed bodies: {dict(sorted(statuses.items()))}")
        problems += [f"status {status}" for status in set(statuses) - DOCUMENTED]
        asyncio.run(slow(server.port, options.slow, min(10, options.seconds)))
        print(f"{options.slow} slow clients, {good.asked} good requests in all")
        before = server.megabytes()
        load(server.port, options.seconds)
        after = server.megabytes()
        print(f"{options.seconds:g} seconds of load: {before:.0f} MB before, {after:.0f} MB after")
        if after - before > MAX_GROWTH:
            problems.append(f"the memory grew by {after - before:.0f} MB")
    problems += good.failures
    for name, left in (("gtenp_queue_requests", 0), ("gtenp_requests_in_flight", 1)):
        if server.metric(name) != left:
            problems.append(f"{name} is {server.metric(name):g} in the end")
    complaints = server.end()
    if "Traceback" in complaints:
        problems.append(complaints[-2000:])

    server = Server(options.model, workers=2)
    killed = server.children()[0]
    os.kill(killed, signal.SIGKILL)
    time.sleep(0.2)  # what it had accepted is lost with it
    with Good(server.url) as good:
        time.sleep(min(3, options.seconds))
    print(f"a worker killed, {good.asked} good requests after it, {len(good.failures)} failed")
    problems += good.failures
    server.end()

    for problem in problems:
        print(f"FAILED: {problem}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
