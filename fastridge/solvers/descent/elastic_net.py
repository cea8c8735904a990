"""Elastic net and lasso by coordinate descent: arguments, results and the certificate.

The problem and its dual are in `descent.problem`, the solver and its cost model in
`descent.path`, grids in `descent.grid`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..._descriptions import describe_as
from ..._progress import check_callback, reporter
from ...data.parameters import LARGEST_INT, check_bounds, check_count, check_penalty_factor
from .fit import Constraints, check_data, solve, solve_path
from .options import Options, check_alphas, check_number, check_stop
from .result import ElasticNetPath, ElasticNetResult

__all__ = ["ElasticNetPath", "ElasticNetResult", "elastic_net", "elastic_net_path", "lasso"]


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
        Bounds of the coefficients, in the units of `X`; None or infinite: no bound.
    fit_intercept : bool, default=True
        Fit b, which is neither penalised nor bounded; otherwise b = 0.
    standardize : bool, default=False
        Penalise sd_j w_j instead of w_j, with sd the columns' weighted standard deviations (1 for
        constant columns).
    solver : {"auto", "gram", "working", "columns"}, default="auto"
        "gram": covariance updates on the Gram matrix of all features. "working": the same on a
        working set. "columns": residual updates with the columns of a working set. "auto" chooses
        by shape and storage, and switches from "working" to "columns" as the set grows. Moments
        are fitted by "gram". "working" runs, whichever is named, where features of penalty factor 0
        depend on each other, which it projects out of the others, and where weights are below
        1e-10 of the largest, whose rows its sums do not lose.
    tol : float, default=1e-4
        Bound on `ElasticNetResult.relative_gap`, the duality gap over the null objective.
    max_iter : int, default=1000
        Largest number of epochs: rounds of sweeps, and Newton steps.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    random_state : int or None, default=None
        Seed of the random order; None: 0. The same seed gives the same result.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), or None, default=None
        Warm start, for example the solution of a nearby `alpha`.

    Returns
    -------
    ElasticNetResult
        coef, intercept, solver, n_iter, dual_gap, relative_gap, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached, or if the sums of squares lose light rows beside heavy ones.

    See Also
    --------
    ElasticNet : Least squares with L1 and L2 penalties.
    lasso : Lasso as a function.
    elastic_net_path : Elastic nets for many penalties.
    ElasticNetResult : Result of one elastic net.

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
    >>> np.flatnonzero(result.coef), result.relative_gap <= 1e-8
    (array([0, 3]), True)
    """
    options = Options(
        l1_ratio, fit_intercept, standardize, solver, tol, max_iter, selection, random_state
    )
    alpha = check_number("alpha", alpha, 0.0, math.inf)
    source, Y, sample_weight = check_data(X, y, sample_weight)
    constraints = _constraints(source, Y, penalty_factor, lower, upper)
    return solve(source, Y, alpha, options, sample_weight, constraints, coef_init)


