"""Fresh process to first embedding, against a bare NumPy prototype: `make bench-cold-start`.

usage: python tools/bench_cold_start.py MODEL_FOLDER [ROUNDS]

The prototype does the same work with nothing around it: import numpy, map the weights, transpose
them once, run the layers on token ids that it is given. Each run is a process of its own, the two
take turns, and medians are printed; the goal is a ratio of at most 1.5.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

GTENP = """
import sys
from gtenp import Embedder
print(Embedder(sys.argv[1]).encode("what is the capital of China?")[0])
"""

PROTOTYPE = """
import sys, json, mmap
import numpy as np
file = open(sys.argv[1] + "/model.safetensors", "rb")
data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
start = 8 + int.from_bytes(data[:8], "little")
header = json.loads(data[8:start])
def get(name):
    entry = header[name]
    begin, end = entry["data_offsets"]
    return np.frombuffer(data, "<f4", (end - begin) // 4, start + begin).reshape(entry["shape"])
def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x /= np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * get(name + ".weight") + get(name + ".bias")
config = json.load(open(sys.argv[1] + "/config.json"))
A, L = config["num_attention_heads"], config["num_hidden_layers"]
names = ["attention.self.query", "attention.self.key", "attention.self.value",
         "attention.output.dense", "intermediate.dense", "output.dense"]
W = {(l, n): np.ascontiguousarray(get(f"encoder.layer.{l}.{n}.weight").T)
     for l in range(L) for n in names}
b = {(l, n): get(f"encoder.layer.{l}.{n}.bias") for l in range(L) for n in names}
ids = [101, 2054, 2003, 1996, 3007, 1997, 2859, 1029, 102]
x = get("embeddings.word_embeddings.weight")[ids]
x = x + get("embeddings.position_embeddings.weight")[:len(ids)]
x = norm(x + get("embeddings.token_type_embeddings.weight")[0], "embeddings.LayerNorm")
for l in range(L):
    q, k, v = (np.swapaxes((x @ W[l, n] + b[l, n]).reshape(len(ids), A, -1), 0, 1)
               for n in names[:3])
    s = np.exp(q @ np.swapaxes(k, 1, 2) / np.sqrt(q.shape[-1]))
    c = np.swapaxes(s / s.sum(-1, keepdims=True) @ v, 0, 1).reshape(len(ids), -1)
    p = f"encoder.layer.{l}."
    x = norm(c @ W[l, names[3]] + b[l, names[3]] + x, p + "attention.output.LayerNorm")
    h = x @ W[l, names[4]] + b[l, names[4]]
    h *= 0.5 * (1 + np.tanh(0.7978846 * (h + 0.044715 * h**3)))
    x = norm(h @ W[l, names[5]] + b[l, names[5]] + x, p + "output.LayerNorm")
m = x.mean(0)
print((m / np.linalg.norm(m))[0])
"""


def seconds(program: str, folder: str) -> float:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program, folder], env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - start


def main(folder: str, rounds: str = "15") -> None:
    times: dict[str, list[float]] = {GTENP: [], PROTOTYPE: []}
    for turn in range(int(rounds) + 1):
        for program, found in times.items():
            took = seconds(program, folder)
            if turn:  # the first round warms the disk's cache
                found.append(took)
    ratio = statistics.median(a / b for a, b in zip(times[GTENP], times[PROTOTYPE], strict=True))
    print(f"gtenp      {statistics.median(times[GTENP]):.3f} s")
    print(f"prototype  {statistics.median(times[PROTOTYPE]):.3f} s")
    print(f"ratio      {ratio:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
