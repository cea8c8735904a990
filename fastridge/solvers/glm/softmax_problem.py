"""A multinomial model in the units of its solvers; see `problem` for the conventions.

With s the weights over their sum, A the centred operator over X, U (p, k) the coefficients of the k
classes and b (k,) their intercepts about the means, the solvers minimise

    F(U, b) = sum_i s_i (log sum_c exp(eta_ic) - sum_c y_ic eta_ic) + sum_jc l2_j U_jc^2 / 2
              + sum_jc l1_j |U_jc|,    eta = O + 1 b' + A U.

The loss does not change where a number is added to the coefficients of all classes, so that without
an L1 penalty rows of U sum to 0 at the minimum; b is chosen to sum to 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._losses import softmax, softmax_curve
from ..._matrix import Matrix
from ..._threads import check_stop
from ...data.parameters import check_strengths
from ...losses.multinomial import MULTINOMIAL, Multinomial
from ...quadratic.range import unit_sum
from ...quadratic.rows import CentredRows
from ...systems.lapack import call
from ..descent.grid import LEAST_L1_RATIO
from .problem import clear_overflow, rows_without_weight

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_MOST_SEARCH = 100  # bound on the steps of the search for intercepts
_MOST_MOVE = 4.0  # bound on the change of an intercept in one of these steps
_SETTLING = 0.1  # share of the predicted decrease for which such a step is accepted
_HALVINGS = 40


class SoftmaxState:
    """Coefficients, and the loss there with its derivatives.

    Attributes
    ----------
    U : ndarray (p, k), F order
    b : ndarray (k,)
    eta : ndarray (n, k), F order
    loss, penalty : float
        Parts of the objective.
    r, prob, h : ndarray (n, k), F order
        Weighted derivatives of the loss by eta, probabilities, and the diagonal of the weighted
        second derivatives.
    """

    __slots__ = ("U", "b", "eta", "h", "loss", "penalty", "prob", "r")

    def __init__(self, U, b, eta, loss, penalty, r, prob, h) -> None:
        self.U, self.b, self.eta, self.loss, self.penalty = U, b, eta, loss, penalty
        self.r, self.prob, self.h = r, prob, h

    @property
    def objective(self) -> float:
        return float(self.loss + self.penalty)


class SoftmaxSolution(NamedTuple):
    """The last state, a bound on how far its objective is from the minimum, and what ran."""

    state: SoftmaxState
    gap: float
    n_iter: int
    solver: str
    converged: bool


class SoftmaxProblem:
    """The objective of a fit; see above.

    Parameters
    ----------
    X : Matrix (n, p), not centred
    y : ndarray of int32 (n,), or ndarray (n, k) in F order
        Class numbers, or proportions.
    n_classes : int
    weight : ndarray (n,) or None
        Weights as given; None: ones.
    factor : ndarray (p,) or None
        Factors f of the penalty; None: ones.
    fit_intercept, standardize : bool
    offset : ndarray (n, k) or None
    """

    loss: Multinomial = MULTINOMIAL

    def __init__(
        self,
        X: Matrix,
        y: NDArray[Any],
        n_classes: int,
        weight: Array | None,
        factor: Array | None,
        fit_intercept: bool,
        standardize: bool,
        offset: Array | None = None,
    ) -> None:
        self.n, self.p = X.shape
        self.k, self.y = n_classes, y
        self.label, self.share = (y, None) if y.ndim == 1 else (None, y)
        self.offset = offset
        self.total = float(self.n) if weight is None else float(weight.sum())
        share = None if weight is None else unit_sum(weight)
        self.rows = CentredRows(X, share, fit_intercept, standardize=standardize, mean_of_rows=True)
        self.A, self.fit_intercept = self.rows.A, fit_intercept
        self.weight = np.full(self.n, 1.0 / self.n) if share is None else share
        self.weightless = rows_without_weight(share)
        self.factor = np.ones(self.p) if factor is None else factor
        self.l1 = self.l2 = np.zeros(self.p)
        self.alpha = self.l1_ratio = 0.0
        self._null: SoftmaxState | None = None
        self._null_objective: float | None = None
        self._free: tuple[NDArray[np.int32], Array] | None = None
        self._shares: Array | None = None
        # cache of `softmax_cg` for the next penalty
        self.by_rows: Any = None
        # whether conjugate gradients took too long
        self.is_slow = False

    def penalise(self, alpha: float, l1_ratio: float) -> None:
        """Set the penalty."""
        check_strengths(alpha, self.factor)
        self.alpha, self.l1_ratio = alpha, l1_ratio
        self.l1 = (alpha * l1_ratio) * self.factor
        self.l2 = (alpha * (1.0 - l1_ratio)) * self.factor
        self._free = None

    def shares(self) -> Array:
        """Return the proportions (n, k) of the classes."""
        if self.share is not None:
            return self.share
        if self._shares is None:
            self._shares = np.asfortranarray(self.loss.shares(self.y, self.k))
        return self._shares

    @property
    def has_l1(self) -> bool:
        return bool(self.l1.any())

    def penalty(self, U: Array) -> float:
        value = 0.5 * float(np.einsum("j,jk,jk->", self.l2, U, U))
        return value + float(self.l1 @ np.abs(U).sum(axis=1)) if self.has_l1 else value

    def predict(self, U: Array, b: Array) -> Array:
        """Return eta (n, k)."""
        eta = self.dot(U) if U.any() else np.zeros((self.n, self.k), order="F")
        eta += b
        if self.offset is not None:
            eta += self.offset
        return eta

    def dot(self, U: Array) -> Array:
        """Return A U (n, k); rows of weight 0 that overflow are 0."""
        return clear_overflow(self.A.dot(U), self.weightless)

    def at(self, U: Array, b: Array, eta: Array | None = None) -> SoftmaxState:
        """Return the state at coefficients; eta: their predictors, if known."""
        check_stop()
        eta = self.predict(U, b) if eta is None else clear_overflow(eta, self.weightless)
        r, prob, h = (np.empty((self.n, self.k), order="F") for _ in range(3))
        loss = softmax(eta, self.label, self.share, self.weight, r, prob, h)
        return SoftmaxState(U, b, eta, loss, self.penalty(U), r, prob, h)

    def gradient(self, state: SoftmaxState) -> Array:
        """Return the gradient A'r + l2 U of the smooth part by U (p, k)."""
        check_stop()
        G = self.A.tdot(state.r)
        G += self.l2[:, None] * state.U
        return G

    @property
    def null(self) -> SoftmaxState:
        """The state without features."""
        if self._null is None:
            b = np.zeros(self.k)
            if self.fit_intercept:
                b = self.loss.link(self.loss.null_mean(self.y, self.weight, True)[: self.k])
            state = self.at(np.zeros((self.p, self.k), order="F"), b)
            self._null = self._settle_intercepts(state) if self.offset is not None else state
        return self._null

    @property
    def null_loss(self) -> float:
        return self.null.loss

    @property
    def least(self) -> float:
        """Least value of the loss over all predictors."""
        return 0.0 if self.share is None else float(self.weight @ self.loss.least(self.share))

    @property
    def null_objective(self) -> float:
        """Loss of the null model minus the least loss, to which gaps are relative; 1 where it is
        round-off."""
        if self._null_objective is None:
            excess = self.null.loss - self.least
            scale = abs(self.null.loss) + abs(self.least)
            self._null_objective = excess if excess > 4 * _EPS * scale else 1.0
        return self._null_objective

    @property
    def free(self) -> tuple[NDArray[np.int32], Array]:
        """Indices of the unpenalised columns, and the columns (n, f)."""
        if self._free is None:
            columns = np.flatnonzero((self.l2 == 0) & (self.l1 == 0)).astype(np.int32)
            Z = np.empty((len(columns), self.n))
            if len(columns):
                self.A.copy_columns(columns, Z)
            self._free = columns, Z.T
        return self._free

    def free_gradient(self, state: SoftmaxState) -> Array:
        """Return the gradient by the free coefficients, and by the intercepts in the last row."""
        columns, Z = self.free
        g = np.zeros((len(columns) + 1, self.k))
        g[:-1] = Z.T @ state.r
        if self.fit_intercept:
            g[-1] = state.r.sum(axis=0)
        return g

    def settle(self, state: SoftmaxState, most: int = _MOST_SEARCH) -> SoftmaxState:
        """Return the state with optimal intercepts and free coefficients, for few free columns.

        They are found by at most `most` steps of Newton's method with a line search.
        """
        return self._settle(state, self.settled_columns(), most)[0]

    def settle_free(self, state: SoftmaxState, most: int) -> tuple[SoftmaxState, int]:
        """Return the state after at most `most` such steps, and their number.

        Without free columns, steps of intercepts are neither bounded nor counted.
        """
        if len(self.free[0]):
            return self._settle(state, self.settled_columns(), min(most, _MOST_SEARCH))
        return self._settle_intercepts(state), 0

    def _settle_intercepts(self, state: SoftmaxState) -> SoftmaxState:
        Z = np.ones((self.n, 1)) if self.fit_intercept else None
        return self._settle(state, Z, _MOST_SEARCH)[0]

    def _settle(self, state: SoftmaxState, Z: Array | None, most: int) -> tuple[SoftmaxState, int]:
        if Z is None:
            return state, 0
        for n_iter in range(most):
            g = Z.T @ state.r
            if _is_rounding(g, Z, state):
                return state, n_iter
            moved = self._settling_step(state, Z, g)
            if moved is None:
                return state, n_iter
            state = moved
        return state, most

    def settled_columns(self) -> Array | None:
        """Return the free columns and that of the intercepts, or None without both."""
        columns, Z = self.free
        if not self.fit_intercept:
            return Z if len(columns) else None
        return np.column_stack([Z, np.ones(self.n)]) if len(columns) else np.ones((self.n, 1))

    def unsettled(self, state: SoftmaxState) -> float:
        """Return twice the predicted decrease by Newton for intercepts and free coefficients."""
        Z = self.settled_columns()
        if Z is None:
            return 0.0
        g = Z.T @ state.r
        if _is_rounding(g, Z, state):
            return 0.0
        H = hessian(Z, self.weight, state.prob, state.h)
        return abs(float(self.newton_step(Z, H, g) @ g.T.ravel()))

    def newton_step(self, Z: Array, H: Array, g: Array) -> Array:
        """Return H^-1 g (k q,) of least norm, in units in which ranks do not depend on scales."""
        # less curvature than this is round-off of the probabilities
        least = _EPS * (self.weight @ (Z * Z))
        size = np.sqrt(np.maximum(np.diagonal(H), np.tile(least, self.k)))
        size[size == 0] = 1.0
        scaled = H / size / size[:, None]
        right = g.T.ravel() / size
        return call(9.0 * len(H) ** 3, np.linalg.lstsq, scaled, right, rcond=4 * _EPS)[0] / size

    def _settling_step(self, state: SoftmaxState, Z: Array, g: Array) -> SoftmaxState | None:
        q, k = Z.shape[1], self.k
        H = hessian(Z, self.weight, state.prob, state.h)
        D = -self.newton_step(Z, H, g).reshape(k, q).T
        along = Z @ D
        slope = float(np.vdot(g, D))
        t = 1.0
        if q == self.fit_intercept:
            # with probabilities near 0, curvatures are valid only for short steps
            t = min(1.0, _MOST_MOVE / max(float(np.abs(D).max()), _MOST_MOVE))
        for _ in range(_HALVINGS):
            U, b = state.U, state.b + t * D[-1] if self.fit_intercept else state.b
            if q > self.fit_intercept:
                U = U.copy(order="F")
                U[self.free[0]] += t * D[: len(self.free[0])]
            new = self.at(U, b, np.asfortranarray(state.eta + t * along))
            # a smaller decrease means a step far beyond the region where curvatures are valid
            if new.loss <= state.loss + _SETTLING * t * slope:
                return new
            if abs(t * slope) <= 1e-10 * abs(state.loss):
                # differences are round-off: decide by the slope
                after = float(np.vdot(Z.T @ new.r, D))
                return new if abs(after) < 0.5 * abs(slope) else None
            t *= 0.5
        return None

    def start(self, coef: Any, intercept: Any) -> SoftmaxState:
        """Return the state at coefficients (k, p) and intercepts (k,) in the caller's units."""
        coef = np.asarray(coef, dtype=np.float64)
        U = np.array(coef.T, order="F")
        b = np.zeros(self.k)
        if self.fit_intercept:
            b = np.asarray(intercept, dtype=np.float64) + coef @ self.rows.mean
            b = np.where(np.isfinite(b), b, self.null.b)
            b -= b.mean()
        if self.rows.unit is not None:
            U *= self.rows.unit[:, None]
        if not self.has_l1:
            # no worse, whatever the penalty
            U -= U.mean(axis=1, keepdims=True)
        return self.at(U, b)

    def restore(self, U: Array, b: Array) -> tuple[Array, Array]:
        """Return coefficients (k, p) and intercepts (k,) in the caller's units."""
        coef = np.ascontiguousarray(U.T)
        if self.rows.unit is not None:
            coef = coef / self.rows.unit
        scale = self.rows.A.scale
        if scale is not None:
            # constant columns have a scale of 0
            coef[:, scale == 0] = 0.0
        return coef, b - coef @ self.rows.mean if self.fit_intercept else np.zeros(self.k)

    def alpha_max(self, l1_ratio: float) -> tuple[float, SoftmaxState]:
        """Return the least alpha for which all penalised coefficients are 0, and the state there.

        l1_ratio: at least 1e-3; smaller ones are replaced by that.
        """
        penalised = self.factor > 0
        # finds the free columns
        self.penalise(1.0, 1.0)
        state = self.null if penalised.all() else self.settle(self.null)
        if not penalised.any():
            return 0.0, state
        g = np.abs(self.A.tdot(state.r))[penalised] / self.factor[penalised, None]
        return float(g.max()) / max(l1_ratio, LEAST_L1_RATIO), state

    def curved(self, state: SoftmaxState, T: Array) -> Array:
        """Overwrite T (n, k) with the second derivatives of the loss by eta times T; return it."""
        softmax_curve(state.prob, self.weight, T)
        return T


