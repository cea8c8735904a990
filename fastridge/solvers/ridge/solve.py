"""Ridge regression: the choice of a solver, and the result with its certificate.

Every solver minimises, for each target t on its own,

    sum_i s_i (y_ti - b_t - x_i w_t)^2 + alpha_t * sum_j d_j w_tj^2

with d the penalty factors, times the variances of the columns where they are standardised. Each
solver has a module in this package.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ..._systems import ridge as direct
from ...data.check import check_finite, recheck
from ...systems.blas import one_thread_for
from ...systems.cost import choose_solver
from .options import SOLVERS
from .result import (
    DIRECT,
    ROUNDING,
    RidgeResult,
    cast_and_warn,
    round_to_float32,
    sufficient_gradient,
    without_targets,
)


def solve(
    A: Matrix,
    Y: NDArray[np.float64],
    alpha: NDArray[np.float64],
    *,
    sample_weight: NDArray[np.float64] | None = None,
    penalty_factor: NDArray[np.float64] | None = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int | None = None,
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
    coef_init: NDArray[np.float64] | None = None,
    max_memory: float | None = None,
    checked: bool = True,
    in_range: bool = False,
    warn: bool = True,
) -> RidgeResult:
    """Solve a problem whose arrays have been checked; see `ridge`.

    With `checked` false, X may hold NaN or infinity: the Gram matrix reveals them at no cost; other
    solvers check first. With `in_range`, squares are known not to leave the range of float64;
    otherwise data whose squares do are scaled.
    """
    recheck(A)
    single = Y.ndim == 1
    run = SOLVERS[solver] if lower is None and upper is None else "active_set"
    if run == "auto":
        run = choose_solver(A, 1 if single else Y.shape[1], max_memory)
    if run == "cholesky" and A.n_rows - fit_intercept < A.n_columns and not alpha.all():
        run = "qr"  # rank deficient, which round-off may hide
    factor = penalty_factor
    if not checked and (standardize or run != "cholesky"):
        check_finite(A)
        checked = True
    usable = True
    if standardize:
        from ...quadratic.variances import variances_in_range

        variance, usable = variances_in_range(A, sample_weight)
        factor = variance if factor is None else factor * variance
    if run == "cholesky":
        k = 1 if single else Y.shape[1]
        found = direct(A, Y, alpha, sample_weight, factor, fit_intercept) if usable else None
        if found is not None:
            coef, numbers, n_iter, solved = found
            if k == 1:
                intercept, gradient, objective = numbers
                converged = solved <= ROUNDING or (solved <= DIRECT and solved <= tol)
                if not single:
                    coef, n_iter = coef[np.newaxis], np.array([n_iter])
                    intercept, gradient, objective = np.array(numbers)[:, np.newaxis]
            else:
                coef = coef.reshape(k, A.n_columns)
                intercept, gradient, objective = numbers
                n_iter = np.full(k, n_iter)
                converged = bool((solved <= sufficient_gradient(run, tol)).all())
            return cast_and_warn(
                A,
                RidgeResult(coef, intercept, run, n_iter, gradient, objective, converged),
                tol,
                warn,
            )
        if not checked:
            check_finite(A)
        run = "qr"
    from ...quadratic.problem import RidgeProblem
    from ...quadratic.range import largest

    with one_thread_for(max(A.n_rows, A.nnz)):
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            problem = RidgeProblem(A, Y, alpha, sample_weight, factor, fit_intercept, check=False)
            leaves = not in_range and (not usable or problem.leaves_range())
        if leaves:
            result = _solve_scaled(
                (
                    A,
                    Y,
                    alpha,
                    sample_weight,
                    penalty_factor,
                    standardize,
                    fit_intercept,
                    largest(A),
                ),
                (lower, upper, coef_init),
                solver=solver,
                tol=tol,
                max_iter=max_iter,
                max_memory=max_memory,
                warn=warn,
            )
            if result is not None:
                return result
        result = _run(problem, run, tol, max_iter, lower, upper, coef_init, max_memory, single)
    return cast_and_warn(A, result, tol, warn)


@np.errstate(under="ignore")
def _run(problem, run, tol, max_iter, lower, upper, coef_init, max_memory, single) -> RidgeResult:
    """Return the solution by the solver `run`, or by "qr" where "dual" is not stable."""
    from ...quadratic.range import lost_rows, weight_levels

    if run == "dual":
        from .dual import solve_dual

        found = solve_dual(problem)
        if found is None:
            run = "qr"
    if run == "qr":
        from .qr import solve_qr

        found = solve_qr(problem)
    elif run == "cg":
        from .cg import solve_cg

        found = solve_cg(problem, tol, max_iter, coef_init, max_memory)
    elif run == "active_set":
        from .bounded import solve_bounded

        found = solve_bounded(problem, lower, upper, tol, max_iter, coef_init, max_memory)
    assert found is not None
    coef, n_iter, gradient, objective, *bound = found
    error, near = bound if bound else (None, False)
    near |= gradient <= sufficient_gradient(run, tol)
    if error is not None and problem.weight is not None:
        # a gradient within the round-off of heavy rows does not certify light rows
        levels = weight_levels(problem.weight, problem.n)
        near &= (error <= tol) | (lost_rows(levels, problem.p) is None)
    solution = coef, run, n_iter, gradient, objective
    return finished(problem, solution, near, error, lower, upper, single)


def finished(problem, solution, near, error, lower, upper, single) -> RidgeResult:
    """Return the result of a float64 solution, rounded to the type of X and certified again.

    solution: coef (k, p), the name of the solver, n_iter, relative_gradient and objective (k,);
    near: whether each target met the tolerance.
    """
    coef, run, n_iter, gradient, objective = solution
    if problem.source.is_float32:
        coef = round_to_float32(coef, lower, upper)
        gradient, objective = certify(problem, coef, run, lower, upper)
    intercept, converged = problem.intercept(coef), bool(near.all())
    result = RidgeResult(coef, intercept, run, n_iter, gradient, objective, converged, error)
    return without_targets(result) if single else result


def _solve_scaled(given, starts, **options) -> RidgeResult | None:
    """Scale by powers of two and solve; return None where no scaling is needed."""
    from ...quadratic.scaling import scale

    scaled = scale(*given)
    if scaled is None:
        return None
    if scaled.by_column and not scaled.alpha.any():
        # a scale per column would change the minimum-norm solution
        full = direct(scaled.A, scaled.Y, scaled.alpha, scaled.weight, None, given[6])
        if full is None:
            raise ValueError(
                "X has linearly dependent columns, or more columns than rows, and some columns are"
                " too small relative to the others for a solution of minimum norm; expected"
                " columns of similar scales, or alpha > 0."
            )
    lower, upper, coef_init = (None if v is None else scaled.scale_coef(v) for v in starts)
    result = solve(
        scaled.A,
        scaled.Y,
        scaled.alpha,
        sample_weight=scaled.weight,
        penalty_factor=scaled.penalty,
        fit_intercept=given[6],
        lower=lower,
        upper=upper,
        coef_init=coef_init,
        in_range=True,
        **options,
    )
    scaled.restore(result)
    return result


def certify(problem, coef, run, lower, upper):
    """Return relative gradients and objectives at coefficients (k, p)."""
    gradient, objective = problem.evaluate(coef.T)
    first = problem.gradient_at_zero()
    if run == "active_set":
        from .bounded import Box

        box = Box(problem.p, lower, upper)
        gradient = box.projected(gradient.T, coef).T
        if box.origin.any():
            origin = np.repeat(box.origin[:, np.newaxis], problem.k, axis=1)
            origin = np.linalg.norm(problem.evaluate(origin)[0], axis=0)
            first = np.maximum(np.linalg.norm(first, axis=0), origin)[np.newaxis]
    return problem.relative(gradient, first), objective
