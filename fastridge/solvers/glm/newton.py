"""Newton's method on the weighted Gram matrix, for few features; see `fastridge._newton`.

With alpha > 0 the gap is the duality gap sum_j g_j^2 / (2 l2_j), for the gradient g with the
intercept projected out. With free features, and for losses that are not convex, it is Newton's
decrement g'H^-1 g, twice the decrease that a step predicts. It counts only where no predictor moves
by more than 1/2: there curvatures change by at most exp(1/2), which bounds the error. Large data
end by the dual point of the last step's model, a step earlier.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._newton import newton as _newton
from .problem import Array, GLMProblem, State

_LARGE = 1 << 19  # elements of X from which a sample of the rows is fitted first
_ENDED = 1 << 17  # elements of X from which a dual point may end a fit
# The sample takes one row in `_SHARE`, or more where these are fewer than `_MANY` per feature;
# where it would take more than one in `_LEAST_SHARE`, there is none.
_SHARE, _LEAST_SHARE, _MANY = 16, 8, 50
_ENOUGH = 0.6  # decrease over all rows that a start needs, as a share of that over the sample
_SAMPLED = 0.1  # tolerance of the sample's fit, as a share of its sampling error

# how a fit ended
CONVERGED, STALLED, OUT_OF_STEPS, SEPARATED, WORSE, ENDLESS = range(6)


class Solution(NamedTuple):
    """The last state, a bound on how far its objective is from the minimum, and what ran."""

    state: State
    gap: float
    n_iter: int
    solver: str
    converged: bool
    is_endless: bool = False  # the loss keeps falling as unpenalised coefficients grow


def newton(problem: GLMProblem, start: State | None, tol: float, max_iter: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective.

    start: None: the null model, or for many rows the fit to a sample of them.
    """
    if start is not None:
        # the last penalty gives the rate of convergence
        found = _run(problem, start.u.copy(), start.b, tol, max_iter, problem.rate)
        problem.rate = found.rate
        return _solution(found)
    u, b = np.zeros(problem.p), problem.null_intercept
    step = min(_SHARE, problem.n // (_MANY * problem.p)) if problem.p else 0
    if step >= _LEAST_SHARE and problem.A.nnz > _LARGE:
        # at the solution for m rows, the objective of all rows exceeds its minimum by about p / m
        # of the null objective; a Newton step on all rows squares that
        sample = problem.sample(step)
        near = max(tol, _SAMPLED * problem.p / sample.n)
        some = _run(sample, u.copy(), b, near, max_iter)
        if some.ended == CONVERGED:
            state = some.state
            # if the other rows are predicted badly, the null model is the better start
            gained = sample.null_loss - state.objective
            most = problem.null_loss - _ENOUGH * gained
            found = _run(problem, state.u, state.b, tol, max_iter, some.rate, most)
            if found.ended != WORSE:
                return _solution(found)
    return _solution(_run(problem, u, b, tol, max_iter))


class _Run(NamedTuple):
    state: State
    gap: float
    n_iter: int
    ended: int
    rate: float


def _solution(run: _Run) -> Solution:
    met = run.ended == CONVERGED
    return Solution(
        run.state, run.gap, run.n_iter, "newton", met, run.ended in (SEPARATED, ENDLESS)
    )


def _run(
    problem: GLMProblem,
    u: Array,
    b: float,
    tol: float,
    max_iter: int,
    rate: float = 0.0,
    most: float = np.inf,
) -> _Run:
    """Run Newton's method from u, which is overwritten, and b; see `fastridge._newton`."""
    loss = problem.loss
    b, eta, value, penalty, r, h, gap, n_iter, ended, rate = _newton(
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
        b,
        tol * problem.null_objective,
        max_iter,
        loss.name == "logistic" and not problem.l2.any(),
        rate,
        most,
        problem.A.nnz > _ENDED,
    )
    return _Run(State(u, b, eta, value, penalty, r, h), gap, n_iter, ended, rate)
