"""Multinomial models for one penalty after another, each from where the last one ended."""

from __future__ import annotations

from . import softmax
from .ahead import reach_ahead
from .options import Options
from .path_run import spaced_from
from .softmax_problem import Array, SoftmaxProblem, SoftmaxSolution, SoftmaxState
from .softmax_prox import SoftmaxProx


class SoftmaxPathRun:
    """Solutions of one problem for any sequence of alphas, each warm-started from the last.

    With an L1 penalty, the working sets and Gram matrices of the classes are kept. Without one,
    fits start at the extrapolation of the last two solutions in log alpha, if it is better.

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
        # penalty and state of the solution before the last
        self._past: tuple[float, SoftmaxState] | None = None

    def solve(self, alpha: float) -> SoftmaxSolution:
        """Return the solution for alpha, which is the warm start of the next one."""
        q, s, last = self.problem, self.state, self.problem.alpha
        q.penalise(alpha, self.options.l1_ratio)
        state = SoftmaxState(s.U, s.b, s.eta, s.loss, q.penalty(s.U), s.r, s.prob, s.h)
        if self._prox is None:
            state = self._ahead(alpha, last, state)
            self._past = (last, s) if s is not q.null else None
        found = softmax.minimise(q, state, self.options, self._prox)
        self.state = found.state
        return found

    def _ahead(self, alpha: float, last: float, state: SoftmaxState) -> SoftmaxState:
        """Return the state extrapolated from two solutions in log alpha, if it is better."""
        if self._past is None:
            return state
        first, past = self._past
        t = reach_ahead(first, last, alpha)
        if not t:
            return state
        ahead = self.problem.at(
            state.U + t * (state.U - past.U),
            state.b + t * (state.b - past.b),
            state.eta + t * (state.eta - past.eta),
        )
        return ahead if ahead.objective < state.objective else state

    def alphas(self, eps: float, n_alphas: int) -> Array:
        """Return an automatic grid, and start from the model of its first penalty.

        The first alpha is the least that leaves all penalised coefficients at 0, for an l1_ratio of
        at least 1e-3; the last is eps times it.
        """
        first, self.state = self.problem.alpha_max(self.options.l1_ratio)
        return spaced_from(first, eps, n_alphas)
