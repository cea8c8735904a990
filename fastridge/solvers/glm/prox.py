"""Prox-Newton for L1 penalties, elastic nets and bounds, with working sets of features.

About a state, with r and h the derivatives of the loss by eta, the loss is replaced by

    sum_i (r_i d_i + h_i d_i^2 / 2),   d = b' + A u',

which with the penalty is an elastic net under the weights h: `fastridge._descent` solves it on the
Gram matrix of a working set, with columns centred by their means under h, which minimises over the
intercept. A line search along the step then makes the objective fall.

The weights h may be those of an earlier state: the Gram matrix, and the factor of the support in
it, are reused for several steps and penalties, and recomputed when the weights have changed.

At the model's minimum theta = r + h d fulfils the constraints of the dual problem,

    |a_j' theta| <= l1_j, sum_i theta_i = 0,

for the features of the set, so that it is a dual point, whose distance from the best one is of
second order in d. For any multiple theta = t theta with finite terms,

    D = sum_i (o_i theta_i - s_i l*(y_i, theta_i / s_i)) - sum_j h*_j(-a_j' theta)

is at most the minimum, with h*_j as in `descent.problem`; the gap is the objective minus D.

References: J. D. Lee, Y. Sun and M. A. Saunders, "Proximal Newton-type methods for minimizing
composite functions", SIAM Journal on Optimization 24, 2014. M. Massias, A. Gramfort and J. Salmon,
"Celer: a fast solver for the lasso with dual extrapolation", ICML 2018.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._border import column_border, gram_border
from ..._descent import Descent
from ..._matrix import Matrix
from ...systems.blas import limited, one_thread_for
from ..descent.problem import by_columns
from .newton import Solution
from .problem import Array, GLMProblem, State
from .prox_dual import Dual

_EPS = float(np.finfo(np.float64).eps)
# Number of features up to which all are in the working set.
_WHOLE = 200
# Inner tolerance of a model's minimum: as a share of the goal, and of the last gap.
_INNER, _INNER_OF_GAP = 0.05, 1e-3
# Reduction of the inner tolerance where the objective no longer falls.
_TIGHTEN = 0.1
# Shares by which a gradient is shrunk, in turns, until it is within the conjugate's domain.
_INSIDE = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)
# Steps without a gain after which a fit ends.
_FUTILE = 6
# Squared norm of a column under the model's weights over that under the problem's, below which it
# counts as 0.
_FLAT = 1e-14
# Least square of a model's response, in multiples of the decrease by single features.
_REACH = 4.0
# Round-off of a sum of squares, as a share of it, that the inner tolerance must exceed.
_UNHIDDEN = 64 * _EPS
# Sparse features in the set above which coordinate descent uses columns, not a Gram matrix.
_MOST_GRAM = 2000
# Bound on the epochs of coordinate descent on a model.
_EPOCHS = 1000
# Change of the weights, as a share of their sum, above which the Gram matrix is computed again.
_STALE = 0.2
# Predicted decrease over that of the step before, above which it is computed again in any case.
_SLOW = 0.1
# Share of the predicted decrease that a step has to reach (Armijo), and bound on its halvings.
_ENOUGH = 1e-4
_HALVINGS = 40
# Addition to all weights, as a share of their mean: after the first step that fails, and at most.
_DAMPING, _MOST_DAMPING = 1e-3, 1e6
# A feature is close to its l1 within this share of the last step of l1. Where one is, all features
# within the second share enter the set, so that later steps need not extend it.
_AHEAD, _FURTHER = 0.5, 2.0
# Share of its l1 that a feature has to reach in any case to enter the set.
_NEAR = 0.8
# A cold start with a small penalty goes by way of larger ones: the ratio of each to the next, their
# tolerance, and bound on their steps.
_RATIO, _LOOSE, _FEW_STEPS = 2.0, 1e-3, 10
# Share of its l1 below which a product with theta is bounded, not computed; the factor of column
# norms in the bound that covers their round-off.
_FAR, _OVER_ROUNDING = 0.7, 1.0 + 1e-9
# Number of features that may enter the set at once, whatever its size.
_FEW = 100


class ProxNewton:
    """Solutions of one problem for any sequence of penalties.

    Parameters
    ----------
    problem : GLMProblem
    columns : Matrix or None, default=None
        `problem.rows.near` stored by columns, if another problem has it.
    """

    def __init__(self, problem: GLMProblem, columns: Matrix | None = None) -> None:
        self.problem = problem
        near = problem.rows.near
        self.columns = by_columns(near) if columns is None else columns
        self.A = self.columns.centered(problem.A.shift, problem.A.scale)
        self.means = np.zeros(0)
        self.is_whole = problem.p <= _WHOLE
        if self.is_whole:
            sparse = self.columns.is_sparse and near.kind != "csr"
            self.by_rows = self.columns.transposed_storage() if sparse else near
        self.inside = np.zeros(problem.p, dtype=bool)
        self.set = np.zeros(0, dtype=np.int32)
        self.gram = np.zeros((0, 0))
        self.descent = Descent()
        self.weight: Array | None = None
        # the matrix, centred under the weights, if the set is too large for a Gram matrix
        self.by_set: Matrix | None = None
        # product of the Gram matrix and the coefficients `image_of`
        self.image = np.zeros(0)
        self.image_of: Array | None = None
        self.total = 0.0
        self.blas = one_thread_for(problem.n * problem.p)
        self.damping = 0.0
        self.first = problem.null_objective
        self.dual = Dual(problem)
        self.start, self.is_free = self.dual.start, self.dual.is_free
        # a dual point, the sizes of its products with the columns, and its l1
        self.theta = np.zeros(0)
        self.v: Array | None = None
        self.seen: Array | None = None
        self.l1: Array | None = None
        # the same sizes for features of the set, after the last step
        self.pulled = np.zeros(0)
        # features whose products were computed last; None: all
        self.looked: NDArray[np.intp] | None = None
        self.known: Array | None = None

    # the search for the minimum

    @limited
    def solve(self, state: State, tol: float, max_iter: int) -> Solution:
        """Minimise until the gap is tol of the null objective."""
        if self.v is None and not self.is_whole and not state.u.any():
            state = self._approach(state, tol)
        return self._solve(state, tol, max_iter)

    def _approach(self, state: State, tol: float) -> State:
        """Start by way of larger penalties, so that the working set grows with the support."""
        q = self.problem
        l1, l2 = q.l1, q.l2
        self._look(self._centred(state))
        penalised = l1 > 0
        if not penalised.any():
            return state
        ratio = float((self._pull()[penalised] / l1[penalised]).max())
        steps = math.ceil(math.log(max(ratio, 1.0)) / math.log(_RATIO))
        try:
            for k in range(1, steps):
                t = ratio ** (1.0 - k / steps)
                q.l1, q.l2 = t * l1, t * l2
                state = self._solve(state, max(_LOOSE, tol), _FEW_STEPS).state
        finally:
            q.l1, q.l2 = l1, l2
        return state

    def _solve(self, state: State, tol: float, max_iter: int) -> Solution:
        q = self.problem
        goal = tol * q.null_objective
        state = self._begin(state)
        best, gap, last, n_iter = -np.inf, np.inf, np.inf, 0
        ahead = True
        # the first step is expected to gain about as much as that of the last penalty
        promised, met, share, futile = self.first, False, _INNER, 0
        while n_iter < max_iter and math.isfinite(state.objective):
            stale = (
                self._is_stale(state) if n_iter == 0 else self._is_slow(promised, last, gap, goal)
            )
            stale = stale or not self._follow(state)
            self._choose(state, ahead, n_iter == 0, stale)
            if stale:
                self._take_weights(state)
            inner = max(share * goal, _INNER_OF_GAP * min(gap, promised))
            found = self._step(state, inner, 1 if share == _INNER else 2)
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
            ahead = False
            rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
            stands = promised < share * goal
            if q.loss.is_convex:
                # upper bound on D, from the features of the set only
                most = self.dual.loss_part(theta)
                gap = state.objective - max(best, most)
                if not stands and gap > max(goal, rounding):
                    if self.seen is None:
                        # not all violating features were added: fewer violate here
                        self._look(theta)
                    continue
                self._look(theta)
                assert self.v is not None
                dual = self.dual.value(theta, self.v, self.looked, most)
                if most == -np.inf and state.objective - max(best, dual) > goal:
                    # after a long step use r, a dual point once the intercept is at its minimum
                    if q.fit_intercept:
                        state = q.settle(state)
                    theta = self._centred(state)
                    self._look(theta)
                    for inside in _INSIDE:
                        whole = self.dual.loss_part((1 - inside) * theta)
                        if whole > -np.inf:
                            v = (1 - inside) * self.v
                            value = self.dual.value((1 - inside) * theta, v, self.looked, whole)
                            dual = max(dual, value)
                            break
                best = max(best, dual)
                gap = max(state.objective - best, 0.0)
            else:
                self._look(theta)
                gap = np.inf if len(self._violations()) else promised
            met = gap <= max(goal, rounding)
            if met:
                break
            if stands:
                # the gap is limited by the model's accuracy, its minimisation, or round-off
                futile += 1
                if futile > _FUTILE:
                    met = gap <= self.dual.rounding(state, theta)
                    break
                share *= _TIGHTEN
                if self.is_old:
                    self._take_weights(state)
        self.l1, self.known = q.l1, state.u
        return Solution(state, gap, n_iter, "prox-newton", bool(met))

    def advance(self, state: State, inner: float) -> State:
        """Return the state after one step, with the model minimised to `inner`.

        It is the same state where no step lowers the objective. For problems whose offset changes
        between steps.
        """
        self.v = None
        state = self._begin(state)
        self._choose(state, False, True)
        for fresh in (self._is_stale(state) or not self._follow(state), True):
            if fresh:
                self._take_weights(state)
            found = self._step(state, inner, 2)
            if found is not None:
                return found[0]
            if fresh:
                break
        return state

    def _begin(self, state: State) -> State:
        """Return the state under this penalty, and compute products of a dual point if missing."""
        q = self.problem
        # clip first: descent and line search keep coefficients that are out of bounds
        state = q.within_bounds(state)
        if self.v is None or not self.dual.rests_at_0:
            penalty = q.penalty(state.u)
        else:
            W = self.set
            penalty = _penalty(q.l1[W], q.l2[W], state.u[W])
        state = State(state.u, state.b, state.eta, state.loss, penalty, state.r, state.h)
        self.dual.has_l2 = bool(q.l2.any())
        if self.v is None:
            self._look(self._centred(state))
            self.l1 = None
        return state

    def _centred(self, state: State) -> Array:
        """Return r minus its sum, as the intercept would remove it."""
        if not self.problem.fit_intercept:
            return state.r
        slope = float(state.r.sum())
        if self.weight is None:
            h = np.maximum(state.h, 0.0)
            total = float(h.sum())
            return state.r - h * (slope / total) if total > 0 else state.r
        return state.r - self.weight * slope if slope else state.r

    def _look(self, theta: Array) -> None:
        """Compute the products of the columns with theta, or upper bounds of small ones.

        Between two theta, a product changes by at most the norm of its column times the distance,
        sqrt(sum_i s_i a_ij^2) sqrt(sum_i change_i^2 / s_i). A product that this bounds by `_FAR` of
        its l1 is not computed; the bound replaces it. Such a feature neither enters the set nor
        violates the constraints of the dual.
        """
        q = self.problem
        if not self.is_free:
            # signs matter
            self.v = self.A.tdot(theta)
            return
        bound = None
        if self.v is not None and self.A.kind != "C" and not self.is_whole:
            bound = self.norms * self._distance(theta)
            bound += self.v
            looked = np.flatnonzero(bound > _FAR * q.l1)
            if 2 * len(looked) > q.p:
                bound = None
        self.theta = theta
        if bound is None:
            v = self.A.tdot(theta)
            self.v, self.looked = np.abs(v, out=v), None
            return
        bound[looked] = np.abs(self.A.dot_columns(looked.astype(np.int32), theta))
        self.v, self.looked = bound, looked
        self.limit = q.l1

    def _distance(self, theta: Array) -> float:
        """Distance from the last theta in the norm that is dual to that of the columns."""
        moved = theta - self.theta
        moved *= moved
        moved *= self.per_weight
        return math.sqrt(float(moved.sum()))

    @cached_property
    def norms(self) -> Array:
        return np.sqrt(self.problem.rows.squares()) * _OVER_ROUNDING

    @cached_property
    def per_weight(self) -> Array:
        """1 / s, 0 of rows without weight, where theta is 0."""
        s = self.problem.weight
        return np.divide(1.0, s, out=np.zeros(len(s)), where=s > 0)

    def _products_of_set(self, r: Array) -> Array:
        """Return A' r for the features of the set."""
        if self.is_whole:
            return self.A.tdot(r)
        if self.A.kind == "C":
            return self.A.tdot(r)[self.set]
        return self.A.dot_columns(self.set, r)

    def _image(self, d: Array) -> Array:
        """Return A d for the features of the set."""
        if not self.is_whole and self.A.kind != "C":
            return self.A.add_columns(self.set, d)
        step = np.zeros(self.problem.p)
        step[self.set] = d
        return self.A.dot(step)

    # the working set

    def _violations(self, ahead: bool = False) -> NDArray[np.intp]:
        """Return violating features outside of the set.

        ahead: with a margin, where l1 has fallen.
        """
        l1 = self.problem.l1
        # features that were not computed are below `_FAR` of the l1 of that time
        if ahead and self.looked is not None and not (_FAR * self.limit <= _NEAR * l1).all():
            self._look(self.theta)
        pull, inside, looked = self._pull(), self.inside, self.looked
        if looked is not None:
            l1, pull, inside = l1[looked], pull[looked], inside[looked]
        if ahead and self.l1 is not None:
            fallen = self.l1 if looked is None else self.l1[looked]
            fallen = np.maximum(fallen - l1, 0.0)
            least = np.maximum(l1 - _AHEAD * fallen, _NEAR * l1)
            found = (pull > least) & ~inside
            if found.any():
                least = np.maximum(l1 - _FURTHER * fallen, _NEAR * l1)
                found = (pull > least) & ~inside
        else:
            found = (pull > l1) & ~inside
        places = np.flatnonzero(found)
        return places if looked is None else looked[places]

    def _pull(self) -> Array:
        """Return the gradient of the loss by each feature towards leaving rest; read only."""
        q = self.problem
        assert self.v is not None
        v = self.v
        if self.is_free:
            return v
        v = v + q.l2 * self.start
        down = v if q.lower is None else np.where(self.start > q.lower, v, -np.inf)
        up = -v if q.upper is None else np.where(self.start < q.upper, -v, -np.inf)
        return np.maximum(up, down)

    def _choose(self, state: State, ahead: bool, first: bool, stale: bool = False) -> None:
        """Add violating features to the set; ahead: see `_violations`.

        stale: new weights follow, and with them a new Gram matrix.
        """
        q = self.problem
        if self.is_whole:
            if not len(self.set):
                self._grow(np.arange(q.p, dtype=np.int32), stale)
            return
        if not first and self.v is self.seen:
            return
        new = self._violations(ahead)
        self.seen = self.v
        always = np.zeros(0, dtype=np.intp)
        if first and state.u is not self.known:
            wanted = (state.u != 0) | (q.l1 == 0) & (q.l2 == 0)
            wanted &= ~self.inside
            always = np.flatnonzero(wanted)
            new = new[~wanted[new]]
        most = max(_FEW, 2 * int(np.count_nonzero(state.u[self.set])), len(self.set) // 4)
        if len(new) > most:
            self.seen = None
            excess = self._pull()[new] - q.l1[new]
            new = np.sort(new[np.argpartition(-excess, most)[:most]])
        self._grow(np.concatenate([always, new]).astype(np.int32), stale)

    def _grow(self, new: NDArray[np.int32], stale: bool) -> None:
        if not len(new):
            return
        before = len(self.set)
        self.set = np.concatenate([self.set, new])
        self.inside[new] = True
        if self.weight is not None and not stale:
            self._border(before)

    # the model

    def _is_stale(self, state: State) -> bool:
        """Return whether a state's weights are too far from those in use, up to a common factor."""
        if self.weight is None:
            return True
        h = self._curvature(state)
        total = float(h.sum())
        if not total > 0:
            return True
        change = self.shape * total
        change -= h
        np.abs(change, out=change)
        return float(change.sum()) > _STALE * total

    def _curvature(self, state: State) -> Array:
        return state.h if self.problem.loss.is_convex else np.maximum(state.h, 0.0)

    def _follow(self, state: State) -> bool:
        """Rescale the weights in use to the sum of a state's; return whether that is positive."""
        total = float(self._curvature(state).sum())
        if total > 0:
            self.total = total * self.damped
        return total > 0

    def _is_slow(self, promised: float, last: float, gap: float, goal: float) -> bool:
        """Return whether one more step with these weights would not suffice, at this rate."""
        if not self.is_old:
            return False
        pace = promised / last if last > 0 else 1.0
        return pace > _SLOW and gap * pace > goal

    def _take_weights(self, state: State) -> None:
        """Compute the Gram matrix under the weights of a state."""
        q = self.problem
        h = self._curvature(state)
        size = float(h.sum())
        if not size > 0:
            h, size = q.weight, 1.0
        self.shape = h / size
        if self.damping > 0:
            h = h + (self.damping * size) * q.weight
            self.total = float(h.sum())
            self.weight = h / self.total
        else:
            self.weight, self.total = self.shape, size
        self.damped = self.total / size
        self.at, self.is_old = state, False
        # squared response of the model, without rows of negligible weight
        left = state.r / self.total
        left *= left
        with np.errstate(over="ignore"):
            self.left_in_all = float((left / np.maximum(self.weight, 1e-300)).sum())
        left /= self.weight + 1e-3 * q.weight + 1e-300
        self.left = float(left.sum())
        self._prune(state)
        self.descent = Descent()
        self._border(0)

    def _prune(self, state: State) -> None:
        """Remove features from the set that are at their start and far from violating."""
        if self.is_whole or len(self.set) <= _FEW:
            return
        q = self.problem
        keep = (state.u != self.start) | (q.l1 == 0) & (q.l2 == 0)
        kept, known = keep[self.set], len(self.pulled)
        # the last step's gradients are more recent than the dual point
        pull = self._pull()[self.set]
        pull[:known] = self.pulled
        kept |= pull > _NEAR * q.l1[self.set]
        self.pulled = self.pulled[kept[:known]]
        kept = self.set[kept]
        self.inside[self.set] = False
        self.inside[kept] = True
        self.set = kept

    def _border(self, before: int) -> None:
        """Compute the rows of the Gram matrix from `before` on."""
        q, size = self.problem, len(self.set)
        weight = self.weight
        assert weight is not None
        if self.is_whole:
            self.means = self.A.tdot(weight) if q.fit_intercept else np.zeros(size)
            A = self._centre(self.by_rows)
            self.gram = np.ascontiguousarray(A.gram(weight))
        else:
            new = self.set[before:]
            if not q.fit_intercept:
                means = np.zeros(len(new))
            elif self.A.kind == "C":
                means = self.A.tdot(weight)[new]
            else:
                means = self.A.dot_columns(new, weight)
            self.means = np.concatenate([self.means[:before], means])
            A = self._centre(self.columns)
            if A.is_sparse and size > _MOST_GRAM:
                self._by_columns(A)
                return
            self.by_set = None
            if size > len(self.gram):
                capacity = (min(q.p, max(64, size + size // 2)) + 7) // 16 * 16 + 24
                gram = np.empty((capacity, capacity))
                gram[:before, :before] = self.gram[:before, :before]
                self.gram = gram
            if A.is_sparse:
                column_border(A, self.set, weight, before, size, self.gram)
            else:
                if before == 0 or len(self.rows) < size:
                    rows = np.empty((len(self.gram), q.n))
                    rows[:before] = self.rows[:before] if before else 0.0
                    self.rows = rows
                A.copy_columns(self.set[before:size], self.rows[before:size])
                self.rows[before:size] *= np.sqrt(weight)
                gram_border(self.rows, before, size, 1.0, self.gram)
        self.image_of = None
        self.square = np.diagonal(self.gram)[:size].copy()
        self.descent.set_gram(self.gram)

    def _by_columns(self, A: Matrix) -> None:
        """Use the columns instead of their Gram matrix."""
        q = self.problem
        if self.by_set is None:
            # of other coordinates
            self.descent = Descent()
            self.gram = np.zeros((0, 0))
        self.by_set = A
        means, squares = A.column_stats(self.weight)
        if not q.fit_intercept:
            squares += means**2
        if A.scale is not None:
            squares *= A.scale**2
        self.square = squares[self.set]
        self.image_of = None
        self.descent.set_columns(A, self.set, self.weight)

    def _centre(self, near: Matrix) -> Matrix:
        """Return the columns of the set, centred under the weights in use."""
        q = self.problem
        if not q.fit_intercept:
            return near.centered(q.A.shift, q.A.scale)
        shift = np.array(q.A.shift)
        scale = 1.0 if q.A.scale is None else q.A.scale[self.set]
        # columns of scale 0 are constant
        shift[self.set] += np.divide(
            self.means, scale, out=np.zeros(len(self.set)), where=np.asarray(scale != 0)
        )
        return near.centered(shift, q.A.scale)

    def _step(self, state: State, inner: float, exact: int) -> tuple[State, Array, float] | None:
        """Return the state on the way to the model's minimum, theta, and the predicted decrease."""
        q, W, total = self.problem, self.set, self.total
        size = len(W)
        weight = self.weight
        assert weight is not None
        slope = float(state.r.sum()) if q.fit_intercept else 0.0
        g = self._products_of_set(state.r)
        g -= slope * self.means
        g /= -total
        u = state.u[W]
        if self._is_unheld(state, g):
            self.is_old = self.at is not state
            return None
        cross = self._gram_image(state.u, u) + g
        residual, level = None, 0.0
        if self.by_set is not None:
            residual, level = self._residual_of_model(state, u, slope)
        l1, l2 = q.l1[W] / total, q.l2[W] / total
        # keep the remaining squares positive where columns explain little under the weights
        over = np.maximum(np.abs(g) - l1, 0.0)
        over *= np.abs(g)
        curved = self.square + l2
        np.divide(over, curved, out=over, where=curved > 0)
        # include rows of little weight, unless their round-off exceeds the tolerance
        fits = _UNHIDDEN * self.left_in_all * total <= inner
        left = self.left_in_all if fits else self.left
        yy = max(left, _REACH * float(over.sum())) + float(u @ (cross + g))
        w = u.copy()
        self.descent.solve(
            l1,
            l2,
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
            residual=residual,
            level=level,
            exact=exact,
        )
        self.is_old = self.at is not state
        d = w - u
        if not np.isfinite(d).all():
            return None
        image = cross - g
        if self.is_free:
            self.pulled = total * np.abs(g)
        along = self._image(d)
        move = 0.0
        if q.fit_intercept:
            move = -(slope / total + float(weight @ along))
            along += move
        theta = weight * along
        theta *= total
        theta += state.r
        found = self._search(state, w, d, move, along, theta)
        if found is not None and found[0] is not state and np.array_equal(found[0].u[W], w):
            self.image, self.image_of = image, found[0].u
        return found

    def _residual_of_model(self, state: State, u: Array, slope: float) -> tuple[Array, float]:
        """Return the model's residual in the form of `Descent.solve`, and its level."""
        weight, A = self.weight, self.by_set
        assert weight is not None
        assert A is not None
        residual = (slope * weight - state.r) / self.total
        if A.shift is None:
            return residual, 0.0
        scaled = u if A.scale is None else u * A.scale[self.set]
        level = float(scaled @ A.shift[self.set])
        residual -= level * weight
        return residual, level

    def _gram_image(self, whole: Array, u: Array) -> Array:
        """Return the Gram matrix times the coefficients u of the set, part of `whole`."""
        size = len(u)
        if whole is self.image_of and len(self.image) == size:
            return self.image
        if self.by_set is not None:
            weight = self.weight
            assert weight is not None
            along = self._image(u)
            if self.problem.fit_intercept:
                along -= float(weight @ along)
            along *= weight
            return self._products_of_set(along) - self.means * float(along.sum())
        live = np.flatnonzero(u)
        # rows of a symmetric matrix: columns would be copied stride by stride
        return u[live] @ self.gram[live, :size]

    def _is_unheld(self, state: State, g: Array) -> bool:
        """Return whether features have a slope only on rows without curvature: no minimum exists.

        g: the negative gradient of the model.
        """
        squares = self.problem.rows.squares()[self.set]
        flat = np.flatnonzero(self.square <= _FLAT * squares)
        if not len(flat):
            return False
        q, j, g = self.problem, self.set[flat], g[flat]
        u = state.u[j]
        left = g * self.total - q.l2[j] * u
        left = np.where(
            u == 0,
            np.sign(left) * np.maximum(np.abs(left) - q.l1[j], 0.0),
            left - np.sign(u) * q.l1[j],
        )
        unheld = np.abs(left) > 1e-9 * (q.l1[j] + np.abs(g) * self.total)
        if q.upper is not None:
            unheld &= (left < 0) | (u < q.upper[j])
        if q.lower is not None:
            unheld &= (left > 0) | (u > q.lower[j])
        return bool(unheld.any())

    def _search(
        self, state: State, w: Array, d: Array, move: float, along: Array, theta: Array
    ) -> tuple[State, Array, float] | None:
        """Return the state along a step with sufficient decrease."""
        q, W = self.problem, self.set
        l1, l2, u = q.l1[W], q.l2[W], state.u[W]
        outside = state.penalty - _penalty(l1, l2, u)
        slope = float(state.r @ along) + _penalty(l1, l2, w) - _penalty(l1, l2, u)
        size = abs(state.loss) + state.penalty
        if not slope < 0:
            # only round-off is left to gain
            if abs(slope) <= 64 * _EPS * size:
                return state, theta, abs(slope)
            return None
        t = 1.0
        for _ in range(_HALVINGS):
            x = state.u.copy()
            x[W] = w if t == 1 else u + t * d
            eta = state.eta + (along if t == 1 else t * along)
            r, h = np.empty(q.n), np.empty(q.n)
            loss = q.loss.evaluate(q.y, eta, q.weight, r, h)
            penalty = outside + _penalty(l1, l2, x[W])
            new = State(x, state.b + t * move, eta, loss, penalty, r, h)
            allowed = state.objective + _ENOUGH * t * slope
            if abs(t * slope) <= 1e-10 * size:
                # differences of the objective are round-off
                allowed = state.objective + 4 * _EPS * size
            if new.objective <= allowed:
                return new, theta, -slope
            t *= 0.5 if math.isfinite(new.objective) else 0.1
        return None


def _penalty(l1: Array, l2: Array, u: Array) -> float:
    return float(l1 @ np.abs(u)) + 0.5 * float(np.einsum("j,j,j->", l2, u, u))


def prox_newton(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise one problem with an L1 penalty, or bounds."""
    return ProxNewton(problem).solve(state, tol, max_iter)
