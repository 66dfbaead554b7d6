"""Build a folder that runs by itself, as AWS Lambda and its like unpack one, and time its start.

usage: python tools/build_lambda.py MODEL FOLDER

FOLDER, which must be empty or missing, gets gtenp of this tree and all that it needs, by pip's
--target, the model, and a handler. Then fresh processes that see nothing else answer a request
each, at first with the folder's files out of the system's memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from gtenp import Embedder

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 250_000_000  # bytes unpacked; with a container image there is none
RUNS = 5

HANDLER = '''"""What AWS Lambda calls; the model is loaded once, before the first request."""

from pathlib import Path

from gtenp import Embedder

embedder = Embedder(Path(__file__).parent / "model")


def handler(event, context):
    """{"input": a text or several} -> {"embedding": its vector or theirs}."""
    return {"embedding": embedder.encode(event["input"]).tolist()}
'''

# -I and -S: none of Python's variables, no site-packages, nothing but the folder.
REQUEST = """
import time
start = time.perf_counter()
import json, sys
sys.path.insert(0, sys.argv[1])
from handler import handler
loaded = time.perf_counter()
vector = handler({"input": "any text"}, None)["embedding"]
answered = time.perf_counter()
print(json.dumps([loaded - start, answered - loaded, vector]))
"""


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def forget(folder: Path) -> None:
    """Have the system read the files from the disk again."""
    for path in folder.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def request(folder: Path) -> tuple[float, float, list[float]]:
    """Seconds to import and load, seconds to the first vector, and the vector."""
    # BLAS as here, since another kernel rounds otherwise.
    kept = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", REQUEST, str(folder)],
        env={"HOME": "/nonexistent", "PATH": os.environ["PATH"], **kept},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    loading, answering, vector = json.loads(done.stdout)
    return loading, answering, vector


def build(model: str, folder: Path) -> None:
    """Fill the folder."""
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder}: holds something already; name an empty folder")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), str(ROOT)]
    subprocess.run(pip, check=True)
    Embedder(model).save_pretrained(folder / "model")
    (folder / "handler.py").write_text(HANDLER, encoding="utf-8")


def main(model: str, name: str) -> None:
    """Build, weigh, time."""
    folder = Path(name).absolute()
    build(model, folder)
    total = size(folder)
    parts = sorted(((size(path), path.name) for path in folder.iterdir()), reverse=True)
    print(f"{folder}: {total / 1e6:.0f} MB of {LIMIT / 1e6:.0f}")
    for part, of in parts[:5]:
        print(f"  {part / 1e6:5.1f} MB  {of}")
    if total > LIMIT:
        raise SystemExit("too large: take a smaller model, or one with float16 weights")
    request(folder)  # what it compiles, it compiles now
    for what, cold in (("from the disk", True), ("from memory", False)):
        runs = []
        for _ in range(RUNS):
            if cold:
                forget(folder)
            runs.append(request(folder))
        loading, answering = (statistics.median(run[i] for run in runs) for i in (0, 1))
        print(f"{what}: imported and loaded in {loading:.2f} s, first vector in {answering:.3f} s")
    expected = Embedder(model).encode("any text")
    difference = abs(expected - runs[-1][2]).max()
    print(f"largest difference from this process's vector: {difference:.0e}")
    if difference > 1e-6:
        raise SystemExit("the folder's vector is another")


if __name__ == "__main__":
    main(*sys.argv[1:])
