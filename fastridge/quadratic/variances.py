"""Variances of columns, by which standardised penalties are multiplied."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .range import LEAST, MOST


def variances(A: Matrix, sample_weight: Any) -> NDArray[np.float64]:
    """Weighted variances, 1 for constant columns; refuse those whose squares leave the range."""
    variance, usable = variances_in_range(A, sample_weight)
    if not usable:
        raise ValueError(
            "X has columns whose variances are too large or too small for float64 to square;"
            f" they reach from {variance.min():.3g} to {variance.max():.3g}. Expected numbers of"
            " a usual scale."
        )
    return variance


def variances_in_range(A: Matrix, sample_weight) -> tuple[NDArray[np.float64], bool]:
    """Weighted variances, 1 for constant columns; and whether their squares stay in range."""
    mean, variance = A.column_stats(sample_weight)
    usable = bool((variance <= MOST).all())
    small = variance < LEAST
    if small.any():
        # those of constant columns do not count, unless their means vanish when squared
        usable &= not (small & ((variance > 0) | ((mean != 0) & (mean**2 < LEAST)))).any()
        variance[variance == 0] = 1.0
    return variance, usable
