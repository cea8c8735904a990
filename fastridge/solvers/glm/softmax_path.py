"""Multinomial models for one penalty after another, each from where the last one ended."""

from __future__ import annotations

import numpy as np

from . import softmax
from .ahead import reach_ahead
from .options import Options
from .path_run import spaced_from
from .softmax_problem import Array, SoftmaxProblem, SoftmaxSolution, SoftmaxState
from .softmax_prox import SoftmaxProx

_QUICK = 1  # steps of a solution with an L1 penalty after which the next one is extrapolated


class SoftmaxPathRun:
    """Solutions of one problem for any sequence of alphas, each warm-started from the last.

    Fits start at the extrapolation of the last two solutions in log alpha, if it is better; with an
    L1 penalty, on their support.

    Attributes
    ----------
    problem : SoftmaxProblem
    state : SoftmaxState
        The last solution, or the null model.

    Parameters
    ----------
    problem : SoftmaxProblem
    options : Options
    """

    def __init__(self, problem: SoftmaxProblem, options: Options) -> None:
        self.problem, self.options = problem, options
        self.state = problem.null
        self._prox = SoftmaxProx(problem) if options.l1_ratio > 0 else None
        # whether the last solution was near its start, as it is not where few rows have much weight
        self._is_quick = True
        # penalty and state of the solution before the last
        self._past: tuple[float, SoftmaxState] | None = None

    def solve(self, alpha: float) -> SoftmaxSolution:
        """Return the solution for alpha, which is the warm start of the next one."""
        q, s, last = self.problem, self.state, self.problem.alpha
        q.penalise(alpha, self.options.l1_ratio)
        state = SoftmaxState(s.U, s.b, s.eta, s.loss, q.penalty(s.U), s.r, s.prob, s.h)
        if self._is_quick:
            state = self._ahead(alpha, last, state)
        self._past = (last, s) if s is not q.null else None
        found = softmax.minimise(q, state, self.options, self._prox)
        self.state = found.state
        self._is_quick = self._prox is None or found.n_iter <= _QUICK
        return found

    def _ahead(self, alpha: float, last: float, state: SoftmaxState) -> SoftmaxState:
        """Return the state extrapolated from two solutions in log alpha, if it is better."""
        if self._past is None:
            return state
        first, past = self._past
        t = reach_ahead(first, last, alpha)
        if not t:
            return state
        U, b, eta = state.U, state.b, state.eta
        if self._prox is None:
            U, eta = U + t * (U - past.U), eta + t * (eta - past.eta)
        else:
            # coefficients that were or are 0, or would change their sign, stay
            V = U + t * (U - past.U)
            V = np.where((past.U * U > 0) & (V * U > 0), V, U)
            eta = eta + self._prox.joint.image(V - U)
            eta += t * (b - past.b)
            U = np.asfortranarray(V)
        ahead = self.problem.at(U, b + t * (b - past.b), eta)
        return ahead if ahead.objective < state.objective else state

    def alphas(self, eps: float, n_alphas: int) -> Array:
        """Return an automatic grid, and start from the model of its first penalty.

        The first alpha is the least that leaves all penalised coefficients at 0, for an l1_ratio of
        at least 1e-3; the last is eps times it.
        """
        first, self.state = self.problem.alpha_max(self.options.l1_ratio)
        return spaced_from(first, eps, n_alphas)
