"""Singular values of matrices whose columns have unlike scales, each to rounding of its own.

Householder's QR rounds every column in units of that column, and one-sided Jacobi rotations find
the small singular values of its triangle as exactly as the large ones, where bidiagonalisation
loses what is below rounding of the largest: Z. Drmac and K. Veselic, "New fast and accurate Jacobi
SVD algorithm", SIAM Journal on Matrix Analysis and Applications 29(4), 2008. Where rows have unlike
scales, QR needs them in falling order, and pivoting: A. J. Cox and N. J. Higham, "Stability of
Householder QR factorization for weighted least squares problems", 1998.
"""

from __future__ import annotations

import numpy as np

from .lapack import jacobi_svd, pivoted_qr, solve_triangular

_UNLIKE = 100.0  # ratio of column norms from which on bidiagonalisation loses too many digits
_EPS = np.finfo(np.float64).eps


def unlike(size) -> bool:
    """Whether column norms differ so much that each needs rounding of its own."""
    live = size[size > 0]
    return bool(len(live)) and bool(live.max() > _UNLIKE * live.min())


class Graded:
    """U diag(s) V' of B (n, q), of rank r, from the triangle R of its QR factorisation.

    Parameters
    ----------
    R : ndarray (m, q)
    noise : ndarray (q,)
        Norms of what each column of B was before something was subtracted from it.
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
        """U'Y (r, k) of C = Q'Y, Q the orthogonal factor that R belongs to."""
        return self._U.T @ (self._Q.T @ C)

    def residual_squares(self, C):
        """Squared norms (k,) of what of C is in no direction of B."""
        return ((C - self._Q @ (self._Q.T @ C)) ** 2).sum(axis=0)

    def rows(self, B):
        """Some rows of U, of the same rows of B."""
        return self._columns(B) @ self._U

    def gram(self, B):
        """Products of `rows` before rotation, whose sum over all rows is I but for rounding."""
        columns = self._columns(B)
        return columns.T @ columns

    def correct(self, gram) -> None:
        """Make U orthogonal, of the sum of `gram` over all rows."""
        if self.rank:
            self._T = np.linalg.cholesky(gram).T @ self._T
            self._rotate()

    def _columns(self, B):
        T = self._T[:, : self.rank]
        pivots = B[:, self._order[: self.rank]]
        return solve_triangular(T, np.asfortranarray(pivots.T), trans="T").T


def graded_rows(stack, noise=None):
    """Q (m, r) and R (r, n) of A (m, n) with rows of unlike scales, less what is only rounding.

    noise: norms (m,) of what each row was before something was subtracted from it.
    """
    norms = np.linalg.norm(stack, axis=1)
    if noise is not None:
        # rows that are nothing else
        dead = norms <= max(stack.shape) * _EPS * noise
        stack, norms = np.where(dead[:, None], 0.0, stack), np.where(dead, 0.0, norms)
    falling = np.argsort(-norms, kind="stable")
    Q, T, order = pivoted_qr(stack[falling])
    # each row of T is rounded in units of a row of A
    if noise is not None:
        norms = np.where(dead, 0.0, np.maximum(norms, noise))
    kept = np.abs(np.diagonal(T)) > max(stack.shape) * _EPS * norms[falling[: len(T)]]
    R = np.empty((int(kept.sum()), stack.shape[1]))
    R[:, order] = T[kept]
    out = np.empty((len(stack), len(R)))
    out[falling] = Q[:, kept]
    return out, R


def svd_of_wide(B, noise=None):
    """U (n, r), s (r,) and V (q, r) of B (n, q) with columns of unlike scales, n < q."""
    Q, R = graded_rows(B.T, noise)
    W, s, U = jacobi_svd(R)
    return U, s, Q @ W
