"""Weighted rows, centred and scaled without a copy, for quadratic objectives.

With weights s of sum W, means m and units of the columns, the operator is A = (X - 1 m') / unit,
and A'S A is the Gram matrix of all quadratics 1/2 w'(A'S A + D) w - (A'S y)'w, whatever the penalty
D and the response y. A Newton step of another loss is such a quadratic with other weights and
another response: `reweighed` keeps what does not depend on them.
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix


class CentredRows:
    """Weighted rows of X, centred where there is an intercept.

    Parameters
    ----------
    X : Matrix (n, p), not centred
    weight : ndarray (n,) or None
        None: all rows weigh the same.
    fit_intercept : bool
        Centre the columns. Constant columns get a scale of 0: centred, they are only round-off.
    standardize : bool, default=False
        Divide the columns by their standard deviations; constant columns are divided by 1.
    mean_of_rows : bool, default=False
        The weights sum to 1; without `weight` each row weighs 1 / n. If False, it weighs 1.

    Attributes
    ----------
    source, near, A : Matrix (n, p)
        X as given; X with sparse columns far from zero shifted by their means; the operator A.
    n, p : int
    weight : ndarray (n,) or None
    total : float
        Sum of the weights.
    mean : ndarray (p,)
        Means of X that A subtracts; zeros without an intercept, read-only.
    unit : ndarray (p,) or None
        Divisors of the columns; None: 1.
    """

    def __init__(
        self,
        X: Matrix,
        weight: NDArray[np.float64] | None,
        fit_intercept: bool,
        *,
        standardize: bool = False,
        mean_of_rows: bool = False,
    ) -> None:
        self.source = self.near = X
        self.n, self.p = X.shape
        self.fit_intercept, self.standardize, self._mean_of_rows = (
            fit_intercept,
            standardize,
            mean_of_rows,
        )
        self._base: NDArray[np.float64] | None = None  # the shift of `near`
        if fit_intercept or standardize:
            mean, variance = X.column_stats(weight)
            offset = mean
            if fit_intercept:
                self.near, offset = X.near(mean, variance, weight)
                if self.near is not X:
                    self._base = mean - offset
            self._place(weight, mean, variance, offset)
        else:
            self._place(weight)

    def _place(self, weight, mean=None, variance=None, offset=None) -> None:
        """Set the weights, and the weighted means and variances of X."""
        self.weight = weight
        self.total = float(self.n) if weight is None else float(weight.sum())
        if self._mean_of_rows:
            self.total = 1.0
        self.unit = scale = self._root = None
        self._squares: NDArray[np.float64] | None = None
        if mean is None or variance is None:
            self.A, self.mean = self.near, self._zeros()
            return
        if self.standardize:
            self.unit = np.sqrt(np.where(variance > 0, variance, 1.0))
            scale = 1.0 / self.unit
        if not self.fit_intercept:
            self.A, self.mean = self.near.centered(None, scale), self._zeros()
            self._squares = self._scaled(variance + mean**2, scale)
            return
        self.mean = mean
        # a centred constant column is only round-off, unless it is zero
        constant = (variance == 0) & (mean != 0)
        if constant.any():
            scale = np.where(constant, 0.0, 1.0 if scale is None else scale)
        self.A = self.near.centered(offset, scale)
        self._squares = self._scaled(variance, scale)

    def _zeros(self) -> NDArray[np.float64]:
        """Return zero means (p,), broadcast from one number."""
        return np.broadcast_to(0.0, (self.p,))

    def _scaled(self, squares, scale) -> NDArray[np.float64]:
        if scale is not None:
            squares = squares * scale**2
        squares *= self.total
        return squares

    def restricted(self, free: NDArray[np.bool_]) -> Self:
        """Return the same rows with all columns zero but the free ones (p,)."""
        rows = copy.copy(self)
        scale = free.astype(np.float64)
        if self.A.scale is not None:
            scale *= self.A.scale
        rows.A = self.near.centered(self.A.shift, scale)
        rows._squares = np.where(free, self.squares(), 0.0)
        return rows

    def reweighed(self, weight: NDArray[np.float64] | None) -> Self:
        """Return the same rows with other weights (n,); a pass over the data, without a copy."""
        rows = copy.copy(self)
        if not (self.fit_intercept or self.standardize):
            rows._place(weight)
            return rows
        offset, variance = self.near.column_stats(weight)
        mean = offset if self._base is None else self._base + offset
        rows._place(weight, mean, variance, offset)
        return rows

    def squares(self) -> NDArray[np.float64]:
        """Return the diagonal of A'S A."""
        if self._squares is None:
            mean, squares = self.A.column_stats(self.weight)
            mean *= mean
            squares += mean
            squares *= self.total
            self._squares = squares
        return self._squares

    @property
    def root(self) -> NDArray[np.float64] | None:
        """Square roots of the weights; None where all weigh the same."""
        if self._root is None and self.weight is not None:
            self._root = np.sqrt(self.weight)
        return self._root

    def target_stats(self, Y: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64] | None]:
        """Return means (k,) and variances of targets (n, k); without an intercept, 0 and None."""
        if not self.fit_intercept:
            return np.zeros(Y.shape[1]), None
        return Matrix.from_dense(Y).column_stats(self.weight)

    def weighted(self, R: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return S R of residuals (n,) or (n, k), without the factor 1 / n of equal weights."""
        if self.weight is None:
            return R
        return R * (self.weight if R.ndim == 1 else self.weight[:, None])

    def tdot(self, R: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return A'S R of residuals (n,) or (n, k)."""
        R = self.weighted(R)
        g = self.A.tdot(R if R.ndim == 1 else np.asfortranarray(R))
        if self.weight is None and self._mean_of_rows:
            g /= self.n
        return g

    def inner(self, R: NDArray[np.float64], T: NDArray[np.float64]) -> Any:
        """Return R'S T for vectors (n,), or for each column of T (n, k)."""
        if self.weight is not None:
            names = "i,i,i->" if R.ndim == 1 else "i,ik,ik->k"
            return np.einsum(names, self.weight, R, T)
        found = R @ T if R.ndim == 1 else np.einsum("ik,ik->k", R, T)
        return found / self.n if self._mean_of_rows else found
