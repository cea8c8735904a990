"""Effective degrees of freedom and information criteria of fitted models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _sklearn
from ._validation import check_design, check_penalty_factor, check_sample_weight, check_target
from .solvers._rows import as_container
from .solvers.ridge import _variances
from .solvers.ridge_path import ridge_path

__all__ = ["InformationCriteria", "information_criteria"]


class InformationCriteria(NamedTuple):
    """What a fit costs and explains.

    Attributes
    ----------
    dof : float or ndarray of shape (n_targets,)
        Effective degrees of freedom, the intercept not counted.
    dof_error : float or ndarray of shape (n_targets,)
        Standard error of `dof`; 0 where that is exact.
    residual : float or ndarray of shape (n_targets,)
        Weighted sum of squared residuals.
    aic, bic : float or ndarray of shape (n_targets,)
        n log(2 pi residual / n) + n + c q, the criteria of Akaike (c = 2) and Schwarz (c = log n),
        for q = dof + 1 parameters and one more beside an intercept; n is the sum of the weights.

    Examples
    --------
    >>> from fastridge import Ridge, information_criteria
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.5, 3.0]
    >>> information_criteria(Ridge(alpha=5.0).fit(X, y), X, y).dof
    0.5
    """

    dof: Any
    dof_error: Any
    residual: Any
    aic: Any
    bic: Any


def information_criteria(
    model: Any, X: Any, y: Any, sample_weight: Any = None
) -> InformationCriteria:
    """Effective degrees of freedom, AIC and BIC of a least-squares fit with a penalty.

    The degrees of freedom are the trace of the matrix that takes y to its fit: of ridge that of the
    penalty, of a lasso, an elastic net and of bounds that of the features whose coefficients are
    neither 0 nor at a bound, for the L2 part of the penalty. They are exact where a factorisation
    of the data fits into memory, else estimated by random vectors, with a standard error.

    Parameters
    ----------
    model : Ridge, RidgeCV, BayesianRidge, Lasso, LassoCV, ElasticNet or ElasticNetCV
        Fitted to `X`, `y` and `sample_weight`.
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values that were fitted.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Weights of the samples.

    Returns
    -------
    InformationCriteria
        dof, dof_error, residual, aic, bic.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If it is none of those.
    ValueError
        If the arguments do not fit together.

    See Also
    --------
    fastridge.ridge_path : The same for many penalties, `aic` and `bic` of its result.

    References
    ----------
    H. Zou, T. Hastie and R. Tibshirani, "On the degrees of freedom of the lasso", Annals of
    Statistics 35, 2007. R. J. Tibshirani and J. Taylor, "Degrees of freedom in lasso problems",
    Annals of Statistics 40, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import Lasso, information_criteria
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> y = 3 * X[:, 0] + rng.standard_normal(100)
    >>> found = [information_criteria(Lasso(a).fit(X, y), X, y) for a in (2.0, 0.2)]
    >>> round(found[1].dof), bool(found[1].bic < found[0].bic)
    (1, True)
    """
    from .linear_model import BayesianRidge, ElasticNet, ElasticNetCV, Ridge, RidgeCV

    if not isinstance(model, (BayesianRidge, ElasticNet, ElasticNetCV, Ridge, RidgeCV)):
        raise TypeError(
            f"model is a {type(model).__name__}; expected Ridge, RidgeCV, BayesianRidge, Lasso,"
            " LassoCV, ElasticNet or ElasticNetCV."
        )
    if "coef_" not in model.__dict__:
        raise _sklearn.exception("NotFittedError")(f"{model!r} is not fitted yet: call fit first.")
    A = check_design(X, n_features=model.n_features_in_, caller=type(model).__name__)
    weight = check_sample_weight(sample_weight, A.n_rows)
    p = A.n_columns
    W = np.atleast_2d(model.coef_)
    k = len(W)
    Y = check_target(y, A.n_rows).reshape(A.n_rows, -1)
    if Y.shape[1] != k:
        raise ValueError(f"y has {Y.shape[1]} target(s); expected {k}, as in fit.")
    total = float(A.n_rows if weight is None else weight.sum())
    residuals = Y - np.asarray(model.predict(X), dtype=np.float64).reshape(A.n_rows, -1)
    residual = (residuals**2).sum(axis=0) if weight is None else weight @ residuals**2
    d = check_penalty_factor(model.penalty_factor, p)
    d = np.ones(p) if d is None else d
    if model.standardize:
        d = d * _variances(A, weight)
    dof, error = np.empty(k), np.empty(k)
    known: dict[Any, tuple[float, float]] = {}
    for t in range(k):
        alpha, active = _penalty(model, t, k, total), _free(model, W[t])
        key = alpha, active.tobytes()
        if key not in known:
            known[key] = _trace(A, Y[:, t], alpha, active, d, weight, model.fit_intercept)
        dof[t], error[t] = known[key]
    variance = np.maximum(residual / total, np.finfo(np.float64).tiny)
    fit = total * (np.log(2.0 * np.pi * variance) + 1.0)
    q = dof + bool(model.fit_intercept) + 1.0
    found = dof, error, residual, fit + 2.0 * q, fit + np.log(total) * q
    single = np.ndim(model.coef_) == 1
    return InformationCriteria(*(float(v[0]) if single else v for v in found))


def _penalty(model: Any, t: int, k: int, total: float) -> float:
    """Penalty of the squares of target t, in the units of ridge."""
    if hasattr(model, "penalty_"):
        return float(model.penalty_)
    alpha = model.alpha_ if hasattr(model, "alpha_") else model.alpha
    alpha = float(np.broadcast_to(np.asarray(alpha, dtype=np.float64), (k,))[t])
    if not hasattr(model, "dual_gap_"):
        return alpha
    ratio = model.l1_ratio_ if hasattr(model, "l1_ratio_") else getattr(model, "l1_ratio", 1.0)
    return total * alpha * (1.0 - float(ratio))


def _free(model: Any, w: NDArray[Any]) -> NDArray[np.bool_]:
    """Features whose coefficients follow y."""
    bounds = [getattr(model, name, None) for name in ("lower", "upper")]
    if getattr(model, "positive", False):
        bounds.append(0.0)
    held = np.zeros(len(w), dtype=bool)
    for bound in bounds:
        if bound is not None:
            held |= w == np.asarray(bound)
    # an L1 part holds coefficients at 0
    return ~held & (w != 0) if hasattr(model, "dual_gap_") else ~held


def _trace(
    A: Any, y: Any, alpha: float, active: Any, d: Any, weight: Any, fit_intercept: bool
) -> tuple[float, float]:
    """Degrees of freedom of ridge on some columns, and their standard error."""
    if not active.any():
        return 0.0, 0.0
    X = as_container(A)
    if not active.all():
        X = X[:, np.flatnonzero(active)]
    path = ridge_path(
        X,
        np.ascontiguousarray(y),
        [alpha],
        sample_weight=weight,
        penalty_factor=d[active],
        fit_intercept=bool(fit_intercept),
    )
    return float(path.dof[0]), float(path.dof_error[0])
