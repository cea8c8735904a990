"""Shrinkage towards given coefficients m: y - X m is fitted, and m added to what is found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix


class Shift:
    """The targets of w - m, y - (X - mean) m, and the gradients at w = 0 and at w = m.

    Parameters
    ----------
    A : Matrix (n, p), not centred
    Y : ndarray (n,) or (n, k)
    weight : ndarray (n,) or None
    fit_intercept : bool
        Take X m about the means, which the intercept takes up, so that means far from zero do
        not round it.
    m : ndarray (k, p)

    Attributes
    ----------
    Y : ndarray
        Of the shape of the given one.
    mean, y_mean : ndarray (p,) and (k,)
        Weighted means of X and of the given y; zeros without an intercept.
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
        if not np.isfinite(shifted).all():
            raise ValueError(
                "prior_mean is too large: X @ prior_mean overflows; expected coefficients in the"
                " units of X and y."
            )
        self._given = given
        self.Y = np.asfortranarray(shifted).reshape(Y.shape, order="F")

    def share(self, penalty: NDArray[np.float64]) -> NDArray[np.float64]:
        """Norm (k,) of the gradient at m over the larger of that and the norm of it at zero.

        penalty: that of the objective applied to m, (p, k): alpha d m or alpha P m.
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
