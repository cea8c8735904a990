"""Elastic net and lasso by coordinate descent: arguments, results and the certificate.

The problem and its dual are in `_descent_problem`, the solver and its cost model in
`_descent_path`, grids in `_descent_grid`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import (
    check_bounds,
    check_design,
    check_penalty_factor,
    check_sample_weight,
    check_target,
    require_finite,
)
from ._descent_grid import alpha_grid
from ._descent_path import DescentPath, choose_way
from ._descent_problem import DescentProblem
from ._descent_result import ElasticNetPath, ElasticNetResult, PathStep

__all__ = ["ElasticNetPath", "ElasticNetResult", "elastic_net", "elastic_net_path", "lasso_path"]

SOLVERS = ("auto", "gram", "working", "columns")


def elastic_net(
    X: Any,
    y: Any = None,
    alpha: float = 1.0,
    *,
    l1_ratio: float = 0.5,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 1000,
    selection: str = "cyclic",
    random_state: int | None = None,
    coef_init: Any = None,
) -> ElasticNetResult:
    """Fit least squares with an L1 and an L2 penalty.

    Minimises, over the coefficients w and the intercept b::

        1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    with s = `sample_weight` and f = `penalty_factor`, ones where None, subject to
    `lower` <= w <= `upper`. Several targets are fitted independently.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or Moments
        Features. float32 and float64, C and F order and CSC are used without a copy; CSR is stored
        by columns once where the columns are needed. Or `fastridge.Moments`, which hold `y` and
        `sample_weight` already.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict; None where `X` is Moments.
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients, in the units of `X`; infinite ones, like None, bound nothing.
    fit_intercept : bool, default=True
        Fit b, which is never penalised nor bounded; otherwise b = 0.
    standardize : bool, default=False
        Penalise sd_j w_j in place of w_j, with sd the columns' weighted standard deviations (1 for
        constant columns).
    solver : {"auto", "gram", "working", "columns"}, default="auto"
        "gram": covariance updates on the Gram matrix of all features. "working": on that of a
        working set. "columns": a working set, with the columns themselves. "auto" chooses by shape
        and storage, and goes from "working" to "columns" as the set grows. Moments are fitted by
        "gram".
    tol : float, default=1e-4
        Bound on the duality gap relative to the null objective; see `ElasticNetResult.dual_gap`.
    max_iter : int, default=1000
        Bound on the epochs: rounds of sweeps, and Newton steps.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    random_state : int or None, default=None
        Seed of the random order; None: 0. The same seed gives the same result.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), or None, default=None
        Where to start, for example the solution of a nearby `alpha`.

    Returns
    -------
    ElasticNetResult
        coef, intercept, solver, n_iter, dual_gap, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    References
    ----------
    H. Zou and T. Hastie, "Regularization and variable selection via the elastic net", JRSS B 67,
    2005. J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear
    models via coordinate descent", Journal of Statistical Software 33, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 4))
    >>> y = X @ [2.0, 0.0, 0.0, -1.0] + 3.0
    >>> result = fastridge.elastic_net(X, y, alpha=0.1, l1_ratio=0.9, tol=1e-8)
    >>> np.flatnonzero(result.coef), result.dual_gap <= 1e-8
    (array([0, 3]), True)
    """
    options = _Options(
        l1_ratio, fit_intercept, standardize, solver, tol, max_iter, selection, random_state
    )
    alpha = _check_number("alpha", alpha, 0.0, np.inf)
    source, Y, sample_weight = _check_data(X, y, sample_weight)
    p = source.n_features if Y is None else source.n_columns
    if penalty_factor is not None:
        penalty_factor = check_penalty_factor(penalty_factor, p)
    if lower is not None or upper is not None:
        lower, upper = check_bounds(lower, upper, p)
    return solve(
        source, Y, alpha, options, sample_weight, penalty_factor, lower, upper, coef_init
    )


def elastic_net_path(
    X: Any,
    y: Any = None,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: int = 100,
    alphas: Any = None,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    fit_intercept: bool = True,
    standardize: bool = False,
    solver: str = "auto",
    tol: float = 1e-4,
    max_iter: int = 1000,
    selection: str = "cyclic",
    random_state: int | None = None,
    stop_r2: float | None = None,
    callback: Callable[[ElasticNetPath], Any] | None = None,
) -> ElasticNetPath:
    """Fit an elastic net for a decreasing sequence of penalties.

    The objective is that of `elastic_net`; each fit starts from the one before.

    Parameters
    ----------
    X, y, sample_weight, penalty_factor, lower, upper, fit_intercept, standardize, solver, tol, \
            max_iter, selection, random_state
        As in `elastic_net`, for one target; `max_iter` bounds the epochs of each penalty.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    eps : float, default=1e-3
        Last penalty of the automatic grid over the first.
    n_alphas : int, default=100
        Penalties of the automatic grid. The first is the smallest that leaves all penalised
        coefficients at 0; where `l1_ratio` is below 1e-3 it is that of 1e-3.
    alphas : array-like or None, default=None
        Penalties, which are fitted from large to small; None: the automatic grid.
    stop_r2 : float or None, default=None
        End after the first fit that explains this share of the sum of squares, for example 0.999;
        None: go to the last penalty.
    callback : callable or None, default=None
        Called after each penalty with the `ElasticNetPath` so far. If it raises StopIteration, that
        path is returned. Any other exception passes on, as does Ctrl-C, and carries the finished
        part in its attribute `path`.

    Returns
    -------
    ElasticNetPath
        alphas, coefs, intercepts, dual_gaps, n_iters, df, objectives, r2.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached for some penalty.

    References
    ----------
    See `elastic_net`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 4))
    >>> y = X @ [2.0, 0.0, 0.0, -1.0] + 3.0
    >>> path = fastridge.elastic_net_path(X, y, l1_ratio=0.9, n_alphas=20)
    >>> len(path), bool(path.dual_gaps.max() <= 1e-4)
    (20, True)
    """
    options = _Options(
        l1_ratio, fit_intercept, standardize, solver, tol, max_iter, selection, random_state
    )
    eps = _check_number("eps", eps, 0.0, 1.0)
    if eps == 0:
        raise ValueError("eps is 0; expected a number above 0 and up to 1.")
    if stop_r2 is not None:
        stop_r2 = _check_number("stop_r2", stop_r2, 0.0, 1.0)
    n_alphas = _check_count("n_alphas", n_alphas)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is a {type(callback).__name__}; expected a callable or None.")
    source, Y, sample_weight = _check_data(X, y, sample_weight)
    k = source.n_targets if Y is None else (1 if Y.ndim == 1 else Y.shape[1])
    if k != 1:
        raise ValueError(f"y has {k} targets; expected one: fit a path for each.")
    p = source.n_features if Y is None else source.n_columns
    penalty_factor = check_penalty_factor(penalty_factor, p)
    lower, upper = check_bounds(lower, upper, p)
    if alphas is not None:
        alphas = check_alphas(alphas)
    count = n_alphas if alphas is None else len(alphas)
    way = _way(source, options.solver, count)
    problem = _problem(
        source, Y, 0, way, sample_weight, penalty_factor, lower, upper, options
    )
    u = None
    if alphas is None:
        alphas, u = alpha_grid(problem, options.l1_ratio, eps, n_alphas, options.max_iter)
    path = DescentPath(problem, way, options.max_iter, options.seed, u)
    steps: list[PathStep] = []

    def finished() -> ElasticNetPath:
        return ElasticNetPath(p, source.dtype, options.l1_ratio, path.way, steps)

    try:
        for alpha in alphas:
            l1, l2 = problem.penalties(alpha, options.l1_ratio)
            converged = path.solve(l1, l2, options.tol * problem.null)
            steps.append(_step(problem, path, alpha, converged, source.dtype, l1, l2))
            if callback is not None:
                callback(finished())
            if stop_r2 is not None and steps[-1].r2 >= stop_r2:
                break
    except StopIteration:
        pass
    except BaseException as error:
        error.path = finished()  # type: ignore[attr-defined]
        raise
    result = finished()
    if not result.converged.all():
        worst = int(result.dual_gaps.argmax())
        _warn(
            f"{int((~result.converged).sum())} of {len(result)} penalties, worst at alpha="
            f"{result.alphas[worst]:.3g}: ",
            float(result.dual_gaps[worst]), int(result.n_iters[worst]), options.tol,
        )
    return result


def lasso_path(X: Any, y: Any = None, **options: Any) -> ElasticNetPath:
    """Fit a lasso for a decreasing sequence of penalties.

    Minimises 1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j |w_j|.

    Parameters
    ----------
    X, y
        As in `elastic_net`.
    **options
        Those of `elastic_net_path`, but for `l1_ratio`, which is 1.

    Returns
    -------
    ElasticNetPath
        alphas, coefs, intercepts, dual_gaps, n_iters, df, objectives, r2.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> path = fastridge.lasso_path(X, y, n_alphas=3, eps=0.01)
    >>> path.alphas.round(4), path.coefs.round(4)
    (array([1.25  , 0.125 , 0.0125]), array([[0.  , 0.9 , 0.99]]))
    """
    if "l1_ratio" in options:
        raise TypeError("l1_ratio is given to lasso_path, which has it at 1; use elastic_net_path.")
    return elastic_net_path(X, y, l1_ratio=1.0, **options)


class _Options:
    """Checked options that every fit has."""

    __slots__ = (
        "fit_intercept", "l1_ratio", "max_iter", "seed", "solver", "standardize", "tol",
    )

    def __init__(
        self, l1_ratio, fit_intercept, standardize, solver, tol, max_iter, selection, random_state
    ):
        self.l1_ratio = _check_number("l1_ratio", l1_ratio, 0.0, 1.0)
        self.tol = _check_number("tol", tol, 0.0, np.inf)
        self.max_iter = _check_count("max_iter", max_iter)
        if not isinstance(solver, str) or solver not in SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}.")
        if not isinstance(selection, str) or selection not in ("cyclic", "random"):
            raise ValueError(f"selection must be 'cyclic' or 'random'; got {selection!r}.")
        self.solver = solver
        self.fit_intercept, self.standardize = bool(fit_intercept), bool(standardize)
        self.seed = 0
        if selection == "random":
            seed = 0 if random_state is None else random_state
            if isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0:
                raise ValueError(f"random_state must be an int of at least 0; got {seed!r}.")
            # any odd multiplier of 64 bits; 0 would mean cyclic
            self.seed = (int(seed) * 0x9E3779B97F4A7C15 + 1) & 0xFFFFFFFFFFFFFFFF or 1


def solve(
    source: Any,
    Y: NDArray[np.float64] | None,
    alpha: float,
    options: _Options,
    sample_weight: NDArray[np.float64] | None = None,
    penalty_factor: NDArray[np.float64] | None = None,
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
    coef_init: Any = None,
) -> ElasticNetResult:
    """Solve a problem whose arrays have been through the door; see `elastic_net`.

    source: a Matrix, or Moments with Y None.
    """
    if Y is None:
        p, k, single = source.n_features, source.n_targets, source._y_ndim == 1
    else:
        p, single = source.n_columns, Y.ndim == 1
        k = 1 if single else Y.shape[1]
    if coef_init is not None:
        coef_init = _check_start(coef_init, single, k, p)
    way = _way(source, options.solver, 1)
    found = []
    problem = None
    for t in range(k):
        if problem is None or way != "gram" or Y is None:
            problem = _problem(
                source, Y, t, way, sample_weight, penalty_factor, lower, upper, options
            )
        else:
            problem = problem.other_target(t)
        u = None if coef_init is None else problem.to_solver(coef_init[t])
        path = DescentPath(problem, way, options.max_iter, options.seed, u)
        l1, l2 = problem.penalties(alpha, options.l1_ratio)
        converged = path.solve(l1, l2, options.tol * problem.null)
        coef, intercept = problem.to_caller(path.u)
        found.append(
            (coef, intercept, path.n_iter, path.gap / problem.null, path.objective, converged)
        )
    if single:
        coef, intercept, n_iter, gap, objective, converged = found[0]
    else:
        columns = list(zip(*found, strict=True))
        coef, intercept = np.array(columns[0]), np.array(columns[1])
        n_iter, gap, objective = (np.array(column) for column in columns[2:5])
        converged = all(columns[5])
    if source.is_float32:
        coef = coef.astype(np.float32)
        intercept = np.float32(intercept) if single else intercept.astype(np.float32)
    if not converged:
        _warn("", float(np.max(gap)), int(np.max(n_iter)), options.tol)
    return ElasticNetResult(coef, intercept, path.way, n_iter, gap, objective, converged)


def _way(source, solver, n_alphas):
    from ..moments import Moments

    if isinstance(source, Moments):
        if solver not in ("auto", "gram"):
            raise ValueError(f"solver must be 'auto' or 'gram' for Moments; got {solver!r}.")
        return "gram"
    if solver == "auto":
        return choose_way(source, n_alphas)
    return solver


def _problem(source, Y, target, way, sample_weight, factor, lower, upper, options):
    from ..moments import Moments

    rest = (factor, lower, upper, options.fit_intercept, options.standardize)
    if Y is None:
        return DescentProblem.of_moments(source, target, *rest)
    if way == "gram":
        moments = Moments._of_matrix(source, Y, sample_weight)
        return DescentProblem.of_moments(moments, target, *rest)
    if not source.is_sparse:
        require_finite(source.arrays[0])
    y = Y if Y.ndim == 1 else np.ascontiguousarray(Y[:, target])
    return DescentProblem.of_data(source, y, sample_weight, *rest)


def _step(problem, path, alpha, converged, dtype, l1, l2):
    step = PathStep()
    coef, intercept = problem.to_caller(path.u)
    step.alpha, step.intercept = alpha, intercept
    step.indices = np.flatnonzero(coef)
    step.values = coef[step.indices].astype(dtype, copy=False)
    step.dual_gap, step.objective = path.gap / problem.null, path.objective
    step.n_iter, step.converged = path.n_iter, converged
    penalty = float(l1 @ np.abs(path.u)) + 0.5 * float(l2 @ path.u**2)
    step.r2 = 1.0 - (path.objective - penalty) / (0.5 * problem.yy) if problem.yy > 0 else 1.0
    return step


def _is_moments(X: Any) -> bool:
    home = sys.modules.get("fastridge.moments")
    return home is not None and isinstance(X, home.Moments)


def _check_data(X, y, sample_weight):
    """Matrix, target and weights; or Moments, None and None."""
    if _is_moments(X):
        if y is not None or sample_weight is not None:
            name = "y" if y is not None else "sample_weight"
            raise ValueError(f"{name} is given beside Moments, which hold it; expected None.")
        if not X.total_weight > 0:
            raise ValueError(
                f"X holds moments of {X.n_samples} samples of total weight 0; expected some weight."
            )
        return X, None, None
    A = check_design(X, finite=False)
    return A, check_target(y, A.n_rows), check_sample_weight(sample_weight, A.n_rows)


def check_alphas(alphas: Any) -> NDArray[np.float64]:
    """Penalties from large to small."""
    from .._validation import non_negative

    values = np.asarray(alphas)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"alphas has shape {values.shape}; expected one or more penalties.")
    return np.sort(non_negative(alphas, len(values), "alphas", "fit"))[::-1].copy()


def _check_start(coef_init, single, k, p):
    start = np.asarray(coef_init, dtype=np.float64)
    expected = (p,) if single else (k, p)
    if start.shape != expected:
        raise ValueError(f"coef_init has shape {start.shape}; expected {expected}.")
    if not np.isfinite(start).all():
        raise ValueError("coef_init contains NaN or infinity; expected finite numbers.")
    return start.reshape(k, p)


def _check_number(name, value, low, high):
    if type(value) is float and low <= value <= high and value < np.inf:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.floating, np.integer)
    ):
        raise TypeError(f"{name} must be a number; got {value!r}.")
    if not (low <= value <= high) or not np.isfinite(value):
        limit = "a finite number of at least 0" if high == np.inf else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} must be {limit}; got {value!r}.")
    return float(value)


def _check_count(name, value):
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer; got {value!r}.")
    if value < 1:
        raise ValueError(f"{name} must be at least 1; got {value!r}.")
    return value.__index__()


def _warn(where, gap, n_iter, tol):
    from .. import _sklearn

    warnings.warn(
        f"coordinate descent did not converge: {where}the duality gap is {gap:.2g} of the null "
        f"objective after {n_iter} epochs, where tol={tol:g} was asked for; what helps: a larger "
        "max_iter, a larger tol, a larger alpha, some L2 part (l1_ratio below 1), or columns on "
        "like scales (standardize=True).",
        _sklearn.exception("ConvergenceWarning"),
        stacklevel=3,
    )
