"""Generalised linear models of data in parts, by Newton's method: a pass for each step.

About the weighted means of X, in units of their deviations where standardised, and with weights of
sum 1, the equations of the predictors' coefficients and intercepts are summed over the parts, and
solved here; beyond some thousand coefficients conjugate gradients solve them, with a pass for each
iteration (`glm_cg.py`). With an L1 part or bounds, each step minimises the quadratic model by
coordinate descent. A step that raises the objective is halved.
"""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..moments import moments_about_zero
from ..solvers.descent.elastic_net import elastic_net
from ..solvers.descent.grid import LEAST_L1_RATIO
from ..solvers.glm.options import Options
from ..systems import lapack
from .glm_cg import Gradients
from .glm_sums import Data, Equations, Known, equations_of, pair_of
from .squared import most_columns

Array = NDArray[np.float64]

_HALVINGS = 30
_EPS = float(np.finfo(np.float64).eps)
_MOVE = 0.5  # change of a predictor up to which Newton's decrement bounds the gap
_NULL_PASSES = 20
_NEAR, _FAR = 5.0, 30.0  # longest steps to the null model's intercept: from its mean, and others
_START_TOL = 1e-8  # of the fit of free features before a grid
# coefficients of dense and of sparse data beyond which a pass sums products, not a Gram matrix
_DIRECT_DENSE, _DIRECT = 4000, 2000
_STALL, _STALLED = 1e-12, 3  # gap over the objective of round-off, and steps that do not lower it
_INNER = 0.1  # accuracy of the model's minimum, as a share of the one asked for
_OVERFLOW = (
    "the loss or its derivatives overflow float64 where the fit starts; expected smaller numbers in"
    " X, offset, exposure or sample_weight."
)


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
    error: float  # mean deviance


class Null(NamedTuple):
    """The model without features, where fits begin."""

    coef: Array  # (k, p)
    intercept: Array  # (k,)
    state: Equations | None  # None: not kept
    objective: float  # that gaps are relative to


