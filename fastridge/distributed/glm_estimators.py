"""Estimators of generalised linear models fitted to data in parts."""

from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._progress import reporter
from .._stack import outside
from ..data.parameters import check_penalty_factor, is_sample
from ..data.parts import Part, Parts
from ..data.rounding import as_dtype
from ..losses import LOGISTIC, MULTINOMIAL, Loss
from ..model_selection._search import Scoring
from ..solvers.descent.grid import end_of_grid
from ..solvers.descent.options import check_alphas
from ..solvers.ridge.options import bounds
from .folds import FOLDS, class_folds, make_folds
from .glm import GLM, Found
from .glm_cv import Folds, GLMPartsSearch
from .glm_sums import Data, Known, known_of
from .sums import LabelCounts, class_weights, label_counts_of, require_weight, weights_of

_LARGEST = 1e300  # bound on alpha, for a tiny C
_SAMPLE_TOL, _SAMPLE_STEPS = 1e-3, 20  # of the fit to a sample
_ALL_ZERO = (
    "y is 0 for every sample of positive weight, so that no finite intercept is optimal; expected"
    " at least one positive value."
)


def fit_regressor(estimator: Any, parts: Parts) -> None:
    """Fit an estimator of one predictor with numbers as targets."""
    if isinstance(estimator.alpha, str):
        estimator._refuse("alpha", "a number for data in parts")
    loss: Loss = estimator._make_loss()
    data = Data(loss)
    parts.keep()
    known: Known = parts.sum(known_of, data, False)
    require_weight(known.total)
    if loss.has_log_link and not known.y_sum > 0:
        raise ValueError(_ALL_ZERO)
    start = None
    if is_sample(estimator.warm_start):
        start = _sample(estimator, parts, data, float(estimator.alpha), float(estimator.l1_ratio))
    else:
        start = estimator._start(len(known.mean))
        if start is not None:
            start = np.asarray(start[0])[None, :], np.array([start[1]])
    found = _run(
        estimator, parts, data, known, float(estimator.alpha), float(estimator.l1_ratio), start
    )
    dtype = np.float32 if known.is_float32 else np.float64
    estimator.coef_ = as_dtype(found.coef[0], dtype, "coef")
    estimator.intercept_ = dtype(found.intercept[0]) if estimator.fit_intercept else 0.0
    estimator.n_iter_ = found.n_iter
    estimator.alpha_ = float(estimator.alpha)
    estimator._set_loss(loss)


def fit_classifier(estimator: Any, parts: Parts) -> None:
    """Fit a logistic regression of two or more classes."""
    C, ratio = estimator.C, estimator.l1_ratio
    if estimator.penalty != "deprecated" or ratio is None or estimator.n_jobs is not None:
        C, ratio = estimator._deprecated()
    if isinstance(C, str):
        estimator._refuse("C", "a number for data in parts")
    parts.keep()
    known: Known = parts.sum(known_of, Data(None), True)
    require_weight(known.total)
    labels = known.labels
    assert labels is not None
    classes, weight = labels.labels, labels.weight
    by_class, weight = _weights(estimator, classes, weight)
    two = len(classes) == 2
    _refuse_offset(known, classes)
    data = Data(LOGISTIC if two else None, classes, by_class)
    if by_class is not None:
        # the means of weighted rows are others
        offset = known.has_offset
        known = parts.sum(known_of, data, False)
        known.has_offset = offset
    known.set_classes(classes, weight)
    alpha = 0.0 if np.isinf(float(C)) else 1.0 / (float(C) * known.total)
    k, p = 1 if two else len(classes), len(known.mean)
    if is_sample(estimator.warm_start):
        start = _sample(estimator, parts, data, alpha, float(ratio))
    else:
        start = estimator._start((k, p))
    found = _run(estimator, parts, data, known, alpha, float(ratio), start)
    dtype = np.float32 if known.is_float32 else np.float64
    estimator.coef_ = as_dtype(found.coef, dtype, "coef")
    estimator.intercept_ = as_dtype(found.intercept, dtype, "intercept")
    estimator.n_iter_ = np.array([found.n_iter], np.int32)
    estimator.C_ = float(C)
    estimator.classes_ = classes


class _One:
    """A part as the whole data set."""

    names = None

    def __init__(self, part: Part) -> None:
        self.part, self.width = part, None

    def sum(self, task: Any, *args: Any) -> Any:
        return task(self.part, *args)


def _sample(estimator: Any, parts: Parts, data: Data, alpha: float, ratio: float) -> Any:
    """Return coefficients and intercepts of a fit to the first part with rows, or None."""
    options = estimator._options(ratio)._replace(tol=_SAMPLE_TOL, max_iter=_SAMPLE_STEPS)
    return parts.first(_fit_of, data, alpha, estimator, options)


