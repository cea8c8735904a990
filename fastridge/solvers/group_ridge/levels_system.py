"""The system of group penalties where the levels of a factor are eliminated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._cached import cached
from ...systems import lapack

if TYPE_CHECKING:
    from .levels import Levels

Array = NDArray[np.float64]

_COLUMNS = 1 << 22  # elements of a block of columns


class LevelsSystem:
    """A = X'X + D for the fixed columns, first, and kept features, by its Schur complement.

    Parameters
    ----------
    data : Levels
    kept : ndarray (q,) of bool
        Mask of the kept penalised features.
    D : ndarray
        Penalties of the kept features.
    f : int
        Number of fixed columns that are left out: all or none.

    Attributes
    ----------
    rest, levels : ndarray
        Places among the kept features.
    definite : bool
    """

    def __init__(self, data: Levels, kept: NDArray[np.bool_], D: Array, f: int) -> None:
        place = np.cumsum(kept) - 1
        chosen = kept[data.rest]
        self.rest = place[data.rest[chosen]]
        self.levels = place[data.eliminated] if kept[data.eliminated].any() else place[:0]
        self.f = data.fixed_columns - f
        rows = np.r_[np.arange(f, data.fixed_columns), data.fixed_columns + np.flatnonzero(chosen)]
        every = len(rows) == len(data.S)
        M = np.array(data.S if every else data.S[np.ix_(rows, rows)], order="F")
        self.own = np.diagonal(M).copy()
        self.D, self.count = D, len(D)
        self.Dq = np.r_[np.zeros(self.f), D[self.rest]]
        M.flat[:: len(M) + 1] += self.Dq
        if len(self.levels):
            self.B = data.B if every else data.B[rows]
            self.De, self.squares = D[self.levels], data.squares
            self.E = self.squares + self.De
            M -= self.weighted_gram(1.0 / self.E)
        else:
            self.B, self.De = data.B[rows][:, :0], D[:0]
            self.squares = self.E = np.zeros(0)
        self.definite = bool((np.diagonal(M) > 1e-14 * self.own).all())
        if self.definite:
            try:
                self.L = lapack.factor(M)
            except np.linalg.LinAlgError:
                self.definite = False

    def weighted_gram(self, weight: Array) -> Array:
        """Return B diag(weight) B', (q, q)."""
        if isinstance(self.B, np.ndarray):
            return lapack.product(self.B * weight, self.B.T)
        return (self.B.multiply(weight[None]).tocsr() @ self.B.T.tocsr()).toarray()

    def solve(self, fixed: Array, penalised: Array) -> tuple[Array, Array]:
        """Solve for right-hand sides of fixed columns (f, k) and penalised ones (q, k)."""
        out = np.empty(penalised.shape)
        levels = penalised[self.levels] / self.E[:, None]
        inner = np.vstack([fixed, penalised[self.rest]]) - self.B @ levels
        inner = lapack.solve_factored(self.L, inner)
        out[self.rest] = inner[self.f :]
        out[self.levels] = levels - (self.B.T @ inner) / self.E[:, None]
        return inner[: self.f], out

    def log_determinant(self) -> float:
        """log|A|."""
        inner = 2.0 * np.log(np.diagonal(self.L)).sum()
        return float(inner + np.log(self.E).sum())

    @cached
    def C(self) -> Array:
        """Block of A^-1 for the fixed columns and the features that are not eliminated."""
        return lapack.inverse_factored(self.L)

    @cached
    def N(self) -> Array:
        """B D E^-2 B'."""
        return self.weighted_gram(self.De / self.E**2)

    @cached
    def CN(self) -> Array:
        return lapack.product(self.C, self.N)

    @cached
    def N_twice(self) -> Array:
        """B D^2 E^-3 B'."""
        return self.weighted_gram(self.De**2 / self.E**3)

    @cached
    def diagonal(self) -> Array:
        """Diagonal of A^-1 for the penalised features."""
        out = np.empty(self.count)
        out[self.rest] = np.diagonal(self.C)[self.f :]
        out[self.levels] = 1.0 / self.E
        step = max(1, _COLUMNS // max(len(self.C), 1))
        for start in range(0, len(self.levels), step):
            part = slice(start, start + step)
            B = self.B[:, part]
            B = B if isinstance(B, np.ndarray) else B.toarray()
            half = lapack.solve_triangular(self.L, B, lower=True)
            out[self.levels[part]] += np.einsum("ij,ij->j", half, half) / self.E[part] ** 2
        return out
