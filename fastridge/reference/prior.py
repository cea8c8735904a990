"""Ridge regression with a full Gaussian prior: a mean, and a precision matrix."""

import numpy as np

from .matrix import operator
from .ridge import Solution


def ridge_prior(
    X,
    y,
    alpha=1.0,
    *,
    prior_mean=None,
    penalty_matrix=None,
    sample_weight=None,
    penalty_factor=None,
    fit_intercept=True,
):
    """Fit ridge regression towards m = `prior_mean`, with the penalty matrix P.

    Minimises sum_i s_i (y_i - b - x_i w)^2 + alpha * v'Pv, v = sqrt(f) (w - m): minimum-norm least
    squares, in w - m, of the centred rows stacked on a root of P.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    y : array-like of shape (n,)
    alpha : float, default=1.0
    prior_mean : array-like of shape (p,) or None, default=None
        m; zeros where None.
    penalty_matrix : array-like of shape (p, p) or None, default=None
        P; the identity where None.
    sample_weight : array-like of shape (n,) or None, default=None
    penalty_factor : array-like of shape (p,) or None, default=None
    fit_intercept : bool, default=True

    Returns
    -------
    Solution

    Examples
    --------
    >>> ridge_prior([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], 2.0, prior_mean=[3.0]).coef
    array([2.])
    """
    X, y = np.asarray(operator(X), dtype=np.float64), np.asarray(y, dtype=np.float64)
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    f = np.ones(p) if penalty_factor is None else np.asarray(penalty_factor, dtype=np.float64)
    m = np.zeros(p) if prior_mean is None else np.asarray(prior_mean, dtype=np.float64)
    P = np.eye(p) if penalty_matrix is None else np.asarray(penalty_matrix, dtype=np.float64)
    P = np.sqrt(f)[:, None] * P * np.sqrt(f)
    x_mean = s @ X / s.sum() if fit_intercept else np.zeros(p)
    y_mean = s @ y / s.sum() if fit_intercept else 0.0
    eps = p * np.finfo(float).eps
    size, Q = np.linalg.eigh(P)
    size[size <= eps * size[-1]] = 0.0
    rows = np.sqrt(s)[:, None] * (X - x_mean)
    # set the joint null space to 0, despite round-off in small eigenvalues
    all_seen, V = np.linalg.eigh(rows.T @ rows + alpha * P)
    unseen = V[:, all_seen <= eps * all_seen[-1]].T
    rows = np.vstack([rows, np.sqrt(alpha * size)[:, None] * Q.T, np.sqrt(all_seen[-1]) * unseen])
    left = np.zeros(len(rows))
    left[:n] = np.sqrt(s) * (y - y_mean - (X - x_mean) @ m)
    v = np.linalg.lstsq(rows, left)[0]
    w = m + v
    b = float(y_mean - x_mean @ w)
    r = y - b - X @ w
    return Solution(w, b, float(s @ r**2 + alpha * (v @ P @ v)))
