"""Quantities of a penalty in a basis of singular vectors.

With s_i and u_i the singular values of P B and the target's coordinates (see
`quadratic.projected`), and `rest` the squared norm of the target outside the range of P B,

    |v|^2 = sum_i (s_i u_i / (s_i^2 + alpha))^2,
    residual = sum_i (alpha u_i / (s_i^2 + alpha))^2 + rest,
    dof = sum_i s_i^2 / (s_i^2 + alpha) + rank of the free columns,

sums of positive terms, without cancellation as alpha tends to 0.
"""

from __future__ import annotations

import numpy as np

from .graded import Graded
from .lapack import pivoted_cholesky

_EPS = np.finfo(np.float64).eps


class Spectrum:
    """A problem with singular values s (r,) and coordinates u (r, k), for any penalty.

    Parameters
    ----------
    s : ndarray (r,)
    u : ndarray (r, k)
    rest : ndarray (k,)
        Squared norms of the targets outside the range of P B.
    rank : int
        Number of unpenalised degrees of freedom, without the intercept.
    """

    def __init__(self, s, u, rest, rank) -> None:
        self.s, self.u, self.rest, self.rank = s, u, rest, rank

    def solutions(self, alphas):
        """Return v (m, k, r) in the basis of right singular vectors."""
        shares = self.s / (self.s**2 + alphas[:, None])
        return shares[:, None, :] * self.u.T

    def residual(self, alphas):
        """Return the weighted residual sums of squares (m, k)."""
        left = alphas[:, None] / (self.s**2 + alphas[:, None])
        return left**2 @ self.u**2 + self.rest

    def squared_norm(self, alphas):
        """Return the sums (m, k) of d_j w_j^2."""
        return (self.s / (self.s**2 + alphas[:, None])) ** 2 @ self.u**2

    def dof(self, alphas):
        """Return the effective degrees of freedom (m,), without the intercept."""
        squares = self.s**2
        return (squares / (squares + alphas[:, None])).sum(axis=1) + self.rank

    def log_det(self, alphas):
        """Return log det (I + M / alpha) (m,) for alphas above 0."""
        return np.log1p(self.s**2 / alphas[:, None]).sum(axis=1)


def of_gram(M, right, yy, rank) -> Spectrum:
    """Return the spectrum from M = B'P B (q, q) and B'P y (q, k), without the rows."""
    s, V = _root(M)
    u = (V.T @ right) / s[:, None]
    return Spectrum(s, u, np.maximum(yy - (u**2).sum(axis=0), 0.0), rank)


def of_products(K, Y, rank) -> Spectrum:
    """Return the spectrum from K = P B B'P (n, n) and P y (n, k)."""
    s, U = _root(K)
    u = U.T @ Y
    return Spectrum(s, u, ((Y - U @ u) ** 2).sum(axis=0), rank)


def _root(M):
    """Return s (r,) and V (q, r) with M = V diag(s^2) V'.

    The round-off of each entry of M is relative to its row and column, and so is that of the
    Cholesky factor of M scaled to unit diagonal.
    """
    size = np.sqrt(np.maximum(np.diagonal(M), 0.0))
    live = np.flatnonzero(size)
    if not len(live):
        return np.zeros(0), np.zeros((len(M), 0))
    size = size[live]
    unit = np.asfortranarray(M[np.ix_(live, live)] / size / size[:, None])
    # bound of the round-off of the sums and of the factor
    least = 4 * max(len(M), 16) * _EPS
    R, order, count = pivoted_cholesky(unit, least)
    factor = np.zeros((count, len(M)))
    order = live[order]
    factor[:, order] = np.triu(R[:count])
    factor[:, live] *= size
    found = Graded(factor, np.linalg.norm(factor, axis=0), len(M), count)
    return found.s, found.V
