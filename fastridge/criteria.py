"""Effective degrees of freedom and information criteria of fitted models."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _sklearn
from ._estimators import ESTIMATORS, row_of
from .data.check import check_design, check_sample_weight, check_target
from .data.parameters import check_penalty_factor
from .data.parts import in_parts
from .data.rows import as_container
from .quadratic.problem import RidgeProblem
from .quadratic.variances import variances
from .solvers.ridge_path.path import ridge_path
from .systems.blas import on_one_thread
from .systems.cost import default_memory, direct_cost
from .systems.lapack import call

__all__ = ["InformationCriteria", "information_criteria"]

_SECONDS = 10.0  # predicted seconds up to which a trace is computed exactly


class InformationCriteria(NamedTuple):
    """Degrees of freedom, residual and information criteria of a fit.

    Attributes
    ----------
    dof : float or ndarray of shape (n_targets,)
        Effective degrees of freedom without the intercept, or the k - 1 intercepts of k > 2
        classes.
    dof_error : float or ndarray of shape (n_targets,)
        Standard error of `dof`; 0 where `dof` is exact.
    residual : float or ndarray of shape (n_targets,)
        Weighted sum of squared residuals; for a generalised linear model, the deviance.
    aic, bic : float or ndarray of shape (n_targets,)
        n log(2 pi residual / n) + n + c q, the criteria of Akaike (c = 2) and Schwarz (c = log n),
        where n is the sum of the weights and q = dof + 1, plus 1 with an intercept. For a
        generalised linear model, -2 log likelihood, up to a constant of y, replaces the terms
        before c q, and q counts a dispersion only where the loss has one.
    aic_error, bic_error : float or ndarray of shape (n_targets,)
        Standard errors of `aic` and `bic`, c dof_error; 0 where `dof` is exact.

    See Also
    --------
    information_criteria : AIC, BIC and degrees of freedom of a fitted model.

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
    aic_error: Any
    bic_error: Any


