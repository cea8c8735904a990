"""Multinomial models with an L1 penalty: prox-Newton steps of one class after the other.

With the coefficients of the other classes fixed, the objective is a logistic one of a class against
the others, with the offset -log sum_{d != c} exp(eta_d): a step of `prox.ProxNewton` lowers it, and
keeps working set and Gram matrix of the class for its next turn. The penalty is separable over the
classes, so that block coordinate descent converges to the minimum (Tseng 2001; Friedman, Hastie and
Tibshirani 2010).
After each round, the coefficients of each feature are shifted by the common number that minimises
their penalty, which does not change the loss. Where few enough coefficients are in play, steps of
all classes together take the place of the rounds; see `softmax_joint`.

The certificate is the gap of a dual point: with r the derivatives by eta, whose sums over the rows
are 0 for optimal intercepts, t r for the largest t of at most 1 with

    |t a_j' r_c| <= l1_j   wherever l2_j = 0,

    D = -sum_i s_i sum_c pi_ic log pi_ic + t sum_ic o_ic r_ic
        - sum_jc max(|t a_j' r_c| - l1_j, 0)^2 / (2 l2_j),   pi = y + t r / s.
"""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np

from ...losses.exponential import y_log
from ...losses.logistic import LOGISTIC
from ..descent.problem import by_columns
from .problem import Array, GLMProblem
from .prox import ProxNewton
from .softmax_joint import JointSteps
from .softmax_problem import SoftmaxProblem, SoftmaxSolution, SoftmaxState

_EPS = float(np.finfo(np.float64).eps)
_SHARE_OF_GAP = 1e-3  # inner tolerance of models, as a share of the last gap
_INNER = 0.05  # the same as a share of the goal, for joint steps
_LAST = 30  # decrease by a step, over the goal, below which the next one may be the last
_MOST_FAILED = 3  # joint steps that fail after which there are none
_MOST_TIGHTENED = 6  # reductions of the inner tolerance by ten, after which there are none
_STILL = 20  # rounds without a gain after which a fit ends


class SoftmaxProx:
    """Solutions of one problem for any sequence of penalties.

    Working sets and Gram matrices of the classes are kept from one penalty to the next.
    """

    def __init__(self, problem: SoftmaxProblem) -> None:
        self.problem = problem
        self._joint = JointSteps(problem)

    @cached_property
    def _classes(self) -> list[ProxNewton]:
        return _classes(self.problem)

    def solve(self, state: SoftmaxState, tol: float, max_iter: int) -> SoftmaxSolution:
        """Minimise until the gap is tol of the null objective; max_iter bounds steps and rounds."""
        problem, joint = self.problem, self._joint
        goal = tol * problem.null_objective
        gap, met, gained = np.inf, False, problem.null_objective
        least, still, failed, best = np.inf, 0, 0, -np.inf
        for n_iter in range(max_iter + 1):
            state = _together(problem, state)
            rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
            if n_iter < max_iter and failed < _MOST_FAILED and joint.choose(state):
                inner = max(_INNER * goal * 0.1**still, _SHARE_OF_GAP * min(gap, gained))
                found = joint.step(state, inner, 2 if still else 1, gained <= _LAST * goal)
                if found is not None:
                    state, theta, gained = found
                    best = max(best, _dual_at(problem, state, theta))
                    gap = max(state.objective - best, 0.0)
                    met = gap <= max(goal, rounding)
                    if met:
                        # a better state for the same dual point
                        state = problem.settle(state)
                        break
                    # limited by the model's accuracy, its minimisation, or round-off
                    still = still + 1 if gained <= _INNER * goal else 0
                    failed = _MOST_FAILED if still > _MOST_TIGHTENED else failed
                    continue
                failed += 1
            gap, state = _certify(problem, state)
            met = gap <= max(goal, rounding)
            if met or n_iter == max_iter:
                break
            before = state.objective
            inner = max(_SHARE_OF_GAP * min(gap, gained), 1e-4 * rounding) / problem.k
            state = self._round(state, inner)
            gained = before - state.objective
            # the gap may still fall where the objective does not
            still = still + 1 if gained <= rounding and gap > 0.5 * least else 0
            least = min(least, gap)
            if still > _STILL:
                break
        # the common number of free coefficients is arbitrary: let them have mean 0
        state = _together(problem, state)
        return SoftmaxSolution(state, gap, n_iter, "prox-newton", bool(met))

    def _round(self, state: SoftmaxState, inner: float) -> SoftmaxState:
        """Return the state after a step of each class."""
        problem = self.problem
        U, b, eta = state.U.copy(order="F"), state.b.copy(), state.eta.copy(order="F")
        for c, one in enumerate(self._classes):
            one.problem.l1, one.problem.l2 = problem.l1, problem.l2
            others = np.delete(eta, c, axis=1)
            top = others.max(axis=1)
            others -= top[:, None]
            level = top + np.log(np.exp(others, out=others).sum(axis=1))
            own = -level if problem.offset is None else problem.offset[:, c] - level
            q = one.problem
            q.offset = own
            here = q.at(np.ascontiguousarray(U[:, c]), float(b[c]), eta[:, c] - level)
            found = one.advance(here, inner)
            if found.objective <= here.objective + 4 * _EPS * abs(here.objective):
                U[:, c], b[c] = found.u, found.b
                eta[:, c] = found.eta + level
        return problem.at(U, b, eta)


