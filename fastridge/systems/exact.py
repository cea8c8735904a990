"""Products of matrices whose sums cancel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MOST = 6  # slices of a matrix: more bits than elements of unlike sizes need


def exact_product(A: Array, B: Array) -> Array:
    """Return A B (m, k) with an error of the order of eps^2 |A| |B|, rounded once.

    A and B are sums of slices of so few bits that BLAS products of slices have no round-off (Ozaki,
    Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication", Numerical
    Algorithms 59, 2012); errors of the sum of products are summed beside it.
    """
    bits = (53 - max(A.shape[1], 1).bit_length()) // 2 - 1
    total, rest = np.zeros((2, A.shape[0], B.shape[1]))
    right = [part.T for part in _slices(B.T, bits)]
    for left in _slices(A, bits):
        for part in right:
            term = left @ part
            before, total = total, total + term
            back = total - before
            rest += (before - (total - back)) + (term - back)
    return total + rest


def _slices(A: Array, bits: int) -> list[Array]:
    """Return matrices that add to A, with `bits` bits below the largest element of each row."""
    parts: list[Array] = []
    while len(parts) < _MOST and A.any():
        _, exponent = np.frexp(np.abs(A).max(axis=1, keepdims=True))
        shift = np.ldexp(1.5, exponent + 52 - bits)
        high = (A + shift) - shift
        parts.append(high)
        A = A - high
    return parts
