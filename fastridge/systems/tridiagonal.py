"""Reduction of a symmetric matrix to Q T Q', T tridiagonal, for any number of shifts.

L. Elden, "Algorithms for the regularization of ill-conditioned least squares problems", BIT 17,
1977.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._dense import tridiagonal_solve
from .lapack import tridiagonal

_AT_ONCE = 1e9  # multiplications of a call, between checks for signals


class Tridiagonal:
    """Solve systems with M + alpha I for a symmetric, positive semidefinite M (n, n).

    Parameters
    ----------
    M : ndarray of float64, shape (n, n), F order
        Its lower triangle is read; all of it is overwritten.
    """

    def __init__(self, M: NDArray[np.float64]) -> None:
        self._reflectors, self.d, self.e, self._tau = tridiagonal(M)
        # Gershgorin's bound on the eigenvalues
        bound, beside = self.d.copy(), np.abs(self.e)
        bound[:-1] += beside
        bound[1:] += beside
        self.largest = float(bound.max(initial=0.0))

    def rotate(self, B: NDArray[np.float64], *, back: bool = False) -> NDArray[np.float64]:
        """Return Q' B, or with `back` Q B, for B (n, k), as a new array in F order."""
        B = np.array(B, order="F")
        if len(B) > 1:
            # Q is diag(1, H), with H the product of the reflectors, below the first row: a view of
            # these in columns of as many elements, the last of which is not read
            n = len(B)
            H = self._reflectors.T.reshape(-1)[1 : 1 + n * (n - 1)].reshape(n - 1, n).T
            trans = "N" if back else "T"
            # blocks: signals are handled between them
            step = max(1, int(_AT_ONCE / len(B) ** 2))
            for start in range(0, B.shape[1], step):
                rest = np.asfortranarray(B[1:, start : start + step])
                size = int(lapack.dormqr("L", trans, H, self._tau, rest, -1)[1][0])
                rest = lapack.dormqr("L", trans, H, self._tau, rest, size, overwrite_c=1)[0]
                B[1:, start : start + step] = rest
        return B

    def is_positive(self, shifts: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return whether T + shift I is positive definite, for each shift."""
        return np.isfinite(self.solve(shifts, np.zeros((len(self.d), 1)))[1])

    def log_det(self, alphas: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log det (I + T / alpha) for each alpha > 0, by the pivots of L D L'."""
        total = np.zeros(len(alphas))
        pivot = np.ones(len(alphas))
        squares = np.insert(self.e**2, 0, 0.0)
        for entry, beside in zip(self.d.tolist(), squares.tolist(), strict=True):
            pivot = entry + alphas - beside / pivot
            total += np.log(np.maximum(pivot / alphas, np.finfo(np.float64).tiny))
        return total

    def solve(
        self, alphas: NDArray[np.float64], B: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (T + alpha I)^-1 B, (n_alphas, k, n), for B (n, k), and the traces of inverses."""
        return tridiagonal_solve(self.d, self.e, alphas, np.ascontiguousarray(B.T))
