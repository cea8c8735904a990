"""Ridge for many penalties at once, and the result that holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._progress import check_callback, reporter
from ...data.check import (
    check_count,
    check_design,
    check_finite,
    check_flags,
    check_penalty_factor,
    check_sample_weight,
    check_target,
    is_moments,
    non_negative,
    recheck,
)
from ...losses import SQUARED
from ...quadratic.range import require_penalties
from ...quadratic.variances import variances
from ...systems.cost import PATH, choose_solver, rows_fit
from ..ridge.options import SOLVERS, check_memory, check_options
from ..ridge.result import RidgeResult, sufficient_gradient

_DECADES = 3  # decades of the default grid, to either side of the mean diagonal


class PathRun:
    """Results of a path's solver, which replace the solver in copies and files.

    Attributes
    ----------
    coef : ndarray of shape (n_alphas, n_targets, n_features)
    intercept, n_iter, relative_gradient : ndarray of shape (n_alphas, n_targets)
    dof : tuple of two ndarray of shape (n_alphas,)
        Degrees of freedom and their standard errors.
    log_det : ndarray of shape (n_alphas,) or None
        None where the solver does not compute it.
    gcv : ndarray of shape (n_alphas, n_targets)
    rank : int
        Rank of what is not penalised, the intercept not counted.
    """

    __slots__ = (
        *("coef", "dof", "gcv", "intercept", "log_det", "n_iter", "rank"),
        "relative_gradient",
    )

    def __init__(self, run: Any, log_det: Any, gcv: Any) -> None:
        self.log_det, self.gcv = log_det, gcv
        for name in ("coef", "dof", "intercept", "n_iter", "rank", "relative_gradient"):
            setattr(self, name, getattr(run, name))

    def _check_fields(self) -> None:
        """Raise if fields read from a file are inconsistent."""
        m, k, _ = np.shape(self.coef)
        if type(self.rank) is not int or self.rank < 0:
            raise ValueError("rank must be an int of at least 0")
        if type(self.dof) is not tuple or len(self.dof) != 2:
            raise ValueError("dof must be a tuple of two arrays")
        _check_arrays(self, (m, k), "gcv", "intercept", "n_iter", "relative_gradient")
        for values in (*self.dof, *([] if self.log_det is None else [self.log_det])):
            if np.shape(values) != (m,):
                raise ValueError(f"dof and log_det must be arrays of shape {(m,)}")


def _check_arrays(found: Any, shape: tuple[int, ...], *names: str) -> None:
    for name in names:
        value = getattr(found, name)
        if type(value) is not np.ndarray or value.dtype.kind not in "fi" or value.shape != shape:
            raise ValueError(f"{name} must be an array of numbers of shape {shape}")


class RidgePath:
    """Solutions of a ridge problem for a range of penalties, and their accuracy.

    ``path[k]`` is the `RidgeResult` of penalty number k. Arrays have one entry per penalty, in the
    given order of `alphas`; for a two-dimensional y a second axis of targets follows.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        The penalties.
    coef : ndarray of shape (n_alphas, n_features) or (n_alphas, n_targets, n_features)
        Coefficients, in the type of X; a direct solver computes them on first access.
    intercept : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        0 where none was fitted.
    norm : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        sqrt(sum_j d_j w_j^2), d the penalty factors (times the variances if standardised): the
        Euclidean norm of the coefficients where all are penalised alike. Of w - m and with the
        matrix of penalties, where these were given.
    residual : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Weighted sum of squared residuals.
    objective : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        residual + alpha * norm^2.
    dof : ndarray of shape (n_alphas,)
        Effective degrees of freedom: the trace of the hat matrix, without the intercept. For "cg"
        an estimate, made on first access.
    dof_error : ndarray of shape (n_alphas,)
        Standard error of `dof`; 0 where `dof` is exact.
    relative_gradient : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Norm of the gradient at each solution, in the type of `coef`, over that at zero
        coefficients.
    relative_error : ndarray of shape (n_alphas,) or (n_alphas, n_targets), or None
        Bound of the relative error of each solution, to be compared with `tol`; None for direct
        solvers.
    n_iter : ndarray of int, shape (n_alphas,) or (n_alphas, n_targets)
        Iterations; of a direct solver, refinements.
    n_samples : float
        Sum of the weights: the number of rows in the criteria.
    gcv : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Generalised cross-validation, residual / n / (1 - (dof + 1) / n)^2, with dof in place of
        dof + 1 without an intercept. Where this would cancel and X is given, it is computed from
        the rows, so that it has its limit as alpha tends to 0. It is infinite where no residual
        degree of freedom is left. For "cg" an estimate, as `dof`.
    aic, bic : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        n log(2 pi residual / n) + n + c q, the criteria of Akaike (c = 2) and Schwarz (c = log n),
        for q = dof + 1 parameters, plus one with an intercept.
    aic_error, bic_error : ndarray of shape (n_alphas,)
        Standard errors of `aic` and `bic` due to `dof_error`: c dof_error.
    log_evidence : ndarray of shape (n_alphas,) or (n_alphas, n_targets)
        Log density of y under the prior w_j ~ N(0, noise / (alpha d_j)), for the noise variance
        that maximises it, (residual + alpha norm^2) / n. Coefficients without a penalty are
        integrated out, up to a constant, and n is less by their number. For direct solvers, with
        alpha > 0.
    solver : str
        The solver that ran: "cholesky", "dual" or "cg".
    converged : bool
        Whether every error is within `tol`, or the gradient is round-off; for float32 `X`, before
        the solutions were rounded to float32.

    See Also
    --------
    ridge_path : Ridge regression for many penalties.

    Examples
    --------
    >>> import fastridge
    >>> path = fastridge.ridge_path([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0], [0.0, 2.0])
    >>> path.coef.ravel(), path.intercept
    (array([1. , 0.5]), array([0., 1.]))
    >>> len(path), path[1].coef
    (2, array([0.5]))
    """

    __slots__ = (
        "_error",
        "_fit_intercept",
        "_near",
        "_run",
        "_single",
        "_tol",
        "alphas",
        "n_samples",
        "norm",
        "objective",
        "residual",
        "solver",
    )

    def __init__(self, alphas: NDArray[np.float64], run: Any, *, single: bool, tol: float) -> None:
        self.alphas = alphas
        self._run, self._single, self._tol = run, single, float(tol)
        self.solver: str = run.solver
        # whether each solution converged; None: decided by their gradients
        self._near: NDArray[np.bool_] | None = getattr(run, "converged", None)
        self._error: NDArray[np.float64] | None = getattr(run, "relative_error", None)
        problem = run.problem
        total = problem.moments.total_weight if hasattr(problem, "moments") else problem.total
        self.n_samples = float(total)
        self._fit_intercept = bool(problem.fit_intercept)
        self.norm = self._shape(np.sqrt(np.maximum(run.squared_norm, 0.0)))
        self.residual = self._shape(np.maximum(run.residual, 0.0))
        self.objective = self.residual + self._per_target(alphas) * self.norm**2

    def __len__(self) -> int:
        return len(self.alphas)

    def __getitem__(self, k: int) -> RidgeResult:
        k = range(len(self))[k]
        gradient = self.relative_gradient[k]
        numbers = (self.intercept[k], self.n_iter[k], gradient, self.objective[k])
        if self._single:
            numbers = tuple(value.item() for value in numbers)
        intercept, n_iter, gradient, objective = numbers
        if self._single and self.coef.dtype == np.float32:
            intercept = np.float32(intercept)
        error = None
        if self._error is not None:
            error = self._error[k, 0].item() if self._single else self._error[k]
        return RidgeResult(
            self.coef[k].copy(),
            intercept,
            self.solver,
            n_iter,
            gradient,
            objective,
            bool(self._settled()[k].all()),
            error,
        )

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # for copies and files: without the solver, which holds the data
        state = {name: getattr(self, name) for name in self.__slots__}
        if not isinstance(self._run, PathRun):
            state["_run"] = PathRun(self._run, self._log_det(), self._gcv())
            state["_near"] = self._settled()
        return None, state

    def _check_fields(self) -> None:
        """Refuse fields, read from a file, that do not fit together."""
        for name, kind in (
            ("_run", PathRun),
            ("_single", bool),
            ("_fit_intercept", bool),
            ("_tol", float),
            ("n_samples", float),
            ("solver", str),
        ):
            if type(getattr(self, name)) is not kind:
                raise ValueError(f"{name} must be a {kind.__name__}")
        m, k, _ = self._run.coef.shape
        if self._single and k != 1:
            raise ValueError(f"coef must be of one target, not of {k}")
        near, shape = self._near, self._run.n_iter.shape
        valid = type(near) is np.ndarray and near.dtype == bool and near.shape == shape
        if near is not None and not valid:
            raise ValueError("_near must be None or an array of bool, like n_iter")
        if self._error is not None:
            _check_arrays(self, shape, "_error")
        _check_arrays(self, (m,), "alphas")
        _check_arrays(self, (m,) if self._single else (m, k), "norm", "objective", "residual")

    def _log_det(self) -> NDArray[np.float64] | None:
        """Return log det (I + M / alpha) for every penalty; None where it is not known."""
        found = getattr(self._run, "log_det", None)
        if not callable(found):
            return found
        return found(self.alphas) if (self.alphas > 0).all() else None

    def _shape(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[:, 0] if self._single else values

    def _per_target(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values if self._single else values[:, np.newaxis]

    @property
    def coef(self) -> NDArray[Any]:
        return self._shape(self._run.coef)

    @property
    def intercept(self) -> NDArray[Any]:
        return self._shape(self._run.intercept)

    @property
    def relative_gradient(self) -> NDArray[np.float64]:
        return self._shape(self._run.relative_gradient)

    @property
    def relative_error(self) -> NDArray[np.float64] | None:
        return None if self._error is None else self._shape(self._error)

    @property
    def n_iter(self) -> NDArray[np.intp]:
        return self._shape(self._run.n_iter)

    @property
    def dof(self) -> NDArray[np.float64]:
        return self._run.dof[0]

    @property
    def dof_error(self) -> NDArray[np.float64]:
        return self._run.dof[1]

    def _parameters(self) -> NDArray[np.float64]:
        return self.dof + float(self._fit_intercept)

    @property
    def gcv(self) -> NDArray[np.float64]:
        return self._shape(self._gcv())

    def _gcv(self) -> NDArray[np.float64]:
        """Generalised cross-validation (n_alphas, n_targets)."""
        from ..left_out.gcv import generalised as estimated
        from ..left_out.loo import generalised

        run = self._run
        if isinstance(run, PathRun):
            return run.gcv
        if self.solver == "cg":
            return estimated(run)
        if self.solver == "dual":
            return generalised(run.problem, self.alphas)
        found = run.generalised()
        if found is not None:
            return found
        if run.rows is not None:
            return generalised(run.rows(), self.alphas)
        n, error = self.n_samples, self.residual.reshape(len(self.alphas), -1) / self.n_samples
        left = np.maximum(1.0 - self._parameters() / n, 0.0)[:, np.newaxis]
        return np.divide(error, left**2, out=np.full_like(error, np.inf), where=left > 0)

    @property
    def aic(self) -> NDArray[np.float64]:
        return self._criterion(2.0)

    @property
    def bic(self) -> NDArray[np.float64]:
        return self._criterion(float(np.log(self.n_samples)))

    @property
    def aic_error(self) -> NDArray[np.float64]:
        return 2.0 * self.dof_error

    @property
    def bic_error(self) -> NDArray[np.float64]:
        return abs(float(np.log(self.n_samples))) * self.dof_error

    def _criterion(self, price: float) -> NDArray[np.float64]:
        n = self.n_samples
        fit = SQUARED.minus_twice_log_likelihood(self.residual / n, n)
        return fit + price * self._per_target(self._parameters() + 1.0)

    @property
    def log_evidence(self) -> NDArray[np.float64]:
        log_det = self._log_det()
        if log_det is None:
            raise ValueError(
                "log_evidence needs a direct solver and penalties above 0; the solver is"
                f" {self.solver!r}, and the smallest penalty is {self.alphas.min():g}."
            )
        # what is not penalised is as likely anywhere
        n = self.n_samples - self._run.rank
        if n <= 0:
            return np.full(self.objective.shape, np.nan)
        noise = np.maximum(self.objective / n, np.finfo(np.float64).tiny)
        shape = self._per_target(log_det)
        return -0.5 * (n * (np.log(2.0 * np.pi * noise) + 1.0) + shape)

    @property
    def converged(self) -> bool:
        return bool(self._settled().all())

    def _settled(self) -> NDArray[np.bool_]:
        """Return which solutions (n_alphas, n_targets) have converged."""
        if self._near is not None:
            return self._near
        run = self._run
        reached = run.relative_gradient if isinstance(run, PathRun) else run.unrounded
        return reached <= sufficient_gradient(self.solver, self._tol)

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predictions for every penalty.

        Parameters
        ----------
        X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of float64, shape (n_alphas, n_samples) or (n_alphas, n_samples, n_targets)

        Raises
        ------
        ValueError, TypeError
            If X is not such a matrix, or has another number of features.
        """
        coef = self._run.coef
        m, k, p = coef.shape
        A = check_design(X, n_features=p, caller="RidgePath")
        out = A.dot(np.asfortranarray(coef.reshape(m * k, p).T, dtype=np.float64))
        predicted = out.T.reshape(m, k, A.n_rows) + self._run.intercept[:, :, np.newaxis]
        return predicted[:, 0] if self._single else predicted.transpose(0, 2, 1)

    def __repr__(self) -> str:
        ends = f"{self.alphas[0]:g} .. {self.alphas[-1]:g}" if len(self.alphas) else ""
        return f"RidgePath({len(self.alphas)} penalties {ends}, solver={self.solver!r})"


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
        What its null space spans is not penalised; where X does not determine that either, the
        solution of minimum norm is taken. Unless P is diagonal, X is rotated by its eigenvectors,
        which takes a dense copy, of sparse X too.

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
    from ...quadratic.problem import RidgeProblem

    def finished(run):
        return run

    if has_prior:
        from .prior import PriorRowsPath, units_of

        check_finite(A)
        Y = np.asfortranarray(Y.reshape(n, -1))
        units = units_of(
            *(A, Y, weight, factor, fit_intercept, standardize), max_memory=max_memory, **prior
        )
        # arrays of the prior may have run code
        recheck(A)
        is_float32 = A.is_float32

        def finished(run):
            return PriorRowsPath(run, units, is_float32)

        A, Y, factor, standardize = units.A, units.Y, units.factor, units.standardize
        p = A.n_columns
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
        return _reported(path, callback)
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
        return _reported(RidgePath(grid, dual, single=single, tol=tol), callback)
    from .iterative import IterativePath

    found = IterativePath(problem, grid, tol, max_iter, max_memory, callback)
    path = RidgePath(found.alphas, finished(found), single=single, tol=tol)
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
    if prior_mean is not None or penalty_matrix is not None:
        from ...quadratic.sums import SumProblem
        from .prior import PriorMomentsPath, units_of_moments

        sums = SumProblem(moments, np.ones(1), d, fit_intercept)
        units, moments = units_of_moments(sums, prior_mean, penalty_matrix)
        d = np.ones(units.A.n_columns) if units.factor is None else units.factor

        def finished(run):
            return PriorMomentsPath(run, units, sums)

    grid = penalty_grid(alphas, n_alphas, lambda: np.diagonal(moments.gram), d)
    problem = None if rows is None else lambda: rows(d)
    found = MomentsPath(moments, grid, d, fit_intercept, tol, problem)
    return RidgePath(grid, found if finished is None else finished(found), single=single, tol=tol)


def penalty_grid(alphas, n_alphas, squares, d) -> NDArray[np.float64]:
    """Return the given penalties, or a grid over the documented range."""
    if isinstance(alphas, (int, np.integer)):
        alphas, n_alphas = None, check_count("alphas", alphas)
    if alphas is not None:
        values = np.asarray(alphas)
        if values.ndim != 1 or not len(values):
            raise ValueError(f"alphas has shape {values.shape}; expected (n_alphas,), not empty.")
        grid = np.array(non_negative(values, len(values), "alphas", "penalty"))
        require_penalties(grid)
        return grid
    if isinstance(n_alphas, bool) or not hasattr(n_alphas, "__index__") or n_alphas < 1:
        raise ValueError(f"n_alphas must be an integer of at least 1; got {n_alphas!r}.")
    penalised = d > 0
    scale = float(np.mean(squares()[penalised] / d[penalised])) if penalised.any() else 1.0
    return (scale if scale > 0 else 1.0) * np.logspace(_DECADES, -_DECADES, int(n_alphas))
