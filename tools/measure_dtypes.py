"""What a checkpoint's dtype costs: gte-small's shape with random weights, kept in each float dtype.

usage: python tools/measure_dtypes.py

Each is a process of its own: seconds to the first vector, resident memory after 64 texts, and
their rate. The layers' weights are turned into float32 once, whatever the file holds; the
embedding tables stay in the file, of which only the rows that are used are ever read.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from random_model import GTE_SMALL, random_tensors, write_model, write_sentence_files  # noqa: E402
from raw_safetensors import save_bfloat16  # noqa: E402

CHILD = """
import sys, time
start = time.perf_counter()
from gtenp import Embedder
embedder = Embedder(sys.argv[1])
embedder.encode("hello")
first = time.perf_counter() - start
start = time.perf_counter()
embedder.encode(["the quick brown fox jumps over the lazy dog " * 10] * 64)
rate = 64 / (time.perf_counter() - start)
sys.path.insert(0, sys.argv[2])
from peak_memory import peak_megabytes
print(f"{first:6.2f} s {peak_megabytes():9} MB {rate:8.0f} texts/s")
"""


def main() -> None:
    words = (ROOT / "tests/data/vocab-uncased.txt").read_text(encoding="utf-8").split("\n")[:-1]
    print("dtype       file    first vector   resident        rate")
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        with tempfile.TemporaryDirectory() as temporary:
            stored = "float32" if dtype == "bfloat16" else dtype
            folder = write_model(Path(temporary, "model"), GTE_SMALL, 1, words, stored)
            write_sentence_files(folder, max_seq_length=512)
            path = folder / "model.safetensors"
            if dtype == "bfloat16":
                save_bfloat16(random_tensors(GTE_SMALL, 1), path)
            done = subprocess.run(
                [sys.executable, "-c", CHILD, str(folder), str(ROOT / "tests")],
                capture_output=True,
                text=True,
                check=True,
            )
            size = path.stat().st_size >> 20
        print(f"{dtype:10} {size:4} MB  {done.stdout.rstrip()}")


if __name__ == "__main__":
    main()
