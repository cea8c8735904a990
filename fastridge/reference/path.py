"""Ridge for many penalties, by the formulas.

Letters as in `ridge`, and B = S^1/2 A, t = S^1/2 y; Z = B_F the unpenalised columns, of rank r, and
P = (I - Z Z^+) B_P D_P^-1/2 the others projected orthogonally to Z, and u = (I - Z Z^+) t.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .matrix import column_stats, operator
from .ridge import penalties, ridge_cg
from .tridiagonal import tridiagonal_solve, tridiagonalize


class Path(NamedTuple):
    """Result of `ridge_path` per penalty: coef (m, p), and the others (m,).

    norm: sqrt(w'Dw); residual: sum_i s_i (y_i - b - x_i w)^2; dof: the trace of the hat matrix,
    without the intercept.
    """

    coef: np.ndarray
    intercept: np.ndarray
    norm: np.ndarray
    residual: np.ndarray
    dof: np.ndarray


def path_by_features(P, u, alphas):
    """Solve (P'P + alpha I) v = P'u for every alpha, from one reduction P'P = Q T Q'.

    v = Q x with (T + alpha I) x = Q'P'u. Then |v| = |x|, the residual is
    u'u - x'(Q'P'u) - alpha x'x, and dof = p - alpha tr (T + alpha I)^-1.

    Parameters
    ----------
    P : ndarray of shape (n, p)
    u : ndarray of shape (n,)
    alphas : ndarray of shape (m,)

    Returns
    -------
    v : ndarray of shape (m, p)
    squared_norm, residual, dof : ndarray of shape (m,)

    References
    ----------
    L. Elden, "Algorithms for the regularization of ill-conditioned least squares problems", BIT
    17, 1977.

    Examples
    --------
    >>> path_by_features(np.array([[1.0], [1.0]]), np.array([2.0, 2.0]), np.array([2.0]))
    (array([[1.]]), array([1.]), array([2.]), array([0.5]))
    """
    Q, d, e = tridiagonalize(P.T @ P)
    c = Q.T @ (P.T @ u)
    x, traces = tridiagonal_solve(d, e, alphas, c[:, np.newaxis])
    x = x[:, 0]
    squares = (x**2).sum(axis=1)
    return x @ Q.T, squares, u @ u - x @ c - alphas * squares, len(d) - alphas * traces


def path_by_samples(P, u, alphas):
    """Solve (P P' + alpha I) a = u for every alpha, from one reduction P P' = Q T Q'; v = P'a.

    a = Q x with (T + alpha I) x = Q'u. Then v'v = u'a - alpha a'a, the residual is alpha a, and
    dof = n - alpha tr (T + alpha I)^-1.

    Parameters
    ----------
    P, u, alphas
        As in `path_by_features`.

    Returns
    -------
    v, squared_norm, residual, dof
        As in `path_by_features`.

    Examples
    --------
    >>> path_by_samples(np.array([[1.0], [1.0]]), np.array([2.0, 2.0]), np.array([2.0]))
    (array([[1.]]), array([1.]), array([2.]), array([0.5]))
    """
    Q, d, e = tridiagonalize(P @ P.T)
    c = Q.T @ u
    x, traces = tridiagonal_solve(d, e, alphas, c[:, np.newaxis])
    x = x[:, 0]
    squares = (x**2).sum(axis=1)
    return (x @ Q.T) @ P, x @ c - alphas * squares, alphas**2 * squares, len(d) - alphas * traces


def best_combination(W, GW, c, d, alpha):
    """Return the combination w = W'y of rows of W that minimises w'(G + alpha D) w - 2 c'w.

    (W M W') y = W c, with M = G + alpha D and M W' from the known products G W'.

    Parameters
    ----------
    W, GW : ndarray of shape (q, p)
        Solutions w for other penalties, and G w.
    c, d : ndarray of shape (p,)
    alpha : float

    Returns
    -------
    w : ndarray of shape (p,)
    gradient : ndarray of shape (p,)
        c - M w.

    References
    ----------
    P. F. Fischer, "Projection techniques for iterative solution of Ax = b with successive
    right-hand sides", Computer Methods in Applied Mechanics and Engineering 163, 1998.

    Examples
    --------
    >>> W = np.array([[1.0, 0.0]])
    >>> best_combination(W, 3.0 * W, np.array([8.0, 1.0]), np.ones(2), 1.0)
    (array([2., 0.]), array([0., 1.]))
    """
    MW = GW + alpha * d * W
    y = np.linalg.lstsq(W @ MW.T, W @ c, rcond=1e-12)[0]
    return y @ W, c - y @ MW


def path_by_cg(A, y, alphas, s, d, tol=1e-4, max_iter=1000):
    """Solve by conjugate gradients from the largest penalty down, started from earlier solutions.

    Parameters
    ----------
    A, y, s, d, tol, max_iter
        As in `ridge_cg`.
    alphas : ndarray of shape (m,)

    Returns
    -------
    w : ndarray of shape (m, p)
    n_iter : ndarray of int, shape (m,)

    Examples
    --------
    >>> w, n_iter = path_by_cg(np.eye(2), np.ones(2), np.array([0.0, 1.0]), np.ones(2), np.ones(2))
    >>> w, n_iter
    (array([[1. , 1. ],
           [0.5, 0.5]]), array([0, 1]))
    """
    c = A.T @ (s * y)
    w, n_iter = np.zeros((len(alphas), A.shape[1])), np.zeros(len(alphas), dtype=int)
    W, GW = [], []
    for i in np.argsort(-alphas, kind="stable"):
        start = best_combination(np.array(W), np.array(GW), c, d, alphas[i])[0] if W else None
        w[i], n_iter[i] = ridge_cg(A, y, alphas[i], s, d, tol, max_iter, start=start)
        W.append(w[i])
        GW.append(A.T @ (s * (A @ w[i])))
    return w, n_iter


def lanczos_quadrature(M, z, alphas, steps):
    """Return z' M (M + alpha I)^-1 z for every alpha, by Gauss quadrature.

    The Lanczos process from q_1 = z / |z| gives Q'M Q = T, tridiagonal; with T = V diag(t) V',
    the sum is |z|^2 sum_i V_1i^2 t_i / (t_i + alpha). Its mean over random signs z is the trace.

    Parameters
    ----------
    M : ndarray of shape (p, p)
        Symmetric, positive semidefinite.
    z : ndarray of shape (p,)
    alphas : ndarray of shape (m,)
    steps : int

    Returns
    -------
    ndarray of shape (m,)

    References
    ----------
    S. Ubaru, J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature",
    SIAM Journal on Matrix Analysis and Applications 38(4), 2017.

    Examples
    --------
    >>> lanczos_quadrature(np.diag([1.0, 3.0]), np.ones(2), np.array([1.0]), 2).round(12)
    array([1.25])
    """
    Q = [z / np.linalg.norm(z)]
    d, e = [], []
    for _ in range(min(steps, len(z))):
        v = M @ Q[-1]
        d.append(Q[-1] @ v)
        for _ in range(2):  # twice: one pass loses orthogonality
            v = v - np.array(Q).T @ (np.array(Q) @ v)
        e.append(np.linalg.norm(v))
        if e[-1] <= 1e-12 * max(d):
            break
        Q.append(v / e[-1])
    t, V = np.linalg.eigh(np.diag(d) + np.diag(e[:-1], 1) + np.diag(e[:-1], -1))
    return z @ z * (V[0] ** 2 * t / (t + alphas[:, np.newaxis])).sum(axis=1)


def ridge_path(
    X,
    y,
    alphas,
    *,
    sample_weight=None,
    penalty_factor=None,
    fit_intercept=True,
    standardize=False,
    solver="cholesky",
):
    """Solve ridge for every alpha > 0.

    With v from P and u, w_P = D_P^-1/2 v and w_F = Z^+ (t - B_P w_P); the degrees of freedom are
    those of v plus r.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    y : array-like of shape (n,)
    alphas : array-like of shape (m,)
    sample_weight, penalty_factor, fit_intercept, standardize
        As in `ridge`.
    solver : {"cholesky", "dual", "cg"}, default="cholesky"
        `path_by_features`, `path_by_samples` or `path_by_cg`.

    Returns
    -------
    Path

    Examples
    --------
    >>> path = ridge_path([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], [2.0, 6.0])
    >>> path.coef.ravel().round(12), path.dof.round(12)
    (array([0.5 , 0.25]), array([0.5 , 0.25]))
    """
    X, y = operator(X), np.asarray(y, dtype=np.float64)
    alphas = np.asarray(alphas, dtype=np.float64)
    n, p = X.shape
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    d = penalties(X, sample_weight, penalty_factor, standardize)
    x_mean, y_mean = np.zeros(p), 0.0
    if fit_intercept:
        x_mean, y_mean = column_stats(X, s)[0], np.average(y, weights=s)
    A, free = X - x_mean, d == 0
    B, t = np.sqrt(s)[:, np.newaxis] * A, np.sqrt(s) * (y - y_mean)
    Z, inverse = B[:, free], np.linalg.pinv(B[:, free])
    P = (B - Z @ (inverse @ B))[:, ~free] / np.sqrt(d[~free])
    u = t - Z @ (inverse @ t)
    w = np.zeros((len(alphas), p))
    if solver == "cg":
        w = path_by_cg(A, y - y_mean, alphas, s, d, tol=1e-13, max_iter=10 * p)[0]
        squares, residual = w**2 @ d, ((t - w @ B.T) ** 2).sum(axis=1)
        values = np.linalg.eigvalsh(P.T @ P)
        dof = (values / (values + alphas[:, np.newaxis])).sum(axis=1)
    else:
        solve = path_by_features if solver == "cholesky" else path_by_samples
        v, squares, residual, dof = solve(P, u, alphas)
        w[:, ~free] = v / np.sqrt(d[~free])
        w[:, free] = (t - w @ B.T) @ inverse.T
    rank = np.linalg.matrix_rank(Z) if free.any() else 0
    return Path(w, y_mean - w @ x_mean, np.sqrt(squares), residual, dof + rank)