def information_criteria(
    model: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    offset: Any = None,
    exposure: Any = None,
) -> InformationCriteria:
    """Compute the effective degrees of freedom, AIC and BIC of a fit, with or without a penalty.

    The degrees of freedom are the trace of the hat matrix, which maps y to the fitted values:

    - Ridge: the trace for its penalty; without a penalty, the rank of the centred features.
    - Lasso, elastic net, bounds: that of ridge with the L2 part of the penalty, on the features
      whose coefficients are neither 0 nor at a bound.
    - Several tasks: the same, with the curvature of the norm of each feature's coefficients added
      to the L2 part.
    - Generalised linear models: that of the last Newton step, which is least squares weighted by
      the second derivatives of the loss.
    - Ridge classifiers: that of their regressions on -1 and 1.

    They are exact where a factorisation of the data fits into memory and takes at most some
    seconds, else estimated from random vectors, with a standard error.

    Parameters
    ----------
    model : estimator of `fastridge.linear_model`
        Estimator fitted to `X`, `y` and `sample_weight`: Ridge, RidgeClassifier, Lasso, ElasticNet,
        a multi-task estimator, LogisticRegression, PoissonRegressor, GammaRegressor,
        TweedieRegressor, one of their kinds that choose a penalty, BayesianRidge or
        LinearRegression.
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)
        Features. For models of the squared loss with numbers as targets also data in parts, as in
        `fit`, which take one pass.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values or class labels of the fit; None for `Chunks`, which hold theirs.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Weights of the samples.
    offset, exposure : array-like of shape (n_samples,) or None, default=None
        Offset and exposure of the fit; for generalised linear models only.

    Returns
    -------
    InformationCriteria
        dof, dof_error, residual, aic, bic, aic_error, bic_error.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is none of these estimators.
    ValueError
        If the arguments do not fit together, or are not those of the fit of a generalised linear
        model.

    See Also
    --------
    ridge_path : The same for many penalties, `aic` and `bic` of its result.
    InformationCriteria : The criteria of one model.

    References
    ----------
    H. Zou, T. Hastie and R. Tibshirani, "On the degrees of freedom of the lasso", Annals of
    Statistics 35, 2007. R. J. Tibshirani and J. Taylor, "Degrees of freedom in lasso problems",
    Annals of Statistics 40, 2012. Shared features: S. Vaiter, C. Deledalle, J. Fadili, G. Peyre and
    C. Dossal, "The degrees of freedom of partly smooth regularizers", Annals of the Institute of
    Statistical Mathematics 69, 2017.

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
    row = row_of(type(model))
    if row is None:
        *others, last = ESTIMATORS
        raise TypeError(
            f"model is a {type(model).__name__}; expected {', '.join(others)} or {last}."
        )
    if "coef_" not in model.__dict__:
        raise _sklearn.exception("NotFittedError")(f"{model!r} is not fitted yet: call fit first.")
    if type(X) is not np.ndarray and in_parts(X):
        if row.penalty == "glm" or row.targets == "labels" or offset is not exposure:
            raise ValueError(
                f"X is data in parts, for which the criteria of a {type(model).__name__} are not"
                " computed; expected an array, or a model of numbers by the squared loss without an"
                " offset."
            )
        from .distributed.squared import standing_data

        return information_criteria(*standing_data(model, X, y, sample_weight))
    if row.penalty == "glm":
        return _of_glm(model, model._result(X, y, sample_weight, offset, exposure))
    if offset is not None or exposure is not None:
        name = "exposure" if offset is None else "offset"
        raise ValueError(
            f"{name} is given, but a {type(model).__name__} does not use it; expected None."
        )
    A = check_design(X, n_features=model.n_features_in_, caller=type(model).__name__)
    weight = check_sample_weight(sample_weight, A.n_rows)
    p = A.n_columns
    W = np.atleast_2d(model.coef_)
    k = len(W)
    if row.targets == "labels":
        Y, weight = _of_labels(model, y, A.n_rows, weight)
        predicted = model.decision_function(X)
    else:
        Y, predicted = check_target(y, A.n_rows).reshape(A.n_rows, -1), model.predict(X)
    if Y.shape[1] != k:
        raise ValueError(f"y has {Y.shape[1]} target(s); expected {k}, as in fit.")
    total = float(A.n_rows if weight is None else weight.sum())
    loss = model._loss
    deviance = loss.deviance(Y, np.asarray(predicted, dtype=np.float64).reshape(A.n_rows, -1))
    residual = deviance.sum(axis=0) if weight is None else weight @ deviance
    d = check_penalty_factor(getattr(model, "penalty_factor", None), p)
    d = np.ones(p) if d is None else d
    if getattr(model, "standardize", False):
        d = d * variances(A, weight)
    dof, error = np.empty(k), np.empty(k)
    known: dict[Any, tuple[float, float]] = {}
    shared = k > 1 and row.penalty == "groups"
    if shared:
        dof, error = _shared(A, Y, W, model, d, weight, total), np.zeros(k)
    for t in range(0 if shared else k):
        alpha, active = _penalty(model, t, k, total), _free(model, W[t])
        key = alpha, active.tobytes()
        if key not in known:
            known[key] = _trace(A, Y[:, t], alpha, active, d, weight, model)
        dof[t], error[t] = known[key]
    fit = loss.minus_twice_log_likelihood(residual / total, total)
    q = dof + bool(model.fit_intercept) + float(loss.n_dispersion)
    price = float(np.log(total))
    found = (
        *(dof, error, residual, fit + 2.0 * q, fit + price * q),
        *(2.0 * error, abs(price) * error),
    )
    single = np.ndim(model.coef_) == 1
    return InformationCriteria(*(float(v[0]) if single else v for v in found))


def _of_glm(model: Any, result: Any) -> InformationCriteria:
    error, price = result.dof_error, float(np.log(result.total_weight))
    # intercepts of k classes have sum 0
    dof = result.dof - bool(model.fit_intercept) * max(len(np.atleast_2d(result.coef)) - 1, 1)
    return InformationCriteria(
        *(dof, error, result.deviance, result.aic, result.bic),
        *(2.0 * error, abs(price) * error),
    )


def _penalty(model: Any, t: int, k: int, total: float) -> float:
    """Return the L2 penalty of target t, as the `alpha` of ridge."""
    if hasattr(model, "penalty_"):
        return float(model.penalty_)
    if not hasattr(model, "alpha") and not hasattr(model, "alpha_"):
        return 0.0
    alpha = model.alpha_ if hasattr(model, "alpha_") else model.alpha
    alpha = float(np.broadcast_to(np.asarray(alpha, dtype=np.float64), (k,))[t])
    if not hasattr(model, "dual_gap_"):
        return alpha
    ratio = model.l1_ratio_ if hasattr(model, "l1_ratio_") else getattr(model, "l1_ratio", 1.0)
    return total * alpha * (1.0 - float(ratio))


def _of_labels(model: Any, y: Any, n: int, weight: Any) -> tuple[Any, Any]:
    """Return targets (n, k) of -1 and 1, and sample weights times class weights."""
    from .data.labels import Labels

    labels = Labels(y, n)
    if not np.array_equal(labels.classes, model.classes_):
        raise ValueError(
            f"y has the classes {labels.classes.tolist()}; expected {model.classes_.tolist()}, as"
            " in fit."
        )
    if model.class_weight:
        classes = labels.weights(model.class_weight, weight)
        weight = classes if weight is None else classes * weight
    return labels.targets().reshape(n, -1), weight


@on_one_thread
def _shared(
    A: Any, Y: Any, W: Any, model: Any, d: Any, weight: Any, total: float
) -> NDArray[np.float64]:
    """Return the degrees of freedom (k,) of a multi-task fit.

    With w_j the coefficients of an active feature, u_j = w_j / |w_j| and f_j, r_j its factors of
    the L1 and L2 parts, the Hessian of the penalty is
    n alpha (f_j (I - u_j u_j') / |w_j| + r_j I).
    """
    active = np.flatnonzero((W != 0).any(axis=0))
    k, q = len(W), len(active)
    if not q:
        return np.zeros(k)
    need = 24.0 * (q * k) ** 2
    if need > default_memory():
        raise ValueError(
            f"model has {q} features for {k} targets, whose degrees of freedom need {need:.2g}"
            f" bytes, more than the {default_memory():.2g} allowed; expected a larger alpha, which"
            " selects fewer features."
        )
    part = check_design(as_container(A)[:, active])
    problem = RidgeProblem(
        part, np.asfortranarray(Y), np.ones(1), weight, None, bool(model.fit_intercept)
    )
    G = problem.A.gram(weight)
    V = W[:, active].T.astype(np.float64)
    size = np.linalg.norm(V, axis=1)
    factor = check_penalty_factor(model.penalty_factor, W.shape[1])
    factor = np.ones(q) if factor is None else factor[active]
    squared = d[active]
    # factor * deviation; `squared` is factor * variance
    alone = np.sqrt(squared * factor)
    alpha = model.alpha_ if hasattr(model, "alpha_") else model.alpha
    ratio = model.l1_ratio_ if hasattr(model, "l1_ratio_") else getattr(model, "l1_ratio", 1.0)
    first, second = total * float(alpha) * float(ratio), total * float(alpha) * (1.0 - float(ratio))
    M = np.kron(G, np.eye(k))
    for j in range(q):
        u = V[j] / size[j]
        block = first * alone[j] / size[j] * (np.eye(k) - np.outer(u, u))
        block += second * squared[j] * np.eye(k)
        M[j * k : (j + 1) * k, j * k : (j + 1) * k] += block
    inverse = call(9.0 * len(M) ** 3, np.linalg.pinv, M, rcond=1e-13, hermitian=True).reshape(
        q, k, q, k
    )
    return np.einsum("jtlt,lj->t", inverse, G)


def _free(model: Any, w: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask of the features that neither a bound nor an L1 part fixes."""
    bounds = [getattr(model, name, None) for name in ("lower", "upper")]
    if getattr(model, "positive", False):
        bounds.append(0.0)
    held = np.zeros(len(w), dtype=bool)
    for bound in bounds:
        if bound is not None:
            # float32 coefficients are rounded to the inside of the bounds
            near = np.asarray(bound, dtype=np.float64)
            spacing = np.spacing(np.abs(w)) if w.dtype != np.float64 else 0.0
            held |= (w == near) | (np.abs(w - near) <= spacing)
    # an L1 part holds coefficients at 0
    return ~held & (w != 0) if hasattr(model, "dual_gap_") else ~held


def _trace(
    A: Any, y: Any, alpha: float, active: Any, d: Any, weight: Any, model: Any
) -> tuple[float, float]:
    """Return the degrees of freedom of ridge on the active columns, and their standard error."""
    if not active.any():
        return 0.0, 0.0
    X = as_container(A)
    P = getattr(model, "penalty_matrix", None)
    if P is not None:
        P = as_container(check_design(P, name="penalty_matrix"))
    if not active.all():
        chosen = np.flatnonzero(active)
        X = X[:, chosen]
        P = None if P is None else P[chosen][:, chosen]
    cost = direct_cost(A)
    factor = cost.memory <= default_memory() and cost.seconds <= _SECONDS
    direct = "cholesky" if len(d[active]) <= A.n_rows else "dual"
    path = ridge_path(
        X,
        np.ascontiguousarray(y),
        [alpha],
        sample_weight=weight,
        penalty_factor=d[active],
        penalty_matrix=P,
        fit_intercept=bool(model.fit_intercept),
        solver=direct if factor else "auto",
    )
    return float(path.dof[0]), float(path.dof_error[0])
