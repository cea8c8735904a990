"""Ridge for many penalties at once, and the result that holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._progress import check_callback, reporter
from ...data.check import (
    check_design,
    check_finite,
    check_sample_weight,
    check_target,
    guarded,
    is_moments,
    recheck,
)
from ...data.inputs import as_array
from ...data.parameters import (
    LARGEST_INT,
    check_count,
    check_flags,
    check_penalty_factor,
    non_negative,
)
from ...quadratic.range import require_penalties
from ...quadratic.variances import variances
from ...systems.cost import PATH, choose_solver, rows_fit
from ..ridge.options import SOLVERS, check_memory, check_options
from .result import RidgePath

_MOST_DECADES = 16  # by which a grid is extended to the least column
_CONSTANT = 1e-28  # sums of squares over the largest, below which columns may be constant
_DECADES = 3  # decades of the default grid, to either side of the mean diagonal


def ridge_path(
    X: Any,
    y: Any = None,
    alphas: Any = None,
    *,
    n_alphas: int = 50,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int | None = None,
    max_memory: float | None = None,
    callback: Callable[[int, int], Any] | None = None,
    verbose: bool | int = False,
    prior_mean: Any = None,
    penalty_matrix: Any = None,
) -> RidgePath:
    """Fit ridge regressions for many penalties at little more than the cost of one.

    Minimises for every alpha, over the coefficients w and the intercept b::

        sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j w_j^2

    with s = `sample_weight` and f = `penalty_factor`, ones where None. With m = `prior_mean` and
    P = `penalty_matrix` the penalty is ::

        alpha * sum_jl sqrt(f_j f_l) P_jl (w_j - m_j) (w_l - m_l)

    A direct solver reduces the Gram matrix to tridiagonal form once; the cost of each penalty is
    then linear in its order. On large sparse data all penalties share the Gram matrix or the block
    of frequent columns, and each starts from the best combination of earlier solutions; each has
    its own certificate.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or Moments
        Features. float32 and float64, C and F order, CSR and CSC are used without a copy. Or
        `fastridge.Moments`, which hold `y` and `sample_weight` already.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict; None where `X` is Moments.
    alphas : array-like of shape (n_alphas,), int or None, default=None
        Penalties, at least 0, in any order, which is kept (lasso paths sort theirs, as
        scikit-learn's do). None: `n_alphas` penalties from 1000 times to a thousandth of the mean
        of the columns' sums of squares (over f_j), equally spaced in their logarithms. An int:
        that many of them, instead of `n_alphas`.
    n_alphas : int, default=50
        Number of penalties where `alphas` is None.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    fit_intercept : bool, default=True
        Fit b, which is never penalised; otherwise b = 0.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations.
    solver : {"auto", "cholesky", "dual", "cg"}, default="auto"
        "cholesky" and "dual" reduce the Gram matrix of the features or of the samples; "cg" is
        preconditioned conjugate gradients. scikit-learn's names run the closest of these.
    tol : float, default=1e-4
        Relative error allowed to an iterative solver: it ends where
        sum_j g_j^2 / f_j <= tol^2 * alpha * F, with g minus half of the gradient, f the penalty
        factors (times the variances if standardised) and F the objective. F then exceeds its
        minimum by at most tol^2 * F, and the coefficients are within tol * sqrt(F) of the solution
        in the norm of the system. With alpha = 0 the least Ritz value replaces alpha. Direct
        solvers are exact to round-off.
    max_iter : int or None, default=None
        Largest number of iterations of "cg" for each penalty.
    max_memory : float or None, default=None
        Bytes that the fit may use besides its input, its result and vectors of n_samples or
        n_features elements (some 20 and 64, for each target). "auto" runs "cg" where a direct
        solver would need more, which is known before it starts. None: half of the machine's memory.
    callback : callable or None, default=None
        Called as callback(done, total): by an iterative solver after each penalty, from the largest
        down; by a direct one when all are done. If it raises StopIteration, the path of the
        finished penalties is returned; any other exception propagates.
    verbose : bool or int, default=False
        Show a progress bar on standard error, with tqdm where installed.
    prior_mean : array-like of shape (n_features,) or (n_targets, n_features), or None
        Coefficients m that the penalty shrinks towards, in the units of `coef`; None: zero.
        `norm` is then that of w - m, and `relative_gradient` beside the larger of the gradients at
        zero and at m.
    penalty_matrix : array-like or sparse matrix of shape (n_features, n_features), or None
        Symmetric positive semi-definite P; None: the identity. Its elements are multiplied by
        sqrt(f_j f_l), and by the standard deviations of both columns where they are standardised.
        Its null space is not penalised, and eigenvalues within the round-off of P count as zero,
        for any alpha; a warning is given where alpha times that round-off matters beside X. Where X
        does not determine the solution there either, the one of minimum norm is taken. Unless P is
        diagonal, X is rotated by its eigenvectors, which takes a dense copy, of sparse X too; but
        sparse X and P stay sparse with solver "cg", and with "auto" of more than 2,000 features,
        without `dof`.

    Returns
    -------
    RidgePath
        alphas, coef, intercept, norm, residual, objective, dof, relative_gradient, n_iter, solver,
        converged; and `predict`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If an iterative solver did not reach `tol`.

    See Also
    --------
    RidgeCV : Ridge regression that chooses its penalty.
    ridge : Ridge regression as a function.
    RidgePath : Result of a path of ridge regressions.
    RegularizationPathDisplay : Coefficients against the penalty.
    information_criteria : AIC, BIC and degrees of freedom of a fitted model.

    References
    ----------
    L. Elden, "Algorithms for the regularization of ill-conditioned least squares problems", BIT
    17, 1977. Starts from earlier solutions: P. F. Fischer, "Projection techniques for iterative
    solution of Ax = b with successive right-hand sides", Computer Methods in Applied Mechanics and
    Engineering 163, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> y = X @ np.arange(5.0) + rng.standard_normal(100)
    >>> path = fastridge.ridge_path(X, y, alphas=[1000.0, 10.0, 0.1])
    >>> path.dof.round(2)
    array([0.46, 4.52, 4.99])
    >>> path.norm.round(2)
    array([0.58, 5.11, 5.56])
    """
    check_flags(fit_intercept=fit_intercept, standardize=standardize)
    check_callback(callback)
    callback = _ending(reporter(callback, verbose, "penalties"))
    given = {"penalty_factor": penalty_factor, "fit_intercept": fit_intercept}
    has_prior = prior_mean is not None or penalty_matrix is not None
    prior = {"prior_mean": prior_mean, "penalty_matrix": penalty_matrix} if has_prior else {}
    if y is None and is_moments(X):
        if sample_weight is not None:
            raise ValueError(
                "sample_weight is given together with Moments, which already include it; expected"
                " None."
            )
        check_options(solver, tol, max_iter, False)
        path = _direct(X, alphas, n_alphas, standardize=standardize, tol=tol, **given, **prior)
        return _reported(path, callback)
    if is_moments(X):
        raise ValueError(
            "y is given together with Moments, which already include it; expected None."
        )
    A = check_design(X, finite=False)
    n, p = A.n_rows, A.n_columns
    Y = check_target(y, n)
    single = Y.ndim == 1
    weight = None if sample_weight is None else check_sample_weight(sample_weight, n)
    factor = None if penalty_factor is None else check_penalty_factor(penalty_factor, p)
    check_options(solver, tol, max_iter, False)
    if max_memory is not None:
        check_memory(max_memory)
    recheck(A)
    callback = guarded(callback, A)
    from ...quadratic.problem import RidgeProblem

    def finished(run):
        return run

    def looked_at(path):
        return path

    if has_prior:
        from ...quadratic.penalty_matrix import MatrixRows
        from .prior import PriorRowsPath, units_of, warn_of_round_off

        check_finite(A)
        Y = np.asfortranarray(Y.reshape(n, -1))
        units = units_of(
            *(A, Y, weight, factor, fit_intercept, standardize),
            max_memory=max_memory,
            solver=solver,
            **prior,
        )
        # arrays of the prior may have run code
        recheck(A)
        is_float32 = A.is_float32

        def finished(run):
            return PriorRowsPath(run, units, is_float32)

        def looked_at(path):
            warn_of_round_off(path, units, tol)
            return path

        A, Y, factor, standardize = units.A, units.Y, units.factor, units.standardize
        p = A.n_columns
        if units.scaled is not None and units.T is None:
            from .matrix_path import MatrixPath

            rows = MatrixRows(A, Y, np.ones(Y.shape[1]), weight, units.scaled, fit_intercept)
            d = units.scaled.diagonal
            grid = penalty_grid(alphas, n_alphas, rows.column_squares, d)
            recheck(A)
            found = MatrixPath(rows, grid, tol, max_iter, callback)
            path = RidgePath(found.alphas, finished(found), single=single, tol=tol)
            if not path.converged:
                found.warn(tol)
            return path
    run = SOLVERS[solver]
    if run in ("auto", "qr"):
        run = choose_solver(A, 1 if Y.ndim == 1 else Y.shape[1], max_memory, PATH)
    if run == "dual" and penalty_matrix is not None and p <= n:
        # small eigenvalues of the matrix make inner products of rows large
        run = "cholesky"
    if run == "cholesky":
        from ...moments import Moments

        moments = Moments._of_matrix(A, Y, weight)
        path = _direct(
            moments,
            alphas,
            n_alphas,
            standardize=standardize,
            tol=tol,
            single=single,
            rows=lambda d: RidgeProblem(A, Y, np.ones(1), weight, d, fit_intercept),
            finished=finished,
            penalty_factor=factor,
            fit_intercept=fit_intercept,
        )
        return _reported(looked_at(path), callback)
    check_finite(A)
    if standardize:
        variance = variances(A, weight)
        factor = variance if factor is None else factor * variance
    problem = RidgeProblem(A, Y, np.ones(1), weight, factor, fit_intercept)
    grid = penalty_grid(alphas, n_alphas, problem.column_squares, problem.d)
    recheck(A)
    if run == "dual":
        from .direct import DualPath

        by_rows = rows_fit(n, p, max_memory)
        dual = finished(DualPath(problem, grid, tol, by_rows))
        path = looked_at(RidgePath(grid, dual, single=single, tol=tol))
        return _reported(path, callback)
    from .iterative import IterativePath

    found = IterativePath(problem, grid, tol, max_iter, max_memory, callback)
    path = looked_at(RidgePath(found.alphas, finished(found), single=single, tol=tol))
    if not path.converged:
        found.warn(tol)
    return path


def _reported(path, callback):
    """Report all penalties of a path at once, for direct solvers."""
    if callback is not None:
        callback(len(path.alphas), len(path.alphas))
    return path


def _ending(callback):
    """Wrap the callback to return whether it ended the path by StopIteration."""

    def report(done, total):
        try:
            callback(done, total)
        except StopIteration:
            return True
        return False

    return None if callback is None else report


def _direct(
    moments,
    alphas,
    n_alphas,
    *,
    penalty_factor,
    fit_intercept,
    standardize,
    tol,
    single=None,
    rows=None,
    finished=None,
    prior_mean=None,
    penalty_matrix=None,
):
    """Return the path of moments.

    rows: function of d that returns the RidgeProblem of the rows. finished: function of the run
    that returns what the path shows.
    """
    from .direct import MomentsPath

    p = moments.n_features
    if not moments.total_weight > 0:
        raise ValueError(
            f"X holds moments of {moments.n_samples} samples of total weight 0; expected a positive"
            " total weight."
        )
    d = np.ones(p) if penalty_factor is None else check_penalty_factor(penalty_factor, p)
    if standardize:
        variance = np.diagonal(moments.gram) / moments.total_weight
        d = d * np.where(variance > 0, variance, 1.0)
    single = moments._y_ndim == 1 if single is None else single
    units = None
    if prior_mean is not None or penalty_matrix is not None:
        from ...quadratic.sums import SumProblem
        from .prior import PriorMomentsPath, units_of_moments, warn_of_round_off

        sums = SumProblem(moments, np.ones(1), d, fit_intercept)
        units, moments = units_of_moments(sums, prior_mean, penalty_matrix)
        d = np.ones(units.A.n_columns) if units.factor is None else units.factor

        def finished(run):
            return PriorMomentsPath(run, units, sums)

    grid = penalty_grid(alphas, n_alphas, lambda: np.diagonal(moments.gram), d)
    problem = None if rows is None else lambda: rows(d)
    found = MomentsPath(moments, grid, d, fit_intercept, tol, problem)
    run = found if finished is None else finished(found)
    path = RidgePath(grid, run, single=single, tol=tol)
    if units is not None:
        warn_of_round_off(path, units, tol)
    return path


def penalty_grid(alphas, n_alphas, squares, d) -> NDArray[np.float64]:
    """Return the given penalties, or a grid over the documented range."""
    if isinstance(alphas, (int, np.integer)):
        alphas, n_alphas = None, check_count("alphas", alphas, LARGEST_INT)
    if alphas is not None:
        values = as_array(alphas, "alphas")
        if values.ndim != 1 or not len(values):
            raise ValueError(f"alphas has shape {values.shape}; expected (n_alphas,), not empty.")
        grid = np.array(non_negative(values, len(values), "alphas", "penalty"))
        require_penalties(grid)
        return grid
    n_alphas = check_count("n_alphas", n_alphas, LARGEST_INT)
    penalised = d > 0
    scale = float(np.mean(squares()[penalised] / d[penalised])) if penalised.any() else 1.0
    return (scale if scale > 0 else 1.0) * np.logspace(_DECADES, -_DECADES, n_alphas)


def down_to_least(grid, squares, d) -> NDArray[np.float64]:
    """Extend a falling grid to the least column's sum of squares.

    Errors are flat between the penalties that shrink columns of unlike scales, so that an optimum
    there would not show at the end of the grid.
    """
    some = (d > 0) & (squares > _CONSTANT * squares.max(initial=0.0))
    if len(grid) < 2 or not some.any():
        return grid
    lowest = max(float((squares[some] / d[some]).min()), 10.0**-_MOST_DECADES * grid[-1])
    step = np.log10(grid[0] / grid[-1]) / (len(grid) - 1)
    count = int(np.ceil(np.log10(grid[-1] / lowest) / step)) if lowest < grid[-1] else 0
    return np.append(grid, grid[-1] * 10.0 ** (-step * np.arange(1, count + 1)))
