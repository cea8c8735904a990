"""Newton's method on the weighted Gram matrix, for few features; see `fastridge._newton`.

With alpha > 0 the gap is the duality gap: of a gradient g whose part along the intercept is
projected out, sum_j g_j^2 / (2 l2_j). Where features are free, and of losses that are not convex, it
is Newton's decrement g'H^-1 g, twice what a step gains, and counts only where no predictor moves by
more than a half: curvatures of losses that change by no more than exp(1/2) there bound the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._newton import newton as _newton
from .problem import GLMProblem, State

# how a fit ended
CONVERGED, STALLED, OUT_OF_STEPS, SEPARATED = range(4)


class Solution(NamedTuple):
    """The last state, a bound on how far its objective is from the minimum, and what ran."""

    state: State
    gap: float
    n_iter: int
    solver: str
    ended: int

    @property
    def converged(self) -> bool:
        return self.ended == CONVERGED


def newton(problem: GLMProblem, state: State, tol: float, max_iter: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective."""
    u = state.u.copy()
    eta, r, h = (np.empty(problem.n) for _ in range(3))
    loss = problem.loss
    b, value, penalty, gap, n_iter, ended = _newton(
        problem.A,
        problem.by_rows,
        loss.kernel,
        loss.parameter,
        loss.is_convex,
        problem.y,
        problem.weight,
        problem.offset,
        problem.l2,
        problem.fit_intercept,
        u,
        state.b,
        eta,
        r,
        h,
        tol * problem.null_objective,
        max_iter,
        loss.name == "logistic" and not problem.l2.any(),
    )
    return Solution(State(u, b, eta, value, penalty, r, h), gap, n_iter, "newton", ended)

