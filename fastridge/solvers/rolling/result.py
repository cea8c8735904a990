"""The result of rolling ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class RollingRidgeResult:
    """Coefficients of all windows, and their predictions one step ahead.

    Windows are in the order of their last rows. Windows with fewer rows than `min_samples` have NaN
    coefficients and predictions.

    Attributes
    ----------
    coef : ndarray of shape (n_windows, n_features)
        Coefficients, in the type of X.
    intercept : ndarray of shape (n_windows,)
        0 where none was fitted.
    row : ndarray of int64, shape (n_windows,)
        Last row of each window, an index into X.
    prediction : ndarray of shape (n_samples,)
        Prediction of y for each row, by the last window of its group that ended before it; NaN
        where there is none.
    alpha : ndarray of float64, shape (n_windows,)
        Penalty of each window: the given one, or the best of several by past errors.
    prediction_error : ndarray of float64, shape (n_alphas,)
        Weighted mean squared error of the predictions with each penalty; NaN without predictions.
    relative_gradient : ndarray of float64, shape (n_windows,)
        Norms of the gradients at the solutions, from the sums of the windows, over those at zero
        coefficients; for float32 `X`, before solutions were rounded to float32.
    n_refits : int
        Number of fits, counted per window and penalty, that were solved from rows because sums
        determine the coefficients badly.
    converged : bool
        Whether every fit reached `tol`.
    feature_names : ndarray of object, shape (n_features,), or None
        Names of the columns of X where it is a data frame.

    See Also
    --------
    rolling_ridge : Ridge regression in every window of rows.

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
