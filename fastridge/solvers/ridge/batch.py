"""Many small ridge problems of one shape in one call."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _systems
from ..._stack import outside
from ...data.check import check_batch, check_design, check_finite
from ...data.parameters import check_flags, check_penalty_factor, check_tolerance
from ...data.rounding import to_float32
from .result import ROUNDING
from .solve import solve


class RidgeBatchResult:
    """Solutions of many ridge problems, and how exact each is.

    Attributes
    ----------
    coef : ndarray of shape (n_problems, n_features) or (n_problems, n_targets, n_features)
        Coefficients, in the type of X.
    intercept : ndarray of shape (n_problems,) or (n_problems, n_targets)
        0 where none was fitted.
    relative_gradient : ndarray of float64, of the shape of `intercept`
        Norms of the gradients at the solutions over those at zero coefficients.
    objective : ndarray of float64, of the shape of `intercept`
        Weighted sums of squared residuals plus the penalties.
    converged : ndarray of bool, shape (n_problems,)
        Whether `tol` was reached; for float32 `X`, before the solution was rounded to float32.
        `relative_gradient` and `objective` are those of the rounded coefficients.

    See Also
    --------
    ridge_batch : Many small ridge regressions in one call.

    Examples
    --------
    >>> import fastridge
    >>> result = fastridge.ridge_batch([[[1.0], [2.0], [3.0]]], [[1.0, 2.0, 3.0]], alpha=2.0)
    >>> result.coef, result.intercept, result.converged
    (array([[0.5]]), array([1.]), array([ True]))
    """

    __slots__ = ("coef", "converged", "intercept", "objective", "relative_gradient")

    coef: NDArray[Any]
    intercept: NDArray[Any]
    relative_gradient: NDArray[np.float64]
    objective: NDArray[np.float64]
    converged: NDArray[np.bool_]

    def __init__(
        self,
        coef: NDArray[Any],
        intercept: NDArray[Any],
        relative_gradient: NDArray[np.float64],
        objective: NDArray[np.float64],
        converged: NDArray[np.bool_],
    ) -> None:
        self.coef = coef
        self.intercept = intercept
        self.relative_gradient = relative_gradient
        self.objective = objective
        self.converged = converged

    def __repr__(self) -> str:
        return (
            f"RidgeBatchResult(n_problems={len(self.coef)}, converged={self.converged.all()},"
            f" relative_gradient<={self.relative_gradient.max():.2g}, coef={self.coef!r},"
            f" intercept={self.intercept!r})"
        )


def ridge_batch(
    X: Any,
    y: Any,
    alpha: Any = 1.0,
    *,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    fit_intercept: bool = True,
    tol: float = 1e-6,
) -> RidgeBatchResult:
    """Fit a ridge regression to each of many data sets of one shape.

    Minimises, for each problem, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    as `ridge` would, one problem after the other, without the overhead of a call for each.

    Parameters
    ----------
    X : array-like of shape (n_problems, n_samples, n_features)
        Features. float32 and float64 in C order are used without a copy.
    y : array-like of shape (n_problems, n_samples) or (n_problems, n_samples, n_targets)
        Values to predict.
    alpha : float or array-like of shape (n_problems,), default=1.0
        Strength of the penalty, at least 0. 0 is least squares, of minimum norm where the columns
        are dependent.
    sample_weight : array-like of shape (n_samples,) or (n_problems, n_samples), or None
        Non-negative weights, the same for all problems or those of each; None: 1.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    fit_intercept : bool, default=True
        Fit b, which is never penalised; otherwise b = 0.
    tol : float, default=1e-6
        Bound on the norm of the gradient relative to that at w = 0, beyond which `converged` is
        False. The solutions are refined to rounding in any case.

    Returns
    -------
    RidgeBatchResult
        coef, intercept, relative_gradient, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If a problem did not reach `tol`.

    See Also
    --------
    ridge : One problem, of any storage and size, with more options.
    RidgeBatchResult : Result of many ridge regressions.

    Notes
    -----
    Each problem is solved by the Cholesky factor of its Gram matrix, by features or by samples,
    whichever are fewer, and refined with the residual from X. Where that is not stable, it is
    solved by an orthogonal factorisation, as in `ridge`. Problems are distributed over threads.

    References
    ----------
    A. Bjorck, "Stability analysis of the method of seminormal equations", Linear Algebra and its
    Applications 88, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 20, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 5.0
    >>> result = fastridge.ridge_batch(X, y, alpha=1e-9)
    >>> result.coef.shape, result.coef[7].round(6), result.intercept[7].round(6)
    ((1000, 3), array([1., 2., 3.]), np.float64(5.0))
    """
    check_flags(fit_intercept=fit_intercept)
    X, Y, penalties, weight = check_batch(X, y, alpha, sample_weight)
    b, _, p = X.shape
    factor = None if penalty_factor is None else check_penalty_factor(penalty_factor, p)
    check_tolerance(tol)
    result = solve_batch(X, Y, penalties, weight, factor, bool(fit_intercept), tol)
    if not result.converged.all():
        from ... import _sklearn

        warnings.warn(
            f"{b - int(result.converged.sum())} of {b} problems reached a relative gradient of"
            f" {float(result.relative_gradient.max()):.2g} at worst, above tol={tol:g}; try a"
            " larger tol, a larger alpha, or columns of similar scales.",
            _sklearn.exception("ConvergenceWarning"),
            stacklevel=outside(),
        )
    return result


def solve_batch(
    X: NDArray[Any],
    Y: NDArray[np.float64],
    penalties: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    factor: NDArray[np.float64] | None,
    fit_intercept: bool,
    tol: float,
) -> RidgeBatchResult:
    """Solve problems whose arrays have been checked; see `ridge_batch`."""
    k = 1 if Y.ndim == 2 else Y.shape[2]
    by_target = Y if Y.ndim == 2 else np.ascontiguousarray(Y.transpose(0, 2, 1))
    coef, numbers, status = _systems.ridge_batch(
        X,
        by_target.reshape(-1),
        k,
        penalties,
        None if weight is None else weight.reshape(-1),
        factor,
        fit_intercept,
    )
    if (status == 2).any():
        check_finite(X)
    solved = numbers[3 if len(numbers) > 3 else 1].copy()
    for i in np.flatnonzero(status):
        # problems where Cholesky is unstable, or sums of squares overflow or underflow
        found = solve(
            check_design(X[i]),
            np.asfortranarray(Y[i]),
            penalties[i : i + 1] if len(penalties) > 1 else penalties,
            sample_weight=weight if weight is None or weight.ndim == 1 else weight[i],
            penalty_factor=factor,
            fit_intercept=fit_intercept,
            solver="qr" if status[i] == 1 else "auto",
            tol=max(tol, ROUNDING),
            warn=False,
        )
        coef[i] = found.coef
        for to, value in zip(
            numbers, (found.intercept, found.relative_gradient, found.objective), strict=False
        ):
            to[i] = value
        # whether the tolerance was met is known before coefficients are rounded
        solved[i] = 0.0 if found.converged else np.inf
    intercept, gradient, objective = numbers[:3]
    converged = (solved <= max(tol, ROUNDING)).all(axis=1)
    if X.dtype == np.float32:
        coef, intercept = to_float32(coef, "coef"), to_float32(intercept, "intercept")
    if Y.ndim == 2:
        coef = coef[:, 0]
        intercept, gradient, objective = intercept[:, 0], gradient[:, 0], objective[:, 0]
    return RidgeBatchResult(coef, intercept, gradient, objective, converged)
