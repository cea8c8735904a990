"""Operations of a matrix, and the Cholesky factor, by the formulas.

X (n, p) is the data, A = (X - 1 shift') diag(scale) the operator over it.
"""

from __future__ import annotations

import numpy as np


def operator(X, shift=None, scale=None):
    """A = (X - 1 shift') diag(scale), formed.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    shift, scale : array-like of shape (p,) or None, default=None
        Zeros and ones where None.

    Returns
    -------
    ndarray of float64, shape (n, p)

    Examples
    --------
    >>> operator([[1.0, 2.0], [3.0, 4.0]], shift=[1.0, 2.0], scale=[1.0, 10.0])
    array([[ 0.,  0.],
           [ 2., 20.]])
    """
    A = np.array(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    if shift is not None:
        A = A - np.asarray(shift)
    if scale is not None:
        A = A * np.asarray(scale)
    return A


def dot(X, v, shift=None, scale=None):
    """A v, for v of shape (p,) or (p, k).

    Examples
    --------
    >>> dot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
    array([3., 7.])
    """
    return operator(X, shift, scale) @ np.asarray(v)


def tdot(X, u, shift=None, scale=None):
    """A' u, for u of shape (n,) or (n, k).

    Examples
    --------
    >>> tdot([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], shift=[2.0, 3.0])
    array([0., 0.])
    """
    return operator(X, shift, scale).T @ np.asarray(u)


def column_dot(X, j, u, shift=None, scale=None):
    """sum_i A[i, j] u[i].

    Examples
    --------
    >>> float(column_dot([[1.0, 2.0], [3.0, 4.0]], 1, [1.0, 1.0]))
    6.0
    """
    return operator(X, shift, scale)[:, j] @ np.asarray(u)


def column_axpy(X, j, t, u, shift=None, scale=None):
    """u + t A[:, j]; the kernel does so in place.

    Examples
    --------
    >>> column_axpy([[1.0, 2.0], [3.0, 4.0]], 1, 10.0, np.array([1.0, 1.0]))
    array([21., 41.])
    """
    return np.asarray(u) + t * operator(X, shift, scale)[:, j]


def row_dot(X, i, v, shift=None, scale=None):
    """sum_j A[i, j] v[j].

    Examples
    --------
    >>> float(row_dot([[1.0, 2.0], [3.0, 4.0]], 1, [1.0, 1.0]))
    7.0
    """
    return operator(X, shift, scale)[i] @ np.asarray(v)


def row_axpy(X, i, t, v, shift=None, scale=None):
    """v + t A[i]; the kernel does so in place.

    Examples
    --------
    >>> row_axpy([[1.0, 2.0], [3.0, 4.0]], 1, 10.0, np.array([1.0, 1.0]))
    array([31., 41.])
    """
    return np.asarray(v) + t * operator(X, shift, scale)[i]


def gram(X, weight=None, columns=None, shift=None, scale=None):
    """A_S' diag(weight) A_S, with S the chosen columns.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    weight : array-like of shape (n,) or None, default=None
        Ones where None.
    columns : array-like of int or None, default=None
        S; all columns where None.
    shift, scale : array-like of shape (p,) or None, default=None

    Returns
    -------
    ndarray of float64, shape (len(S), len(S))

    Examples
    --------
    >>> gram([[1.0, 2.0], [3.0, 4.0]])
    array([[10., 14.],
           [14., 20.]])
    """
    A = operator(X, shift, scale)
    if columns is not None:
        A = A[:, columns]
    return A.T @ (A if weight is None else np.asarray(weight)[:, None] * A)


def gram_rows(X, weight=None, shift=None, scale=None):
    """A diag(weight) A', (n, n); weight of shape (p,).

    Examples
    --------
    >>> gram_rows([[1.0, 2.0], [3.0, 4.0]], weight=[1.0, 0.0])
    array([[1., 3.],
           [3., 9.]])
    """
    A = operator(X, shift, scale)
    return (A if weight is None else A * np.asarray(weight)) @ A.T


def column_stats(X, weight=None):
    """Mean and variance of each column, weighted.

    mean_j = sum_i s_i x_ij / sum_i s_i,   var_j = sum_i s_i (x_ij - mean_j)^2 / sum_i s_i.

    Parameters
    ----------
    X : array-like or scipy sparse matrix of shape (n, p)
    weight : array-like of shape (n,) or None, default=None
        s; ones where None.

    Returns
    -------
    mean, var : ndarray of float64, shape (p,)

    Examples
    --------
    >>> column_stats([[1.0, 2.0], [3.0, 4.0]], weight=[3.0, 1.0])
    (array([1.5, 2.5]), array([0.75, 0.75]))
    """
    X = operator(X)
    # subtract a row of positive weight, so that a constant column has an exact mean and variance 0
    row = X[0] if weight is None else X[np.argmax(np.asarray(weight) > 0)]
    mean = row + np.average(X - row, axis=0, weights=weight)
    return mean, np.average((X - mean) ** 2, axis=0, weights=weight)


def cholesky(M, keep=0.0):
    """Upper triangular U with U'U = M.

    Row by row, sums over k < i:

        u_ii = sqrt(m_ii - sum_k u_ki^2),   u_ij = (m_ij - sum_k u_ki u_kj) / u_ii.

    Parameters
    ----------
    M : array-like of shape (p, p)
        Symmetric and positive definite; its upper triangle is read.
    keep : float, default=0
        Share of each diagonal element that the elimination must leave.

    Returns
    -------
    ndarray of float64, shape (p, p)

    Raises
    ------
    ArithmeticError
        If M is not positive definite, or a pivot is less than `keep` of its diagonal element.

    Examples
    --------
    >>> cholesky([[4.0, 2.0], [2.0, 5.0]])
    array([[2., 1.],
           [0., 2.]])
    """
    M = np.asarray(M, dtype=np.float64)
    U = np.zeros_like(M)
    for i in range(len(M)):
        rest = M[i, i:] - U[:i, i] @ U[:i, i:]
        if not rest[0] > max(keep * M[i, i], 0.0):
            raise ArithmeticError("M: expected a positive definite matrix")
        U[i, i:] = rest / np.sqrt(rest[0])
    return U


def cholesky_solve(U, b):
    """Solve U'U x = b by forward and backward substitution.

    Examples
    --------
    >>> cholesky_solve([[2.0, 1.0], [0.0, 2.0]], [6.0, 7.0])
    array([1., 1.])
    """
    U = np.asarray(U)
    x = np.array(b, dtype=np.float64)
    for i in range(len(U)):
        x[i] = (x[i] - U[:i, i] @ x[:i]) / U[i, i]
    for i in reversed(range(len(U))):
        x[i] = (x[i] - U[i, i + 1 :] @ x[i + 1 :]) / U[i, i]
    return x
