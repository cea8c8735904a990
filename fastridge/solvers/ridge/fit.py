"""Ridge regression: the choice of a solver, and the result with its certificate.

Every solver minimises, for each target t on its own,

    sum_i s_i (y_ti - b_t - x_i w_t)^2 + alpha_t * sum_j d_j w_tj^2

with d the penalty factors, times the variances of the columns where they are standardised. The
rooms beside this one hold a solver each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._matrix import Matrix
from ..._systems import ridge as direct
from ...data.check import (
    check_alpha,
    check_design,
    check_finite,
    check_flags,
    check_penalty_factor,
    check_sample_weight,
    check_target,
    is_moments,
    recheck,
)
from ...systems.cost import choose_solver
from .options import SOLVERS, bounds, check_memory, check_options, check_start
from .result import (
    DIRECT,
    ROUNDING,
    RidgeResult,
    cast_and_warn,
    round_to_float32,
    sufficient_gradient,
)


def ridge(
    X: Any,
    y: Any = None,
    alpha: Any = 1.0,
    *,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int | None = None,
    positive: bool = False,
    coef_init: Any = None,
    max_memory: float | None = None,
    lower: Any = None,
    upper: Any = None,
) -> RidgeResult:
    """Fit a ridge regression.

    Minimises, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with s = `sample_weight` and f = `penalty_factor`, ones where None. Several targets are fitted
    independently.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or Moments
        Features. float32 and float64, C and F order, CSR and CSC are used without a copy. Or
        `fastridge.Moments`, which hold `y` and `sample_weight` already.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict; None where `X` is Moments.
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty, at least 0. 0 is least squares, of minimum norm where the columns
        are dependent.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    fit_intercept : bool, default=True
        Fit b, which is never penalised; otherwise b = 0.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations sd:
        alpha * sum_j f_j (sd_j w_j)^2. Constant columns have coefficient 0 beside an intercept.
    solver : {"auto", "cholesky", "dual", "cg", "qr", "svd", "lsqr", "sparse_cg", "sag", "saga", \
"lbfgs"}, default="auto"
        "cholesky": factor of the Gram matrix, refined with the residual from X. "dual": the same
        by samples, for n < p. "cg": preconditioned conjugate gradients. "qr": orthogonal
        factorisation, which also finds the rank. The other names are scikit-learn's and run the
        one that does that job; "lbfgs" needs `positive` or bounds. For Moments "auto" is
        "cholesky", refined with the Gram matrix itself, and the others work on a root of it, p
        rows or fewer.
    tol : float, default=1e-4
        Relative error that an iterative solver may leave: it ends where
        sum_j g_j^2 / f_j <= tol^2 * alpha * F, with g minus half of the gradient, f the penalty
        factors (times the variances if standardised) and F the objective. F is then above its
        minimum by tol^2 * F at most, and the coefficients are within tol * sqrt(F) of the solution
        in the norm of the system. With alpha = 0 the least Ritz value takes the place of
        alpha. Direct solvers are exact to rounding.
        With bounds, g is the part of the gradient that they do not hold back, and with alpha = 0
        its norm relative to that at w = 0 is at most tol / 100.
    max_iter : int or None, default=None
        Bound on the iterations of "cg" and with bounds; None: generous.
    positive : bool, default=False
        Require w >= 0: `lower` of at least 0.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), or None
        Where an iterative solver starts, for example the solution of a nearby `alpha`.
    max_memory : float or None, default=None
        Bytes that the fit may use beside its input, its result and vectors of n_samples or
        n_features elements (some 20 and 64, for each target). Where a direct solver
        would need more, which is known before it starts, "auto" runs "cg". None: half of the
        machine's memory.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds lower <= w <= upper of the coefficients, in the units of `coef`, also where they are
        standardised; -inf and inf bound nothing, and equal bounds fix a coefficient. The
        intercept is not bounded. `solver` must be "auto" or "lbfgs", both of which run a projected
        Newton method ("active_set").

    Returns
    -------
    RidgeResult
        coef, intercept, solver, n_iter, relative_gradient, relative_error, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.
        Also if a result is beyond the largest, or all of one target's below the least number of
        its type. Data whose squares are that alone are scaled by powers of two.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    References
    ----------
    A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal
    problems", Technometrics 12(1), 1970. Refinement: A. Bjorck, "Stability analysis of the method
    of seminormal equations", Linear Algebra and its Applications 88, 1987. Bounds: D. P. Bertsekas,
    "Projected Newton methods for optimization problems with simple constraints", SIAM Journal on
    Control and Optimization 20(2), 1982.

    Examples
    --------
    >>> import fastridge
    >>> X = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 3.0]]
    >>> result = fastridge.ridge(X, [1.0, 2.0, 4.0, 7.0], alpha=1.0)
    >>> result.coef.round(3)
    array([1.247, 0.719])
    >>> result.relative_gradient < 1e-12
    True
    >>> fastridge.ridge(X, [1.0, 2.0, 4.0, 7.0], upper=[1.0, 2.0]).coef.round(3)
    array([1.  , 0.87])
    """
    if not (type(fit_intercept) is type(standardize) is type(positive) is bool):
        check_flags(fit_intercept=fit_intercept, standardize=standardize, positive=positive)
    if y is None and is_moments(X):
        if sample_weight is not None:
            raise ValueError("sample_weight is given beside Moments, which hold it; expected None.")
        from .moments import solve_moments

        return solve_moments(
            X,
            alpha,
            penalty_factor=penalty_factor,
            fit_intercept=fit_intercept,
            standardize=standardize,
            solver=solver,
            tol=tol,
            max_iter=max_iter,
            positive=positive,
            coef_init=coef_init,
            lower=lower,
            upper=upper,
        )
    try:
        A = check_design(X, finite=False)
    except (TypeError, ValueError):
        if is_moments(X):
            raise ValueError("y is given beside Moments, which hold it; expected None.") from None
        raise
    n, p = A.n_rows, A.n_columns
    Y = check_target(y, n, any_order=True)
    k = 1 if Y.ndim == 1 else Y.shape[1]
    penalties = check_alpha(alpha, k)
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, n)
    if penalty_factor is not None:
        penalty_factor = check_penalty_factor(penalty_factor, p)
    if coef_init is not None:
        coef_init = check_start(coef_init, Y.ndim, k, p)
    if positive or lower is not None or upper is not None:
        lower, upper = bounds(lower, upper, positive, p)
    if not (solver == "auto" and max_iter is None and type(tol) is float and tol >= 0):
        check_options(solver, tol, max_iter, lower is not None or upper is not None)
    if max_memory is not None:
        check_memory(max_memory)
    return solve(
        A,
        Y,
        penalties,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        fit_intercept=fit_intercept,
        standardize=standardize,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        lower=lower,
        upper=upper,
        coef_init=coef_init,
        max_memory=max_memory,
        checked=False,
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
    """Solve a problem whose arrays have been through the door; see `ridge`.

    With `checked` false, X may hold NaN or infinity yet: the Gram matrix shows them for nothing,
    the other solvers look first. With `in_range`, squares are known not to leave the range of
    float64; otherwise data whose squares do are scaled.
    """
    recheck(A)
    single = Y.ndim == 1
    run = SOLVERS[solver] if lower is None and upper is None else "active_set"
    if run == "auto":
        run = choose_solver(A, 1 if single else Y.shape[1], max_memory)
    if run == "cholesky" and A.n_rows - fit_intercept < A.n_columns and not alpha.all():
        run = "qr"  # not of full rank, which rounding may hide
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

    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        problem = RidgeProblem(A, Y, alpha, sample_weight, factor, fit_intercept, check=False)
        leaves = not in_range and (not usable or problem.leaves_range())
    if leaves:
        result = _solve_scaled(
            (A, Y, alpha, sample_weight, penalty_factor, standardize, fit_intercept, largest(A)),
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
    """The solution by a solver of `run`, or by "qr" where "dual" is not stable."""
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
    coef, n_iter, gradient, objective, *told = found
    error, near = told if told else (None, False)
    near |= gradient <= sufficient_gradient(run, tol)
    if error is not None and problem.weight is not None:
        # rounding of heavy rows is no certificate for the others
        levels = weight_levels(problem.weight, problem.n)
        near &= (error <= tol) | (lost_rows(levels, problem.p) is None)
    converged = bool(near.all())
    if problem.source.is_float32:
        coef = round_to_float32(coef, lower, upper)
        gradient, objective = _certify(problem, coef, run, lower, upper)
    intercept = problem.intercept(coef)
    if single:
        coef, intercept, n_iter = coef[0], float(intercept[0]), int(n_iter[0])
        gradient, objective = float(gradient[0]), float(objective[0])
        error = error if error is None else float(error[0])
    return RidgeResult(coef, intercept, run, n_iter, gradient, objective, converged, error)


def _solve_scaled(given, starts, **options) -> RidgeResult | None:
    """Scale by powers of two and solve; None where there is nothing to scale."""
    from ...quadratic.scaling import scale

    scaled = scale(*given)
    if scaled is None:
        return None
    if scaled.by_column and not scaled.alpha.any():
        # scales of their own would change what is of minimum norm
        full = direct(scaled.A, scaled.Y, scaled.alpha, scaled.weight, None, given[6])
        if full is None:
            raise ValueError(
                "X has dependent columns, or more than samples, and some that are too small beside"
                " the others for a solution of minimum norm; expected columns of a similar scale,"
                " or alpha > 0."
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


def _certify(problem, coef, run, lower, upper):
    """Relative gradients and objectives of coefficients (k, p)."""
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
