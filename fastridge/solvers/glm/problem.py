"""A generalised linear model in solver units: weights sum to 1, columns are centred.

With s the weights over their sum, A the operator over X (columns centred by their weighted means,
and scaled by their deviations where standardised), u the coefficients in its units, b the intercept
of the centred model and o the offset, the solvers minimise

    F(u, b) = sum_i s_i l(y_i, eta_i) + sum_j (l1_j |u_j| + l2_j u_j^2 / 2),   eta = o + b + A u,

for l1 = alpha * l1_ratio * f and l2 = alpha * (1 - l1_ratio) * f, over lower <= u <= upper.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ..._threads import check_stop
from ...data.parameters import check_strengths
from ...losses import Logistic, Loss
from ...quadratic.range import unit_sum
from ...quadratic.rows import CentredRows

if TYPE_CHECKING:
    from .newton_reduced import ReducedHessian

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_PIECE = 1 << 14  # number of samples that fit into the cache
_NEAR = 1e-8  # distance of a mean from 1 below which it is summed by itself
_MOST_SEARCH = 200  # largest number of steps of the search for an intercept
_FAR = 30.0  # first width of the search for an intercept where Newton's method fails


class State:
    """Coefficients, and the loss there with its derivatives.

    Attributes
    ----------
    u : ndarray (p,)
    b : float
    eta : ndarray (n,)
    loss, penalty : float
        Parts of the objective.
    r, h : ndarray (n,)
        Weighted first and second derivatives of the loss by eta.
    """

    __slots__ = ("b", "eta", "h", "loss", "penalty", "r", "u")

    def __init__(
        self, u: Array, b: float, eta: Array, loss: float, penalty: float, r: Array, h: Array
    ) -> None:
        self.u, self.b, self.eta = u, b, eta
        self.loss, self.penalty, self.r, self.h = loss, penalty, r, h

    @property
    def objective(self) -> float:
        return self.loss + self.penalty


class GLMProblem:
    """The objective of a fit; see above.

    Parameters
    ----------
    X : Matrix (n, p), not centred
    y : ndarray (n,)
    loss : Loss
    weight : ndarray (n,) or None
        Weights as given; None: ones.
    factor : ndarray (p,) or None
        Factors f of the penalty; None: ones.
    lower, upper : ndarray (p,) or None
        Bounds of the coefficients in the units of X.
    fit_intercept, standardize : bool
    offset : ndarray (n,) or None

    Attributes
    ----------
    rows : CentredRows
    A : Matrix
        Their operator.
    weight : ndarray (n,)
        Weights that sum to 1.
    weightless : ndarray of intp, or None
        Rows of weight 0; None where there are none.
    total : float
        Sum of the given weights.
    l1, l2 : ndarray (p,)
        Set by `penalise`.
    lower, upper : ndarray (p,) or None
        In units of u.
    """

    def __init__(
        self,
        X: Matrix,
        y: Array,
        loss: Loss,
        weight: Array | None,
        factor: Array | None,
        lower: Array | None,
        upper: Array | None,
        fit_intercept: bool,
        standardize: bool,
        offset: Array | None = None,
    ) -> None:
        self.n, self.p = X.shape
        self.loss, self.y, self.offset = loss, y, offset
        self.total = float(self.n) if weight is None else float(weight.sum())
        share = None if weight is None else unit_sum(weight)
        options = {"standardize": standardize, "mean_of_rows": True}
        self.rows = CentredRows(X, share, fit_intercept, **options)
        self.A, self.fit_intercept, self.standardize = self.rows.A, fit_intercept, standardize
        self.weight = np.full(self.n, 1.0 / self.n) if share is None else share
        if share is not None and y not in loss.targets:
            # rows of weight 0 may have any y
            self.y = np.where(share > 0, y, y[share.argmax()])
        self.weightless = rows_without_weight(share)
        self.factor = np.ones(self.p) if factor is None else factor
        unit = self.rows.unit
        self._bounds = lower, upper
        self.lower = lower if lower is None or unit is None else lower * unit
        self.upper = upper if upper is None or unit is None else upper * unit
        self.l1 = self.l2 = np.zeros(self.p)
        self.alpha = self.l1_ratio = 0.0
        self.rate = 0.0  # rate of quadratic convergence; see `newton`
        # Hessian shared by solutions for several penalties; False: it would be too large
        self.reduced: ReducedHessian | Literal[False] | None = None
        self._by_rows: Matrix | None = None
        self._null: State | None = None
        self._null_intercept: float | None = None
        self._null_loss: float | None = None
        self._least: float | None = None

    @property
    def by_rows(self) -> Matrix | None:
        """Columns of A without its shift and scale, stored by rows; None for dense data."""
        if self._by_rows is None and self.A.is_sparse:
            near = self.rows.near
            self._by_rows = near.transposed_storage() if near.kind == "csc" else near
        return self._by_rows

    def penalise(self, alpha: float, l1_ratio: float) -> None:
        """Set the penalty."""
        check_strengths(alpha, self.factor)
        self.alpha, self.l1_ratio = alpha, l1_ratio
        self.l1 = (alpha * l1_ratio) * self.factor
        self.l2 = (alpha * (1.0 - l1_ratio)) * self.factor

    @property
    def has_l1(self) -> bool:
        return bool(self.l1.any())

    @property
    def has_bounds(self) -> bool:
        return self.lower is not None or self.upper is not None

    def penalty(self, u: Array) -> float:
        value = 0.5 * float(np.einsum("j,j,j->", self.l2, u, u))
        return value + float(self.l1 @ np.abs(u)) if self.has_l1 else value

    def predict(self, u: Array, b: float) -> Array:
        """Return eta (n,)."""
        eta = self.dot(u) if u.any() else np.zeros(self.n)
        eta += b
        if self.offset is not None:
            eta += self.offset
        return eta

    def dot(self, u: Array) -> Array:
        """Return A u; rows of weight 0 that overflow are 0."""
        return clear_overflow(self.A.dot(u), self.weightless)

    def at(self, u: Array, b: float, eta: Array | None = None) -> State:
        """Return the state at coefficients; eta: their predictors, if known."""
        check_stop()
        eta = self.predict(u, b) if eta is None else clear_overflow(eta, self.weightless)
        r, h = np.empty(self.n), np.empty(self.n)
        loss = self.loss.evaluate(self.y, eta, self.weight, r, h)
        return State(u, b, eta, loss, self.penalty(u), r, h)

    def is_near(self, eta: Array, move: Any) -> bool:
        """Return whether curvatures change little where predictors of live rows move by `move`."""
        if self.weight.all():
            return self.loss.is_near(self.y, eta, np.asarray(move))
        live = self.weight > 0
        some = move[live] if np.ndim(move) else np.asarray(move)
        return self.loss.is_near(self.y[live], eta[live], some)

    def gradient(self, state: State) -> Array:
        """Return the gradient A'r + l2 u of the smooth part by u (p,)."""
        check_stop()
        g = self.A.tdot(state.r)
        g += self.l2 * state.u
        return g

    @property
    def null(self) -> State:
        """The state without features."""
        if self._null is None:
            self._null = self.at(np.zeros(self.p), self.null_intercept)
            self._null_loss = self._null.loss
        return self._null

    @property
    def null_intercept(self) -> float:
        """The intercept of the null model."""
        if self._null_intercept is None:
            b = self._first_intercept()
            # with an offset, this b is the start of the search
            if self.fit_intercept and not (self.loss.null_is_mean and self.offset is None):
                b = self.settle(self.at(np.zeros(self.p), b)).b
            self._null_intercept = b
        return self._null_intercept

    @property
    def null_loss(self) -> float:
        if self._null_loss is None:
            eta = self.predict(np.zeros(self.p), self.null_intercept)
            self._null_loss = self.loss.evaluate(self.y, eta, self.weight)
        return self._null_loss

    @property
    def least(self) -> float:
        """Least value of the loss over all predictors."""
        if self._least is None and self.loss.has_log_link and self.loss.is_convex:
            # by the compiled conjugate at 0
            value = self.loss.evaluate_conjugate(self.y, np.zeros(self.n), self.weight)
            self._least = -value if np.isfinite(value) else None
        if self._least is None:
            total = 0.0
            for i in range(0, self.n, _PIECE):
                y, weight = self.y[i : i + _PIECE], self.weight[i : i + _PIECE]
                values = self.loss.least(y)
                if not weight.all():
                    values = np.where(weight > 0, values, 0.0)
                total += float(weight @ values)
            self._least = total
        return self._least

    @property
    def null_objective(self) -> float:
        """Loss of the null model minus the least loss; gaps are relative to it; 1 if 0."""
        null, least = self.null_loss, self.least
        excess = null - least
        return excess if excess > 4 * _EPS * (abs(null) + abs(least)) else 1.0

    def sample(self, step: int) -> GLMProblem:
        """Return the problem of one row in every `step`, centred by the means of all rows."""
        problem = copy.copy(self)
        # choose at random within each step, as rows of designed experiments repeat
        m = self.n // step
        rows = np.arange(m) * step + np.random.default_rng(0).integers(0, step, m)
        problem.y, problem.n = self.y[rows], m
        problem.offset = None if self.offset is None else self.offset[rows]
        problem.weight = self.weight[rows]
        total = problem.weight.sum()
        problem.weight /= total if total > 0 else 1.0
        problem.weightless = rows_without_weight(problem.weight)
        near = some_rows(self.by_rows or self.A, rows)
        problem._by_rows = near if near.is_sparse else None
        problem.A = near.centered(self.A.shift, self.A.scale)
        problem._null = problem._null_loss = problem._least = problem.reduced = None
        return problem

    def _first_intercept(self) -> float:
        if not self.fit_intercept:
            return 0.0
        mean = float(self.weight @ self.y)
        if self.offset is not None:
            if self.loss.has_log_link:
                # sum y = exp(b) sum exp(o), which is exact for Poisson
                top = float(self.offset.max())
                return float(np.log(mean / (self.weight @ np.exp(self.offset - top)))) - top
            return float(self.loss.link(np.array(mean))) - float(self.weight @ self.offset)
        if isinstance(self.loss, Logistic) and 1.0 - mean < _NEAR:
            # 1 - mean is round-off, or 0
            rest = float(self.weight @ (1.0 - self.y))
            return float(np.log(mean) - np.log(rest)) if rest > 0 else np.inf
        return float(self.loss.link(np.array(mean)))

    def settle(self, state: State) -> State:
        """Return the state with the same coefficients and the intercept that minimises the loss."""
        low, high = -np.inf, np.inf
        b, eta, r, h = state.b, state.eta, state.r, state.h
        loss = state.loss
        for _ in range(_MOST_SEARCH):
            slope, curve = float(r.sum()), float(h.sum())
            size = float(np.abs(r).sum())
            if abs(slope) <= 4 * _EPS * size:
                break
            low, high = (b, high) if slope < 0 else (low, b)
            step = -slope / curve if curve > 0 else (-_FAR if slope > 0 else _FAR)
            step = float(np.clip(step, -_FAR, _FAR))
            if not low < b + step < high:
                step = 0.5 * (low + high) - b
            if b + step == b or not np.isfinite(step):
                break
            b += step
            eta = eta + step
            r, h = np.empty(self.n), np.empty(self.n)
            loss = self.loss.evaluate(self.y, eta, self.weight, r, h)
        return State(state.u, b, eta, loss, state.penalty, r, h)

    def start(self, coef: Any, intercept: float) -> State:
        """Return the state at coefficients (p,) and an intercept in the caller's units."""
        u = np.asarray(coef, dtype=np.float64)
        b = float(intercept) + float(self.rows.mean @ u) if self.fit_intercept else 0.0
        u = u.copy() if self.rows.unit is None else u * self.rows.unit
        return self.at(_within(u, self.lower, self.upper), b)

    def within_bounds(self, state: State) -> State:
        """Return the state with coefficients clipped to the bounds."""
        if not self.has_bounds:
            return state
        u = _within(state.u, self.lower, self.upper)
        if (u == state.u).all():
            return state
        state = self.at(u, state.b)
        return self.settle(state) if self.fit_intercept and np.isfinite(state.loss) else state

    def restore(self, u: Array, b: float) -> tuple[Array, float]:
        """Return coefficients (p,) and intercept in the caller's units."""
        coef = u if self.rows.unit is None else u / self.rows.unit
        scale = self.rows.A.scale
        if scale is not None:
            # constant columns have a scale of 0
            coef = np.where(scale == 0, 0.0, coef)
        # clip: scaling has round-off, and constant columns have bounds too
        coef = _within(coef, *self._bounds)
        return coef, b - float(self.rows.mean @ coef) if self.fit_intercept else 0.0


