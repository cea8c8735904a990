"""Solutions of one problem for one penalty after another, each from where the last one ended."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ...losses import Loss
from ..descent.grid import LEAST_L1_RATIO, spaced
from .ahead import reach_ahead
from .dual_descent import DualDescent
from .fit import make_problem
from .minimise import minimise
from .newton import Solution
from .options import NOTHING, Constraints, Options
from .problem import Array, GLMProblem, State
from .prox import ProxNewton

_NULL_TOL = 1e-12


def spaced_from(first: float, eps: float, n_alphas: int) -> Array:
    """Return a grid from `first` to eps times it; constant where `first` is round-off."""
    rounding = float(np.finfo(np.float64).resolution)
    if first <= rounding:
        return np.full(n_alphas, rounding)
    return spaced(first, eps, n_alphas)


class PathRun:
    """Solutions of one problem for any sequence of alphas, each warm-started from the last.

    Reused along the path are the columns, the working set with its Gram matrix and factor, the
    dual point that selects features, and the dual points of dual descent.

    Attributes
    ----------
    problem : GLMProblem
    columns : Matrix
        The features stored by columns, for other runs on the same X; see `fold_run`.
    state : State
        The last solution: `state.u`, `state.b`, `state.loss`, and `state.eta` (n,), the linear
        predictors, with offset, of all rows, including those of weight 0.

    Parameters
    ----------
    problem : GLMProblem
    options : Options
    columns : Matrix or None, default=None
        `columns` of another run on the same X.
    """

    def __init__(
        self, problem: GLMProblem, options: Options, columns: Matrix | None = None
    ) -> None:
        self.problem, self.options = problem, options
        self._prox = None
        if options.l1_ratio > 0 or problem.has_bounds:
            if problem.rows.near is not problem.rows.source:
                columns = None
            self._prox = ProxNewton(problem, columns)
        self.columns = self._prox.columns if self._prox is not None else columns
        self._state: State | None = None
        self._dual = DualDescent(problem)
        # penalty and coefficients of the last two solutions
        self._past: list[tuple[float, Array, float]] = []

    @property
    def state(self) -> State:
        return self.problem.null if self._state is None else self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state

    def solve(self, alpha: float) -> Solution:
        """Return the solution for alpha, which is the warm start of the next one."""
        q, options = self.problem, self.options
        q.penalise(alpha, options.l1_ratio)
        if self._prox is not None:
            state = self.state
            if len(self._past) == 2 and not q.has_bounds:
                (first, u, b), (second, _, _) = self._past
                state = self._prox.ahead(state, u, b, reach_ahead(first, second, alpha))
            found = self._prox.solve(state, options.tol**2, options.max_iter)
        else:
            state = self.state
            state = State(
                state.u, state.b, state.eta, state.loss, q.penalty(state.u), state.r, state.h
            )
            # dual descent extrapolates by itself
            if not self._dual.past or self._dual.is_slow:
                state = self._ahead(alpha, state)
            found = minimise(q, state, options, self._dual)
        self._past = [*self._past[-1:], (alpha, found.state.u, found.state.b)]
        self._state = found.state
        return found

    def _ahead(self, alpha: float, state: State) -> State:
        """Return the state extrapolated from two solutions in log alpha, if it is better."""
        if len(self._past) < 2:
            return state
        (first, u0, b0), (second, u1, b1) = self._past
        t = reach_ahead(first, second, alpha)
        if not t:
            return state
        ahead = self.problem.at(u1 + t * (u1 - u0), b1 + t * (b1 - b0))
        return ahead if ahead.objective < state.objective else state

    def alphas(self, eps: float, n_alphas: int) -> Array:
        """Return an automatic grid; the run then starts from the null model.

        The first alpha is the least that leaves all penalised coefficients at their start, for an
        l1_ratio of at least 1e-3; the last is eps times it.
        """
        first, self._state = first_alpha(self.problem, self.options)
        return spaced_from(first, eps, n_alphas)


def fold_run(
    A: Matrix,
    y: Array,
    loss: Loss,
    options: Options,
    train: NDArray[np.bool_],
    sample_weight: Array | None = None,
    constraints: Constraints = NOTHING,
    offset: Array | None = None,
    columns: Matrix | None = None,
) -> PathRun:
    """Return a path on some of the rows, without copying them.

    Rows that are left out have weight 0, so that `PathRun.state.eta[~train]` are predictions for
    them at each penalty without another product.

    Parameters
    ----------
    A : Matrix (n, p)
        All rows.
    y : ndarray (n,)
    train : ndarray of bool (n,)
        Rows of the fold.
    columns : Matrix or None, default=None
        `PathRun.columns` of another run on the same A.
    """
    weight = train.astype(np.float64) if sample_weight is None else sample_weight * train
    problem = make_problem(A, y, loss, options, weight, constraints, offset)
    return PathRun(problem, options, columns)


def first_alpha(problem: GLMProblem, options: Options) -> tuple[float, State]:
    """Return the least alpha that leaves all penalised coefficients at their start, and the state.

    The state has only the intercept and the features of factor 0; alpha follows from its gradient.
    """
    free = problem.factor == 0
    rest = np.zeros(problem.p)
    if problem.lower is not None:
        np.maximum(rest, problem.lower, out=rest)
    if problem.upper is not None:
        np.minimum(rest, problem.upper, out=rest)
    state = problem.null
    if free.any():
        held = copy.copy(problem)
        lower = -np.inf if problem.lower is None else problem.lower
        upper = np.inf if problem.upper is None else problem.upper
        held.lower, held.upper = np.where(free, lower, rest), np.where(free, upper, rest)
        held.penalise(0.0, 1.0)
        start = held.at(rest, problem.null.b)
        state = ProxNewton(held).solve(start, _NULL_TOL, options.max_iter).state
    elif rest.any():
        state = problem.at(rest, problem.null.b)
        state = problem.settle(state) if problem.fit_intercept else state
    penalised = ~free
    if not penalised.any():
        return 0.0, state
    v = problem.A.tdot(state.r)
    down = v if problem.lower is None else np.where(rest > problem.lower, v, -np.inf)
    up = -v if problem.upper is None else np.where(rest < problem.upper, -v, -np.inf)
    pull = np.maximum(up, down)[penalised] / problem.factor[penalised]
    ratio = options.l1_ratio or LEAST_L1_RATIO
    return max(float(pull.max()), 0.0) / ratio, state
