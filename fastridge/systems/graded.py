"""Singular values of graded matrices, each to full relative precision.

The round-off of Householder's QR in a column is relative to that column, and one-sided Jacobi
rotations find the small singular values of the triangle to the same relative precision as the large
ones; bidiagonalisation loses those below the round-off of the largest: Z. Drmac and K. Veselic,
"New fast and accurate Jacobi SVD algorithm", SIAM Journal on Matrix Analysis and Applications
29(4), 2008. Where rows have unlike scales, QR needs them in decreasing order, and pivoting: A. J.
Cox and N. J. Higham, "Stability of Householder QR factorization for weighted least squares
problems", 1998.
"""

from __future__ import annotations

import numpy as np

from .lapack import jacobi_svd, pivoted_qr, solve_triangular

_UNLIKE = 100.0  # ratio of column norms above which bidiagonalisation loses too many digits
_EPS = np.finfo(np.float64).eps


def unlike(size) -> bool:
    """Return whether column norms differ so much that the SVD must be graded."""
    live = size[size > 0]
    return bool(len(live)) and bool(live.max() > _UNLIKE * live.min())


class Graded:
    """U diag(s) V' of B (n, q), of rank r, from the triangle R of its QR factorisation.

    Parameters
    ----------
    R : ndarray (m, q)
    noise : ndarray (q,)
        Norms of the columns of B before subtractions, to which their round-off is relative.
    n : int
        Rows of B.
    most : int
        Largest rank that B can have.

    Attributes
    ----------
    s : ndarray (r,)
    V : ndarray (q, r)
    """

    def __init__(self, R, noise, n, most) -> None:
        self._q = R.shape[1]
        least = max(n, self._q) * _EPS
        size = np.linalg.norm(R, axis=0)
        live = np.flatnonzero(size > least * noise)
        size = size[live]
        Q, T, order = pivoted_qr(R[:, live] / size)
        diagonal = np.abs(np.diagonal(T))
        rounding = np.maximum(noise[live] / size, 1.0)[order[: len(diagonal)]]
        seen = diagonal > least * rounding
        rank = len(seen) if seen.all() else int(np.argmin(seen))
        self.rank = max(min(rank, most), 0)
        self._order = live[order]
        self._Q = Q[:, : self.rank]
        self._T = T[: self.rank] * size[order]
        self._rotate()

    def _rotate(self) -> None:
        self._U, self.s, V = jacobi_svd(self._T)
        self.V = np.zeros((self._q, len(self.s)))
        self.V[self._order] = V

    def left(self, C):
        """Return U'Y (r, k) from C = Q'Y, Q the orthogonal factor that belongs to R."""
        return self._U.T @ (self._Q.T @ C)

    def residual_squares(self, C):
        """Return the squared norms (k,) of the part of C outside the range of B."""
        return ((C - self._Q @ (self._Q.T @ C)) ** 2).sum(axis=0)

    def rows(self, B):
        """Return the rows of U that belong to some rows of B."""
        return self._columns(B) @ self._U

    def gram(self, B):
        """Return the Gram matrix of unrotated `rows`; summed over all rows it is nearly I."""
        columns = self._columns(B)
        return columns.T @ columns

    def correct(self, gram) -> None:
        """Make U orthogonal, given the sum of `gram` over all rows."""
        if self.rank:
            self._T = np.linalg.cholesky(gram).T @ self._T
            self._rotate()

    def _columns(self, B):
        T = self._T[:, : self.rank]
        pivots = B[:, self._order[: self.rank]]
        return solve_triangular(T, np.asfortranarray(pivots.T), trans="T").T


def graded_rows(stack, noise=None):
    """Return Q (m, r) and R (r, n) of A (m, n) with rows of unlike scales, without round-off.

    noise: norms (m,) of the rows before subtractions, to which their round-off is relative.
    """
    norms = np.linalg.norm(stack, axis=1)
    if noise is not None:
        # rows that are only round-off
        dead = norms <= max(stack.shape) * _EPS * noise
        stack, norms = np.where(dead[:, None], 0.0, stack), np.where(dead, 0.0, norms)
    falling = np.argsort(-norms, kind="stable")
    Q, T, order = pivoted_qr(stack[falling])
    # the round-off of each row of T is relative to a row of A
    if noise is not None:
        norms = np.where(dead, 0.0, np.maximum(norms, noise))
    kept = np.abs(np.diagonal(T)) > max(stack.shape) * _EPS * norms[falling[: len(T)]]
    R = np.empty((int(kept.sum()), stack.shape[1]))
    R[:, order] = T[kept]
    out = np.empty((len(stack), len(R)))
    out[falling] = Q[:, kept]
    return out, R


def svd_of_wide(B, noise=None):
    """Return U (n, r), s (r,) and V (q, r) of B (n, q) with columns of unlike scales, n < q."""
    Q, R = graded_rows(B.T, noise)
    W, s, U = jacobi_svd(R)
    return U, s, Q @ W
