"""Leave-one-out errors of group penalties, with derivatives, from rows.

With rows Z weighted by the roots of their weights, r the residuals, h the diagonal of the hat
matrix and Y = Z C, the errors are e = r / (1 - h), and in rho_g = log alpha_g

    dr_g = Z C D_g w,    dh_g = -diag(Y D_g Y'),

and second derivatives follow in the same way. A row is left out with all of its weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...systems.lapack import product, solve_factored
from .criteria import Terms

Array = NDArray[np.float64]

_LEAST = 1e-9  # 1 - h below which its round-off matters


class Rows:
    """Rows that belong to a reduction to sums: penalised features, free features and y.

    Attributes
    ----------
    Z : ndarray (n, q)
        Features in the order and units of the reduction, free features projected out.
    Y : ndarray (n, k)
        Targets, free features projected out, scaled to length 1.
    fixed : ndarray (n,)
        Diagonal of the hat matrix of the fixed columns.
    """

    def __init__(self, Z: Array, Y: Array, fixed: Array) -> None:
        self.Z, self.Y, self.fixed = Z, Y, fixed


class LeftOut:
    """Leave-one-out errors of a state by features.

    Attributes
    ----------
    value : float
        Sum of their squares; infinite where a row is always fitted exactly.
    """

    def __init__(self, state: Any) -> None:
        self.state = state
        rows = state.data.rows
        self.Z = rows.Z[:, state.kept]
        self.r = rows.Y[:, state.target] - self.Z @ state.w
        # solve instead of multiplying by C, whose round-off is too large for small 1 - h
        self.Y = solve_factored(state.L, self.Z.T).T if len(state.D) else self.Z
        self.left = 1.0 - rows.fixed - np.einsum("ij,ij->i", self.Z, self.Y)
        live = (rows.fixed > 0) | (rows.Y != 0).any(axis=1) | (rows.Z != 0).any(axis=1)
        self.usable = bool((self.left[live] > _LEAST).all())
        left = np.where(live & (self.left > _LEAST), self.left, 1.0)
        self.left = left
        self.e = self.r / left
        self.value = float(self.e @ self.e) if self.usable else np.inf
        # amplification of round-off by cancellation
        self.cancelled = 1.0 / float(left.min()) + 1.0 / max(float(np.abs(self.r).max()), _LEAST)

    def terms(self) -> Terms:
        """Return the sum and its derivatives; the first ones in two parts, (2, g)."""
        s, left, e, Y = self.state, self.left, self.e, self.Y
        C, D, V = s.C, s.D, s.sensitivity
        dr = self.Z @ V
        dh = -s.sums(Y**2 * D, 1)
        b = self.Z.T @ (e / left)
        c = e**2 / left
        parts = np.stack([2.0 * (V.T @ b), 2.0 * (c @ dh)])
        de = (dr + e[:, None] * dh) / left[:, None]
        second = de.T @ de
        q = C @ b
        twice = s.sums((q * D)[:, None] * V)
        twice -= dr.T @ ((e / left**2)[:, None] * dh)
        second -= twice + twice.T
        second[np.diag_indices(len(second))] += V.T @ b + c @ dh
        W = product(np.ascontiguousarray((c[:, None] * Y).T), Y) * C
        W *= D
        W *= D[:, None]
        second += 2.0 * s.sums(s.sums(W), 1)
        second += 2.0 * (dh.T @ ((e**2 / left**2)[:, None] * dh))
        return Terms(self.value, parts, 2.0 * second)

    def entering(self) -> Array:
        """Return derivatives (g,) in the prior variances of the groups that are out."""
        s, out = self.state, self.state.outside
        X = s.data.rows.Z[:, out.chosen] / out.root
        if len(s.D):
            X = X - self.Z @ out.solved
        first = -2.0 * out.slope * (X.T @ (self.e / self.left))
        first += 2.0 * ((self.e**2 / self.left) @ X**2)
        return out.sums(first)
