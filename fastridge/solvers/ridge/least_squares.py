"""Least squares of dense data: minimum norm by the SVD, or non-negative."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...systems.blas import on_one_thread
from ...systems.lapack import call, triangle


class LeastSquares(NamedTuple):
    """Solution of a least squares problem.

    Attributes
    ----------
    coef : ndarray of shape (n_targets, n_features)
    intercept : ndarray of shape (n_targets,)
    rank : int
        Singular values above the cut.
    singular : ndarray of shape (min(n_samples, n_features),)
        Singular values of the centred, weighted data, from the largest.
    residual : ndarray of shape (n_targets,)
        Weighted sums of squared residuals.
    relative_gradient : ndarray of shape (n_targets,)
        Norm of the gradient over its norm at zero coefficients.
    """

    coef: NDArray[np.float64]
    intercept: NDArray[np.float64]
    rank: int
    singular: NDArray[np.float64]
    residual: NDArray[np.float64]
    relative_gradient: NDArray[np.float64]


@on_one_thread
def least_squares(
    X: NDArray[np.floating],
    Y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    fit_intercept: bool,
    cut: float,
) -> LeastSquares:
    """Minimise sum_i s_i |y_i - b - W x_i|^2 over W and b, of minimum norm.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_targets)
    weight : ndarray of shape (n_samples,) or None
        Weights s; None: 1.
    fit_intercept : bool
        Fit b; otherwise b = 0.
    cut : float
        Singular values up to this share of the largest count as 0.

    Returns
    -------
    LeastSquares

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.solvers.ridge.least_squares import least_squares
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> found = least_squares(X, np.array([[1.0], [3.0], [5.0]]), None, True, 1e-6)
    >>> found.coef.round(6), found.intercept.round(6), found.rank
    (array([[1., 1.]]), array([1.]), 1)
    """
    from scipy.linalg import lstsq

    Z, T, x_mean, y_mean = _centred(X, Y, weight, fit_intercept)
    least = max(cut, np.finfo(np.float64).eps * max(X.shape))
    work = 8.0 * max(Z.shape) * min(Z.shape) ** 2
    coef, _, rank, singular = call(work, lstsq, Z, T, cond=least, check_finite=False)
    coef = coef.T
    return _result(Z, T, coef, x_mean, y_mean, rank, singular, None)


@on_one_thread
def non_negative(
    X: NDArray[np.floating],
    Y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    fit_intercept: bool,
) -> LeastSquares:
    """Minimise sum_i s_i |y_i - b - W x_i|^2 over W >= 0 and b, by Lawson and Hanson's method.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    Y : ndarray of shape (n_samples, n_targets)
    weight : ndarray of shape (n_samples,) or None
        Weights s; None: 1.
    fit_intercept : bool
        Fit b; otherwise b = 0.

    Returns
    -------
    LeastSquares
        With a rank of 0 and no singular values; gradients are projected onto the bounds.

    References
    ----------
    C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems", Prentice-Hall, 1974.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge.solvers.ridge.least_squares import non_negative
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 0.5]])
    >>> non_negative(X, np.array([[0.0], [2.0], [4.0]]), None, False).coef.round(6)
    array([[2., 0.]])
    """
    from scipy.optimize import nnls

    n, p = X.shape
    Z, T, x_mean, y_mean = _centred(X, Y, weight, fit_intercept)
    A, B = Z, T
    if n > p:
        # the same objective on p rows
        R = triangle(np.concatenate([Z, T], axis=1))
        A, B = R[:p, :p], R[:p, p:]
    coef = np.array([nnls(A, b, maxiter=max(1000, 30 * p))[0] for b in B.T])
    return _result(Z, T, coef, x_mean, y_mean, 0, np.zeros(0), coef > 0)


def _centred(X, Y, weight, fit_intercept):
    """Return rows and targets, centred and times the roots of the weights, and the means."""
    p = X.shape[1]
    x_mean, y_mean = np.zeros(p), np.zeros(Y.shape[1])
    if fit_intercept:
        x_mean = Matrix.from_dense(X).column_stats(weight)[0]
        y_mean = Matrix.from_dense(Y).column_stats(weight)[0]
    Z = np.subtract(X, x_mean, dtype=np.float64, order="F")
    T = np.subtract(Y, y_mean, order="F")
    if fit_intercept:
        # centre again: round-off of the means would count for the rank
        rest = Matrix.from_dense(Z).column_stats(weight)[0]
        Z -= rest
        x_mean = x_mean + rest
    if weight is not None:
        root = np.sqrt(weight)[:, None]
        Z *= root
        T *= root
    return Z, T, x_mean, y_mean


def _result(Z, T, coef, x_mean, y_mean, rank, singular, free):
    """Return the solution and its certificate; free: coefficients that are not at a bound."""
    residual = T - Z @ coef.T
    pull, start = Z.T @ residual, Z.T @ T
    if free is not None:
        pull, start = np.where(free.T, pull, np.maximum(pull, 0.0)), np.maximum(start, 0.0)
    first, gradient = np.linalg.norm(start, axis=0), np.linalg.norm(pull, axis=0)
    return LeastSquares(
        coef,
        y_mean - coef @ x_mean,
        rank,
        singular,
        np.einsum("ij,ij->j", residual, residual),
        np.divide(gradient, first, out=np.zeros_like(gradient), where=first > 0),
    )
