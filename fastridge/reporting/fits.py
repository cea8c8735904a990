"""Fits for a grid of penalties, whatever they came from: a path, a choice or an estimator."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._estimators import Row, row_of
from .._matrix import Matrix
from ..data.check import check_design, check_sample_weight, check_target
from ..data.parameters import check_penalty_factor
from ..losses import MULTINOMIAL, SQUARED, Loss
from ..quadratic.variances import variances

Array = NDArray[np.float64]

_EXACT = 2000  # active features or rows up to which degrees of freedom have no random error
_WORK = 2e10  # operations that the degrees of freedom of a path may take


@dataclass(slots=True)
class Sample:
    """Rows as solvers see them.

    Attributes
    ----------
    X : object
        As given.
    A : Matrix (n, p)
    y : ndarray (n,) or (n, k)
        Values; class numbers; -1 and 1 for ridge of class labels.
    weight : ndarray (n,) or None
        Sample weights times class weights.
    classes : ndarray or None
        Class labels; None for values.
    offset : ndarray (n,) or (n, k), or None
        Known part of the linear predictors.
    """

    X: Any
    A: Matrix
    y: Array
    weight: Array | None
    classes: NDArray[Any] | None = None
    offset: Array | None = None

    @property
    def total(self) -> float:
        return float(self.A.n_rows if self.weight is None else self.weight.sum())

    def codes(self) -> NDArray[np.intp]:
        """Return class numbers."""
        if self.y.ndim == 2:
            return self.y.argmax(axis=1)
        return (self.y > 0).astype(np.intp) if self.y.min() < 0 else self.y.astype(np.intp)


@dataclass(slots=True)
class Fits:
    """Coefficients for a grid of penalties, sorted from small to large.

    The objective, in the unit of the loss's mean deviance, is ::

        mean deviance + l1 * alpha * sum_j d1_j |w_j| + l2 * alpha * sum_j d2_j w_j^2

    Attributes
    ----------
    alphas : ndarray (m,)
    coef : ndarray (m, k, p)
    intercept : ndarray (m, k)
    loss : Loss
    l1, l2 : float
    d1, d2 : ndarray (p,)
    kind : {"ridge", "net", "groups", "glm"}
    shape : {"ball", "group", "matrix"}
        Whether the penalty is the formula above; "group": L1 parts are norms over targets;
        "matrix": with a penalty matrix or a prior mean.
    free : bool
        Whether coefficients have no bounds.
    fit_intercept, standardize : bool
    dof : ndarray (m,) or None
        Effective degrees of freedom without the intercept; None: not computed with the fits.
    """

    alphas: Array
    coef: Array
    intercept: Array
    loss: Loss
    l1: float
    l2: float
    d1: Array
    d2: Array
    kind: str
    shape: str
    free: bool
    fit_intercept: bool
    standardize: bool
    dof: Array | None = None

    def predictors(self, X: Any, offset: Array | None) -> Array:
        """Return linear predictors with an offset, (m, n), or (m, n, k) for k above 1."""
        eta = self.decision_function(X)
        return eta if offset is None else eta + offset

    def decision_function(self, X: Any) -> Array:
        """Return linear predictors without an offset, (m, n), or (m, n, k) for k above 1."""
        A = check_design(X, n_features=self.coef.shape[2], caller="the report")
        m, k, p = self.coef.shape
        out = A.dot(np.asfortranarray(self.coef.reshape(m * k, p).T)).T.reshape(m, k, A.n_rows)
        out = out + self.intercept[:, :, None]
        return out[:, 0] if k == 1 else out.transpose(0, 2, 1)

    def take(self, chosen: Any) -> Fits:
        """Return some of the penalties."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        for name in ("alphas", "coef", "intercept", "dof"):
            if fields[name] is not None:
                fields[name] = fields[name][chosen]
        return Fits(**fields)


def row_of_estimator(estimator: Any) -> Row:
    """Return the row of the table of an estimator that has a path."""
    row = row_of(type(estimator))
    if row is None or row.penalty is None:
        raise TypeError(
            f"estimator is a {type(estimator).__name__}; expected one of fastridge's estimators"
            " with a path (Ridge, Lasso, ElasticNet, LogisticRegression, their CV variants, ...),"
            " or what ridge_path, elastic_net_path or glm_path returned."
        )
    return row


def rows_of_ratio(estimator: Any) -> NDArray[np.intp]:
    """Return the positions in `cv_results_` of the chosen share of the L1 part."""
    results = estimator.cv_results_
    if "l1_ratio" not in results:
        return np.arange(len(results["alpha"]))
    ratio = np.ravel(getattr(estimator, "l1_ratio_", results["l1_ratio"]))[0]
    return np.flatnonzero(results["l1_ratio"] == (0.0 if ratio is None else ratio))


