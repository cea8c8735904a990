"""Fit the path of an estimator over penalties, for plots."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._estimators import row_of
from ..data.check import check_design, check_sample_weight, check_target
from ..data.parameters import check_penalty_factor
from .glm_path import (
    EstimatorPath,
    bounds_of,
    glm_path_of,
    l1_ratio_of,
    one_target,
    penalty_of_C,
)

__all__ = ["estimator_path", "l1_ratio_of", "marked_penalty", "path_of_target"]

_EPS, _N_ALPHAS = 1e-3, 100


def estimator_path(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any,
    sample_weight: Any,
    target: int | None,
    offset: Any = None,
) -> EstimatorPath:
    """Fit the path with the estimator's parameters except the penalty to X and y.

    target: index of the target; None: all targets. offset: of generalised linear models.

    Raises
    ------
    TypeError
        If there is no path for this estimator.
    ValueError
        If there is no such target, more than one share of the L1 part, or a parameter of the
        estimator is not as documented.
    """
    row = row_of(type(estimator))
    if row is None or row.penalty is None:
        raise TypeError(
            f"estimator is a {type(estimator).__name__}; expected fastridge's Ridge,"
            " RidgeClassifier, Lasso, ElasticNet, MultiTaskLasso, MultiTaskElasticNet,"
            " LogisticRegression, PoissonRegressor, GammaRegressor, TweedieRegressor, one of these"
            " that chooses its penalty, GLMCV, or BayesianRidge."
        )
    estimator._check_parameters()
    if alphas is None:
        alphas = getattr(estimator, "alphas_", None)
    if row.penalty == "glm":
        return glm_path_of(estimator, X, y, alphas, sample_weight, target, offset)
    if row.penalty == "ridge":
        if row.targets == "labels":
            y, sample_weight = _classes(estimator, X, y, sample_weight)
        values, coef, intercept = _ridge(estimator, X, y, alphas, sample_weight)
    else:
        ratio = l1_ratio_of(estimator)
        if np.ndim(alphas) == 2:
            # the grid has a row for each l1_ratio
            alphas = alphas[int(np.flatnonzero(np.asarray(estimator.l1_ratio) == ratio)[0])]
        draw = _groups if row.penalty == "groups" else _net
        values, coef, intercept = draw(estimator, X, y, alphas, ratio, sample_weight, target)
    return EstimatorPath(
        values,
        one_target(coef, target),
        marked_penalty(estimator, 0 if target is None else target),
        one_target(intercept, target),
    )


def marked_penalty(estimator: Any, target: int) -> float | None:
    """Return the penalty of one target of an estimator, or None."""
    marked = _penalty(estimator)
    if marked is not None and np.ndim(marked):
        marked = np.asarray(marked)[target]
    # "evidence" before a fit
    return None if marked is None or isinstance(marked, str) else float(marked)


def path_of_target(path: Any, target: int) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return penalties (m,) and coefficients (m, p) of one target of a given path."""
    if not hasattr(path, "alphas") or not hasattr(path, "coef"):
        raise TypeError(
            f"path is a {type(path).__name__}; expected the result of ridge_path, elastic_net_path,"
            " lasso_path, enet_path or glm_path."
        )
    coef = np.asarray(path.coef)
    return path.alphas, one_target(coef.reshape(len(coef), -1, coef.shape[-1]), target)


# penalties (m,), coefficients (m, k, p) and intercepts (m, k)
_Drawn = tuple[NDArray[np.float64], NDArray[Any], NDArray[Any]]


def _penalty(estimator: Any) -> Any:
    """Return the penalty of a fitted estimator, else its parameter; None if it has none."""
    if hasattr(estimator, "Cs_"):
        return penalty_of_C(estimator)
    for name in ("penalty_", "alpha_", "alpha"):
        # alpha_ of BayesianRidge is the precision of the noise
        if hasattr(estimator, name) and not (name == "alpha_" and hasattr(estimator, "lambda_1")):
            return getattr(estimator, name)
    return None