def _dual_at(problem: SoftmaxProblem, state: SoftmaxState, theta: Array) -> float:
    """Return the dual at a point whose sums over the rows are 0 up to round-off."""
    V = problem.A.tdot(theta)
    share = problem.shares()
    weight = problem.weight[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        away = np.where(weight > 0, theta / weight, 0.0)
    if (share + away < -_EPS).any():
        return -np.inf
    best = max(_dual(problem, share, away, theta, V, t) for t in _multiples(problem, V))
    return best - _left(problem, state, theta, V)


def _classes(problem: SoftmaxProblem) -> list[ProxNewton]:
    """Return the problem of each class against the others."""
    given = None if problem.rows.weight is None else problem.weight
    first = GLMProblem(
        problem.rows.source,
        np.zeros(problem.n),
        LOGISTIC,
        given,
        problem.factor,
        None,
        None,
        problem.fit_intercept,
        problem.rows.standardize,
    )
    # goals are relative to the whole objective
    first._null_loss, first._least = problem.null_objective, 0.0
    columns = by_columns(first.rows.near)
    found = []
    for c in range(problem.k):
        one = copy.copy(first)
        one.y = np.array(problem.shares()[:, c])
        found.append(ProxNewton(one, columns))
    return found


def _together(problem: SoftmaxProblem, state: SoftmaxState) -> SoftmaxState:
    """Shift each feature's coefficients to the least penalty, with the same predictions.

    The minimiser t of sum_c (l1 |u_c - t| + l2 / 2 (u_c - t)^2) is a coefficient or lies between
    two of them.
    """
    rows = np.flatnonzero(state.U.any(axis=1))
    U = state.U
    b = state.b - state.b.mean() if problem.fit_intercept else state.b
    if len(rows):
        u = np.sort(U[rows], axis=1)
        k = problem.k
        l1, l2 = problem.l1[rows, None], problem.l2[rows, None]
        below = np.arange(1, k)
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = u.mean(axis=1, keepdims=True) + l1 / l2 * (k - 2 * below) / k
        inner = np.where(l2 > 0, inner, u[:, :-1])
        inner = np.clip(inner, u[:, :-1], u[:, 1:])
        inner = np.where(l1 > 0, inner, u.mean(axis=1, keepdims=True))
        t = np.concatenate([np.zeros((len(rows), 1)), u, inner], axis=1)
        away = u[:, :, None] - t[:, None, :]
        value = (l1[..., None] * np.abs(away) + 0.5 * l2[..., None] * away**2).sum(axis=1)
        # shift free features by the mean
        value = np.where((l1 == 0) & (l2 == 0), (away**2).sum(axis=1), value)
        best = value.argmin(axis=1)
        step = t[np.arange(len(rows)), best]
        if step.any():
            U = U.copy(order="F")
            U[rows] -= step[:, None]
    if U is state.U and b is state.b:
        return state
    moved = SoftmaxState(
        U, b, state.eta, state.loss, problem.penalty(U), state.r, state.prob, state.h
    )
    # predictors of the moved coefficients, up to the same number for all classes
    moved.eta = problem.predict(U, b) if U is not state.U else state.eta - (state.b - b)
    return moved


def _certify(problem: SoftmaxProblem, state: SoftmaxState) -> tuple[float, SoftmaxState]:
    """Return the gap, and the state, with optimal intercepts where they may limit the gap."""
    if problem.fit_intercept or len(problem.free[0]):
        state = problem.settle(state)
    V = problem.A.tdot(state.r)
    share = problem.shares()
    away = state.prob - share
    best = max(_dual(problem, share, away, state.r, V, t) for t in _multiples(problem, V))
    return max(state.objective - best, 0.0) + _left(problem, state, state.r, V), state


def _left(problem: SoftmaxProblem, state: SoftmaxState, theta: Array, V: Array) -> float:
    """Return what a dual point loses by slopes along intercepts and free columns: round-off."""
    columns = problem.free[0]
    left = float(np.vdot(np.abs(state.U[columns]), np.abs(V[columns])))
    if problem.fit_intercept:
        left += float(np.abs(state.b) @ np.abs(theta.sum(axis=0)))
    return left


def _multiples(problem: SoftmaxProblem, V: Array) -> set[float]:
    """Return candidates for the best multiple of a dual point with products V with the columns."""
    size = np.abs(V)
    l1, l2 = problem.l1[:, None], problem.l2[:, None]
    hard = (l2 == 0) & (l1 > 0) & (size > l1)
    most = float((np.broadcast_to(l1, V.shape)[hard] / size[hard]).min(initial=1.0))
    over = (size > l1) & (l1 > 0)
    least = float((np.broadcast_to(l1, V.shape)[over] / size[over]).min(initial=1.0))
    return {most, min(most, least)}


def _dual(
    problem: SoftmaxProblem, share: Array, away: Array, theta: Array, V: Array, t: float
) -> float:
    """Return D at t theta; away (n, k) is theta over the weights."""
    prob = np.maximum(share + t * away, 0.0)
    value = -float(problem.weight @ y_log(prob, prob).sum(axis=1))
    if problem.offset is not None:
        value += t * float(np.vdot(theta, problem.offset))
    over = np.maximum(np.abs(t * V) - problem.l1[:, None], 0.0)
    chosen = problem.l2 > 0
    squares = np.einsum("jk,jk->j", over[chosen], over[chosen])
    return value - float(np.sum(0.5 * squares / problem.l2[chosen]))
