"""Results in the dtype of the data."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
FLOAT32_OVERFLOW = (
    "y is too large, or X too small: the {} overflows float32, the dtype of X; expected other"
    " units, or X as float64."
)


def to_float32(values: Any, name: str) -> Any:
    """Convert an array or a number of a result to float32; raise where it overflows; keep NaN."""
    if (np.abs(values) > LARGEST_FLOAT32).any():
        raise ValueError(FLOAT32_OVERFLOW.format(name))
    return np.asarray(values, np.float32)[()]


def as_dtype(values: Any, dtype: Any, name: str) -> Any:
    """Convert an array of a result to the dtype of the data."""
    return to_float32(values, name) if dtype == np.float32 else values
