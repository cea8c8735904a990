"""Dual coordinate descent for logistic regression on sparse data with fewer rows than columns.

The kernel visits rows at random and maximises the dual objective by the dual variable of each; see
`fastridge._dual`. A visit costs two products of a row, so that a pass costs about as much as one
iteration of conjugate gradients, and on text of rows of like norms ten to forty passes end a fit.
Where a few rows are far longer than the others passes gain little: they end soon, and `minimise`
takes conjugate gradients.

Fits of falling penalties start from logits of mu that are extrapolated from the last three fits:
any mu in [0, 1] is feasible for each penalty, and v follows from it. A first fit starts from given
predictors, or those of the null model, where their dual objective is above that of theta = 0.

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
from .ahead import shares_ahead
from .newton import Solution
from .problem import Array, GLMProblem, State
from .search import ROUNDING

# Share of the goal that passes leave to gain, at first; its reduction where the gap is too large.
_LEFT, _TIGHTEN = 0.3, 0.1
MOST_PASSES = 60  # bound on the passes before another solver goes on
_LEAST_ITER = 30  # max_iter below which conjugate gradients, with fewer steps, are preferred
_START = 18.0  # logit of the first mu, where y is 0 or 1
_FARTHEST = 30.0  # bound on the logits of a warm start
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


class DualDescent:
    """Fits of one problem for any sequence of penalties.

    Parameters
    ----------
    problem : GLMProblem

    Attributes
    ----------
    past : list of (float, ndarray (n,), float)
        Of the last fits, at most three: alpha, the logits of mu, and b of the kernel.
    is_slow : bool
        Whether the last fit ended without its tolerance.
    """

    def __init__(self, problem: GLMProblem) -> None:
        self.problem = problem
        self.past: list[tuple[float, Array, float]] = []
        self.is_slow = False
        self._squares: Array | None = None

    def solve(self, tol: float, most: int, state: State | None = None) -> Solution:
        """Minimise without an L1 penalty and bounds, until the gap is tol of the null objective.

        Passes start from the past fits; without any, from a state if that is better than the dual
        point 0.

        most: bound on the passes; fewer are taken where they gain too little to end within twice
        that.
        """
        problem = self.problem
        rows = problem.by_rows
        assert rows is not None
        y, s, offset = problem.y, problem.weight, problem.offset
        d, unit = self._curvatures()
        assert self._squares is not None
        q = self._squares * s
        q /= problem.alpha * (1.0 - problem.l1_ratio)
        rho = _LEVEL * float(q.sum()) if problem.fit_intercept else 0.0
        goal, share = tol * problem.null_objective, _LEFT
        best = _ended(problem, problem.null, problem.null_objective, 0, tol)
        z, mu, v, b = self._first(state, d, unit)
        if state is not None and not self.past and state.u.any():
            best = _ended(problem, *_certified(problem, mu - y, mu, b), 0, tol)
            if best.converged:
                self._keep(z, b)
                return best
        live = np.flatnonzero(s > 0).astype(np.int32)
        seed, used = _SEED, 0
        while True:
            left = most - used
            b, more, seed = descend(
                rows, live, y, s, offset, d, unit, rho, q, z, mu, v, b, seed, share * goal, left
            )
            used += more
            found, gap = _certified(problem, mu - y, mu, b)
            last, best = best, _ended(problem, found, gap, used, tol)
            # a gap that hardly falls is round-off, or convergence is too slow
            if best.converged or used >= most or not best.gap < 0.5 * last.gap:
                break
            share *= max(_TIGHTEN, 0.5 * goal / gap)
        self._keep(z, b)
        self.is_slow = not best.converged
        return best if best.gap < last.gap else last._replace(n_iter=used)

    def _curvatures(self) -> tuple[Array | None, float]:
        """Return d (p,), or None and the one number if they are equal."""
        problem = self.problem
        d: Array | None = 1.0 / problem.factor
        if problem.A.scale is not None:
            d *= problem.A.scale**2
        first = float(d[0])
        d = None if (d == first).all() else d
        if self._squares is None:
            self._squares = np.empty(problem.n)
            row_squares(problem.by_rows, d, first, self._squares)
        strength = problem.alpha * (1.0 - problem.l1_ratio)
        return None if d is None else d / strength, first / strength

    def _first(
        self, state: State | None, d: Array | None, unit: float
    ) -> tuple[Array, Array, Array, float]:
        """Return logits z and mu (n,), the v (p,) that belongs to them, and b."""
        problem = self.problem
        y, s = problem.y, problem.weight
        if self.past:
            z, b = self._ahead()
        else:
            z, b = self._logits_of(problem.null if state is None else state)
        mu = 1.0 / (1.0 + np.exp(-z))
        theta = (mu - y) * s
        g = problem.by_rows.tdot(theta)
        v = g * -(unit if d is None else d)
        if self.past:
            return z, mu, v, b
        value = problem.loss.evaluate_conjugate(y, theta, s) - 0.5 * float(v @ g)
        if problem.offset is not None:
            value -= float(problem.offset @ theta)
        # not a number where squares overflow
        if value < -problem.least:
            return z, mu, v, b
        with np.errstate(divide="ignore"):
            z = np.clip(np.log(y) - np.log1p(-y), -_START, _START)
        return z, y.copy(), np.zeros(problem.p), problem.null_intercept

    def _logits_of(self, state: State) -> tuple[Array, float]:
        """Return the predictors of a state, and its intercept for columns that are not centred."""
        problem, b = self.problem, state.b
        if problem.fit_intercept and problem.A.shift is not None and state.u.any():
            scaled = state.u if problem.A.scale is None else state.u * problem.A.scale
            b -= float(problem.A.shift @ scaled)
        return np.clip(state.eta, -_FARTHEST, _FARTHEST), b

    def _ahead(self) -> tuple[Array, float]:
        """Return logits and b extrapolated from the past in log alpha."""
        share = shares_ahead([alpha for alpha, _, _ in self.past], self.problem.alpha)
        z = np.zeros(self.problem.n)
        b = 0.0
        for c, (_, logits, level) in zip(share, self.past, strict=True):
            z += c * logits
            b += c * level
        return np.clip(z, -_FARTHEST, _FARTHEST), b

    def _keep(self, z: Array, b: float) -> None:
        self.past = [*self.past[-2:], (self.problem.alpha, z, b)]


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