def is_path(estimator: Any) -> bool:
    """Return whether this is the result of a path of fits."""
    return hasattr(estimator, "alphas") and hasattr(estimator, "coef")


def sample_of(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    target: int,
    offset: Any = None,
    exposure: Any = None,
    classes: Any = None,
) -> Sample:
    """Check data and turn labels into numbers; classes: those of the fit, for held-out rows."""
    sample = _sample_of(estimator, X, y, sample_weight, target, classes)
    if offset is None and exposure is None:
        return sample
    from ..solvers.glm.options import check_offset, check_offsets

    path = is_path(estimator)
    used = hasattr(estimator, "deviance")
    if not path:
        used = "offset" in signature(estimator.fit).parameters
    if not used:
        name = "exposure" if offset is None else "offset"
        raise ValueError(
            f"{name} is given, but a {type(estimator).__name__} does not use it; expected None."
        )
    loss = estimator.loss if path else loss_of_estimator(estimator, sample)
    n = sample.A.n_rows
    if sample.classes is not None and loss.name == "multinomial":
        sample.offset = check_offsets(offset, exposure, n, len(sample.classes))
    else:
        sample.offset = check_offset(offset, exposure, loss, n)
    return sample


def require_data_of_fit(estimator: Any, sample: Sample, given: tuple[Any, ...]) -> None:
    """Raise an error for data that a generalised linear model, which tells, was not fitted to.

    given: X, y, sample_weight, offset and exposure.
    """
    if is_path(estimator) or "objective_" not in vars(estimator):
        return
    if row_of_estimator(estimator).penalty != "glm":
        return
    if sample.classes is not None:
        weight = np.bincount(sample.codes(), sample.weight, len(sample.classes))
        if not weight.all():
            # its fit was of the other classes alone
            return
    estimator._result(*given).state()


def _sample_of(
    estimator: Any, X: Any, y: Any, sample_weight: Any, target: int, classes: Any
) -> Sample:
    A = check_design(X)
    n = A.n_rows
    weight = check_sample_weight(sample_weight, n)
    labels = False
    if not is_path(estimator):
        row = row_of_estimator(estimator)
        labels = (
            row.targets == "labels" or getattr(estimator, "_estimator_type", "") == "classifier"
        )
    if not labels:
        values = check_target(y, n)
        name = getattr(getattr(estimator, "loss", None), "name", None)
        if is_path(estimator) and name in ("logistic", "multinomial"):
            return _numbered(estimator, name, X, A, values, weight)
        return Sample(X, A, _column(values, target), weight)
    from ..data.labels import Labels, as_labels, codes_among

    if classes is not None:
        codes = codes_among(as_labels(y, n), classes)
    else:
        encoded = Labels(y, n)
        if encoded.container is not None:
            raise ValueError("y holds several labels for each sample; expected one.")
        codes, classes = encoded.codes, encoded.classes
        if len(classes) < 2:
            raise ValueError("y has samples of one class only; expected at least 2 classes.")
        if getattr(estimator, "class_weight", None):
            own = encoded.weights(estimator.class_weight, weight)
            weight = own if weight is None else own * weight
    if row_of_estimator(estimator).penalty != "ridge":
        return Sample(X, A, codes.astype(np.float64), weight, classes)
    targets = np.where(np.arange(len(classes)) == codes[:, None], 1.0, -1.0)
    return Sample(X, A, targets[:, 1] if len(classes) == 2 else targets, weight, classes)


def _numbered(path: Any, loss: str, X: Any, A: Matrix, y: Array, weight: Any) -> Sample:
    """Return rows for a path of classes that are numbers; shares of classes stay values."""
    if y.ndim != 1 or (y != np.floor(y)).any():
        if loss == "multinomial":
            raise ValueError("y holds shares of classes; expected class numbers for a report.")
        return Sample(X, A, y, weight)
    k = path.coef.shape[1] if loss == "multinomial" else 2
    if y.min() < 0 or y.max() >= k:
        raise ValueError(f"y has values from {y.min():g} to {y.max():g}; expected 0 to {k - 1}.")
    return Sample(X, A, y, weight, np.arange(k))


def _column(y: Array, target: int) -> Array:
    k = 1 if y.ndim == 1 else y.shape[1]
    if not 0 <= target < k:
        raise ValueError(f"target is {target}; expected a position from 0 to {k - 1}.")
    return np.ascontiguousarray(y if y.ndim == 1 else y[:, target])


