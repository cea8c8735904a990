"""Prox-Newton for L1 penalties, elastic nets and bounds, with working sets of features.

About a state, with r and h the derivatives of the loss by eta, the loss is replaced by

    sum_i (r_i d_i + h_i d_i^2 / 2),   d = b' + A u',

which with the penalty is an elastic net under the weights h: `fastridge._descent` solves it on the
Gram matrix of a working set of features, for the columns less their means under h, which minimises
over the intercept. The step is then searched along, so that the objective falls.

The weights h may be those of an earlier state: the Gram matrix, and the factor of the support in
it, serve several steps and penalties, to be made anew when the weights have moved away.

At the model's minimum theta = r + h d fulfils the constraints of the dual problem,

    |a_j' theta| <= l1_j, sum_i theta_i = 0,

for the features of the set, so that it is a dual point at once, whose distance from the best one is
of second order in d. For any theta = t theta of which both terms are finite,

    D = sum_i (o_i theta_i - s_i l*(y_i, theta_i / s_i)) - sum_j h*_j(-a_j' theta)

is at most the minimum, with h*_j as in `descent.problem`; the gap is the objective less D.

References: J. D. Lee, Y. Sun and M. A. Saunders, "Proximal Newton-type methods for minimizing
composite functions", SIAM Journal on Optimization 24, 2014. M. Massias, A. Gramfort and J. Salmon,
"Celer: a fast solver for the lasso with dual extrapolation", ICML 2018.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._border import column_border, gram_border
from ..._descent import Descent
from ..._matrix import Matrix
from ...systems.blas import limited, one_thread_for
from ..descent.problem import by_columns
from .newton import Solution
from .problem import Array, GLMProblem, State

_EPS = float(np.finfo(np.float64).eps)
# Features up to which all are in the set.
_WHOLE = 200
# Accuracy of the model's minimum: as a share of the goal, and of the last gap.
_INNER, _INNER_OF_GAP = 0.05, 1e-3
# Reduction of the first where the objective stands still.
_TIGHTEN = 0.1
# Epochs of coordinate descent on a model.
_EPOCHS = 1000
# Change of the weights, as a share of their sum, from which the Gram matrix is made anew.
_STALE = 0.2
# Share of the last step's promise from which this is done in any case.
_SLOW = 0.1
# Share of the decrease that the model promises.
_ENOUGH = 1e-4
_HALVINGS = 40
# Share of the mean weight that is added to all: after a step that failed, at most.
_DAMPING, _MOST_DAMPING = 1e-3, 1e6
# How far a feature may be below its l1, as a share of the last step of l1, to enter the set.
_AHEAD = 0.5
# Least number of features that enter at once where more want to.
_FEW = 100


class ProxNewton:
    """Solutions of one problem for any sequence of penalties.

    Parameters
    ----------
    problem : GLMProblem
    columns : Matrix or None, default=None
        `problem.rows.near` by columns, where it has been made for another problem.
    """

    def __init__(self, problem: GLMProblem, columns: Matrix | None = None) -> None:
        self.problem = problem
        near = problem.rows.near
        self.columns = by_columns(near) if columns is None else columns
        self.A = self.columns.centered(problem.A.shift, problem.A.scale)
        self.is_whole = problem.p <= _WHOLE
        self.inside = np.zeros(problem.p, dtype=bool)
        self.set = np.zeros(0, dtype=np.int32)
        self.gram = np.zeros((0, 0))
        self.descent = Descent()
        self.weight: Array | None = None
        self.total = 0.0
        self.blas = one_thread_for(problem.n * problem.p)
        self.damping = 0.0
        self.first = problem.null_objective
        # where coefficients rest: at 0, or at the bound that is next to it
        self.start = np.zeros(problem.p)
        for bound, clip in ((problem.lower, np.maximum), (problem.upper, np.minimum)):
            if bound is not None:
                clip(self.start, bound, out=self.start)
        # a dual point's products with the columns, and the l1 that it is of
        self.v: Array | None = None
        self.l1: Array | None = None

    # the search for the minimum

    @limited
    def solve(self, state: State, tol: float, max_iter: int) -> Solution:
        """Minimise until the gap is tol of the null objective."""
        q = self.problem
        goal = tol * q.null_objective
        state = self._begin(state)
        best, gap, last, n_iter = -np.inf, np.inf, np.inf, 0
        ahead = self._ahead()
        # what the first step may promise is about what that of the last penalty did
        promised, met, share = self.first, False, _INNER
        while n_iter < max_iter:
            self._choose(state, ahead, n_iter == 0)
            if self._is_stale(state) or self._is_slow(promised, last, gap, goal):
                self._take_weights(state)
            inner = max(share * goal, _INNER_OF_GAP * min(gap, promised))
            found = self._step(state, inner)
            n_iter += 1
            if found is None:
                if self.is_old:
                    self._take_weights(state)
                elif self.damping < _MOST_DAMPING:
                    self.damping = max(10.0 * self.damping, _DAMPING)
                    self._take_weights(state)
                else:
                    break
                continue
            self.damping = 0.1 * self.damping if self.damping > _DAMPING else 0.0
            last = promised if n_iter > 1 else np.inf
            state, theta, promised = found
            if n_iter == 1:
                self.first = max(promised, goal)
            ahead = 0.0
            rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
            stands = promised < share * goal
            if q.loss.is_convex:
                # D is at most this, of the features of the set alone
                most = self._loss_dual(theta)
                gap = state.objective - max(best, most)
                if not stands and gap > max(goal, rounding):
                    continue
                self.v = self.A.tdot(theta)
                dual = self._dual(theta, self.v, most)
                if dual == -np.inf:
                    # after a long step; r itself is a gradient, with the intercept at its minimum
                    if q.fit_intercept:
                        state = q.settle(state)
                    theta = (1 - 1e-15) * self._centred(state)
                    self.v = self._products(state)
                    dual = self._dual(theta, self.v)
                best = max(best, dual)
                gap = max(state.objective - best, 0.0)
            else:
                self.v = self.A.tdot(theta)
                gap = np.inf if self._violations(0.0).any() else promised
            met = gap <= max(goal, rounding)
            if met:
                break
            if stands:
                # what holds up the gap is the accuracy of the model's minimum
                share *= _TIGHTEN
        self.l1 = q.l1
        return Solution(state, gap, n_iter, "prox-newton", bool(met))

    def _begin(self, state: State) -> State:
        """The state under this penalty, and products of a dual point unless there are some."""
        q = self.problem
        state = State(state.u, state.b, state.eta, state.loss, q.penalty(state.u), state.r, state.h)
        self.has_l2 = bool(q.l2.any())
        if self.v is None:
            self.v = self._products(state)
            self.l1 = None
        return state

    def _centred(self, state: State) -> Array:
        """r less its sum, as the intercept would take it away."""
        if not self.problem.fit_intercept:
            return state.r
        slope = float(state.r.sum())
        if self.weight is None:
            h = np.maximum(state.h, 0.0)
            total = float(h.sum())
            return state.r - h * (slope / total) if total > 0 else state.r
        return state.r - self.weight * slope

    def _products(self, state: State) -> Array:
        """A' r (p,), less what the intercept takes away."""
        return self.A.tdot(self._centred(state))

    def _products_of_set(self, r: Array) -> Array:
        """The same for the features of the set, of r less that."""
        if self.is_whole:
            return self.A.tdot(r)
        if self.A.kind == "C":
            return self.A.tdot(r)[self.set]
        return self.A.dot_columns(self.set, r)

    # the working set

    def _ahead(self) -> float | Array:
        """How far below l1 features may be to enter the set, for the first step of a penalty."""
        if self.l1 is None:
            return 0.0
        return np.asarray(_AHEAD * np.maximum(self.l1 - self.problem.l1, 0.0))

    def _violations(self, ahead: float | Array) -> NDArray[np.bool_]:
        """Features at rest outside of the set that want to move."""
        return (self._pull() > self.problem.l1 - ahead) & ~self.inside

    def _pull(self) -> Array:
        q = self.problem
        assert self.v is not None
        v = self.v
        if q.lower is None and q.upper is None:
            return np.abs(v)
        v = v + q.l2 * self.start
        down = v if q.lower is None else np.where(self.start > q.lower, v, -np.inf)
        up = -v if q.upper is None else np.where(self.start < q.upper, -v, -np.inf)
        return np.maximum(up, down)

    def _choose(self, state: State, ahead: float | Array, first: bool) -> None:
        """Bring into the set what is needed."""
        q = self.problem
        if self.is_whole:
            if not len(self.set):
                self._grow(np.arange(q.p, dtype=np.int32))
            return
        wanted = self._violations(ahead)
        if first:
            always = (state.u != 0) | (q.l1 == 0) & (q.l2 == 0)
            always &= ~self.inside
        else:
            always = np.zeros(q.p, dtype=bool)
        new = np.flatnonzero(wanted & ~always)
        most = max(_FEW, 2 * int(np.count_nonzero(state.u)), len(self.set) // 4)
        if len(new) > most:
            excess = (self._pull() - q.l1)[new]
            new = np.sort(new[np.argpartition(-excess, most)[:most]])
        self._grow(np.concatenate([np.flatnonzero(always), new]).astype(np.int32))

    def _grow(self, new: NDArray[np.int32]) -> None:
        if not len(new):
            return
        before = len(self.set)
        self.set = np.concatenate([self.set, new])
        self.inside[new] = True
        if self.weight is not None:
            self._border(before)

    # the model

    def _is_stale(self, state: State) -> bool:
        if self.weight is None:
            return True
        h = np.maximum(state.h, 0.0)
        total = float(h.sum())
        if not total > 0:
            return True
        # a common factor is no change
        self.total = total * self.damped
        self.h = self.weight * self.total
        return float(np.abs(h - self.shape * total).sum()) > _STALE * total

    def _is_slow(self, promised: float, last: float, gap: float, goal: float) -> bool:
        """Whether one more step with these weights would not be the last, at the present pace."""
        if not self.is_old:
            return False
        pace = promised / last
        return pace > _SLOW and min(gap, promised) * pace > goal

    def _take_weights(self, state: State) -> None:
        """Make the Gram matrix of the weights of a state."""
        q = self.problem
        h = np.maximum(state.h, 0.0)
        size = float(h.sum())
        if not size > 0:
            h, size = q.weight, 1.0
        self.shape = h / size
        h = h + (self.damping * size) * q.weight
        self.h, self.total = h, float(h.sum())
        self.weight = h / self.total
        self.damped = self.total / size
        self.at, self.is_old = state, False
        if q.fit_intercept:
            mean, _ = self.columns.column_stats(self.weight)
            self.A_h = self.columns.centered(mean, q.A.scale)
        else:
            self.A_h = self.A
        self._prune(state)
        self.descent = Descent()
        self._border(0)

    def _prune(self, state: State) -> None:
        """Leave features that are at rest and far from moving."""
        if self.is_whole or len(self.set) <= _FEW:
            return
        q = self.problem
        keep = (state.u != self.start) | (q.l1 == 0) & (q.l2 == 0)
        keep |= self._pull() > 0.8 * q.l1
        kept = self.set[keep[self.set]]
        self.inside[self.set] = False
        self.inside[kept] = True
        self.set = kept

    def _border(self, before: int) -> None:
        """Rows of the Gram matrix from `before` on."""
        q, size = self.problem, len(self.set)
        weight = self.weight
        assert weight is not None
        if self.is_whole:
            self.gram = np.ascontiguousarray(self.A_h.gram(weight))
        else:
            if size > len(self.gram):
                capacity = (min(q.p, max(64, size + size // 2)) + 7) // 16 * 16 + 24
                gram = np.empty((capacity, capacity))
                gram[:before, :before] = self.gram[:before, :before]
                self.gram = gram
            if self.A_h.is_sparse:
                column_border(self.A_h, self.set, weight, before, size, self.gram)
            else:
                if before == 0 or len(self.rows) < size:
                    rows = np.empty((len(self.gram), q.n))
                    rows[:before] = self.rows[:before] if before else 0.0
                    self.rows = rows
                self.A_h.copy_columns(self.set[before:size], self.rows[before:size])
                self.rows[before:size] *= np.sqrt(weight)
                gram_border(self.rows, before, size, 1.0, self.gram)
        self.square = np.diagonal(self.gram)[:size].copy()
        self.descent.set_gram(self.gram)

    def _step(self, state: State, inner: float) -> tuple[State, Array, float] | None:
        """The state at the model's minimum, or between, with theta and what the model promised."""
        q, W, total = self.problem, self.set, self.total
        size = len(W)
        weight = self.weight
        assert weight is not None
        r = self._centred(state)
        g = self._products_of_set(r) / -total
        u = state.u[W]
        live = np.flatnonzero(u)
        image = self.gram[:size, live] @ u[live]
        cross = image + g
        left = r / total
        yy = float(np.sum(left * left / (weight + 1e-3 * q.weight + 1e-300)))
        yy += float(u @ (cross + g))
        w = u.copy()
        self.descent.solve(
            q.l1[W] / total,
            q.l2[W] / total,
            None if q.lower is None else q.lower[W],
            None if q.upper is None else q.upper[W],
            self.square,
            cross,
            max(yy, 0.0),
            w,
            g,
            np.zeros(size),
            np.zeros(size),
            False,
            inner / total,
            _EPOCHS,
            exact=1,
        )
        self.is_old = self.at is not state
        d = w - u
        if not np.isfinite(d).all():
            return None
        step = np.zeros(q.p)
        step[W] = d
        along = self.A.dot(step)
        move = 0.0
        if q.fit_intercept:
            move = -(float(state.r.sum()) + float(self.h @ along)) / total
            along += move
        return self._search(state, W, w, d, move, along)

    def _search(
        self, state: State, W: NDArray[np.int32], w: Array, d: Array, move: float, along: Array
    ) -> tuple[State, Array, float] | None:
        q = self.problem
        l1, l2, u = q.l1[W], q.l2[W], state.u[W]
        outside = state.penalty - _penalty(l1, l2, u)
        slope = float(state.r @ along) + _penalty(l1, l2, w) - _penalty(l1, l2, u)
        theta = state.r + self.h * along
        size = abs(state.loss) + state.penalty
        if not slope < 0:
            # nothing is left to gain but rounding
            if abs(slope) <= 64 * _EPS * size:
                return state, theta, abs(slope)
            return None
        t = 1.0
        for _ in range(_HALVINGS):
            x = state.u.copy()
            x[W] = w if t == 1 else u + t * d
            eta = state.eta + t * along
            r, h = np.empty(q.n), np.empty(q.n)
            loss = q.loss.evaluate(q.y, eta, q.weight, r, h)
            penalty = outside + _penalty(l1, l2, x[W])
            new = State(x, state.b + t * move, eta, loss, penalty, r, h)
            allowed = state.objective + _ENOUGH * t * slope
            if abs(t * slope) <= 1e-10 * size:
                # differences of the objective are rounding
                allowed = state.objective + 4 * _EPS * size
            if new.objective <= allowed:
                return new, theta, -slope
            t *= 0.5 if math.isfinite(new.objective) else 0.1
        return None

    # the certificate

    def _loss_dual(self, theta: Array) -> float:
        """The part of D that is the loss'."""
        q = self.problem
        value = -q.loss.evaluate_conjugate(q.y, theta, q.weight)
        if not math.isfinite(value):
            return -np.inf
        return value if q.offset is None else value + float(theta @ q.offset)

    def _dual(self, theta: Array, v: Array, whole: float | None = None) -> float:
        """D at multiples of theta, whose products with the columns are v; -inf where none is known
        to be finite. whole: the loss' part at theta itself."""
        most = self._most(v)
        if most <= 0:
            return -np.inf
        t = most
        if most == 1:
            whole = self._loss_dual(theta) if whole is None else whole
            value = whole - self._conjugates(v)
            if not self.has_l2:
                return value
            over = (np.abs(v) > self.problem.l1) & (self.problem.l1 > 0)
            if not over.any():
                return value
            t = float((self.problem.l1[over] / np.abs(v[over])).min())
        else:
            value = -np.inf
        return max(value, self._loss_dual(t * theta) - self._conjugates(t * v))

    def _most(self, v: Array) -> float:
        """The largest multiple of at most 1 with finite conjugates."""
        q = self.problem
        size = np.abs(v)
        chosen = np.flatnonzero(size > q.l1 * (1 + 4 * _EPS))
        if not len(chosen):
            return 1.0
        hard = q.l2[chosen] == 0
        if q.lower is not None:
            hard &= (v[chosen] <= 0) | np.isinf(q.lower[chosen])
        if q.upper is not None:
            hard &= (v[chosen] >= 0) | np.isinf(q.upper[chosen])
        chosen = chosen[hard]
        free = chosen[q.l1[chosen] == 0]
        if len(free) and (size[free] > self._slack(free)).any():
            return 0.0
        chosen = chosen[q.l1[chosen] > 0]
        return float((q.l1[chosen] / size[chosen]).min(initial=1.0))

    def _slack(self, free: NDArray[np.intp]) -> Array:
        """Rounding of products of columns that nothing penalises."""
        q = self.problem
        squares = q.rows.squares()[free]
        return 1e-9 * np.sqrt(squares) * math.sqrt(max(2.0 * q.null_objective, 1e-300))

    def _conjugates(self, v: Array) -> float:
        """sum_j h*_j(-v_j)"""
        q = self.problem
        chosen: NDArray[np.intp] | slice = slice(None)
        if not self.start.any():
            chosen = np.flatnonzero(np.abs(v) > q.l1)
            if not len(chosen):
                return 0.0
        z, l1, l2 = -v[chosen], q.l1[chosen], q.l2[chosen]
        over = np.sign(z) * np.maximum(np.abs(z) - l1, 0.0)
        # of what nothing holds, rounding passes for zero
        tiny = np.abs(over) <= np.maximum(4 * _EPS * l1, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(over == 0, 0.0, over / l2)
        if q.lower is not None:
            x = np.maximum(x, q.lower[chosen])
        if q.upper is not None:
            x = np.minimum(x, q.upper[chosen])
        x = np.where(np.isinf(x) | tiny & np.isinf(x), 0.0, x)
        return float(np.sum(z * x - l1 * np.abs(x) - 0.5 * l2 * x * x))


def _penalty(l1: Array, l2: Array, u: Array) -> float:
    return float(l1 @ np.abs(u)) + 0.5 * float(np.einsum("j,j,j->", l2, u, u))


def prox_newton(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise one problem with an L1 penalty, or bounds."""
    return ProxNewton(problem).solve(state, tol, max_iter)
