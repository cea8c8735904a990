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

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...systems.blas import limited, one_thread_for
from ..descent.problem import by_columns, penalty_of
from .newton import Solution
from .problem import Array, GLMProblem, State
from .prox_dual import Dual
from .prox_model import WeightedModel
from .prox_screen import NEAR, Screen

_EPS = float(np.finfo(np.float64).eps)
# Inner tolerance of a model's minimum: as a share of the goal, and of the last gap.
_INNER, _INNER_OF_GAP = 0.05, 1e-3
# Reduction of the inner tolerance where the objective no longer falls.
_TIGHTEN = 0.1
# Shares by which a gradient is shrunk, in turns, until it is within the conjugate's domain.
_INSIDE = (0.0, 1e-15, 1e-13, 1e-11, 1e-9)
# Steps without a gain after which a fit ends.
_FUTILE = 6
# Predicted decrease over that of the step before, above which it is computed again in any case.
_SLOW = 0.1
# Addition to all weights, as a share of their mean: after the first step that fails, and at most.
_DAMPING, _MOST_DAMPING = 1e-3, 1e6
# A cold start with a small penalty goes by way of larger ones: the ratio of each to the next, their
# tolerance, and bound on their steps.
_RATIO, _LOOSE, _FEW_STEPS = 2.0, 1e-3, 10
# Number of features that may enter the set at once, whatever its size.
_FEW = 100


