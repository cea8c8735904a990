"""Ridge with bounds on the coefficients: projected Newton steps on the free coefficients.

With H = A' S^2 A + alpha diag(d) and g = A' S^2 (y - A w) - alpha d w, a coefficient is held where
it is at a bound and g points beyond it. The others move by e with H_FF e = g_F, as far as the
projection of the step lowers the objective (Bertsekas 1982). On the free set of the solution the
first full step is exact, and the next one refines it with the residual from X. After many steps,
coefficients are freed only once the objective is minimised over the current free set, so that no
set is visited twice: an active set method, which is finite (Lawson & Hanson 1974, chapter 23). Free
sets of many coefficients are solved by conjugate gradients.

References: D. P. Bertsekas, "Projected Newton methods for optimization problems with simple
constraints", SIAM Journal on Control and Optimization 20(2), 1982. C. L. Lawson and R. J. Hanson,
"Solving Least Squares Problems", Prentice-Hall, 1974.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._dense import Cholesky
from ...quadratic.error_bound import Bound, Goal
from ...quadratic.problem import RidgeProblem
from ...systems.blas import on_one_thread
from ...systems.cost import default_memory
from ...systems.damped import damped_cholesky
from .cg import Systems, iteration_limit

_DIRECT = 3000  # most free coefficients whose system is factored
_KEEP = 1e-13  # share of a column that must be left by the columns before it
_EXTRA = 1e-11  # share of the diagonal that is added for dependent columns
_SETTLED = 1e-7  # relative step whose square is below round-off
_ENOUGH = 1e-4  # share of the expected decrease (Armijo)
_HALVINGS = 60
_QUICK = 8  # steps after which X is checked for numbers that are not finite
_GRADIENT = 1e-2  # bound on the relative gradient where alpha = 0, as a share of tol


class Box:
    """lower <= w <= upper, arrays (p,); None: unbounded."""

    def __init__(self, p: int, lower=None, upper=None) -> None:
        self.lower = np.full(p, -np.inf) if lower is None else lower
        self.upper = np.full(p, np.inf) if upper is None else upper
        self.origin = self.project(np.zeros(p))

    def project(self, w) -> NDArray[np.float64]:
        return np.minimum(np.maximum(w, self.lower), self.upper)

    def projected(self, gradient, w) -> NDArray[np.float64]:
        """Return the projection of a negative gradient (..., p) onto feasible directions at w."""
        left = np.where(w > self.lower, gradient, np.maximum(gradient, 0.0))
        return np.where(w < self.upper, left, np.minimum(left, 0.0))

    def leaves(self, direction, w) -> NDArray[np.bool_]:
        """Return whether a direction (p,) leaves the box at once."""
        return ((w <= self.lower) & (direction < 0)) | ((w >= self.upper) & (direction > 0))

    def reach(self, step, w) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds that a step (p,) leads to, and the share of the step up to each.

        The share is infinite for coefficients that are at that bound already.
        """
        goal = np.where(step > 0, self.upper, self.lower)
        moves = (step != 0) & (goal != w)
        return goal, np.divide(goal - w, step, out=np.full(len(w), np.inf), where=moves)


@on_one_thread
def solve_bounded(
    problem: RidgeProblem, lower, upper, tol, max_iter, coef_init, max_memory=None
) -> tuple[NDArray, ...]:
    """Return coefficients (k, p), iterations, relative projected gradients, objectives, errors and
    whether each target converged.

    As without bounds (see `quadratic.error_bound`), the objective exceeds its minimum over the box
    by at most the squared norm of the projected gradient, in the norm of D^-1, over alpha: moves
    against the gradient's components that a bound removes only raise it.
    """
    p, k = problem.p, problem.k
    box = Box(p, lower, upper)
    limit = iteration_limit(problem, max_iter)
    at_zero = problem.gradient_at_zero()
    steps = _Steps(problem, default_memory() if max_memory is None else max_memory)
    coef = np.empty((k, p))
    n_iter = np.ones(k, dtype=np.intp)
    relative, objective = np.zeros(k), np.empty(k)
    error, converged = np.empty(k), np.empty(k, dtype=bool)
    for t in range(k):
        goal = Goal(problem, float(problem.alpha[t]), tol)
        w = box.origin.copy() if coef_init is None else box.project(coef_init.reshape(k, p)[t])
        first = float(np.linalg.norm(at_zero[:, t]))
        if box.origin.any():
            origin = problem.gradient(box.origin, t, float(problem.alpha[t]))[0]
            first = max(first, float(np.linalg.norm(origin)))
        coef[t], n_iter[t], left, objective[t] = _solve_one(
            problem, box, steps, t, w, goal, _GRADIENT * tol * first, limit
        )
        relative[t] = np.linalg.norm(left) / first if first > 0 else 0.0
        W, value = coef[t][:, None], objective[t : t + 1]
        norm = goal.norm(left[:, None])
        error[t] = goal.error(norm, W, value)[0]
        converged[t] = norm[0] <= _enough(goal, value[0], _GRADIENT * tol * first)
    return coef, n_iter, relative, objective, error, converged


def _enough(goal, objective: float, least: float) -> float:
    """Return the bound on the norm of a projected gradient; `least` where alpha = 0."""
    return goal.share * float(np.sqrt(max(objective, 0.0))) if goal.alpha > 0 else least