def _fit_of(part: Part, data: Data, alpha: float, estimator: Any, options: Any) -> Any:
    known = known_of(part, data, False)
    if known is None or not known.total > 0:
        return None
    if data.classes is not None:
        found = weights_of(part, "y", True)
        assert found is not None
        weight = found.of(data.classes, data.class_weight)
        if not weight.all():
            return None
        known.set_classes(data.classes, weight)
    elif data.loss is not None and data.loss.has_log_link and not known.y_sum > 0:
        return None
    factor, box = _constraints(estimator, data, len(known.mean), options.l1_ratio)
    fit = GLM(_One(part), data, known, factor, box, options).fit(alpha)
    return fit.coef, fit.intercept


def _weights(estimator: Any, classes: Any, weight: Any) -> tuple[Any, Any]:
    """Return the factors of the classes, or None, and their total weights; check these."""
    if len(classes) < 2:
        raise ValueError(
            f"y has samples of one class only: {classes.tolist()[0]!r}; expected at least 2"
            " classes in the data."
        )
    by_class = None
    if estimator.class_weight is not None:
        by_class = class_weights(classes, weight, estimator.class_weight)
        weight = weight * by_class
    if (weight > 0).sum() < 2 or (len(classes) > 2 and not weight.all()):
        raise ValueError(
            f"y has the class {classes[weight.argmin()].item()!r} of total weight 0; expected"
            " positive weights in every class."
        )
    return by_class, weight


def _constraints(estimator: Any, data: Data, p: int, l1_ratio: float) -> tuple[Any, Any]:
    """Return penalty factors and bounds."""
    factor = check_penalty_factor(estimator.penalty_factor, p)
    box = bounds(estimator.lower, estimator.upper, estimator.positive, p)
    if data.loss is None and (l1_ratio > 0 or any(b is not None for b in box)):
        raise ValueError(
            "l1_ratio and bounds are not supported for data in parts with several classes;"
            " expected l1_ratio=0 and no bounds."
        )
    return factor, box


def _refuse_offset(known: Known, classes: Any) -> None:
    if known.has_offset and len(classes) > 2:
        raise ValueError(
            f"offset is given for data in parts with {len(classes)} classes; expected None, or two"
            " classes."
        )


def _run(
    estimator: Any,
    parts: Parts,
    data: Data,
    known: Known,
    alpha: float,
    l1_ratio: float,
    start: Any,
    search: GLMPartsSearch | None = None,
) -> Found:
    """Fit with the estimator's parameters, and set its certificate.

    search: that has fitted the model without features.
    """
    p = len(known.mean)
    factor, box = _constraints(estimator, data, p, l1_ratio)
    bounded = any(b is not None for b in box)
    options = estimator._options(l1_ratio)
    model = GLM(parts, data, known, factor, box, options)
    found = model.fit(alpha, None if search is None else search.null_of(model, alpha), start)
    estimator.solver_ = "prox-newton" if l1_ratio > 0 or bounded else found.solver
    estimator.objective_ = np.float64(found.objective)
    estimator.dual_gap_ = np.float64(found.gap)
    estimator.relative_gap_ = np.float64(found.gap / found.null)
    if estimator.verbose:
        print(
            f"{estimator.solver_}: {found.n_iter} iterations, objective {found.objective:.6g},"
            f" relative gap {found.gap / found.null:.3g}"
        )
    if found.separated:
        said = (
            "features without a penalty separate the classes, so that no finite coefficients are"
            " optimal; try a penalty on every feature"
        )
    else:
        said = (
            f"Newton's method stopped after {found.n_iter} steps with a relative gap of"
            f" {found.gap / found.null:.2g}; try a larger max_iter or tol, a penalty on every"
            " feature, or features of similar scales (standardize=True)"
        )
    if not found.converged:
        warnings.warn(said + ".", _sklearn.exception("ConvergenceWarning"), stacklevel=outside())
    estimator._set_features(p, parts.names)
    return found


