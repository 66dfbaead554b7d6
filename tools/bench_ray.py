"""What an actor of Ray Data makes of a second of its CPU, alone and beside another, and its memory.

usage: python tools/bench_ray.py MODEL [TEXTS]

A second of CPU is the process's own, so that other work on the machine counts little: where two
actors make as much of theirs as one does, two make twice as much. Each actor has one CPU. Pss
counts a page that several processes share by its share, Uss leaves it out.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa
import ray

from gtenp import Embedder
from gtenp.integrations.ray import EmbedTexts
from gtenp.measure.speed import mixed_texts

ROUNDS = 3
BLOCK = 64  # texts


class Measured(EmbedTexts):
    """Leaves in a file how many texts took how much CPU, and its memory."""

    def __init__(self, model: str, folder: str) -> None:
        super().__init__(model)
        self.file = Path(folder) / str(os.getpid())
        self.texts, self.seconds = 0, 0.0

    def __call__(self, table: pa.Table) -> pa.Table:
        start = time.process_time()
        vectors = super().__call__(table)
        self.seconds += time.process_time() - start
        self.texts += len(table)
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
        size = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        own = size["Private_Clean"] + size["Private_Dirty"]
        self.file.write_text(json.dumps([self.texts, self.seconds, own, size["Pss"]]))
        return vectors


def run(model: str, texts: list[str], actors: int) -> tuple[float, float, float]:
    """Texts a second of CPU, and the most that an actor had of Uss and Pss, MB."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = [pa.table({"text": some}) for some in in_blocks(texts)]
        ray.data.from_arrow(blocks).map_batches(
            Measured,
            fn_constructor_args=(model, folder),
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=1,
            batch_format="pyarrow",
        ).materialize()
        found = [json.loads(path.read_text()) for path in Path(folder).glob("[0-9]*")]
    if len(found) != actors:
        raise SystemExit(f"{len(found)} of {actors} actors had work: take more texts")
    count, seconds, own, shared = zip(*found, strict=True)
    return sum(count) / sum(seconds), max(own) / 1e3, max(shared) / 1e3


def in_blocks(texts: list[str]) -> Iterator[list[str]]:
    """So many at a time."""
    return (texts[first : first + BLOCK] for first in range(0, len(texts), BLOCK))


def main(model: str, count: int = 1024) -> None:
    """Print the figures of one process without Ray, of one actor and of two, taking turns."""
    texts = list(islice(cycle(mixed_texts()), count))
    embedder = Embedder(model, threads=1)
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for some in in_blocks(texts):
            embedder.encode(some, truncate="silent")
        alone = count / (time.process_time() - start)
        rounds.append((alone, *(run(model, texts, actors) for actors in (1, 2))))
    ray.shutdown()
    print("without Ray", *(f"{alone:.0f}" for alone, _, _ in rounds), "texts a second of CPU")
    for name, place in (("1 actor", 1), ("2 actors", 2)):
        rates, own, shared = zip(*(one[place] for one in rounds), strict=True)
        print(name, *(f"{rate:.0f}" for rate in rates), "texts a second of CPU")
        print(f"  an actor's Uss {max(own):.0f} MB, Pss {max(shared):.0f} MB")
    ratio = statistics.median(2 * two[0] / one[0] for _, one, two in rounds)
    print(f"2 actors make {ratio:.2f} times what 1 makes")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
