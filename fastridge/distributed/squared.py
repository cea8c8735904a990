"""Squared losses of data in parts, from the moments that one pass sums.

Estimators that look at rows are given rows that stand for the data: r + k + 1 of them, of equal
weights, with the same total weight, means, Gram matrix and cross products, where r is the rank. A
root of the centred sums is rotated so that its rows have the mean 0.
"""

from __future__ import annotations

import copy
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._matrix import Matrix
from ..data.parts import Parts
from ..moments import Moments
from ..solvers.ridge.moments import gram_root
from ..solvers.ridge.options import SOLVERS
from ..systems.cost import ALWAYS, default_memory
from .folds import FOLDS, fold_count, make_folds
from .given import parts_of
from .sums import (
    MomentSum,
    Targets,
    Weights,
    class_weights,
    fold_moments_of,
    moments_of,
    require_weight,
    too_wide,
    weights_of,
)
from .wide import ONLY_MOMENTS, Columns, columns_of, fit_wide

Array = NDArray[np.float64]

# columns beyond which passes over few rows cost less than their moments, and how few rows those are
_WIDE, _FEW = 4000, 0.25


def moments(parts: Parts, max_memory: float | None, targets: Targets | None = None) -> Moments:
    """Return the moments of all rows, which have to fit into the memory."""
    most = require_memory(parts, max_memory)
    return _with_weight(parts, parts.sum(moments_of, targets, most).parts[0])


def _with_weight(parts: Parts, total: Moments) -> Moments:
    require_weight(total.total_weight)
    if total.feature_names is None:
        total.feature_names = parts.names
    return total


def most_columns(max_memory: float | None, sums: int = 1) -> float:
    """Return the number of columns whose moments, and those they are added to, fit into memory."""
    allowed = max(ALWAYS, default_memory()) if max_memory is None else max_memory
    # two of each sum, and a factor
    return float(np.sqrt(allowed / (8.0 * (2 * sums + 1))))


def require_memory(parts: Parts, max_memory: float | None, sums: int = 1) -> float:
    """Refuse too many columns, where they are known before a pass; return how many are not."""
    most = most_columns(max_memory, sums)
    if parts.width is not None and parts.width > most:
        raise ValueError(too_wide(parts.width, most))
    return most


def fit_moments(estimator: Any, parts: Parts) -> None:
    """Fit an estimator that takes moments."""
    estimator.fit_moments(moments(parts, getattr(estimator, "max_memory", None)))


def fit_ridge(estimator: Any, parts: Parts) -> None:
    """Fit a ridge regression, by conjugate gradients where moments do not fit into the memory."""
    found = _moments_or_columns(estimator, parts, None)
    if isinstance(found, Moments):
        estimator.fit_moments(found)
    else:
        fit_wide(estimator, parts, found, None)


def _moments_or_columns(estimator: Any, parts: Parts, targets: Targets | None) -> Any:
    """Return moments, or where they are too large the statistics of the columns."""
    most = most_columns(estimator.max_memory)
    run = SOLVERS[estimator.solver]
    may_be_wide = run == "auto" and _may_be_wide(estimator)
    if run == "cg" or (may_be_wide and _has_few_rows(parts)):
        found = parts.sum(columns_of, targets)
    elif may_be_wide and parts.lengths is None and not parts.once:
        # rows are counted before the moments of many columns are summed
        found = parts.sum(moments_of, targets, min(most, _WIDE), columns_of)
        if isinstance(found, Columns) and _FEW * len(found.mean) <= found.n:
            found = parts.sum(moments_of, targets, most, columns_of)
    elif run == "auto":
        found = parts.sum(moments_of, targets, most, columns_of)
    else:
        return moments(parts, estimator.max_memory, targets)
    if isinstance(found, MomentSum):
        return _with_weight(parts, found.parts[0])
    require_weight(found.total)
    return found


