"""Newton's method in the space of samples, for dense data with fewer samples than features.

With all features penalised, coefficients are u = D^-1 A'a for D = diag(l2), with a = -r at the
minimum. With K = A D^-1 A' predictors are eta = o + b + K a and the penalty is a'K a / 2. A Newton
step on the coefficients gives a+ and e with

    (I + H K) a+ = -r + H K a - h e,    sum(a+) = 0,

for H = diag(h) and e the step of b: two solutions with the factor of I + H^1/2 K H^1/2 (Rasmussen &
Williams 2006, section 3.4).
"""

from __future__ import annotations

import numpy as np

from ..._dense import Cholesky
from ...systems.blas import on_one_thread
from .newton import Solution
from .problem import Array, GLMProblem, State
from .search import ROUNDING, backtrack

# Slope at the end of a step, as a share of the first, above which the step is extended; bounds on
# the growth of its length at once, and on their number.
_FLAT, _GROWTH, _MOST_EXTENSIONS = 0.1, 4.0, 20


@on_one_thread
def newton_samples(problem: GLMProblem, state: State | None, tol: float, max_iter: int) -> Solution:
    """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective."""
    K = problem.A.gram_rows(1.0 / problem.l2)
    goal = tol * problem.null_objective
    n = problem.n
    # start in the span of the rows, where the minimum is
    a = np.zeros(n)
    b = problem.null_intercept if state is None else state.b
    if state is not None and state.u.any():
        a = -state.r
    base = np.zeros(n) if problem.offset is None else problem.offset
    here = _Point(problem, a, K @ a, b, base)
    gap, met, size = np.inf, False, 0.0
    for n_iter in range(max_iter + 1):
        total, slope = float(here.h.sum()), float(here.r.sum())
        c = slope / total if problem.fit_intercept and total > 0 else 0.0
        q = here.r - c * here.h + here.a
        # a slope without curvature gives no bound on the distance to the minimum
        flat = problem.fit_intercept and total <= 0 and slope != 0
        near = problem.is_near(here.eta, -c) and not flat
        level = 0.5 * c * slope * (1.0 + abs(c)) if near else np.inf
        gap = 0.5 * float(q @ (K @ q)) + level
        size = abs(here.loss) + here.penalty
        met = gap <= goal or gap <= ROUNDING * size
        if met or n_iter == max_iter:
            break
        try:
            a, e = _step(K, here, problem.fit_intercept)
        except ArithmeticError:
            # with a weak penalty, K is not accurate enough
            break
        moved = _search(problem, here, a, K @ a, e, base)
        if moved is None:
            break
        here = moved
    u = problem.A.tdot(here.a) / problem.l2
    # coefficients give the same predictors as K a up to round-off, which is added to the gap
    state = problem.at(u, here.b)
    gap += max(state.objective - here.objective, 0.0)
    # both objectives have the round-off of such sums
    met = met and gap <= max(goal, 4.0 * ROUNDING * (size + problem.null_objective))
    return Solution(state, gap, n_iter, "newton-samples", bool(met))


class _Point:
    """The loss and its derivatives at a (n,) with K a, and b."""

    def __init__(self, problem: GLMProblem, a: Array, Ka: Array, b: float, base: Array) -> None:
        self.a, self.Ka, self.b = a, Ka, b
        self.eta = base + Ka
        self.eta += b
        self.r, self.h = np.empty(len(a)), np.empty(len(a))
        self.loss = problem.loss.evaluate(problem.y, self.eta, problem.weight, self.r, self.h)
        self.penalty = 0.5 * float(a @ Ka)

    @property
    def objective(self) -> float:
        return self.loss + self.penalty


def _step(K: Array, here: _Point, fit_intercept: bool) -> tuple[Array, float]:
    """Return a+ and the step of b."""
    root = np.sqrt(here.h)
    B = K * root
    B *= root[:, None]
    B.flat[:: len(B) + 1] += 1.0
    factor = Cholesky(B)

    def solve(v: Array) -> Array:
        return v - root * factor.solve(root * (K @ v))

    a = solve(here.h * here.Ka - here.r)
    if not fit_intercept:
        return a, 0.0
    of_h = solve(here.h)
    total = float(of_h.sum())
    if not total > 0:
        # the sum of the weights, 1, bounds the curvature along the intercept
        return a, -float(here.r.sum())
    e = float(a.sum()) / total
    return a - e * of_h, e


def _search(
    problem: GLMProblem, here: _Point, a: Array, Ka: Array, e: float, base: Array
) -> _Point | None:
    """Return the point along the step with sufficient decrease, or None.

    A full step that stops short of the minimum along its direction, as where features separate the
    classes, is extended by Newton steps in its length: they cost no product with K.
    """
    d, Kd = a - here.a, Ka - here.Ka
    square = float(d @ Kd)

    def slope_at(point: _Point) -> float:
        return float(point.r @ Kd) + e * float(point.r.sum()) + float(point.a @ Kd)

    slope = slope_at(here)

    def at(t: float) -> _Point:
        if t == 1.0:
            return _Point(problem, a, Ka, here.b + e, base)
        return _Point(problem, here.a + t * d, here.Ka + t * Kd, here.b + t * e, base)

    found = backtrack(here.objective, abs(here.loss) + here.penalty, slope, at)
    if found is None:
        return None
    t, best = found
    for _ in range(_MOST_EXTENSIONS):
        after = slope_at(best)
        curve = float(best.h @ (Kd + e) ** 2) + square
        if t < 1 or not after < _FLAT * slope or not curve > 0:
            break
        t = min(t - after / curve, _GROWTH * t)
        further = at(t)
        if not further.objective < best.objective:
            break
        best = further
    return best
