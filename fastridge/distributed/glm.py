"""Generalised linear models of data in parts, by Newton's method: a pass for each step.

About the weighted means of X, in units of their deviations where standardised, and with weights of
sum 1, the equations of the predictors' coefficients and intercepts are summed over the parts, and
solved here; beyond some thousand coefficients conjugate gradients solve them, with a pass for each
iteration (`glm_cg.py`). With an L1 part or bounds, each step minimises the quadratic model by
coordinate descent. A step that raises the objective is halved.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _sklearn
from .._stack import outside
from ..data.parameters import check_penalty_factor
from ..data.parts import Parts
from ..losses import LOGISTIC, Loss
from ..moments import moments_about_zero
from ..solvers.descent.elastic_net import elastic_net
from ..solvers.ridge.options import bounds
from ..systems import lapack
from .glm_cg import Gradients
from .glm_sums import Data, Equations, Known, equations_of, known_of
from .squared import require_memory
from .sums import Weights, class_weights

Array = NDArray[np.float64]

_HALVINGS = 30
_EPS = float(np.finfo(np.float64).eps)
_MOVE = 0.5  # change of a predictor up to which Newton's decrement bounds the gap
_NULL_PASSES = 20
# coefficients of dense and of sparse data beyond which a pass sums products, not a Gram matrix
_DIRECT_DENSE, _DIRECT = 4000, 2000
_INNER = 0.1  # accuracy of the model's minimum, as a share of the one asked for


class Penalty(NamedTuple):
    """The penalty in the units of X: sum_j (l1_j |w_j| + l2_j w_j^2 / 2), within bounds.

    Attributes
    ----------
    l1, l2 : ndarray (p,)
    lower, upper : ndarray (p,) or None
    """

    l1: Array
    l2: Array
    lower: Array | None
    upper: Array | None

    def value(self, coef: Array) -> float:
        return float((self.l1 * np.abs(coef)).sum() + 0.5 * (self.l2 * coef**2).sum())

    @property
    def is_smooth(self) -> bool:
        return not self.l1.any() and self.lower is None and self.upper is None


class Found(NamedTuple):
    """What a fit found, in the units of X."""

    coef: Array  # (k, p)
    intercept: Array  # (k,)
    objective: float
    gap: float
    null: float  # null objective that gaps are relative to
    n_iter: int
    converged: bool
    solver: str
    separated: bool  # whether rows are fitted exactly as coefficients grow for ever
    known: Known


def fit_glm(
    parts: Parts,
    data: Data,
    known: Known,
    alpha: float,
    l1_ratio: float,
    factor: Any,
    box: tuple[Any, Any],
    fit_intercept: bool,
    standardize: bool,
    tol: float,
    max_iter: int,
    start: tuple[Array, Array] | None,
    solver: str,
) -> Found:
    """Minimise mean loss plus penalty; known: from the first pass over the same data."""
    k = 1 if data.loss is not None or data.classes is None else len(data.classes)
    p = len(known.mean)
    origin = known.mean if fit_intercept else np.zeros(p)
    f = np.ones(p) if factor is None else factor
    unit = np.ones(p)
    if standardize:
        deviation = np.sqrt(known.squares / known.total)
        unit = np.where(deviation > 0, deviation, 1.0)
    penalty = Penalty(alpha * l1_ratio * f * unit, alpha * (1 - l1_ratio) * f * unit**2, *box)
    constant = known.squares <= 0 if fit_intercept else (known.low == 0) & (known.high == 0)
    reach = np.maximum(np.abs(known.low - origin), np.abs(known.high - origin))
    total = known.total

    penalised = bool(penalty.l2.all()) and penalty.is_smooth
    _check_solver(solver, penalty)
    is_wide = penalised and k * p > (_DIRECT if known.is_sparse else _DIRECT_DENSE)
    if solver != "auto":
        is_wide = solver == "newton-cg"
    if not is_wide:
        require_memory(parts, None, k * k)
    steps: Any = Gradients(parts, data, origin, total) if is_wide else None

    def at(coef: Array, intercept: Array) -> Equations:
        place = coef, intercept
        found: Equations = parts.sum(equations_of, data, place, origin, total, is_wide)
        if not np.isfinite(found.value):
            found.value = np.inf
        return found

    coef, intercept = np.zeros((k, p)), first_intercept(data, known, fit_intercept)
    state = at(coef, intercept)
    if known.has_offset and fit_intercept:
        for _ in range(_NULL_PASSES):
            slope, curve = state.gradient[0, p], state.curve
            if abs(slope) <= 1e-8 * curve or not curve > 0:
                break
            intercept = intercept - np.clip(slope / curve, -5.0, 5.0)
            state = at(coef, intercept)
    null = state.value - known.least / total
    if not null > 4 * _EPS * abs(state.value):
        null = 1.0
    if start is not None:
        coef = start[0]
        intercept = start[1] + coef @ origin if fit_intercept else start[1]
        state = at(coef, intercept)
    inside = np.clip(
        coef,
        -np.inf if penalty.lower is None else penalty.lower,
        np.inf if penalty.upper is None else penalty.upper,
    )
    if (inside != coef).any():
        coef = inside
        state = at(coef, intercept)
    objective = state.value + penalty.value(coef)
    free = not penalty.l1.any() and not penalty.l2.any()
    gap, converged, separated, n_iter = np.inf, False, False, 0
    while True:
        if is_wide:
            d, e, gap = steps.step(
                state, (coef, intercept), penalty.l2, constant, fit_intercept, tol**2 * null
            )
        else:
            d, e, gap = _step(state, coef, penalty, constant, fit_intercept, tol, null)
        moves = (np.abs(d) @ reach + np.abs(e)).max()
        if gap <= tol**2 * null and (moves <= _MOVE or gap <= 4 * _EPS * abs(objective)):
            converged = True
            break
        if free and state.value - known.least / total <= tol**2 * null:
            separated = True
            break
        if n_iter >= max_iter:
            break
        n_iter += 1
        t, slack = 1.0, 8 * _EPS * abs(objective)
        for _ in range(_HALVINGS):
            moved = coef + t * d, intercept + t * e
            after = at(*moved)
            value = after.value + penalty.value(moved[0])
            if value <= objective + slack:
                break
            t *= 0.5
        else:
            break
        if is_wide:
            steps.note(t, objective - value)
        (coef, intercept), state, objective = moved, after, value
    solver = "newton-cg" if is_wide else "newton"
    back = intercept - coef @ origin if fit_intercept else np.zeros(k)
    return Found(
        coef, back, objective, float(gap), null, n_iter, converged, solver, separated, known
    )


def _check_solver(solver: str, penalty: Penalty) -> None:
    """Refuse a solver that does not run on parts, or not with the penalty."""
    if not penalty.is_smooth:
        allowed, what = ["auto", "prox-newton"], "with an L1 penalty or bounds"
    elif not penalty.l2.all():
        allowed, what = ["auto", "newton"], "with features without a penalty"
    else:
        allowed, what = ["auto", "newton", "newton-cg"], "with an L2 penalty"
    if solver not in allowed:
        raise ValueError(
            f"solver is {solver!r}; for data in parts {what}, expected one of {allowed}."
        )


def first_intercept(data: Data, known: Known, fit_intercept: bool) -> Array:
    """Return the intercepts of the null model, but for an offset."""
    if data.loss is None:
        assert data.classes is not None
        if not fit_intercept:
            return np.zeros(len(data.classes))
        assert known.labels is not None
        b = np.log(known.labels.weight / known.total)
        return np.asarray(b - b.mean())
    if not fit_intercept:
        return np.zeros(1)
    return np.array([float(data.loss.link(np.array(known.y_sum / known.total)))])


def _step(
    state: Equations,
    coef: Array,
    penalty: Penalty,
    constant: NDArray[np.bool_],
    fit_intercept: bool,
    tol: float,
    null: float,
) -> tuple[Array, Array, float]:
    """Return Newton's step of coefficients and intercepts, and its decrement."""
    k, p = coef.shape
    assert state.hessian is not None
    g, H = state.gradient.copy(), state.hessian.copy()
    g[:, :p][:, constant] = 0.0
    H[:, :p][:, constant] = 0.0
    H[..., :p][..., constant] = 0.0
    if not fit_intercept:
        g[:, p] = 0.0
        H[:, p] = 0.0
        H[..., p] = 0.0
    if not penalty.is_smooth:
        return _model_step(g[0], H[0, :, 0], coef[0], penalty, fit_intercept, tol, null)
    g[:, :p] += penalty.l2 * coef
    H = H.reshape(k * (p + 1), k * (p + 1))
    H.flat[:: len(H) + 1] += np.tile(np.append(penalty.l2, 0.0), k)
    if k > 1:
        # the same constant on all classes changes nothing: it stays 0
        same = np.kron(np.ones((k, k)), np.diag(np.diagonal(H).reshape(k, -1).mean(axis=0)))
        H = H + same / k
    move = -_solve(H, g.reshape(-1)).reshape(k, p + 1)
    decrement = max(-float(np.vdot(g, move)), 0.0)
    return move[:, :p], move[:, p], decrement