def _solve_one(problem, box, steps, t, w, goal, least, limit):
    """Return coefficients, iterations, projected gradient and objective of target t."""

    def norm_of(gradient) -> float:
        return float(goal.norm(gradient[:, None])[0])

    alpha = float(problem.alpha[t])
    curvature = problem.column_squares() + alpha * problem.d
    gradient, objective = problem.gradient(w, t, alpha)
    norm = norm_of(box.projected(gradient, w))
    bound = _enough(goal, objective, least)
    movable = (curvature > 0) & (box.lower < box.upper)
    free, stopped = movable, ~movable
    done = count = 0
    whole, settled, exact = True, False, False
    while norm > 0 and done < limit and not (norm <= bound and (settled or not exact)):
        careful = count >= _QUICK
        last = whole or not careful  # whether all coefficients with a gradient are free to move
        free = movable & ~box.leaves(gradient, w) if last else free & ~stopped
        count += 1
        while True:
            inner = bound if goal.weights is None else bound / np.sqrt(goal.weights.max())
            step, used, exact = steps.step(w, t, alpha, gradient, free, inner, limit - done)
            done += used
            stopped = box.leaves(step, w)
            if not (careful and stopped.any()) or done >= limit:
                break
            free, last = free & ~stopped, False
        full = w + step
        new = box.project(full)
        whole = bool((new == full).all())
        if not whole:
            new = _search(problem, box, w, step, gradient, alpha)
            stopped = (new <= box.lower) | (new >= box.upper)
        settled = whole and curvature @ (new - w) ** 2 <= _SETTLED**2 * (curvature @ new**2)
        closer, value = problem.gradient(new, t, alpha)
        left = box.projected(closer, new)
        size = norm_of(left)
        better = size < norm or value < objective
        # solved on this free set; coefficients that should leave their bounds do in the next step
        done_here = settled and norm_of(np.where(free, left, 0.0)) >= 0.5 * size
        stalled = not better or (not size < 0.5 * norm and (done_here or size <= bound))
        if better:
            w, gradient, norm, objective = new, closer, size, value
            bound = _enough(goal, objective, least)
        if stalled and (last or norm <= bound):
            break
        whole = whole or stalled
    return w, max(done, 1), box.projected(gradient, w), objective


def _search(problem, box, w, step, gradient, alpha):
    """Return the result of a projected backtracking line search.

    It is the projection of the longest of the steps 1, 1/2, 1/4, ... with sufficient decrease, or
    the best step before the first coefficient meets its bound.
    """
    goal, reach = box.reach(step, w)
    first = float(reach.min())
    share = 1.0
    for _ in range(_HALVINGS):
        new = box.project(w + share * step)
        s = new - w
        r = problem.A.dot(s)
        bent = float(r @ r if problem.weight is None else r @ (problem.weight * r))
        bent += alpha * float(problem.d @ s**2)
        gain = float(gradient @ s)
        if share <= first:
            # straight from w on
            if not (gain > 0 and bent > 0):
                return w
            share = min(share * gain / bent, first)
            return np.where(reach <= share, goal, box.project(w + share * step))
        if gain - 0.5 * bent >= _ENOUGH * gain:
            return new
        share = max(0.5 * share, first)
    return w


class _Steps:
    """Newton steps on free sets; consecutive steps share Gram matrix and factor."""

    def __init__(self, problem: RidgeProblem, max_memory: float) -> None:
        self.problem, self.max_memory = problem, max_memory
        # memory for the Gram matrix, the block of a free set, and its copy
        self.most = int(min(_DIRECT, np.sqrt(max_memory / 24)))
        self.place: NDArray[np.intp] | None = None
        self.free = self.alpha = self.factor = self.systems = None

    def step(self, w, t, alpha, gradient, free, bound, limit):
        """Return the step (p,), 0 where not free, its iterations, and whether it is exact."""
        if self.alpha != alpha or not np.array_equal(free, self.free):
            self.alpha, self.free, self.systems = alpha, free, None
            self.factor = self._factored(np.flatnonzero(free))
        step = np.zeros(len(w))
        if self.factor is not None:
            step[free] = self.factor.solve(gradient[free])
            return step, 1, True
        if self.systems is None:
            reduced = self.problem.restricted(free, t)
            self.systems = Systems(reduced, reduced.gradient_at_zero(), self.max_memory)
        reduced = self.systems.problem
        held = np.where(free, 0.0, w)
        reduced.Y = (self.problem.Y[:, t] - self.problem.A.dot(held))[:, None]
        u = np.where(free, w, 0.0)
        at_w, value = reduced.gradient(u, 0, alpha)
        # solve to a tenth of the gradient, as the free set may not be the last one, and to half
        # of the bound, so that round-off does not cost one more step
        bound = max(0.5 * bound, 0.1 * float(np.linalg.norm(gradient[free])))
        W, G = (np.asfortranarray(a[:, None]) for a in (u, at_w))
        goal = Bound(np.array([bound]), alpha)
        used = self.systems.solve(W, [0], goal, G, np.array([value]), limit)
        step[free] = W[free, 0] - w[free]
        return step, int(used[0]), False

    def _factored(self, columns) -> Cholesky | None:
        """Return a factor of H on some columns, damped if they are dependent; None for many."""
        if not 0 < len(columns) <= self.most:
            return None
        problem = self.problem
        if self.place is None or (self.place[columns] < 0).any():
            chosen = np.arange(problem.p)
            if problem.p > self.most:
                before = columns if self.place is None else np.flatnonzero(self.place >= 0)
                chosen = np.union1d(columns, before)
                chosen = chosen if len(chosen) <= self.most else columns
            self.gram = None
            self.gram = problem.A.gram(
                problem.weight, columns=chosen if len(chosen) < problem.p else None
            )
            self.place = np.full(problem.p, -1, dtype=np.intp)
            self.place[chosen] = np.arange(len(chosen))
        places = self.place[columns]
        diagonal = np.diagonal(self.gram)[places] + self.alpha * problem.d[columns]
        # damping makes this a proximal step, shortened only in directions of tiny curvature
        return damped_cholesky(self.gram[np.ix_(places, places)], diagonal, _KEEP, _EXTRA, 1.0)
