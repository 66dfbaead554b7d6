"""all-mpnet-base-v2's real weights beside sentence-transformers: `make parity-mpnet`.

usage: python tools/parity_mpnet.py FOLDER

Prints whether all token ids are equal, and the largest difference of the vectors of the golden
texts. Exit status 1 where ids differ or the tolerance is left.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from golden import EMBEDDING_TOLERANCE  # noqa: E402
from texts import golden_texts  # noqa: E402

from gtenp import Embedder  # noqa: E402


def main(folder: str) -> int:
    theirs, ours = SentenceTransformer(folder, device="cpu"), Embedder(folder)
    texts = golden_texts()
    most = {"truncation": True, "max_length": ours.max_seq_length}
    ids = theirs.tokenizer(texts, **most)["input_ids"]
    equal = ids == ours.tokenizer(texts, **most)["input_ids"]
    seconds, vectors = [], []
    for model in (theirs, ours):
        start = time.perf_counter()
        vectors.append(model.encode(texts))
        seconds.append(time.perf_counter() - start)
    apart = float(np.abs(vectors[0] - vectors[1]).max())
    print(f"all-mpnet-base-v2: {len(texts)} texts, {sum(map(len, ids)):,} tokens")
    print(f"token ids {'equal' if equal else 'DIFFER'}")
    print(f"sentence embeddings: max abs {apart:.2e}")
    print(f"sentence-transformers {seconds[0]:.1f} s, gtenp {seconds[1]:.1f} s")
    good = equal and apart <= EMBEDDING_TOLERANCE
    print("within tolerance" if good else "OUT OF TOLERANCE")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
