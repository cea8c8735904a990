"""Coordinate descent and its certificate, by the formulas.

With s the weights over their sum, u the coefficients in units of the (scaled) columns of A and
r = y - A u the residual of the centred target,

    P(u) = 1/2 sum_i s_i r_i^2 + sum_j h_j(u_j),
    h_j(x) = l1_j |x| + l2_j x^2 / 2  for lower_j <= x <= upper_j, infinite elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .matrix import column_stats, operator


class QuadraticProblem(NamedTuple):
    """An elastic net problem in the units of its solver.

    A (n, p) centred and scaled, y (n,) centred, s (n,) of sum 1; l1, l2, lower, upper (p,); null:
    the objective without penalised coefficients, 1 where that is 0; mean, scale and y_mean convert
    solutions to the caller's units.
    """

    A: np.ndarray
    y: np.ndarray
    s: np.ndarray
    l1: np.ndarray
    l2: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    null: float
    mean: np.ndarray
    scale: np.ndarray
    y_mean: float


def elastic_net_problem(
    X,
    y,
    alpha,
    l1_ratio=0.5,
    *,
    sample_weight=None,
    penalty_factor=None,
    lower=None,
    upper=None,
    fit_intercept=True,
    standardize=False,
):
    """Return the problem that `fastridge.elastic_net` solves for these arguments.

    Returns
    -------
    QuadraticProblem

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> q.A.ravel(), q.null
    (array([-1.,  1.]), np.float64(0.5))
    """
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else sample_weight
    s = s / s.sum()
    f = np.ones(p) if penalty_factor is None else penalty_factor
    mean, variance = column_stats(X, s)
    scale = np.where(variance > 0, np.sqrt(variance), 1.0) if standardize else np.ones(p)
    y_mean = s @ y if fit_intercept else 0.0
    mean = mean if fit_intercept else np.zeros(p)
    constant = (variance == 0) & fit_intercept
    A = operator(X, mean, np.where(constant, 0.0, 1.0 / scale))
    y = y - y_mean
    null = s @ y**2 / 2
    return QuadraticProblem(
        A,
        y,
        s,
        alpha * l1_ratio * f,
        alpha * (1 - l1_ratio) * f,
        np.full(p, -np.inf) if lower is None else lower * scale,
        np.full(p, np.inf) if upper is None else upper * scale,
        null if null > 0 else 1.0,
        mean,
        scale,
        y_mean,
    )


def soft_threshold(v, l1):
    """Return argmin_x (x - v)^2 / 2 + l1 |x|.

    Examples
    --------
    >>> soft_threshold(np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-2.,  0.,  1.])
    """
    return np.sign(v) * np.maximum(np.abs(v) - l1, 0.0)


def elastic_net_objective(q, u):
    """Return P(u).

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> elastic_net_objective(q, np.array([0.5]))
    np.float64(0.375)
    """
    r = q.y - q.A @ u
    return q.s @ r**2 / 2 + q.l1 @ np.abs(u) + q.l2 @ u**2 / 2


def elastic_net_dual(q, theta, slack=0.0):
    """Return the dual value of theta, a lower bound of P.

    D(theta) = sum_i s_i (y_i theta_i - theta_i^2 / 2) - sum_j max_x (v_j x - h_j(x)) with
    v = A'S theta; where x is unbounded, |v_j| may exceed l1_j by `slack` (p,).

    References
    ----------
    E. Ndiaye, O. Fercoq, A. Gramfort and J. Salmon, "Gap safe screening rules for sparsity
    enforcing penalties", JMLR 18, 2017.

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> elastic_net_dual(q, 0.5 * q.y)
    np.float64(0.375)
    """
    v = q.A.T @ (q.s * theta)
    over = soft_threshold(v, q.l1)
    over = np.where(np.isinf(np.where(over > 0, q.upper, q.lower)) & (abs(over) <= slack), 0, over)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(over == 0, 0.0, over / q.l2)
    x = np.clip(x, q.lower, q.upper)
    if not np.isfinite(x).all():
        return -np.inf
    return q.s @ (q.y * theta - theta**2 / 2) - np.sum(v * x - q.l1 * np.abs(x) - q.l2 * x**2 / 2)


def elastic_net_violation(q, u):
    """Return the distance of 0 from each subdifferential of P, with bounds; 0 at the minimum.

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> elastic_net_violation(q, np.array([0.5])), elastic_net_violation(q, np.array([0.0]))
    (array([0.]), array([0.5]))
    """
    v = q.A.T @ (q.s * (q.y - q.A @ u)) - q.l2 * u
    low = np.where(u > 0, q.l1, -q.l1)
    high = np.where(u < 0, -q.l1, q.l1)
    low[u <= q.lower] = -np.inf
    high[u >= q.upper] = np.inf
    return np.maximum(np.maximum(low - v, v - high), 0.0)


def elastic_net(q, tol=1e-10, max_iter=100_000, u=None):
    """Minimise P by cyclic coordinate descent until every coordinate is optimal.

    Each coordinate in turn is set to its minimum, with the others fixed:

        u_j := clip(soft_threshold(a_j'S r + (a_j'S a_j) u_j, l1_j) / (a_j'S a_j + l2_j)).

    Parameters
    ----------
    q : QuadraticProblem
    tol : float, default=1e-10
        Bound on the largest `elastic_net_violation`, relative to the largest a_j'S y.
    max_iter : int, default=100000
        Largest number of sweeps.
    u : ndarray (p,) or None, default=None
        Start; None: zeros.

    Returns
    -------
    ndarray of shape (p,)

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", Journal of Statistical Software 33, 2010.

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> elastic_net(q)
    array([0.5])
    """
    p = q.A.shape[1]
    u = np.clip(np.zeros(p) if u is None else u, q.lower, q.upper)
    square = q.s @ q.A**2
    r = q.y - q.A @ u
    scale = np.abs(q.A.T @ (q.s * q.y)).max(initial=1e-300)
    for _ in range(max_iter):
        for j in range(p):
            z = q.A[:, j] @ (q.s * r) + square[j] * u[j]
            x = soft_threshold(z, q.l1[j])
            x = x / (square[j] + q.l2[j]) if x != 0 else 0.0
            x = min(max(x, q.lower[j]), q.upper[j])
            r += (u[j] - x) * q.A[:, j]
            u[j] = x
        if elastic_net_violation(q, u).max() <= tol * scale:
            break
    return u


def elastic_net_coef(q, u):
    """Return coefficients and intercept in the caller's units.

    Examples
    --------
    >>> q = elastic_net_problem(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]), 0.5, 1.0)
    >>> elastic_net_coef(q, elastic_net(q))
    (array([0.5]), np.float64(1.5))
    """
    coef = u / q.scale
    return coef, q.y_mean - q.mean @ coef


def largest_alpha(X, y, l1_ratio=1.0, **options):
    """Return the smallest penalty that leaves all penalised coefficients at 0, given no free ones.

    It is max_j |a_j'S y| / (l1_ratio f_j), over f_j > 0.

    Examples
    --------
    >>> largest_alpha(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]))
    np.float64(1.0)
    """
    q = elastic_net_problem(X, y, 1.0, 1.0, **options)
    pull = np.abs(q.A.T @ (q.s * q.y))
    some = q.l1 > 0
    return (pull[some] / q.l1[some]).max(initial=0.0) / l1_ratio
