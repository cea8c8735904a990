"""The ridge solvers, by the formulas.

Letters: X (n, p) data, A (n, p) the operator over it, w (p,) coefficients, s (n,) sample weights,
d (p,) penalty of each coefficient, k targets in the columns of Y (n, k).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import lsq_linear

from .matrix import cholesky, cholesky_solve, column_stats, gram, operator


def ridge_normal_equations(A, Y, alpha, s, d):
    """Solve by features: (A' S A + alpha D) w = A' S y, with S = diag(s), D = diag(d).

    The matrix must be positive definite.

    Parameters
    ----------
    A : ndarray of shape (n, p)
    Y : ndarray of shape (n,) or (n, k)
    alpha : float
    s : ndarray of shape (n,)
    d : ndarray of shape (p,)

    Returns
    -------
    ndarray of shape (p,) or (p, k)

    References
    ----------
    A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal
    problems", Technometrics 12(1), 1970.

    Examples
    --------
    >>> A = np.array([[1.0], [2.0]])
    >>> ridge_normal_equations(A, np.array([2.0, 4.0]), 5.0, np.ones(2), np.ones(1))
    array([1.])
    """
    U = cholesky(gram(A, s) + alpha * np.diag(d))
    return cholesky_solve(U, (A.T * s) @ Y)


def ridge_mixed(A, y, alpha, s, d, max_iter=10):
    """Solve by features, with the Gram matrix and its factor in float32, refined in float64.

    M is A' S A + alpha D in float32, and each step adds M^-1 times the gradient from A itself,

        w := w + M^-1 (A' S (y - A w) - alpha D w),

    until a step, times the ratio of consecutive steps, is round-off.

    Parameters
    ----------
    A, alpha, s, d
        As in `ridge_normal_equations`; well conditioned.
    y : ndarray of shape (n,)
    max_iter : int, default=10

    Returns
    -------
    w : ndarray of shape (p,)
    n_iter : int
        Steps after the first solution.

    References
    ----------
    J. Langou et al., "Exploiting the performance of 32 bit floating point arithmetic in obtaining
    64 bit accuracy", SC 2006. A. Bjorck, "Stability analysis of the method of seminormal
    equations", Linear Algebra and its Applications 88, 1987.

    Examples
    --------
    >>> A = np.array([[1.0], [3.0]])
    >>> ridge_mixed(A, np.array([2.0, 6.0]), 10.0, np.ones(2), np.ones(1))[0]
    array([1.])
    """
    scale = np.exp2(-np.round(np.log2(np.abs(A).max(axis=0))))  # powers of two: exact
    B = ((np.sqrt(s)[:, None] * A) * scale).astype(np.float32)
    penalty = (alpha * d * scale**2).astype(np.float32)
    U = np.linalg.cholesky(B.T @ B + np.diag(penalty)).T.astype(np.float64)

    def solve(g):
        return scale * cholesky_solve(U, scale * g)

    w, rate, before = solve(A.T @ (s * y)), 1.0, 1.0
    for n_iter in range(1, max_iter + 1):  # noqa: B007
        step = solve(A.T @ (s * (y - A @ w)) - alpha * d * w)
        ratio = np.linalg.norm(step / scale) / np.linalg.norm(w / scale)
        rate, before = min(rate, ratio / before), ratio
        w = w + step
        if ratio * rate <= np.finfo(np.float64).eps:
            break
    return w, n_iter


def ridge_dual(A, Y, alpha, s, d):
    """Solve by samples, for n < p.

    With K = S^1/2 A_P diag(d_P)^-1 A_P' S^1/2 over the penalised columns P, and the unpenalised
    ones Z = S^1/2 A_F,

        [K + alpha I   Z] [a]   [S^1/2 y]
        [Z'            0] [c] = [0      ],     w_P = diag(d_P)^-1 A_P' S^1/2 a,   w_F = c.

    The first line is alpha a = S^1/2 (y - A w), the second and third are zero gradients.

    Parameters
    ----------
    A, Y, alpha, s, d
        As in `ridge_normal_equations`; alpha > 0.

    Returns
    -------
    ndarray of shape (p,) or (p, k)

    References
    ----------
    C. Saunders, A. Gammerman and V. Vovk, "Ridge regression learning algorithm in dual variables",
    ICML 1998.

    Examples
    --------
    >>> A = np.array([[1.0, 2.0]])
    >>> ridge_dual(A, np.array([10.0]), 5.0, np.ones(1), np.ones(2))
    array([1., 2.])
    """
    free = d == 0
    B = np.sqrt(s)[:, None] * A
    Z, P = B[:, free], B[:, ~free]
    n, f = Z.shape
    system = np.block([[(P / d[~free]) @ P.T + alpha * np.eye(n), Z], [Z.T, np.zeros((f, f))]])
    rhs = np.concatenate([(np.sqrt(s) * Y.T).T, np.zeros((f, *Y.shape[1:]))])
    solution = np.linalg.solve(system, rhs)
    w = np.empty((A.shape[1], *Y.shape[1:]))
    w[~free] = ((P.T @ solution[:n]).T / d[~free]).T
    w[free] = solution[n:]
    return w


def ridge_cg(A, y, alpha, s, d, tol=1e-4, max_iter=1000, heavy=0, start=None):
    """Solve the normal equations H w = A' S y by preconditioned conjugate gradients.

    H = A' S A + alpha D. The preconditioner M is H on the `heavy` columns of largest weighted
    sum of squares, and the diagonal of H on the others:

        M = [H_BB  0; 0  diag(H_RR)],   B the heavy columns, R the rest.

    With g = A' S (y - A w) - alpha D w and F the objective, by strong convexity F(w) exceeds its
    minimum by at most g'D^-1 g / alpha. Iterations end where that is within tol^2 F(w), or, if some
    column has no penalty, where ||g|| <= tol * ||A' S y||.

    Parameters
    ----------
    A, alpha, s, d
        As in `ridge_normal_equations`.
    y : ndarray of shape (n,)
    tol : float, default=1e-4
    max_iter : int, default=1000
    heavy : int, default=0
        Size of the exact block.
    start : ndarray of shape (p,) or None, default=None
        Zeros where None.

    Returns
    -------
    w : ndarray of shape (p,)
    n_iter : int

    References
    ----------
    M. R. Hestenes and E. Stiefel, "Methods of conjugate gradients for solving linear systems",
    Journal of Research of the National Bureau of Standards 49(6), 1952.

    Examples
    --------
    >>> A = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> w, n_iter = ridge_cg(A, np.array([2.0, 4.0]), 0.0, np.ones(2), np.ones(2))
    >>> w, n_iter
    (array([2., 2.]), 1)
    """
    p = A.shape[1]
    squares = (s[:, None] * A**2).sum(axis=0)
    block = np.argsort(-squares, kind="stable")[:heavy]
    factor = cholesky(gram(A, s, block) + alpha * np.diag(d[block]))
    diagonal = squares + alpha * d

    def precondition(r):
        z = np.divide(r, diagonal, out=np.zeros(p), where=diagonal > 0)
        z[block] = cholesky_solve(factor, r[block])
        return z

    w = np.zeros(p) if start is None else np.array(start, dtype=np.float64)
    r = A.T @ (s * (y - A @ w)) - alpha * d * w
    first = np.linalg.norm(A.T @ (s * y))

    def near(w, r):
        if not (alpha * d > 0).all():
            return np.linalg.norm(r) <= tol * first
        objective = s @ (y - A @ w) ** 2 + alpha * (d @ w**2)
        return r @ (r / d) / alpha <= tol**2 * objective

    z = precondition(r)
    direction, n_iter = z, 0
    while not near(w, r) and n_iter < max_iter:
        curved = A.T @ (s * (A @ direction)) + alpha * d * direction
        step = (r @ z) / (direction @ curved)
        w = w + step * direction
        before, r = r @ z, r - step * curved
        z = precondition(r)
        direction = z + (r @ z) / before * direction
        n_iter += 1
    return w, n_iter


def ridge_lstsq(A, Y, alpha, s, d):
    """Solve the augmented system by orthogonal transformations; minimum norm where it is singular.

    || [S^1/2 A; sqrt(alpha) D^1/2] w - [S^1/2 y; 0] ||^2 is the objective.

    Parameters
    ----------
    A, Y, alpha, s, d
        As in `ridge_normal_equations`; any rank.

    Returns
    -------
    ndarray of shape (p,) or (p, k)

    Examples
    --------
    >>> A = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> ridge_lstsq(A, np.array([2.0, 2.0]), 0.0, np.ones(2), np.ones(2)).round(12)
    array([1., 1.])
    """
    B, Z = _augmented(A, Y, alpha, s, d)
    return np.linalg.lstsq(B, Z, rcond=None)[0]


def ridge_bounded(A, Y, alpha, s, d, lower, upper):
    """Solve with lower <= w <= upper: bounded least squares on the system of `ridge_lstsq`.

    Parameters
    ----------
    A, Y, alpha, s, d
        As in `ridge_normal_equations`.
    lower, upper : float or array-like of shape (p,)
        May be infinite, and equal.

    Returns
    -------
    ndarray of shape (p,) or (p, k)

    References
    ----------
    P. B. Stark and R. L. Parker, "Bounded-variable least-squares: an algorithm and applications",
    Computational Statistics 10, 1995.

    Examples
    --------
    >>> A = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> ridge_bounded(A, np.array([2.0, -2.0]), 1.0, np.ones(2), np.ones(2), 0.0, 0.5)
    array([0.5, 0. ])
    """
    B, Z = _augmented(A, Y, alpha, s, d)
    lower, upper = (np.broadcast_to(bound, len(d)) for bound in (lower, upper))
    free = lower < upper

    def one(z):
        w = np.where(free, 0.0, lower)
        if free.any():
            box = (lower[free], upper[free])
            found = lsq_linear(
                B[:, free], z - B @ w, box, method="bvls", tol=1e-15, max_iter=10_000
            )
            w[free] = found.x
        return w

    return one(Z) if Z.ndim == 1 else np.column_stack([one(z) for z in Z.T])


def _augmented(A, Y, alpha, s, d):
    B = np.vstack([np.sqrt(s)[:, None] * A, np.diag(np.sqrt(alpha * d))])
    Z = np.concatenate([(np.sqrt(s) * Y.T).T, np.zeros((A.shape[1], *Y.shape[1:]))])
    return B, Z


class Solution(NamedTuple):
    """Result of `ridge`: coef (p,) or (k, p), intercept and objective, scalar or (k,)."""

    coef: np.ndarray
    intercept: np.ndarray
    objective: np.ndarray


def penalties(X, sample_weight=None, penalty_factor=None, standardize=False):
    """Return d (p,): the factors f; if standardised, f_j times the variance of column j (1 if 0).

    Examples
    --------
    >>> penalties([[0.0, 1.0], [4.0, 1.0]], penalty_factor=[1.0, 2.0], standardize=True)
    array([4., 2.])
    """
    X = operator(X)
    d = np.ones(X.shape[1]) if penalty_factor is None else np.array(penalty_factor, dtype=float)
    if standardize:
        variance = column_stats(X, sample_weight)[1]
        d *= np.where(variance > 0, variance, 1.0)
    return d


def gradient(X, y, alpha, coef, intercept, *, sample_weight=None, d=None):
    """Return the negative half gradient in w: X' S (y - b - X w) - alpha D w.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    y : array-like of shape (n,)
    alpha : float
    coef : array-like of shape (p,)
    intercept : float
    sample_weight : array-like of shape (n,) or None, default=None
    d : array-like of shape (p,) or None, default=None
        Ones where None.

    Returns
    -------
    ndarray of shape (p,)
        With an intercept, and b optimal for w, this is also the gradient of the centred problem.

    Examples
    --------
    >>> gradient([[1.0], [2.0]], [2.0, 4.0], 5.0, [1.0], 0.0)
    array([0.])
    """
    X, coef = operator(X), np.asarray(coef, dtype=np.float64)
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    d = np.ones(X.shape[1]) if d is None else np.asarray(d)
    return X.T @ (s * (np.asarray(y) - intercept - X @ coef)) - alpha * d * coef


def objective(X, y, alpha, coef, intercept, *, sample_weight=None, d=None):
    """Return sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j d_j w_j^2.

    Parameters
    ----------
    X, y, alpha, coef, intercept, sample_weight, d
        As in `gradient`.

    Returns
    -------
    float

    Examples
    --------
    >>> objective([[1.0], [2.0]], [2.0, 4.0], 5.0, [1.0], 0.0)
    10.0
    """
    X, coef = operator(X), np.asarray(coef, dtype=np.float64)
    s = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
    d = np.ones(X.shape[1]) if d is None else np.asarray(d)
    r = np.asarray(y) - intercept - X @ coef
    return float(s @ r**2 + alpha * (d @ coef**2))


def ridge(
    X,
    y,
    alpha=1.0,
    *,
    sample_weight=None,
    penalty_factor=None,
    fit_intercept=True,
    standardize=False,
    solver="lstsq",
    positive=False,
    lower=None,
    upper=None,
):
    """Fit ridge regression, one target after the other.

    Minimises sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j d_j w_j^2, with d from `penalties`. For
    the optimal b the residuals have weighted mean 0, so that b = mean(y) - mean(X) w and w solves
    the problem with X and y centred at their weighted means.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    y : array-like of shape (n,) or (n, k)
    alpha : float or array-like of shape (k,), default=1.0
    sample_weight : array-like of shape (n,) or None, default=None
        s; ones where None.
    penalty_factor : array-like of shape (p,) or None, default=None
    fit_intercept, standardize : bool, default=True and False
    solver : {"lstsq", "cholesky", "dual", "cg"}, default="lstsq"
        The function of this module that solves the centred problem.
    positive : bool, default=False
        Require w >= 0.
    lower, upper : float or array-like of shape (p,) or None, default=None
        Bounds of w, by `ridge_bounded`.

    Returns
    -------
    Solution

    Examples
    --------
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]]
    >>> solution = ridge(X, [1.0, 2.0, 4.0, 7.0], alpha=1.0)
    >>> solution.coef.round(3)
    array([1.247, 0.719])
    """
    X, y = operator(X), np.asarray(y, dtype=np.float64)
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    d = penalties(X, sample_weight, penalty_factor, standardize)
    x_mean, y_mean = np.zeros(p), np.zeros(y.shape[1:])
    if fit_intercept:
        x_mean, y_mean = column_stats(X, s)[0], np.average(y, axis=0, weights=s)
    solve = {
        "lstsq": ridge_lstsq,
        "cholesky": ridge_normal_equations,
        "dual": ridge_dual,
        "cg": lambda *problem: ridge_cg(*problem, tol=1e-14, max_iter=10 * p)[0],
    }[solver]
    low = np.broadcast_to(-np.inf if lower is None else lower, p)
    low = np.maximum(low, 0.0) if positive else low
    high = np.broadcast_to(np.inf if upper is None else upper, p)
    if np.isfinite(low).any() or np.isfinite(high).any():
        solve = partial(ridge_bounded, lower=low, upper=high)

    def one(y, y_mean, alpha):
        w = solve(X - x_mean, y - y_mean, float(alpha), s, d)
        b = float(y_mean - x_mean @ w)
        return w, b, objective(X, y, float(alpha), w, b, sample_weight=s, d=d)

    if y.ndim == 1:
        return Solution(*one(y, y_mean, alpha))
    alphas = np.broadcast_to(alpha, y.shape[1:])
    return Solution(*map(np.array, zip(*map(one, y.T, y_mean, alphas), strict=True)))


def ridge_batch(X, y, alpha=1.0, *, sample_weight=None, penalty_factor=None, fit_intercept=True):
    """Fit many problems of one shape by `ridge`.

    Parameters
    ----------
    X : array-like of shape (b, n, p)
    y : array-like of shape (b, n) or (b, n, k)
    alpha : float or array-like of shape (b,), default=1.0
    sample_weight : array-like of shape (n,) or (b, n), or None, default=None
    penalty_factor : array-like of shape (p,) or None, default=None
    fit_intercept : bool, default=True

    Returns
    -------
    Solution
        coef (b, p) or (b, k, p), intercept and objective (b,) or (b, k).

    Examples
    --------
    >>> ridge_batch([[[1.0], [2.0], [3.0]]], [[1.0, 2.0, 3.0]], alpha=2.0).coef
    array([[0.5]])
    """
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    alphas = np.broadcast_to(alpha, len(X))
    weights = [None] * len(X)
    if sample_weight is not None:
        weights = np.broadcast_to(sample_weight, X.shape[:2])
    found = [
        ridge(
            X[i],
            y[i],
            alphas[i],
            sample_weight=weights[i],
            penalty_factor=penalty_factor,
            fit_intercept=fit_intercept,
        )
        for i in range(len(X))
    ]
    return Solution(*map(np.array, zip(*found, strict=True)))
