"""The solver that suits a problem."""

from __future__ import annotations

import numpy as np

from .choose import choose_solver
from .dual_descent import MOST_PASSES, DualDescent, suits, supports
from .newton import Solution, newton
from .newton_cg import newton_cg
from .options import Options, require_square
from .problem import GLMProblem, State
from .prox import prox_newton
from .samples import newton_samples

# Gap of dual descent, over the null objective, up to which its state is a start for another solver.
_CLOSE = 1e-4


def minimise(
    problem: GLMProblem, state: State | None, options: Options, dual: DualDescent | None = None
) -> Solution:
    """Run the solver that suits the problem, from a state, or from the null model if None.

    dual: dual descent of earlier penalties.
    """
    # a gap that overflows is no certificate
    with np.errstate(over="ignore", invalid="ignore"):
        return _minimise(problem, state, options, dual or DualDescent(problem))


def _minimise(
    problem: GLMProblem, state: State | None, options: Options, dual: DualDescent
) -> Solution:
    has_kinks = problem.has_l1 or problem.has_bounds
    if has_kinks and options.solver not in ("auto", "prox-newton"):
        raise ValueError(
            f"solver is {options.solver!r}, which supports no L1 penalty and no bounds; expected"
            " 'auto' or 'prox-newton'."
        )
    if has_kinks or options.solver == "prox-newton":
        first = problem.null if state is None else state
        return prox_newton(problem, first, options.tol**2, options.max_iter)
    is_auto = options.solver == "auto"
    solver = choose_solver(problem) if is_auto else options.solver
    if solver == "dual-descent":
        if not supports(problem):
            raise ValueError(
                "solver is 'dual-descent', which supports the losses 'logistic' and 'binomial' on"
                " sparse data, with a penalty on every feature; expected 'auto', 'newton' or"
                " 'newton-cg'."
            )
        return dual.solve(options.tol**2, options.max_iter, state)
    is_tried = is_auto and solver == "newton-cg" and not dual.is_slow
    if is_tried and suits(problem, options.max_iter):
        found = dual.solve(options.tol**2, min(MOST_PASSES, options.max_iter), state)
        if found.converged:
            return found
        # far from the minimum, coefficients of dual points are worse starts than others
        if found.gap <= _CLOSE * problem.null_objective:
            state = found.state
    if solver == "newton-cg":
        first = problem.null if state is None else state
        return newton_cg(problem, first, options.tol**2, options.max_iter)
    if solver == "newton-samples":
        if not (problem.l2 > 0).all():
            raise ValueError(
                "solver is 'newton-samples', which supports no features without a penalty;"
                " expected 'auto', 'newton' or 'newton-cg'."
            )
        if options.solver != "auto":
            require_square(solver, problem.n)
        found = newton_samples(problem, state, options.tol**2, options.max_iter)
        left = options.max_iter - found.n_iter
        if found.converged or options.solver != "auto" or left < 1:
            return found
        # with a weak penalty, products of rows are not accurate enough
        better = found.state.objective <= problem.null_loss
        first = found.state if better else problem.null
        rest = newton_cg(problem, first, options.tol**2, left)
        return rest._replace(n_iter=found.n_iter + rest.n_iter)
    if options.solver != "auto":
        require_square(solver, problem.p)
    return newton(problem, state, options.tol**2, options.max_iter)