def _is_rounding(g: Array, Z: Array, state: SoftmaxState) -> bool:
    # predictors are rounded too, which their curvatures bring into r
    size = np.abs(state.r) + state.h * np.abs(state.eta)
    return bool((np.abs(g) <= 8 * _EPS * (np.abs(Z).T @ size)).all())


def hessian(Z: Array, weight: Array, prob: Array, h: Array) -> Array:
    """Return second derivatives (k q, k q) by coefficients (k, q) of dense columns Z (n, q).

    Block (c, d) is Z' diag(weight p_c (1{c = d} - p_d)) Z. Off-diagonal blocks come from one Gram
    matrix of rows times probabilities. A term is added to all blocks to give curvature to the
    direction in which all classes move together, which has none; gradients have no component there.
    """
    n, q = Z.shape
    k = prob.shape[1]
    H = np.zeros((k * q, k * q))
    blocks = H.reshape(k, q, k, q)
    step = max(64, _ELEMENTS // (k * q))
    root = np.sqrt(weight)
    for i in range(0, n, step):
        some = slice(i, i + step)
        B = ((root[some, None] * prob[some])[:, :, None] * Z[some, None, :]).reshape(-1, k * q)
        H -= B.T @ B
    for c in range(k):
        blocks[c, :, c] = (Z * h[:, c, None]).T @ Z
    raise_common(H, k)
    return H


def raise_common(H: Array, k: int) -> None:
    """Give the common direction of k classes the mean curvature of the others, in place."""
    q = len(H) // k
    level = np.diagonal(H).reshape(k, q).mean(axis=0) / k
    np.einsum("cjdj->cdj", H.reshape(k, q, k, q))[...] += level


def common_level(H: Array, k: int) -> Array:
    """Return the numbers (q,) that `raise_common` added to the elements of each column's blocks."""
    return np.diagonal(H).reshape(k, len(H) // k).mean(axis=0) / (k + 1.0)


_ELEMENTS = 1 << 18  # elements of a block of rows times probabilities