def _may_be_wide(estimator: Any) -> bool:
    """Return whether an estimator can do without moments."""
    given = any(getattr(estimator, name, None) is not None for name in ONLY_MOMENTS)
    return not given and not estimator.positive


def _has_few_rows(parts: Parts) -> bool:
    """Return whether rows, known before a pass, are far fewer than columns."""
    if parts.lengths is None or parts.width is None:
        return False
    return parts.width > _WIDE and sum(parts.lengths) < _FEW * parts.width


def fit_rows(estimator: Any, parts: Parts) -> None:
    """Fit an estimator to rows with the same moments."""
    if getattr(estimator, "criterion", None) == "loo":
        raise ValueError(
            "criterion='loo' is not supported for data in parts; expected another criterion."
        )
    total = moments(parts, getattr(estimator, "max_memory", None))
    _fit_standing(estimator, _unfitted(estimator).fit, [total])


def fit_folds(estimator: Any, parts: Parts) -> None:
    """Fit an estimator that chooses by folds to rows that stand for the moments of each."""
    local = _unfitted(estimator)
    scores = type(estimator)._loss.scores
    scoring = getattr(estimator, "scoring", None)
    if scoring is not None and not (isinstance(scoring, str) and scoring in scores):
        raise ValueError(
            f"scoring is {scoring!r}; for data in parts, expected None or one of {sorted(scores)}."
        )
    cv = estimator.cv
    if getattr(estimator, "validation", None) is not None:
        raise ValueError(
            "validation is not supported for data in parts; expected None. Use cv instead."
        )
    if isinstance(cv, str) or (cv is None and hasattr(estimator, "store_cv_results")):
        raise ValueError(
            f"cv is {cv!r} together with prior_mean or penalty_matrix; for data in parts, expected"
            " a number of folds or a splitter."
        )
    memory = getattr(estimator, "max_memory", None)
    if isinstance(cv, Integral) or cv is None:
        require_memory(parts, memory, fold_count(cv))
    count, shared, each = make_folds(parts, FOLDS if cv is None else cv)
    task = FoldTask(count, shared, require_memory(parts, memory, count), None)
    folds = parts.sum(task, each=each).parts
    folds = [fold for fold in folds if fold.n_features and fold.total_weight > 0]
    if len(folds) < 2:
        raise ValueError(
            f"cv has {len(folds)} fold(s) that hold out rows of positive weight; expected at least"
            " 2."
        )
    for fold in folds:
        if fold.feature_names is None:
            fold.feature_names = parts.names

    def fit(X: Array, Y: Array, weight: Array, lengths: list[int]) -> Any:
        fold, rows = np.repeat(np.arange(len(folds)), lengths), np.arange(sum(lengths))
        local.cv = [(rows[fold != i], rows[fold == i]) for i in range(len(folds))]
        return local.fit(X, Y, weight)

    _fit_standing(estimator, fit, folds)


class FoldTask:
    """Moments of the folds of a part, whose rows come with the part or with its groups."""

    def __init__(self, count: int, shared: Any, most: float, targets: Targets | None) -> None:
        self.count, self.shared, self.most, self.targets = count, shared, most, targets

    def __call__(self, part: Any, folds: Any = None) -> Any:
        folds = self.shared if folds is None else folds
        return fold_moments_of(part, self.count, folds, self.most, self.targets)


def _unfitted(estimator: Any) -> Any:
    return type(estimator)(**estimator.get_params(deep=False))


