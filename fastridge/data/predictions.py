"""Predictions of results that hold coefficients and intercepts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import held
from .._matrix import Matrix
from .check import check_design
from .rows import take_columns


def dot_path(
    A: Matrix, indices: Sequence[NDArray[Any]], values: Sequence[NDArray[Any]], k: int = 1
) -> NDArray[np.float64]:
    """Return X W' (n, m k) for the coefficients W (m k, p) of m penalties and k classes.

    The coefficients of a penalty are `values` at `indices` of (k, p) in C order, and else 0. Of
    sparse X, only columns with other coefficients than 0 are multiplied.
    """
    n, p = A.shape
    m = len(indices)
    places = [j * k * p + np.asarray(own, np.intp) for j, own in enumerate(indices)]
    rows, columns = np.divmod(np.concatenate([*places, np.zeros(0, np.intp)]), p)
    if A.is_sparse:
        used = np.unique(columns)
        if not len(used):
            return np.zeros((n, m * k))
        if 2 * len(used) <= p:
            A, p = take_columns(A, used), len(used)
            columns = np.searchsorted(used, columns)
    W = np.zeros((p, m * k), order="F")
    W[columns, rows] = np.concatenate([*values, np.zeros(0)])
    return A.dot(W)


class LinearPredictions:
    """Base of results with coefficients `coef` and intercepts `intercept`."""

    __slots__ = ()

    coef: NDArray[Any]
    intercept: Any

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions X w + b.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_samples,) or (n_samples, n_targets)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        A = check_design(X, n_features=self.coef.shape[-1], caller=type(self).__name__)
        out = A.dot(np.asfortranarray(held(self.coef).T, dtype=np.float64))
        return out + np.asarray(self.intercept, np.float64)
