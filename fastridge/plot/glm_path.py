"""Fit the path of a generalised linear model over penalties, for plots."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design


class EstimatorPath(NamedTuple):
    """Penalties (m,), coefficients (m, p), penalty of the estimator, intercepts (m,).

    Of one target; of all k targets, coefficients (m, k, p) and intercepts (m, k).
    """

    alphas: NDArray[np.float64]
    coef: NDArray[Any]
    alpha: float | None
    intercept: NDArray[Any]
    path: Any = None  # of a generalised linear model, as `glm_path` returned it


def penalty_of_C(estimator: Any) -> float | None:
    """Return the alpha of the C that a fitted estimator chose; None if C is not in its grid."""
    results = getattr(estimator, "cv_results_", None)
    if results is None or not hasattr(estimator, "C_"):
        return None
    alphas = np.unique(results["alpha"])[::-1]
    place = np.flatnonzero(np.unique(estimator.Cs_) == float(np.ravel(estimator.C_)[0]))
    return float(alphas[place[0]]) if len(place) and len(alphas) > place[0] else None


def one_target(values: NDArray[Any], target: int | None) -> NDArray[Any]:
    """Return the part of one of k targets, of coefficients (m, k, p) or intercepts (m, k).

    target: None: all targets.
    """
    if target is None:
        return values
    k = values.shape[1]
    if not 0 <= target < k:
        raise ValueError(f"target is {target}; expected a position from 0 to {k - 1}.")
    return values[:, target]


def l1_ratio_of(estimator: Any) -> float:
    """Return the share of the L1 part of a fit, else of the parameters; raise for several."""
    fitted = getattr(estimator, "l1_ratio_", None)
    # None for each class: scikit-learn's attribute where `l1_ratios` was not given
    if fitted is not None and np.ravel(fitted)[0] is not None:
        return float(np.ravel(fitted)[0])
    if hasattr(estimator, "_l1_ratios"):
        ratio = estimator._l1_ratios()
    else:
        # Lasso and MultiTaskLasso have no such parameter
        ratio = getattr(estimator, "l1_ratio", 1.0)
    if np.size(ratio) != 1:
        raise ValueError(
            f"estimator has {np.size(ratio)} values of l1_ratio and is not fitted; expected one,"
            " or a fitted estimator."
        )
    return float(np.ravel(ratio)[0])


def bounds_of(estimator: Any) -> dict[str, Any]:
    """Return the bounds of an estimator with `lower`, `upper` and `positive`."""
    lower = estimator.lower
    if estimator.positive:
        lower = 0.0 if lower is None else np.maximum(lower, 0.0)
    return {"lower": lower, "upper": estimator.upper}


def glm_path_of(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any,
    sample_weight: Any,
    target: int | None,
    offset: Any = None,
) -> EstimatorPath:
    """Fit the path with an estimator's parameters except the penalty.

    target: index of the class, for more than two classes; None: all classes.
    """
    from ..solvers.glm.path import glm_path

    ratio = l1_ratio_of(estimator)
    results = getattr(estimator, "cv_results_", None)
    if results is not None and (alphas is None or np.ndim(alphas) == 2):
        ratios = np.ravel(results["l1_ratio"])
        # with refit=False, the mean of the choices of the folds, for which there is no grid
        chosen = ratios == (ratio if ratio in ratios else ratios[0])
        alphas = np.asarray(results["alpha"])[chosen]
    if not hasattr(estimator, "_make_loss"):
        return _labels(estimator, X, y, alphas, ratio, sample_weight, target, offset)
    if target not in (0, None):
        raise ValueError(f"target is {target}; expected 0, as there is one target.")
    path = glm_path(
        X,
        y,
        estimator._make_loss(),
        l1_ratio=ratio,
        alphas=alphas,
        sample_weight=sample_weight,
        offset=offset,
        **_options(estimator),
    )
    alpha = getattr(estimator, "alpha_", getattr(estimator, "alpha", None))
    # "evidence" before a fit
    marked = None if alpha is None or isinstance(alpha, str) else float(alpha)
    return _of_one(path, marked, target)


def _of_one(path: Any, alpha: float | None, target: int | None) -> EstimatorPath:
    coef, intercept = path.coef, path.intercept
    if coef.ndim == 2:
        coef, intercept = coef[:, None], intercept[:, None]
    return EstimatorPath(
        path.alphas, one_target(coef, target), alpha, one_target(intercept, target), path
    )


def _options(estimator: Any) -> dict[str, Any]:
    return {
        "fit_intercept": estimator.fit_intercept,
        "standardize": estimator.standardize,
        "penalty_factor": estimator.penalty_factor,
        **bounds_of(estimator),
        "tol": float(estimator.tol),
        "max_iter": max(int(estimator.max_iter), 1),
    }


def _labels(
    estimator: Any,
    X: Any,
    y: Any,
    alphas: Any,
    ratio: float,
    sample_weight: Any,
    target: int | None,
    offset: Any,
) -> EstimatorPath:
    """Fit the path for class labels: of the second of two classes, or of class `target`."""
    from ..linear_model._logistic import check_classes
    from ..solvers.glm.path import glm_path

    classes = check_classes(
        y, check_design(X, finite=False).n_rows, sample_weight, estimator.class_weight
    )
    alpha = penalty_of_C(estimator)
    if not hasattr(estimator, "Cs"):
        C = getattr(estimator, "C_", estimator._given_strength()[0])
        # "evidence" before a fit
        alpha = None if isinstance(C, str) else 1.0 / (float(C) * classes.total())
    k = len(classes.values)
    if target is not None and not 0 <= target < (1 if k == 2 else k):
        raise ValueError(
            f"target is {target}; expected a position from 0 to {0 if k == 2 else k - 1}."
        )
    path = glm_path(
        X,
        classes.codes.astype(np.float64),
        "multinomial" if k > 2 else "logistic",
        l1_ratio=ratio,
        alphas=alphas,
        sample_weight=classes.weight,
        offset=offset,
        **_options(estimator),
    )
    return _of_one(path, alpha, target)
