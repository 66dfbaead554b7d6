"""Texts a second through Ray Data on this machine, with one actor and with two, a CPU each.

usage: python tools/bench_ray.py MODEL [TEXTS]

Of each number of actors two jobs run, of TEXTS and of three times as many: what the longer one
takes beyond the shorter is free of the actors' start. The four take turns, three times; medians.
Beside them stands one process without Ray, and what each actor's memory is its own (Uss) and
shared (Pss counts a shared page by its share).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from gtenp import Embedder
from gtenp.integrations.ray import EmbedTexts
from gtenp.measure.speed import mixed_texts

ROUNDS = 3
BLOCK = 64  # texts


def write(folder: Path, count: int) -> list[str]:
    """The texts as files of a block each."""
    folder.mkdir()
    known = mixed_texts()
    texts = [known[i % len(known)] for i in range(count)]
    for start in range(0, count, BLOCK):
        some = texts[start : start + BLOCK]
        table = pa.table({"id": range(start, start + len(some)), "text": some})
        pq.write_table(table, folder / f"{start}.parquet")
    return texts


class Measured(EmbedTexts):
    """Leaves its memory in a file."""

    def __init__(self, model: str, folder: str) -> None:
        super().__init__(model)
        self.file = Path(folder) / f"memory-{id(self)}"

    def __call__(self, table: pa.Table) -> pa.Table:
        vectors = super().__call__(table)
        self.file.write_text(Path("/proc/self/smaps_rollup").read_text())
        return vectors


def run(model: str, texts: Path, actors: int, folder: Path) -> float:
    """Seconds of one job."""
    start = time.perf_counter()
    ray.data.read_parquet(str(texts)).map_batches(
        Measured,
        fn_constructor_args=(model, str(folder)),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        batch_format="pyarrow",
    ).write_parquet(tempfile.mkdtemp(dir=folder))
    return time.perf_counter() - start


def memory(folder: Path) -> str:
    """The largest of the actors' Uss and Pss."""
    sizes = []
    for path in folder.glob("memory-*"):
        found = dict(line.split(":") for line in path.read_text().splitlines()[1:])
        kilobytes = {name: int(value.split()[0]) for name, value in found.items()}
        own = kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]
        sizes.append((own / 1e3, kilobytes["Pss"] / 1e3))
    return ", ".join(f"{max(column):.0f} MB" for column in zip(*sizes, strict=True))


def main(model: str, count: int = 512) -> None:
    """Print the rates and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = write(folder / "few", count)
        write(folder / "many", 3 * count)
        ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
        context = ray.data.DataContext.get_current()
        context.target_min_block_size, context.target_max_block_size = 1, 1_000_000
        context.enable_progress_bars = False
        rates: dict[str, list[float]] = {"one process": [], "1 actor": [], "2 actors": []}
        embedder = Embedder(model, threads=1)
        embedder.encode(few[:64])
        for _ in range(ROUNDS):
            start = time.perf_counter()
            embedder.encode(few)
            rates["one process"].append(count / (time.perf_counter() - start))
            for actors in (1, 2):
                seconds = [run(model, folder / size, actors, folder) for size in ("few", "many")]
                rate = 2 * count / (seconds[1] - seconds[0])
                rates[f"{actors} actor{'s' * (actors > 1)}"].append(rate)
        for what, values in rates.items():
            rounds = ", ".join(f"{value:.0f}" for value in values)
            print(f"{what}: {statistics.median(values):.0f} texts/s of {rounds}")
        ratios = [b / a for a, b in zip(rates["1 actor"], rates["2 actors"], strict=True)]
        rounds = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"2 actors against 1: {statistics.median(ratios):.2f} of {rounds}")
        print(f"an actor's Uss and Pss: {memory(folder)}")
        ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
