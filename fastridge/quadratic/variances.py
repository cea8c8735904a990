"""Variances of columns, the factors of standardised penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from .range import LEAST, MOST


def variances(A: Matrix, sample_weight: Any) -> NDArray[np.float64]:
    """Return weighted variances, 1 for constant columns; raise if their squares leave the range."""
    variance, usable = variances_in_range(A, sample_weight)
    if not usable:
        raise ValueError(
            "X has columns whose variances are too large or too small for float64 to square; they"
            f" reach from {variance.min():.3g} to {variance.max():.3g}. Expected columns with"
            " variances from about 1e-150 to 1e150."
        )
    return variance


def variances_in_range(A: Matrix, sample_weight) -> tuple[NDArray[np.float64], bool]:
    """Return weighted variances, 1 for constant columns, and whether squares stay in range."""
    mean, variance = A.column_stats(sample_weight)
    usable = bool((variance <= MOST).all())
    small = variance < LEAST
    if small.any():
        # skip constant columns, unless their squared means underflow
        usable &= not (small & ((variance > 0) | ((mean != 0) & (mean**2 < LEAST)))).any()
        variance[variance == 0] = 1.0
    return variance, usable
