"""Preconditioner of A'S A + diag(penalty): exact on its heaviest columns, diagonal elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..systems.damped import damped_cholesky

Array = NDArray[np.float64]

_PIECE = 1 << 14
_KEEP, _DAMPING = 1e-14, 1e-12


def heaviest(squares: Array, most: int) -> NDArray[np.intp]:
    """Return the columns of the largest squares (p,), at most `most` of them, in index order."""
    m = min(len(squares), most)
    if m <= 0:
        return np.zeros(0, dtype=np.intp)
    return np.sort(np.argpartition(-squares, m - 1)[:m])


class Preconditioner:
    """The inverse of the block of some columns, and of the diagonal elsewhere.

    Where the block is not positive definite, its diagonal is used.

    Parameters
    ----------
    squares : ndarray (p,)
        Diagonal of A'S A.
    penalty : ndarray (p,)
    heavy : ndarray (m,) of int
        Columns that are treated exactly.
    gram : ndarray (m, m)
        Their block of A'S A.
    """

    def __init__(
        self, squares: Array, penalty: Array, heavy: NDArray[np.intp], gram: Array
    ) -> None:
        self.squares, self.penalty, self.heavy = squares, penalty, heavy
        diagonal = np.diagonal(gram) + penalty[heavy]
        diagonal[diagonal <= 0] = 1.0
        # damped for dependent columns: a preconditioner need not be exact
        self.factor = damped_cholesky(gram, diagonal, _KEEP, _DAMPING, 1.0) if len(heavy) else None

    def __call__(self, z: Array, r: Array) -> None:
        """Set z = M^-1 r."""
        for i in range(0, len(z), _PIECE):
            piece = slice(i, i + _PIECE)
            diagonal = self.squares[piece] + self.penalty[piece]
            # do not move an unpenalised column of zeros
            diagonal[diagonal <= 0] = np.inf
            np.divide(r[piece], diagonal, out=z[piece])
        if self.factor is not None:
            z[self.heavy] = self.factor.solve(r[self.heavy])
