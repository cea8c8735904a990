"""Shrinkage towards given coefficients m: fit y - X m, then add m to the solution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix

_LARGEST = float(np.finfo(np.float32).max)


class Shift:
    """The targets y - (X - mean) m of a fit of w - m, and the gradients at w = 0 and at w = m.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    Y : ndarray (n,) or (n, k)
    weight : ndarray (n,) or None
    fit_intercept : bool
        Centre X in X m, which changes the intercept only, so that means far from zero do not cause
        round-off.
    m : ndarray (k, p)

    Attributes
    ----------
    Y : ndarray
        Shifted targets, in the shape of the given ones.
    mean, y_mean : ndarray (p,) and (k,)
        Weighted means of X and of the given targets; zeros without an intercept.
    """

    def __init__(
        self,
        A: Matrix,
        Y: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        fit_intercept: bool,
        m: NDArray[np.float64],
    ) -> None:
        self.m, self.weight, self._centred = m, weight, fit_intercept
        largest = float(np.abs(m).max(initial=0.0))
        if A.is_float32 and largest > _LARGEST:
            raise ValueError(
                f"prior_mean reaches {largest:.3g}; expected coefficients within the range of"
                " float32, the dtype of X, or X as float64."
            )
        self._rows, self.mean, self.y_mean = A, np.zeros(A.n_columns), np.zeros(len(m))
        self._constant = np.zeros(A.n_columns, dtype=bool)
        given = Y.reshape(len(Y), -1)
        if fit_intercept:
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                self.mean, variance = A.column_stats(weight)
                near, offset = A.near(self.mean, variance, weight)
                self.y_mean = Matrix.from_dense(given).column_stats(weight)[0]
            self._rows = near.centered(offset)
            self._constant = (variance == 0) & (self.mean != 0)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            shifted = given - self._rows.dot(np.asfortranarray(m.T))
            # sums of squares that prior_mean alone makes overflow
            beyond = np.isfinite((given**2).sum()) and not np.isfinite((shifted**2).sum())
        if beyond or not np.isfinite(shifted).all():
            raise ValueError(
                "prior_mean is too large: X @ prior_mean or its squares overflow; expected"
                " coefficients in the units of X and y."
            )
        self._given = given
        self.Y = np.asfortranarray(shifted).reshape(Y.shape, order="F")

    def share(self, penalty: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the norm (k,) of the gradient at m over the larger of it and the norm at zero.

        penalty: half the gradient of the penalty at m, (p, k): alpha d m or alpha P m.
        """
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            at_mean = self._gradient(self.Y.reshape(self._given.shape, order="F"))
            at_zero = self._gradient(self._given) + penalty
            first = np.linalg.norm(at_mean, axis=0)
            most = np.maximum(first, np.linalg.norm(at_zero, axis=0))
        usable = np.isfinite(most) & (most > 0) & (first > 0)
        return np.divide(first, most, out=np.ones(len(first)), where=usable)

    def _gradient(self, Y):
        R = Y - np.average(Y, axis=0, weights=self.weight) if self._centred else Y
        if self.weight is not None:
            R = R * self.weight[:, None]
        g = self._rows.tdot(np.asfortranarray(R))
        g[self._constant] = 0.0
        return g
