"""Newton's method on the weighted Gram matrix, for few features.

With g the gradient and H = A' diag(h) A + diag(l2), bordered by the intercept, a step is -H^-1 g,
taken whole where it lowers the objective enough and otherwise as far as a search along it says.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._dense import Cholesky
from ...systems.damped import damped_cholesky
from .problem import Array, GLMProblem, State

_EPS = float(np.finfo(np.float64).eps)
_ENOUGH = 1e-4  # share of the decrease that the gradient promises
_HALVINGS = 60
_DAMPING = 1e-14  # least share of the diagonal that is added where columns are dependent


class Solution(NamedTuple):
    """The last state, a bound on how far its objective is from the minimum, and what ran."""

    state: State
    gap: float
    n_iter: int
    solver: str
    converged: bool


def newton(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective."""
    goal = tol * problem.null_objective
    gap = np.inf
    for n_iter in range(max_iter + 1):
        g = problem.gradient(state)
        system = _System(problem, state, g)
        gap = system.gap()
        rounding = 8 * _EPS * (abs(state.loss) + state.penalty)
        if gap <= goal or gap <= rounding or n_iter == max_iter:
            break
        moved = _search(problem, state, g, *system.step())
        if moved is None:
            break
        state = moved
    # what rounding leaves counts as met
    met = gap <= goal or gap <= rounding
    return Solution(state, gap, n_iter, "newton", bool(met))


class _System:
    """The bordered system at a state, with the intercept eliminated."""

    def __init__(self, problem: GLMProblem, state: State, g: Array) -> None:
        h = np.maximum(state.h, 0.0)
        self.problem, self.total = problem, float(h.sum())
        G = problem.A.gram(h)
        self.s = problem.A.tdot(h) if problem.fit_intercept else np.zeros(problem.p)
        self.slope = float(state.r.sum()) if problem.fit_intercept else 0.0
        self.shift = self.slope / self.total if self.total > 0 else 0.0
        if problem.fit_intercept and self.total > 0:
            G -= np.multiply.outer(self.s, self.s / self.total)
        diagonal = np.diagonal(G) + problem.l2
        diagonal = np.where(diagonal > 0, diagonal, 1.0)
        self.g = g - self.s * self.shift
        factor = damped_cholesky(G, diagonal, _EPS, _DAMPING)
        assert factor is not None
        self.factor: Cholesky = factor
        self.d = self.factor.solve(-self.g)

    def step(self) -> tuple[Array, float]:
        move = -self.shift - float(self.s @ self.d) / self.total if self.total > 0 else 0.0
        return self.d, move

    def gap(self) -> float:
        """Bound by strong convexity, or where features are free by the decrement."""
        l2 = self.problem.l2
        level = 0.5 * self.slope * self.shift
        decrement = -float(self.g @ self.d)
        if (l2 > 0).all() and self.problem.loss.is_convex:
            return min(0.5 * float(np.sum(self.g**2 / l2)), 1e300) + level
        return decrement + level


def _search(problem: GLMProblem, state: State, g: Array, d: Array, move: float) -> State | None:
    """The state after a step that lowers the objective, or None where none does."""
    along = problem.A.dot(d) + move
    slope = float(state.r @ along) + float(problem.l2 * state.u @ d)
    if not slope < 0:
        return None
    t = 1.0
    for _ in range(_HALVINGS):
        new = problem.at(state.u + t * d, state.b + t * move, state.eta + t * along)
        if new.objective <= state.objective + _ENOUGH * t * slope:
            return new
        near = abs(t * slope) <= 1e-10 * (abs(state.loss) + state.penalty)
        if near and new.objective <= state.objective + 4 * _EPS * abs(state.objective):
            # differences are rounding: the slope decides
            if abs(float(new.r @ along) + float(problem.l2 * new.u @ d)) <= abs(slope):
                return new
        t *= 0.5 if np.isfinite(new.objective) else 0.1
    return None
