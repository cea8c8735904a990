"""scikit-learn's functions `enet_path` and `lasso_path`, with its arguments and return values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._descriptions import describe_as
from ..._progress import check_callback, reporter
from ...data.check import check_array, guarded
from ...data.inputs import as_array, numbers
from ...data.parameters import (
    LARGEST_INT,
    check_bounds,
    check_count,
    check_flags,
    check_penalty_factor,
)
from .fit import Constraints, check_data, solve_path, warn_of_lost_rows
from .grid import LEAST_L1_RATIO, spaced
from .options import Options, check_alphas, check_number, check_stop
from .result import ElasticNetPath

__all__ = ["PathTuple", "enet_path", "lasso_path"]


class PathTuple(tuple):
    """Result of `enet_path` and `lasso_path`: a tuple with the items of scikit-learn's.

    It is (alphas, coefs, dual_gaps), with `return_n_iter` (alphas, coefs, dual_gaps, n_iters). It
    also has the attributes of `path`, such as `intercept`, `relative_gap`, `converged` and
    `predict`.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Penalties, from large to small.
    coefs : ndarray of shape (n_features, n_alphas) or (n_targets, n_features, n_alphas)
        Coefficients, in the type of X.
    dual_gaps : ndarray of shape (n_alphas,)
        Upper bounds on how far each objective is from its minimum, in the objective's unit.
    n_iters : list of int
        Epochs.
    path : ElasticNetPath or MultiTaskPath
        The solutions with a row per penalty, and their certificates; ``path[k]`` is fit number k.

    See Also
    --------
    lasso_path : Lasso path with scikit-learn's signature.
    enet_path : Elastic net path with scikit-learn's signature.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [-1.5, -0.5, 0.5, 1.5]
    >>> found = fastridge.lasso_path(X, y, alphas=3)
    >>> len(found), found.coefs.shape, found.path[2].converged
    (3, (1, 3), True)
    """

    path: Any
    coefs: NDArray[Any]

    def __new__(cls, path: Any, return_n_iter: bool = False) -> PathTuple:
        coefs = np.ascontiguousarray(np.moveaxis(path.coef, 0, -1))
        items = (path.alphas, coefs, path.dual_gap)
        n_iters = path.n_iter.tolist()
        self = super().__new__(cls, (*items, n_iters) if return_n_iter else items)
        self.path, self.coefs, self.n_iters = path, coefs, n_iters
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, len(self) == 4)

    @property
    def dual_gaps(self) -> NDArray[np.float64]:
        return self.path.dual_gap

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or "path" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.path, name)

    def __repr__(self) -> str:
        return f"PathTuple({self.path!r})"


def enet_path(
    X: Any,
    y: Any = None,
    *,
    l1_ratio: float = 0.5,
    eps: float = 1e-3,
    n_alphas: int | None = None,
    alphas: Any = 100,
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: Any = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    sample_weight: Any = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    random_state: Any = None,
    selection: str = "cyclic",
    do_screening: bool = True,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    fit_intercept: bool = False,
    standardize: bool = False,
    solver: str = "auto",
    stop_r2: float | None = None,
    stop: Callable[[ElasticNetPath], Any] | None = None,
    callback: Callable[[int, int], Any] | None = None,
) -> PathTuple:
    """Fit an elastic net for a decreasing sequence of penalties, as scikit-learn's function does.

    Minimises, over the coefficients w, and over the intercept b with `fit_intercept`, for each
    alpha::

        1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2
            + alpha * (l1_ratio * sum_j f_j |w_j| + (1 - l1_ratio) / 2 * sum_j f_j w_j^2)

    with s = `sample_weight` and f = `penalty_factor`, ones where None. For `y` of shape
    (n_samples, n_targets), the objective is that of `MultiTaskElasticNet`. As in scikit-learn there
    is no intercept by default; `elastic_net_path` fits one, and has a row per penalty.

    Parameters
    ----------
    X : array-like, data frame or scipy sparse matrix of shape (n_samples, n_features), or Moments
        Features; see `elastic_net`.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
        Values to predict; None where `X` is Moments.
    l1_ratio : float, default=0.5
        Share of the L1 part, from 0 (ridge) to 1 (lasso).
    eps : float, default=1e-3
        Ratio of the last to the first penalty of the automatic grid, above 0.
    n_alphas : int or None, default=None
        Number of penalties of the automatic grid, instead of an int as `alphas`.
    alphas : array-like, int or None, default=100
        Penalties, which are sorted from large to small, or the number of penalties of an automatic
        grid, whose first is the smallest that leaves all penalised coefficients at 0. None: 100.
    precompute : bool, "auto" or array-like of shape (n_features, n_features), default="auto"
        True: fit on the Gram matrix of all features. An array: that Gram matrix. Otherwise use the
        Gram matrix where that is faster.
    Xy : array-like of shape (n_features,) or (n_features, n_targets), or None, default=None
        Accepted for compatibility: products with `y` are computed from `X` and `y`.
    copy_X : bool, default=True
        Accepted for compatibility: `X` is never overwritten.
    coef_init : array-like of shape (n_features,) or (n_targets, n_features), or None, default=None
        Warm start of the first fit.
    verbose : bool or int, default=False
        Show a progress bar on standard error, with tqdm where installed.
    return_n_iter : bool, default=False
        Also return the numbers of epochs.
    positive : bool, default=False
        Require w >= 0; for one target.
    check_input : bool, default=True
        Accepted for compatibility: arguments are always checked.
    sample_weight : array-like of shape (n_samples,), float or None, default=None
        Non-negative weights: weight 2 is the row twice.
    tol : float, default=1e-4
        Bound on the duality gap of each fit over the objective of the null model.
    max_iter : int, default=1000
        Largest number of epochs per penalty.
    random_state : int, numpy.random.RandomState or None, default=None
        Seed of the random order; None: 0.
    selection : {"cyclic", "random"}, default="cyclic"
        Order of the coordinates in a sweep.
    do_screening : bool, default=True
        Accepted for compatibility: working sets replace screening.
    penalty_factor : array-like of shape (n_features,) or None, default=None
        Non-negative factor of each feature's penalty; 0 leaves it unpenalised.
    lower, upper : float or array-like of shape (n_features,) or None, default=None
        Bounds of the coefficients; for one target.
    fit_intercept : bool, default=False
        Fit b, which is never penalised; otherwise b = 0.
    standardize : bool, default=False
        Penalise in units of the columns' weighted standard deviations.
    solver : {"auto", "gram", "working", "columns"}, default="auto"
        For one target: "gram" forms a Gram matrix of all features, "working" one of a working set,
        "columns" works on columns without a Gram matrix; "auto" chooses. Dependent
        features of penalty factor 0, and weights below 1e-10 of the largest, have "working",
        whichever is named.
    stop_r2 : float or None, default=None
        End after the first fit that explains this share of the sum of squares; for one target.
    stop : callable or None, default=None
        Called as stop(path) after each penalty, with the `ElasticNetPath` so far; returning True
        ends the path, for example where a held-out error rises; for one target.
    callback : callable or None, default=None
        Called as callback(done, total) after each penalty. If it raises StopIteration, the path so
        far is returned. Any other exception, and Ctrl-C, propagates with the finished part of the
        path in its attribute `path`.

    Returns
    -------
    PathTuple
        A tuple (alphas, coefs, dual_gaps), and n_iters with `return_n_iter`: arrays of shape
        (n_alphas,), (n_features, n_alphas) or (n_targets, n_features, n_alphas), and (n_alphas,),
        and a list of int. It has the attributes of the path as well.

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
    elastic_net_path : With an intercept, and a row of coefficients per penalty.
    lasso_path : Lasso path with scikit-learn's signature.
    PathTuple : Result of a path with scikit-learn's signature.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized linear models
    via coordinate descent", Journal of Statistical Software 33, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fastridge import enet_path
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> alphas, coefs, dual_gaps = enet_path(X, X @ [2.0, 0.0, 0.0, -1.0], alphas=20, l1_ratio=0.9)
    >>> alphas.shape, coefs.shape, np.flatnonzero(coefs[:, 10])
    ((20,), (4, 20), array([0, 3]))
    """
    return _path(locals())


@describe_as(enet_path)
def lasso_path(
    X: Any,
    y: Any = None,
    *,
    eps: float = 1e-3,
    n_alphas: int | None = None,
    alphas: Any = 100,
    precompute: Any = "auto",
    Xy: Any = None,
    copy_X: bool = True,
    coef_init: Any = None,
    verbose: Any = False,
    return_n_iter: bool = False,
    positive: bool = False,
    check_input: bool = True,
    sample_weight: Any = None,
    tol: float = 1e-4,
    max_iter: int = 1000,
    random_state: Any = None,
    selection: str = "cyclic",
    do_screening: bool = True,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    fit_intercept: bool = False,
    standardize: bool = False,
    solver: str = "auto",
    stop_r2: float | None = None,
    stop: Callable[[ElasticNetPath], Any] | None = None,
    callback: Callable[[int, int], Any] | None = None,
) -> PathTuple:
    """Fit a lasso for a decreasing sequence of penalties, as scikit-learn's function does.

    Minimises 1 / (2 sum_i s_i) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j f_j |w_j| for each
    alpha; for `y` of shape (n_samples, n_targets), the objective is that of `MultiTaskLasso`. As in
    scikit-learn, b is 0 unless `fit_intercept` is True.

    Parameters
    ----------
    X, y, eps, n_alphas, alphas, precompute, Xy, copy_X, coef_init, verbose, return_n_iter, \
