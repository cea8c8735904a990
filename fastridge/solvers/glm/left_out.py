"""Approximate leave-one-out of a generalised linear model, by one Newton step from the fit.

Without row i the sum of the weighted losses plus the penalty has the gradient -r_i x_i at the fit,
and the Hessian M - h_i x_i x_i'. One Newton step moves the row's own predictor by

    q_i r_i / (1 - h_i q_i),    q_i = x_i' M^-1 x_i,

(K. Rad and A. Maleki, "A scalable estimate of the out-of-sample prediction error via approximate
leave-one-out cross-validation", J. Royal Statistical Society B 82, 2020). For the squared loss this
is exact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .hessian import Hessian

Array = NDArray[np.float64]

_ROUNDING = 1e-12  # 1 - h q below which a row alone determines its predictor


class LeftOut(NamedTuple):
    """Approximate predictions of each row by the fit to all others.

    Attributes
    ----------
    predictor : ndarray of shape (n_samples,)
        Linear predictors, with offset; NaN for rows that alone determine their own.
    mean : ndarray of shape (n_samples,)
        Predicted means of y.
    deviance : ndarray of shape (n_samples,)
        Unit deviances of y from `mean`.
    error : float
        Weighted mean of `deviance`; NaN where one of them is, and infinite where a step overflows,
        as for heavy rows.
    error_se : float
        Its standard error, as if the deviances were independent.
    """

    predictor: Array
    mean: Array
    deviance: Array
    error: float
    error_se: float


def left_out(hessian: Hessian) -> LeftOut:
    """Return the predictions of all rows by the fits without them."""
    problem = hessian.problem
    eta = left_out_predictors(hessian)
    loss, y = problem.loss, problem.y
    with np.errstate(over="ignore", invalid="ignore"):
        deviance = 2.0 * np.maximum(loss.value(y, eta) - loss.least(y), 0.0)
        mean = np.asarray(loss.inverse_link(eta))
    error, error_se = mean_and_error(deviance, problem.weight)
    return LeftOut(eta, mean, deviance, error, error_se)


def left_out_predictors(hessian: Hessian) -> Array:
    """Return the linear predictors (n,) of the rows by the fits without them."""
    if not hessian.is_exact:
        raise ValueError(
            f"cv='loo' needs a factorization of order {int(hessian.active.sum())} (features) or"
            f" {hessian.problem.n} (samples), which does not fit into memory; expected a number of"
            " folds."
        )
    state = hessian.state
    q, left = hessian.leverages()
    moved = np.divide(q * state.r, left, out=np.full(len(q), np.nan), where=left > _ROUNDING)
    # leaving out a row without a residual changes nothing
    moved[state.r == 0] = 0.0
    return state.eta + moved


def mean_and_error(values: Array, weight: Array) -> tuple[float, float]:
    """Return the weighted mean, for weights of sum 1, and its standard error."""
    values = np.where(weight > 0, values, 0.0)
    mean = float(weight @ values)
    count = np.count_nonzero(weight)
    if count < 2 or not np.isfinite(mean):
        return mean, float("nan")
    square = float(weight**2 @ (values - mean) ** 2)
    return mean, float(np.sqrt(square * count / (count - 1)))
