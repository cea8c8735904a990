"""Which fit an estimator gets for data in parts."""

from __future__ import annotations

from typing import Any

from .._estimators import row_of
from . import glm_estimators, ridge_folds, squared
from .given import parts_of

_FITS = {
    "moments": squared.fit_moments,
    "ridge": squared.fit_ridge,
    "rows": squared.fit_rows,
    "folds": squared.fit_folds,
    "labels": squared.fit_labels,
    "ridge by folds": ridge_folds.fit_ridge_cv,
    "labels by folds": ridge_folds.fit_labels_cv,
    "regressor": glm_estimators.fit_regressor,
    "classifier": glm_estimators.fit_classifier,
    "regressor by folds": glm_estimators.fit_regressor_cv,
    "classifier by folds": glm_estimators.fit_classifier_cv,
}


def fit_parts(estimator: Any, X: Any, **given: Any) -> None:
    """Fit an estimator to data in parts."""
    row = row_of(type(estimator))
    kind = None if row is None else row.parts
    if kind is None:
        raise TypeError(
            f"X is data in parts, which {type(estimator).__name__} does not support; expected an"
            " array, a data frame or a sparse matrix."
        )
    parts = parts_of(X, **given)
    before = parts.n_passes
    _FITS[kind](estimator, parts)
    estimator.n_passes_ = parts.n_passes - before