class ProxNewton:
    """Solutions of one problem for any sequence of penalties.

    Attributes
    ----------
    columns : Matrix
        The features stored by columns.
    model : WeightedModel
        The model of the loss on the working set.
    screen : Screen
        Products of all features with the last dual point.

    Parameters
    ----------
    problem : GLMProblem
    columns : Matrix or None, default=None
        `problem.rows.near` stored by columns, if another problem has it.
    """

    def __init__(self, problem: GLMProblem, columns: Matrix | None = None) -> None:
        self.problem = problem
        self.columns = by_columns(problem.rows.near) if columns is None else columns
        self.model = WeightedModel(problem, self.columns)
        self.dual = Dual(problem)
        self.screen = Screen(problem, self.model.A, self.dual, self.model.is_whole)
        # features of the model's set
        self.inside = np.zeros(problem.p, dtype=bool)
        self.blas = one_thread_for(problem.n * problem.p)
        self.first = problem.null_objective
        # the products by which features were last added, and l1 and coefficients of the last fit
        self.seen: Array | None = None
        self.l1: Array | None = None
        self.known: Array | None = None

    @limited
    def solve(self, state: State, tol: float, max_iter: int) -> Solution:
        """Minimise until the gap is tol of the null objective."""
        if self.screen.v is None and not self.model.is_whole and not state.u.any():
            state = self._approach(state, tol)
        return self._solve(state, tol, max_iter)

    def _approach(self, state: State, tol: float) -> State:
        """Start by way of larger penalties, so that the working set grows with the support."""
        q = self.problem
        l1, l2 = q.l1, q.l2
        self.screen.look(self._centred(state))
        penalised = l1 > 0
        if not penalised.any():
            return state
        ratio = float((self.screen.pull()[penalised] / l1[penalised]).max())
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
                self.model.is_stale(state)
                if n_iter == 0
                else self._is_slow(promised, last, gap, goal)
            )
            stale = stale or not self.model.follow(state)
            self._choose(state, ahead, n_iter == 0, stale)
            if stale:
                self._take_weights(state)
            inner = max(share * goal, _INNER_OF_GAP * min(gap, promised))
            found = self.model.step(state, inner, 1 if share == _INNER else 2)
            n_iter += 1
            if found is None:
                if self.model.is_old:
                    self._take_weights(state)
                elif self.model.damping < _MOST_DAMPING:
                    self.model.damping = max(10.0 * self.model.damping, _DAMPING)
                    self._take_weights(state)
                else:
                    break
                continue
            self.model.damping = 0.1 * self.model.damping if self.model.damping > _DAMPING else 0.0
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
                    if self.seen is None and not self.model.is_whole:
                        # not all violating features were added: fewer violate here
                        self.screen.look(theta)
                    continue
                if self.model.products is None:
                    self.screen.look(theta)
                else:
                    self.screen.know(theta, self.model.products)
                assert self.screen.v is not None
                dual = self.dual.value(theta, self.screen.v, self.screen.looked, most)
                if most == -np.inf and state.objective - max(best, dual) > goal:
                    # after a long step use r, a dual point once the intercept is at its minimum
                    if q.fit_intercept:
                        state = q.settle(state)
                    theta = self._centred(state)
                    self.screen.look(theta)
                    for inside in _INSIDE:
                        whole = self.dual.loss_part((1 - inside) * theta)
                        if whole > -np.inf:
                            v, near = (1 - inside) * self.screen.v, (1 - inside) * theta
                            dual = max(dual, self.dual.value(near, v, self.screen.looked, whole))
                            break
                best = max(best, dual)
                gap = max(state.objective - best, 0.0)
            else:
                self.screen.look(theta)
                gap = np.inf if len(self.screen.violations(self.inside)) else promised
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
                if self.model.is_old:
                    self._take_weights(state)
        self.l1, self.known = q.l1, state.u
        return Solution(state, gap, n_iter, "prox-newton", bool(met))

    def ahead(self, state: State, u: Array, b: float, t: float) -> State:
        """Return the last solution moved by t of its change from u and b, if that is better.

        Coefficients that were or are 0, or would change their sign, stay.
        """
        q, W = self.problem, self.model.set
        if not t or state.u is not self.known:
            return state
        old, now = u[W], state.u[W]
        new = now + t * (now - old)
        new = np.where((old * now > 0) & (new * now > 0), new, now)
        move = t * (state.b - b)
        eta = state.eta + self.model.combine(new - now)
        eta += move
        r, h = np.empty(q.n), np.empty(q.n)
        loss = q.loss.evaluate(q.y, eta, q.weight, r, h)
        l1, l2 = q.l1[W], q.l2[W]
        penalty = penalty_of(l1, l2, new)
        if not loss + penalty < state.loss + penalty_of(l1, l2, now):
            return state
        # the support is that of the last solution
        self.known = state.u.copy()
        self.known[W] = new
        return State(self.known, state.b + move, eta, loss, penalty, r, h)

    def _begin(self, state: State) -> State:
        """Return the state under this penalty, and compute products of a dual point if missing."""
        q = self.problem
        # clip first: descent and line search keep coefficients that are out of bounds
        state = q.within_bounds(state)
        if self.screen.v is None or not self.dual.rests_at_0:
            penalty = q.penalty(state.u)
        else:
            W = self.model.set
            penalty = penalty_of(q.l1[W], q.l2[W], state.u[W])
        state = State(state.u, state.b, state.eta, state.loss, penalty, state.r, state.h)
        self.dual.has_l2 = bool(q.l2.any())
        if self.screen.v is None:
            self.screen.look(self._centred(state))
            self.l1 = None
        return state

    def _centred(self, state: State) -> Array:
        """Return r minus its sum, as the intercept would remove it."""
        if not self.problem.fit_intercept:
            return state.r
        slope = float(state.r.sum())
        if self.model.weight is None:
            h = np.maximum(state.h, 0.0)
            total = float(h.sum())
            return state.r - h * (slope / total) if total > 0 else state.r
        return state.r - self.model.weight * slope if slope else state.r

    def _choose(self, state: State, ahead: bool, first: bool, stale: bool = False) -> None:
        """Add violating features to the set; ahead: with a margin, where l1 has fallen.

        stale: new weights follow, and with them a new Gram matrix.
        """
        q, old = self.problem, self.model.set
        if self.model.is_whole:
            if not len(old):
                self._grow(np.arange(q.p, dtype=np.int32), stale)
            return
        if not first and self.screen.v is self.seen:
            return
        new = self.screen.violations(self.inside, self.l1 if ahead else None)
        self.seen = self.screen.v
        always = np.zeros(0, dtype=np.intp)
        if first and state.u is not self.known:
            wanted = (state.u != 0) | (q.l1 == 0) & (q.l2 == 0)
            wanted &= ~self.inside
            always = np.flatnonzero(wanted)
            new = new[~wanted[new]]
        most = max(_FEW, 2 * int(np.count_nonzero(state.u[old])), len(old) // 4)
        if len(new) > most:
            self.seen = None
            excess = self.screen.pull()[new] - q.l1[new]
            new = np.sort(new[np.argpartition(-excess, most)[:most]])
        self._grow(np.concatenate([always, new]).astype(np.int32), stale)

    def _grow(self, new: NDArray[np.int32], stale: bool) -> None:
        if len(new):
            self.inside[new] = True
            self.model.extend(new, stale)

    def _take_weights(self, state: State) -> None:
        """Reduce the set, and compute the Gram matrix under the weights of a state."""
        self._prune(state)
        self.model.take_weights(state)

    def _prune(self, state: State) -> None:
        """Remove features from the set that are at their start and far from violating."""
        if self.model.is_whole or len(self.model.set) <= _FEW:
            return
        q = self.problem
        keep = (state.u != self.dual.start) | (q.l1 == 0) & (q.l2 == 0)
        kept, known = keep[self.model.set], len(self.model.pulled)
        # the last step's gradients are more recent than the dual point
        pull = self.screen.pull()[self.model.set]
        pull[:known] = self.model.pulled
        kept |= pull > NEAR * q.l1[self.model.set]
        self.inside[self.model.set[~kept]] = False
        self.model.keep(kept)

    def _is_slow(self, promised: float, last: float, gap: float, goal: float) -> bool:
        """Return whether one more step with these weights would not suffice, at this rate."""
        if not self.model.is_old:
            return False
        pace = promised / last if last > 0 else 1.0
        return pace > _SLOW and gap * pace > goal


def prox_newton(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise one problem with an L1 penalty, or bounds."""
    return ProxNewton(problem).solve(state, tol, max_iter)