@describe_as(elastic_net)
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
    stop: Callable[[ElasticNetPath], Any] | None = None,
    callback: Callable[[int, int], Any] | None = None,
    verbose: bool | int = False,
) -> ElasticNetPath:
    """Fit an elastic net for a decreasing sequence of penalties.

    The objective is that of `elastic_net`; each fit is warm-started from the one before.

    Parameters
    ----------
    X
        As in `elastic_net`.
    y : array-like of shape (n_samples,)
        Values to predict; None where `X` is Moments.
    sample_weight, penalty_factor, lower, upper, fit_intercept, standardize, solver
        As in `elastic_net`.
    tol : float, default=1e-4
        Bound on the duality gap of each fit over the null objective. Above 1e-4 fits end as soon as
        they reach it, without the last Newton step that makes coefficients exact; objectives are
        often much closer to their minima than `relative_gap` says.
    max_iter : int, default=1000
        Largest number of epochs per penalty.
    selection, random_state
        As in `elastic_net`.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    eps : float, default=1e-3
        Ratio of the last to the first penalty of the automatic grid.
    n_alphas : int, default=100
        Number of penalties of the automatic grid. The first is the smallest that leaves all
        penalised coefficients at 0; where `l1_ratio` is below 1e-3 it is that of 1e-3.
    alphas : array-like, int or None, default=None
        Penalties, which are fitted from large to small; None: the automatic grid; an int: an
        automatic grid of that many penalties.
    stop_r2 : float or None, default=None
        End after the first fit that explains this share of the sum of squares, for example 0.999;
        None: fit all penalties.
    stop : callable or None, default=None
        Called as stop(path) after each penalty, with the `ElasticNetPath` so far; returning True
        ends the path, for example where a held-out error rises.
    callback : callable or None, default=None
        Called as callback(done, total) after each penalty. If it raises StopIteration, the path so
        far is returned. Any other exception, and Ctrl-C, propagates with the finished part of the
        path in its attribute `path`.
    verbose : bool or int, default=False
        Show a progress bar on standard error, with tqdm where installed.

    Returns
    -------
    ElasticNetPath
        alphas, coef, intercept, dual_gap, relative_gap, n_iter, dof, objective, r2.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached for some penalty, or if the sums of squares lose light rows beside
        heavy ones.

    See Also
    --------
    LassoCV : Lasso that chooses its penalty.
    ElasticNetCV : Elastic net that chooses its penalties.
    lasso : Lasso as a function.
    lasso_path : Lasso path with scikit-learn's signature.
    enet_path : Elastic net path with scikit-learn's signature.
    elastic_net : Elastic net as a function.
    ElasticNetPath : Result of a path of elastic nets.
    RegularizationPathDisplay : Coefficients against the penalty.
    ElasticNet : Least squares with L1 and L2 penalties.

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
    >>> len(path), bool(path.relative_gap.max() <= 1e-4)
    (20, True)
    """
    options = Options(
        l1_ratio, fit_intercept, standardize, solver, tol, max_iter, selection, random_state
    )
    eps = check_number("eps", eps, 0.0, 1.0)
    if eps == 0:
        raise ValueError("eps is 0; expected a number above 0 and up to 1.")
    if stop_r2 is not None:
        stop_r2 = check_number("stop_r2", stop_r2, 0.0, 1.0)
    if isinstance(alphas, (int, np.integer)):
        alphas, n_alphas = None, check_count("alphas", alphas, LARGEST_INT)
    n_alphas = check_count("n_alphas", n_alphas, LARGEST_INT)
    check_callback(callback)
    check_stop(stop)
    source, Y, sample_weight = check_data(X, y, sample_weight)
    k = source.n_targets if Y is None else (1 if Y.ndim == 1 else Y.shape[1])
    if k != 1:
        raise ValueError(f"y has {k} targets; expected one. Fit a path for each target.")
    constraints = _constraints(source, Y, penalty_factor, lower, upper)
    return solve_path(
        source,
        Y,
        None if alphas is None else check_alphas(alphas),
        options,
        sample_weight,
        constraints,
        eps=eps,
        n_alphas=n_alphas,
        stop_r2=stop_r2,
        stop=stop,
        callback=reporter(callback, verbose, "penalties"),
    )


@describe_as(elastic_net)
def lasso(
    X: Any,
    y: Any = None,
    alpha: float = 1.0,
    *,
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
    """Fit least squares with an L1 penalty.

    Minimises, over the coefficients w and the intercept b::

        1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j |w_j|

    with s = `sample_weight` and f = `penalty_factor`, ones where None, subject to
    `lower` <= w <= `upper`. Several targets are fitted independently.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or Moments
        Features, or `fastridge.Moments`, which hold `y` and `sample_weight` already.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict; None where `X` is Moments.
    alpha : float, default=1.0
        Strength of the penalty, at least 0.
    sample_weight, penalty_factor, lower, upper, fit_intercept, standardize, solver, tol, \
max_iter, selection, random_state, coef_init
        As for `elastic_net`.

    Returns
    -------
    ElasticNetResult
        coef, intercept, solver, n_iter, dual_gap, relative_gap, objective, converged.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described; the message names it, what came and what was expected.

    Warns
    -----
    ConvergenceWarning
        If `tol` was not reached.

    See Also
    --------
    Lasso : Least squares with an L1 penalty.
    elastic_net : Elastic net as a function.
    elastic_net_path : Elastic nets for many penalties.
    ElasticNetResult : Result of one elastic net.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996.

    Examples
    --------
    >>> import fastridge
    >>> result = fastridge.lasso([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0], alpha=0.25)
    >>> result.coef.round(6), round(result.intercept, 6)
    (array([0.8]), 0.3)
    """
    return elastic_net(
        X,
        y,
        alpha,
        l1_ratio=1.0,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        fit_intercept=fit_intercept,
        standardize=standardize,
        solver=solver,
        tol=tol,
        max_iter=max_iter,
        selection=selection,
        random_state=random_state,
        coef_init=coef_init,
    )


def _constraints(source: Any, Y: Any, penalty_factor: Any, lower: Any, upper: Any) -> Constraints:
    p = source.n_features if Y is None else source.n_columns
    if lower is not None or upper is not None:
        lower, upper = check_bounds(lower, upper, p)
    return Constraints(check_penalty_factor(penalty_factor, p), lower, upper)
