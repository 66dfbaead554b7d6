"""Fit the polynomial of kernels.gelu_: `python tools/fit_gelu.py` prints _LOGIT and its error.

Φ(a) = 1 / (1 + 2^-R(a)) with R odd. R(a) = a · P(a²) is fitted so that the largest error of
a · Φ(-a), the part of GELU that isn't relu, is smallest: Lawson's iteratively reweighted least
squares (C. L. Lawson 1961), in NumPy's float64.
"""

from __future__ import annotations

import math

import numpy as np

TERMS = 7


def main() -> None:
    a = np.linspace(1e-3, 9.0, 6000)
    tail = np.array([0.5 * math.erfc(x / math.sqrt(2.0)) for x in a])  # Φ(-a)
    logit = np.log2((1.0 - tail) / tail)
    # d(a · Φ(-a)) / dR = -a · Φ(a) · Φ(-a) · ln 2: what an error of R costs in the result
    cost = a * (1.0 - tail) * tail * math.log(2.0)
    powers = np.stack([a ** (2 * i + 1) for i in range(TERMS)], axis=1)
    weight = np.full(len(a), 1.0 / len(a))
    for _ in range(300):
        scale = np.sqrt(weight) * cost
        coefficients = np.linalg.lstsq(powers * scale[:, None], logit * scale, rcond=1e-18)[0]
        error = np.abs(cost * (powers @ coefficients - logit))
        weight *= error / error.mean()
        weight = weight / weight.sum() + 1e-16
    for value in coefficients.astype(np.float32):
        print(f"    {float(value)!r},")
    print(f"largest error of a · Φ(-a): {error.max():.1e}")


if __name__ == "__main__":
    main()