def _solve(H: Array, g: Array) -> Array:
    """Solve a positive semi-definite system, in units of its diagonal."""
    size = np.sqrt(np.diagonal(H))
    inverse = np.divide(1.0, size, out=np.zeros_like(size), where=size > 0)
    M = H * inverse[:, None] * inverse
    M.flat[:: len(M) + 1] = np.where(size > 0, np.diagonal(M), 1.0)
    try:
        factor = lapack.factor(np.array(M, order="F"))
        found = lapack.solve_factored(factor, inverse * g)
        if np.isfinite(found).all():
            return np.asarray(inverse * found)
    except np.linalg.LinAlgError:
        pass
    values, vectors = lapack.eigh(M)
    kept = values > 64 * len(values) * _EPS * values.max()
    rotated = vectors[:, kept].T @ (inverse * g)
    return np.asarray(inverse * (vectors[:, kept] @ (rotated / values[kept])))


def _model_step(
    g: Array, H: Array, w: Array, penalty: Penalty, fit_intercept: bool, tol: float, null: float
) -> tuple[Array, Array, float]:
    """Minimise the quadratic model with an L1 part or bounds by coordinate descent."""
    p = len(w)
    # columns in units of their curvature, so that none is lost beside others
    size = np.sqrt(np.diagonal(H)[:p] + penalty.l2)
    size = np.where(size > 0, size, 1.0)
    inverse = np.append(1.0 / size, 1.0)
    g, H, w = g * inverse, H * inverse[:, None] * inverse, w * size
    low, high = (None if b is None else b * size for b in (penalty.lower, penalty.upper))
    penalty = Penalty(penalty.l1 / size, penalty.l2 / size**2, low, high)
    slope, border, curve = g[p], H[:p, p], H[p, p]
    G, c = H[:p, :p], g[:p]
    if fit_intercept and curve > 0:
        G = G - np.outer(border, border) / curve
        c = c - border * (slope / curve)
    G = 0.5 * (G + G.T)
    right = G @ w - c
    strength = float(max((penalty.l1 + penalty.l2).max(initial=0.0), 1e-300))
    # an elastic net of one penalty factor takes L1 and L2 parts of one ratio: the L2 part is added
    M = G.copy()
    M.flat[:: p + 1] += penalty.l2
    root, basis = lapack.eigh(M)
    held = root > 64 * p * _EPS * root.max(initial=0.0)
    solved = basis[:, held].T @ right
    yy = float((solved**2 / root[held]).sum()) or 1.0
    sums = moments_about_zero(M, right[:, None], np.array([yy]), p + 2, 1.0)
    found = elastic_net(
        sums,
        alpha=strength,
        l1_ratio=1.0,
        penalty_factor=penalty.l1 / strength,
        lower=penalty.lower,
        upper=penalty.upper,
        tol=min(max(_INNER * tol**2 * null / (0.5 * yy), 1e-14), 1e-4),
        max_iter=100_000,
    )
    d = found.coef - w
    e = -(slope + border @ d) / curve if fit_intercept and curve > 0 else 0.0
    # decrease of the model, twice: what the smooth step's decrement is
    gain = c @ d + 0.5 * d @ (G @ d)
    gain += penalty.value(found.coef) - penalty.value(w)
    if fit_intercept and curve > 0:
        gain -= 0.5 * slope**2 / curve
    # the model's minimum is within the inner gap of what was found
    gap = 2.0 * max(float(found.dual_gap) - float(gain), 0.0)
    return (d / size)[None, :], np.array([e]), gap


