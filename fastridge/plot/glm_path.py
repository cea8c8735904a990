"""Fit the path of a generalised linear model over penalties, for plots."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data.check import check_design


class EstimatorPath(NamedTuple):
    """Penalties (m,), coefficients (m, p) of one target, and the penalty of the estimator."""

    alphas: NDArray[np.float64]
    coef: NDArray[Any]
    alpha: float | None


def penalty_of_C(estimator: Any) -> float | None:
    """Return the alpha of the C that a fitted estimator chose; None if C is not in its grid."""
    results = getattr(estimator, "cv_results_", None)
    if results is None or not hasattr(estimator, "C_"):
        return None
    alphas = np.unique(results["alpha"])[::-1]
    place = np.flatnonzero(np.unique(estimator.Cs_) == float(np.ravel(estimator.C_)[0]))
    return float(alphas[place[0]]) if len(place) and len(alphas) > place[0] else None


def glm_path_of(
    estimator: Any, X: Any, y: Any, alphas: Any, sample_weight: Any, target: int
) -> EstimatorPath:
    """Fit the path with an estimator's parameters except the penalty, without an offset.

    target: index of the class, for more than two classes.
    """
    from ..solvers.glm.path import glm_path

    # l1_ratio_ of a fit, else the parameter, which may hold several
    ratio = getattr(estimator, "l1_ratio_", getattr(estimator, "l1_ratio", 0.0))
    if np.size(ratio) != 1:
        raise ValueError(
            f"estimator has {np.size(ratio)} values of l1_ratio and is not fitted; expected one,"
            " or a fitted estimator."
        )
    ratio = float(np.ravel(0.0 if ratio is None else ratio)[0])
    results = getattr(estimator, "cv_results_", None)
    if results is not None and (alphas is None or np.ndim(alphas) == 2):
        chosen = np.ravel(results["l1_ratio"]) == ratio
        alphas = np.asarray(results["alpha"])[chosen]
    if not hasattr(estimator, "_make_loss"):
        return _labels(estimator, X, y, alphas, ratio, sample_weight, target)
    if target != 0:
        raise ValueError(f"target is {target}; expected 0: there is one.")
    path = glm_path(
        X,
        y,
        estimator._make_loss(),
        l1_ratio=ratio,
        alphas=alphas,
        sample_weight=sample_weight,
        **_options(estimator),
    )
    alpha = getattr(estimator, "alpha_", getattr(estimator, "alpha", None))
    # "evidence" before a fit
    marked = None if alpha is None or isinstance(alpha, str) else float(alpha)
    return EstimatorPath(path.alphas, path.coef, marked)


def _options(estimator: Any) -> dict[str, Any]:
    lower = estimator.lower
    if estimator.positive:
        lower = 0.0 if lower is None else np.maximum(lower, 0.0)
    return {
        "fit_intercept": estimator.fit_intercept,
        "standardize": estimator.standardize,
        "penalty_factor": estimator.penalty_factor,
        "lower": lower,
        "upper": estimator.upper,
        "tol": float(estimator.tol),
        "max_iter": max(int(estimator.max_iter), 1),
    }


def _labels(
    estimator: Any, X: Any, y: Any, alphas: Any, ratio: float, sample_weight: Any, target: int
) -> EstimatorPath:
    """Fit the path for class labels: of the second of two classes, or of class `target`."""
    from ..linear_model._logistic import check_classes
    from ..solvers.glm.path import glm_path

    classes = check_classes(
        y, check_design(X, finite=False).n_rows, sample_weight, estimator.class_weight
    )
    alpha = penalty_of_C(estimator)
    C = getattr(estimator, "C_", getattr(estimator, "C", "evidence"))
    if alpha is None and not isinstance(C, str) and not hasattr(estimator, "Cs"):
        alpha = 1.0 / (float(C) * classes.total())
    k = len(classes.values)
    if not 0 <= target < (1 if k == 2 else k):
        raise ValueError(
            f"target is {target}; expected a position from 0 to {0 if k == 2 else k - 1}."
        )
    several = k > 2
    path = glm_path(
        X,
        classes.codes.astype(np.float64),
        "multinomial" if several else "logistic",
        l1_ratio=ratio,
        alphas=alphas,
        sample_weight=classes.weight,
        **_options(estimator),
    )
    return EstimatorPath(path.alphas, path.coef[:, target] if several else path.coef, alpha)
