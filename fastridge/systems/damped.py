"""Cholesky factors of Gram matrices whose columns may be dependent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._dense import Cholesky


def damped_cholesky(
    gram: NDArray[np.float64],
    diagonal: NDArray[np.float64],
    keep: float,
    least: float,
    most: float = np.inf,
) -> Cholesky | None:
    """Factor a Gram matrix (n, n) with a replaced diagonal (n,), with as little damping as needed.

    Parameters
    ----------
    gram : ndarray (n, n)
    diagonal : ndarray (n,)
    keep : float
        Share of a column that the columns before it must leave.
    least, most : float
        First share of the diagonal to add where columns are dependent; it grows a hundredfold each
        time that this is not enough, and stays below `most`.

    Returns
    -------
    Cholesky or None
    """
    extra = 0.0
    while extra < most:
        M = gram.copy()
        M.flat[:: len(M) + 1] = diagonal * (1 + extra)
        try:
            return Cholesky(M, keep)
        except ArithmeticError:
            extra = max(least, 100 * extra)
    return None
