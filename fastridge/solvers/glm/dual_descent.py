"""Dual coordinate descent for logistic regression on sparse data with fewer rows than columns.

The kernel visits rows at random and maximises the dual objective by the dual variable of each; see
`fastridge._dual`. A visit costs two products of a row, so that a pass costs about as much as one
iteration of conjugate gradients, and on text of rows of like norms ten to forty passes end a fit.
Where a few rows are far longer than the others passes gain little: they end soon, and `minimise`
takes conjugate gradients.

At the end sum(s theta) is made 0 exactly, coefficients u = -D^-1 A'(s theta) of D = diag(l2) are
computed anew, and the intercept minimises the loss. The gap is the duality gap there,

    sum_i s_i (l(y_i, eta_i) + l*(y_i, theta_i)) - sum_i o_i s_i theta_i + sum_j l2_j u_j^2.

References: C.-J. Hsieh, K.-W. Chang, C.-J. Lin, S. S. Keerthi and S. Sundararajan, "A dual
coordinate descent method for large-scale linear SVM", ICML 2008. H.-F. Yu, F.-L. Huang and C.-J.
Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models", Machine
Learning 85, 2011.
"""

from __future__ import annotations

import numpy as np

from ..._dual import descend, row_squares
from .newton import Solution
from .problem import Array, GLMProblem, State
from .search import ROUNDING

# Share of the goal that passes leave to gain, at first; its reduction where the gap is too large.
_LEFT, _TIGHTEN = 0.3, 0.1
MOST_PASSES = 60  # bound on the passes before another solver goes on
_LEAST_ITER = 30  # max_iter below which conjugate gradients, with fewer steps, are preferred
_START = 18.0  # logit of the first mu, where y is 0 or 1
# Square of the intercept's column in the method of multipliers, over the mean square of the rows:
# larger ones slow the rows down, smaller ones the intercept.
_LEVEL = 0.1
_SEED = 88172645463325252


def suits(problem: GLMProblem, max_iter: int) -> bool:
    """Return whether dual descent may be the best solver."""
    return supports(problem) and problem.A.n_rows < problem.A.n_columns and max_iter >= _LEAST_ITER


def supports(problem: GLMProblem) -> bool:
    """Return whether dual descent supports the loss, the storage and the penalties."""
    is_logistic = problem.loss.name in ("logistic", "binomial")
    return is_logistic and problem.A.is_sparse and bool((problem.l2 > 0).all())


def dual_descent(problem: GLMProblem, tol: float, most: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective.

    most: bound on the passes; fewer are taken where they gain too little to end within twice that.
    """
    rows = problem.by_rows
    assert rows is not None
    y, s, offset = problem.y, problem.weight, problem.offset
    # d_j, and the one number if they are equal
    d: Array | None = 1.0 / problem.l2
    if problem.A.scale is not None:
        d *= problem.A.scale**2
    unit = float(d[0])
    if (d == unit).all():
        d = None
    q = np.empty(problem.n)
    row_squares(rows, d, unit, q)
    q *= s
    rho = _LEVEL * float(q.sum()) if problem.fit_intercept else 0.0
    mu = y.copy()
    with np.errstate(divide="ignore"):
        z = np.clip(np.log(y) - np.log1p(-y), -_START, _START)
    v = np.zeros(problem.p)
    b, seed, used = problem.null_intercept, _SEED, 0
    live = np.flatnonzero(s > 0).astype(np.int32)
    goal, share = tol * problem.null_objective, _LEFT
    best = _ended(problem, problem.null, problem.null_objective, 0, tol)
    while True:
        b, more, seed = descend(
            rows, live, y, s, offset, d, unit, rho, q, z, mu, v, b, seed, share * goal, most - used
        )
        used += more
        state, gap = _certified(problem, mu - y, mu, b)
        last, best = best, _ended(problem, state, gap, used, tol)
        # a gap that hardly falls is round-off, or convergence is too slow
        if best.converged or used >= most or not best.gap < 0.5 * last.gap:
            return best if best.gap < last.gap else last._replace(n_iter=used)
        share *= max(_TIGHTEN, 0.5 * goal / gap)


def _ended(problem: GLMProblem, state: State, gap: float, n_iter: int, tol: float) -> Solution:
    size = abs(state.loss) + state.penalty
    met = gap <= max(tol * problem.null_objective, 4.0 * ROUNDING * size)
    return Solution(state, gap, n_iter, "dual-descent", bool(met))


def _certified(problem: GLMProblem, theta: Array, mu: Array, b: float) -> tuple[State, float]:
    """Return the state of a dual point, and the duality gap with its round-off."""
    s = problem.weight
    theta *= s
    if problem.fit_intercept:
        room = s * mu * (1.0 - mu)
        total = float(room.sum())
        if total > 0:
            theta -= room * (float(theta.sum()) / total)
    u = problem.A.tdot(theta)
    u /= -problem.l2
    if problem.fit_intercept and problem.A.shift is not None:
        # the kernel's b belongs to columns that are not centred
        scaled = u if problem.A.scale is None else u * problem.A.scale
        b += float(problem.A.shift @ scaled)
    state = problem.at(u, b)
    if problem.fit_intercept:
        state = problem.settle(state)
    conjugate = problem.loss.evaluate_conjugate(problem.y, theta, s)
    known = 0.0 if problem.offset is None else float(problem.offset @ theta)
    gap = max(state.loss + conjugate - known + 2.0 * state.penalty, 0.0)
    length = float(np.abs(theta).sum())
    size = abs(state.loss) + 2.0 * state.penalty + abs(state.b) * length
    feasible = not problem.fit_intercept or abs(float(theta.sum())) <= ROUNDING * length
    return state, gap + ROUNDING * size if feasible and np.isfinite(gap) else np.inf
