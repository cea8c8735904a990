"""Ridge regression as a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...data.check import check_array, check_design, check_sample_weight, check_target, is_moments
from ...data.parameters import check_alpha, check_flags, check_penalty_factor
from .dispatch import solver_of_moments, solver_with_prior
from .options import bounds, check_memory, check_options
from .result import RidgeResult
from .solve import solve


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
    prior_mean: Any = None,
    penalty_matrix: Any = None,
) -> RidgeResult:
    """Fit a ridge regression.

    Minimises, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with s = `sample_weight` and f = `penalty_factor`, ones where None. Several targets are fitted
    independently. With m = `prior_mean` and P = `penalty_matrix` the penalty is ::

        alpha * sum_jl sqrt(f_j f_l) P_jl (w_j - m_j) (w_l - m_l)

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
        closest of these; "lbfgs" needs `positive` or bounds. For Moments "auto" is "cholesky",
        refined with the Gram matrix itself; the others work on a root of it, with at most p rows.
    tol : float, default=1e-4
        Relative error allowed to an iterative solver: it ends where
        sum_j g_j^2 / f_j <= tol^2 * alpha * F, with g minus half of the gradient, f the penalty
        factors (times the variances if standardised) and F the objective. F then exceeds its
        minimum by at most tol^2 * F, and the coefficients are within tol * sqrt(F) of the solution
        in the norm of the system. With alpha = 0 the least Ritz value replaces alpha. Direct
        solvers are exact to round-off. With bounds, g is the projected gradient, and with
        alpha = 0 its norm relative to that at w = 0 is at most tol / 100.
    max_iter : int or None, default=None
        Largest number of iterations of "cg" and with bounds; None: a large number.
    positive : bool, default=False
        Require w >= 0: `lower` of at least 0.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), or None
        Warm start of an iterative solver, for example the solution of a nearby `alpha`.
    max_memory : float or None, default=None
        Bytes that the fit may use besides its input, its result and vectors of n_samples or
        n_features elements (some 20 and 64, for each target). "auto" runs "cg" where a direct
        solver would need more, which is known before it starts. None: half of the machine's memory.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds lower <= w <= upper of the coefficients, in the units of `coef`, also where they are
        standardised; -inf and inf bound nothing, and equal bounds fix a coefficient. The
        intercept is not bounded. `solver` must be "auto" or "lbfgs", both of which run a projected
        Newton method ("active_set").
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None
        Coefficients m that the penalty shrinks towards, in the units of `coef`; None: zero.
        `relative_gradient` is then relative to the larger of the gradients at zero and at m.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None
        Symmetric positive semi-definite P; None: the identity. Its elements are multiplied by
        sqrt(f_j f_l), and by the standard deviations of both columns where they are standardised,
        so that P = diag(f) is `penalty_factor` = f. Its null space is not penalised; where X does
        not determine the solution there either, the one of minimum norm is taken. Where P is
        singular only up to round-off, as D'D with rows D of unlike scales, a large alpha multiplies
        that round-off; the result has then not converged. With bounds and a P that is not diagonal,
        `tol` has its meaning for alpha = 0.

    Returns
    -------
    RidgeResult
        coef, intercept, solver, n_iter, relative_gradient, relative_error, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.
        Also if a result overflows its type, or all coefficients of a target underflow. Data whose
        squares alone overflow or underflow are scaled by powers of two.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    See Also
    --------
    Ridge : Least squares with an L2 penalty.
    ridge_path : Ridge regression for many penalties.
    ridge_batch : Many small ridge regressions in one call.
    ridge_regression : Ridge regression with scikit-learn's signature.
    rolling_ridge : Ridge regression in every window of rows.
    RidgeResult : Result of one ridge regression.
    Moments : Sums of data that add and subtract, and fit as the data would.

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
    >>> fastridge.ridge(X, [1.0, 2.0, 4.0, 7.0], 100.0, prior_mean=[1.3, 0.7]).coef.round(2)
    array([1.31, 0.71])
    """
    if not (type(fit_intercept) is type(standardize) is type(positive) is bool):
        check_flags(fit_intercept=fit_intercept, standardize=standardize, positive=positive)
    if y is None and is_moments(X):
        if sample_weight is not None:
            raise ValueError(
                "sample_weight is given together with Moments, which already include it; expected"
                " None."
            )
        return solver_of_moments(prior_mean, penalty_matrix)(
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
            raise ValueError(
                "y is given together with Moments, which already include it; expected None."
            ) from None
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
        coef_init = check_array("coef_init", coef_init, (p,) if Y.ndim == 1 else (k, p))
    if positive or lower is not None or upper is not None:
        lower, upper = bounds(lower, upper, positive, p)
    if not (solver == "auto" and max_iter is None and type(tol) is float and tol >= 0):
        check_options(solver, tol, max_iter, lower is not None or upper is not None)
    if max_memory is not None:
        check_memory(max_memory)
    run: Callable[..., RidgeResult] = solve
    if prior_mean is not None or penalty_matrix is not None:
        run = solver_with_prior(prior_mean, penalty_matrix)
    return run(
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
