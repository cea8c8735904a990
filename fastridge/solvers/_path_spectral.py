"""Penalties too small for a Gram matrix: from singular values of the rows themselves.

With P B = U diag(s) V' (see `_projected`), u = U'S y and z the part of P S y outside U,

    v = V diag(s / (s^2 + alpha)) u,
    residual = sum_i (alpha / (s_i^2 + alpha))^2 u_i^2 + |z|^2,

a sum of squares, of which nothing is lost as alpha tends to 0.
"""

from __future__ import annotations

import numpy as np

from .._cached import cached
from ._projected import Projected

_EPS = np.finfo(np.float64).eps


class SpectralPath(Projected):
    """Coefficients, residuals and degrees of freedom of m penalties and k targets.

    Attributes
    ----------
    residual, squared_norm : ndarray (m, k)
        Weighted sums of squares, and sum_j d_j w_j^2.
    dof : tuple of two ndarray (m,)
        Effective degrees of freedom, the intercept not counted, and zeros.
    """

    def __init__(self, problem, alphas) -> None:
        super().__init__(problem)
        self.alphas = alphas
        m, k = len(alphas), problem.k
        n, r, q = problem.n, self.U0.shape[1], len(self.chosen)
        Y = self.outside(problem.rooted(problem.Y))
        self._wide = n < q
        rest = np.zeros(k)
        if self._wide:
            self._B = self.rows(0, n)
            R = np.linalg.qr(self._B.T, mode="r").T
            U, s, _ = np.linalg.svd(R)
            u = U.T @ Y
            self._V = U
        else:
            T = np.empty((0, q + k))
            blocks = self.blocks()
            for start in blocks:
                rows = slice(start, start + blocks.step)
                part = np.hstack([self.rows(start, blocks.step), Y[rows]])
                T = np.linalg.qr(np.vstack([T, part]), mode="r")
            U, s, vt = np.linalg.svd(T[:q, :q], full_matrices=False)
            u, self._V = U.T @ T[:q, q:], vt.T
            rest = (T[q:, q:] ** 2).sum(axis=0)
        directions = int(np.count_nonzero(self.root)) - r
        kept = s > max(n, problem.p) * _EPS * self.size(s)
        kept[max(directions, 0) :] = False
        # directions of the rows that X reaches not, or only those of U0
        rest = rest + (u[~kept] ** 2).sum(axis=0) if directions > kept.sum() else np.zeros(k)
        self._s, self._u, self._V = s[kept], u[kept], self._V[:, kept]
        squares = self._s**2
        total = squares + alphas[:, None]
        self.residual = (alphas[:, None] / total) ** 2 @ self._u**2 + rest
        self.squared_norm = (squares / total**2) @ self._u**2
        self.dof = (squares / total).sum(axis=1) + r - problem.fit_intercept, np.zeros(m)

    @cached
    def coef(self):
        """Coefficients (m, k, p)."""
        problem = self.problem
        m, k, p = len(self.alphas), problem.k, problem.p
        shares = 1.0 / (self._s**2 + self.alphas[:, None])
        if not self._wide:
            shares = shares * self._s
        # (q, m k)
        v = self._V @ (shares.T[:, :, None] * self._u[:, None, :]).reshape(-1, m * k)
        if self._wide:
            v = self._B.T @ v
        w = np.zeros((p, m * k), order="F")
        w[self.chosen] = self.inverse[self.chosen, None] * v
        if len(self.free):
            left = np.tile(problem.Y, m) - problem.A.dot(w)
            w[self.free] = self.free_coefficients(problem.rooted(left))
        return w.T.reshape(m, k, p)