def fit_regressor_cv(estimator: Any, parts: Parts) -> None:
    """Fit a model with numbers as targets that chooses its penalty by folds."""
    loss: Loss = estimator._make_loss()
    _refuse_rows(estimator, loss)
    given = None
    if not isinstance(estimator.alphas, Integral):
        given = check_alphas(estimator.alphas)
    ratios = np.atleast_1d(np.asarray(estimator.l1_ratio, dtype=np.float64))
    parts.keep()
    folds = make_folds(parts, FOLDS if estimator.cv is None else estimator.cv)
    data = Data(loss, may_have_groups=True)
    options = [estimator._options(float(ratio)) for ratio in ratios]
    scoring = Scoring(loss, estimator.scoring, loss.error_score, False, None, None, None)
    search = _search(estimator, parts, data, folds, options, scoring)
    if loss.has_log_link and not search.known.y_sum > 0:
        raise ValueError(_ALL_ZERO)
    if given is None:
        m, eps = int(estimator.alphas), estimator.eps
        grids = np.array([search.grid(o, end_of_grid(eps, o.l1_ratio), m) for o in options])
    else:
        grids = np.tile(given, (len(options), 1))
    search.run_parts(grids, None)
    i = estimator._decide(search, given is None)
    alpha, ratio = float(estimator.alpha_), float(estimator.l1_ratio_)
    start = search.mean_fit(i)
    found = _run(estimator, parts, data, search.known, alpha, ratio, start, search)
    dtype = np.float32 if search.known.is_float32 else np.float64
    estimator.coef_ = as_dtype(found.coef[0], dtype, "coef")
    fit_intercept = bool(estimator.fit_intercept)
    estimator.intercept_ = dtype(found.intercept[0]) if fit_intercept else 0.0
    estimator.n_iter_ = found.n_iter
    estimator.diagnosis_ = search.diagnose(estimator.cv_results_, i, estimator.coef_, fit_intercept)


def fit_classifier_cv(estimator: Any, parts: Parts) -> None:
    """Fit a logistic regression that chooses its penalty by folds."""
    given_ratios, ratios, named, legacy = estimator._values()
    Cs = estimator._grid()
    # several classes have the same scores
    _refuse_rows(estimator, LOGISTIC, "accuracy")
    parts.keep()
    counts: LabelCounts = parts.sum(label_counts_of)
    if counts.weights is None:
        raise ValueError("X has no rows in any part; expected at least one.")
    classes = counts.weights.labels
    by_class, weight = _weights(estimator, classes, counts.weights.weight)
    loss = LOGISTIC if len(classes) == 2 else MULTINOMIAL
    folds = class_folds(parts, FOLDS if estimator.cv is None else estimator.cv, counts)
    data = Data(LOGISTIC if len(classes) == 2 else None, classes, by_class, may_have_groups=True)
    model = estimator._model()
    options = [model._options(float(ratio)) for ratio in ratios]
    scoring = Scoring(loss, named, "accuracy", False, None, None, np.arange(0))
    search = _search(estimator, parts, data, folds, options, scoring)
    known = search.known
    _refuse_offset(known, classes)
    known.set_classes(classes, weight)

    def penalties(total: float) -> NDArray[np.float64]:
        return np.minimum(1.0 / (Cs * total), _LARGEST)

    search.run_parts(np.tile(penalties(known.total), (len(ratios), 1)), penalties)
    estimator.classes_ = classes

    def refit(model: Any, alpha: float, ratio: float) -> None:
        start = model.coef_, model.intercept_
        found = _run(model, parts, data, known, alpha, ratio, start, search)
        dtype = np.float32 if known.is_float32 else np.float64
        model.coef_ = as_dtype(found.coef, dtype, "coef")
        model.intercept_ = as_dtype(found.intercept, dtype, "intercept")

    estimator._decide(search, model, refit, Cs, ratios)
    estimator._set_folds(search, Cs, given_ratios, ratios, legacy)
    estimator._set_features(len(known.mean), parts.names)


def _refuse_rows(estimator: Any, loss: Loss, *more: str) -> None:
    """Refuse what needs the rows together."""
    scoring, known = estimator.scoring, [*more, *sorted(loss.scores)]
    if isinstance(scoring, str) and scoring in ("warn", *known):
        scoring = None
    if scoring is not None:
        raise ValueError(
            f"scoring is {scoring!r}; for data in parts, expected None or one of {known}."
        )
    if estimator.validation is not None:
        raise ValueError(
            "validation is not supported for data in parts; expected None. Use cv instead."
        )
    if isinstance(estimator.cv, str):
        raise ValueError(
            f"cv is {estimator.cv!r}; for data in parts, expected a number of folds or a splitter."
        )


def _search(
    estimator: Any, parts: Parts, data: Data, folds: Any, options: Any, scoring: Any
) -> GLMPartsSearch:
    report = reporter(estimator.callback, estimator.verbose, "folds")
    search = GLMPartsSearch(parts, data, Folds(*folds), options, scoring, report)
    p = len(search.known.mean)
    for one in options:
        search.constraints = _constraints(estimator, data, p, one.l1_ratio)
    return search