def _fit_standing(estimator: Any, fit: Any, sums: list[Moments]) -> None:
    """Take over the fit to rows that stand for the sums: ``fit(X, Y, weight)`` of an estimator.

    Of several sums, `fit` is also given the number of rows of each.
    """
    total = sums[0].copy()
    for part in sums[1:]:
        total += part
    p, k = total.n_features, total.n_targets
    # rows about a place near the means keep their digits
    moved = estimator._is_invariant()
    origin = total.mean if moved else np.zeros(p)
    y_origin = total.y_mean if moved else np.zeros(k)
    found = [standing_rows(part, origin, y_origin) for part in sums]
    X, Y, weight = (np.concatenate(values) for values in zip(*found, strict=True))
    lengths = [] if len(sums) == 1 else [[len(rows[0]) for rows in found]]
    local = fit(X, Y[:, 0] if total._y_ndim == 1 else Y, weight, *lengths)
    for name in [name for name in vars(estimator) if name.endswith("_")]:
        delattr(estimator, name)
    given = set(estimator.get_params(deep=False))
    for name, value in vars(local).items():
        if name not in given:
            setattr(estimator, name, value)
    if moved:
        estimator._move_origin(origin, y_origin)
    if hasattr(estimator, "singular_"):
        estimator.singular_ = estimator.singular_[: min(total.n_samples, p)]
    if total.is_float32:
        for name in ("coef_", "intercept_", "singular_"):
            if hasattr(estimator, name):
                setattr(estimator, name, np.asarray(getattr(estimator, name), np.float32)[()])
    estimator._set_features(p, total.feature_names)


def standing_rows(sums: Moments, origin: Array, y_origin: Array) -> tuple[Array, Array, Array]:
    """Return X (m, p), Y (m, k) and weights (m,) with given moments, less an origin.

    With C = [R Z; 0 D], R'R and R'Z the centred sums of X and y and D the roots of what they leave
    of the squares of y, the rows are those of H C, H the m x (m - 1) Helmert matrix, whose columns
    are orthonormal and have the sum 0.
    """
    p, k = sums.n_features, sums.n_targets
    R, Z = gram_root(sums) if sums.gram.any() else (np.zeros((0, p)), np.zeros((0, k)))
    left = np.sqrt(np.maximum(sums.yy - np.einsum("ij,ij->j", Z, Z), 0.0))
    C = np.block([[R, Z], [np.zeros((k, p)), np.diag(left)]])
    m = len(C) + 1
    j = np.arange(1.0, m)[:, None]
    C /= np.sqrt(j * (j + 1.0))
    rows = np.zeros((m, p + k))
    rows[:-1] = np.cumsum(C[::-1], axis=0)[::-1]
    rows[1:] -= j * C
    rows *= np.sqrt(m / sums.total_weight)
    X = rows[:, :p] + (sums.mean - origin)
    Y = rows[:, p:] + (sums.y_mean - y_origin)
    return X, np.asfortranarray(Y), np.full(m, sums.total_weight / m)


def standing_data(model: Any, X: Any, y: Any, weight: Any) -> tuple[Any, Array, Array, Array]:
    """Return a model without names of features, and rows with the moments of data in parts."""
    total = moments(parts_of(X, y=y, weight=weight), getattr(model, "max_memory", None))
    rows, Y, w = standing_rows(total, np.zeros(total.n_features), np.zeros(total.n_targets))
    model = copy.copy(model)
    model.__dict__.pop("feature_names_in_", None)
    return model, rows, Y[:, 0] if total._y_ndim == 1 else Y, w


def fit_labels(estimator: Any, parts: Parts) -> None:
    """Fit a ridge classifier: labels are collected in a first pass, targets of -1 and 1 summed."""
    found: Weights = parts.sum(weights_of, "y", True)
    classes, by_class = found.labels, None
    if estimator.class_weight is not None:
        by_class = class_weights(classes, found.weight, estimator.class_weight)
    targets = Targets(classes, by_class)
    total = _moments_or_columns(estimator, parts, targets)
    if isinstance(total, Moments):
        _fit_targets(estimator, total)
    else:
        fit_wide(estimator, parts, total, targets)
    estimator.classes_, estimator.indicator_ = classes, None


def _fit_targets(estimator: Any, total: Moments) -> None:
    local = _unfitted(estimator)

    def fit(X: Array, Y: Array, weight: Array) -> Any:
        local._solve(Matrix.from_dense(X), Y, weight, Y.ndim == 1)
        return local

    _fit_standing(estimator, fit, [total])
