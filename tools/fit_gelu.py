"""Fit the polynomial of kernels.gelu_: `python tools/fit_gelu.py` prints _GELU_ROOT and its error.

a · Φ(-a), the part of GELU that isn't relu, is written as a / P(a)^8. P is fitted so that its
largest error is smallest: Lawson's iteratively reweighted least squares (C. L. Lawson 1961), in
NumPy's float64. Its coefficients are rounded to float32 one by one, lowest first, and the rest
fitted anew each time, so that they make up for the rounding.
"""

from __future__ import annotations

import math

import numpy as np

DEGREE, POWER = 8, 8

A = np.concatenate([np.linspace(1e-3, 6.0, 6000), np.linspace(6.0, 9.0, 300)])
TAIL = np.array([0.5 * math.erfc(a / math.sqrt(2.0)) for a in A])  # Φ(-a)
ROOT = TAIL ** (-1 / POWER)
COST = POWER * A * TAIL / ROOT  # what an error of P costs in the result


def largest_error(polynomial: np.ndarray) -> float:
    """Of a / P(a)^8, given P's values."""
    return float(np.abs(A * polynomial ** -float(POWER) - A * TAIL).max())


def fit(known: list[float]) -> list[float]:
    """All coefficients, lowest first, of which the first few are known already."""
    fixed = np.polynomial.polynomial.polyval(A, known) if known else np.zeros_like(A)
    powers = np.stack([A**i for i in range(len(known), DEGREE + 1)], axis=1)
    weight = np.full(len(A), 1.0 / len(A))
    least, best = math.inf, powers[0]
    for _ in range(200):
        scale = np.sqrt(weight) * COST
        found = np.linalg.lstsq(powers * scale[:, None], (ROOT - fixed) * scale, rcond=1e-20)[0]
        error = np.abs(COST * (fixed + powers @ found - ROOT))
        if error.max() < least:
            least, best = error.max(), found
        weight *= error / error.mean()
        weight = weight / weight.sum() + 1e-18
    return [*known, *best.tolist()]


def main() -> None:
    known: list[float] = []
    while len(known) <= DEGREE:
        known.append(float(np.float32(fit(known)[len(known)])))
    for value in known:
        print(f"    {value!r},")
    polynomial = np.polynomial.polynomial.polyval(A, known)
    print(f"largest error of a · Φ(-a): {largest_error(polynomial):.1e}")


if __name__ == "__main__":
    main()
