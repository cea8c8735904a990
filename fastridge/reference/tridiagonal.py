"""Reduction of symmetric matrices to tridiagonal form, for any number of shifts."""

from __future__ import annotations

import numpy as np


def tridiagonalize(M):
    """Reduce M = Q T Q' by Householder reflections, T tridiagonal.

    The reflection I - 2 v v' / v'v maps the part of column j below the diagonal to a multiple of
    the first unit vector.

    Parameters
    ----------
    M : array-like of shape (n, n)
        Symmetric.

    Returns
    -------
    Q : ndarray of shape (n, n)
        Orthogonal.
    d, e : ndarray of shape (n,) and (n - 1,)
        The diagonal of T, and what is beside it.

    References
    ----------
    A. S. Householder, "Unitary triangularization of a nonsymmetric matrix", Journal of the ACM
    5(4), 1958.

    Examples
    --------
    >>> M = np.array([[2.0, 3.0, 4.0], [3.0, 1.0, 0.0], [4.0, 0.0, 1.0]])
    >>> Q, d, e = tridiagonalize(M)
    >>> d.round(12), abs(e).round(12)
    (array([2., 1., 1.]), array([5., 0.]))
    """
    T = np.array(M, dtype=np.float64)
    n = len(T)
    Q = np.eye(n)
    for j in range(n - 2):
        v = np.zeros(n)
        v[j + 1 :] = T[j + 1 :, j]
        v[j + 1] += np.copysign(np.linalg.norm(v), v[j + 1])
        if not v.any():
            continue
        reflection = np.eye(n) - 2.0 / (v @ v) * np.outer(v, v)
        T = reflection @ T @ reflection
        Q = Q @ reflection
    return Q, np.diagonal(T).copy(), np.diagonal(T, 1).copy()


def tridiagonal_solve(d, e, alphas, B):
    """Return (T + alpha I)^-1 B, and the trace of the inverse, for every alpha.

    The pivots of L D L' from above, and of the same from below,

        p_i = d_i + alpha - e_{i-1}^2 / p_{i-1},        q_i = d_i + alpha - e_i^2 / q_{i+1},

    give the inverse's diagonal: 1 / (p_i + q_i - d_i - alpha).

    Parameters
    ----------
    d, e : array-like of shape (n,) and (n - 1,)
        T, which is positive semidefinite.
    alphas : array-like of shape (m,)
    B : array-like of shape (n, k)

    Returns
    -------
    x : ndarray of shape (m, k, n)
    traces : ndarray of shape (m,)
        NaN, as x is, where T + alpha I is not positive definite.

    References
    ----------
    L. Elden, "Algorithms for the regularization of ill-conditioned least squares problems", BIT
    17, 1977.

    Examples
    --------
    >>> x, traces = tridiagonal_solve([1.0, 1.0], [1.0], [1.0], np.array([[3.0], [3.0]]))
    >>> x[0], traces.round(12)
    (array([[1., 1.]]), array([1.33333333]))
    """
    d, e, B = (np.asarray(a, dtype=np.float64) for a in (d, e, B))
    n, k = B.shape
    x, traces = np.full((len(alphas), k, n), np.nan), np.full(len(alphas), np.nan)
    for a, alpha in enumerate(alphas):
        p, q = np.zeros(n), np.zeros(n)
        for i in range(n):
            p[i] = d[i] + alpha - (e[i - 1] ** 2 / p[i - 1] if i else 0.0)
        if not (p > 0).all():
            continue
        for i in reversed(range(n)):
            q[i] = d[i] + alpha - (e[i] ** 2 / q[i + 1] if i < n - 1 else 0.0)
        traces[a] = (1.0 / (p + q - d - alpha)).sum()
        z = B.copy()
        for i in range(1, n):
            z[i] -= e[i - 1] / p[i - 1] * z[i - 1]
        z /= p[:, np.newaxis]
        for i in reversed(range(n - 1)):
            z[i] -= e[i] / p[i] * z[i + 1]
        x[a] = z.T
    return x, traces