def fit_regressor(estimator: Any, parts: Parts) -> None:
    """Fit an estimator of one predictor with numbers as targets."""
    if isinstance(estimator.alpha, str):
        estimator._refuse("alpha", "a number for data in parts")
    loss: Loss = estimator._make_loss()
    data = Data(loss)
    parts.keep()
    known: Known = parts.sum(known_of, data, False)
    _require_weight(known)
    if loss.has_log_link and not known.y_sum > 0:
        raise ValueError(
            "y is 0 for every sample of positive weight, so that no finite intercept is optimal;"
            " expected at least one positive value."
        )
    start = estimator._start(len(known.mean))
    if start is not None:
        start = np.asarray(start[0])[None, :], np.array([start[1]])
    found = _run(
        estimator, parts, data, known, float(estimator.alpha), float(estimator.l1_ratio), start
    )
    dtype = np.float32 if known.is_float32 else np.float64
    estimator.coef_ = found.coef[0].astype(dtype)
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
    _require_weight(known)
    labels = known.labels
    assert labels is not None
    classes, weight = labels.labels, labels.weight
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
    two = len(classes) == 2
    if known.has_offset and not two:
        raise ValueError(
            f"offset is given for data in parts with {len(classes)} classes; expected None, or two"
            " classes."
        )
    data = Data(LOGISTIC if two else None, classes, by_class)
    if by_class is not None:
        # the means of weighted rows are others
        offset = known.has_offset
        known = parts.sum(known_of, data, False)
        known.has_offset = offset
    known.labels = Weights(classes, weight)
    known.y_sum, known.least = float(weight[1]), 0.0
    alpha = 0.0 if np.isinf(float(C)) else 1.0 / (float(C) * known.total)
    k, p = 1 if two else len(classes), len(known.mean)
    start = estimator._start((k, p))
    found = _run(estimator, parts, data, known, alpha, float(ratio), start)
    dtype = np.float32 if known.is_float32 else np.float64
    estimator.coef_ = found.coef.astype(dtype)
    estimator.intercept_ = found.intercept.astype(dtype)
    estimator.n_iter_ = np.array([found.n_iter], np.int32)
    estimator.C_ = float(C)
    estimator.classes_ = classes


def _require_weight(known: Known) -> None:
    if not known.total > 0:
        raise ValueError(
            "sample_weight is zero for every sample; expected at least one positive weight."
        )


def _run(
    estimator: Any,
    parts: Parts,
    data: Data,
    known: Known,
    alpha: float,
    l1_ratio: float,
    start: Any,
) -> Found:
    """Fit with the estimator's parameters, and set its certificate."""
    p = len(known.mean)
    factor = check_penalty_factor(estimator.penalty_factor, p)
    box = bounds(estimator.lower, estimator.upper, estimator.positive, p)
    bounded = any(b is not None for b in box)
    if data.loss is None and (l1_ratio > 0 or bounded):
        raise ValueError(
            "l1_ratio and bounds are not supported for data in parts with several classes;"
            " expected l1_ratio=0 and no bounds."
        )
    found = fit_glm(
        parts,
        data,
        known,
        alpha,
        l1_ratio,
        factor,
        box,
        bool(estimator.fit_intercept),
        bool(estimator.standardize),
        float(estimator.tol),
        int(estimator.max_iter),
        start,
        estimator._solvers[estimator.solver],
    )
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
