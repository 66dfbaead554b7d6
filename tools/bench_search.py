"""gtenp.Index beside one pass of NumPy's product over the same vectors, mapped from a .npy.

    python tools/bench_search.py [ROWS] [DIMENSION]

Both are warm: the file is in the system's cache. The product is ``vectors @ query`` by NumPy's own
BLAS on all its threads; the search is ``Index.nearest`` with its best ten. Runs alternate, and of
each the median counts.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gtenp.engine.parallel import default_threads
from gtenp.jobs.index import Index
from gtenp.jobs.outputs import Output
from gtenp.measure.speed import blas, cpu

RUNS = 15


def main(rows: int, dimension: int) -> None:
    """Print the medians of both and their ratio."""
    random = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vectors.npy")
        vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, dimension))
        for start in range(0, rows, 8192):
            block = random.standard_normal((min(8192, rows - start), dimension), np.float32)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            vectors[start : start + len(block)] = block
        vectors.flush()
        mapped = np.load(path, mmap_mode="r")
        query = np.ascontiguousarray(mapped[rows // 2])
        print(f"{cpu()}; NumPy {np.__version__}, {' '.join(blas())}; {default_threads()} threads")
        mapped @ query  # warm
        product = []
        metadata = {"dimension": dimension, "rows": rows, "similarity": "cosine"}
        for dtype in ("float32", "int8", "ubinary"):
            own, options = _as(dtype, mapped), {"dtype": dtype, "normalized": True}
            if dtype == "int8":
                ranges = np.stack((mapped[:10_000].min(axis=0), mapped[:10_000].max(axis=0)))
                options["ranges"] = ranges.tolist()
            index = Index(Output({**metadata, **options}, own, lambda _: []))
            index.nearest(query)  # warm
            search = []
            for _ in range(RUNS):
                product.append(time_of(lambda: mapped @ query))
                search.append(time_of(lambda index=index: index.nearest(query)))
            one, other = statistics.median(product[-RUNS:]), statistics.median(search)
            print(
                f"{rows:,} × {dimension} {dtype:<8} product {one * 1e3:7.1f} ms, "
                f"search {other * 1e3:7.1f} ms, {other / one:.2f} ×"
            )


def _as(dtype: str, vectors: np.ndarray) -> np.ndarray:
    if dtype == "float32":
        return vectors
    parts = [vectors[start : start + 65536] for start in range(0, len(vectors), 65536)]
    if dtype == "ubinary":
        return np.concatenate([np.packbits(part > 0, axis=1) for part in parts])
    return np.concatenate([np.clip(part * 500, -128, 127).astype(np.int8) for part in parts])


def time_of(function: Callable[[], object]) -> float:
    """Seconds of one call, once the threads of OpenBLAS's last product have ceased to spin."""
    time.sleep(0.1)
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *("1000000", "384")[len(sys.argv) - 1 :]]))