def rows_without_weight(weight: Array | None) -> NDArray[np.intp] | None:
    """Return the rows of weight 0; None where there are none."""
    return None if weight is None or weight.all() else np.flatnonzero(weight == 0)


def clear_overflow(T: Array, rows: NDArray[np.intp] | None) -> Array:
    """Set those of some rows of T that are not finite to 0, in place; return T.

    For rows of weight 0, whose products with derivatives of 0 would be NaN.
    """
    if rows is not None:
        whole = np.isfinite(T[rows]).reshape(len(rows), -1).all(axis=1)
        if not whole.all():
            T[rows[~whole]] = 0.0
    return T


def _within(u: Array, lower: Array | None, upper: Array | None) -> Array:
    """Clip coefficients to bounds, if any."""
    if lower is not None:
        u = np.maximum(u, lower)
    return u if upper is None else np.minimum(u, upper)


def some_rows(X: Matrix, rows: NDArray[np.intp]) -> Matrix:
    """Return a copy of some rows of dense or CSR data, without shift and scale."""
    if not X.is_sparse:
        return Matrix.from_dense(np.ascontiguousarray(X.arrays[0][rows]))
    values, indices, indptr = X.arrays
    start, end = indptr[:-1][rows], indptr[1:][rows]
    length = end - start
    begin = np.zeros(len(start) + 1, dtype=indptr.dtype)
    np.cumsum(length, out=begin[1:])
    place = np.repeat(start - begin[:-1], length) + np.arange(begin[-1], dtype=indptr.dtype)
    shape = (len(start), X.n_columns)
    return Matrix.from_compressed(values[place], indices[place], begin, shape, False)
