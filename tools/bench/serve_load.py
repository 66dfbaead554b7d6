"""A bounded load on a server on loopback: so many connections, each asking again when answered.

    python tools/bench/serve_load.py PORT CONNECTIONS SECONDS TEXTS_A_REQUEST

prints a line of JSON: requests a second, and the milliseconds of the median and of the slowest
hundredth. It is a process of its own, so that what it costs is none of the server's time but for
the CPU that they share.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

WORDS = (
    "how what where the best way to find a train hotel weather price cheap recipe python list sort "
    "array city river mountain history of music film book doctor school garden winter phone number"
).split()


def bodies(texts: int, count: int = 200) -> list[bytes]:
    """Requests of short queries, four to ten words each: the same ones each time."""
    chance = random.Random(1)
    queries = [
        [" ".join(chance.choices(WORDS, k=chance.randint(4, 10))) for _ in range(texts)]
        for _ in range(count)
    ]
    return [json.dumps({"input": some, "encoding_format": "base64"}).encode() for some in queries]


async def ask(port: int, requests: list[bytes], first: int, until: float) -> list[float]:
    """One connection's requests, one after the other: the seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    number = first
    while (start := time.perf_counter()) < until:
        body = requests[number % len(requests)]
        number += 1
        writer.write(
            b"POST /v1/embeddings HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json"
            b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - start)
    writer.close()
    return seconds


async def load(port: int, connections: int, seconds: float, texts: int) -> dict[str, float]:
    """All connections at once."""
    requests = bodies(texts)
    start = time.perf_counter()
    found = await asyncio.gather(
        *(ask(port, requests, 7 * i, start + seconds) for i in range(connections))
    )
    elapsed = time.perf_counter() - start
    all_seconds = sorted(second for some in found for second in some)
    return {
        "requests_per_second": len(all_seconds) / elapsed,
        "p50_ms": 1e3 * all_seconds[len(all_seconds) // 2],
        "p99_ms": 1e3 * all_seconds[len(all_seconds) * 99 // 100],
    }


if __name__ == "__main__":
    port, connections, seconds, texts = sys.argv[1:]
    print(json.dumps(asyncio.run(load(int(port), int(connections), float(seconds), int(texts)))))
