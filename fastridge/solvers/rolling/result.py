"""The result of fits of all windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class RollingRidgeResult:
    """Coefficients of all windows, and the predictions that they make one step ahead.

    Windows are in the order of the rows that they end at. Where a window has fewer rows than
    `min_samples`, its coefficients, and predictions by them, are NaN.

    Attributes
    ----------
    coef : ndarray of shape (n_windows, n_features)
        Coefficients, in the type of X.
    intercept : ndarray of shape (n_windows,)
        0 where none was fitted.
    row : ndarray of int64, shape (n_windows,)
        Row of X at which each window ends, which is its last.
    prediction : ndarray of shape (n_samples,)
        Prediction of y for each row, by the last window of its group that ended before it; NaN
        where there is none.
    alpha : ndarray of float64, shape (n_windows,)
        Penalty of each window: the one given, or the best of several by its past errors.
    prediction_error : ndarray of float64, shape (n_alphas,)
        Weighted mean squared error of the predictions with each penalty; NaN without predictions.
    relative_gradient : ndarray of float64, shape (n_windows,)
        Norms of the gradients at the solutions, from the sums of the windows, over those at zero
        coefficients; for float32 `X`, before solutions were rounded to float32.
    n_refits : int
        Fits, of windows with one penalty, whose sums do not determine the coefficients well and
        which were solved from their rows instead.
    converged : bool
        Whether every fit reached the tolerance asked for.
    feature_names : ndarray of object, shape (n_features,), or None
        Names of the columns of X where it is a data frame.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[1.0], [2.0], [3.0], [5.0]], [1.0, 2.0, 3.0, 5.0]
    >>> result = fastridge.rolling_ridge(X, y, window=3)
    >>> result.coef.round(3)
    array([[  nan],
           [  nan],
           [0.667],
           [0.824]])
    """

    __slots__ = (
        "alpha",
        "coef",
        "converged",
        "feature_names",
        "intercept",
        "n_refits",
        "prediction",
        "prediction_error",
        "relative_gradient",
        "row",
    )

    coef: NDArray[Any]
    intercept: NDArray[Any]
    row: NDArray[np.int64]
    prediction: NDArray[Any]
    alpha: NDArray[np.float64]
    prediction_error: NDArray[np.float64]
    relative_gradient: NDArray[np.float64]
    n_refits: int
    converged: bool
    feature_names: NDArray[np.object_] | None

    def __repr__(self) -> str:
        return (
            f"RollingRidgeResult(n_windows={len(self.row)}, converged={self.converged},"
            f" coef={self.coef!r}, intercept={self.intercept!r})"
        )
