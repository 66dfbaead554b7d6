"""The memory of ``gtenp embed --processes N`` beside that of one process.

usage: python tools/bench_processes.py MODEL [N]

N processes of a thread each, by default 4, then one process of N threads and one of a single thread
embed the same file; printed is the most that all of a run's processes had together, of pages that
several share each one's share (Pss). Linux alone tells it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from processes import family_megabytes

from gtenp.measure.speed import mixed_texts

SECONDS = 20  # of each run; most is there after ten


def most(model: str, texts: Path, processes: int, threads: int) -> float:
    """MB, of a run that is ended after SECONDS."""
    command = [
        "embed",
        "-q",
        str(texts),
        "-o",
        str(texts.with_suffix(f".{processes}.{threads}.npy")),
    ]
    options = ["--model", model, "--processes", str(processes), "--threads", str(threads)]
    job = subprocess.Popen([sys.executable, "-m", "gtenp", *command, *options])
    found, end = 0.0, time.monotonic() + SECONDS
    while time.monotonic() < end and job.poll() is None:
        found = max(found, family_megabytes(job.pid))
        time.sleep(0.2)
    if job.poll() is not None:
        sys.exit("the run ended before it could be measured")
    job.terminate()
    job.wait()
    return found


def main() -> None:
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    model, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.txt"
        lines = [" ".join(text.split()) for text in mixed_texts()]
        texts.write_text("\n".join(lines * (200 * (os.cpu_count() or 1))) + "\n")
        one = most(model, texts, 1, 1)
        for processes, threads, name in (
            (count, count, f"{count} processes of one thread"),
            (1, count, f"one process of {count} threads"),
        ):
            found = most(model, texts, processes, threads)
            print(f"{name}: {found:.0f} MB, {found / one:.2f} times one thread's")
    print(f"one process of one thread: {one:.0f} MB")


if __name__ == "__main__":
    main()
