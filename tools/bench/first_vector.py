"""Load a runtime, embed one text, say how much memory that took, and end.

usage: python tools/bench/first_vector.py PEER MODEL_FOLDER CONVERTED_FOLDER CPUS

What a short program of its users does; cold_start.py times it from the outside.
"""

import os
import sys
from pathlib import Path

NAME, FOLDER, CONVERTED, CPUS = sys.argv[1:]
os.sched_setaffinity(0, map(int, CPUS.split(",")))

from batches import Text  # noqa: E402
from peers import PEERS, Files  # noqa: E402

TEXT = "what is the capital of China?"


def token_ids() -> list[int]:
    """By the Rust tokenizer, for the runtimes that have none."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{FOLDER}/tokenizer.json")
    tokenizer.no_padding()  # the file may ask for it
    return tokenizer.encode(TEXT).ids


peer = PEERS[NAME]
embed = peer.load(Files(Path(FOLDER), Path(CONVERTED)), len(CPUS.split(",")), 1)
embed([Text(TEXT, [] if peer.tokenizes else token_ids())])
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0], flush=True)  # the largest resident size, in KiB
