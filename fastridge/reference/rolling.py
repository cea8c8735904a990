"""Ridge regression on every window of rows, each fitted separately.

Letters: X (n, p) data, y (n,) target, s (n,) sample weights, m windows, k penalties.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .ridge import ridge


class Windows(NamedTuple):
    """Fits of all windows and the predictions one step ahead."""

    coef: np.ndarray  # (m, p)
    intercept: np.ndarray  # (m,)
    row: np.ndarray  # (m,): the last of each window
    prediction: np.ndarray  # (n,)
    alpha: np.ndarray  # (m,)


def rolling_ridge(
    X,
    y,
    *,
    window=None,
    alpha=1.0,
    step=1,
    min_samples=1,
    half_life=np.inf,
    groups=None,
    sample_weight=None,
    penalty_factor=None,
    fit_intercept=True,
):
    """Fit ridge regression to the window that ends at each row t, its rows t - window < i <= t.

    Minimises sum_i s_i 2^(-(t - i) / half_life) (y_i - b - x_i w)^2 + alpha sum_j d_j w_j^2. Of
    several penalties a window uses the one with the least e_t(alpha), where, over its rows,

        e_t = sum_i s_i 2^(-(t - i) / half_life) (y_i - b_i - x_i w_i)^2

    with w_i, b_i from that penalty and the last window that ended before row i.

    Parameters
    ----------
    X : array-like of shape (n, p)
    y : array-like of shape (n,)
    window : int or None, default=None
        None: all rows of the group so far.
    alpha : float or array-like of shape (k,), default=1.0
    step : int, default=1
        Windows end at rows step - 1, 2 step - 1, ... of a group.
    min_samples : int, default=1
        Rows of positive weight that a fit needs; other windows are NaN.
    half_life : float, default=inf
    groups : array-like of shape (n,) or None, default=None
    sample_weight : array-like of shape (n,) or None, default=None
    penalty_factor : array-like of shape (p,) or None, default=None
    fit_intercept : bool, default=True

    Returns
    -------
    Windows

    Examples
    --------
    >>> X, y = [[1.0], [2.0], [3.0]], [2.0, 4.0, 6.0]
    >>> found = rolling_ridge(X, y, window=2, min_samples=2, alpha=0.5)
    >>> found.coef[:, 0], found.prediction
    (array([nan,  1.,  1.]), array([nan, nan, 4.5]))
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    groups = np.zeros(n) if groups is None else np.asarray(groups)
    alphas = np.atleast_1d(np.asarray(alpha, dtype=np.float64))
    w, b = np.full((n, len(alphas), p), np.nan), np.full((n, len(alphas)), np.nan)
    predictions = np.full((n, len(alphas)), np.nan)
    chosen = np.full(n, -1)
    prediction = np.full(n, np.nan)
    for label in np.unique(groups):
        rows = np.flatnonzero(groups == label)
        last = -1
        for t, row in enumerate(rows):
            if last >= 0:
                predictions[row] = b[last] + w[last] @ X[row]
                prediction[row] = predictions[row, chosen[last]]
            if (t + 1) % step:
                continue
            first = 0 if window is None else max(0, t - window + 1)
            part = rows[first : t + 1]
            weight = s[part] * 2.0 ** (-(t - np.arange(first, t + 1)) / half_life)
            if np.count_nonzero(s[part]) >= min_samples:
                for a, penalty in enumerate(alphas):
                    fit = ridge(
                        X[part],
                        y[part],
                        penalty,
                        sample_weight=weight,
                        penalty_factor=penalty_factor,
                        fit_intercept=fit_intercept,
                    )
                    w[row, a], b[row, a] = fit.coef, fit.intercept
            error = np.nan_to_num((y[part, None] - predictions[part]) ** 2)
            error = weight @ error
            # ties: the largest penalty
            chosen[row] = max(np.flatnonzero(error == error.min()), key=alphas.__getitem__)
            last = row
    row = np.flatnonzero(chosen >= 0)
    best = chosen[row]
    return Windows(w[row, best], b[row, best], row, prediction, alphas[best])