def _options(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    return {
        "fit_intercept": estimator.fit_intercept,
        "standardize": getattr(estimator, "standardize", False),
        "penalty_factor": getattr(estimator, "penalty_factor", None),
        "sample_weight": sample_weight,
    }


def _net(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any,
    ratio: float,
    sample_weight: Any,
    target: int | None,
) -> _Drawn:
    from ..solvers.descent.elastic_net import elastic_net_path

    columns = np.asarray(y)
    columns = columns.reshape(len(columns), -1)
    column = one_target(columns.T[None], 0 if target is None else target)[0]
    path = elastic_net_path(
        X,
        column,
        l1_ratio=ratio,
        alphas=alphas,
        tol=float(estimator.tol),
        max_iter=estimator.max_iter or 1000,
        **bounds_of(estimator),
        **_options(estimator, sample_weight),
    )
    # the same for every index of a target
    k = 1 if target is None else target + 1
    shape = len(path.alphas), k, path.coef.shape[1]
    coef = np.broadcast_to(path.coef[:, None], shape)
    return path.alphas, coef, np.broadcast_to(path.intercept[:, None], shape[:2])


def _groups(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any,
    ratio: float,
    sample_weight: Any,
    target: int | None,
) -> _Drawn:
    from ..solvers.descent.grid import LEAST_L1_RATIO
    from ..solvers.descent.groups import GroupPath
    from ..solvers.descent.options import check_alphas

    A = check_design(X)
    Y = check_target(y, A.n_rows).reshape(A.n_rows, -1)
    path = GroupPath(
        A,
        np.asfortranarray(Y),
        check_sample_weight(sample_weight, A.n_rows),
        check_penalty_factor(estimator.penalty_factor, A.n_columns),
        bool(estimator.fit_intercept),
        bool(estimator.standardize),
        estimator.max_iter or 1000,
    )
    if alphas is None:
        first = path.largest(ratio or LEAST_L1_RATIO)
        alphas = max(first, np.finfo(float).resolution) * np.geomspace(1.0, _EPS, _N_ALPHAS)
    alphas = check_alphas(alphas)
    coef = np.empty((len(alphas), Y.shape[1], A.n_columns))
    intercept = np.empty(coef.shape[:2])
    for j, alpha in enumerate(alphas):
        path.solve(float(alpha), ratio, float(estimator.tol))
        coef[j], intercept[j] = path.to_caller()
    return alphas, coef, intercept


def _ridge(estimator: Any, X: Any, y: Any, alphas: Any, sample_weight: Any) -> _Drawn:
    from ..linear_model import Ridge
    from ..solvers.ridge_path.path import ridge_path

    prior = {
        name: value
        for name in ("prior_mean", "penalty_matrix")
        if (value := getattr(estimator, name, None)) is not None
    }
    path = ridge_path(X, y, alphas, **_options(estimator, sample_weight), **prior)
    values, coef, intercept = path.alphas, path.coef, path.intercept
    bounds = {
        name: value
        for name in ("positive", "lower", "upper")
        if (value := getattr(estimator, name, None)) is not None and value is not False
    }
    if bounds:
        # ridge_path has no bounds: fit each penalty by itself
        names = ("fit_intercept", "standardize", "penalty_factor")
        given = {name: getattr(estimator, name) for name in names if hasattr(estimator, name)}
        model = Ridge(**given, **bounds, **prior)
        found = []
        for a in values:
            model.set_params(alpha=float(a)).fit(X, y, sample_weight)
            found.append((model.coef_, model.intercept_))
        coef = np.array([w for w, _ in found])
        intercept = np.array([b for _, b in found])
    coef = coef.reshape(len(values), -1, coef.shape[-1])
    return values, coef, np.broadcast_to(intercept.reshape(len(values), -1), coef.shape[:2])


def _classes(
    estimator: Any, X: Any, y: Any, sample_weight: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return targets of -1 and 1, and sample weights times class weights."""
    from ..data.labels import Labels

    n = check_design(X, finite=False).n_rows
    labels = Labels(y, n)
    weight = check_sample_weight(sample_weight, n)
    if estimator.class_weight:
        by_class = labels.weights(estimator.class_weight, weight)
        weight = by_class if weight is None else by_class * weight
    return labels.targets(), weight
