"""Score a model on a file in the STS benchmark's form.

usage: python tools/evaluate_sts.py FILE [MODEL]

A line is genre, file, year, id, score, sentence 1 and sentence 2, tab-separated. Printed is
Spearman's rank correlation (× 100) of the pairs' cosines with the people's scores.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gtenp import Embedder


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing their mean rank: [N] -> [N]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts + 1) / 2)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation: Pearson's of the ranks."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def main(file: str, model: str = "all-MiniLM-L6-v2") -> None:
    rows = [line.split("\t") for line in Path(file).read_text(encoding="utf-8").splitlines()]
    scores = np.array([float(row[4]) for row in rows])
    embedder = Embedder(model)
    first, second = (embedder.encode([row[i] for row in rows]) for i in (5, 6))
    cosines = (first * second).sum(axis=1) / (
        np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    )
    print(f"{model}, {len(rows)} pairs, max {embedder.max_seq_length} tokens")
    print(f"Spearman {spearman(cosines, scores) * 100:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