positive, check_input, sample_weight, tol, max_iter, random_state, selection, do_screening, \
penalty_factor, lower, upper, fit_intercept, standardize, solver, stop_r2, stop, callback
        As for `enet_path`.

    Returns
    -------
    PathTuple
        A tuple (alphas, coefs, dual_gaps), and n_iters with `return_n_iter`: see `enet_path`.

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
    enet_path : Elastic net path with scikit-learn's signature.
    elastic_net_path : Elastic nets for many penalties.
    PathTuple : Result of a path with scikit-learn's signature.
    Lasso : Least squares with an L1 penalty.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", JRSS B 58, 1996.

    Examples
    --------
    >>> import fastridge
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0]
    >>> alphas, coefs, _ = fastridge.lasso_path(X, y, alphas=3, eps=0.01, fit_intercept=True)
    >>> alphas.round(4), coefs.round(4)
    (array([1.25  , 0.125 , 0.0125]), array([[0.  , 0.9 , 0.99]]))
    """
    return _path({**locals(), "l1_ratio": 1.0})


def _path(given: dict[str, Any]) -> PathTuple:
    """Return the path for the arguments of `enet_path`, which are unchecked."""
    check_flags(
        copy_X=given["copy_X"],
        return_n_iter=given["return_n_iter"],
        positive=given["positive"],
        check_input=given["check_input"],
    )
    seed = given["random_state"]
    if given["selection"] == "random" and hasattr(seed, "randint"):
        seed = int(seed.randint(2**31 - 1))
    precompute, solver = given["precompute"], given["solver"]
    gram = None
    if isinstance(precompute, str) and precompute == "auto":
        pass
    elif not isinstance(precompute, (bool, np.bool_)):
        gram = numbers(as_array(precompute, "precompute"), "precompute")
    elif precompute and solver == "auto":
        solver = "gram"
    options = Options(
        given["l1_ratio"],
        given["fit_intercept"],
        given["standardize"],
        solver,
        given["tol"],
        given["max_iter"],
        given["selection"],
        seed,
    )
    eps = check_number("eps", given["eps"], 0.0, math.inf)
    if eps == 0:
        raise ValueError("eps is 0; expected a finite number above 0.")
    alphas, count = given["alphas"], 100
    if given["n_alphas"] is not None:
        alphas, count = None, check_count("n_alphas", given["n_alphas"], LARGEST_INT)
    elif isinstance(alphas, (int, np.integer)):
        alphas, count = None, check_count("alphas", alphas, LARGEST_INT)
    values = None if alphas is None else check_alphas(alphas)
    stop_r2, callback = given["stop_r2"], given["callback"]
    if stop_r2 is not None:
        stop_r2 = check_number("stop_r2", stop_r2, 0.0, 1.0)
    check_callback(callback)
    check_stop(given["stop"])
    callback = reporter(callback, given["verbose"], "penalties")
    source, Y, weight = check_data(given["X"], given["y"], given["sample_weight"])
    p = source.n_features if Y is None else source.n_columns
    if gram is not None and gram.shape != (p, p):
        raise ValueError(
            f"precompute has shape {gram.shape}; expected ({p}, {p}), as X has {p} columns."
        )
    factor = check_penalty_factor(given["penalty_factor"], p)
    if Y is not None and Y.ndim == 2:
        report = guarded(callback, source)
        path = _groups(given, source, Y, weight, factor, values, count, eps, options, report)
        return PathTuple(path, given["return_n_iter"])
    lower, upper = check_bounds(given["lower"], given["upper"], p)
    if given["positive"]:
        lower = np.zeros(p) if lower is None else np.maximum(lower, 0.0)
        lower, upper = check_bounds(lower, upper, p)
    found = solve_path(
        source,
        Y,
        values,
        options,
        weight,
        Constraints(factor, lower, upper),
        eps=eps,
        n_alphas=count,
        stop_r2=stop_r2,
        stop=given["stop"],
        callback=callback,
        coef_init=given["coef_init"],
        gram=None if gram is None else np.require(gram, np.float64, ["C", "A"]),
    )
    return PathTuple(found, given["return_n_iter"])


def _groups(
    given: dict[str, Any],
    A: Any,
    Y: NDArray[np.float64],
    weight: NDArray[np.float64] | None,
    factor: NDArray[np.float64] | None,
    alphas: NDArray[np.float64] | None,
    n_alphas: int,
    eps: float,
    options: Options,
    callback: Any,
) -> Any:
    """Return the path of several targets that share their support."""
    from .groups import GroupPath
    from .multi_task import solve_groups

    if given["positive"]:
        raise ValueError(
            f"positive is True and y has shape {Y.shape}; expected positive=False, or y of shape"
            " (n_samples,)."
        )
    for name in ("lower", "upper", "stop_r2", "stop"):
        if given[name] is not None:
            raise ValueError(
                f"{name} is given and y has shape {Y.shape}; expected None, or y of shape"
                " (n_samples,)."
            )
    warn_of_lost_rows(weight, A.n_columns)
    path = GroupPath(
        A,
        np.asfortranarray(Y),
        weight,
        factor,
        options.fit_intercept,
        options.standardize,
        options.max_iter,
        options.seed,
    )
    start = None
    if given["coef_init"] is not None:
        start = check_array("coef_init", given["coef_init"], (path.k, path.p))
    if alphas is None:
        first = path.largest(options.l1_ratio or LEAST_L1_RATIO)
        rounding = np.finfo(np.float64).resolution
        alphas = spaced(first, eps, n_alphas) if first > rounding else np.full(n_alphas, rounding)
    dtype = np.float32 if A.is_float32 else np.float64
    return solve_groups(path, alphas, options, dtype, start, callback)
