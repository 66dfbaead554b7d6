"""A job of many short lines: its memory as it goes on, and its speed beside Embedder.encode alone.

    python tools/bench_jobs.py FOLDER [LINES]

FOLDER is the model's. The lines are sentences put together from the words of the standard library's
docstrings, some ten tokens each, no two alike. First one process embeds all of them by ``gtenp
embed`` while its resident memory is looked at ten times a second; then pieces of 8,192 lines go by
turns through ``job.run`` and through ``Embedder.encode``, and the medians count.
"""

from __future__ import annotations

import pydoc
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gtenp import Embedder
from gtenp.jobs import job
from gtenp.jobs.readers import Source
from gtenp.measure.speed import blas, cpu

PIECE = 8192
PAIRS = 6


def main(model: str, count: int) -> None:
    """Print both measurements."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lines.txt")
        lines = _lines(count)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        print(f"{cpu()}, {' '.join(blas())}; {count:,} lines, {path.stat().st_size:,} bytes")
        _memory(model, path, count)
        _speed(model, lines[: 2 * PAIRS * PIECE], Path(folder))


def _lines(count: int) -> list[str]:
    choose = random.Random(1)
    modules = ("builtins", "json", "pathlib", "shutil", "socket", "textwrap", "threading", "os")
    docs = " ".join(pydoc.plain(pydoc.render_doc(name)) for name in modules)
    words = sorted({word for word in docs.lower().split() if word.isalpha()})
    return [" ".join(choose.choices(words, k=choose.randint(4, 10))) for _ in range(count)]


def _memory(model: str, path: Path, count: int) -> None:
    out = path.with_suffix(".npy")
    command = [sys.executable, "-m", "gtenp", "embed", "--model", model, str(path), "-o", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    resident = []
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        resident.append(int(found[0]) // 1024 if found else 0)
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    tenths = [max(resident[i * len(resident) // 10 : (i + 1) * len(resident) // 10] or [0])
              for i in range(10)]  # fmt: skip
    print(f"{seconds:,.0f} s, {count / seconds:,.0f} lines/s in all, with loading and writing")
    print(f"most MB resident in each tenth of the time: {', '.join(map(str, tenths))}")


def _speed(model: str, lines: list[str], folder: Path) -> None:
    alone, as_job = Embedder(model), Embedder(model)
    threads = alone.threads
    path, out = folder / "piece.txt", folder / "piece.npy"
    rates: dict[str, list[float]] = {"encode": [], "job": []}
    alone.encode(lines[:500])
    for start in range(0, len(lines) - PIECE + 1, PIECE):
        piece = lines[start : start + PIECE]
        path.write_text("".join(f"{line}\n" for line in piece), encoding="utf-8")
        begun = time.perf_counter()
        if (start // PIECE) % 2:
            job.run(Source((str(path),)), out, as_job, model, threads=threads)
            rates["job"].append(PIECE / (time.perf_counter() - begun))
        else:
            alone.encode(piece)
            rates["encode"].append(PIECE / (time.perf_counter() - begun))
    one, other = (statistics.median(rates[name]) for name in ("encode", "job"))
    print(f"encode {one:,.0f} lines/s, job {other:,.0f} lines/s: {other / one:.2f} ×")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
