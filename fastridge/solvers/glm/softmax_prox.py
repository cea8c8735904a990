"""Multinomial models with an L1 penalty, by prox-Newton steps; see `softmax_joint`.

After each step, the coefficients of each feature are shifted by the common number that minimises
their penalty, which does not change the loss.

The certificate is the gap of a dual point: with r the derivatives by eta, whose sums over the rows
are 0 for optimal intercepts, t r for the largest t of at most 1 with

    |t a_j' r_c| <= l1_j   wherever l2_j = 0,

    D = -sum_i s_i sum_c pi_ic log pi_ic + t sum_ic o_ic r_ic
        - sum_jc max(|t a_j' r_c| - l1_j, 0)^2 / (2 l2_j),   pi = y + t r / s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .problem import Array
from .softmax_joint import Aim, JointSteps
from .softmax_problem import SoftmaxProblem, SoftmaxSolution, SoftmaxState

_EPS = float(np.finfo(np.float64).eps)
_LEAST = 1e-300  # for logarithms that are multiplied by 0
_SHARE_OF_GAP = 1e-3  # inner tolerance of models, as a share of the last gap
_INNER = 0.05  # the same as a share of the goal
_LAST = 30  # decrease by a step, over the goal, below which the next one may be the last
_FAR = 200  # decrease by a step, over the goal, after which another one is needed in any case
_LAST_STEPS = 1  # bound on the steps for intercepts and free coefficients that end a fit
_MOST_TIGHTENED = 6  # reductions of the inner tolerance by ten
_IDLE = 1e-4  # decrease by a step, over the goal, at which a fit ends after these


class SoftmaxProx:
    """Solutions of one problem for any sequence of penalties.

    The working set, and models on it, are kept from one penalty to the next.
    """

    def __init__(self, problem: SoftmaxProblem) -> None:
        self.problem = problem
        self.joint = JointSteps(problem)

    def solve(self, state: SoftmaxState, tol: float, max_iter: int) -> SoftmaxSolution:
        """Minimise until the gap is tol of the null objective; max_iter bounds the steps."""
        problem, joint = self.problem, self.joint
        joint.begin()
        goal = tol * problem.null_objective
        gap, gained, best, still, met = np.inf, problem.null_objective, -np.inf, 0, False
        for n_iter in range(max_iter + 1):
            state = _together(problem, state)
            rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
            is_still = still > _MOST_TIGHTENED and gained <= max(_IDLE * goal, rounding)
            if n_iter == max_iter or joint.is_stuck or is_still:
                certified, state = _certify(problem, state)
                gap = min(gap, certified)
                met = gap <= max(goal, rounding)
                break
            joint.choose(state)
            inner = max(
                _INNER * goal * 0.1 ** min(still, _MOST_TIGHTENED), _SHARE_OF_GAP * min(gap, gained)
            )
            is_last = gained <= _LAST * goal
            found = joint.step(state, Aim(inner, 2 if still else 1, is_last, _FAR * goal))
            if found is None:
                continue
            state, theta, gained = found
            if theta is None:
                certified, state = _certify(problem, state)
                best = max(best, state.objective - certified)
            else:
                joint.pull = problem.A.tdot(theta)
                best = max(best, _dual_at(problem, state, theta, joint.pull))
            gap = max(state.objective - best, 0.0)
            met = gap <= max(goal, rounding)
            if met:
                # a better state for the same dual point
                state = problem.settle(state, _LAST_STEPS)
                break
            # limited by the model's accuracy, its minimisation, or round-off
            still = still + 1 if gained <= _INNER * goal else 0
        # the common number of free coefficients is arbitrary: let them have mean 0
        state = _together(problem, state)
        return SoftmaxSolution(state, gap, n_iter, "prox-newton", bool(met))


def _dual_at(problem: SoftmaxProblem, state: SoftmaxState, theta: Array, V: Array) -> float:
    """Return the dual at a point whose sums over the rows are 0 up to round-off; V = A'theta."""
    share = problem.shares()
    weight = problem.weight[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        away = theta / weight
    if problem.weightless is not None:
        away[problem.weightless] = 0.0
    if any(float((share[:, c] + away[:, c]).min(initial=0.0)) < -_EPS for c in range(problem.k)):
        return -np.inf
    best = max(_dual(problem, share, away, theta, V, t) for t in _multiples(problem, V))
    return best - _left(problem, state, theta, V)


def _together(problem: SoftmaxProblem, state: SoftmaxState) -> SoftmaxState:
    """Shift each feature's coefficients to the least penalty, with the same predictions.

    The minimiser t of sum_c (l1 |u_c - t| + l2 / 2 (u_c - t)^2) is a coefficient or lies between
    two of them.
    """
    U = state.U
    rows = np.flatnonzero(_is_off(problem, U))
    b = state.b
    if abs(float(b.mean())) > _EPS * float(np.abs(b).max()):
        b = b - b.mean()
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


def _is_off(problem: SoftmaxProblem, U: Array) -> NDArray[np.bool_]:
    """Return for which features a number added to their coefficients lowers the penalty (p,).

    The slopes of the penalty along that direction are those of positive, minus those of negative
    coefficients, plus or minus l1 for each that is 0.
    """
    positive, negative = (U > 0).sum(axis=1), (U < 0).sum(axis=1)
    slope = problem.l1 * (positive - negative)
    if problem.l2.any():
        slope = slope + problem.l2 * U.sum(axis=1)
    hold = problem.l1 * (problem.k - positive - negative)
    free = (problem.l1 == 0) & (problem.l2 == 0)
    return np.where(free, U.any(axis=1), np.abs(slope) > hold)


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
    value = 0.0
    # class by class, in cache
    for c in range(problem.k):
        prob = t * away[:, c]
        prob += share[:, c]
        np.maximum(prob, 0.0, out=prob)
        log = np.log(np.maximum(prob, _LEAST))
        log *= prob
        value -= float(problem.weight @ log)
    if problem.offset is not None:
        value += t * float(np.vdot(theta, problem.offset))
    over = np.maximum(np.abs(t * V) - problem.l1[:, None], 0.0)
    chosen = problem.l2 > 0
    squares = np.einsum("jk,jk->j", over[chosen], over[chosen])
    return value - float(np.sum(0.5 * squares / problem.l2[chosen]))