def fits_of_path(path: Any, sample: Sample, target: int, factor: Any, standardize: bool) -> Fits:
    """Return the fits of a given path."""
    from ..plot.estimator_path import path_of_target

    alphas, coef = path_of_target(path, target)
    coef = coef[:, None]
    intercept = np.asarray(path.intercept, dtype=np.float64).reshape(len(alphas), -1)
    if sample.classes is None:
        intercept = intercept[:, target : target + 1] if intercept.shape[1] > 1 else intercept
    else:
        coef = path.coef.reshape(len(alphas), -1, coef.shape[2])
    loss = getattr(path, "loss", SQUARED)
    kind = "glm" if hasattr(path, "deviance") else "net" if hasattr(path, "l1_ratio") else "ridge"
    if coef.shape[2] != sample.A.n_columns:
        raise ValueError(
            f"X has {sample.A.n_columns} features; expected {coef.shape[2]}, as the path has."
        )
    # paths of generalised linear models do not tell
    told = getattr(path, "fit_intercept", getattr(path, "_fit_intercept", None))
    fit_intercept = bool(np.any(intercept)) if told is None else bool(told)
    parts = (coef, intercept, loss, getattr(path, "l1_ratio", 0.0))
    fits = _fits(alphas, *parts, sample, kind, "ball", True, fit_intercept, standardize, factor)
    if kind == "glm":
        fits.dof = _dof_of_path(path, fits, sample.A)
    return fits


def fits_of_estimator(estimator: Any, sample: Sample, y: Any, alphas: Any, weight: Any) -> Fits:
    """Fit the path of an estimator's parameters to a sample.

    y, weight: as given, for the estimator's own checks.
    """
    from ..plot.estimator_path import estimator_path
    from ..plot.glm_path import l1_ratio_of

    row = row_of_estimator(estimator)
    path = estimator_path(estimator, sample.X, y, alphas, weight, None, sample.offset)
    loss = loss_of_estimator(estimator, sample)
    ratio = 0.0 if row.penalty == "ridge" else l1_ratio_of(estimator)
    shape = "group" if row.penalty == "groups" else "ball"
    if any(getattr(estimator, name, None) is not None for name in ("prior_mean", "penalty_matrix")):
        shape = "matrix"
    bounds = ("positive", "lower", "upper")
    free = not any(getattr(estimator, name, None) not in (None, False) for name in bounds)
    fits = _fits(
        *(path.alphas, path.coef, path.intercept, loss, ratio, sample, row.penalty, shape, free),
        bool(estimator.fit_intercept),
        bool(getattr(estimator, "standardize", False)),
        getattr(estimator, "penalty_factor", None),
    )
    if path.path is not None:
        fits.dof = _dof_of_path(path.path, fits, sample.A)
    return fits


def _dof_of_path(path: Any, fits: Fits, A: Matrix) -> Array | None:
    """Return degrees of freedom of a generalised linear model's path; None: they take too long."""
    m, k, p = fits.coef.shape
    n = A.n_rows
    order = min(n, k * p)
    # products of columns weighted by curvatures, and a factor, for each penalty
    work = m * (k * k * A.nnz * (A.nnz / max(n, p)) + float(order) ** 3)
    if order > _EXACT or work > _WORK:
        return None
    alphas = np.asarray(path.alphas)
    found = np.asarray(path.dof)[np.argsort(alphas, kind="stable")][(alphas <= 0).sum() :]
    if not np.isfinite(found).all():
        # a path that was copied or loaded does not hold its data
        return None
    # intercepts of classes have sum 0
    return found - fits.fit_intercept * max(k - 1, 1)


def loss_of_estimator(estimator: Any, sample: Sample) -> Loss:
    """Return the loss whose mean deviance the errors are."""
    if row_of_estimator(estimator).penalty != "glm":
        return SQUARED
    if sample.classes is None:
        return estimator._make_loss()
    if len(sample.classes) == 2:
        from ..losses import LOGISTIC

        return LOGISTIC
    return MULTINOMIAL


def _fits(
    alphas: Any,
    coef: Any,
    intercept: Any,
    loss: Loss,
    ratio: float,
    sample: Sample,
    kind: Any,
    shape: str,
    free: bool,
    fit_intercept: bool,
    standardize: bool,
    factor: Any,
) -> Fits:
    p = sample.A.n_columns
    factor = check_penalty_factor(factor, p)
    d = np.ones(p) if factor is None else factor
    d1 = d2 = d
    if standardize:
        variance = variances(sample.A, sample.weight)
        # constant columns are divided by 1
        variance = np.where(variance > 0, variance, 1.0)
        d1, d2 = d * np.sqrt(variance), d * variance
    order = np.argsort(alphas, kind="stable")
    order = order[np.asarray(alphas)[order] > 0]
    if not len(order):
        raise ValueError("all penalties are 0; expected at least one above 0.")
    l1, l2 = (0.0, 1.0 / sample.total) if kind == "ridge" else (2.0 * ratio, 1.0 - ratio)
    return Fits(
        np.asarray(alphas, dtype=np.float64)[order],
        np.asarray(coef, dtype=np.float64)[order],
        np.asarray(intercept, dtype=np.float64)[order],
        loss,
        l1,
        l2,
        d1,
        d2,
        str(kind),
        shape,
        free,
        fit_intercept,
        standardize,
    )
