"""Predictions of results that hold coefficients and intercepts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._checks import held
from .check import check_design


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
