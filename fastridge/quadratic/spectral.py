"""Solutions for penalties too small for a Gram matrix, by the SVD of the rows.

With P B = U diag(s) V' (see `quadratic.projected` and `systems.spectrum`) and u = U'S y,

    v = V diag(s / (s^2 + alpha)) u.
"""

from __future__ import annotations

import numpy as np

from .._cached import cached
from ..systems.blas import on_one_thread
from ..systems.graded import Graded, svd_of_wide, unlike
from ..systems.lapack import svd, triangle
from ..systems.spectrum import Spectrum
from .projected import Projected

_EPS = np.finfo(np.float64).eps
_ROUNDING = 10.0  # round-off of the coordinates of a target, in units of n times epsilon


class SpectralPath(Projected):
    """Coefficients, residuals and degrees of freedom for m penalties and k targets.

    Attributes
    ----------
    residual, squared_norm : ndarray (m, k)
        Weighted sums of squares, and sum_j d_j w_j^2.
    dof : tuple of two ndarray (m,)
        Effective degrees of freedom, the intercept not counted, and zeros.
    spectrum : Spectrum
    """

    @on_one_thread
    def __init__(self, problem, alphas) -> None:
        super().__init__(problem)
        self.alphas = alphas
        m, k = len(alphas), problem.k
        n, r, q = problem.n, self.U0.shape[1], len(self.chosen)
        Y = self.project_out(problem.rooted(problem.Y))
        rest = np.zeros(k)
        directions = int(np.count_nonzero(self.root)) - r
        noise = self.noise()
        self._unlike = unlike(noise)
        self._rows = None
        self.project_again()
        if n < q:
            B = self.rows(0, n)
            if self._unlike:
                U, s, self._V = svd_of_wide(B, noise)
            else:
                U, s, _ = svd(triangle(B.T).T)
                self._V, self._rows = U, B  # V = B'U / s
            u = U.T @ Y
            # squares outside the range of X
            rest = ((Y - U @ u) ** 2).sum(axis=0)
        else:
            T = np.empty((0, q + k))
            blocks = self.blocks()
            for start in blocks:
                rows = slice(start, start + blocks.step)
                part = np.hstack([self.rows(start, blocks.step), Y[rows]])
                T = triangle(np.vstack([T, part]))
            R, C = T[:q, :q], T[:q, q:]
            rest = (T[q:, q:] ** 2).sum(axis=0)
            if self._unlike:
                factor = Graded(R, np.maximum(noise, np.linalg.norm(R, axis=0)), n, directions)
                s, u, self._V = factor.s, factor.left(C), factor.V
                rest = rest + factor.residual_squares(C)
            else:
                U, s, vt = svd(R)
                u, self._V = U.T @ C, vt.T
        kept = np.ones(len(s), dtype=bool)
        if not self._unlike:
            kept = s > max(n, problem.p) * _EPS * self.size(s)
        kept[max(directions, 0) :] = False
        # squares outside the range of X; round-off where X has full row rank
        rest = rest + (u[~kept] ** 2).sum(axis=0)
        if directions <= kept.sum():
            rest[rest <= (_ROUNDING * n * _EPS) ** 2 * (Y**2).sum(axis=0)] = 0.0
        self._V = self._V[:, kept]
        self.spectrum = Spectrum(s[kept], u[kept], rest, r - problem.fit_intercept)
        self.residual = self.spectrum.residual(alphas)
        self.squared_norm = self.spectrum.squared_norm(alphas)
        self.dof = self.spectrum.dof(alphas), np.zeros(m)

    @cached
    def coef(self):
        """Return the coefficients (m, k, p)."""
        return self.coefficients(self.alphas, slice(None))

    @on_one_thread
    def coefficients(self, alphas, chosen):
        """Return the coefficients (m, k, p) for some penalties and targets."""
        problem = self.problem
        s, u = self.spectrum.s, self.spectrum.u[:, chosen]
        m, k, p = len(alphas), u.shape[1], problem.p
        shares = 1.0 / (s**2 + alphas[:, None])
        if self._rows is None:
            shares = shares * s
        # (q, m k)
        v = self._V @ (shares.T[:, :, None] * u[:, None, :]).reshape(-1, m * k)
        if self._rows is not None:
            v = self._rows.T @ v
        w = np.zeros((p, m * k), order="F")
        w[self.chosen] = self.inverse[self.chosen, None] * v
        if len(self.free):
            left = np.tile(problem.Y[:, chosen], m) - problem.A.dot(w)
            w[self.free] = self.free_coefficients(problem.rooted(left))
        return w.T.reshape(m, k, p)

    @on_one_thread
    def basis(self):
        """Return B (p, r): without free columns, coefficients are B diag(s / (s^2 + alpha)) u."""
        V = self._V if self._rows is None else (self._rows.T @ self._V) / self.spectrum.s
        B = np.zeros((self.problem.p, len(self.spectrum.s)))
        B[self.chosen] = self.inverse[self.chosen, None] * V
        return B

    @on_one_thread
    def certificate(self, j):
        """Return the relative gradients (k,) for penalty j, computed from X."""
        problem = self.problem
        gradient, _ = problem.evaluate(self.coef[j].T, alpha=self.alphas[j])
        return problem.relative(gradient, problem.gradient_at_zero())