class GLM:
    """A generalised linear model of data in parts, for any penalty.

    Parameters
    ----------
    parts : Parts
    data : Data
    known : Known
        From the first pass over the same data.
    factor : ndarray (p,) or None
    box : tuple of ndarray (p,) or None
        Bounds of the coefficients.
    options : Options
    """

    def __init__(
        self, parts: Any, data: Data, known: Known, factor: Any, box: Any, options: Options
    ) -> None:
        self.parts, self.data, self.known, self.box = parts, data, known, box
        self.options = options
        k = self.k = 1 if data.loss is not None or data.classes is None else len(data.classes)
        p = self.p = len(known.mean)
        self.total, self.factor = known.total, np.ones(p) if factor is None else factor
        fit_intercept = self.fit_intercept = options.fit_intercept
        self.origin = known.mean if fit_intercept else np.zeros(p)
        self.unit = np.ones(p)
        if options.standardize:
            deviation = np.sqrt(known.squares / known.total)
            self.unit = np.where(deviation > 0, deviation, 1.0)
        self.constant = known.squares <= 0
        if not fit_intercept:
            self.constant = (known.low == 0) & (known.high == 0)
        self.reach = np.maximum(np.abs(known.low - self.origin), np.abs(known.high - self.origin))
        self.order = k * (p + 1)

    def penalty(self, alpha: float) -> Penalty:
        ratio, f, unit = self.options.l1_ratio, self.factor, self.unit
        return Penalty(alpha * ratio * f * unit, alpha * (1 - ratio) * f * unit**2, *self.box)

    def is_wide(self, penalty: Penalty) -> bool:
        """Return whether steps are solved by conjugate gradients, after a check of the solver."""
        solver = self.options.solver
        _check_solver(solver, penalty)
        if solver != "auto":
            return solver == "newton-cg"
        most = _DIRECT if self.known.is_sparse else _DIRECT_DENSE
        return bool(penalty.l2.all()) and penalty.is_smooth and self.k * self.p > most

    def at(self, coef: Array, intercept: Array, is_wide: bool) -> Equations:
        place = coef, intercept
        found: Equations = self.parts.sum(
            equations_of, self.data, place, self.origin, self.total, is_wide
        )
        if not np.isfinite(found.value):
            found.value = np.inf
        return found

    def null(self, is_wide: bool) -> Null:
        """Return the model without features."""
        known = self.known
        if not is_wide:
            self._require_memory()
        coef, intercept = (
            np.zeros((self.k, self.p)),
            first_intercept(self.data, known, self.fit_intercept),
        )
        state = self.at(coef, intercept, is_wide)
        if self._searches_null():
            low, high = -np.inf, np.inf
            far = _NEAR if self.data.loss is None or self.data.loss.null_is_mean else _FAR
            for _ in range(_NULL_PASSES):
                slope, curve = state.gradient[0, self.p], state.curve
                if abs(slope) <= 1e-8 * curve or not curve > 0:
                    break
                b = float(intercept[0])
                low, high = (b, high) if slope < 0 else (low, b)
                after = b - float(np.clip(slope / curve, -far, far))
                intercept = np.array([after if low < after < high else 0.5 * (low + high)])
                state = self.at(coef, intercept, is_wide)
        return Null(coef, intercept, state, self._relative_to(state.value))

    def _searches_null(self) -> bool:
        """Return whether the intercept of the null model has no closed form."""
        loss = self.data.loss
        is_mean = loss is None or loss.null_is_mean
        return self.fit_intercept and (self.known.has_offset or not is_mean)

    def fit(
        self, alpha: float, null: Null | None = None, start: tuple[Array, Array] | None = None
    ) -> Found:
        """Minimise mean loss plus penalty.

        null: of the same data and kind of step; start: coefficients and intercepts in units of X.
        """
        known, data = self.known, self.data
        origin, total, constant = self.origin, self.total, self.constant
        fit_intercept, tol = self.fit_intercept, self.options.tol
        penalty = self.penalty(alpha)
        is_wide = self.is_wide(penalty)
        if not is_wide:
            self._require_memory()
        steps: Any = Gradients(self.parts, data, origin, total) if is_wide else None
        begun = None
        if start is not None:
            start = self._inside(start[0]), self._about_origin(*start)
        if start is not None and null is None:
            null, begun = self._null_and(start, penalty, is_wide)
            start = None if begun is None else start
        elif null is None:
            null = self.null(is_wide)
        coef, intercept, state, least = null
        inside = self._inside(coef)
        if start is not None:
            coef, intercept = start
            state = begun or self.at(coef, intercept, is_wide)
        elif state is None or (inside != coef).any():
            coef = inside
            state = self.at(coef, intercept, is_wide)
        if not np.isfinite(state.gradient).all():
            raise ValueError(_OVERFLOW)
        objective = state.value + penalty.value(coef)
        free = not penalty.l1.any() and not penalty.l2.any()
        gap, converged, separated, n_iter = np.inf, False, False, 0
        stalled, best = 0, np.inf
        while True:
            if is_wide:
                d, e, gap = steps.step(
                    state, (coef, intercept), penalty.l2, constant, fit_intercept, tol**2 * least
                )
            else:
                d, e, gap = _step(state, coef, penalty, constant, fit_intercept, tol, least)
            moves = (np.abs(d) @ self.reach + np.abs(e)).max()
            if gap <= tol**2 * least and (moves <= _MOVE or gap <= 4 * _EPS * abs(objective)):
                converged = True
                break
            if free and state.value - known.least / total <= tol**2 * least:
                separated = True
                break
            # passes that only round-off changes
            stalled = 0 if gap < 0.5 * best or gap > _STALL * abs(objective) else stalled + 1
            best = min(best, gap)
            if n_iter >= self.options.max_iter or stalled > _STALLED:
                break
            n_iter += 1
            t, slack = 1.0, 8 * _EPS * abs(objective)
            for _ in range(_HALVINGS):
                moved = coef + t * d, intercept + t * e
                after = self.at(*moved, is_wide)
                value = after.value + penalty.value(moved[0])
                if value <= objective + slack:
                    break
                t *= 0.5
            else:
                break
            if is_wide:
                steps.note(t, objective - value)
            (coef, intercept), state, objective = moved, after, value
        back = intercept - coef @ origin if fit_intercept else np.zeros(self.k)
        error = 2.0 * max(state.value - known.least / total, 0.0)
        return Found(
            *(coef, back, objective, float(gap), least, n_iter, converged),
            "newton-cg" if is_wide else "newton",
            separated,
            error,
        )

    def _require_memory(self) -> None:
        """Refuse more columns than second derivatives have room for."""
        most = most_columns(None, self.k**2)
        if self.p > most:
            raise ValueError(
                f"X has {self.p} columns, but the memory allowed is that of the second derivatives"
                f" of {int(most)}; expected fewer columns, or an L2 penalty on every feature"
                " without bounds and solver='auto', with which steps are solved by conjugate"
                " gradients."
            )

    def _inside(self, coef: Array) -> Array:
        """Return coefficients within the bounds."""
        lower, upper = self.box
        lower, upper = -np.inf if lower is None else lower, np.inf if upper is None else upper
        return np.asarray(np.clip(coef, lower, upper))

    def _about_origin(self, coef: Array, intercept: Array) -> Array:
        return intercept + coef @ self.origin if self.fit_intercept else intercept

    def _null_and(
        self, start: tuple[Array, Array], penalty: Penalty, is_wide: bool
    ) -> tuple[Null, Equations | None]:
        """Return the null model and the state at a start, from one pass; None if that is worse."""
        known = self.known
        if self._searches_null():
            return self.null(is_wide), self.at(*start, is_wide)
        coef, intercept = (
            np.zeros((self.k, self.p)),
            first_intercept(self.data, known, self.fit_intercept),
        )
        places = (coef, intercept), start
        both = self.parts.sum(pair_of, self.data, places, self.origin, self.total, is_wide)
        null, begun = both.values
        value = begun.value + penalty.value(start[0])
        if not value <= null.value + penalty.value(self._inside(coef)):
            # a part that is unlike the others
            return self.null(is_wide), None
        return Null(coef, intercept, null, self._relative_to(null.value)), begun

    def _relative_to(self, value: float) -> float:
        """Return the null objective that gaps are relative to."""
        null = value - self.known.least / self.total
        return null if null > 4 * _EPS * abs(value) else 1.0

    def first_alpha(self) -> float:
        """Return the least alpha that leaves all penalised coefficients at their start."""
        free, p = self.factor == 0, self.p
        lower, upper = self.box
        lower = np.full(p, -np.inf) if lower is None else lower
        upper = np.full(p, np.inf) if upper is None else upper
        rest = np.clip(np.zeros(p), lower, upper)
        is_fitted = bool(free.any() or rest.any())
        null = self.null(not is_fitted)
        coef, intercept, state = null.coef, null.intercept, null.state
        assert state is not None
        if is_fitted:
            held = copy.copy(self)
            held.box = np.where(free, lower, rest), np.where(free, upper, rest)
            held.options = self.options._replace(l1_ratio=0.0, solver="auto", tol=_START_TOL)
            found = held.fit(0.0, null)
            intercept = found.intercept + found.coef @ self.origin
            coef = found.coef
            state = self.at(coef, intercept if self.fit_intercept else np.zeros(1), True)
        if free.all():
            return 0.0
        v = np.where(self.constant, 0.0, state.gradient[0, :p] / self.unit)
        down = np.where(rest > lower, v, -np.inf)
        up = np.where(rest < upper, -v, -np.inf)
        pull = np.maximum(up, down)[~free] / self.factor[~free]
        return max(float(pull.max()), 0.0) / (self.options.l1_ratio or LEAST_L1_RATIO)


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
    if not (np.isfinite(M).all() and np.isfinite(g).all()):
        raise ValueError(_OVERFLOW)
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
